"""Which recogniser this machine uses. No engine's library is imported before one is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from asr.contract import StreamingEngine
from asr.machine import cores
from asr.models import RECOGNISERS, Model, damage
from asr.worker_settings import WorkerSettings
from protocol.errors import EngineFailed, ModelDamaged

ANY_LANGUAGE = "auto"
# Heaviest model that keeps up with live sessions, by cores (cost of Model). A session is heard by one core, however
# many there are: a second thread gains int8 nothing. With an encoder of 5 s and a dozen new words, an update takes tiny
# 58 ms of it and base 117 (measured), so that these two do well on any machine. small is about three times base: one
# or two sessions per core, for which there must be some cores. medium needs more than a second for each second.
_COST_MAX_BY_CORES = ((4, 6), (1, 2))
EMBEDDED = "pocketsphinx"
ENGINES = tuple(dict.fromkeys(model.engine for model in RECOGNISERS.values()))
# The package without which an engine cannot run, and how to get it; the others always come along.
_EXTRA = {
    "sherpa-onnx": ("sherpa_onnx", "pip install 'earshot[sherpa]'"),
    "riva": ("riva", "pip install 'earshot[riva]'"),
}


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


def choose(
    engine: str,
    language: str,
    models_dir: Path,
    *,
    gpu: bool | None = None,
    broken: Mapping[str, str] | None = None,
) -> Choice:
    """The recogniser for ``engine`` (``auto``, ``riva``, ``scripted...``, the name of a model, or of an engine, which
    is as ``auto`` among its models) and a language, or ``auto``.

    ``gpu``: whether to use one; found out without it. ``broken``: models that could not be loaded, and why: ``auto``
    takes the next best and says so, as it does when files are missing. Raises ``EngineFailed`` that says what to do
    when the model asked for is not here, ``ModelDamaged`` when it is and not whole.
    """
    if engine == "scripted" or engine.startswith("scripted-"):
        return Choice(engine, "scripted", engine, "cpu", None, "asked for, for tests")
    if engine == "riva":
        return _riva()
    if engine == EMBEDDED:
        return _embedded(language, gpu=False, reason="asked for")
    if engine not in ("auto", *ENGINES):
        return _named(engine, language, models_dir, gpu)
    gpu = has_gpu() if gpu is None else gpu
    here = [
        model
        for model in RECOGNISERS.values()
        if engine in ("auto", model.engine)
        and model.repo
        and (models_dir / model.name).is_dir()
        and _speaks(model, language)
        and not missing_package(model)
    ]
    passed_over: list[str] = []
    while here:
        best, reason = _preferred(here, language, gpu)
        path = models_dir / best.name
        wrong = (broken or {}).get(best.name) or damage_told(best, path)
        if not wrong:
            return _fetched(best, models_dir, gpu=gpu, reason=reason, notice=" ".join(passed_over))
        passed_over.append(f"Not {best.name}, which would be the better one here: {wrong}.")
        here.remove(best)
    if engine != "auto":
        raise EngineFailed(" ".join([*passed_over, _how_to_have(engine)]))
    embedded = _embedded(language, gpu)
    if not passed_over:
        return embedded
    notice = " ".join([*passed_over, embedded.notice])
    return replace(embedded, reason="no other model on this machine can be used", notice=notice)


def _how_to_have(engine: str) -> str:
    if package := _missing_package(engine):
        return f"{engine} needs a package that is not here: {package}"
    names = ", ".join(model.name for model in RECOGNISERS.values() if model.engine == engine)
    return f"no model of {engine} that can be used is on this machine: `earshot models pull NAME`, one of {names}"


def _preferred(models: list[Model], language: str, gpu: bool) -> tuple[Model, str]:
    """The best of these for this machine, and why."""
    if gpu:
        # The turbo model decodes much faster than the few percent of accuracy that larger ones add are worth live.
        best = max(models, key=lambda model: (model.name == "whisper-large-v3-turbo", *_goodness(model, language)))
        return best, "the best model here for this machine's GPU"
    here_cores = cores()
    cost_max = next(cost for least, cost in _COST_MAX_BY_CORES if here_cores >= least)
    fitting = [model for model in models if model.cost <= cost_max] or [min(models, key=lambda model: model.cost)]
    best = _best(fitting, language)
    if best.cost > cost_max:
        return best, f"the smallest model here; it may be too slow for {here_cores} cores"
    return best, f"the largest model here that keeps up on {here_cores} cores"


def damage_told(model: Model, path: Path) -> str:
    """What is wrong with its folder and what to do about it; empty when nothing is seen from outside."""
    wrong = damage(model, path)
    return wrong and f"its folder {path} is damaged ({wrong}); fetch it anew with `earshot models pull {model.name}`"


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
    if choice.engine == EMBEDDED:
        from asr.engines.sphinx import SphinxEngine

        return SphinxEngine()
    if choice.engine == "riva":
        from asr.engines.riva import RivaEngine

        return RivaEngine(settings)
    if choice.engine == "sherpa-onnx":
        from asr.engines.sherpa import SherpaEngine

        assert choice.path is not None
        return SherpaEngine(choice.path, choice.model)
    from asr.commit import CommittingEngine
    from asr.commit_policies import commit_policy
    from asr.engines.whisper import WhisperEngine

    assert choice.path is not None
    policy = commit_policy(settings.commit_policy)
    engine = WhisperEngine(choice.path, choice.model, choice.device, settings.language, settings.index)
    return CommittingEngine(engine, policy)


def workers_max(choice: Choice) -> int:
    """How many processes of it this machine is good for, by what is free now. Its model is not loaded."""
    if choice.engine == EMBEDDED:
        from asr.engines import sphinx

        return sphinx.workers_max()
    if choice.path is None:
        return 1
    if choice.engine == "sherpa-onnx":
        from asr.engines import sherpa

        return sherpa.workers_max(choice.path)
    from asr.engines import whisper_model

    return whisper_model.workers_max(choice.path, choice.device)


def _named(name: str, language: str, models_dir: Path, gpu: bool | None) -> Choice:
    model = RECOGNISERS.get(name)
    if model is None:
        names = ", ".join(["auto", "riva", *ENGINES, *RECOGNISERS])
        raise EngineFailed(f"no recogniser is called {name!r}; there are {names}")
    if not model.repo:
        return _embedded(language, gpu=False, reason="asked for")
    if missing := missing_package(model):
        raise EngineFailed(f"{name} needs a package that is not here: {missing}")
    path = models_dir / name
    if path.is_dir() and (wrong := damage_told(model, path)):
        raise ModelDamaged(f"{name} cannot be used: {wrong}")
    if not path.is_dir():
        raise EngineFailed(f"{name} is not on this machine: fetch it with `earshot models pull {name}`")
    gpu = has_gpu() if gpu is None else gpu
    notice = "" if _speaks(model, language) else f"{name} knows only English, and the language asked for is {language}."
    return _fetched(model, models_dir, gpu=gpu, reason="asked for", notice=notice)


def _riva() -> Choice:
    if missing := _missing_package("riva"):
        raise EngineFailed(f"riva needs a package that is not here: {missing}")
    return Choice("riva", "riva", "riva", "remote", None, "asked for")


def missing_package(model: Model) -> str:
    """How to get the package that this model's engine needs and is not here; empty when nothing is missing."""
    return _missing_package(model.engine)


