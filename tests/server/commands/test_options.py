from __future__ import annotations

from pathlib import Path

import pytest

from server.commands.failure import USAGE, CommandFailed
from server.commands.options import load, parse_options


@pytest.fixture(autouse=True)
def no_settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARSHOT_CONFIG", str(tmp_path / "none.toml"))


def test_every_setting_is_an_option() -> None:
    assert parse_options(["--sessions-max", "8", "--resume-grace-s=5"]) == {"sessions_max": "8", "resume_grace_s": "5"}
    assert load(["--sessions-max", "8"], port=9000).sessions_max == 8


def test_a_typing_error_is_answered_with_what_was_meant() -> None:
    with pytest.raises(CommandFailed, match="Did you mean --sessions-max") as failed:
        parse_options(["--session-max", "8"])
    assert failed.value.exit_code == USAGE


def test_a_missing_value_and_a_bad_one() -> None:
    with pytest.raises(CommandFailed, match="needs a value"):
        parse_options(["--port"])
    with pytest.raises(CommandFailed, match="port: Input should be less than or equal to 65535") as failed:
        load(port=70_000)
    assert failed.value.exit_code == USAGE


def test_an_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_PROT", "9000")
    with pytest.raises(CommandFailed, match="EARSHOT_PROT: no such setting"):
        load()
