"""The models that a user may fetch, and those that are here. Nothing is fetched unasked.

A model is a folder ``models_dir/NAME`` with the files below and a note of where they came from and how long they are.
It is put together under another name and renamed when whole, so that a folder of that name is complete unless it was
put there by hand, or harmed since; then a pull puts a whole one in its place.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from protocol.errors import EarshotError, EngineFailed, NotFound

Kind = Literal["recogniser", "speaker encoder", "speaker segmentation"]
Progress = Callable[[str, int, int], None]  # file, bytes so far, bytes in all (0: not known)

NOTE = "earshot-model.json"
_CHUNK_BYTES = 1 << 20
_WHISPER_NEEDED = ("config.json", "model.bin", "tokenizer.json")
_WHISPER_FILES = (*_WHISPER_NEEDED, "vocabulary.*", "preprocessor_config.json")
_ZIPFORMER_EN = "csukuangfj/sherpa-onnx-streaming-zipformer-en-2023-06-26"


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue. ``repo`` empty: nothing to fetch. ``size_mb`` is what the download takes, about.

    ``cost``: how heavy it is and how good, the tiny Whisper being 1. ``languages`` empty: about a hundred. ``files``:
    patterns of what is fetched, of which ``needed`` must be there. ``revision``: the commit that is fetched; ``main``
    (the newest) where none was looked at. ``kind``: what it is for; ``auto`` chooses among those of one kind.
    """

    name: str
    engine: str
    repo: str
    size_mb: int
    languages: tuple[str, ...]
    licence: str
    summary: str
    cost: int = 0
    files: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    revision: str = "main"
    kind: Kind = "recogniser"


def _whisper(name: str, repo: str, size_mb: int, cost: int, summary: str) -> Model:
    languages = ("en",) if name.endswith(".en") else ()
    return Model(
        name=f"whisper-{name}",
        engine="faster-whisper",
        repo=repo,
        size_mb=size_mb,
        languages=languages,
        licence="MIT",
        summary=summary,
        cost=cost,
        files=_WHISPER_FILES,
        needed=_WHISPER_NEEDED,
    )


def _zipformer_en(name: str, number: str, size_mb: int, summary: str) -> Model:
    """``number``: what comes before ``.onnx`` in the names of the large files: ``.int8`` or nothing."""
    stem = "epoch-99-avg-1-chunk-16-left-128"
    # The decoder is small, and its int8 kind no faster.
    needed = (f"encoder-{stem}{number}.onnx", f"decoder-{stem}.onnx", f"joiner-{stem}{number}.onnx", "tokens.txt")
    return Model(
        name=name,
        engine="sherpa-onnx",
        repo=_ZIPFORMER_EN,
        size_mb=size_mb,
        languages=("en",),
        licence="Apache-2.0",
        summary=summary,
        cost=1,
        files=(*needed, "bpe.vocab", "bpe.model"),
        needed=needed,
        revision="672fbf1b30579d6585301139bb363f42a0ad4a24",
    )


def _encoder(name: str, repo: str, file: str, size_mb: int, licence: str, summary: str) -> Model:
    """What it wants to hear is in ``asr.speakers.fetched``. It is not bound to a language."""
    return Model(
        name=name,
        engine="onnxruntime",
        repo=repo,
        size_mb=size_mb,
        languages=(),
        licence=licence,
        summary=summary,
        files=(file,),
        needed=(file,),
        kind="speaker encoder",
    )


