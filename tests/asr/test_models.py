from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr import models
from asr.engines.choose import choose
from asr.speakers.fbank_encoder import FbankEncoder
from asr.speakers.fetched import FETCHED
from protocol.errors import EngineFailed, NotFound
from tests.fakes.model_hub import COMMIT, ModelHub
from tests.fakes.tiny_encoder import build_tiny_encoder
from tests.fakes.tiny_transducer import build_tiny_transducer
from tests.fakes.tiny_whisper import build_tiny_whisper

NAME = "whisper-tiny.en"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = build_tiny_whisper(tmp_path_factory.mktemp("tiny"))
    (folder / "README.md").write_text("not wanted")
    return folder


@pytest.fixture
def hub(tiny: Path) -> Iterator[ModelHub]:
    with ModelHub(tiny) as hub:
        yield hub


def names(models_dir: Path) -> list[str]:
    return [model.name for model in models.present(models_dir)]


def test_the_catalogue_is_whole() -> None:
    for name, model in models.CATALOGUE.items():
        assert model.name == name
        assert model.licence
        assert model.summary
        assert bool(model.repo) == (model.engine != "pocketsphinx") == (model.size_mb > 0) == bool(model.needed)
        assert set(model.needed) <= set(model.files)
        assert model.revision == "main" or len(model.revision) == 40


def test_a_model_is_pulled_chosen_and_removed(tmp_path: Path, hub: ModelHub, tiny: Path) -> None:
    assert names(tmp_path) == ["embedded-en"]
    told: dict[str, tuple[int, int]] = {}

    def progress(file: str, done: int, total: int) -> None:
        assert done >= told.get(file, (0, 0))[0]
        told[file] = (done, total)

    path = models.pull(NAME, tmp_path, progress=progress, endpoint=hub.endpoint)
    assert names(tmp_path) == ["embedded-en", NAME]
    note = json.loads((path / models.NOTE).read_text())
    assert (note["commit"], note["licence"]) == (COMMIT, "MIT")
    size = (tiny / "model.bin").stat().st_size
    assert told["model.bin"] == (size, size)
    assert not (path / "README.md").exists()
    assert not (path / ".cache").exists()
    assert choose("auto", "en", tmp_path, gpu=False).name == NAME
    asked = len(hub.requests)
    assert models.pull(NAME, tmp_path, endpoint=hub.endpoint) == path
    assert len(hub.requests) == asked
    assert models.remove(NAME, tmp_path)
    assert not models.remove(NAME, tmp_path)
    assert names(tmp_path) == ["embedded-en"]


@pytest.mark.parametrize("name", FETCHED)
def test_an_encoder_of_voices_is_pulled_like_any_other(tmp_path: Path, hub: ModelHub, name: str) -> None:
    hub.folder = build_tiny_encoder(tmp_path / "hub", name)
    (hub.folder / "another.onnx").touch()  # there are many in one repository
    path = models.pull(name, tmp_path / "models", endpoint=hub.endpoint)
    assert {file.name for file in path.iterdir()} == {FETCHED[name].file, models.NOTE}
    assert models.CATALOGUE[name].kind == "speaker encoder"
    assert name not in models.RECOGNISERS
    assert FbankEncoder(name, path).info.name == name


def test_the_catalogue_says_which_commit_and_which_files(tmp_path: Path, hub: ModelHub) -> None:
    model = models.CATALOGUE["zipformer-en"]
    hub.folder = build_tiny_transducer(tmp_path / "hub")
    for name in (*model.files, "encoder-epoch-99-avg-1-chunk-16-left-128.onnx", "0.wav"):
        (hub.folder / name).write_bytes(name.encode())
    path = models.pull(model.name, tmp_path, endpoint=hub.endpoint)
    assert any(model.revision in request for request in hub.requests)
    assert {file.name for file in path.iterdir()} == {*model.files, models.NOTE}


def test_a_damaged_file_is_not_taken_and_a_second_pull_mends_it(tmp_path: Path, hub: ModelHub) -> None:
    hub.damaged.add("model.bin")
    with pytest.raises(EngineFailed, match="damaged"):
        models.pull(NAME, tmp_path, endpoint=hub.endpoint)
    assert names(tmp_path) == ["embedded-en"]
    hub.damaged.clear()
    hub.requests.clear()
    models.pull(NAME, tmp_path, endpoint=hub.endpoint)
    assert names(tmp_path) == ["embedded-en", NAME]
    assert not any(request.startswith("GET") and request.endswith("/config.json") for request in hub.requests)


def test_a_hub_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineFailed, match="could not be fetched"):
        models.pull(NAME, tmp_path, endpoint="http://127.0.0.1:1")
    assert names(tmp_path) == ["embedded-en"]


def test_from_a_folder_without_a_network(tmp_path: Path, tiny: Path) -> None:
    path = models.pull(NAME, tmp_path, tiny)
    assert (path / "model.bin").read_bytes() == (tiny / "model.bin").read_bytes()
    assert names(tmp_path) == ["embedded-en", NAME]


def test_a_folder_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").touch()
    with pytest.raises(EngineFailed, match=r"model\.bin, tokenizer\.json missing"):
        models.pull(NAME, tmp_path / "models", source)
    with pytest.raises(EngineFailed, match="is no folder"):
        models.pull(NAME, tmp_path / "models", tmp_path / "nowhere")


@pytest.mark.parametrize("noted", [True, False])
def test_a_pull_puts_a_whole_one_in_the_place_of_a_damaged_one(tmp_path: Path, tiny: Path, noted: bool) -> None:
    path = models.pull(NAME, tmp_path, tiny)
    if noted:
        (path / "model.bin").write_bytes((tiny / "model.bin").read_bytes()[:1000])
        assert models.damage(models.model_named(NAME), path) == "model.bin shorter than it was fetched"
    else:
        (path / models.NOTE).unlink()
        (path / "tokenizer.json").unlink()
    assert names(tmp_path) == ["embedded-en"]
    assert models.pull(NAME, tmp_path, tiny) == path
    assert (path / "model.bin").read_bytes() == (tiny / "model.bin").read_bytes()
    assert names(tmp_path) == ["embedded-en", NAME]


@pytest.mark.parametrize("note", ["", "[]", '{"bytes": 3}', '{"bytes": {"model.bin": null}}'])
def test_a_note_that_says_nothing_of_sizes_is_no_damage(tmp_path: Path, tiny: Path, note: str) -> None:
    path = models.pull(NAME, tmp_path, tiny)
    (path / models.NOTE).write_text(note)
    assert names(tmp_path) == ["embedded-en", NAME]


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    for call in (models.pull, models.remove):
        with pytest.raises(NotFound, match="whisper-base"):
            call("nonsense", tmp_path)
    assert models.pull("embedded-en", tmp_path) == tmp_path / "embedded-en"
