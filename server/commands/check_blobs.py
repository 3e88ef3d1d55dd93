"""Whether uploaded chunks have a place; for ``earshot doctor``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocol.errors import EarshotError, NotFound

if TYPE_CHECKING:
    from server.settings import Settings

DEADLINE_S = 15.0
KEY = "conversations/doctor/probe"


def trouble_with(settings: Settings) -> str:
    """What is wrong with the bucket, tried as chunks will be: put by a signed address, read and deleted; empty:
    nothing."""
    return asyncio.run(_trouble(settings))


async def _trouble(settings: Settings) -> str:
    import httpx

    from server.blobs import Blobs

    step = "its settings"
    try:
        async with asyncio.timeout(DEADLINE_S):
            blobs = await Blobs.open(settings.blobs_url, settings.s3)
            step = "putting"
            url = await blobs.presigned_put(KEY, expires_s=60)
            async with httpx.AsyncClient() as client:
                answer = await client.put(url, content=b"probe", headers={"Content-Type": "text/plain"})
            if answer.status_code != httpx.codes.OK:
                return f"putting to a signed address is answered with {answer.status_code}"
            step = "reading"
            if await blobs.get(KEY) != b"probe":
                return "what is read is not what was put"
            step = "deleting"
            await blobs.delete(KEY)
            step = "listing, without which what is missing cannot be told from what is forbidden,"
            try:
                await blobs.size_bytes(KEY)
            except NotFound:
                return ""
            return "what is deleted is still there"
    except (EarshotError, httpx.HTTPError, TimeoutError) as error:
        return f"{step} fails ({type(error).__name__})"
