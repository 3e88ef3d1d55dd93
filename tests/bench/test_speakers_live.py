from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.bench.figures import Figures
from tests.bench.node import Node
from tests.bench.speakers_live import EVERY_S, WANTED, compare, stream_with
from tests.bench.speakers_report import MEANINGS
from tests.bench.streams import Heard, add_words, talk
from tests.fakes.running_app import running_app


@pytest.mark.parametrize("diarize", [True, False])
async def test_a_stream_asks_for_voices_or_not_and_its_words_are_right(tmp_path: Path, diarize: bool) -> None:
    async with running_app(tmp_path) as node:
        words, sound = talk(5.0, 0.0, every_s=EVERY_S)
        heard = Heard(words)
        transcript_id = (await node.http.post("/v1/transcripts/", json={})).json()["id"]
        at = cast(Node, SimpleNamespace(url=node.serving.url.rstrip("/")))
        await stream_with(diarize)(at, transcript_id, sound, heard).run()
        [track] = await node.services.store.tracks_of(transcript_id)
        assert track.diarize is diarize
        assert bool(await node.services.store.voices.prints_of(track.id)) is diarize
        figures = Figures("round", "")
        add_words(figures, [heard])
        assert (figures.values["words_wrong"], figures.values["words_final"]) == (0, 8)
        assert set(WANTED) - set(figures.values) == {"inference_cpu_ms_per_stream_second"}  # of another process


def test_each_figure_is_a_median_with_and_one_without() -> None:
    def rounds(*values: float) -> list[Figures]:
        return [Figures("round", "", dict.fromkeys(WANTED, value)) for value in values]

    figures = Figures("speakers", "Speakers")
    found = {"without": rounds(1.0, 9.0, 2.0), "with": [*rounds(4.0, 3.0, 8.0), Figures("round", "")]}
    compare(figures, found | {"segmented": rounds(5.0)})
    assert set(figures.values.values()) == {2.0, 4.0, 5.0}
    assert len(figures.values) == 3 * len(WANTED)
    told = {name for name in MEANINGS if name.endswith(("_with", "_without", "_segmented"))}
    assert told <= set(figures.values)
