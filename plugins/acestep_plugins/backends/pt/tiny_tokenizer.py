"""A small byte-level BPE tokenizer with the special tokens and the 64,000 audio codes of the real one."""

from typing import Any

from acestep_core import prompts

AUDIO_CODES = 64000
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_TAGS = ("<think>", "</think>")
_MERGES = 600
_WORDS = (
    "intro verse pre-chorus chorus bridge outro interlude instrumental a the and of with for in on slow fast warm dark "
    "bright gentle driving piano guitar acoustic electric bass drums strings synth flute violin saxophone accordion "
    "vocal male female singer melody beat groove rhythm tempo jazz rock pop folk ballad ambient techno house waltz "
    "mellow upbeat melancholic dreamy song track music featuring night light rain river home heart love dream dance "
    "caption bpm keyscale timesignature duration language genres seconds unknown true false"
)
_LINES = ("静かな夜の歌 光の中で 電車 星 海 君と歩く", "夜晚的歌 钢琴 吉他 节奏 爱 梦 星光 河流")
# audio codes whole, contractions, words with their leading space, numbers digit by digit, punctuation, line ends
_SPLIT = r"<\|audio_code_\d+\|>|'(?:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"


def build_tokenizer() -> Any:
    """A `PreTrainedTokenizerFast`; the same one every time."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = _trained()
    for code in range(AUDIO_CODES):
        vocabulary[f"<|audio_code_{code}|>"] = len(vocabulary)
    tokenizer = _with_bytes(Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True)))
    tokenizer.add_special_tokens([*SPECIAL])
    tokenizer.add_tokens([*_TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=_CHAT,
        clean_up_tokenization_spaces=False,
    )


# Qwen's layout: a header line with the role, the text, an end mark.
_CHAT = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _trained() -> tuple[dict[str, int], list[tuple[str, str]]]:
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = _with_bytes(Tokenizer(models.BPE()))
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=256 + _MERGES, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(_corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return dict(model["vocab"]), [tuple(m) for m in model["merges"]]


def _with_bytes(tokenizer: Any) -> Any:
    from tokenizers import Regex, decoders, pre_tokenizers

    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _corpus() -> list[str]:
    """The templates with every key, language and common word: short prompts become short token sequences."""
    texts = [prompts.caption_text(_WORDS, prompts.metas_text(120, "4", key, 30)) for key in prompts.KEYSCALES]
    texts += [prompts.lyric_text(f"[Verse]\n{_WORDS}\n[Chorus]\n{_WORDS}", code) for code in prompts.LANGUAGES]
    return texts + list(_LINES) * 20
