"""The few REST calls that commands make."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.commands.failure import CommandFailed
from server.commands.wire_segments import segment_from

PAGE = 100


async def create_transcript(http: httpx.AsyncClient, name: str, language: str | None = None) -> str:
    """The new transcript's id."""
    body = {"name": name, **({"language": language} if language else {})}
    return str((await _call(http, "POST", "/v1/transcripts/", json=body))["id"])


async def delete_transcript(http: httpx.AsyncClient, transcript_id: str) -> None:
    """With its words and its sound, and not only into the bin."""
    await _call(http, "DELETE", f"/v1/transcripts/{transcript_id}")
    with contextlib.suppress(CommandFailed):  # a server that keeps no bin has none of it any more
        await _call(http, "DELETE", f"/v1/transcripts/{transcript_id}/destroy")


async def all_segments(http: httpx.AsyncClient, transcript_id: str) -> list[Segment]:
    """Every segment, page by page."""
    found: list[Segment] = []
    page = 1
    while True:
        answer = await _call(
            http, "GET", f"/v1/transcripts/{transcript_id}/segments", params={"page": page, "size": PAGE}
        )
        found += [segment_from(item) for item in answer["items"]]
        if not answer["items"] or len(found) >= answer["total"]:
            return found
        page += 1


async def sound_samples(http: httpx.AsyncClient, transcript_id: str) -> int:
    """How much sound the server has of it."""
    answer = await _call(http, "GET", f"/v1/transcripts/{transcript_id}")
    return round(float(answer["data"]["duration"]) * SAMPLE_RATE_HZ)


async def _call(http: httpx.AsyncClient, method: str, path: str, **more: Any) -> dict[str, Any]:
    try:
        answer = await http.request(method, path, **more)
        body = answer.json() if answer.content else {}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandFailed(
            f"The server at {http.base_url} does not answer ({str(error) or type(error).__name__}). Is it running?"
        ) from None
    except ValueError:
        raise CommandFailed(f"{http.base_url} answers, but it is no Earshot server.") from None
    if answer.is_error:
        said = body.get("error", {}).get("message") if isinstance(body, dict) else None
        raise CommandFailed(f"The server refused: {said or f'HTTP status {answer.status_code}'}")
    if not isinstance(body, dict):
        raise CommandFailed(f"{http.base_url} answers, but it is no Earshot server.")
    return body
