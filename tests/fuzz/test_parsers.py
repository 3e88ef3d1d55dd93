"""What comes from outside as bytes or text: sockets, descriptions, packets, forms, ranges, records."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.wire import FrameError, FrameReader, Ping, frame
from media.ogg import OggWriter, read_page
from media.opus import open_decoder
from media.records import encode
from media.sockets import SocketDecoder
from media.timeline import OpusTimeline
from media.track_file import scan
from media.webrtc import rtp, sdp
from media.webrtc.udp_mux import named
from protocol.errors import AudioFormatError, BadInput, EarshotError, InvalidMessage, SdpError, TooLarge
from protocol.wire import stream, v1
from protocol.wire.stream import Encoding
from server.accounts.credentials import identify
from server.auth import check_origin
from server.doors.byte_ranges import wanted_spans
from server.doors.v1.listen import parse_after, parse_types
from server.doors.v1.multipart import MultipartReader, boundary_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
STARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["start", "stop", "finalize", "", "START"])},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "encoding": st.sampled_from([*Encoding, "mp3", "", "PCM_S16LE"]) | JSON,
                "sample_rate": st.integers(-1, 400_000) | JSON,
                "channels": st.integers(-1, 99) | JSON,
                "language": st.text(max_size=10) | JSON,
                "participant": JSON,
                "resume": st.text(max_size=200) | JSON,
                "hotwords": JSON,
            },
        )
    },
)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


@given(st.text(max_size=200) | st.binary(max_size=200) | JSON.map(repr) | st.from_regex(r'\{"action": ?".{0,9}"\}'))
def test_actions(text: str | bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        assert v1.parse_action(text) in v1.Action


@given(st.text(max_size=200) | STARTS.map(lambda value: json.dumps(value, default=str)))
def test_start_messages(text: str) -> None:
    with contextlib.suppress(InvalidMessage, AudioFormatError):
        stream.parse_client(text)


LINES = st.sampled_from(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=mid:1",
        "a=rtpmap:111 opus/48000/2",
        "a=sendonly",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=sctp-port:5000",
        "a=candidate:1 1 udp 2130706431 192.168.1.2 5000 typ host",
        "a=candidate:1 1 udp x y z typ host",
    ]
)


@given(st.lists(LINES | st.text(max_size=30), max_size=40).map("\r\n".join), st.booleans())
def test_session_descriptions(text: str, loopback: bool) -> None:
    try:
        cleaned = sdp.clean(text, "offer", max_bytes=64 * 1024, loopback=loopback)
        sdp.polish(cleaned.sdp, sdp.OpusWishes(), cleaned.refused)
    except (SdpError, TooLarge):
        pass


PACKETS = st.lists(
    st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.binary(max_size=60), st.floats(0, 0.25, width=16)),
    max_size=40,
)


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"\xb1\x6f" + tail))
def test_rtp(data: bytes) -> None:
    with contextlib.suppress(InvalidMessage):
        assert len(rtp.parse(data).payload) <= len(data) - rtp.HEADER_BYTES


@given(PACKETS)
def test_packets(packets: list[tuple[int, int, bytes, float]]) -> None:
    timeline = OpusTimeline(open_decoder())
    now_s, end_samples = 0.0, 0
    for sequence, timestamp, payload, later_s in packets:
        now_s += later_s
        for block in [*timeline.push(sequence, timestamp, payload, now_s), *timeline.poll(now_s)]:
            assert block.start_samples >= end_samples
            end_samples = block.end_samples


@given(
    st.sampled_from([encoding for encoding in Encoding if encoding is not Encoding.CONTAINER]),
    st.sampled_from([8000, 16000, 22050, 44100, 48000]),
    st.integers(1, 8),
    st.lists(st.binary(max_size=400), max_size=8),
)
def test_socket_sound(encoding: Encoding, rate: int, channels: int, messages: list[bytes]) -> None:
    end_samples = 0
    try:
        decoder = SocketDecoder(encoding, rate, channels)
        for message in messages:
            for block in decoder.feed(message):
                assert block.start_samples == end_samples
                end_samples = block.end_samples
    except (InvalidMessage, AudioFormatError):
        pass


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=6))
def test_forms_whole_and_in_pieces(body: bytes, places: list[int]) -> None:
    framed = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + body + b"\r\n--x--\r\n"

    def read(pieces: list[bytes]) -> bytes | type[EarshotError]:
        reader, taken = MultipartReader(boundary_of("multipart/form-data; boundary=x")), b""
        try:
            for piece in pieces:
                taken += b"".join(getattr(item, "data", b"") for item in reader.feed(piece))
        except BadInput as error:
            return type(error)
        return taken

    assert read([framed]) == read(cut(framed, places))


@given(st.text(max_size=80))
def test_content_types(text: str) -> None:
    with contextlib.suppress(BadInput):
        boundary_of(text)


@given(st.text(max_size=30) | st.from_regex(r"bytes=(-?\d{0,25}-?\d{0,25}[, ]?){0,4}"), st.integers(0, 1 << 40))
def test_ranges(header: str, total_bytes: int) -> None:
    for span in wanted_spans(header, total_bytes) or ():
        assert 0 <= span.start < span.end <= total_bytes


@given(st.text(max_size=40), st.text(max_size=40))
def test_queries(after: str, types: str) -> None:
    for parse, text in ((parse_after, after), (parse_types, types)):
        with contextlib.suppress(InvalidMessage):
            parse(text)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_who_asks(authorization: str, host: str, origin: str) -> None:
    assert not identify("the token", {"authorization": authorization, "host": host}, [host, origin]).trusted
    with contextlib.suppress(EarshotError):
        check_origin(origin, host, ())


@given(st.binary(max_size=400), st.lists(st.integers(0, 1000), max_size=6))
def test_frames_whole_and_in_pieces(noise: bytes, places: list[int]) -> None:
    data = frame(Ping(number=1)) + noise

    def read(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes]], bool]:
        reader, found = FrameReader(), []
        try:
            for piece in pieces:
                found += reader.feed(piece)
        except FrameError:
            return found[:1], True
        return found, False

    whole, pieces = read([data]), read(cut(data, places))
    assert whole == pieces or (whole[1] and pieces[1])


@given(st.binary(max_size=300))
def test_recordings(noise: bytes) -> None:
    good = encode(0, b"\x01\x00" * 10)
    records = list(scan(io.BytesIO(good + noise)))
    assert records[0].end_samples == 10
    assert all(later.start_samples >= earlier.end_samples for earlier, later in pairwise(records))


@given(st.binary(max_size=300), st.integers(0, 0xFF), st.integers(0, (1 << 64) - 1))
def test_pages(noise: bytes, segments: int, granule: int) -> None:
    writer = OggWriter(1, 0)
    writer.fill(40)
    good = writer.take()
    head = b"OggS\0\0" + granule.to_bytes(8, "little") + bytes(12) + bytes((segments,))
    assert read_page(io.BytesIO(head + noise), 0) is None
    assert [piece.end_samples for piece in scan(io.BytesIO(good + head + noise))] == [0, 0, 40]


@pytest.mark.parametrize("depth", [10, 100_000])
def test_deep_json_is_refused(depth: int) -> None:
    with pytest.raises(InvalidMessage):
        v1.parse_action("[" * depth)


@given(st.binary(max_size=200), st.binary(max_size=40), st.integers(0, 0xFFFF))
def test_stun_user_names(rest: bytes, name: bytes, length: int) -> None:
    message = bytes(20) + b"\x00\x06" + length.to_bytes(2) + name + rest
    for data in (message, bytes(20) + rest, rest):
        found = named(data)
        assert ":" not in found
        assert len(found) <= len(data)
    padded = name.replace(b":", b"") + b":theirs"
    whole = bytes(20) + b"\x00\x06" + len(padded).to_bytes(2) + padded + bytes(-len(padded) % 4) + rest
    assert named(whole) == padded[:-7].decode("ascii", "replace")
