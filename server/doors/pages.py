"""The pages and their files, from ``web_client/`` as they lie there: no build step, no listing, no other folder."""

from __future__ import annotations

import stat
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from protocol.errors import NotFound
from server.auth import Action
from server.blob_urls import PREFIX
from server.doors.access import entry, services_of
from server.request_context import POLICY_OF_PAGES

# Lies beside the package `server`, in the source tree as in an installed one.
WEB_CLIENT = Path(__file__).resolve().parents[2] / "web_client"

# Only what a page is made of. Recipes and notes that lie beside it stay inside.
SERVED_SUFFIXES = frozenset(
    {".html", ".js", ".css", ".json", ".svg", ".png", ".ico", ".webmanifest", ".woff2", ".flac", ".wav", ".mp3"}
)

# Which file is shown under which path.
LIVE_PAGE = "index.html"
PROJECTS_PAGE = "projects.html"
PROJECT_PAGE = "project.html"
FILES_PAGE = "files.html"
LIBRARY_PAGE = "library.html"
TRANSCRIPT_PAGE = "transcript.html"
ROOMS_PAGE = "rooms.html"
ROOM_PAGE = "room.html"
PORTAL_PAGE = "portal.html"
MISSING_PAGE = "missing.html"
ICON = "favicon.svg"
FILE_PATH = "/{name:path}"

# Where the families of the API begin, for programs that ask what this is.
ENDPOINTS = {
    "health": "/health",
    "description": "/v1/openapi.json",
    "transcripts": "/v1/transcripts",
    "transcribe": "/api/transcribe",
    "retranslate": "/api/retranslate",
    "summary": "/api/summary",
    "chat": "/api/chat",
    "projects": "/api/projects",
    "participant": "/api/participant",
}


class PageRoute(APIRoute):
    """The one for files, which fits every path, leaves unknown paths of the API and other methods to be refused.

    So it does those of blobs, which are put there and never given.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        is_last = self.path == FILE_PATH
        if is_last and (match is not Match.FULL or str(scope["path"]).startswith(("/v1/", PREFIX))):
            return Match.NONE, {}
        return match, child_scope


router = APIRouter(include_in_schema=False, dependencies=[entry(Action.PAGE)], route_class=PageRoute)


class PageFiles:
    """The files of one folder. A name that leads out of it, or to a kind that is not served, is not found."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)

    async def respond(self, name: str, request: Request) -> Response:
        """The file as a response with ETag, 304 where the browser has it, 206 for a range. Raises ``NotFound``."""
        parts = PurePosixPath(name)
        if parts.suffix not in SERVED_SUFFIXES or "\0" in name or any(part.startswith(".") for part in parts.parts):
            raise NotFound("no such page")
        try:
            path, found = await anyio.to_thread.run_sync(self._files.lookup_path, name)
        except (OSError, ValueError):  # such as a name that is too long
            raise NotFound("no such page") from None
        if found is None or not stat.S_ISREG(found.st_mode):
            raise NotFound("no such page")
        response = self._files.file_response(path, found, request.scope)
        # Asked again each time and answered 304: a new version is seen at once, without names that carry hashes.
        response.headers["Cache-Control"] = "no-cache"
        return response


async def page(name: str, request: Request) -> Response:
    files: PageFiles = request.app.state.pages
    return await files.respond(name, request)


@router.api_route("/", methods=["GET", "HEAD"])
async def live_page(request: Request) -> Response:
    """Whoever does not name HTML, as browsers do and programs do not, is told what this is instead."""
    if "text/html" in request.headers.get("accept", ""):
        response = await page(LIVE_PAGE, request)
    else:
        response = JSONResponse(about())
    response.headers["Vary"] = "Accept"
    return response


def about() -> dict[str, Any]:
    """The service in a few words, and where its API families begin."""
    return {"name": "Earshot", "version": version("earshot"), "endpoints": dict(ENDPOINTS)}


@router.api_route("/t", methods=["GET", "HEAD"])
async def library_page(request: Request) -> Response:
    return await page(LIBRARY_PAGE, request)


@router.api_route("/t/{page_id}", methods=["GET", "HEAD"])
async def transcript_page(request: Request, page_id: str) -> Response:
    """The page asks for the transcript itself: whether it is there is not told here."""
    return await page(TRANSCRIPT_PAGE, request)


@router.api_route("/rooms", methods=["GET", "HEAD"])
async def rooms_page(request: Request) -> Response:
    return await page(ROOMS_PAGE, request)


@router.api_route("/files", methods=["GET", "HEAD"])
async def files_page(request: Request) -> Response:
    """Where files become text. The page begins the jobs itself."""
    return await page(FILES_PAGE, request)


@router.api_route("/projects", methods=["GET", "HEAD"])
async def projects_page(request: Request) -> Response:
    return await page(PROJECTS_PAGE, request)


@router.api_route("/projects/{page_id}", methods=["GET", "HEAD"])
async def project_page(request: Request, page_id: str) -> Response:
    """For the host of a project. The page asks for the project itself."""
    return await page(PROJECT_PAGE, request)


@router.api_route("/r/{page_id}", methods=["GET", "HEAD"])
async def room_page(request: Request, page_id: str) -> Response:
    """The page asks for the room itself, which has a name or an id."""
    return await page(ROOM_PAGE, request)


@router.api_route("/p/{page_id}", methods=["GET", "HEAD"])
async def portal_page(request: Request, page_id: str) -> Response:
    """Where participants of a project record, without an account. The page asks for the project itself."""
    response = await page(PORTAL_PAGE, request)
    if origin := await services_of(request).targets.origin():
        response.headers["Content-Security-Policy"] = f"{POLICY_OF_PAGES}; connect-src 'self' {origin}"
    return response


@router.api_route(FILE_PATH, methods=["GET", "HEAD"])
async def page_file(request: Request, name: str) -> Response:
    """Comes last of all routes, so that whatever nothing else answers is looked for here."""
    if name == "favicon.ico":  # what browsers ask for where no page names an icon, such as beside a download
        name = ICON
    try:
        return await page(name, request)
    except NotFound:
        if not _wants_page(name, request):
            raise
        missing = await anyio.to_thread.run_sync((WEB_CLIENT / MISSING_PAGE).read_text)
        return HTMLResponse(missing, 404, headers={"Cache-Control": "no-cache"})


def _wants_page(name: str, request: Request) -> bool:
    """Whether a person asks: browsers name HTML in so many words, programs take anything."""
    return "text/html" in request.headers.get("accept", "") and name.partition("/")[0] not in ("v1", "api")
