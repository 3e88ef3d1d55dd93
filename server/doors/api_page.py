"""``/docs``: the API to read and to try, drawn by Swagger UI.

Its files come out of the installed package ``swagger-ui-bundle``, so that the page loads nothing from other hosts and
needs no exception from the headers that all pages have.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from protocol.errors import NotFound
from server.auth import Action
from server.doors.access import entry
from server.doors.pages import PageFiles, page

API_PAGE = "api.html"
SCRIPT, STYLE = "swagger-ui-bundle.js", "swagger-ui.css"

router = APIRouter(include_in_schema=False, dependencies=[entry(Action.PAGE)])


def swagger_ui() -> Path:
    """The folder with the files of Swagger UI, whatever version of it is installed."""
    spec = find_spec("swagger_ui_bundle")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for script in Path(place).glob(f"vendor/*/{SCRIPT}"):
            return script.parent
    raise NotFound("the package swagger-ui-bundle is not installed here; /v1/openapi.json works without it")


@router.api_route("/docs", methods=["GET", "HEAD"])
@router.api_route("/docs/", methods=["GET", "HEAD"])
@router.api_route("/v1/docs", methods=["GET", "HEAD"])
async def api_page(request: Request) -> Response:
    return await page(API_PAGE, request)


@router.api_route("/docs/{asset}", methods=["GET", "HEAD"])
async def api_page_file(request: Request, asset: str) -> Response:
    if asset not in (SCRIPT, STYLE):
        raise NotFound("no such page")
    return await PageFiles(swagger_ui()).respond(asset, request)
