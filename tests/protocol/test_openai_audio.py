"""Fields of OpenAI's form as they are written, and what words become in its formats."""

from __future__ import annotations

import pytest

from protocol.errors import ParameterRefused
from protocol.openai_audio import (
    LOGPROB_LEAST,
    Granularity,
    Heard,
    ResponseFormat,
    as_verbose_json,
    logprobs,
    parse_form,
)
from protocol.openai_errors import error_body, speaks_openai
from protocol.words import Segment, Word


def segment(text: str, *, confidence: float = 1.0) -> Segment:
    words = tuple(Word(text=each, start_samples=0, end_samples=16_000, confidence=confidence) for each in text.split())
    return Segment(
        segment_id="seg_1", track="t", text=text, start_samples=0, end_samples=16_000, is_final=True, words=words
    )


def test_a_form_is_read_as_their_clients_write_it() -> None:
    asked = parse_form(
        {
            "model": "gpt-4o-transcribe-diarize",
            "response_format": "verbose_json",
            "timestamp_granularities[]": "word\nsegment",
            "include[]": "logprobs",
            "keywords[]": "Earshot\nOpus",
            "languages[]": "de",
            "prompt": " a meeting about sound ",
            "temperature": "0.2",
            "chunking_strategy": "auto",
            "stream": "false",
            "user": "somebody",
            "language": "",
        }
    )
    assert asked.response_format is ResponseFormat.VERBOSE_JSON
    assert asked.timestamp_granularities == (Granularity.WORD, Granularity.SEGMENT)
    assert (asked.logprobs, asked.diarize, asked.stream, asked.spoken) == (True, True, False, "de")
    assert asked.hotwords == ("Earshot", "Opus", "a meeting about sound")
    assert parse_form({}).response_format is ResponseFormat.JSON
    assert parse_form({"languages[]": "de\nfr"}).spoken == "auto"


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"response_format": "docx"}, "response_format", "invalid_value"),
        ({"model": "whisper-1\nwhisper-1"}, "model", "invalid_value"),
        ({"temperature": "nan"}, "temperature", "invalid_value"),
        ({"language": "no such language"}, "language", "invalid_value"),
        ({"timestamp_granularities[]": "letter"}, "timestamp_granularities[]", "invalid_value"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "invalid_value"),
        ({"stream": "true", "response_format": "srt"}, "stream", "unsupported_value"),
        ({"known_speaker_references[]": "data:"}, "known_speaker_references[]", "unsupported_parameter"),
        ({"prompt": "x" * 5000}, "prompt", "invalid_value"),
    ],
)
def test_what_is_refused_is_named_as_it_was_written(fields: dict[str, str], param: str, kind: str) -> None:
    with pytest.raises(ParameterRefused) as refused:
        parse_form(fields)
    body = error_body(400, refused.value.code, refused.value.message, refused.value.details)
    assert (body["param"], body["code"], body["type"]) == (param, kind, "invalid_request_error")


def test_words_without_spaces_between_them_get_none() -> None:
    segments = [segment("你好"), segment("世界")]
    assert Heard(segments, 16_000, "zh").text == "你好世界"
    assert Heard(segments, 16_000, "en").text == "你好 世界"
    assert Heard([], 0).text == ""
    assert as_verbose_json(Heard(segments, 17_000, "zh-TW"), ())["language"] == "chinese"
    assert Heard([], 17_000).usage == {"type": "duration", "seconds": 2}


def test_confidences_are_told_as_logarithms() -> None:
    assert [each["logprob"] for each in logprobs(segment("a", confidence=0.5).words)] == [-0.6931]
    assert logprobs(segment("ß", confidence=0.0).words) == [
        {"token": "ß", "logprob": LOGPROB_LEAST, "bytes": [0xC3, 0x9F]}
    ]


@pytest.mark.parametrize(
    ("path", "is_theirs"),
    [
        ("/v1/audio/transcriptions", True),
        ("/v1/audio/translations/", True),
        ("/v1/realtime", True),
        ("/v1/realtime/calls/rtc_1/hangup", True),
        ("/v1/models/whisper-1", True),
        ("/v1/models", False),
        ("/v1/models/whisper-tiny/pull", False),
        ("/v1/audio/transcriptions/x", False),
    ],
)
def test_paths_of_theirs_are_known(path: str, is_theirs: bool) -> None:
    assert speaks_openai(path) is is_theirs
