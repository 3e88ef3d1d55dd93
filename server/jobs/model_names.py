"""What models are called by those who ask for them: as the catalogue has it, or as Whisper's authors do."""

from __future__ import annotations

from pathlib import Path

from asr.models import RECOGNISERS, Model, present
from protocol.errors import NotFound

WHISPER = "whisper-"
_AUTHORS = "openai/"
_SHOWN_MAX_CHARS = 64


def find_model(name: str) -> Model:
    """By ``whisper-tiny.en``, ``tiny.en`` or ``openai/whisper-tiny.en``. Raises ``NotFound`` that lists all."""
    plain = name.strip().removeprefix(_AUTHORS)
    for wanted in (plain, f"{WHISPER}{plain}"):
        if wanted in RECOGNISERS:
            return RECOGNISERS[wanted]
    known = ", ".join(short_name(model.name) for model in RECOGNISERS.values())
    shown = name[:_SHOWN_MAX_CHARS]
    raise NotFound(f"no model is called {shown!r}; there are {known}", details={"model_name": shown})


def asked_model(name: str) -> Model | None:
    """As ``find_model``; None where none is named."""
    return find_model(name) if name.strip() else None


def known_model(name: str) -> Model | None:
    """As ``find_model``; None, too, for what others call theirs: the recogniser in use hears for those."""
    try:
        return asked_model(name)
    except NotFound:
        return None


def listed_models(models_dir: Path) -> list[tuple[Model, bool]]:
    """All of them, and whether each is here. Blocking."""
    here = {model.name for model in present(models_dir)}
    return [(model, model.name in here) for model in RECOGNISERS.values()]


def short_name(name: str) -> str:
    """``tiny.en`` for ``whisper-tiny.en``; other models have one name."""
    return name.removeprefix(WHISPER)


def full_name(model: Model) -> str:
    """Where it comes from: ``openai/whisper-tiny.en``, or whose repository it is; its name for one we bring."""
    return f"{_AUTHORS}{model.name}" if model.name.startswith(WHISPER) else model.repo or model.name
