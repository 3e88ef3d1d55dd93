"""The QR code of a project says its page's address, as it is reached from outside."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
import segno

from protocol.ids import new_transcript_id
from server.doors.projects.qr import MARGIN_MODULES
from server.settings import Settings
from tests.fakes.node import node_settings
from tests.server.doors.projects.test_projects import made

LINE = re.compile(r"([Mm])\s?(-?[\d.]+)[ ,](-?[\d.]+)|h\s?(-?\d+)")
NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return node_settings(tmp_path, allowed_hosts=("talk.example",))


def modules(image: bytes) -> set[tuple[int, int]]:
    """Which modules, as ``(row, column)``, are dark in the drawing, its margin taken off."""
    root = ElementTree.fromstring(image)
    drawn = [path for path in root.iter(f"{NAMESPACE}path") if path.get("stroke") == "#000"]
    assert len(drawn) == 1
    side = root.get("viewBox", "").split()[2:]
    dark: set[tuple[int, int]] = set()
    x = y = 0.0
    for move, to_x, to_y, run in LINE.findall(drawn[0].get("d") or ""):
        if run:
            dark.update((int(y), int(x) + step) for step in range(int(run)))
            x += int(run)
        else:
            start = (0.0, 0.0) if move == "M" else (x, y)
            x, y = start[0] + float(to_x), start[1] + float(to_y)
    assert side == [str(2 * MARGIN_MODULES + 1 + max(max(at) for at in dark) - MARGIN_MODULES)] * 2
    return {(row - MARGIN_MODULES, column - MARGIN_MODULES) for row, column in dark}


def expected(address: str) -> set[tuple[int, int]]:
    matrix = segno.make_qr(address, error="m").matrix
    return {(row, column) for row, line in enumerate(matrix) for column, dark in enumerate(line) if dark}


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({}, "http://localhost"),
        ({"Host": "talk.example:8443"}, "http://talk.example:8443"),
        # A proxy that speaks TLS for us, on the same machine.
        ({"Host": "talk.example", "X-Forwarded-Proto": "https"}, "https://talk.example"),
        ({"X-Forwarded-Proto": "javascript"}, "http://localhost"),
    ],
)
async def test_the_code_leads_to_the_page(client: httpx.AsyncClient, headers: dict[str, str], base: str) -> None:
    project = await made(client, is_open=False)
    answer = await client.get(f"/p/{project['id']}/qr.svg", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert modules(answer.content) == expected(f"{base}/p/{project['id']}")
    shown = (await client.get(f"/api/projects/{project['id']}", headers=headers)).json()
    assert shown["portal_url"] == f"{base}/p/{project['id']}"


async def test_what_is_no_project_has_no_code(client: httpx.AsyncClient) -> None:
    for id_ in (new_transcript_id(), "x"):
        refused = await client.get(f"/p/{id_}/qr.svg")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND")