CATALOGUE: dict[str, Model] = {
    model.name: model
    for model in (
        Model("embedded-en", "pocketsphinx", "", 0, ("en",), "BSD", "in every installation; modest accuracy"),
        _zipformer_en("zipformer-en", ".int8", 74, "English, without punctuation; many live sessions on a processor"),
        _zipformer_en("zipformer-en-fp32", "", 266, "as zipformer-en, in full precision; for processors without VNNI"),
        _whisper("tiny.en", "Systran/faster-whisper-tiny.en", 78, 1, "English; fast on any laptop"),
        _whisper("tiny", "Systran/faster-whisper-tiny", 78, 1, "about 100 languages; fast on any laptop"),
        _whisper("base.en", "Systran/faster-whisper-base.en", 148, 2, "English; a good start without a GPU"),
        _whisper("base", "Systran/faster-whisper-base", 148, 2, "about 100 languages; a good start without a GPU"),
        _whisper("small.en", "Systran/faster-whisper-small.en", 486, 6, "English; for machines with many cores"),
        _whisper("small", "Systran/faster-whisper-small", 486, 6, "about 100 languages; for machines with many cores"),
        _whisper("medium", "Systran/faster-whisper-medium", 1530, 18, "about 100 languages; wants a GPU"),
        _whisper("large-v3", "Systran/faster-whisper-large-v3", 3090, 40, "the most accurate; wants a GPU"),
        _whisper(
            "large-v3-turbo",
            "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            1620,
            22,
            "the best choice with a GPU: nearly as accurate as large-v3 and much faster",
        ),
        _encoder(
            "campplus",
            "csukuangfj/speaker-embedding-models",
            "3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx",
            28,
            "Apache-2.0",
            "tells voices apart better than the embedded encoder, at five times its cost",
        ),
        _encoder(
            "wespeaker-resnet34",
            "Wespeaker/wespeaker-voxceleb-resnet34-LM",
            "voxceleb_resnet34_LM.onnx",
            27,
            "CC-BY-4.0",
            "tells voices apart; heavier than campplus, and its thresholds were not measured",
        ),
        replace(
            _encoder(
                "pyannote-segmentation",
                "csukuangfj/sherpa-onnx-pyannote-segmentation-3-0",
                "model.int8.onnx",
                2,
                "MIT",
                "says where voices change and where two speak at once, beside any encoder",
            ),
            kind="speaker segmentation",
        ),
    )
}
RECOGNISERS = {name: model for name, model in CATALOGUE.items() if model.kind == "recogniser"}


def model_named(name: str) -> Model:
    """The entry of the catalogue. Raises ``NotFound`` that lists the names there are."""
    try:
        return CATALOGUE[name]
    except KeyError:
        raise NotFound(f"no model is called {name!r}; there are {', '.join(CATALOGUE)}") from None


def folder(name: str, models_dir: Path) -> Path:
    return models_dir / model_named(name).name


def present(models_dir: Path) -> list[Model]:
    """The models that are on this machine and whole, in the order of the catalogue."""
    return [model for model in CATALOGUE.values() if not model.repo or is_whole(model, models_dir / model.name)]


def is_whole(model: Model, path: Path) -> bool:
    """Whether this folder has the files without which the model cannot be loaded, none shorter than it was fetched."""
    return not damage(model, path)


