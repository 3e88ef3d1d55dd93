"""By which encoder voices are told apart here. Its library is imported, and its weights are read, when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from asr.engines.choose import Choice
from asr.speakers.contract import SpeakerEncoder

_GET = "pip install --no-deps resemblyzer"


@dataclass(frozen=True)
class EncoderChoice:
    """``name`` of the encoder, None when there is none, for the ``reason``. ``load`` raises ``EngineFailed``."""

    name: str | None
    reason: str
    load: Callable[[], SpeakerEncoder]


def choose_encoder(engine: Choice) -> EncoderChoice:
    """The encoder that goes with the recogniser: the scripted one with the scripted one, else that of the wheel."""
    if engine.engine == "scripted":
        from asr.engines.scripted_voices import ScriptedEncoder, missing

        reason = missing(engine.model)
        return EncoderChoice(None if reason else "scripted", reason, lambda: ScriptedEncoder(engine.model))
    reason = _wheel_is_missing()
    return EncoderChoice(None if reason else "resemblyzer", reason, _resemblyzer)


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
