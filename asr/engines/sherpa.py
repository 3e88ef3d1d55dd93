"""Streaming transducers, run by sherpa-onnx: each step advances all utterances of it together, by what is new.

Cost grows with the sound and with nothing else: no window is heard twice, and what was said is seldom taken back.
Words come in lower case and without punctuation. The package is an extra; its models are in the catalogue.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.contract import EngineInfo, Samples, SessionOptions, Step
from asr.engines.bpe_vocabulary import read_pieces
from asr.machine import one_per_core
from protocol.blocks import SAMPLE_RATE_HZ
from protocol.errors import EngineFailed, ModelDamaged
from protocol.words import Hypothesis, Word

BATCH_MAX = 32
# Silence after the last sound: the network hears some 0.4 s ahead of what it says, and this pushes the last word out.
_TAIL_SAMPLES = int(0.8 * SAMPLE_RATE_HZ)
_LAST_WORD_SAMPLES = int(0.3 * SAMPLE_RATE_HZ)  # a guess: a transducer tells where tokens begin, not where they end
_HOTWORDS_MAX = 100
_HOTWORD_SCORE = 2.0
_PARTS = ("encoder", "decoder", "joiner")


@dataclass(slots=True)
class _Stream:
    online: Any  # sherpa-onnx's; None when closed
    start_samples: int = -1
    samples: int = 0


class SherpaEngine:
    """One model, one thread. Raises ``EngineFailed`` when the package or a file is missing, or does not load."""

    def __init__(self, path: Path, model: str, languages: tuple[str, ...] = ("en",)) -> None:
        self._info = EngineInfo(
            name="sherpa-onnx", model=model, languages=languages, workers_max=workers_max(path), note="streams"
        )
        tokens = _tokens(path)
        # Whoever trained it without lower case (LibriSpeech has none) shouts; hotwords must shout as well.
        self._capitals = not any(token.lower() == token != token.upper() for token in tokens if "<" not in token)
        self._recogniser, self._biased = _load(path)

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def batch_max(self) -> int:
        return BATCH_MAX

    @property
    def guard_hits(self) -> Mapping[str, int]:
        return {}

    def open(self, options: SessionOptions) -> _Stream:
        """Hotwords count when the model came with the table of its pieces; else they are left out."""
        hotwords = self._hotwords(options.hotwords) if self._biased else ""
        online = self._recogniser.create_stream(hotwords) if hotwords else self._recogniser.create_stream()
        return _Stream(online)

    def close(self, stream: _Stream) -> None:
        stream.online = None

    def step(self, steps: Sequence[Step]) -> list[Hypothesis]:
        for step in steps:
            self._hear(step)
        ready = [step.stream.online for step in steps]
        # One that is not ready must not be in a batch: the library ends the process when frames are missing.
        while ready := [online for online in ready if self._recogniser.is_ready(online)]:
            self._recogniser.decode_streams(ready)
        return [self._said(step) for step in steps]

    def _hear(self, step: Step) -> None:
        stream: _Stream = step.stream
        if stream.start_samples < 0:
            stream.start_samples = step.start_samples
        stream.samples += len(step.samples)
        if len(step.samples):
            stream.online.accept_waveform(SAMPLE_RATE_HZ, _as_float(step.samples))
        if step.flush:
            stream.online.accept_waveform(SAMPLE_RATE_HZ, np.zeros(_TAIL_SAMPLES, np.float32))
            stream.online.input_finished()

    def _said(self, step: Step) -> Hypothesis:
        result = self._recogniser.get_result_all(step.stream.online)
        words = tuple(self._words(step.stream, result.tokens, result.timestamps, result.ys_probs))
        language = self._info.languages[0]
        if step.flush:
            return Hypothesis(committed=words, language=language)
        return Hypothesis(tentative=words, language=language)

    def _words(
        self, stream: _Stream, tokens: Sequence[str], starts_s: Sequence[float], log_probabilities: Sequence[float]
    ) -> Iterator[Word]:
        """Tokens that begin with a space, or with its sign, begin words. A word ends where the next one begins.

        It is no longer than 0.3 s after its last token, and lies within the sound.
        """
        # The library leaves <unk> out of the tokens alone; then nobody knows which time is whose, and they are spread.
        if len(tokens) != len(starts_s):
            starts_s = [stream.samples / SAMPLE_RATE_HZ * at / len(tokens) for at in range(len(tokens))]
        starts = [round(start_s * SAMPLE_RATE_HZ) for start_s in starts_s]
        sure = len(tokens) == len(log_probabilities)
        groups: list[list[int]] = []
        for number, token in enumerate(tokens):
            if not groups or token.startswith((" ", "▁")):
                groups.append([])
            groups[-1].append(number)
        groups = [group for group in groups if self._text(tokens, group)]
        if len(groups) > stream.samples:
            return
        # What came out only in the silence after the sound was in the sound, at its very end.
        begins = [min(starts[group[0]], stream.samples - len(groups) + at) for at, group in enumerate(groups)]
        for begin, following, group in zip(begins, [*begins, stream.samples][1:], groups, strict=True):
            end = min(max(starts[group[-1]] + _LAST_WORD_SAMPLES, begin + 1), following)
            mean = sum(min(0.0, log_probabilities[number]) for number in group) / len(group) if sure else 0.0
            yield Word(
                text=self._text(tokens, group),
                start_samples=stream.start_samples + begin,
                end_samples=stream.start_samples + end,
                confidence=math.exp(mean),
            )

    def _text(self, tokens: Sequence[str], group: Sequence[int]) -> str:
        text = "".join(tokens[number] for number in group).replace("▁", " ").strip()
        return text.lower() if self._capitals else text

    def _hotwords(self, hotwords: Sequence[str]) -> str:
        """As the library takes them: phrases parted by slashes. Other signs would be taken for weights and marks."""
        phrases = []
        for phrase in hotwords[:_HOTWORDS_MAX]:
            words = "".join(sign if sign.isalpha() or sign in "' " else " " for sign in phrase).split()
            known = " ".join(word.upper() if self._capitals else word for word in words)
            if known and all(sign in self._biased for sign in known.replace(" ", "")):
                phrases.append(known)
        return "/".join(phrases)


def _load(path: Path) -> tuple[Any, frozenset[str]]:
    """The recogniser, and the letters that hotwords may have: none when the model has no table of its pieces.

    Files are looked at first, because the library ends the process over one that is missing.
    """
    try:
        from sherpa_onnx import OnlineRecognizer
    except ImportError as error:
        raise EngineFailed(f"sherpa-onnx is not here: pip install 'earshot[sherpa]' ({error})") from error
    files = {part: str(_file(path, part)) for part in _PARTS}
    pieces = read_pieces(path)
    letters = frozenset(piece for piece in pieces if len(piece) == 1)
    try:
        with _vocabulary(pieces) as table:
            bias = {"modeling_unit": "bpe", "bpe_vocab": table, "hotwords_score": _HOTWORD_SCORE} if table else {}
            recogniser = OnlineRecognizer.from_transducer(
                tokens=str(path / "tokens.txt"),
                num_threads=1,  # more cores are for more processes
                decoding_method="modified_beam_search" if table else "greedy_search",  # only the former knows hotwords
                **files,
                **bias,
            )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelDamaged(f"the model in {path} cannot be loaded: {error}") from error
    return recogniser, letters


@contextmanager
def _vocabulary(pieces: Mapping[str, float]) -> Iterator[str]:
    """The path of a file with the pieces and their scores, while it is open; empty without pieces."""
    if not pieces:
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="earshot-") as folder:
        table = Path(folder) / "bpe.vocab"
        table.write_text("".join(f"{piece}\t{score}\n" for piece, score in pieces.items()), "utf-8")
        yield str(table)


def _file(path: Path, part: str) -> Path:
    """The file of this part; the int8 one when there are two."""
    found = sorted(path.glob(f"{part}*.onnx"), key=lambda file: (".int8." not in file.name, file.name))
    if not found:
        raise ModelDamaged(f"the model in {path} is not whole: {part}*.onnx missing")
    return found[0]


def _tokens(path: Path) -> list[str]:
    try:
        lines = (path / "tokens.txt").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelDamaged(f"the model in {path} is not whole: tokens.txt cannot be read ({error})") from error
    tokens = [line.rsplit(maxsplit=1)[0] for line in lines if len(line.split()) == 2]
    if not tokens:
        raise ModelDamaged(f"the model in {path} is not whole: tokens.txt is empty")
    return tokens


def workers_max(path: Path) -> int:
    """One per core, as far as memory goes: each has the files, and as much again to work in."""
    each_bytes = 2 * sum(file.stat().st_size for file in path.glob("*.onnx")) + (100 << 20)
    return one_per_core(each_bytes)


def _as_float(samples: Samples) -> np.ndarray[Any, np.dtype[np.float32]]:
    return samples.astype(np.float32) / np.float32(32768)
