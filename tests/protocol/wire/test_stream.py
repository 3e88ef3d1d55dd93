"""The speaking socket's messages, and that nothing a client says breaks the parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import AudioFormatError, InvalidMessage
from protocol.wire import stream
from protocol.wire.stream import Control, Encoding, Start, parse_client
from tests.protocol.wire.test_v1 import JSON


def start(**data: Any) -> Start:
    parsed = parse_client(json.dumps({"type": "start", "data": data}))
    assert isinstance(parsed, Start)
    return parsed


def test_an_empty_start_is_16_khz_mono() -> None:
    parsed = start()
    assert (parsed.encoding, parsed.sample_rate, parsed.channels) == (Encoding.PCM_S16LE, 16_000, 1)
    assert (parsed.events, parsed.interim, parsed.resume, parsed.language) == (True, True, None, None)


def test_a_full_start() -> None:
    parsed = start(
        encoding="opus",
        sample_rate=48_000,
        channels=2,
        language="de-DE",
        track="mic-1",
        participant={"id": "p", "name": "Ada"},
        resume="token",
        events=False,
        interim=False,
        hotwords=["Earshot"],
        unknown={"ignored": True},
    )
    assert parsed.participant
    assert (parsed.encoding, parsed.language, parsed.participant.name) == (Encoding.OPUS, "de-DE", "Ada")
    assert (parsed.hotwords, parsed.events) == (("Earshot",), False)


def test_what_is_known_of_voices() -> None:
    assert (start().diarize, start().speakers_expected) == (None, None)
    parsed = start(diarize=False, speakers_expected=1, max_speakers=20, utterance_silence_ms=100)
    assert (parsed.diarize, parsed.speakers_expected, parsed.max_speakers) == (False, 1, 20)
    assert (start().utterance_silence_ms, parsed.utterance_silence_ms) == (None, 100)
    for wrong in (
        {"utterance_silence_ms": 99},
        {"utterance_silence_ms": 5001},
        {"speakers_expected": 0},
        {"max_speakers": 21},
        {"speakers_expected": 3, "max_speakers": 2},
        {"diarize": "perhaps"},
    ):
        with pytest.raises(InvalidMessage):
            start(**wrong)


@pytest.mark.parametrize("text", ['{"type": "start"}', '{"action": "start", "params": {}}'])
def test_spellings_of_start(text: str) -> None:
    assert parse_client(text) == Start()


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        *((encoding.value, encoding) for encoding in Encoding),
        *((name, Encoding.CONTAINER) for name in ("webm", "OGG", "mp4", "wav")),
        ("LINEAR16", Encoding.PCM_S16LE),
    ],
)
def test_encodings_and_what_clients_call_them(name: str, encoding: Encoding) -> None:
    assert start(encoding=name).encoding is encoding


@pytest.mark.parametrize("control", list(Control))
def test_controls(control: Control) -> None:
    assert parse_client(json.dumps({"type": control.value})) is control
    assert parse_client(json.dumps({"action": control.value.upper()})) is control


@pytest.mark.parametrize(
    "data",
    [
        {"encoding": "mp3"},
        {"encoding": None},
        {"encoding": 7},
        {"sample_rate": 7999},
        {"sample_rate": 48001},
        {"sample_rate": "fast"},
        {"sample_rate": None},
        {"channels": 0},
        {"channels": 9},
    ],
)
def test_a_format_we_do_not_take(data: dict[str, Any]) -> None:
    with pytest.raises(AudioFormatError) as raised:
        parse_client(json.dumps({"type": "start", "data": data}))
    assert raised.value.details.keys() >= {"format", "sample_rate", "encodings"}
    json.dumps(raised.value.to_dict())


@pytest.mark.parametrize(
    "message",
    [
        {"type": "start", "data": []},
        {"type": "start", "data": {"language": "../x"}},
        {"type": "start", "data": {"language": "english" * 9}},
        {"type": "start", "data": {"track": "a/b"}},
        {"type": "start", "data": {"track": ""}},
        {"type": "start", "data": {"hotwords": ["x"] * 201}},
        {"type": "start", "data": {"participant": {"name": "x" * 201}}},
        {"type": "start", "data": {"resume": 5}},
        {"type": "sing"},
        {"type": None},
        {},
    ],
)
def test_what_is_not_as_documented(message: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        parse_client(json.dumps(message))


_fields = st.dictionaries(st.sampled_from([*Start.model_fields, "other"]), JSON)


@given(
    st.text()
    | st.binary()
    | JSON.map(json.dumps)
    | st.fixed_dictionaries({"type": st.just("start") | JSON, "data": _fields | JSON}).map(json.dumps)
)
def test_any_text_is_a_message_or_a_documented_error(text: str | bytes) -> None:
    try:
        assert isinstance(parse_client(text), Start | Control)
    except (InvalidMessage, AudioFormatError) as error:
        json.dumps(error.to_dict())


def test_what_we_say() -> None:
    assert stream.started(
        session_id="ses_1", resume_token="t", position=0, max_message_bytes=262_144, keepalive_s=10.0
    ) == {
        "type": "started",
        "data": {
            "session_id": "ses_1",
            "resume_token": "t",
            "position": 0,
            "max_message_bytes": 262_144,
            "keepalive_s": 10.0,
        },
    }
    quick = stream.started(
        session_id="s", resume_token="t", position=0, max_message_bytes=1, keepalive_s=1.0, catch_up_factor=8.0
    )
    assert quick["data"]["catch_up_factor"] == 8.0
    assert stream.ack(5) == {"type": "ack", "data": {"position": 5}}
    assert stream.finalized(6) == {"type": "finalized", "data": {"position": 6}}
    assert stream.stopped(duration_s=1.23456, segments=2, words=3) == {
        "type": "stopped",
        "data": {"duration": 1.235, "segments": 2, "words": 3},
    }
