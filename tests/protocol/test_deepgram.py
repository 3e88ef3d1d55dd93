"""What Deepgram's clients ask for, read."""

from __future__ import annotations

import pytest

from protocol.deepgram import HOTWORDS_MAX, REFUSED, Control, parse_control, parse_query
from protocol.errors import BadInput, InvalidMessage
from protocol.wire.stream import Encoding


def test_what_is_asked_for_is_understood() -> None:
    query = [
        *(("model", "nova-3"), ("encoding", "linear16"), ("sample_rate", "48000"), ("channels", "2")),
        *(("multichannel", "true"), ("interim_results", "true"), ("endpointing", "300"), ("utterance_end_ms", "1000")),
        *(("vad_events", "true"), ("smart_format", "true"), ("diarize_model", "latest"), ("language", "en-US")),
        *(("keyterm", "Earshot"), ("keywords", "snuffleupagus:5"), ("keyterm", "Opus"), ("something", "unknown")),
        *(("tag", "one"), ("tag", "two")),
    ]
    options = parse_query(query, live=True)
    assert (options.encoding, options.sample_rate, options.tracks) == (Encoding.PCM_S16LE, 48_000, 2)
    assert (options.endpointing_ms, options.utterance_end_ms) == (300, 1000)
    assert (options.interim_results, options.vad_events, options.punctuate, options.diarize) == (True,) * 4
    assert (options.hotwords, options.language) == (("Earshot", "snuffleupagus", "Opus"), "en-US")


def test_what_is_left_out_is_as_in_the_original() -> None:
    options = parse_query([], live=True)
    assert (options.encoding, options.channels, options.endpointing_ms) == (Encoding.CONTAINER, 1, 10)
    assert (options.utterance_end_ms, options.interim_results, options.language) == (None, False, None)
    assert parse_query([("endpointing", "false"), ("language", "multi")], live=True).endpointing_ms is None
    assert parse_query([("encoding", "mulaw")], live=True).sample_rate == 8_000


def test_a_pause_ends_what_is_heard_in_one_piece_where_it_cuts_no_sentence() -> None:
    wanted = ("10", "199", "200", "499", "500", "2000", "false")
    pauses = [parse_query([("endpointing", each)], live=True).pause_ms(500) for each in wanted]
    assert pauses == [500, 500, 200, 499, 500, 500, 500]


@pytest.mark.parametrize(
    "query",
    [
        *([(name, "true")] for name in REFUSED),
        [("redact", "pci"), ("redact", "false")],
        [("language", "en"), ("language", "de")],
        [("encoding", "amr-nb")],
        [("encoding", "linear16")],
        [("encoding", "linear16"), ("sample_rate", "1000")],
        [("multichannel", "true")],
        [("channels", "99"), ("encoding", "mulaw")],
        [("interim_results", "perhaps")],
        [("utterance_end_ms", "-1")],
        [("language", "../../etc")],
        [("keyterm", str(number)) for number in range(HOTWORDS_MAX + 1)],
    ],
)
def test_what_cannot_be_done_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(BadInput):
        parse_query(query, live=True)


def test_messages_of_clients() -> None:
    assert parse_control('{"type": "Finalize"}') is Control.FINALIZE
    for text in ("nonsense", "[]", '{"type": "Nonsense"}', '{"type": "KeepAlive", "x": "' + "x" * 5000 + '"}'):
        with pytest.raises(InvalidMessage):
            parse_control(text)
