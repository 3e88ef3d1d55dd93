"""Texts of sockets that are no JSON object, or none that can be stored and sent back."""

from __future__ import annotations

import pytest

from protocol import media_streams, wyoming
from protocol.errors import InvalidMessage
from protocol.openai_realtime import parse_message
from protocol.wire import v1
from protocol.wire.json_object import text_object

BAD = ["[]", "hello", '{"a":' * 50_000, r'{"a": "\ud800"}', r'{"\udfff": 1}']


@pytest.mark.parametrize("text", BAD, ids=["list", "word", "deep", "half pair", "half pair as a name"])
def test_what_is_no_object_of_text_is_refused(text: str) -> None:
    for parse in (text_object, parse_message, media_streams.parse, v1.parse_object):
        with pytest.raises(InvalidMessage):
            parse(text)
    with pytest.raises(InvalidMessage):
        wyoming.parse_header(text.encode())


def test_a_whole_pair_is_text() -> None:
    assert text_object(r'{"a": "\ud83d\ude00"}') == {"a": "\U0001f600"}
