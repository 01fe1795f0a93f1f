"""A tiny Wav2Vec2ForCTC with random weights, as transformers writes one; a frame depends on its neighbours alone."""

import json

LETTERS = {"<pad>": 0, "|": 1, "A": 2, "E": 3, "L": 4, "N": 5, "R": 6, "I": 7}


def write_ctc(folder):
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, pad_token_id=0,
        feat_extract_norm="layer",
    )  # fmt: skip
    model = Wav2Vec2ForCTC(config)
    torch.nn.init.zeros_(model.wav2vec2.encoder.layers[0].attention.out_proj.weight)  # it hears what is near alone
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(LETTERS))
    return folder
