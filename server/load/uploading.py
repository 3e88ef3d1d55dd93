"""Files that are uploaded beside the live sessions: how long each takes to its last word."""

from __future__ import annotations

import io
import time
import wave

from protocol.blocks import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from server.commands.addresses import Ways
from server.load.rest import CallFailed, Rest
from server.load.sound import LoadSound
from server.load.tally import Tally
from server.load.words import compare, in_text

DONE_S = 900.0


def as_wav(sound: LoadSound) -> bytes:
    """One round."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(BYTES_PER_SAMPLE)
        writer.setframerate(SAMPLE_RATE_HZ)
        writer.writeframes(sound.pcm)
    return file.getvalue()


async def upload(rest: Rest, ways: Ways, transcript_id: str, wav: bytes, within_s: float) -> list[str]:
    """Its words, once it is through. Raises ``CallFailed``; a file that cannot be understood is one, too."""
    path = f"/v1/transcripts_audio/{transcript_id}/upload"
    headers = {"Content-Type": "application/octet-stream", "X-Filename": "load.wav"}
    await rest.call(ways, "POST", path, within_s, content=wav, more_headers=headers)
    record = await rest.settled(ways, transcript_id, DONE_S)
    if record["status"] != "completed":
        raise CallFailed(f"UPLOAD_{record['status'].upper()}")
    return [word for text, _, _ in await rest.words(ways, transcript_id) for word in in_text(text)]


async def uploaded(
    rest: Rest, ways: Ways, transcript_id: str, wav: bytes, expected: list[str], tally: Tally, within_s: float
) -> None:
    """One of the load: counted and compared."""
    began_s = time.monotonic()
    try:
        words = await upload(rest, ways, transcript_id, wav, within_s)
    except CallFailed as failed:
        if failed.is_refusal:
            tally.uploads_refused += 1
        else:
            tally.uploads_failed += 1
        return
    tally.uploads_done += 1
    tally.upload.add(time.monotonic() - began_s)
    tally.upload_words += compare(expected, words)
