from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asr import machine
from asr.engines import whisper_model
from asr.engines.whisper_model import bears_short_encoder, load_model, workers_max
from asr.models import CATALOGUE
from protocol.errors import EngineFailed
from tests.fakes.random_whisper import build_random_whisper


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random_whisper(tmp_path_factory.mktemp("models") / "micro")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:1000])


def other_tokenizer(folder: Path) -> None:
    build_random_whisper(folder.parent / "other", multilingual=True)
    shutil.copy(folder.parent / "other" / "tokenizer.json", folder)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no folder": shutil.rmtree,
    "no weights": lambda folder: (folder / "model.bin").unlink(),
    "half the weights": cut("model.bin"),
    "no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "half a tokenizer": cut("tokenizer.json"),
    "another model's tokenizer": other_tokenizer,
    "no vocabulary": lambda folder: (folder / "vocabulary.json").unlink(),
    "another model's features": lambda folder: (folder / "preprocessor_config.json").write_text(
        '{"feature_size": 128}'
    ),
    "a broken configuration": lambda folder: (folder / "config.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_folder_is_said_with_what_to_do(folder: Path, damage: Callable[[Path], object]) -> None:
    damage(folder)
    with pytest.raises(EngineFailed, match=r"cannot be loaded.*earshot models pull whisper-tiny\.en"):
        load_model(folder, "whisper-tiny.en", "cpu", 0)


def test_a_whole_folder_is_loaded(folder: Path) -> None:
    model = load_model(folder, "whisper-tiny.en", "cpu", 3)
    assert (model.multilingual, model.mels, model.filters.shape) == (False, 80, (80, 201))
    assert json.loads((folder / "preprocessor_config.json").read_text()) == {"feature_size": 80}


def test_a_model_of_128_mels_brings_its_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fakes import random_whisper

    monkeypatch.setitem(random_whisper.SIZES, "v3", random_whisper.Size(16, 2, 1, 1, mels=128, words=0, languages=4))
    model = load_model(build_random_whisper(tmp_path / "v3", "v3", multilingual=True), "whisper-large-v3", "cpu", 0)
    assert (model.multilingual, model.mels, model.filters.shape) == (True, 128, (128, 201))


def test_the_short_encoder_is_for_models_that_bear_it() -> None:
    bearing = [name for name in CATALOGUE if bears_short_encoder(name)]
    assert bearing == [f"whisper-{size}{kind}" for size in ("tiny", "base", "small") for kind in (".en", "")]
    assert not bears_short_encoder("a model of somebody else")


@pytest.mark.parametrize(("free_gb", "workers"), [(0, 1), (1, 5), (64, 8)])
def test_as_many_processes_as_cores_and_memory_allow(
    folder: Path, monkeypatch: pytest.MonkeyPatch, free_gb: int, workers: int
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "free_bytes", lambda: free_gb << 30)
    assert workers_max(folder, "cpu") == workers


@pytest.mark.parametrize(
    ("visible", "index", "free_mb"), [("", 1, 20), ("", 2, 10), ("3", 0, 1000), ("3", 1, 1000), ("0,3", 1, 1000)]
)
def test_free_memory_is_that_of_the_gpu_that_cuda_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, index: int, free_mb: int
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\ncase "$*" in *--id=3*) echo 1000;; *--id*) echo 1;; *) echo 10; echo 20;; esac\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert whisper_model._free_gpu_bytes(index) == free_mb << 20
