"""Frames come out as they went in, however they are cut; every message comes back as it was."""

from __future__ import annotations

import base64
import contextlib
import struct
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from asr import wire
from asr.contract import SessionOptions
from asr.wire import FROM_WORKER, TO_WORKER, FrameError, FrameReader, frame
from protocol.words import Word

NAMED: dict[str, Any] = {"session_id": "ses_1", "generation": 3}
TO: list[BaseModel] = [
    wire.Open(
        **NAMED,
        start_samples=1,
        options=SessionOptions(language="en", hotwords=("a",), lane="file", diarize=True),
        voices=(wire.HeardVoice(number=0, embedding=base64.b64encode(b"\0\1"), heard_samples=5, name="n"),),
        encoder="e",
    ),
    wire.Audio(**NAMED, start_samples=5),
    wire.FoundVoices(
        **NAMED,
        encoder="e",
        voices=(wire.HeardVoice(number=0, embedding=base64.b64encode(b"\0\1")),),
        gone=(2,),
    ),
    wire.Finalize(**NAMED, marker=2),
    wire.Close(**NAMED),
    wire.Ping(number=1),
    wire.Shutdown(),
]
FROM: list[BaseModel] = [
    wire.Ready(engine="e", model="m", device="cpu", languages=("en",), reason="r"),
    wire.Heard(
        **NAMED,
        start_samples=0,
        end_samples=9,
        words=(Word(text="ö", start_samples=0, end_samples=9),),
        final=True,
        through_samples=12,
        spoke=(wire.Spoke(voice=1, words=1, confidence=0.5),),
    ),
    wire.VoicePrints(
        **NAMED, encoder="e", dim=2, steps=((0, 9, 1),), embeddings=base64.b64encode(bytes(range(200))[:2])
    ),
    wire.Settled(**NAMED, samples=4, through_samples=5),
    wire.Marker(**NAMED, marker=2),
    wire.GaveUp(**NAMED, start_samples=4, end_samples=9, message="m"),
    wire.Working(sessions=(("ses_1", 3, 9),)),
    wire.Working(sessions=(), voices=(("ses_1", 3),)),
    wire.Working(sessions=(), voices=(("ses_1", 3),), changes=True),
    wire.EncoderLoading(over=True),
    wire.Beside(voices=(("ses_1", 3),), changes=True),
    wire.Ran(kind="final", size=2, batch_max=8, wait_ms=1.5, run_ms=20.0),
    wire.Pong(number=1, sessions=2, backlog_samples=3, steps=4, step_s=0.5, guard_hits={"loop": 1}),
    wire.Broken(code="c", message="m"),
]


def test_there_is_an_example_of_every_message() -> None:
    assert {type(message) for message in TO} == set(get_args(get_args(wire.ToWorker)[0]))
    assert {type(message) for message in FROM} == set(get_args(get_args(wire.FromWorker)[0]))


@pytest.mark.parametrize("message", [*TO, *FROM], ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: BaseModel) -> None:
    [(header, payload)] = FrameReader().feed(frame(message, b"\1\2"))
    adapter = TO_WORKER if message in TO else FROM_WORKER
    assert adapter.validate_json(header) == message
    assert payload == b"\1\2"


_payloads = st.lists(st.binary(max_size=200), max_size=6)


@given(payloads=_payloads, cuts=st.lists(st.integers(1, 40), min_size=1))
def test_whole_and_piecewise_agree(payloads: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frame(wire.Ping(number=number), payload) for number, payload in enumerate(payloads))
    whole = FrameReader().feed(data)
    reader, pieces, at, turn = FrameReader(), [], 0, 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        pieces += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert whole == pieces
    assert [payload for _, payload in whole] == payloads


@given(data=st.binary(max_size=400), cut=st.integers(0, 400))
def test_any_bytes_are_frames_or_an_error_either_way(data: bytes, cut: int) -> None:
    def outcome(*parts: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        reader, frames = FrameReader(), []
        try:
            for part in parts:
                frames += reader.feed(part)
        except FrameError:
            return [], True
        return frames, False

    assert outcome(data)[1] == outcome(data[:cut], data[cut:])[1]
    if not outcome(data)[1]:
        assert outcome(data) == outcome(data[:cut], data[cut:])


@given(header=st.binary(max_size=100))
def test_any_header_is_a_message_or_a_validation_error(header: bytes) -> None:
    for adapter in (TO_WORKER, FROM_WORKER):
        with contextlib.suppress(ValidationError):
            adapter.validate_json(header)


@pytest.mark.parametrize("lengths", [(wire.MAX_HEADER_BYTES + 1, 0), (2, wire.MAX_PAYLOAD_BYTES + 1), (2**32 - 1, 0)])
def test_lengths_over_the_limits_are_refused_before_anything_is_kept(lengths: tuple[int, int]) -> None:
    with pytest.raises(FrameError):
        FrameReader().feed(struct.pack("!II", *lengths))


def test_no_frame_is_made_that_would_be_refused() -> None:
    with pytest.raises(FrameError):
        frame(wire.Ping(number=1), bytes(wire.MAX_PAYLOAD_BYTES + 1))
