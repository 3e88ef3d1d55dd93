"""Which recogniser this machine uses. No engine's library is imported before one is chosen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from asr.contract import StreamingEngine
from asr.models import CATALOGUE, Model, is_whole, present
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed

ANY_LANGUAGE = "auto"
# Heaviest Whisper that keeps up with one live session, by free cores (cost of Model; from the measured step times).
_COST_MAX_BY_CORES = ((8, 6), (4, 2), (1, 1))


@dataclass(frozen=True)
class Choice:
    """``name`` of the model, its engine and where its files are; ``reason`` and ``notice`` are for people.

    ``notice`` is not empty when something better is one command away.
    """

    name: str
    engine: str
    model: str
    device: str
    path: Path | None
    reason: str
    notice: str = ""


def choose(engine: str, language: str, models_dir: Path, *, gpu: bool | None = None) -> Choice:
    """The recogniser for ``engine`` (``auto``, a model's name, or ``scripted...``) and ``language`` (or ``auto``).

    ``gpu``: whether to use one; found out without it. Raises ``EngineFailed`` that says what to do when the model asked
    for is not here.
    """
    if engine == "scripted" or engine.startswith("scripted-"):
        return Choice(engine, "scripted", engine, "cpu", None, "asked for, for tests")
    if engine != "auto":
        return _named(engine, language, models_dir, gpu)
    gpu = has_gpu() if gpu is None else gpu
    here = [model for model in present(models_dir) if model.repo and _speaks(model, language)]
    if not here:
        return _embedded(language, gpu)
    if gpu:
        # The turbo model decodes much faster than the few percent of accuracy that larger ones add are worth live.
        best = max(here, key=lambda model: (model.name == "whisper-large-v3-turbo", model.cost, _own(model, language)))
        return _whisper(best, models_dir, gpu=True, reason="the best model here for this machine's GPU")
    cores = os.cpu_count() or 1
    cost_max = next(cost for least, cost in _COST_MAX_BY_CORES if cores >= least)
    fitting = [model for model in here if model.cost <= cost_max] or [min(here, key=lambda model: model.cost)]
    best = max(fitting, key=lambda model: (model.cost, _own(model, language)))
    reason = f"the largest model here that keeps up on {cores} cores"
    if best.cost > cost_max:
        reason = f"the smallest model here; it may be too slow for {cores} cores"
    return _whisper(best, models_dir, gpu=False, reason=reason)


def has_gpu() -> bool:
    """Whether CTranslate2 can use a GPU here. The library is asked only where a device exists."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    try:
        import ctranslate2
    except ImportError:
        return False
    return int(ctranslate2.get_cuda_device_count()) > 0


def load(choice: Choice, settings: WorkerSettings) -> StreamingEngine:
    """Load the chosen engine: slow, and takes its memory. Raises ``EngineFailed``."""
    if choice.engine == "scripted":
        from asr.engines.scripted import ScriptedEngine

        return ScriptedEngine(choice.model, settings.models_dir)
    if choice.engine == "pocketsphinx":
        from asr.engines.sphinx import SphinxEngine

        return SphinxEngine()
    from asr.agreement import commit_policy
    from asr.commit import CommittingEngine
    from asr.engines.whisper import WhisperEngine

    assert choice.path is not None
    policy = commit_policy(settings.commit_policy)
    engine = WhisperEngine(choice.path, choice.model, choice.device, settings.language, settings.index)
    return CommittingEngine(engine, policy)


def _named(name: str, language: str, models_dir: Path, gpu: bool | None) -> Choice:
    model = CATALOGUE.get(name)
    if model is None:
        raise EngineFailed(f"no model is called {name!r}; there are auto, {', '.join(CATALOGUE)}")
    if not model.repo:
        return _embedded(language, gpu=False, reason="asked for")
    if not is_whole(models_dir / name):
        raise EngineFailed(f"{name} is not on this machine: fetch it with `earshot models pull {name}`")
    gpu = has_gpu() if gpu is None else gpu
    notice = "" if _speaks(model, language) else f"{name} knows only English, and the language asked for is {language}."
    return _whisper(model, models_dir, gpu=gpu, reason="asked for", notice=notice)


def _whisper(model: Model, models_dir: Path, *, gpu: bool, reason: str, notice: str = "") -> Choice:
    device = "cuda" if gpu else "cpu"
    return Choice(model.name, model.engine, model.name, device, models_dir / model.name, reason, notice)


def _embedded(language: str, gpu: bool, reason: str = "no other model is on this machine") -> Choice:
    better = "whisper-large-v3-turbo" if gpu else ("whisper-base.en" if _base(language) == "en" else "whisper-base")
    knows = "is of modest accuracy" if _base(language) in ("en", ANY_LANGUAGE) else "knows only English"
    notice = (
        f"The recogniser in use is the small one that comes with Earshot (pocketsphinx); it {knows}, "
        f"in lower case and without punctuation. For a much better one: earshot models pull {better}"
    )
    return Choice("embedded-en", "pocketsphinx", "embedded-en", "cpu", None, reason, notice)


def _speaks(model: Model, language: str) -> bool:
    return not model.languages or _base(language) in model.languages


def _own(model: Model, language: str) -> bool:
    """A model of this one language is better at it than one of all."""
    return bool(model.languages) and _base(language) in model.languages


def _base(language: str) -> str:
    return language.split("-")[0].lower()
