from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.settings_text import as_toml
from tests.fakes.server_process import ServerProcess
from tests.fakes.warm_commands import WarmCommands

EARSHOT = [sys.executable, "-c", "from server.cli import main; main()"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("EARSHOT_") and name != "EARSHOT_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("EARSHOT_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setattr(WarmCommands, "ready", None)  # here the start itself is looked at


def earshot(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*EARSHOT, *arguments], input=stdin, capture_output=True, timeout=60, env={**os.environ, **environment}
    )


@pytest.mark.process
def test_help_names_the_commands() -> None:
    shown = earshot("--help")
    assert shown.returncode == 0
    for command in (b"serve", b"transcribe", b"listen", b"doctor", b"config", b"models"):
        assert command in shown.stdout


def test_nothing_slow_is_imported_for_help() -> None:
    slow = {"pydantic", "asyncio", "numpy", "av", "fastapi", "httpx", "websockets", "sqlalchemy"}
    code = f"import sys; from server.cli import app; print(sorted({slow} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_version() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.output.startswith("earshot 0.")


@pytest.mark.process
def test_serve_says_in_one_sentence_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        cases = [
            (["--port", str(taken.getsockname()[1]), "--data-dir", str(tmp_path / "data")], b"in use"),
            (["--port", "0", "--data-dir", str(tmp_path / "file" / "data")], b"cannot be written"),
            (["--port", "99999"], b"port: Input should be less than or equal to 65535"),
            (["--session-max", "3"], b"Did you mean --sessions-max"),
        ]
        for arguments, sentence in cases:
            shown = earshot("serve", *arguments)
            assert shown.returncode == 2, arguments
            assert sentence in shown.stderr
            assert b"Traceback" not in shown.stderr
            assert len(shown.stderr.splitlines()) == 1


@pytest.mark.process
def test_serve_says_which_database_does_not_answer(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://anna:open-sesame@/earshot?host={tmp_path}"
    shown = earshot("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), "--database-url", url)
    assert shown.returncode == 1
    last = shown.stderr.splitlines()[-1].decode()
    assert "anna:***@" in last
    assert "does not answer" in last
    assert b"open-sesame" not in shown.stderr


@pytest.mark.process
async def test_a_second_server_says_where_the_first_one_is(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        port = server.url.rpartition(":")[2]
        for host in ("127.0.0.1", "0.0.0.0"):
            shown = earshot("serve", "--port", port, "--host", host, "--data-dir", str(tmp_path / "other"))
            assert shown.returncode == 2
            assert shown.stderr.decode().startswith(f"Earshot already runs at http://localhost:{port}/ (")
            assert len(shown.stderr.splitlines()) == 1
        first, *rest = server.output.splitlines()
    assert first == "Starting Earshot ..."
    # What a user must know is plain on standard output, whatever the form of the log.
    for line in ("Recogniser: scripted", "Data: ", "Earshot is at http://localhost:"):
        assert any(told.startswith(line) for told in rest), rest
    assert all(told.startswith("{") for told in server.log.splitlines())


@pytest.mark.process
def test_wrong_use_of_transcribe_is_said() -> None:
    for arguments, sentence in (
        (["transcribe", "nowhere.wav"], b"There is no file nowhere.wav"),
        (["transcribe", "nowhere.wav", "--raw", "16000"], b"There is no file"),
        (["transcribe", "-", "--raw", "5"], b"8000 to 48000"),
        (["transcribe", "-", "--server", "ftp://x"], b"no server address"),
    ):
        shown = earshot(*arguments)
        assert shown.returncode == 2, arguments
        assert sentence in shown.stderr
        assert b"Traceback" not in shown.stderr


@pytest.mark.process
def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    shown = earshot("transcribe", "-", "--raw", "16000", EARSHOT_SERVER=f"127.0.0.1:{port}", stdin=bytes(32_000))
    assert shown.returncode == 1
    assert b"Is it running?" in shown.stderr
    assert b"Traceback" not in shown.stderr


def test_config_shows_values_and_masks_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_PORT", "9123")
    monkeypatch.setenv("EARSHOT_ACCESS_TOKEN", "hush-hush")
    shown = CliRunner().invoke(app, ["config"])
    assert shown.exit_code == 0
    assert "9123" in shown.output
    assert "hush" not in shown.output
    assert "resume_grace_s" in shown.output


def test_config_writes_a_sample_and_does_not_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "earshot.toml"
    runner = CliRunner()
    assert runner.invoke(app, ["config", "--sample", "-o", str(file)]).exit_code == 0
    assert file.read_text() == as_toml()
    file.write_text("port = 1\n")
    assert runner.invoke(app, ["config", "--sample", "-o", str(file)]).exception is not None
    assert file.read_text() == "port = 1\n"
    assert runner.invoke(app, ["config", "--sample", "-o", str(file), "--force"]).exit_code == 0
    assert runner.invoke(app, ["config", "--sample", "-o", "-"]).output == as_toml()


@pytest.mark.process
def test_doctor_exits_with_1_when_something_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = earshot("doctor", EARSHOT_DATA_DIR=str(tmp_path / "file" / "data"))
    assert shown.returncode == 1
    assert b"EARSHOT_DATA_DIR" in shown.stdout
