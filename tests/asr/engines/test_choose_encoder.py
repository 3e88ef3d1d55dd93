from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import NoReturn

import pytest

import asr.engines.choose_encoder
from asr.engines.choose import Choice, choose
from asr.engines.choose_encoder import REAL_VOICES, choose_encoder
from asr.speakers.fetched import FETCHED
from asr.speakers.segmentation import FILE
from asr.speakers.segmentation import NAME as SEGMENTATION
from tests.fakes.tiny_encoder import build_tiny_encoder

NOWHERE = Path("nowhere")


def named(engine: str) -> Choice:
    return choose(engine, "en", NOWHERE)


def put(models_dir: Path, name: str) -> Path:
    """A fetched one with random weights. Returns its folder."""
    return build_tiny_encoder(models_dir / name, name)


def test_the_scripted_engine_has_its_own() -> None:
    choice = choose_encoder(named("scripted-voices-crash"), NOWHERE)
    assert choice.loading is not None
    choice.loading.begin()
    assert choice.loading.encoder is not None
    assert choice.loading.encoder.info.name == choice.name == "scripted"
    without = choose_encoder(named("scripted-voices-missing"), NOWHERE)
    assert (without.name, without.loading) == (None, None)
    assert without.reason


def test_for_benches_the_scripted_engine_has_that_of_the_wheel() -> None:
    found, usual = choose_encoder(named(REAL_VOICES), NOWHERE), choose_encoder(named("embedded-en"), NOWHERE)
    assert (found.name, found.reason) == (usual.name, usual.reason)
    assert found.name != "scripted"


def test_without_the_wheel_there_is_none_and_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(asr.engines.choose_encoder, "distribution", not_here)
    choice = choose_encoder(named("embedded-en"), NOWHERE)
    assert (choice.name, choice.loading) == (None, None)
    assert "pip install --no-deps resemblyzer" in choice.reason


def test_a_wheel_without_weights_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Empty:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(asr.engines.choose_encoder, "distribution", lambda name: Empty())
    assert "no weights" in choose_encoder(named("embedded-en"), NOWHERE).reason
    (tmp_path / "resemblyzer").mkdir()
    (tmp_path / "resemblyzer/pretrained.pt").touch()
    choice = choose_encoder(named("embedded-en"), NOWHERE)
    assert choice.name == "resemblyzer"
    assert choice.loading is not None
    assert not choice.loading.begun


def test_auto_takes_a_fetched_one_and_the_embedded_one_without(tmp_path: Path) -> None:
    engine = named("embedded-en")
    assert choose_encoder(engine, tmp_path).name == "resemblyzer"
    put(tmp_path, "wespeaker-resnet34")
    assert choose_encoder(engine, tmp_path).name == "wespeaker-resnet34"
    put(tmp_path, "campplus")
    choice = choose_encoder(engine, tmp_path)
    assert (choice.name, choice.reason, choice.notice) == ("campplus", "", "")
    assert choose_encoder(engine, tmp_path, "embedded").name == "resemblyzer"
    assert choose_encoder(engine, tmp_path, "wespeaker-resnet34").name == "wespeaker-resnet34"
    assert choose_encoder(named("scripted"), tmp_path, "campplus").name == "scripted"


@pytest.mark.parametrize("name", FETCHED)
def test_what_was_chosen_is_what_is_loaded(tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    choice = choose_encoder(named("embedded-en"), tmp_path, name)
    assert choice.loading is not None
    choice.loading.begin()
    choice.loading.wait(30)
    assert choice.loading.encoder is not None, choice.loading.failure
    assert choice.loading.encoder.info.name == choice.name == name


def test_one_that_is_named_and_cannot_be_used_is_no_other_and_it_is_said_what_to_do(tmp_path: Path) -> None:
    engine = named("embedded-en")
    for wanted, said in (("campplus", "earshot models pull campplus"), ("nonsense", "auto, embedded, campplus")):
        choice = choose_encoder(engine, tmp_path, wanted)
        assert (choice.name, choice.loading) == (None, None)
        assert said in choice.reason
    (put(tmp_path, "campplus") / FETCHED["campplus"].file).unlink()
    assert "is damaged" in choose_encoder(engine, tmp_path, "campplus").reason
    choice = choose_encoder(engine, tmp_path)
    assert choice.name == "resemblyzer"
    assert choice.notice.startswith("Not campplus: its folder")
    assert "`earshot models pull campplus`" in choice.notice


def test_a_fetched_file_that_is_no_encoder_fails_when_it_is_loaded(tmp_path: Path) -> None:
    (put(tmp_path, "campplus") / FETCHED["campplus"].file).write_bytes(b"nothing")
    choice = choose_encoder(named("embedded-en"), tmp_path)
    assert choice.loading is not None
    choice.loading.begin()
    choice.loading.wait(30)
    assert choice.loading.encoder is None
    assert "`earshot models remove campplus`" in choice.loading.failure


def test_changes_of_voices_are_looked_for_where_the_network_was_fetched_and_unless_it_is_off(tmp_path: Path) -> None:
    engine = named("embedded-en")
    nothing = choose_encoder(engine, tmp_path)
    assert (nothing.segmentation, nothing.no_segmentation) == (None, "")
    asked = choose_encoder(engine, tmp_path, segmentation=SEGMENTATION)
    assert (asked.name, asked.segmentation) == ("resemblyzer", None)
    assert f"earshot models pull {SEGMENTATION}" in asked.no_segmentation
    path = tmp_path / SEGMENTATION
    path.mkdir()
    assert "is damaged" in choose_encoder(engine, tmp_path).no_segmentation
    (path / FILE).write_bytes(b"nothing")
    for wanted, found in (("auto", SEGMENTATION), (SEGMENTATION, SEGMENTATION), ("off", None), ("nonsense", None)):
        assert choose_encoder(engine, tmp_path, segmentation=wanted).segmentation == found
    assert choose_encoder(named("scripted"), tmp_path).segmentation is None


def test_a_file_that_is_no_network_costs_changes_alone(tmp_path: Path) -> None:
    (tmp_path / SEGMENTATION).mkdir()
    (tmp_path / SEGMENTATION / FILE).write_bytes(b"nothing")
    loading = choose_encoder(named("embedded-en"), tmp_path).loading
    assert loading is not None
    loading.begin()
    loading.wait(30)
    assert loading.encoder is not None
    assert loading.failure == ""
    assert loading.segmentation is None