def damage(model: Model, path: Path) -> str:
    """What is wrong with this folder's files, as far as looking at their sizes tells; empty when nothing is."""
    missing = [name for name in model.needed if not (path / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    fetched_bytes = _fetched_bytes(path)
    short = [name for name in model.needed if (path / name).stat().st_size < fetched_bytes.get(name, 0)]
    return f"{', '.join(short)} shorter than it was fetched" if short else ""


def _fetched_bytes(path: Path) -> dict[str, int]:
    """By file, what the note of a pull says; nothing where there is no such note, or one of an older version."""
    try:
        sizes = json.loads((path / NOTE).read_text("utf-8"))["bytes"]
        return {str(name): int(size) for name, size in sizes.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remove(name: str, models_dir: Path) -> bool:
    """Delete a fetched model; False when it was not here."""
    path = folder(name, models_dir)
    partial = _partial(path)
    found = path.is_dir()
    for each in (path, partial):
        if each.is_dir():
            shutil.rmtree(each)
    return found


def pull(
    name: str,
    models_dir: Path,
    source_dir: Path | None = None,
    progress: Progress | None = None,
    *,
    revision: str | None = None,
    endpoint: str | None = None,
) -> Path:
    """Fetch a model and return its folder; at once when it is here already and whole. Blocking.

    From the Hugging Face hub (``endpoint``: another one), at the commit that ``revision`` (default: the catalogue's)
    is now, which the note keeps. A connection that breaks is resumed, and after a failure the files that are whole are
    not fetched again. Sizes, and SHA-256 where the hub gives them, are checked against what the hub says of that
    commit. ``source_dir``: from a folder instead, for machines without a network. Raises ``NotFound`` for an unknown
    name, ``EngineFailed`` when it cannot be fetched or is not whole.
    """
    model = model_named(name)
    path = models_dir / model.name
    if not model.repo:
        return path
    if is_whole(model, path):
        return path
    partial = _partial(path)
    partial.mkdir(parents=True, exist_ok=True)
    report = progress or (lambda file, done, total: None)
    try:
        if source_dir:
            note = _copy(model, source_dir, partial, report)
        else:
            note = _fetch(model, partial, report, revision or model.revision, endpoint)
    except OSError as error:
        raise EngineFailed(f"{model.name} could not be put into {models_dir}: {error}") from error
    if wrong := damage(model, partial):
        raise EngineFailed(f"{model.name} is not whole: {wrong}")
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # the hub client's bookkeeping of broken fetches
    sizes = {file.name: file.stat().st_size for file in sorted(partial.iterdir()) if file.name != NOTE}
    told = {"model": model.name, "licence": model.licence, **note, "bytes": sizes}
    try:
        (partial / NOTE).write_text(json.dumps(told, indent=1))
        if path.is_dir():
            shutil.rmtree(path)  # damaged, or it would have been taken above
        partial.rename(path)
    except OSError as error:
        raise EngineFailed(f"{model.name} could not be put into {models_dir}: {error}") from error
    return path


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _copy(model: Model, source: Path, target: Path, report: Progress) -> dict[str, Any]:
    if not source.is_dir():
        raise EngineFailed(f"{source} is no folder")
    files = sorted({file for pattern in model.files for file in source.glob(pattern)})
    for file in files:
        total = file.stat().st_size
        with file.open("rb") as reader, (target / file.name).open("wb") as writer:
            done = 0
            while chunk := reader.read(_CHUNK_BYTES):
                writer.write(chunk)
                done += len(chunk)
                report(file.name, done, total)
    return {"source": "folder"}


def _fetch(model: Model, target: Path, report: Progress, revision: str, endpoint: str | None) -> dict[str, Any]:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint)
    try:
        info = api.model_info(model.repo, revision=revision, files_metadata=True)
        commit = str(info.sha)
        wanted = [file for file in info.siblings or [] if _is_wanted(model, file.rfilename)]
        for file in wanted:
            api.hf_hub_download(
                model.repo,
                file.rfilename,
                revision=commit,
                local_dir=target,
                tqdm_class=_reporting(file.rfilename, file.size or 0, report),
            )
            _check(target / file.rfilename, file.size, file.lfs.sha256 if file.lfs else None)
    except EarshotError:
        raise
    # The hub's client lets errors of its HTTP libraries through, and which those are changes with its version.
    except Exception as error:
        raise EngineFailed(f"{model.name} could not be fetched from the hub: {_short(error)}") from error
    return {"source": model.repo, "commit": commit}


def _is_wanted(model: Model, file: str) -> bool:
    return any(Path(file).match(pattern) for pattern in model.files) and "/" not in file


def _check(path: Path, size_bytes: int | None, sha256: str | None) -> None:
    """Delete the file and raise ``EngineFailed`` when it is not what the hub says it has."""
    wrong = size_bytes is not None and path.stat().st_size != size_bytes
    if not wrong and sha256 is not None:
        with path.open("rb") as file:
            wrong = hashlib.file_digest(file, "sha256").hexdigest() != sha256
    if wrong:
        path.unlink()
        raise EngineFailed(f"{path.name} came damaged; pull again")


def _reporting(file: str, total: int, report: Progress) -> type:
    """A progress bar, as the hub client wants one, that reports instead of drawing."""
    from tqdm import tqdm

    class Reporting(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **{**named, "disable": True})
            self.done = int(named.get("initial") or 0)

        def update(self, n: float | None = 1) -> None:
            self.done += int(n or 0)
            report(file, self.done, total)

    return Reporting


def _short(error: Exception) -> str:
    lines: Iterable[str] = str(error).splitlines() or [type(error).__name__]
    return next(iter(lines))[:300]
