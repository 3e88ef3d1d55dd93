"""A Whisper model of the real file layout, random weights and a vocabulary of bytes: it runs, and knows nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from ctranslate2.specs import whisper_spec

WIDTH = 16
HEADS = 2
LAYERS = 2
MELS = 80
FRAMES = 1500
POSITIONS = 448
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nocaptions|>",
    "<|notimestamps|>",
)
TIMESTAMPS = 1501


def build_tiny_whisper(folder: Path, seed: int = 1) -> Path:
    """Write the model into ``folder`` (made here) and return it. English only: CTranslate2 goes by the vocabulary."""
    tokenizer, tokens = _tokenizer()
    spec = whisper_spec.WhisperSpec(LAYERS, HEADS, LAYERS, HEADS)
    _Weights(seed).fill(spec, len(tokens))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokens.index("<|en|>")]
    spec.config.alignment_heads = [(LAYERS - 1, head) for head in range(HEADS)]
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    assert ctranslate2.contains_model(str(folder))
    return folder


def _tokenizer() -> tuple[tokenizers.Tokenizer, list[str]]:
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    timestamps = [f"<|{i * 0.02:.2f}|>" for i in range(TIMESTAMPS)]
    tokenizer.add_special_tokens([*SPECIAL, *timestamps])
    return tokenizer, [*letters, *SPECIAL, *timestamps]


class _Weights:
    """Random, and large enough that the decoder says varied things."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def _some(self, *shape: int, scale: float = 0.5) -> Any:
        return (self._random.standard_normal(shape) * scale).astype(np.float32)

    def fill(self, spec: Any, vocabulary: int) -> None:
        self._conv(spec.encoder.conv1, MELS)
        self._conv(spec.encoder.conv2, WIDTH)
        spec.encoder.position_encodings.encodings = self._some(FRAMES, WIDTH)
        spec.decoder.position_encodings.encodings = self._some(POSITIONS, WIDTH)
        spec.decoder.embeddings.weight = self._some(vocabulary, WIDTH, scale=1.0)
        spec.decoder.projection.weight = self._some(vocabulary, WIDTH, scale=1.0)
        for half in (spec.encoder, spec.decoder):
            self._norm(half.layer_norm)
            for layer in half.layer:
                self._attention(layer.self_attention, (3, 1))
                self._norm(layer.ffn.layer_norm)
                self._linear(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
                self._linear(layer.ffn.linear_1, WIDTH, 4 * WIDTH)
                if half is spec.decoder:
                    self._attention(layer.attention, (1, 2, 1))

    def _attention(self, attention: Any, widths: tuple[int, ...]) -> None:
        self._norm(attention.layer_norm)
        for linear, width in zip(attention.linear, widths, strict=True):
            self._linear(linear, width * WIDTH, WIDTH)

    def _conv(self, conv: Any, inputs: int) -> None:
        conv.weight = self._some(WIDTH, inputs, 3)
        conv.bias = self._some(WIDTH)

    def _linear(self, linear: Any, outputs: int, inputs: int) -> None:
        linear.weight = self._some(outputs, inputs)
        linear.bias = self._some(outputs)

    def _norm(self, norm: Any) -> None:
        norm.gamma = np.ones(WIDTH, np.float32)
        norm.beta = np.zeros(WIDTH, np.float32)