def _missing_package(engine: str) -> str:
    package, command = _EXTRA.get(engine, ("", ""))
    return command if package and find_spec(package) is None else ""


def _best(models: Iterable[Model], language: str) -> Model:
    return max(models, key=lambda model: _goodness(model, language))


def _goodness(model: Model, language: str) -> tuple[int, bool, bool, int]:
    """Of the same cost, one that streams says its words sooner and does with far less; then the smaller one."""
    return model.cost, _own(model, language), model.engine == "sherpa-onnx", -model.size_mb


def _fetched(model: Model, models_dir: Path, *, gpu: bool, reason: str, notice: str = "") -> Choice:
    device = "cuda" if gpu and model.engine == "faster-whisper" else "cpu"
    return Choice(model.name, model.engine, model.name, device, models_dir / model.name, reason, notice)


def _embedded(language: str, gpu: bool, reason: str = "no other model is on this machine") -> Choice:
    better = (
        "whisper-large-v3-turbo" if gpu else ("whisper-base.en" if base_language(language) == "en" else "whisper-base")
    )
    knows = "is of modest accuracy" if base_language(language) in ("en", ANY_LANGUAGE) else "knows only English"
    notice = (
        f"The recogniser in use is the small one that comes with Earshot (pocketsphinx); it {knows}, "
        f"in lower case and without punctuation. For a much better one: earshot models pull {better}"
    )
    return Choice("embedded-en", EMBEDDED, "embedded-en", "cpu", None, reason, notice)


def _speaks(model: Model, language: str) -> bool:
    return not model.languages or base_language(language) in model.languages


def _own(model: Model, language: str) -> bool:
    """A model of this one language is better at it than one of all."""
    return bool(model.languages) and base_language(language) in model.languages


def base_language(language: str) -> str:
    """``de`` of ``de-AT``."""
    return language.split("-")[0].lower()
