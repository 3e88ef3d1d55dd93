"""What is logged, and above all what is not: canary strings go in everywhere and come out nowhere."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from server.logs import QUIET_LOGGERS, set_up_logs
from server.settings import Settings
from tests.fakes.running_app import running_app


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET_LOGGERS}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines_of(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def json_settings(level: str = "info") -> Settings:
    return Settings(log_format="json", log_level=level)


@pytest.mark.usefixtures("restored_logging")
def test_lines_are_json_with_their_fields() -> None:
    stream = io.StringIO()
    set_up_logs(json_settings(), stream)
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger("server.test").info("track recorded", length_samples=5)
    logging.getLogger("somebody").warning("plain %s", "line")
    first, second = lines_of(stream)
    assert first.pop("timestamp")
    assert first == {
        "event": "track recorded",
        "length_samples": 5,
        "level": "info",
        "logger": "server.test",
        "request_id": "req_1",
    }
    assert (second["event"], second["level"], second["logger"]) == ("plain line", "warning", "somebody")


@pytest.mark.usefixtures("restored_logging")
def test_a_level_is_kept_and_warnings_are_captured() -> None:
    stream = io.StringIO()
    set_up_logs(json_settings("warning"), stream)
    structlog.get_logger("server.test").info("too quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("deprecated thing", stacklevel=1)
    (line,) = lines_of(stream)
    assert "deprecated thing" in str(line["event"])


@pytest.mark.usefixtures("restored_logging")
def test_text_lines_have_tracebacks_without_local_variables() -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        set_up_logs(Settings(log_format=form), stream)
        secret_words = "canary-" + "speech"
        try:
            raise ValueError("broken") from None
        except ValueError:
            structlog.get_logger("server.test").exception("it failed", words=len(secret_words))
        assert "ValueError" in stream.getvalue()
        assert "broken" in stream.getvalue()
        assert "canary-speech" not in stream.getvalue()


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "aiortc.rtcpeerconnection", "aioice.ice"])
@pytest.mark.usefixtures("restored_logging")
def test_libraries_that_would_tell_secrets_are_quiet_even_at_debug(name: str) -> None:
    stream = io.StringIO()
    set_up_logs(json_settings("debug"), stream)
    logging.getLogger(name).info("canary")
    logging.getLogger(name).debug("canary")
    assert "canary" not in stream.getvalue()


@pytest.mark.usefixtures("restored_logging")
async def test_no_secret_and_no_speech_reaches_the_log_or_the_metrics(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logs(json_settings("debug"), stream)
    canaries = {
        name: f"canary-{name}" for name in ("token", "query", "name", "sdp", "summary", "wrong", "path", "file", "ws")
    }
    token = canaries["token"]
    auth = {"Authorization": f"Bearer {token}"}
    async with running_app(tmp_path, access_token=SecretStr(token)) as running:
        http = running.http
        created = await http.post("/v1/transcripts/", json={"name": canaries["name"]}, headers=auth)
        id_ = created.json()["id"]
        await http.get("/v1/transcripts/", params={"search": canaries["query"]}, headers=auth)
        await http.get("/v1/transcripts/", params={"page": canaries["query"]}, headers=auth)
        await http.get("/v1/transcripts/", headers={"Authorization": f"Bearer {canaries['wrong']}"})
        await http.get(f"/v1/{canaries['path']}", headers=auth)
        await http.get(f"/v1/transcripts/{canaries['path']}", headers=auth)
        await http.patch(f"/v1/transcripts/{id_}", json={"summary": canaries["summary"]}, headers=auth)
        await http.post(f"/v1/transcripts_webrtc/{id_}/offer", json={"sdp": canaries["sdp"]}, headers=auth)
        await http.post(f"/v1/transcripts_audio/{id_}/upload", content=canaries["file"].encode(), headers=auth)
        path = f"/v1/transcripts_websocket/{id_}?after=now&types={canaries['query']}"
        async with running.socket(path, subprotocols=["bearer", token]) as socket:
            assert (await socket.closed())[0] == 4000
        path = f"/v1/transcripts_stream/{id_}?x={canaries['query']}"
        async with running.socket(path, additional_headers=auth) as socket:
            await socket.send({"type": canaries["ws"]})
            assert (await socket.closed())[0] == 4000
        metrics = (await http.get("/metrics", headers=auth)).text
    log_text = stream.getvalue()
    for line in lines_of(stream):
        assert line["level"] in ("debug", "info", "warning"), line
    assert "/v1/transcripts/{transcript_id}" in log_text
    assert id_ in log_text
    for name, canary in canaries.items():
        assert canary not in log_text, name
        assert canary not in metrics, name
