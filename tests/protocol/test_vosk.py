"""Vosk's messages."""

from __future__ import annotations

import json

import pytest

from protocol.errors import BadInput
from protocol.vosk import Changed, Config, Control, parse_text, partial, result
from protocol.words import Segment, Word

SAID = Segment(
    segment_id="seg_1",
    track="trk",
    text="Hello, you.",
    start_samples=0,
    end_samples=32_000,
    is_final=True,
    words=(
        Word(text="Hello,", start_samples=0, end_samples=8_000, confidence=0.5),
        Word(text="you.", start_samples=16_000, end_samples=24_000),
    ),
)
WORDS = [
    {"conf": 0.5, "start": 0.0, "end": 0.5, "word": "hello"},
    {"conf": 1.0, "start": 1.0, "end": 1.5, "word": "you"},
]


def test_results_are_as_in_the_original() -> None:
    assert result([SAID], Config()) == {"result": WORDS, "text": "hello you"}
    assert result([], Config()) == {"text": ""}
    assert result([SAID, SAID], Config(words=False)) == {"text": "hello you hello you"}
    bare = [{name: value for name, value in word.items() if name != "conf"} for word in WORDS]
    alternatives = [{"confidence": 0.75, "result": bare, "text": "hello you"}]
    assert result([SAID], Config(max_alternatives=3)) == {"alternatives": alternatives}
    assert (partial(SAID), partial(None)) == ({"partial": "hello you"}, {"partial": ""})


def test_messages_of_clients() -> None:
    given = {"config": {"sample_rate": 16000.0, "phrase_list": ["turn on", "[unk]"], "model": "x"}}
    changed = parse_text(json.dumps(given), Config(words=False))
    assert isinstance(changed, Changed)
    assert (changed.config.sample_rate, changed.config.words) == (16_000, False)
    assert changed.config.hotwords == ("turn on",)
    assert parse_text('{"eof" : 1}', Config()) is Control.EOF
    assert parse_text('{"reset" : 1}', Config()) is Control.RESET
    many = json.dumps({"config": {"phrase_list": ["x"] * 201}})
    for text in ("eof", "[]", "{}", '{"eof": 0}', '{"config": {"sample_rate": 1}}', many, '"' + "x" * 70_000 + '"'):
        with pytest.raises(BadInput):
            parse_text(text, Config())
