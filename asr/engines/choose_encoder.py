"""By which encoder voices are told apart here. Its library is imported, and its weights are read, when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from asr.encoder_loading import EncoderLoading
from asr.engines.choose import Choice
from asr.speakers.contract import SpeakerEncoder

_GET = "pip install --no-deps resemblyzer"


@dataclass(frozen=True)
class EncoderChoice:
    """``name`` of the encoder and how it is loaded; both None when there is none, for the ``reason``."""

    name: str | None
    loading: EncoderLoading | None
    reason: str = ""


def choose_encoder(engine: Choice) -> EncoderChoice:
    """The encoder that goes with the recogniser: the scripted one with the scripted one, else that of the wheel."""
    if engine.engine == "scripted":
        from asr.engines.scripted_voices import ScriptedEncoder, missing

        if reason := missing(engine.model):
            return EncoderChoice(None, None, reason)
        return EncoderChoice("scripted", EncoderLoading(lambda: ScriptedEncoder(engine.model), in_thread=False))
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


def _resemblyzer() -> SpeakerEncoder:
    from asr.speakers.resemblyzer import ResemblyzerEncoder

    return ResemblyzerEncoder()
