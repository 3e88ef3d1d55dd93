"""Changes and overlaps from what the network says of frames, made up here; and from the network itself."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from asr.speakers.segmentation import (
    CHUNK_SAMPLES,
    FIRST_SAMPLES,
    POWERSET,
    SHIFT_SAMPLES,
    Scores,
    Segmentation,
    decoded,
)
from asr.speakers.segmentation_network import SegmentationNetwork
from protocol.errors import ModelDamaged
from tests.bench.conversations import conversations, folder
from tests.bench.speakers_segmented import network

SECOND = 16_000 // SHIFT_SAMPLES  # frames
NEAR = 2 * SHIFT_SAMPLES


def said(*runs: tuple[float, tuple[int, ...]], sure: float = 0.95) -> Scores:
    """Who speaks, for how many seconds each."""
    rows = []
    for seconds, who in runs:
        likely = np.full(len(POWERSET), (1 - sure) / (len(POWERSET) - 1), np.float32)
        likely[POWERSET.index(who)] = sure
        rows += [np.log(likely)] * round(seconds * SECOND)
    return np.array(rows, np.float32)


def seconds(samples: int) -> float:
    return samples / (SECOND * SHIFT_SAMPLES)


def test_one_voice_pauses_and_silence_change_nothing() -> None:
    for runs in (
        [(3.0, (0,))],
        [(2.0, ())],
        [(1.0, (0,)), (0.4, ()), (1.0, (0,))],
        [(1.0, (0,)), (0.1, (1,)), (1.0, (0,))],  # too short for anybody
        [(1.0, (0,)), (0.8, ()), (1.0, (1,))],  # behind a silence everybody sees it
    ):
        assert decoded(said(*runs)) == Segmentation(), runs


def test_a_change_is_told_where_it_is_from_wherever_the_sound_begins() -> None:
    for gap_s in (0.0, 0.3):
        [at] = decoded(said((2.0, (0,)), (gap_s, ()), (1.5, (2,))), from_samples=16_000).changes
        middle = 16_000 + (2.0 + gap_s / 2) * SECOND * SHIFT_SAMPLES + FIRST_SAMPLES
        assert abs(at - middle) <= NEAR


def test_where_two_speak_at_once_is_an_overlap_and_the_change_is_in_its_middle() -> None:
    found = decoded(said((2.0, (0,)), (1.0, (0, 1)), (2.0, (1,))))
    [(start, end)] = found.overlaps
    assert seconds(start) == pytest.approx(2.0, abs=0.05)
    assert seconds(end) == pytest.approx(3.0, abs=0.05)
    assert found.changes == ((start + end) // 2,)


def test_who_speaks_into_anothers_words_is_an_overlap_and_no_change() -> None:
    found = decoded(said((2.0, (0,)), (0.6, (0, 1)), (2.0, (0,))))
    assert len(found.overlaps) == 1
    assert found.changes == ()


def test_doubt_and_a_moment_are_no_overlap() -> None:
    assert decoded(said((1.0, (0,)), (0.6, (0, 1)), (1.0, (0,)), sure=0.6)).overlaps == ()
    assert decoded(said((1.0, (0,)), (0.2, (0, 1)), (1.0, (0,)))).overlaps == ()


def test_what_holds_once_goes_on_through_a_moment_of_doubt() -> None:
    """Between its two thresholds an answer stays as it was."""
    doubt = said((0.3, (1,)))
    doubt[:, 1:3] = np.log([0.45, 0.5])
    scores = np.concatenate([said((1.5, (0,))), doubt, said((1.5, (0,)))])
    assert decoded(scores) == Segmentation()
    doubt[:, 1:3] = np.log([0.35, 0.6])
    assert len(decoded(np.concatenate([said((1.5, (0,))), doubt, said((1.5, (0,)))])).changes) == 2


@pytest.fixture(scope="module")
def real() -> SegmentationNetwork:
    found = network()
    if found is None:
        pytest.skip("EARSHOT_TEST_DATA has no segmentation network")
    return found


@pytest.mark.speech
@pytest.mark.skipif(folder() is None, reason="EARSHOT_TEST_DATA names no recordings")
def test_the_network_finds_most_changes_that_nobody_hears_a_gap_at(real: SegmentationNetwork) -> None:
    conversation = next(conversations("dev", ("no gaps",)))
    sound = conversation.samples[:CHUNK_SAMPLES]
    spoken = [each for each in sorted(conversation.spoken) if each[0] * 16_000 < len(sound)]
    true = [after[0] for before, after in pairwise(spoken) if before[2] != after[2]]
    found = decoded(real.hear(sound)).changes
    hits = [at for at in true if any(abs(each / 16_000 - at) < 0.3 for each in found)]
    assert true
    assert len(hits) == len(true) == len(found)


def test_the_network_takes_any_length_up_to_its_own(real: SegmentationNetwork) -> None:
    hiss = np.random.default_rng(0).integers(-30, 30, CHUNK_SAMPLES).astype(np.int16)
    for count in (1, 300, 9000, CHUNK_SAMPLES):
        assert decoded(real.hear(hiss[:count])) == Segmentation()
    with pytest.raises(ValueError, match="more sound"):
        real.hear(np.zeros(CHUNK_SAMPLES + 1, np.int16))


def test_a_file_that_is_none_says_how_to_fetch_it_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("damaged")
    (path / "model.int8.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelDamaged, match="earshot models remove pyannote-segmentation"):
        SegmentationNetwork(path)
