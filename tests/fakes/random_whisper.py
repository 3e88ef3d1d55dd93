"""Whisper models of the real file layout and random weights: they run, cost what real ones cost, and know nothing.

The larger sizes have the dimensions, vocabulary sizes and alignment heads of the real models. Their weights are drawn
so that a hypothesis looks like one: likely words of a few letters, and an end after about a dozen tokens.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from ctranslate2.specs import whisper_spec
from faster_whisper.tokenizer import _LANGUAGE_CODES as LANGUAGES

FRAMES = 1500
POSITIONS = 448
TIMESTAMPS = 1501
MULTILINGUAL = ""  # CTranslate2 takes a model for multilingual when its vocabulary has this token; real ones do
LAST_WORDS = 0.08  # of the text tokens: the hypothesis ends after one of them


@dataclass(frozen=True)
class Size:
    """``words``: text tokens of the vocabulary, 0 for bytes alone."""

    width: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    mels: int = 80
    words: int = 50256
    languages: int = 99
    alignment_heads: int = 6


SIZES = {
    "micro": Size(16, 2, 2, 2, words=0, languages=8, alignment_heads=2),
    "tiny": Size(384, 6, 4, 4),
    "base": Size(512, 8, 6, 6, alignment_heads=8),
    "turbo": Size(1280, 20, 32, 4, mels=128, languages=100),
}


def build_random_whisper(folder: Path, size: str = "micro", multilingual: bool = False, seed: int = 1) -> Path:
    """Write the model into ``folder`` (made here) and return it. ``turbo`` is always multilingual.

    ``micro`` takes milliseconds and has a vocabulary of bytes; ``tiny`` takes seconds, ``turbo`` half a minute and 2 GB
    of disk.
    """
    multilingual = multilingual or size == "turbo"
    dims = SIZES[size]
    tokenizer, tokens = _tokenizer(dims, multilingual)
    spec = whisper_spec.WhisperSpec(dims.encoder_layers, dims.heads, dims.decoder_layers, dims.heads)
    _Weights(dims, seed).fill(spec, tokens)
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.index("\u0120"), tokens.index("<|endoftext|>")]
    spec.config.lang_ids = [tokens.index(f"<|{code}|>") for code in LANGUAGES if f"<|{code}|>" in tokens]
    last = dims.decoder_layers - 1
    spec.config.alignment_heads = [(last - i // dims.heads, i % dims.heads) for i in range(dims.alignment_heads)]
    spec.validate()
    if size != "micro":
        spec.optimize(quantization="float16")  # as the real ones are stored
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": dims.mels}))
    assert ctranslate2.contains_model(str(folder))
    return folder


def _tokenizer(dims: Size, multilingual: bool) -> tuple[tokenizers.Tokenizer, list[str]]:
    bytes_ = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words, merges = _words(max(0, dims.words - len(bytes_)))
    text = [*bytes_, *words, *([MULTILINGUAL] if multilingual else [])]
    model = tokenizers.models.BPE({token: i for i, token in enumerate(text)}, merges)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    first = ["en", "zh", "de"]
    codes = [*first, *(code for code in LANGUAGES if code not in first)][: dims.languages]
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in codes)]
    special += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nocaptions|>"]
    special += ["<|notimestamps|>", *(f"<|{i * 0.02:.2f}|>" for i in range(TIMESTAMPS))]
    tokenizer.add_special_tokens(special)
    return tokenizer, [*text, *special]


def _words(count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Made-up word pieces of two and four letters, three in four with a space before, and the merges they need."""
    space, letters = "\u0120", string.ascii_lowercase
    pairs = list(product(letters, letters))
    merges: list[tuple[str, str]] = [*pairs, *((space, a + b) for a, b in pairs)]
    two = [a + b for a, b in pairs]
    four = list(product(two, two))
    np.random.default_rng(0).shuffle(four)
    # In turns, so that the vocabulary ends where it must.
    for i, (a, b) in enumerate(islice(four, count)):
        merges.append((a, b) if i % 4 == 0 else (space + a, b))
    merges = merges[:count]
    return ["".join(merge) for merge in merges], merges


class _Weights:
    """Random, and large enough that the decoder says varied things and is sure of them."""

    def __init__(self, dims: Size, seed: int) -> None:
        self._dims = dims
        self._random = np.random.default_rng(seed)

    def fill(self, spec: Any, tokens: list[str]) -> None:
        width = self._dims.width
        self._conv(spec.encoder.conv1, self._dims.mels)
        self._conv(spec.encoder.conv2, width)
        spec.encoder.position_encodings.encodings = self._some(FRAMES, width, scale=0.5)
        spec.decoder.position_encodings.encodings = self._some(POSITIONS, width, scale=1.0)
        spec.decoder.embeddings.weight, spec.decoder.projection.weight = self._vocabulary(tokens)
        for half in (spec.encoder, spec.decoder):
            self._norm(half.layer_norm)
            added = 1 / len(half.layer) ** 0.5  # by each layer to what came in, which stays the larger part
            for layer in half.layer:
                self._attention(layer.self_attention, (3, 1), added)
                self._norm(layer.ffn.layer_norm)
                self._linear(layer.ffn.linear_0, 4 * width, width)
                self._linear(layer.ffn.linear_1, width, 4 * width, added)
                if half is spec.decoder:
                    self._attention(layer.attention, (1, 2, 1), added)

    def _vocabulary(self, tokens: list[str]) -> tuple[Any, Any]:
        """Embeddings, and logits of a deviation at which the likeliest token stands out.

        Last words share a direction of their embeddings, at which the end's logit looks.
        """
        width, end = self._dims.width, tokens.index("<|endoftext|>")
        embeddings = self._some(len(tokens), width, scale=1.0)
        projection = self._some(len(tokens), width, scale=12 / width**0.5)
        direction = self._some(width, scale=1.0)
        direction /= np.linalg.norm(direction)
        last = self._random.choice(end, int(LAST_WORDS * end), replace=False)
        embeddings[last] += 0.5 * width**0.5 * direction
        projection[end] = 20 * direction
        projection[end + 1 :] *= 0.1  # nothing of them is ever said
        return embeddings, projection

    def _some(self, *shape: int, scale: float) -> Any:
        return self._random.standard_normal(shape, np.float32) * np.float32(scale)

    def _attention(self, attention: Any, widths: tuple[int, ...], added: float) -> None:
        self._norm(attention.layer_norm)
        for linear, times in zip(attention.linear, widths, strict=True):
            gain = added if linear is attention.linear[-1] else 2.0
            self._linear(linear, times * self._dims.width, self._dims.width, gain)

    def _conv(self, conv: Any, inputs: int) -> None:
        conv.weight = self._some(self._dims.width, inputs, 3, scale=2 / (3 * inputs) ** 0.5)
        conv.bias = self._some(self._dims.width, scale=0.1)

    def _linear(self, linear: Any, outputs: int, inputs: int, gain: float = 1.0) -> None:
        linear.weight = self._some(outputs, inputs, scale=gain / inputs**0.5)
        linear.bias = self._some(outputs, scale=0.05)

    def _norm(self, norm: Any) -> None:
        norm.gamma = np.ones(self._dims.width, np.float32)
        norm.beta = np.zeros(self._dims.width, np.float32)
