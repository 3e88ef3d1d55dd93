"""S3 on loopback: moto's server behind a door that works every request's signature out anew, and makes faults.

After the S3 API reference, and Signature Version 4 as it describes it: in the Authorization header, and in the query of
presigned addresses. moto itself believes any signature.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server import werkzeug_app
from moto.s3.models import S3Backend, s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from server.buckets.options import BucketOptions, S3Options

BUCKET, REGION, KEY_ID = "sound", "eu-west-9", "KEYOFTHETESTS"
SECRET = "a/secret+of the=tests"
HELD_MAX_S = 20.0
PAGE = 3  # keys on a page of a listing
ALGORITHM = "AWS4-HMAC-SHA256"

vars(werkzeug_app)["DISABLE_GLOBAL_CORS"] = True  # only the rules of the bucket itself let pages in


class S3Server:
    """A context manager, one at a time. ``objects`` is what lies in the bucket, ``requests`` what was asked: method,
    key, body's length. ``faults``: statuses that the next requests are answered with; ``faults_of``: those of one
    method. ``cut``: these keys are never sent whole. ``held``: requests of these methods wait for ``let_go``.

    Those of other kinds of storage do as it does.
    """

    kind = "s3"

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.faults: deque[int] = deque()
        self.faults_of: dict[str, deque[int]] = {}
        self.cut: set[str] = set()
        self.held: set[str] = set()
        self.let_go = threading.Event()
        self.keeps_deleted = False  # says that they are deleted, and keeps them
        self._open()
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="storage")

    def _open(self) -> None:
        self._backend: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._backend.reset()
        self._backend.create_bucket(BUCKET, REGION)
        self.objects: MutableMapping[str, bytes] = Objects(self._backend)
        self._moto = werkzeug_app.create_backend_app("s3")

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def options(self, **changed: Any) -> BucketOptions:
        asked = {"endpoint": self.endpoint, "region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
        return S3Options(**(asked | changed))

    def let_pages_put(self, origin: str) -> None:
        self._backend.put_bucket_cors(
            BUCKET, [{"AllowedMethod": "PUT", "AllowedOrigin": origin, "AllowedHeader": "content-type"}]
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def place(self) -> str:
        return f"{self.kind}://{BUCKET}"

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Of a server whose blobs lie here."""
        asked = {
            "blobs_url": f"{self.place}/of/earshot",
            "s3_endpoint": self.endpoint,
            "s3_region": REGION,
            "s3_access_key_id": KEY_ID,
            "s3_secret_access_key": SECRET,
        }
        return asked | changed

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        method, parts = environ["REQUEST_METHOD"], urlsplit(environ["RAW_URI"])
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        asked = Asked(method, parts.path, parts.query, headers_of(environ), body)
        key = self._key_of(asked)
        self.requests.append((method, key, len(body)))
        if method in self.held:
            self.let_go.wait(HELD_MAX_S)
        if faults := self.faults or self.faults_of.get(method):
            status = faults.popleft()
            refused = refusal(status, "SlowDown" if status == 503 else "AsTold")
            refused.headers["Access-Control-Allow-Origin"] = "*"  # pages may read why
            return refused(environ, start)
        if method != "OPTIONS" and not self._is_signed(asked):
            return refusal(403, "SignatureDoesNotMatch")(environ, start)
        kept = dict(self.objects) if self.keeps_deleted else {}
        response = self._serve(asked, key, environ)
        for name, data in kept.items():
            self.objects[name] = data
        if key in self.cut and method == "GET":
            whole = response.get_data()
            response.set_data(whole[: len(whole) // 2])
            response.headers["Content-Length"] = str(len(whole))
        return response(environ, start)

    def _key_of(self, asked: Asked) -> str:
        return unquote(asked.path).removeprefix("/").partition("/")[2]

    def _is_signed(self, asked: Asked) -> bool:
        return is_signed(asked.method, asked.path, asked.params, asked.headers, asked.body)

    def _serve(self, asked: Asked, key: str, environ: WSGIEnvironment) -> Response:
        environ["wsgi.input"] = io.BytesIO(asked.body)
        if asked.method == "GET" and not key:
            environ["QUERY_STRING"] += f"&max-keys={PAGE}"
        return Response.from_app(self._moto, environ, buffered=True)


@dataclass(frozen=True)
class Asked:
    """A request as it came: ``path`` and ``query`` are still encoded, the names of ``headers`` small."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))


class Objects(MutableMapping[str, bytes]):
    """What lies in the bucket, by its key."""

    def __init__(self, backend: S3Backend) -> None:
        self._backend = backend

    def __getitem__(self, key: str) -> bytes:
        found = self._backend.get_object(BUCKET, key)
        if found is None:
            raise KeyError(key)
        return found.value

    def __setitem__(self, key: str, data: bytes) -> None:
        self._backend.put_object(BUCKET, key, data)

    def __delitem__(self, key: str) -> None:
        self._backend.delete_object(BUCKET, key)

    def __iter__(self) -> Iterator[str]:
        bucket = self._backend.get_bucket(BUCKET)
        return iter(list(bucket.keys))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Quiet(WSGIRequestHandler):
    timeout = 5.0  # of a client that was cancelled between its connection and its request

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def refusal(status: int, code: str) -> Response:
    return Response(f"<Error><Code>{code}</Code></Error>", status, mimetype="application/xml")


def headers_of(environ: WSGIEnvironment) -> dict[str, str]:
    named = {name.removeprefix("HTTP_"): value for name, value in environ.items() if name.startswith("HTTP_")}
    named |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if name in environ}
    return {name.replace("_", "-").lower(): value for name, value in named.items()}


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
