"""Clients of a dozen kinds at once on one server, each with words of its own, which it gets as if it were alone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from openai import AsyncOpenAI

from protocol.states import TranscriptState
from server.commands.addresses import ServerAddress
from server.commands.wyoming_bridge import Bridge
from tests.fakes.calls import mulaw, twilio_call
from tests.fakes.node import wait_for_state, words_of
from tests.fakes.running_app import RunningApp, running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of
from tests.net.rtc_client import RtcClient

pytestmark = pytest.mark.process

# So, because what it imports is deprecated.
wyoming_client = pytest.importorskip("wyoming.client")
wyoming_asr, wyoming_audio = pytest.importorskip("wyoming.asr"), pytest.importorskip("wyoming.audio")

TOKEN = "token-of-a-dozen-clients"
PIECE_S = 0.1
ALL_LIVE_DEADLINE_S = 60
LIVE = 6  # those that say half of it, wait for each other, and say the rest


@dataclass(frozen=True)
class Speaker:
    """Who says ``text`` to a node."""

    node: RunningApp
    text: str
    all_live: asyncio.Barrier

    def sound(self, rate_hz: int = 16_000) -> bytes:
        return scripted_sound(sentence(self.text), sample_rate=rate_hz)

    def wav(self) -> bytes:
        return wav_of(self.sound())

    async def said(self, rate_hz: int = 16_000) -> AsyncIterator[bytes]:
        sound, step = self.sound(rate_hz), round(PIECE_S * rate_hz) * 2
        for at in range(0, len(sound), step):
            if at <= len(sound) // 2 < at + step:
                async with asyncio.timeout(ALL_LIVE_DEADLINE_S):
                    await self.all_live.wait()
            yield sound[at : at + step]

    async def heard(self, transcript_id: str) -> str:
        await wait_for_state(self.node.services, transcript_id, TranscriptState.ENDED)
        return " ".join(text for text, _ in await words_of(self.node.services, transcript_id))

    def openai(self) -> AsyncOpenAI:
        url = self.node.serving.url.rstrip("/")
        ws_url = self.node.ws_url("/v1")
        return AsyncOpenAI(base_url=f"{url}/v1", websocket_base_url=ws_url, api_key=TOKEN, max_retries=0)

    def deepgram(self) -> AsyncDeepgramClient:
        http, ws = f"http://127.0.0.1:{self.node.port}", self.node.ws_url("")
        where = DeepgramClientEnvironment(base=http, production=ws, agent="", agent_rest="")
        return AsyncDeepgramClient(api_key=TOKEN, environment=where, httpx_client=self.node.http)


async def openai_file(speaker: Speaker) -> str:
    async with speaker.openai() as client:
        return (await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", speaker.wav()))).text


async def openai_stream(speaker: Speaker) -> str:
    async with speaker.openai() as client:
        file = ("a.wav", speaker.wav())
        stream = await client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True)
        return "".join([event.delta async for event in stream if event.type == "transcript.text.delta"])


async def openai_realtime(speaker: Speaker) -> str:
    async with (
        speaker.openai() as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        await connection.session.update(session={"type": "transcription", "audio": {"input": {"turn_detection": None}}})
        async for piece in speaker.said(24_000):
            await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            if event.type == "conversation.item.input_audio_transcription.completed":
                return event.transcript
    return ""


async def deepgram_live(speaker: Speaker) -> str:
    finals: list[str] = []
    async with speaker.deepgram().listen.v1.connect(
        model="nova-3", encoding="linear16", sample_rate="16000"
    ) as connection:
        async for piece in speaker.said():
            await connection.send_media(piece)
        await connection.send_close_stream()
        async for message in connection:
            if message.type == "Results" and message.is_final:
                finals.append(message.channel.alternatives[0].transcript)
    return " ".join(filter(None, finals))


async def deepgram_file(speaker: Speaker) -> str:
    answer = await speaker.deepgram().listen.v1.media.transcribe_file(request=speaker.wav(), model="nova-3")
    return str(answer.results.channels[0].alternatives[0].transcript)


async def own_socket(speaker: Speaker) -> str:
    path = f"/v1/transcripts_stream/{await speaker.node.new_transcript()}"
    async with speaker.node.socket(path, additional_headers=HEADERS) as socket:
        await socket.send({"type": "start", "data": {"encoding": "pcm_s16le", "sample_rate": 16000}})
        async for piece in speaker.said():
            await socket.send(piece)
        await socket.send({"type": "stop"})
        await socket.until("stopped")
        finals = [message["data"] for message in socket.of("transcription") if message["data"]["is_final"]]
    return " ".join(final["text"] for final in finals)


async def whip(speaker: Speaker) -> str:
    id_ = await speaker.node.new_transcript()
    sessions: list[str] = []

    async def exchange(sdp: str, _type: str) -> tuple[str, str]:
        headers = {"Content-Type": "application/sdp"}
        answer = await speaker.node.http.post(f"/whip/{id_}", content=sdp, headers=headers)
        assert answer.status_code == 201, answer.text
        sessions.append(answer.headers["location"])
        return answer.text, "answer"

    async with RtcClient(speaker.sound()) as peer:
        await peer.connect(exchange)
        await peer.sent()
        await speaker.node.http.delete(sessions[0])
    return await speaker.heard(id_)


async def upload(speaker: Speaker) -> str:
    file = {"file": ("a.wav", speaker.wav(), "audio/wav")}
    answer = await speaker.node.http.post("/api/transcribe/", data={"model": "scripted"}, files=file)
    assert answer.is_success, answer.text
    return await speaker.heard(str(answer.json()["job_id"]))


async def bot(speaker: Speaker) -> str:
    made = (await speaker.node.http.post("/api/v1/bot/", json={})).json()
    path = "/" + made["websocket_url"].split("/", 3)[3]
    async with speaker.node.socket(path, additional_headers=HEADERS) as socket:
        at_s = 0.0
        async for piece in speaker.said():
            inside = {
                "buffer": base64.b64encode(piece).decode(),
                "timestamp": {"relative": at_s, "absolute": f"2026-01-01T00:00:{at_s:06.3f}Z"},
                "participant": {"id": 1, "name": "Anna", "is_host": True, "platform": "zoom", "extra_data": {}},
            }
            data = {"data": inside, "recording": {"id": "r", "metadata": {}}}
            await socket.send({"event": "audio_separate_raw.data", "data": data})
            at_s += PIECE_S
        await speaker.node.http.post(f"/api/v1/bot/{made['id']}/leave_call/")
        return await speaker.heard(made["recordings"][0]["id"])


async def vosk(speaker: Speaker) -> str:
    texts: list[str] = []
    async with speaker.node.socket("/", additional_headers=HEADERS) as socket:
        connection = socket.connection
        await connection.send(json.dumps({"config": {"sample_rate": 16000}}))
        async for piece in speaker.said():
            await connection.send(piece)
            texts.append(json.loads(await connection.recv()).get("text", ""))
        await connection.send('{"eof" : 1}')
        texts.append(json.loads(await connection.recv()).get("text", ""))
    return " ".join(filter(None, texts))


async def telephone(speaker: Speaker) -> str:
    id_ = await speaker.node.new_transcript()
    call = twilio_call({"inbound": mulaw(speaker.sound(8_000))}, {"transcript_id": id_, "token": TOKEN})
    async with speaker.node.socket("/v1/telephony/stream") as socket:
        for message in call:
            await socket.send(message)
        await socket.closed()
    return await speaker.heard(id_)


async def wyoming(speaker: Speaker) -> str:
    bridge = Bridge(ServerAddress(str(speaker.node.http.base_url), TOKEN), speaker.node.http, language=None, keep=False)
    async with bridge.serving("127.0.0.1", 0) as port, wyoming_client.AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(wyoming_audio.AudioStart(16_000, 2, 1).event())
        async for piece in speaker.said():
            await client.write_event(wyoming_audio.AudioChunk(16_000, 2, 1, piece).event())
        await client.write_event(wyoming_audio.AudioStop().event())
        while (event := await client.read_event()) is not None:
            if wyoming_asr.Transcript.is_type(event.type):
                return str(wyoming_asr.Transcript.from_event(event).text)
    return ""


HEADERS = {"Authorization": f"Bearer {TOKEN}"}
CLIENTS = {
    openai_file: "alpha bravo charlie delta",
    openai_stream: "echo foxtrot golf hotel",
    openai_realtime: "india juliet kilo lima",
    deepgram_live: "mike november oscar papa",
    deepgram_file: "quebec romeo sierra tango",
    own_socket: "uniform victor whiskey xray",
    whip: "good morning river stone",
    upload: "bridge garden river bridge",
    bot: "yankee zulu alpha zulu",
    vosk: "stone echo morning golf",
    telephone: "winter summer yellow silver",
    wyoming: "ocean forest window table",
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Deepgram's client still uses of websockets
async def test_each_gets_its_own_words(tmp_path: Path) -> None:
    all_live = asyncio.Barrier(LIVE)
    async with running_app(tmp_path / "data", access_token=TOKEN, sessions_max=20, admission_busy_max=0) as node:
        node.http.headers.update(HEADERS)
        async with asyncio.TaskGroup() as group:
            heard = {each: group.create_task(each(Speaker(node, text, all_live))) for each, text in CLIENTS.items()}
    assert {each: task.result() for each, task in heard.items()} == CLIENTS
