"""Two people in a room, each in a browser of their own: they hear each other, and are written down by their names."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import jiwer
import pytest
from websockets.asyncio.client import connect

from tests.e2e.browser import Visit, microphone, visiting
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = [pytest.mark.process, pytest.mark.browser]

SCENES_MAX = 3
WORD_ERRORS_MAX = 0.34  # of the tones that are the words, here through two lossy codecs and a jitter buffer
LEAD_S = 1.0
TAIL_S = 120.0  # silence after the words, longer than the test
DEADLINE_S = 120.0
ANNA, BEN = "good morning river stone bridge garden", "window table paper candle forest ocean"
SOUNDS = ("--autoplay-policy=no-user-gesture-required",)

JOIN = """async (given) => {
  const post = async (path, body, token) => {
    const headers = {"Content-Type": "application/json"};
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(path, {method: "POST", headers, body: JSON.stringify(body)});
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  };
  const me = await post(`/v1/meetings/${given.meeting}/join`, {name: given.name});
  const peer = new RTCPeerConnection();
  const {sender} = peer.addTransceiver("audio", {direction: "sendrecv"});
  const connected = new Promise((resolve) => {
    peer.onconnectionstatechange = () => peer.connectionState === "connected" && resolve();
  });
  peer.ontrack = ({track}) => {
    const stream = new MediaStream([track]);
    // A remote track gives nothing to Web Audio unless an element plays it.
    const player = new Audio();
    player.muted = true;
    player.srcObject = stream;
    player.play();
    const context = new AudioContext();
    const meter = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(meter);
    const recorder = new MediaRecorder(stream, {mimeType: "audio/webm"});
    const pieces = [];
    recorder.ondataavailable = ({data}) => pieces.push(data);
    recorder.start();
    globalThis.ear = {player, context, meter, recorder, pieces};
  };
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise((resolve) => {
    if (peer.iceGatheringState === "complete") resolve();
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
  });
  await peer.setRemoteDescription(await post(me.offer_url, peer.localDescription, me.token));
  await connected;
  Object.assign(globalThis, {peer, sender});
}"""
SPEAK = """async () => {
  const microphone = await navigator.mediaDevices.getUserMedia({audio: true});
  await sender.replaceTrack(microphone.getTracks()[0]);
}"""
# When the other one has said something and was quiet for two seconds: all that was heard, as a file.
HEAR = """() => new Promise((resolve) => {
  const samples = new Float32Array(ear.meter.fftSize);
  let loud = 0, quiet = 0;
  const look = () => {
    ear.meter.getFloatTimeDomainData(samples);
    if (samples.some((sample) => Math.abs(sample) > 0.02)) [loud, quiet] = [loud + 1, 0];
    else quiet += 1;
    if (loud < 10 || quiet < 40) return;
    clearInterval(looking);
    ear.recorder.onstop = async () => {
      const bytes = new Uint8Array(await new Blob(ear.pieces).arrayBuffer());
      let text = "";
      for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
      resolve(btoa(text));
    };
    ear.recorder.stop();
  };
  const looking = setInterval(look, 50);
})"""


def say(path: Path, text: str) -> str:
    """A microphone's file."""
    path.write_bytes(wav_of(scripted_sound(sentence(text, LEAD_S), length_s=TAIL_S)))
    return text


async def finals(node: RunningApp, transcript_id: str) -> dict[str, str]:
    """Each speaker's words, once the transcript is complete."""
    said: dict[str, list[str]] = {}
    url = node.ws_url(f"/v1/transcripts_websocket/{transcript_id}?after=0")
    async with asyncio.timeout(DEADLINE_S), connect(url, proxy=None) as socket:
        async for text in socket:
            message = json.loads(text)
            data: dict[str, Any] = message["data"]
            if message["type"] == "transcription" and data["is_final"]:
                said.setdefault(data["speaker"], []).append(data["text"])
            elif message["type"] == "status" and data["status"] in ("completed", "failed"):
                assert data["status"] == "completed", data
                break
    return {speaker: " ".join(texts) for speaker, texts in said.items()}


async def words_of(node: RunningApp, heard: bytes) -> str:
    """What a recogniser makes of what was heard."""
    files = {"file": ("heard.webm", heard, "audio/webm")}
    made = await node.http.post("/v1/transcripts", files=files)
    assert made.status_code in (200, 201, 202), made.text
    return " ".join((await finals(node, made.json()["id"])).values())


async def heard_by(visit: Visit) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return base64.b64decode(await visit.page.evaluate(HEAR))


async def test_two_speak_at_once_and_each_hears_the_other(chromium: str, tmp_path: Path) -> None:
    anna_said, ben_said = say(tmp_path / "anna.wav", ANNA), say(tmp_path / "ben.wav", BEN)
    # What is heard in a room is live: it breaks up where a machine has no time left, and cannot come later. So there
    # the scene is played again. What is written down waits for nothing, and is held to every time.
    for number in range(SCENES_MAX):
        async with (
            running_app(tmp_path / f"data{number}") as node,
            visiting(chromium, *SOUNDS, *microphone(tmp_path / "anna.wav")) as anna,
            visiting(chromium, *SOUNDS, *microphone(tmp_path / "ben.wav")) as ben,
        ):
            anna_heard, ben_heard, said = await scene(node, anna, ben)
            assert set(said) == {"Anna", "Ben"}
            assert jiwer.wer(anna_said, said["Anna"]) <= WORD_ERRORS_MAX, said
            assert jiwer.wer(ben_said, said["Ben"]) <= WORD_ERRORS_MAX, said
            assert jiwer.wer(anna_said, anna_heard) > 0.6, "nothing of their own voice came back"
            assert jiwer.wer(ben_said, ben_heard) > 0.6, "nothing of their own voice came back"
            errors = max(jiwer.wer(ben_said, anna_heard), jiwer.wer(anna_said, ben_heard))
        if errors <= WORD_ERRORS_MAX:
            return
    raise AssertionError(f"in none of {SCENES_MAX} scenes; in the last: {anna_heard!r}, {ben_heard!r}")


async def scene(node: RunningApp, anna: Visit, ben: Visit) -> tuple[str, str, dict[str, str]]:
    """Both speak in a room: the words that each heard, and what was written down of each."""
    made = await node.http.post("/v1/meetings", json={"name": "two in a room"})
    assert made.status_code == 201, made.text
    meeting = made.json()
    for visit, name in ((anna, "Anna"), (ben, "Ben")):
        await visit.page.goto(f"{node.serving.url}")
        await visit.page.evaluate(JOIN, {"meeting": meeting["id"], "name": name})
    await asyncio.gather(anna.page.evaluate(SPEAK), ben.page.evaluate(SPEAK))
    heard = await asyncio.gather(heard_by(anna), heard_by(ben))
    ended = await node.http.post(f"/v1/meetings/{meeting['id']}/end")
    assert ended.status_code == 200, ended.text
    said = await finals(node, meeting["transcript_id"])
    return await words_of(node, heard[0]), await words_of(node, heard[1]), said
