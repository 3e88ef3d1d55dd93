"""Messages of other contracts, of any kind: each is understood, or refused as bad input."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocol import deepgram, media_streams, vosk, wyoming
from protocol.errors import BadInput
from protocol.wire.stream import parse_client

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


def fields(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: value | JSON for name, value in values.items()})


def text_of(value: object) -> str:
    return json.dumps(value, default=str)


NAMES = (
    "encoding",
    "sample_rate",
    "channels",
    "multichannel",
    "endpointing",
    "utterance_end_ms",
    "diarize",
    "language",
)
VALUES = st.sampled_from(["true", "false", "linear16", "mulaw", "16000", "2", "-1", "en-US", "multi", "٣"])


@given(
    st.lists(st.tuples(st.sampled_from([*NAMES, "keyterm", "keywords"]), VALUES | st.text(max_size=30)), max_size=8),
    st.booleans(),
)
def test_deepgrams_queries(query: list[tuple[str, str]], live: bool) -> None:
    with contextlib.suppress(BadInput):
        options = deepgram.parse_query(query, live=live)
        assert 8_000 <= options.sample_rate <= 48_000
        assert 1 <= options.tracks <= deepgram.CHANNELS_MAX


@given(st.text(max_size=100) | fields(type=st.sampled_from(["Finalize", "KeepAlive", "x"])).map(text_of))
def test_deepgrams_messages(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert deepgram.parse_control(text) in deepgram.Control


CONFIGS = fields(sample_rate=st.floats(), words=st.booleans(), max_alternatives=st.integers(), phrase_list=JSON)


@given(st.text(max_size=100) | fields(config=CONFIGS, eof=st.just(1), reset=st.just(1)).map(text_of))
def test_vosks_messages(text: str) -> None:
    with contextlib.suppress(BadInput):
        vosk.parse_text(text, vosk.Config())


FORMATS = fields(encoding=st.sampled_from(["PCMU", "audio/x-mulaw"]), sample_rate=st.integers(), channels=st.just(1))
PARAMETERS = fields(token=st.text(max_size=9), language=st.text(max_size=9), transcript_id=st.text(max_size=9))
CALLS = fields(
    event=st.sampled_from(["start", "media", "stop"]),
    start=fields(mediaFormat=FORMATS, media_format=FORMATS, customParameters=PARAMETERS, custom_parameters=PARAMETERS),
    media=fields(track=st.just("inbound"), chunk=st.integers(), timestamp=st.text(max_size=5), payload=st.just("AAAA")),
)


@given(st.text(max_size=100) | CALLS.map(text_of))
def test_messages_of_calls(text: str) -> None:
    with contextlib.suppress(BadInput):
        message = media_streams.parse(text)
        if isinstance(message, media_streams.Media):
            order = media_streams.Order()
            assert order.take(message) + order.rest() == [message]
        elif isinstance(message, media_streams.CallStart):
            assert all(isinstance(value, str) for value in message.parameters.values())


SOUNDS = fields(rate=st.integers(), width=st.sampled_from([2, 4]), channels=st.integers())
ASKED = fields(language=st.text(max_size=9), transcript_names=JSON, transcript_terms=JSON)


@given(
    st.binary(max_size=100)
    | fields(type=st.text(max_size=9), data=JSON, data_length=JSON).map(text_of).map(str.encode),
    ASKED,
    SOUNDS,
)
def test_wyomings_events(line: bytes, asked: dict[str, Any], sound: dict[str, Any]) -> None:
    with contextlib.suppress(BadInput):
        header = wyoming.parse_header(line)
        assert header.data_bytes <= wyoming.DATA_MAX_BYTES
    with contextlib.suppress(BadInput):
        data = wyoming.start_data(asked, sound)
        with contextlib.suppress(BadInput):  # the server looks at them again
            parse_client(json.dumps({"type": "start", "data": data}))
