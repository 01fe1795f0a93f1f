"""Speech and models to hear it with, made on the spot: a voice, a tiny random Whisper, a tiny random Qwen2.5-Omni.

The models are built of the real classes, so that the real libraries load and run them.
"""

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_STAMPS = 1501  # times from 0.00 to 30.00
LANGUAGES = ("en", "de", "fr", "ja", "zh")
SCRIPT = ("<|de|>", "<|transcribe|>", "<|0.00|>", " Rain", " on", ",", " the", " roof", "<|2.00|>", "<|2.00|>", " Sun",
          " again", "<|3.00|>", "<|endoftext|>")  # fmt: skip
"""What is said after each position: the first three are those of the language, the task and the first time."""


def say(text: str, voice: str = "en") -> tuple[np.ndarray, int]:
    """(float32 [S], rate) of speech by espeak-ng."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate_hz = library.espeak_Initialize(1, 500, espeakng_loader.get_data_path().encode(), 0)  # 1: hand samples over
    heard: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def take(samples, count, events):
        if samples and count:
            heard.append(np.ctypeslib.as_array(samples, (count,)).astype(np.float32) / 32768)
        return 0

    library.espeak_SetSynthCallback(take)
    library.espeak_SetVoiceByName(voice.encode())
    raw = text.encode() + b"\0"
    library.espeak_Synth(raw, len(raw), 0, 1, 0, 1, None, None)  # 1: UTF-8
    library.espeak_Synchronize()
    return np.concatenate(heard), rate_hz


def byte_tokenizer(special: Sequence[str], words: Sequence[str] = ()):
    """A tokenizer of single bytes, then these words, which it never makes itself, then these special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = [*alphabet, *(w.replace(" ", "Ġ").replace("\n", "Ċ") for w in words)]
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(vocabulary)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(special))
    return made


def write_whisper(folder: Path, script: Sequence[str] = SCRIPT, sure: float = 1.0) -> Path:
    """A folder as faster-whisper reads it, with a model that says the script whatever it hears.

    Every weight is random but those that make the output a matter of the position alone. `sure` scales the logits.
    """
    from ctranslate2.converters.transformers import WhisperLoader

    languages = [f"<|{code}|>" for code in LANGUAGES]
    special = ["<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>",
               "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]  # fmt: skip
    words = list(dict.fromkeys(w for w in script if not w.startswith("<|") and len(w) > 1))
    tokenizer = byte_tokenizer(special, [*words, ""])  # by the empty word CTranslate2 knows a multilingual one
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    tokens += [f"<|{i * 0.02:.2f}|>" for i in range(_STAMPS)]
    ids = {token: i for i, token in enumerate(tokens)}
    said = [ids[w.replace(" ", "Ġ")] for w in script]
    spec = WhisperLoader().get_model_spec(_whisper(len(tokens), said, sure))
    spec.register_vocabulary(tokens)
    spec.config.lang_ids = [ids[code] for code in languages]
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.alignment_heads = [(1, 0), (1, 1)]
    spec.validate()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))
    return folder


def _whisper(tokens: int, said: Sequence[int], sure: float):
    """After a token at position i comes said[i], for nothing but the position reaches the output."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(vocab_size=tokens, num_mel_bins=80, d_model=64, encoder_layers=1, decoder_layers=2,
                           encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64,
                           pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0)  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = WhisperForConditionalGeneration(config)
        decoder = model.model.decoder
        decoder.embed_tokens.weight.normal_()
        decoder.embed_positions.weight.zero_()
        decoder.embed_positions.weight[: len(said)] = 100 * decoder.embed_tokens.weight[list(said)]
        for layer in decoder.layers:
            for silent in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                silent.weight.zero_()
                silent.bias.zero_()
        decoder.layer_norm.weight.fill_(sure)
    return model


ANSWER = ("# Languages\n", "de\n\n", "# Lyrics\n", "[Verse 1]\n", "Rain on the roof\n", "Sun again", "<|im_end|>")
"""What the tiny Omni writes: after each of these the next, and the first after the line end of the prompt."""


def write_omni(folder: Path, answer: Sequence[str] = ANSWER) -> Path:
    """A folder as the released ones are: config with thinker and talker, weights by their old names, tokenizer."""
    from safetensors.torch import save_file
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>",
               "<|IMAGE|>", "<|VIDEO|>"]  # fmt: skip
    tokenizer = byte_tokenizer(special, [a for a in answer if a not in special])
    ids = {token: tokenizer.token_to_id(token) for token in special}
    said = [tokenizer.token_to_id(a if a in special else a.replace(" ", "Ġ").replace("\n", "Ċ")) for a in answer]
    model = _omni(tokenizer.get_vocab_size(), ids, [tokenizer.token_to_id("Ċ"), *said])
    folder.mkdir(parents=True)
    weights = {_released(name): value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file({**weights, "talker.codec_head.weight": weights["thinker.lm_head.weight"][:2].clone()},
              folder / "model.safetensors", {"format": "pt"})  # fmt: skip
    config = {"model_type": "qwen2_5_omni", "architectures": ["Qwen2_5OmniForConditionalGeneration"],
              "thinker_config": model.config.to_dict()}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config, default=str))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>").save_pretrained(str(folder))
    return folder


def _released(name: str) -> str:
    for new, old in (("model.language_model.", "model."), ("model.audio_tower.", "audio_tower."),
                     ("model.visual.", "visual.")):  # fmt: skip
        if name.startswith(new):
            return f"thinker.{old}{name.removeprefix(new)}"
    return f"thinker.{name}"


def _omni(tokens: int, ids: dict[str, int], chain: Sequence[int]):
    """Each token of the chain is followed by the next: attention and MLP are silent, the head does it."""
    import torch
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    config = Qwen2_5OmniThinkerConfig(
        audio_config={"encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 32,
                      "output_dim": 64, "num_mel_bins": 128},
        vision_config={"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64},
        text_config={"vocab_size": tokens, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "num_key_value_heads": 1,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}},
        audio_token_index=ids["<|AUDIO|>"], image_token_index=ids["<|IMAGE|>"], video_token_index=ids["<|VIDEO|>"],
        audio_start_token_id=ids["<|audio_bos|>"], audio_end_token_id=ids["<|audio_eos|>"],
        vision_start_token_id=ids["<|IMAGE|>"],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = Qwen2_5OmniThinkerForConditionalGeneration(config)
        embedding, head = model.get_input_embeddings().weight, model.lm_head.weight
        embedding.normal_()
        head.zero_()
        for before, after in zip(chain, chain[1:], strict=False):
            head[after] = embedding[before]
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return model
