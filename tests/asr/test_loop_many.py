"""Many sessions in virtual time: no word is lost, doubled or misplaced, whatever the machine has to bear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr import wire
from asr.contract import SessionOptions
from asr.listening import ListeningSession
from asr.loop import InferenceLoop
from asr.schedule import Wish
from asr.worker_settings import WorkerSettings
from protocol.words import Word
from tests.asr.test_loop import FILE, LIVE, TALK, Bench
from tests.fakes.scripted_sound import scripted_sound, scripted_words, sentence

TEXT = "good morning river stone bridge garden winter summer yellow silver ocean forest window table paper candle"


def talk(i: int) -> list[tuple[str, float]]:
    """Something else for each: two utterances, at times of their own."""
    words = TEXT.split()
    words = words[i % len(words) :] + words[: i % len(words)]
    first = sentence(" ".join(words[: 3 + i % 4]), 0.3 + 0.02 * (i % 9))
    return [*first, *sentence(" ".join(words[-3:]), first[-1][1] + 1.2 + 0.02 * (i % 7))]


def alone(pcm: bytes, options: SessionOptions = FILE) -> list[Word]:
    bench = Bench()
    bench.open(options=options)
    bench.audio(0, pcm)
    bench.finalize()
    bench.idle()
    return bench.words()


def run_together(bench: Bench, sounds: list[bytes], *, block_samples: int = 960) -> None:
    """All at once in real time, of which the bench's engine may need more than there is; a turn per block."""
    for i in range(len(sounds)):
        bench.open(str(i))
    for at in range(0, max(len(pcm) // 2 for pcm in sounds), block_samples):
        bench.now_s = max(bench.now_s, at / 16_000)
        for i, pcm in enumerate(sounds):
            piece = pcm[2 * at : 2 * (at + block_samples)]
            if piece:
                bench.audio(at, piece, str(i))
        bench.loop.turn()
    for i in range(len(sounds)):
        bench.finalize(1, str(i))
    bench.idle()


@pytest.mark.parametrize("cost_s", [0.0, 0.3], ids=["at ease", "overloaded"])
@pytest.mark.parametrize("count", [1, 10, 100])
def test_words_of_many_are_those_of_one_alone(count: int, cost_s: float) -> None:
    bench = Bench(cost_s=cost_s)
    sounds = [scripted_sound(talk(i)) for i in range(count)]
    run_together(bench, sounds)
    for i in range(count):
        assert bench.words(str(i)) == scripted_words(talk(i)) == alone(sounds[i])
        assert [marker.marker for marker in bench.of(wire.Marker, str(i))] == [1]
    assert bench.engine.streams == 0
    assert bench.loop._backlog_samples < 512 * count  # what is left of each is less than a frame


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 4), st.sampled_from([0.0, 0.05, 0.8]))
def test_any_cutting_any_markers_and_any_load(data: st.DataObject, count: int, cost_s: float) -> None:
    """A marker comes back exactly when all sound before it is through: final or silent, and nothing after it is."""
    bench = Bench(cost_s=cost_s, settings=WorkerSettings(utterance_max_s=4.0))
    sounds = [scripted_sound(talk(i)) for i in range(count)]
    done, asked = [0] * count, [list[int]() for _ in range(count)]
    for i in range(count):
        bench.open(str(i), data.draw(st.sampled_from([LIVE, FILE])))
    while any(done[i] < len(sounds[i]) // 2 for i in range(count)):
        i = data.draw(st.integers(0, count - 1))
        block_samples = data.draw(st.sampled_from([160, 3000, 16_000, 40_000]))
        piece = sounds[i][2 * done[i] :][: 2 * block_samples]
        if not piece:
            i = next(i for i in range(count) if done[i] < len(sounds[i]) // 2)
            piece = sounds[i][2 * done[i] :]
        bench.audio(done[i], piece, str(i))
        done[i] += len(piece) // 2
        bench.now_s += data.draw(st.sampled_from([0.0, 0.1, 1.0]))
        silent = not any(w.start_samples < done[i] < w.end_samples for w in scripted_words(talk(i)))
        if silent and data.draw(st.booleans()):
            asked[i].append(done[i])
            bench.finalize(len(asked[i]), str(i))
        for _ in range(data.draw(st.integers(0, 3))):
            bench.loop.turn()
    for i in range(count):
        asked[i].append(done[i])
        bench.finalize(len(asked[i]), str(i))
    bench.idle()
    for i in range(count):
        assert bench.words(str(i)) == scripted_words(talk(i))
        markers = 0
        through = 0
        for message in bench.said:
            if getattr(message, "session_id", None) != str(i):
                continue
            if isinstance(message, wire.Marker):
                markers += 1
                assert message.marker == markers
                position = asked[i][markers - 1]
                said = [w for heard in bench.finals(str(i)) for w in heard.words if heard.through_samples <= through]
                assert said == [w for w in scripted_words(talk(i)) if w.end_samples <= position]
            elif isinstance(message, wire.Heard) and message.final:
                through = message.through_samples
                assert markers == 0 or through > asked[i][markers - 1]
    assert bench.engine.streams == 0


def test_an_hour_of_silence_keeps_nothing() -> None:
    bench = Bench()
    bench.open()
    second, most_bytes = bytes(2 * 16_000), 0
    for i in range(3600):
        bench.now_s = i + 1.0
        bench.audio(16_000 * i, second)
        bench.idle()
        session = bench.loop._sessions["s"]
        most_bytes = max(most_bytes, len(session._pcm))
        assert not session.utterances._levels
        bench.said.clear()
    assert most_bytes <= 2 * 16_000
    assert bench.engine.finals == bench.engine.interims == 0
    assert len(bench.loop._busy._buckets) < 30


def test_an_hour_of_speech_keeps_no_more_than_an_utterance() -> None:
    bench = Bench(settings=WorkerSettings(utterance_max_s=5.0))
    bench.open()
    spoken = sentence(" ".join(TEXT.split()[:8]), 0.1, gap_s=0.06)
    piece = scripted_sound(spoken, length_s=round(spoken[-1][1] + 0.3, 1))
    most_bytes = most_frames = 0
    for i in range(600):
        bench.now_s += len(piece) / 32_000
        bench.audio(i * len(piece) // 2, piece)
        bench.idle()
        session = bench.loop._sessions["s"]
        most_bytes = max(most_bytes, len(session._pcm))
        most_frames = max(most_frames, len(session.utterances._levels))
        bench.said.clear()
    assert most_bytes <= 2 * 16_000 * 6 + len(piece)
    assert most_frames <= 5.0 * 16_000 / 512 + 1
    assert bench.engine.streams <= 1


def test_sessions_with_nothing_new_cost_a_turn_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    for i in range(20):
        bench.open(str(i))
        bench.audio(0, scripted_sound(TALK)[: 2 * 16_000], str(i))
    bench.idle()
    looked_at: list[str] = []
    wish = bench.loop._wish

    def looked(session: ListeningSession) -> Wish | None:
        looked_at.append(session.session_id)
        return wish(session)

    monkeypatch.setattr(bench.loop, "_wish", looked)
    bench.audio(16_000, bytes(2 * 960), "7")
    bench.loop.turn()
    assert set(looked_at) == {"7"}


def test_it_is_full_while_more_waits_than_it_may_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InferenceLoop, "BACKLOG_MAX_SAMPLES", 16_000)
    bench = Bench()
    bench.open()
    seen = []
    bench.audio(0, bytes(2 * 16_001))
    seen.append(bench.loop.full)
    bench.idle()
    seen.append(bench.loop.full)
    bench.audio(16_001, bytes(2 * 16_001))
    seen.append(bench.loop.full)
    bench.loop.take(wire.Close(session_id="s", generation=1))
    seen.append(bench.loop.full)
    assert seen == [True, False, True, False]
