from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import NoReturn

import pytest

import asr.engines.choose_encoder
from asr.engines.choose import Choice, choose
from asr.engines.choose_encoder import choose_encoder


def named(engine: str) -> Choice:
    return choose(engine, "en", Path("nowhere"))


def test_the_scripted_engine_has_its_own() -> None:
    choice = choose_encoder(named("scripted-voices-crash"))
    assert choice.loading is not None
    choice.loading.begin()
    assert choice.loading.encoder is not None
    assert choice.loading.encoder.info.name == choice.name == "scripted"
    without = choose_encoder(named("scripted-voices-missing"))
    assert (without.name, without.loading) == (None, None)
    assert without.reason


def test_without_the_wheel_there_is_none_and_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(asr.engines.choose_encoder, "distribution", not_here)
    choice = choose_encoder(named("embedded-en"))
    assert (choice.name, choice.loading) == (None, None)
    assert "pip install --no-deps resemblyzer" in choice.reason


def test_a_wheel_without_weights_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Empty:
        def locate_file(self, name: str) -> Path:
            return tmp_path / name

    monkeypatch.setattr(asr.engines.choose_encoder, "distribution", lambda name: Empty())
    assert "no weights" in choose_encoder(named("embedded-en")).reason
    (tmp_path / "resemblyzer").mkdir()
    (tmp_path / "resemblyzer/pretrained.pt").touch()
    choice = choose_encoder(named("embedded-en"))
    assert choice.name == "resemblyzer"
    assert choice.loading is not None
    assert not choice.loading.begun
