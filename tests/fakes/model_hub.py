"""A small model hub on loopback that speaks what the hub's client asks: metadata, and files with ranges."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class ModelHub:
    """Serves one folder as every repository. A context manager; ``requests`` are ``METHOD path`` as they came.

    ``damaged``: these files come with other bytes of the same length. ``broken_once``: the connection breaks in the
    middle of these, the first time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.damaged: set[str] = set()
        self.broken_once: set[str] = set()
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="model hub")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ModelHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        path = self.path.split("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if path.startswith("/api/models/"):
            self._send(200, {"Content-Type": "application/json"}, json.dumps(self._metadata()).encode())
            return
        file = self.hub.folder / path.rsplit("/", 1)[-1]
        if "/resolve/" not in path or not file.is_file():
            self._send(404, {"X-Error-Code": "EntryNotFound"}, b"")
            return
        data = file.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if file.name in self.hub.damaged:
            data = bytes(len(data))
        named = {"X-Repo-Commit": COMMIT, "ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.command == "GET":
            first = int(asked.removeprefix("bytes=").split("-")[0])
            named["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            self._send(206, named, data[first:])
        else:
            self._send(200, named, data, file.name)

    def _send(self, status: int, headers: dict[str, str], body: bytes, name: str = "") -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if name in self.hub.broken_once:
            self.hub.broken_once.remove(name)
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def _metadata(self) -> dict[str, Any]:
        files = []
        for path in sorted(self.hub.folder.iterdir()):
            data = path.read_bytes()
            entry: dict[str, Any] = {
                "rfilename": path.name,
                "size": len(data),
                "blobId": hashlib.sha1(data).hexdigest(),
            }
            if path.suffix == ".bin":
                sha256 = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 134}
            files.append(entry)
        return {"id": "some/model", "modelId": "some/model", "sha": COMMIT, "siblings": files, "tags": []}
