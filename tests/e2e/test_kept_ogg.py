"""A browser's own player and the file that a track is kept in: its length, its seeking, and what is left of a cut."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from media.track_file import Tail, TrackEncoder, scan
from protocol.blocks import seconds
from tests.e2e.one_browser import launched
from tests.media.opus_sound import opus_blocks, sweep_packets

BLOCKS = opus_blocks(sweep_packets(10.0))

# Length, and where the player is after it was asked to go to 60 %; as [seconds, seconds].
PLAY = """async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const audio = new Audio(URL.createObjectURL(new Blob([bytes], { type: 'audio/ogg' })));
    const event = (name) => new Promise((resolve, reject) => {
        audio.addEventListener(name, resolve, { once: true });
        audio.addEventListener('error', () => reject(new Error(audio.error.message)), { once: true });
    });
    await event('loadedmetadata');
    const found = event('seeked');
    audio.currentTime = audio.duration * 0.6;
    await found;
    const decoded = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(bytes.buffer);
    return [audio.duration, audio.currentTime, decoded.duration];
}"""


async def test_a_browser_plays_a_track_as_it_is_kept_whole_and_cut(chromium: str) -> None:
    encoder = TrackEncoder(Tail())
    # The sound begins after a second: what came before is silence in the file.
    writes = [[block.moved(16_000) for block in BLOCKS[at : at + 10]] for at in range(0, len(BLOCKS), 10)]
    data = b"".join(map(encoder.encode, writes))
    async with launched(chromium) as browser:
        page = await browser.new_page()
        for share in (1.0, 0.5):
            cut = data[: int(len(data) * share)]
            expected_s = seconds(max(piece.end_samples for piece in scan(io.BytesIO(cut))))
            assert expected_s == 11.0 or share < 1
            found: list[Any] = await page.evaluate(PLAY, base64.b64encode(cut).decode())
            duration_s, at_s, decoded_s = found
            assert duration_s == pytest.approx(expected_s, abs=0.001)
            assert at_s == pytest.approx(0.6 * duration_s, abs=0.1)
            assert decoded_s == pytest.approx(duration_s, abs=0.02)
