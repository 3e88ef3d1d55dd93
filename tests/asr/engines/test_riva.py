"""The engine against a real gRPC server of Riva's protocol, which hears the scripted words and fails as it is told."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from asr.contract import RemoteEngine, Samples, SessionOptions, Step
from asr.engines import riva
from asr.engines.riva import ATTEMPTS_MAX, RivaEngine
from asr.worker_settings import WorkerSettings
from protocol.blocks import MS_SAMPLES
from protocol.errors import EngineFailed
from protocol.words import Hypothesis
from tests.fakes.receiver import certificate
from tests.fakes.riva_server import Fault, RivaServer
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

WAIT_S = 60.0
START_SAMPLES = 32_000
SPOKEN = sentence("alpha bravo charlie delta echo foxtrot golf", 0.3)
SOUND = np.frombuffer(scripted_sound(SPOKEN), "<i2")
TEXT = [text for text, _ in SPOKEN]
PIECE_SAMPLES = 300 * MS_SAMPLES
HALF_SAMPLES = len(SOUND) // PIECE_SAMPLES // 2 * PIECE_SAMPLES

MakeEngine = Callable[..., RivaEngine]


@pytest.fixture
def server() -> Iterator[RivaServer]:
    with RivaServer() as server:
        yield server


@pytest.fixture
def make_engine(server: RivaServer) -> Iterator[MakeEngine]:
    engines: list[RivaEngine] = []

    def make(**changes: Any) -> RivaEngine:
        settings = {"engine": "riva", "riva_url": server.address, "riva_deadline_s": 1.0, **changes}
        engines.append(RivaEngine(WorkerSettings(**settings)))
        return engines[-1]

    yield make
    while engines:
        engines.pop().shut_down()
    gc.collect()  # gRPC's own thread ends with the last channel


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it never came"
        time.sleep(0.005)


def send(
    engine: RivaEngine, stream: Any, sound: Samples = SOUND, *, flush: bool = True, at: int = 0
) -> list[Hypothesis]:
    """As the loop does, in pieces; what was there after each."""
    cuts = range(at, len(sound), PIECE_SAMPLES)
    return [
        engine.step([Step(stream, sound[cut : cut + PIECE_SAMPLES], START_SAMPLES + cut, flush and cut == cuts[-1])])[0]
        for cut in cuts
    ]


def outcome(engine: RivaEngine, stream: Any) -> Hypothesis | EngineFailed:
    until(lambda: engine.final(stream) is not None)
    final = engine.final(stream)
    assert final is not None
    engine.close(stream)
    return final


def words(final: Hypothesis | EngineFailed) -> list[str]:
    assert isinstance(final, Hypothesis), final
    assert not final.tentative
    return [word.text for word in final.committed]


def hear(engine: RivaEngine, options: SessionOptions | None = None) -> Hypothesis | EngineFailed:
    stream = engine.open(options or SessionOptions())
    send(engine, stream)
    return outcome(engine, stream)


def test_words_come_with_times_and_confidences(make_engine: MakeEngine) -> None:
    engine = make_engine()
    assert isinstance(engine, RemoteEngine)
    assert (engine.away, engine.info.device) == ("", "remote")
    final = hear(engine)
    assert isinstance(final, Hypothesis)
    expected = scripted_words(SPOKEN)
    assert [(word.text, word.start_samples, word.end_samples) for word in final.committed] == [
        (word.text, START_SAMPLES + word.start_samples, START_SAMPLES + word.end_samples) for word in expected
    ]
    assert {round(word.confidence, 3) for word in final.committed} == {0.9}


def test_interims_are_what_came_by_then_and_no_step_waits_for_them(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    stream = engine.open(SessionOptions())
    server.faults.append(Fault(None, after_samples=HALF_SAMPLES))
    told = send(engine, stream, flush=False)  # returns, though the server says no more after half of it
    assert all(not hypothesis.committed for hypothesis in told)
    until(lambda: len(stream.heard) >= 2)
    [now] = engine.step([Step(stream, SOUND[:0], START_SAMPLES + len(SOUND), False)])
    assert [word.text for word in now.tentative] == TEXT[: len(now.tentative)]
    assert engine.final(stream) is None
    engine.close(stream)


def test_streams_are_apart(make_engine: MakeEngine) -> None:
    engine = make_engine()
    other = np.frombuffer(scripted_sound(sentence("silver ocean")), "<i2")
    one, two = engine.open(SessionOptions()), engine.open(SessionOptions())
    send(engine, two, other)
    send(engine, one)
    assert words(outcome(engine, one)) == TEXT
    assert words(outcome(engine, two)) == ["silver", "ocean"]


def test_a_stream_without_words_has_an_empty_final(make_engine: MakeEngine) -> None:
    engine = make_engine()
    stream = engine.open(SessionOptions())
    engine.step([Step(stream, SOUND[:800], START_SAMPLES, True)])
    assert words(outcome(engine, stream)) == []


def test_what_a_session_asks_for_is_asked_of_riva(make_engine: MakeEngine, server: RivaServer) -> None:
    server.languages = ("en-US", "de-DE", "de-CH")
    engine = make_engine(riva_model="conformer", riva_hotword_boost=35.0)
    hear(engine, SessionOptions(language="de", hotwords=("Earshot", " ", "Riva"), diarize=True))
    hear(engine, SessionOptions(interim=False))
    hear(engine, SessionOptions(lane="file"))
    first, second, third = (asked.config for asked in server.asked)
    config = first.config
    assert (config.language_code, config.model, config.sample_rate_hertz) == ("de-DE", "conformer", 16_000)
    assert config.enable_word_time_offsets
    assert [(list(context.phrases), context.boost) for context in config.speech_contexts] == [
        (["Earshot", "Riva"], 35.0)
    ]
    assert not config.HasField("diarization_config")
    assert second.config.language_code == "en-US"
    assert [each.interim_results for each in (first, second, third)] == [True, False, False]


def test_riva_tells_speakers_apart_where_that_is_set_and_a_session_wants_it(
    make_engine: MakeEngine, server: RivaServer
) -> None:
    server.tags = lambda word: 1 + (word > "charlie")
    engine = make_engine(riva_diarization=True)
    told = hear(engine, SessionOptions(diarize=True, max_speakers=4))
    assert isinstance(told, Hypothesis)
    assert (words(told), told.tags) == (TEXT, (1, 1, 1, 2, 2, 2, 2))
    plain = hear(engine, SessionOptions())
    assert isinstance(plain, Hypothesis)
    assert plain.tags == ()
    hear(engine, SessionOptions(diarize=True))
    asked = [each.config.config.diarization_config for each in server.asked]
    assert [(each.enable_speaker_diarization, each.max_speaker_count) for each in asked] == [
        (True, 4),
        (False, 0),
        (True, 0),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(grpc.StatusCode.UNAVAILABLE),
        Fault(grpc.StatusCode.UNAVAILABLE, HALF_SAMPLES),
        Fault(grpc.StatusCode.DEADLINE_EXCEEDED, HALF_SAMPLES),
        Fault(grpc.StatusCode.RESOURCE_EXHAUSTED),
        Fault(grpc.StatusCode.INTERNAL, len(SOUND) - 100),
        Fault(None, HALF_SAMPLES),
        Fault(None, len(SOUND)),
    ],
    ids=lambda fault: f"{fault.code.name if fault.code else 'stalls'}-{fault.after_samples}",
)
def test_a_stream_that_fails_is_sent_anew_and_no_word_is_lost_or_doubled(
    make_engine: MakeEngine, server: RivaServer, fault: Fault
) -> None:
    engine = make_engine()
    server.faults.append(fault)
    assert words(hear(engine)) == TEXT
    assert len(server.asked) == 2
    assert bytes(server.asked[1].sound) == SOUND.tobytes()
    assert engine.away == ""


def test_a_stream_that_riva_ends_too_early_is_sent_anew(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    server.faults.append(Fault(grpc.StatusCode.OK, HALF_SAMPLES))
    stream = engine.open(SessionOptions())
    send(engine, stream, SOUND[:HALF_SAMPLES], flush=False)
    until(lambda: len(server.asked) == 2)
    send(engine, stream, at=HALF_SAMPLES)
    assert words(outcome(engine, stream)) == TEXT


def test_what_was_shown_is_not_taken_back_by_another_attempt(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    server.faults.append(Fault(grpc.StatusCode.UNAVAILABLE, HALF_SAMPLES + 1))
    stream = engine.open(SessionOptions())
    send(engine, stream, SOUND[:HALF_SAMPLES], flush=False)
    until(lambda: len(stream.heard) >= 3)
    shown, at = len(stream.heard), HALF_SAMPLES

    def is_heard_anew() -> bool:
        nonlocal at
        engine.step([Step(stream, SOUND[at : at + 800], START_SAMPLES + at, False)])
        at = min(at + 800, len(SOUND))
        assert len(stream.heard) >= shown
        return len(server.asked) == 2 and len(stream.heard) > shown

    until(is_heard_anew)
    engine.step([Step(stream, SOUND[at:], START_SAMPLES + at, True)])
    assert words(outcome(engine, stream)) == TEXT


@pytest.mark.parametrize(
    ("code", "attempts"),
    [(grpc.StatusCode.INTERNAL, ATTEMPTS_MAX), (None, ATTEMPTS_MAX)],
)
def test_an_utterance_that_riva_cannot_bear_is_given_up_alone(
    make_engine: MakeEngine, server: RivaServer, code: grpc.StatusCode | None, attempts: int
) -> None:
    engine = make_engine(riva_deadline_s=0.5)
    other = engine.open(SessionOptions())
    send(engine, other, SOUND[:HALF_SAMPLES], flush=False)
    until(lambda: len(server.asked) == 1)
    server.faults.extend([Fault(code)] * attempts)
    failed = hear(engine)
    assert isinstance(failed, EngineFailed)
    assert (code.name if code else "stalled") in failed.message
    assert len(server.asked) == 1 + attempts
    send(engine, other, at=HALF_SAMPLES)
    assert words(outcome(engine, other)) == TEXT
    assert engine.away == ""


def test_a_language_that_riva_does_not_know_is_not_asked_for_again_and_again(
    make_engine: MakeEngine, server: RivaServer
) -> None:
    engine = make_engine()
    failed = hear(engine, SessionOptions(language="fr"))
    assert isinstance(failed, EngineFailed)
    assert "INVALID_ARGUMENT" in failed.message
    assert server.refused <= 2  # the first time gRPC may hide why
    assert words(hear(engine)) == TEXT


def test_a_server_that_is_full_for_one_is_asked_again(
    make_engine: MakeEngine, server: RivaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.engines.riva.AGAIN_MAX_S", 0.2)
    # On a busy machine gRPC may hide again and again that there is no room.
    monkeypatch.setitem(riva._ATTEMPTS, grpc.StatusCode.INTERNAL, riva.FULL_ATTEMPTS_MAX)
    engine = make_engine()
    server.full_times = ATTEMPTS_MAX + 2
    assert words(hear(engine)) == TEXT
    assert server.refused == ATTEMPTS_MAX + 2


def test_a_server_that_dies_is_waited_for(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    streams = [engine.open(SessionOptions()) for _ in range(3)]
    for stream in streams:
        send(engine, stream, SOUND[:HALF_SAMPLES], flush=False)
    until(lambda: len(server.asked) == 3)
    server.stop()
    for stream in streams:
        send(engine, stream, at=HALF_SAMPLES)
    until(lambda: "cannot be reached" in engine.away)
    assert [engine.final(stream) for stream in streams] == [None] * 3
    server.start()
    assert [words(outcome(engine, stream)) for stream in streams] == [TEXT] * 3
    assert engine.away == ""


def test_a_server_that_is_away_at_the_start_is_waited_for(make_engine: MakeEngine, server: RivaServer) -> None:
    server.stop()
    engine = make_engine()
    assert "cannot be reached" in engine.away
    stream = engine.open(SessionOptions())
    send(engine, stream)
    assert engine.final(stream) is None
    server.start()
    assert words(outcome(engine, stream)) == TEXT


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "riva_token"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "takes no more streams"),
        (grpc.StatusCode.INTERNAL, "INTERNAL: as it was told"),
    ],
)
def test_a_server_that_refuses_everybody_is_away(
    make_engine: MakeEngine, server: RivaServer, code: grpc.StatusCode, told: str
) -> None:
    engine = make_engine()
    server.refuses = code
    stream = engine.open(SessionOptions())
    send(engine, stream)
    until(lambda: told in engine.away)
    server.refuses = None
    assert words(outcome(engine, stream)) == TEXT


def test_a_server_that_falls_silent_is_away(
    make_engine: MakeEngine, server: RivaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.engines.riva_link.LOOK_DEADLINE_S", 0.5)
    engine = make_engine(riva_deadline_s=0.5)
    server.is_deaf = True
    stream = engine.open(SessionOptions())
    send(engine, stream)
    until(lambda: "does not answer" in engine.away)
    server.is_deaf = False
    assert words(outcome(engine, stream)) == TEXT


def test_closing_ends_the_stream_at_the_server(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    stream = engine.open(SessionOptions())
    send(engine, stream, flush=False)
    until(lambda: len(server.asked) == 1)
    engine.close(stream)
    engine.close(stream)
    until(lambda: server.streams == 0)


def test_a_token_and_tls(make_engine: MakeEngine, tmp_path: Path) -> None:
    certificate(tmp_path, "localhost")
    file = tmp_path / "localhost.pem"  # with its key
    with RivaServer(token="open sesame", tls=(file.read_bytes(), file.read_bytes())) as guarded:
        known = {"riva_url": f"localhost:{guarded.port}", "riva_tls": True, "riva_ca_file": str(file)}
        assert words(hear(make_engine(**known, riva_token="open sesame"))) == TEXT
        assert "riva_token" in make_engine(**known, riva_token="please").away
        assert "cannot be reached" in make_engine(**{**known, "riva_ca_file": ""}, riva_token="open sesame").away
        with pytest.raises(EngineFailed, match="riva_ca_file"):
            make_engine(**{**known, "riva_ca_file": str(tmp_path / "none.pem")})


def test_a_server_that_lists_no_models_will_do(make_engine: MakeEngine, server: RivaServer) -> None:
    server.lists_models = False
    assert words(hear(make_engine())) == TEXT


def test_shutting_down_is_idempotent_and_closes_all(make_engine: MakeEngine, server: RivaServer) -> None:
    engine = make_engine()
    send(engine, engine.open(SessionOptions()), flush=False)
    until(lambda: len(server.asked) == 1)
    engine.shut_down()
    engine.shut_down()
    engine.close(engine.open(SessionOptions()))
    until(lambda: server.streams == 0)
