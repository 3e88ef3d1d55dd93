"""By which encoder voices are told apart here. Its library is imported, and its weights are read, when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from asr.encoder_loading import EncoderLoading
from asr.engines.choose import Choice, damage_told
from asr.models import CATALOGUE
from asr.speakers.contract import SpeakerEncoder
from asr.speakers.fetched import FETCHED
from asr.speakers.segmentation import NAME as SEGMENTATION
from asr.speakers.segmentation import SpeakerSegmentation

AUTO, EMBEDDED, OFF = "auto", "embedded", "off"
SCRIPTED = "scripted"
REAL_VOICES = "scripted-real-voices"  # words that cost nothing, and voices as anywhere
_GET = "pip install --no-deps resemblyzer"


@dataclass(frozen=True)
class EncoderChoice:
    """``name`` of the encoder and how it is loaded; both None when there is none, for the ``reason``.

    ``notice`` is not empty when a better one is here and cannot be used. ``segmentation``: by what changes of voices
    are looked for, None where they are not; ``no_segmentation``: why not by that which was asked for.
    """

    name: str | None
    loading: EncoderLoading | None
    reason: str = ""
    notice: str = ""
    segmentation: str | None = None
    no_segmentation: str = ""


def choose_encoder(engine: Choice, models_dir: Path, wanted: str = AUTO, segmentation: str = AUTO) -> EncoderChoice:
    """The encoder for ``wanted``, and by what changes of voices are looked for: ``auto`` (the network, where it was
    fetched), ``off`` or a name."""
    chosen = _encoder(engine, models_dir, wanted)
    if chosen.loading is None or segmentation == OFF:
        return chosen
    if chosen.name == SCRIPTED:
        return _scripted_segmentation(chosen, engine.model) if segmentation == SCRIPTED else chosen
    path = models_dir / SEGMENTATION
    if segmentation == AUTO and not path.is_dir():
        return chosen
    if reason := _no_segmentation(segmentation, path):
        return replace(chosen, no_segmentation=reason)
    loading = chosen.loading.with_segmentation(partial(_network, path))
    return replace(chosen, loading=loading, segmentation=SEGMENTATION)


def _no_segmentation(wanted: str, path: Path) -> str:
    if wanted not in (AUTO, SEGMENTATION):
        return f"nothing that says where voices change is called {wanted!r}; there is {SEGMENTATION}"
    if not path.is_dir():
        return f"{SEGMENTATION} is not on this machine: fetch it with `earshot models pull {SEGMENTATION}`"
    return damage_told(CATALOGUE[SEGMENTATION], path)


def _encoder(engine: Choice, models_dir: Path, wanted: str) -> EncoderChoice:
    """The encoder for ``wanted``: ``auto``, ``embedded`` (that of the wheel) or a model's name.

    ``auto`` takes one that was fetched, or else the embedded one. One that is named is never another: the prints of two
    encoders do not compare. With the scripted recogniser goes the scripted one, but for
    ``REAL_VOICES``, which benches ask for.
    """
    if engine.engine == "scripted" and engine.model != REAL_VOICES:
        from asr.engines.scripted_voices import ScriptedEncoder, missing

        if reason := missing(engine.model):
            return EncoderChoice(None, None, reason)
        return EncoderChoice(SCRIPTED, EncoderLoading(lambda: ScriptedEncoder(engine.model), in_thread=False))
    if wanted not in (AUTO, EMBEDDED):
        return _named(wanted, models_dir)
    passed_over: list[str] = []
    for name in FETCHED if wanted == AUTO else ():
        if (models_dir / name).is_dir():
            found = _named(name, models_dir)
            if found.name:
                return replace(found, notice=" ".join(passed_over))
            passed_over.append(f"Not {name}: {found.reason}.")
    return replace(_embedded(), notice=" ".join(passed_over))


def _named(name: str, models_dir: Path) -> EncoderChoice:
    if name not in FETCHED:
        names = ", ".join((AUTO, EMBEDDED, *FETCHED))
        return EncoderChoice(None, None, f"no encoder of voices is called {name!r}; there are {names}")
    path = models_dir / name
    if not path.is_dir():
        reason = f"the encoder {name} is not on this machine: fetch it with `earshot models pull {name}`"
        return EncoderChoice(None, None, reason)
    if wrong := damage_told(CATALOGUE[name], path):
        return EncoderChoice(None, None, wrong)
    return EncoderChoice(name, EncoderLoading(partial(_fetched, name, path)))


def _embedded() -> EncoderChoice:
    if reason := _wheel_is_missing():
        return EncoderChoice(None, None, reason)
    return EncoderChoice("resemblyzer", EncoderLoading(_resemblyzer))


def _wheel_is_missing() -> str:
    try:
        wheel = distribution("resemblyzer")
    except PackageNotFoundError:
        return f"voices cannot be told apart without the encoder's weights: {_GET}"
    path = Path(str(wheel.locate_file("resemblyzer/pretrained.pt")))
    return "" if path.is_file() else f"the installed resemblyzer package has no weights: {_GET}"


def _fetched(name: str, path: Path) -> SpeakerEncoder:
    from asr.speakers.fbank_encoder import FbankEncoder

    return FbankEncoder(name, path)


def _resemblyzer() -> SpeakerEncoder:
    from asr.speakers.resemblyzer import ResemblyzerEncoder

    return ResemblyzerEncoder()


def _network(path: Path) -> SpeakerSegmentation:
    from asr.speakers.segmentation_network import SegmentationNetwork

    return SegmentationNetwork(path)


def _scripted_segmentation(chosen: EncoderChoice, model: str) -> EncoderChoice:
    from asr.engines.scripted_voices import ScriptedSegmentation

    assert chosen.loading is not None
    loading = chosen.loading.with_segmentation(lambda: ScriptedSegmentation(model))
    return replace(chosen, loading=loading, segmentation=SCRIPTED)
