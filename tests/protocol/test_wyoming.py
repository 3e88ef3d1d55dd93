"""Wyoming's events on the wire."""

from __future__ import annotations

import pytest

from protocol.errors import AudioFormatError, BadInput
from protocol.wyoming import WyomingEvent, check_form, parse_header, pieces, render, start_data, transcript


def test_an_event_is_a_line_with_data_and_payload_behind_it() -> None:
    told = render(WyomingEvent("audio-chunk", {"rate": 16000, "text": "é"}, b"\0\n\1"))
    line, _, rest = told.partition(b"\n")
    header = parse_header(line)
    assert rest[header.data_bytes :] == b"\0\n\1"
    event = header.event(rest[: header.data_bytes], rest[header.data_bytes :])
    assert event == WyomingEvent("audio-chunk", {"rate": 16000, "text": "é"}, b"\0\n\1")
    assert parse_header(b'{"type": "describe", "data": {"x": 1}, "data_length": null}').data == {"x": 1}


@pytest.mark.parametrize(
    "line",
    [
        *(b"nonsense", b"[]", b"{}", b'{"type": "x", "data": 1}', b'{"type": "x", "payload_length": 9999999}'),
        *(b'{"type": "x", "data_length": -1}', b'{"type": "x", "data_length": "1"}'),
        b'{"type": "x", "data_length": true}',
    ],
)
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(BadInput):
        parse_header(line)


def test_what_was_asked_for_is_asked_of_the_server() -> None:
    asked = {"language": "de", "transcript_names": ["Küche"], "transcript_terms": ["Licht", 7]}
    data = start_data(asked, {"rate": 22050, "width": 2, "channels": 1})
    assert (data["encoding"], data["sample_rate"], data["language"]) == ("pcm_s16le", 22050, "de")
    assert data["hotwords"] == ["Küche", "Licht"]
    for sound in ({"width": 3}, {"rate": 96_000}, {"rate": True}, {"channels": 0}, {"width": [2]}):
        with pytest.raises(AudioFormatError):
            start_data({}, sound)
    check_form({"rate": 22050, "width": 2, "channels": 1}, data)
    check_form({}, data)
    with pytest.raises(AudioFormatError):
        check_form({"rate": 16000, "width": 2, "channels": 1}, data)
    assert [len(piece) for piece in pieces(bytes(10_000), {"encoding": "pcm_s16le", "channels": 3})] == [
        4092,
        4092,
        1816,
    ]
    assert transcript(["one", "two"], "en").data == {"text": "one two", "language": "en"}
