"""A browser's own player and the films of cameras and screens."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from media.drawn import HEIGHT, WIDTH, Drawing
from media.picture_file import PictureFormat, PictureRecord, append
from media.video import write_mp4
from tests.e2e.one_browser import launched

BAR_WHITE = 200

# Size, length, where the player is after it was asked to go to 60 %, and how bright the left edge is at the beginning.
PLAY = """async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const video = document.createElement('video');
    video.muted = true;
    video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
    const event = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true });
    });
    document.body.append(video);
    await event('loadeddata');
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    const brightness = async (at) => {
        const found = event('seeked');
        video.currentTime = at;
        await found;
        context.drawImage(video, 0, 0);
        return context.getImageData(10, 180, 1, 1).data[0];
    };
    const first = await brightness(0.05);
    const later = await brightness(video.duration * 0.6);
    return [video.videoWidth, video.videoHeight, video.duration, video.currentTime, first, later];
}"""


@pytest.mark.parametrize(("form", "rate_hz"), [(PictureFormat.PNG, 2), (PictureFormat.H264, 10)])
async def test_a_browser_plays_what_was_shown(chromium: str, tmp_path: Path, form: PictureFormat, rate_hz: int) -> None:
    drawing = Drawing(form, 1, rate_hz)
    for number in range(4 * rate_hz):
        at_s = number / rate_hz
        append(tmp_path / "pictures", PictureRecord(round((30 + at_s) * 1000), form, drawing.at(at_s)))
    write_mp4(tmp_path / "pictures", tmp_path / "film.mp4", 34.7)
    encoded = base64.b64encode((tmp_path / "film.mp4").read_bytes()).decode()
    async with launched(chromium) as browser:
        page = await browser.new_page()
        found: list[Any] = await page.evaluate(PLAY, encoded)
    width, height, length_s, at_s, first, later = found
    assert (width, height) == (WIDTH, HEIGHT)
    assert length_s == pytest.approx(4.7, abs=0.05)
    assert at_s == pytest.approx(0.6 * length_s, abs=0.1)
    assert first > BAR_WHITE > later  # the bar is at the left first
