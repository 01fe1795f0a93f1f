"""The tokenizer of the text encoder: byte-level BPE, learnt from the texts that the model is going to read."""

from collections.abc import Iterable
from typing import Any

from acestep_core import prompts

END = "<|endoftext|>"
# Keys and numbers whole, so that each key and tempo becomes one token; words with their space, runs of other signs.
_SPLIT = r" ?[A-G][#b]? (?:major|minor)| ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+"
_TIMES = 40  # that a number is said, so that none is left in pieces


def build_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A `PreTrainedTokenizerFast` of so many tokens; any text can be read with it."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, by_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=[END], show_progress=False
    )
    tokenizer.train_from_iterator([*_frames(), *texts], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )


def _frames() -> list[str]:
    """Every tempo and key as prompts say them."""
    plain = [k for k in prompts.KEYSCALES if not set(k) & set("♯♭")]
    said = [prompts.metas_text(bpm, "4", plain[bpm % len(plain)], bpm % 30) for bpm in range(60, 181)]
    return said * _TIMES
