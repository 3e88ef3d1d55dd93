from __future__ import annotations

import asyncio
import gc
import socket
from pathlib import Path

import pytest

from asr import machine
from asr.speakers.fetched import FETCHED
from server.commands import checks
from server.settings import Settings
from tests.fakes.language_model import KEY, running_language_model
from tests.fakes.redis_server import NoRedis, RedisServer
from tests.fakes.riva_server import RivaServer
from tests.fakes.running_app import running_app
from tests.fakes.tiny_encoder import build_tiny_encoder
from tests.fakes.tiny_whisper import build_tiny_whisper


def settings(tmp_path: Path, **more: object) -> Settings:
    return Settings(**{"data_dir": tmp_path / "data", "port": 0, **more})  # type: ignore[arg-type]


def test_a_fresh_machine_is_well(tmp_path: Path) -> None:
    fresh = settings(tmp_path)
    for check in (checks.udp_loopback, checks.data_folder, checks.database, checks.port, checks.opus, checks.gpu):
        assert check(fresh).level == "ok", check
    assert not (tmp_path / "data").exists(), "a check changes nothing"


def test_a_damaged_model_is_told_of(tmp_path: Path) -> None:
    folder = settings(tmp_path).models_dir / "whisper-base.en"
    folder.mkdir(parents=True)
    found = checks.recogniser(settings(tmp_path))
    assert (found.level, found.found.partition(" ")[0]) == ("warn", "embedded-en")
    assert "model.bin" in found.todo
    assert "earshot models pull whisper-base.en" in found.todo
    found = checks.recogniser(settings(tmp_path, engine="whisper-base.en"))
    assert found.level == "fail"
    assert "earshot models pull whisper-base.en" in found.found


def test_more_processes_than_the_machine_is_good_for_are_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(machine, "free_bytes", lambda: 8 << 30)
    assert "processes" not in checks.recogniser(settings(tmp_path, engine_workers=2)).found
    found = checks.recogniser(settings(tmp_path, engine_workers=5))
    assert found.level == "warn"
    assert "asks for 5 processes, this machine is good for 2" in found.found
    assert "EARSHOT_ENGINE_WORKERS" in found.todo


def test_the_riva_server_is_looked_at(tmp_path: Path) -> None:
    assert checks.riva(settings(tmp_path)).level == "ok"
    with RivaServer(languages=("en-US", "de-DE")) as server:
        asked = settings(tmp_path, engine="riva", riva_url=server.address)
        found = checks.riva(asked)
        assert (found.level, found.found) == ("ok", f"{server.address} hears en-US, de-DE")
        assert checks.recogniser(asked).level == "ok"
        assert "not asked" in checks.riva(settings(tmp_path, riva_url=server.address)).found
    gone = checks.riva(asked)
    assert (gone.level, gone.found) == ("fail", f"{server.address} cannot be reached")
    assert "EARSHOT_RIVA_" in gone.todo
    assert checks.riva(settings(tmp_path, riva_url=server.address)).level == "warn"
    gc.collect()  # gRPC's own thread ends with the last channel


def test_whether_voices_can_be_told_apart(tmp_path: Path) -> None:
    found = checks.voices(settings(tmp_path, engine="scripted"))
    assert (found.level, found.found) == ("ok", "told apart at one microphone, by scripted")
    missing = checks.voices(settings(tmp_path, engine="scripted-voices-missing"))
    assert (missing.level, "EARSHOT_DIARIZE" in missing.todo) == ("warn", True)
    assert checks.voices(settings(tmp_path, engine="scripted-voices-missing", diarize=False)).level == "ok"
    assert checks.voices(settings(tmp_path, engine="whisper-base.en")).level == "ok"


def test_by_which_encoder_voices_are_told_apart(tmp_path: Path) -> None:
    named = checks.voices(settings(tmp_path, engine="embedded-en", speaker_encoder="campplus"))
    assert (named.level, "earshot models pull campplus" in named.found) == ("warn", True)
    folder = build_tiny_encoder(settings(tmp_path).models_dir / "campplus", "campplus")
    found = checks.voices(settings(tmp_path, engine="embedded-en"))
    assert (found.level, found.found) == ("ok", "told apart at one microphone, by campplus")
    (folder / FETCHED["campplus"].file).unlink()
    passed_over = checks.voices(settings(tmp_path, engine="embedded-en"))
    assert (passed_over.level, "is damaged" in passed_over.todo) == ("warn", True)


def test_a_port_in_use_fails_and_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = checks.port(settings(tmp_path, port=taken.getsockname()[1]))
    assert found.level == "fail"
    assert "in use" in found.found
    assert "EARSHOT_PORT" in found.todo


