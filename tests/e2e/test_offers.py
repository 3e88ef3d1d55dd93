"""Offers of a real browser that are not our own page's: with video, in odd orders, renewed in the middle of speech."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import jiwer
import pytest
from playwright.async_api import Page

from asr.engines.scripted import CELL_SAMPLES, LEAST_CELLS
from tests.e2e.browser import Visit, microphone, visiting
from tests.e2e.conftest import Spoken
from tests.fakes.node import texts, words_of
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.browser, pytest.mark.process]

HALF_A_WORD_SAMPLES = LEAST_CELLS * CELL_SAMPLES  # at least: shorter is none

# A page such as others would write: `speak` makes the sections named, in that order, and waits for a final's words.
CLIENT = """
window.client = {
  async open(kinds, options = {}) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const { id } = await (await fetch('/v1/transcripts/', { method: 'POST', body: '{}' })).json();
    const peer = new RTCPeerConnection(options);
    Object.assign(this, { id, peer, finals: [] });
    for (const kind of kinds) {
      if (kind === 'events') this.listen(peer.createDataChannel('events'));
      else if (kind === 'video') peer.addTransceiver('video');
      else peer.addTransceiver(stream.getAudioTracks()[0], { streams: [stream] });
    }
    await this.offer();
  },
  listen(channel) {
    this.told = () => {};
    channel.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'transcription' && message.data.is_final) this.finals.push(message.data.text);
      this.told();
    };
  },
  async until(test) {
    while (!test(this.finals.join(' '))) await new Promise((resolve) => (this.told = resolve));
  },
  async offer() {
    const { peer } = this;
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== 'complete') await new Promise((next) => setTimeout(next, 20));
    const body = { sdp: peer.localDescription.sdp, type: 'offer', ...(this.token ? { resume_token: this.token } : {}) };
    const path = `/v1/transcripts_webrtc/${this.id}/offer`;
    const response = await fetch(path, { method: 'POST', body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    this.token = answer.resume_token;
    this.answer = answer.sdp;
    await peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
  },
  async restart() {
    this.finals.length = 0;
    this.listen(new WebSocket(`/v1/transcripts_websocket/${this.id}?after=0`));
    this.peer.restartIce();
    await this.offer();
  },
  async segments() {
    return (await (await fetch(`/v1/transcripts/${this.id}/segments`)).json()).items;
  },
  async sent() {
    const stats = [...(await this.peer.getStats()).values()].find((each) => each.type === 'outbound-rtp');
    return [stats?.packetsSent ?? 0, (stats?.timestamp ?? 0) / 1000];
  },
  async rate() {
    while ((await this.sent())[0] < 5) await new Promise((next) => setTimeout(next, 100));
    await new Promise((next) => setTimeout(next, 1000)); // an encoder takes a moment to call it silence
    const [before, began] = await this.sent();
    await new Promise((next) => setTimeout(next, 3000));
    const [after, ended] = await this.sent();
    return (after - before) / (ended - began);
  },
  directions() {
    return this.peer.getTransceivers().map((each) => [each.receiver.track.kind, each.currentDirection]);
  },
};
"""


async def client_at(visit: Visit, running: RunningApp) -> Page:
    await visit.page.goto(f"{running.serving.url}missing-page")
    await visit.page.evaluate(CLIENT)
    return visit.page


async def heard(page: Page, word: str) -> None:
    """Until a final that came over the data channel holds this word."""
    await page.evaluate("(word) => client.until((text) => text.includes(word))", word)


@pytest.mark.parametrize(
    ("kinds", "policy"), [(["audio", "video", "events"], "balanced"), (["video", "audio", "events"], "max-bundle")]
)
async def test_the_voice_beside_a_camera_is_heard(
    chromium: str, tones: Spoken, tmp_path: Path, kinds: list[str], policy: str
) -> None:
    async with (
        running_app(tmp_path / "data") as running,
        visiting(chromium, *microphone(tones.path), outages=True) as visit,
    ):
        page = await client_at(visit, running)
        await page.evaluate("([kinds, bundlePolicy]) => client.open(kinds, { bundlePolicy })", [kinds, policy])
        await heard(page, "morning")
        # Where the audio has no transport but the video's, that cannot be refused as a whole, and is told to be idle.
        idle = [["video", "inactive"]] if kinds[0] == "video" else []
        assert await page.evaluate("client.directions()") == [*idle, ["audio", "sendonly"]]


async def test_an_ice_restart_is_a_new_offer_with_the_token(chromium: str, tones: Spoken, tmp_path: Path) -> None:
    """The same RTCPeerConnection goes on with its sound; its data channel does not, so the words come by a socket."""
    async with (
        running_app(tmp_path / "data") as running,
        visiting(chromium, *microphone(tones.path), outages=True) as visit,
    ):
        page = await client_at(visit, running)
        await page.evaluate("client.open(['audio', 'events'])")
        await heard(page, "morning")
        await page.evaluate("client.restart()")
        await heard(page, "never")
        segments = await page.evaluate("client.segments()")
        await page.wait_for_function("client.peer.connectionState === 'connected'")
        [source] = running.services.peers._sources.values()
        timed = await words_of(running.services, source.session.transcript_id)
        assert source._origin_samples is not None
        restart_samples = source._origin_samples - HALF_A_WORD_SAMPLES
    words = texts(timed)
    assert words == " ".join(each["text"] for each in segments)
    before = [word for word, start_samples in timed if start_samples <= restart_samples]
    after = [word for word, start_samples in timed if start_samples > restart_samples]
    assert before, timed
    assert after, timed
    # What was said around the restart may be lost, and the word that it cuts in two may be heard in both halves.
    if before[-1] == after[0]:
        before.pop()
    assert len({*before, *after}) == len(before) + len(after), timed
    assert jiwer.wer(tones.text, words) <= 0.5, words
    assert len({each["track"] for each in segments}) == 1
    for earlier, later in pairwise(segments):
        assert earlier["end"] <= later["start"]


@pytest.mark.parametrize(
    ("wishes", "packets_per_s"),
    [
        pytest.param({}, (1, 10), id="as it comes: next to nothing of silence"),
        pytest.param({"opus_dtx": False, "opus_packet_ms": 60}, (15, 18), id="long packets, silence sent"),
    ],
)
async def test_a_browser_sends_as_it_was_asked(
    chromium: str, tmp_path: Path, wishes: dict[str, Any], packets_per_s: tuple[int, int]
) -> None:
    silence = tmp_path / "silence.wav"
    silence.write_bytes(wav_of(bytes(2 * 16_000 * 30)))
    async with (
        running_app(tmp_path / "data", **wishes) as running,
        visiting(chromium, *microphone(silence), outages=True) as visit,
    ):
        page = await client_at(visit, running)
        await page.evaluate("client.open(['audio', 'events'])")
        least, most = packets_per_s
        assert least <= await page.evaluate("client.rate()") <= most
