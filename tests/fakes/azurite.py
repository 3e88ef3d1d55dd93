"""Azurite, Microsoft's Azure Storage for tests: a process that npm installed.

It checks every signature itself: those of requests (Shared Key) and those of addresses (a service's SAS).
"""

from __future__ import annotations

import base64
import hmac
import itertools
import os
import re
import select
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest

# The account that every Azurite has, by its documentation.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2023-11-03"
START_DEADLINE_S = 120.0
ANSWER_S = 60.0
SIGNED_HEADERS = 11  # lines of a signed request for headers that we do not send


def container_signature(container: str) -> str:
    """A shared access signature (a service's SAS) of all that is in a container, for an hour."""
    until, may = datetime.now(UTC) + timedelta(hours=1), "racwdl"
    told = {"sp": may, "se": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "sv": VERSION, "sr": "c"}
    resource = f"/blob/{ACCOUNT}/{container}"
    lines = [may, "", told["se"], resource, "", "", "", VERSION, "c", *[""] * 7]
    digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), "sha256")
    return urlencode(told | {"sig": base64.b64encode(digest).decode()})


class Azurite:
    """A process, for many tests: each has a container of its own. It keeps nothing on disk."""

    def __init__(self, node: str, packages: str) -> None:
        main = Path(packages) / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        options = ["--blobPort", "0", "--inMemoryPersistence", "--silent", "--disableTelemetry"]
        self._process = subprocess.Popen(
            [node, str(main), *options, "--extentMemoryLimit", "256", "--skipApiVersionCheck"],
            bufsize=0,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.numbers = itertools.count(1)
        try:
            self.endpoint = f"{self._address()}/{ACCOUNT}"
        except BaseException:
            self.close()
            raise

    def _address(self) -> str:
        """Once it says that it listens."""
        assert self._process.stdout is not None
        said = b""
        deadline = time.monotonic() + START_DEADLINE_S
        while (found := re.search(rb"listens on (http://127\.0\.0\.1:\d+)\s", said)) is None:
            ready, _, _ = select.select([self._process.stdout], [], [], deadline - time.monotonic())
            more = self._process.stdout.read(4096) if ready else b""
            assert more, f"Azurite does not start: {said!r}"
            said += more
        return found[1].decode()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def ask(self, method: str, path: str, query: str, body: bytes = b"") -> httpx.Response:
        """As the account itself. ``path``: behind the account's, still encoded."""
        resource = f"/{ACCOUNT}/{ACCOUNT}{path}"
        params = sorted(parse_qsl(query, keep_blank_values=True))
        named = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        length = str(len(body)) if body else ""
        lines = [method, "", "", length, *[""] * (SIGNED_HEADERS - 3)]
        lines += [f"{name}:{value}" for name, value in named.items()]
        lines += [resource, *(f"{name}:{value}" for name, value in params)]
        digest = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), "sha256")
        named["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        with httpx.Client(trust_env=False, timeout=ANSWER_S) as client:
            answer = client.request(method, f"{self.endpoint}{path}?{query}", content=body, headers=named)
        answer.raise_for_status()
        return answer


def new_azurite() -> Azurite:
    """Skips the tests that need it where it is not installed."""
    node, folder = shutil.which("node"), os.environ.get("EARSHOT_NODE_PACKAGES", "")
    if node is None:
        pytest.skip("no node here")
    if not folder or not (Path(folder) / "node_modules" / "azurite").is_dir():
        pytest.skip("EARSHOT_NODE_PACKAGES names no folder into which npm installed azurite")
    return Azurite(node, folder)
