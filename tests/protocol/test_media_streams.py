"""Messages of telephone calls, and the sound in them."""

from __future__ import annotations

import json
import math
import struct

import pytest

from protocol.errors import BadInput
from protocol.media_streams import AHEAD_MAX, CallStart, Media, Order, Sound, Stop, is_in_network_order, parse
from protocol.wire.stream import Encoding
from tests.fakes.calls import telnyx_call, twilio_call


def test_both_are_understood_and_told_apart() -> None:
    sound = {"inbound": bytes(480)}
    for call, provider, id_ in (
        (twilio_call(sound, {"token": "secret"}), "twilio", "CA0"),
        (telnyx_call(sound, {"token": "secret"}), "telnyx", "v2:T02"),
    ):
        told = [parsed for message in call if (parsed := parse(json.dumps(message))) is not None]
        start = told[0]
        assert isinstance(start, CallStart)
        assert (start.provider, start.call_id, start.encoding, start.sample_rate) == (
            provider,
            id_,
            Encoding.MULAW,
            8000,
        )
        assert start.parameters == {"token": "secret"}
        assert "secret" not in repr(start)
        assert told[1] == Media("inbound", 1, 0, bytes(160))
        assert told[-1] == Stop()
        assert len(told) == 5


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        {},
        {"event": "start"},
        {"event": "start", "start": {"mediaFormat": {"encoding": "audio/unheard-of"}}},
        {"event": "start", "start": {"media_format": {"encoding": "PCMU", "sample_rate": 1}}},
        {"event": "start", "start": {"media_format": {"encoding": "PCMU"}, "custom_parameters": {"language": "../.."}}},
        {"event": "media", "media": {"track": "sideways", "payload": ""}},
        {"event": "media", "media": {"track": "inbound", "payload": "not base64!"}},
        {"event": "media", "media": {"track": "inbound", "payload": "A" * 70_000}},
        *({"event": "media", "media": {"track": "inbound", "payload": payload}} for payload in (None, 1234, ["AAAA"])),
    ],
)
def test_what_is_no_such_message_is_refused(message: object) -> None:
    with pytest.raises(BadInput):
        parse(json.dumps(message))


def media(chunk: int, payload: bytes = b"", at_ms: int | None = None) -> Media:
    return Media("inbound", chunk, at_ms, payload)


def test_chunks_are_heard_in_their_order_and_what_is_lost_is_not_waited_for_for_ever() -> None:
    order = Order()
    heard = [each.chunk for chunk in (1, 3, 2, 4, 2, 4) for each in order.take(media(chunk))]
    assert heard == [1, 2, 3, 4]  # what comes again was heard
    late = [each.chunk for chunk in range(6, 8 + AHEAD_MAX) for each in order.take(media(chunk))]
    assert late == list(range(6, 8 + AHEAD_MAX))
    assert [each.chunk for chunk in (5, 5, 6) for each in order.take(media(chunk))] == [5]  # too late, and all the same
    order.take(media(30))
    assert [each.chunk for each in order.rest()] == [30]


def test_what_was_not_sent_is_silence_of_the_right_length() -> None:
    sound = Sound(Encoding.MULAW, 8000)
    assert sound.of(media(1, b"a" * 160, 1000)) == b"a" * 160
    assert sound.of(media(2, b"b" * 160, 1025)) == b"b" * 160  # a clock that is not exact
    assert sound.of(media(3, b"c" * 160, 1240)) == b"\xff" * 1600 + b"c" * 160
    assert sound.of(media(4, b"d" * 160, 10**12)) == b"d" * 160  # nobody was silent for so long


def test_the_order_of_bytes_is_told_by_the_sound() -> None:
    samples = [round(9000 * math.sin(number / 9)) for number in range(160)]
    ours, theirs = struct.pack("<160h", *samples), struct.pack(">160h", *samples)
    assert (is_in_network_order(ours), is_in_network_order(theirs), is_in_network_order(bytes(320))) == (
        False,
        True,
        None,
    )
    sound = Sound(Encoding.PCM_S16LE, 8000)
    assert sound.of(media(1, bytes(320))) + sound.of(media(2, theirs)) == bytes(320) + ours
