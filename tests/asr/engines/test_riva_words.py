from __future__ import annotations

import pytest
from riva.client.proto import riva_asr_pb2

from asr.contract import SessionOptions
from asr.engines.riva_words import HOTWORDS_MAX, HeardWords, language_code, served_languages, streaming_config
from asr.worker_settings import WorkerSettings
from protocol.blocks import MS_SAMPLES

START_SAMPLES = 16_000
SENT_SAMPLES = 3 * 16_000


def response(
    *results: tuple[str, bool, list[tuple[str, int, int]]], language: str = "", confidence: float = 0.0
) -> riva_asr_pb2.StreamingRecognizeResponse:
    """``(transcript, is_final, words)``, words as ``(text, start_ms, end_ms)``."""
    answer = riva_asr_pb2.StreamingRecognizeResponse()
    for transcript, is_final, words in results:
        result = answer.results.add(is_final=is_final)
        heard = result.alternatives.add(transcript=transcript, confidence=confidence)
        if language:
            heard.language_code.append(language)
        for text, start_ms, end_ms in words:
            heard.words.add(word=text, start_time=start_ms, end_time=end_ms)
    return answer


def heard(*responses: riva_asr_pb2.StreamingRecognizeResponse) -> HeardWords:
    words = HeardWords(START_SAMPLES)
    for each in responses:
        words.take(each, SENT_SAMPLES)
    return words


def texts(words: HeardWords) -> list[str]:
    return [word.text for word in words.words]


def test_finals_stay_and_the_rest_gives_way() -> None:
    one = response(("good mourning", False, [("good", 0, 400), ("mourning", 400, 900)]))
    two = response(("good morning", True, [("good", 0, 400), ("morning", 400, 900)]))
    three = response(("to", False, [("to", 1000, 1100)]), ("all", False, [("all", 1100, 1300)]))
    assert texts(heard(one)) == ["good", "mourning"]
    assert texts(heard(one, two)) == ["good", "morning"]
    assert texts(heard(one, two, three)) == ["good", "morning", "to", "all"]
    assert texts(heard(one, two, three, response(("two", True, [("two", 1000, 1300)])))) == ["good", "morning", "two"]
    assert texts(heard(one, riva_asr_pb2.StreamingRecognizeResponse())) == []


def test_times_are_of_the_track_and_lie_in_the_sound_in_order() -> None:
    words = heard(response(("a b c", True, [("a", 100, 500), ("b", 400, 350), ("c", 2900, 9000)]))).words
    assert [(word.start_samples, word.end_samples) for word in words] == [
        (START_SAMPLES + 100 * MS_SAMPLES, START_SAMPLES + 500 * MS_SAMPLES),
        (START_SAMPLES + 500 * MS_SAMPLES, START_SAMPLES + 500 * MS_SAMPLES),
        (START_SAMPLES + 2900 * MS_SAMPLES, START_SAMPLES + SENT_SAMPLES),
    ]


def test_words_without_times_are_spread_over_the_sound() -> None:
    words = heard(response(("a b c", True, []))).words
    assert [(word.text, word.start_samples) for word in words] == [
        ("a", START_SAMPLES),
        ("b", START_SAMPLES + SENT_SAMPLES // 3),
        ("c", START_SAMPLES + 2 * SENT_SAMPLES // 3),
    ]
    assert texts(heard(response(("  ", True, [])))) == []


def test_words_are_as_the_transcript_writes_them_where_it_is_of_the_same_words() -> None:
    words = [("its", 0, 100), ("good", 100, 200)]
    assert texts(heard(response(("It's good.", True, words)))) == ["It's", "good."]
    assert texts(heard(response(("It is good.", True, words)))) == ["its", "good"]


@pytest.mark.parametrize(("told", "sure"), [(0.0, 1.0), (-3.5, 1.0), (0.5, 0.5), (1.5, 1.0)])
def test_a_confidence_that_is_none_is_not_taken_for_one(told: float, sure: float) -> None:
    [word] = heard(response(("a", True, [("a", 0, 100)]), confidence=told)).words
    assert word.confidence == sure


def test_the_language_that_was_found_out() -> None:
    assert heard(response(("ja", True, []), language="de-DE")).language == "de"
    assert heard(response(("yes", True, []))).language is None


@pytest.mark.parametrize(
    ("asked", "served", "code"),
    [
        ("en", ("de-DE", "en-GB", "en-US"), "en-US"),
        ("en-gb", ("en-US", "en-GB"), "en-GB"),
        ("en", ("en-GB",), "en-GB"),
        ("de-AT", ("de-DE",), "de-DE"),
        ("fr", ("en-US", "multi"), "multi"),
        ("fr", ("en-US",), "fr-FR"),
        ("fr-CA", (), "fr-CA"),
        ("de", (), "de-DE"),
        ("zh", (), "zh-CN"),
        ("auto", ("en-US", "multi"), "multi"),
        ("auto", ("de-DE",), "de-DE"),
        ("auto", (), "multi"),
    ],
)
def test_a_language_is_asked_for_as_riva_calls_it(asked: str, served: tuple[str, ...], code: str) -> None:
    assert language_code(asked, served) == code


def test_hotwords_are_bounded_and_a_language_that_is_none_is_the_house_s() -> None:
    many = tuple(f"word {number}" for number in range(HOTWORDS_MAX + 50))
    options = SessionOptions(hotwords=many, language="\n; nonsense")
    config = streaming_config(options, WorkerSettings(language="de"), ()).config
    assert len(config.speech_contexts[0].phrases) == HOTWORDS_MAX
    assert config.language_code == "de-DE"


def test_languages_are_those_of_models_that_stream() -> None:
    answer = riva_asr_pb2.RivaSpeechRecognitionConfigResponse()
    for name, parameters in (
        ("one", {"language_code": "en-US", "type": "online"}),
        ("two", {"language_code": "fr-FR", "type": "offline"}),
        ("three", {"language_code": "de-DE,en-US", "type": "online", "streaming": "True"}),
        ("four", {"language_code": "it-IT", "streaming": "False"}),
        ("five", {}),
    ):
        answer.model_config.add(model_name=name, parameters=parameters)
    assert served_languages(answer, "") == ("en-US", "de-DE")
    assert served_languages(answer, "one") == ("en-US",)
    assert served_languages(answer, "none") == ()
