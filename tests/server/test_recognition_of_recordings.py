"""A voice of a recorded conversation, enrolled from its first half, is recognised in the other as a later recording."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from asr.engines.choose import choose
from asr.engines.choose_encoder import choose_encoder
from protocol.wire.stream import Control
from server.services import Services
from server.store.records import StoredSegment
from tests.fakes.node import Client, new_client, running_services
from tests.fakes.spoken_sample import read_sound

pytestmark = pytest.mark.process
HALF_S = 30
ONCE_MORE_S = 15  # of the second, with both of them
PIECE_SAMPLES = 15 * 16_000  # heard before the next is given: a busy machine takes its time
Turn = tuple[float, float, str]


@pytest.fixture(autouse=True)
def _encoder() -> None:
    if reason := choose_encoder(choose("embedded-en", "en", Path()), Path()).reason:
        pytest.skip(reason)


def _has_finalized(count: int, client: Client) -> bool:
    return len(client.of("finalized")) == count


async def written(services: Services, sound: npt.NDArray[np.int16]) -> tuple[str, list[StoredSegment]]:
    client = await new_client(services)
    await client.begin(interim=False)
    for number, at in enumerate(range(0, len(sound), PIECE_SAMPLES), start=1):
        await client.say(sound[at : at + PIECE_SAMPLES].tobytes(), message_bytes=32_000)
        await client.control(Control.FINALIZE)
        await client.wait_for(partial(_has_finalized, number))
    await client.stop()
    return client.transcript_id, await services.store.segments_of(client.transcript_id)


def labels(segments: list[StoredSegment], turns: list[Turn], from_s: float) -> Counter[tuple[str, str]]:
    """How many words each speaker said under each label or name."""
    counts: Counter[tuple[str, str]] = Counter()
    for segment in (stored.segment for stored in segments):
        for word in segment.words:
            at_s = from_s + (word.start_samples + word.end_samples) / 32_000
            who = {speaker for start_s, end_s, speaker in turns if start_s <= at_s < end_s}
            if len(who) == 1:
                counts[who.pop(), segment.speaker or ""] += 1
    return counts


async def test_one_of_two_is_recognised_and_the_other_is_not(speech_data: Path, tmp_path: Path) -> None:
    folder = speech_data / "diarization/constructed"
    sound = read_sound(folder / "conv2.flac")
    rows = map(str.split, (folder / "conv2.tight.rttm").read_text().splitlines())
    turns = [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]
    async with running_services(tmp_path, engine="embedded-en") as services:
        first, segments = await written(services, sound[: HALF_S * 16_000])
        (speaker, label), _ = labels(segments, turns, 0.0).most_common(1)[0]
        voice = await services.enrolment.enrol(first, label, name="Ann")
        assert (voice.encoder, voice.dim) == ("resemblyzer", 256)
        second, segments = await written(services, sound[HALF_S * 16_000 : 2 * HALF_S * 16_000])
        counts = labels(segments, turns, HALF_S)
        hers = sum(count for (who, _), count in counts.items() if who == speaker)
        others = counts.total() - hers
        named = counts[speaker, "Ann"]
        assert min(hers, others) > 0
        assert named >= 0.7 * hers, counts
        wrong = sum(count for (who, name), count in counts.items() if who != speaker and name == "Ann")
        assert wrong <= 0.2 * others, counts
        await services.store.voices.enrolled.delete(voice.id)
        _, segments = await written(services, sound[HALF_S * 16_000 : (HALF_S + ONCE_MORE_S) * 16_000])
        assert "Ann" not in {stored.segment.speaker for stored in segments}
        assert [each.name for each in await services.speakers.participants(second)] == ["Ann"]