def test_a_host_that_cannot_be_is_not_mended_by_another_port(tmp_path: Path) -> None:
    found = checks.port(settings(tmp_path, host="no such host"))
    assert found.level == "fail"
    assert found.todo == "Check --host and --port."


def test_a_data_folder_that_cannot_be_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = checks.data_folder(settings(tmp_path, data_dir=tmp_path / "file" / "data"))
    assert found.level == "fail"
    assert "EARSHOT_DATA_DIR" in found.todo


def test_too_little_disk_fails(tmp_path: Path) -> None:
    found = checks.disk(settings(tmp_path, disk_reserve_mb=1 << 40))
    assert found.level == "fail"


def test_a_database_that_does_not_answer_fails_without_its_password(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = checks.database(settings(tmp_path, database_url=f"postgresql+asyncpg://me:secret@127.0.0.1:{port}/x"))
    assert found.level == "fail"
    assert "secret" not in found.found


def test_an_sqlite_file_that_is_none_fails(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "earshot.db").write_bytes(b"no database " * 100)
    assert checks.database(settings(tmp_path)).level == "fail"


def test_settings_that_cannot_be_used_end_the_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARSHOT_PROT", "1")
    found = list(checks.run_checks())
    assert [check.name for check in found] == ["Python", "Settings"]
    assert found[-1].level == "fail"


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken() -> list[str]:
        raise OSError("no such device")

    monkeypatch.setattr(checks, "_gpu_names", broken)
    monkeypatch.setenv("EARSHOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("EARSHOT_CONFIG", str(tmp_path / "none.toml"))
    found = {check.name: check for check in checks.run_checks()}
    assert found["Gpu"].level == "fail"
    assert "no such device" in found["Gpu"].found
    assert "Disk" in found


async def test_a_server_that_runs_is_no_fault_and_its_loop_can_be_looked_at(tmp_path: Path) -> None:
    async with running_app(tmp_path / "data") as node:
        found = await asyncio.to_thread(checks.port, settings(tmp_path, port=node.port))
        assert found.level == "ok"
        page = found.found.partition("; ")[2].partition(" ")[0]
        assert page == f"http://localhost:{node.port}/debug/loop"
        assert (await node.http.get(page)).status_code == 200


async def test_a_model_that_a_running_server_could_not_load_is_told_of(tmp_path: Path) -> None:
    """From outside the folder is whole."""
    models = tmp_path / "data" / "models"
    weights = build_tiny_whisper(models / "whisper-tiny.en") / "model.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "whisper-tiny.en" in checks.recogniser(settings(tmp_path)).found
    async with running_app(tmp_path / "data", engine="auto") as node:
        await node.services.asr.wait_ready()
        found = await asyncio.to_thread(checks.port, settings(tmp_path, port=node.port))
    assert found.level == "warn"
    assert "Not whisper-tiny.en" in found.todo


def test_a_redis_that_does_not_answer_is_told_of_without_its_password(tmp_path: Path) -> None:
    assert checks.redis(settings(tmp_path)).level == "ok"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = checks.redis(settings(tmp_path, redis_url=f"redis://me:secret@127.0.0.1:{port}/0"))
    assert found.level == "warn"
    assert "secret" not in found.found + found.todo


def test_a_redis_that_answers_is_well(tmp_path: Path) -> None:
    try:
        server = RedisServer()
    except NoRedis as why:
        pytest.skip(str(why))
    with server:
        assert checks.redis(settings(tmp_path, redis_url=server.url)).level == "ok"


async def test_a_language_model_is_looked_for_and_not_asked(tmp_path: Path) -> None:
    async def look(**more: object) -> checks.Check:
        return await asyncio.to_thread(checks.language_model, settings(tmp_path, **more))

    assert (await look()).level == "ok"
    assert (await look(auto_summaries_by="language_model")).level == "warn"
    async with running_language_model() as server:
        wanted = {"llm_base_url": server.url, "llm_api_key": KEY}
        found = await look(**wanted)
        assert (found.level, found.todo) == ("ok", "")
        assert f"small at {server.url}" in found.found
        assert (await look(**wanted, llm_model="nested/name")).level == "ok"  # as Ollama understands it
        missing = await look(**wanted, llm_model="gone")
        assert (missing.level, "gone" in missing.found) == ("warn", True)
        server.models = ()
        assert "no models" in (await look(**wanted)).found
        assert not server.prompts
    away = await look(**wanted)
    assert away.level == "warn"
    assert KEY not in away.found + away.todo
