"""A page in Chromium as a WHIP client, with a file for a microphone. It offers before it has gathered anything."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
from playwright.async_api import expect

from protocol.blocks import SAMPLE_RATE_HZ
from tests.clients.hearing import hearing
from tests.e2e.browser import find_chromium, microphone, visiting
from tests.fakes.spoken_sample import spoken_sample
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.process, pytest.mark.browser]

WORD_ERRORS_MAX = 0.34  # a word or two misheard by the embedded recogniser through a lossy codec, and none lost
TURN = 1  # of the sample: 4.2 seconds, 15 words
LEAD_S = 1.0
TAIL_S = 60.0  # silence after the words, longer than the test

# The file begins to play when the microphone opens: only when all stands, as a slow machine would miss its words.
BEGIN = """async (endpoint) => {
  const peer = new RTCPeerConnection();
  const {sender} = peer.addTransceiver("audio", {direction: "sendonly"});
  const connected = new Promise((resolve) => {
    peer.onconnectionstatechange = () => peer.connectionState === "connected" && resolve();
  });
  const offer = await peer.createOffer();
  await peer.setLocalDescription(offer);
  const headers = {"Content-Type": "application/sdp"};
  const answer = await fetch(endpoint, {method: "POST", headers, body: offer.sdp});
  if (answer.status !== 201) throw new Error(await answer.text());
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()});
  await connected;
  const microphone = await navigator.mediaDevices.getUserMedia({audio: true});
  await sender.replaceTrack(microphone.getTracks()[0]);
  globalThis.peer = peer;
  return answer.headers.get("location");
}"""
END = """async (session) => {
  const answer = await fetch(session, {method: "DELETE"});
  peer.close();
  return answer.status;
}"""


def spoken_sentence(path: Path, *, lead_s: float = LEAD_S, tail_s: float = TAIL_S) -> str:
    """One turn of the spoken sample between silences, as a microphone's file; returns its words."""
    sample = spoken_sample()
    start_s, end_s, text = sample.turns[TURN]
    parts = [
        np.zeros(round(lead_s * SAMPLE_RATE_HZ), np.int16),
        sample.samples[round((start_s - 0.2) * SAMPLE_RATE_HZ) : round((end_s + 0.2) * SAMPLE_RATE_HZ)],
        np.zeros(round(tail_s * SAMPLE_RATE_HZ), np.int16),
    ]
    path.write_bytes(wav_of(np.concatenate(parts).tobytes()))
    return text


@pytest.fixture(scope="module")
def chromium() -> str:
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium here; EARSHOT_CHROMIUM may name one")
    return found


async def test_a_page_speaks_and_is_understood(chromium: str, tmp_path: Path) -> None:
    sound = tmp_path / "sentence.wav"
    said = spoken_sentence(sound)
    async with (
        hearing(tmp_path, token=None, engine="embedded-en") as server,
        visiting(chromium, *microphone(sound)) as visit,
    ):
        id_ = await server.new_transcript()
        # The transcript's own page waits for words, whoever speaks them: here it is itself.
        await visit.page.goto(f"{server.url}/t/{id_}")
        await expect(visit.page.get_by_role("status").first).to_have_text(re.compile("Nothing has been said yet"))
        session = await visit.page.evaluate(BEGIN, server.whip(id_))
        await expect(visit.page.get_by_role("status").first).to_have_text(re.compile("being recorded now"))
        await visit.until_final()
        assert await visit.page.evaluate(END, session) == 200
        heard = await server.text(id_)
        assert jiwer.wer(said, heard) <= WORD_ERRORS_MAX, heard
        await server.assert_kept_as_it_came(id_)
        await expect(visit.page.locator("transcript-player")).to_be_visible()
