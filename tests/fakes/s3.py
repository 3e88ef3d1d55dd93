"""A small S3 on loopback: one bucket, as far as we use it, and every request's signature worked out anew.

After the S3 API reference, and Signature Version 4 as it describes it: in the Authorization header, and in the query of
presigned addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections import deque
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from server.blobs import S3Options

BUCKET, REGION, KEY_ID = "sound", "eu-west-9", "KEYOFTHETESTS"
SECRET = "a/secret+of the=tests"
HELD_MAX_S = 20.0
PAGE = 3  # keys on a page of a listing
PART_MIN_BYTES = 5 << 20
ALGORITHM = "AWS4-HMAC-SHA256"


class S3Server:
    """A context manager. ``objects`` is what lies in the bucket, ``requests`` what was asked: method, key, body's
    length. ``faults``: statuses that the next requests are answered with; ``faults_of``: those of one method.
    ``cut``: these keys are never sent whole. ``held``: requests of these methods wait for ``let_go``.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.faults: deque[int] = deque()
        self.faults_of: dict[str, deque[int]] = {}
        self.cut: set[str] = set()
        self.held: set[str] = set()
        self.let_go = threading.Event()
        self.keeps_deleted = False  # says that they are deleted, and keeps them
        fake = self

        class Handler(_Handler):
            pass

        Handler.s3 = fake
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="s3")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def options(self, **changed: Any) -> S3Options:
        asked = {"endpoint": self.endpoint, "region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
        return S3Options(**(asked | changed))

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    s3: S3Server

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        bucket, _, self.key = unquote(parts.path).removeprefix("/").partition("/")
        self.s3.requests.append((self.command, self.key, len(self.body)))
        if self.command in self.s3.held:
            self.s3.let_go.wait(HELD_MAX_S)
        faults = self.s3.faults or self.s3.faults_of.get(self.command)
        if faults:
            self._refuse(status := faults.popleft(), "SlowDown" if status == 503 else "AsTold")
        elif not is_signed(self.command, parts.path, self.query, dict(self.headers.items()), self.body):
            self._refuse(403, "SignatureDoesNotMatch")
        elif bucket != BUCKET:
            self._refuse(404, "NoSuchBucket")
        elif self.command in ("GET", "HEAD"):
            self._read()
        else:
            self._change()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def _read(self) -> None:
        if not self.key:
            self._list()
            return
        data = self.s3.objects.get(self.key)
        if data is None:
            self._refuse(404, "NoSuchKey")
            return
        named = {"ETag": _etag(data), "Last-Modified": formatdate(time.time(), usegmt=True), "Accept-Ranges": "bytes"}
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
            named["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(206, data[first : last + 1], named)
        else:
            self._send(200, data, named)

    def _list(self) -> None:
        prefix, after = self.query.get("prefix", ""), self.query.get("continuation-token", "")
        keys = [key for key in sorted(self.s3.objects) if key.startswith(prefix) and key > after]
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified>"
            f"<ETag>{_etag(self.s3.objects[key])}</ETag><Size>{len(self.s3.objects[key])}</Size></Contents>"
            for key in keys[:PAGE]
        )
        more = f"<NextContinuationToken>{keys[PAGE - 1]}</NextContinuationToken>" if len(keys) > PAGE else ""
        whole = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>"
        self._send_xml("ListBucketResult", f"<Name>{BUCKET}</Name>{whole}{more}{rows}")

    def _change(self) -> None:
        upload = self.query.get("uploadId", "")
        if upload and upload not in self.s3.parts:
            self._refuse(404, "NoSuchUpload")
        elif self.command == "PUT" and upload:
            self.s3.parts[upload][int(self.query["partNumber"])] = self.body
            self._send(200, b"", {"ETag": _etag(self.body)})
        elif self.command == "PUT":
            self.s3.objects[self.key] = self.body
            self._send(200, b"", {"ETag": _etag(self.body)})
        elif self.command == "POST" and "delete" in self.query:
            self._delete(re.findall(r"<Key>([^<]*)</Key>", self.body.decode()))
        elif self.command == "POST" and "uploads" in self.query:
            upload = f"upload-{len(self.s3.requests)}"
            self.s3.parts[upload] = {}
            self._send_xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
        elif self.command == "POST" and upload:
            self._complete(self.s3.parts.pop(upload))
        elif self.command == "DELETE":
            self.s3.parts.pop(upload, None)
            if not upload:
                self._delete([self.key])
        else:
            self._refuse(400, "InvalidRequest")

    def _delete(self, keys: list[str]) -> None:
        for key in keys if not self.s3.keeps_deleted else ():
            self.s3.objects.pop(key, None)
        if self.command == "DELETE":
            self._send(204, b"", {})
        else:
            self._send_xml("DeleteResult", "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys))

    def _complete(self, parts: dict[int, bytes]) -> None:
        named = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", self.body.decode())]
        if named != sorted(parts) or any(len(parts[number]) < PART_MIN_BYTES for number in named[:-1]):
            self._refuse(400, "EntityTooSmall")
            return
        self.s3.objects[self.key] = whole = b"".join(parts[number] for number in named)
        self._send_xml("CompleteMultipartUploadResult", f"<Key>{self.key}</Key><ETag>{_etag(whole)}</ETag>")

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code></Error>".encode(), {"Content-Type": "application/xml"})

    def _send_xml(self, name: str, inner: str) -> None:
        text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'
        self._send(200, text.encode(), {"Content-Type": "application/xml"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if self.key in self.s3.cut else body)


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def is_signed(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> bool:
    """Whether a request is signed as it must be, now."""
    given = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    if "X-Amz-Signature" in query:
        asked = {name.removeprefix("X-Amz-"): value for name, value in query.items() if name.startswith("X-Amz-")}
        signature = query.pop("X-Amz-Signature")
        payload = "UNSIGNED-PAYLOAD"
        life_s = int(asked["Expires"])
    else:
        algorithm, _, rest = given.get("authorization", "").partition(" ")
        asked = {"Algorithm": algorithm, "Date": given.get("x-amz-date", "")}
        asked |= dict(re.findall(r"(\w+)=([^, ]+)", rest))
        signature = asked.get("Signature", "")
        payload = given.get("x-amz-content-sha256", "")
        life_s = 900
        if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
            return False
    signed = asked.get("SignedHeaders", "").split(";")
    when = asked.get("Date", "")
    scope = f"{when[:8]}/{REGION}/s3/aws4_request"
    if asked.get("Algorithm") != ALGORITHM or asked.get("Credential") != f"{KEY_ID}/{scope}" or "host" not in signed:
        return False
    made_at_s = datetime.strptime(when, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if not made_at_s - 900 <= time.time() < made_at_s + life_s:
        return False
    texts = sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items())
    lines = [f"{name}:{given.get(name, '')}\n" for name in signed]
    canonical = "\n".join([method, path, "&".join(texts), "".join(lines), ";".join(signed), payload])
    key = f"AWS4{SECRET}".encode()
    for part in (when[:8], REGION, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = "\n".join([ALGORITHM, when, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), signature)
