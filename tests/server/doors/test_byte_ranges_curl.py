"""Ranges as curl asks for them, of a real server, byte for byte."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from protocol.states import TranscriptState
from tests.fakes.node import wait_for_state
from tests.fakes.running_app import running_app
from tests.fakes.scripted_sound import scripted_sound, sentence
from tests.fakes.wav import wav_of

CURL = shutil.which("curl")


async def curl(*arguments: str) -> tuple[int, bytes, str]:
    """The last answer's status and body, and its head."""
    assert CURL is not None
    head = ("-D", "/dev/stderr", "-q", "-sS", "--noproxy", "*", "--max-time", "30")
    process = await asyncio.create_subprocess_exec(
        CURL, *head, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    body, told = await process.communicate()
    text = told.decode("latin-1")
    assert text.startswith("HTTP/1.1"), text
    return int(text.split()[1]), body, text.lower()


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
async def test_curl_gets_every_range_byte_for_byte(tmp_path: Path) -> None:
    pcm = scripted_sound(sentence("alpha bravo", 0.5))
    wav = wav_of(pcm)
    async with running_app(tmp_path / "data") as node:
        transcript_id = await node.new_transcript()
        upload = f"/v1/transcripts_audio/{transcript_id}/upload"
        assert (await node.http.post(upload, content=wav)).status_code == 201
        await wait_for_state(node.services, transcript_id, TranscriptState.ENDED)
        url = f"http://127.0.0.1:{node.port}/v1/transcripts_audio/{transcript_id}/stream"
        whole = (await curl(url))[1]
        size = len(whole)
        assert whole[44:] == pcm

        for asked, start, end in (
            ("0-0", 0, 1),
            ("0-", 0, size),
            ("44-143", 44, 144),
            (f"{size - 1}-", size - 1, size),
            (f"100-{size * 9}", 100, size),
            ("-1", size - 1, size),
            ("-500", size - 500, size),
            (f"-{size * 2}", 0, size),
            ("0-10,5-20", 0, 21),
        ):
            status, body, head = await curl("-r", asked, url)
            assert (status, body) == (206, whole[start:end]), asked
            assert f"content-length: {end - start}\r\n" in head, asked
            assert f"content-range: bytes {start}-{end - 1}/{size}\r\n" in head, asked

        status, body, head = await curl("-r", "0-3,1000-1499", url)
        assert (status, "multipart/byteranges; boundary=" in head) == (206, True)
        boundary = head.split("boundary=")[1].split("\r\n")[0].encode()
        parts = body.split(b"--" + boundary)
        assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]] == [whole[:4], whole[1000:1500]]
        assert parts[-1] == b"--\r\n"

        status, body, head = await curl("-r", f"{size}-", url)
        assert (status, f"content-range: bytes */{size}\r\n" in head) == (416, True)
        assert (await curl("-H", "Range: bytes=9-1", url))[:2] == (200, whole)
        many = "bytes=" + ",".join(f"{at * 200}-{at * 200}" for at in range(40))
        assert (await curl("-H", f"Range: {many}", url))[:2] == (200, whole)

        # A download that broke off and goes on.
        partial = tmp_path / "partial.wav"
        partial.write_bytes(whole[: size // 3])
        assert (await curl("-C", "-", "-o", str(partial), url))[0] == 206
        assert partial.read_bytes() == whole

        # HEAD, with and without a range, over one connection with the next request: nothing is left in it.
        status, _, head = await curl("-I", url)
        assert (status, f"content-length: {size}\r\n" in head) == (200, True)
        status, body, head = await curl("-I", "-r", "0-1", url, "--next", "-sS", "-D", "/dev/stderr", "-r", "0-1", url)
        assert body.endswith(whole[:2])
        etag = head.split("etag: ")[1].split("\r\n")[0]
        assert (await curl("-H", f"If-None-Match: {etag}", url))[:2] == (304, b"")
        assert (await curl("-r", "5-9", "-H", f"If-Range: {etag}", url))[:2] == (206, whole[5:10])
        assert (await curl("-r", "5-9", "-H", 'If-Range: "old"', url))[:2] == (200, whole)

        # A second track has its own bytes; each is asked for by its id, and a foreign id is not found.
        assert (await node.http.post(upload, content=wav_of(pcm[:8000]))).status_code == 201
        await wait_for_state(node.services, transcript_id, TranscriptState.ENDED)
        tracks = await node.services.store.tracks_of(transcript_id)
        assert len(tracks) == 2
        assert (await curl(f"{url}?track={tracks[0].id}"))[1] == whole
        assert (await curl("-r", "44-", f"{url}?track={tracks[1].id}"))[1] == pcm[:8000]
        assert (await curl(f"{url}?track=trk_0000000000000000"))[0] == 404
