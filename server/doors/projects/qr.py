"""The QR code of a project's page, to be printed or shown where people are to take part."""

from __future__ import annotations

import asyncio
import io

import segno
from fastapi import APIRouter, Request
from starlette.responses import Response

from server.auth import Action
from server.doors.access import base_url_of, entry
from server.doors.errors import DOCUMENTED
from server.doors.projects.views import portal_url

router = APIRouter(tags=["projects"], responses=DOCUMENTED)

SVG = "image/svg+xml"
CORRECTION = "m"  # reads though 15 % of it is covered (ISO/IEC 18004)
MARGIN_MODULES = 4  # as much as readers want


def qr_svg(address: str) -> bytes:
    """The code as an SVG document of any size, dark on white whatever it lies on. Some milliseconds: for a thread."""
    image = io.BytesIO()
    code = segno.make_qr(address, error=CORRECTION)
    code.save(image, kind="svg", omitsize=True, border=MARGIN_MODULES, dark="#000", light="#fff", title=address)
    return image.getvalue()


@router.get("/p/{project_id}/qr.svg", dependencies=[entry(Action.TAKE_PART)])
async def get_project_qr_code(request: Request, project_id: str) -> Response:
    """The code that leads to the project's page, at the address by which you reached the server. Also while the
    project is closed."""
    address = portal_url(project_id, base_url_of(request))
    image = await asyncio.to_thread(qr_svg, address)
    return Response(image, media_type=SVG, headers={"Cache-Control": "no-cache"})
