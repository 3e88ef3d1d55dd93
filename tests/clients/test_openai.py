"""OpenAI's clients as docs/clients.md has them, with real speech; a page in Chromium; and the one for node."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jiwer
import numpy as np
import pytest

from tests.clients.hearing import Hearing, hearing, node_package, run
from tests.clients.test_chromium import WORD_ERRORS_MAX, chromium, spoken_sentence
from tests.e2e.browser import microphone, visiting
from tests.fakes.documented import documented
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

pytestmark = pytest.mark.process

ADDRESS, KEY = "localhost:8000", "your-key"
CLIENT = Path(__file__).with_name("openai_client.cjs")
TEXT = "good morning river stone"

__all__ = ["chromium"]


def as_it_stands(example: str, server: Hearing) -> str:
    """But for host, port and key."""
    assert ADDRESS in example
    return example.replace(ADDRESS, server.url.removeprefix("http://")).replace(KEY, str(server.token))


async def test_the_documented_examples_print_what_is_said(tmp_path: Path) -> None:
    said = spoken_sentence(tmp_path / "meeting.wav", tail_s=1.0)
    samples = np.frombuffer((tmp_path / "meeting.wav").read_bytes()[44:], "<i2")
    faster = np.interp(np.arange(len(samples) * 3 // 2) / 1.5, np.arange(len(samples)), samples).astype("<i2")
    (tmp_path / "meeting-24khz.wav").write_bytes(wav_of(faster.tobytes(), sample_rate=24_000))
    async with hearing(tmp_path, engine="embedded-en") as server:
        for name in ("openai-rest", "openai-realtime"):
            script = as_it_stands(documented("clients.md", name), server)
            printed = await run("env", "-C", tmp_path, "no_proxy=*", sys.executable, "-c", script)
            assert jiwer.wer(said, printed) <= WORD_ERRORS_MAX, printed


@pytest.mark.browser
async def test_a_page_with_the_documented_function_reads_what_is_said(chromium: str, tmp_path: Path) -> None:
    sound = tmp_path / "sentence.wav"
    said = spoken_sentence(sound, lead_s=6.0)  # the microphone opens before there is a connection
    async with (
        hearing(tmp_path, engine="embedded-en") as server,
        visiting(chromium, *microphone(sound), outages=True) as visit,  # the page that we borrow has no token
    ):
        made = await server.http.post("/v1/realtime/client_secrets", json={"session": {"type": "transcription"}})
        await visit.page.goto(f"{server.url}/files")
        script = documented("clients.md", "openai-webrtc")
        page = f"""async ([server, secret]) => {{
          {script}
          return await new Promise((resolve, reject) => transcribe(server, secret, resolve).catch(reject));
        }}"""
        heard = await visit.page.evaluate(page, [server.url, made.json()["value"]])
        assert jiwer.wer(said, heard) <= WORD_ERRORS_MAX, heard


async def test_the_client_for_node_is_understood(tmp_path: Path) -> None:
    node, folder = node_package("openai")
    words = sentence(TEXT)
    wav, pcm = tmp_path / "said.wav", tmp_path / "said.pcm"
    wav.write_bytes(wav_of(scripted_sound(words)))
    pcm.write_bytes(scripted_sound(words, sample_rate=24_000))
    async with hearing(tmp_path) as server:
        printed = json.loads(await run(node, CLIENT, folder, wav, pcm, f"{server.url}/v1", str(server.token)))
    assert printed == {"transcribed": TEXT, "streamed": TEXT, "spoken": TEXT}
