from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from asr.models import CATALOGUE
from server.cli import app
from server.commands.failure import USAGE, CommandFailed
from tests.fakes.tiny_encoder import build_tiny_encoder


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EARSHOT_CONFIG", str(tmp_path / "none.toml"))
    return tmp_path / "data"


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    """A folder with a model's files; what is in them does not matter to fetching."""
    folder = tmp_path / "whisper"
    folder.mkdir()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes(b"x" * 100)
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_list_tells_what_is_here(data_dir: Path) -> None:
    shown = run("list", "--data-dir", str(data_dir))
    assert "whisper-base.en" in shown
    embedded = next(line for line in shown.splitlines() if line.startswith("embedded-en"))
    assert "auto" in embedded


def test_the_list_tells_of_riva(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "riva" not in run("list", "--data-dir", str(data_dir))
    monkeypatch.setenv("EARSHOT_RIVA_URL", "gpu.example.org:50051")
    assert "NVIDIA Riva at gpu.example.org:50051 has; used with" in run("list", "--data-dir", str(data_dir))
    monkeypatch.setenv("EARSHOT_ENGINE", "riva")
    assert "has; in use" in run("list", "--data-dir", str(data_dir))


def test_a_model_is_pulled_from_a_folder_listed_and_removed(data_dir: Path, whisper: Path) -> None:
    shown = run("pull", "whisper-tiny.en", "--from", str(whisper), "--data-dir", str(data_dir))
    assert "licence MIT" in shown
    assert (data_dir / "models" / "whisper-tiny.en" / "model.bin").is_file()
    row = next(x for x in run("list", "--data-dir", str(data_dir)).splitlines() if x.startswith("whisper-tiny.en"))
    assert "auto" in row
    assert "here already" in run("pull", "whisper-tiny.en", "--data-dir", str(data_dir))
    assert "is removed" in run("remove", "whisper-tiny.en", "--data-dir", str(data_dir))
    assert "was not here" in run("remove", "whisper-tiny.en", "--data-dir", str(data_dir))


def test_an_encoder_of_voices_is_pulled_and_taken(data_dir: Path, tmp_path: Path) -> None:
    source = build_tiny_encoder(tmp_path / "encoder", "campplus")
    shown = run("pull", "campplus", "--from", str(source), "--data-dir", str(data_dir))
    assert "licence Apache-2.0" in shown
    rows = {row.split()[0]: row for row in run("list", "--data-dir", str(data_dir)).splitlines() if row}
    assert ["auto" in rows[name] for name in ("campplus", "embedded-en", "wespeaker-resnet34")] == [True, True, False]
    assert " any " in rows["campplus"]


def test_a_package_that_the_model_needs_is_named(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CATALOGUE["zipformer-en"].needed:
        (tmp_path / name).write_bytes(b"x" * 100)
    monkeypatch.setattr("asr.engines.choose.find_spec", lambda package: None)
    shown = run("pull", "zipformer-en", "--from", str(tmp_path), "--data-dir", str(data_dir))
    assert "pip install 'earshot[sherpa]'" in shown


def test_an_unknown_name_is_answered_with_the_known_ones(data_dir: Path) -> None:
    for command in ("pull", "remove"):
        with pytest.raises(CommandFailed, match="whisper-base") as failed:
            run(command, "whisper-huge", "--data-dir", str(data_dir))
        assert failed.value.exit_code == USAGE


def test_a_folder_that_is_none_is_said(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no folder"):
        run("pull", "whisper-tiny.en", "--from", str(tmp_path / "nothing"), "--data-dir", str(data_dir))
