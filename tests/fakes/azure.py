"""Azure Blob Storage on loopback: Azurite behind the same door as the other storages."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIEnvironment

import httpx
import obstore
from obstore.store import AzureStore
from werkzeug.wrappers import Response

from server.buckets.options import AzureOptions, BucketOptions
from tests.fakes.azurite import ACCOUNT, ANSWER_S, KEY, Azurite
from tests.fakes.s3 import BUCKET, PAGE, Asked, S3Server

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class AzureServer(S3Server):
    """As ``S3Server``, with a container of its own."""

    kind = "az"

    def __init__(self, azurite: Azurite) -> None:
        self._azurite = azurite
        self._container = f"{BUCKET}-{next(azurite.numbers)}"
        super().__init__()

    def _open(self) -> None:
        self._azurite.ask("PUT", f"/{self._container}", "restype=container")
        self.objects = Objects(self._azurite.endpoint, self._container)
        self._client = httpx.Client(trust_env=False, timeout=ANSWER_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._client.close()
        self._azurite.ask("DELETE", f"/{self._container}", "restype=container")

    @property
    def place(self) -> str:
        return f"az://{self._container}"

    @property
    def account_endpoint(self) -> str:
        return f"{self.endpoint}/{ACCOUNT}"

    def options(self, **changed: Any) -> BucketOptions:
        asked = {"account": ACCOUNT, "endpoint": self.account_endpoint, "access_key": KEY}
        return AzureOptions(**(asked | changed))

    def settings(self, **changed: Any) -> dict[str, Any]:
        asked = {
            "blobs_url": f"{self.place}/of/earshot",
            "az_account": ACCOUNT,
            "az_endpoint": self.account_endpoint,
            "az_access_key": KEY,
        }
        return asked | changed

    def let_pages_put(self, origin: str) -> None:
        """For the whole account, as Azure has it."""
        rule = (
            f"<AllowedOrigins>{origin}</AllowedOrigins><AllowedMethods>PUT</AllowedMethods>"
            "<AllowedHeaders>content-type,x-ms-blob-type</AllowedHeaders><ExposedHeaders></ExposedHeaders>"
            "<MaxAgeInSeconds>60</MaxAgeInSeconds>"
        )
        body = f"<StorageServiceProperties><Cors><CorsRule>{rule}</CorsRule></Cors></StorageServiceProperties>"
        self._azurite.ask("PUT", "", "restype=service&comp=properties", body.encode())

    def _key_of(self, asked: Asked) -> str:
        return unquote(asked.path).removeprefix(f"/{ACCOUNT}/{self._container}").removeprefix("/")

    def _is_signed(self, asked: Asked) -> bool:
        return True  # Azurite looks at that

    def _serve(self, asked: Asked, key: str, environ: WSGIEnvironment) -> Response:
        path = asked.path.removeprefix(f"/{ACCOUNT}")
        url = f"{self._azurite.endpoint}{path}?{asked.query}"
        given = {name: value for name, value in asked.headers.items() if name not in ("connection", "content-length")}
        headers = {"accept-encoding": "identity"} | given
        answer = self._client.request(asked.method, url, content=asked.body, headers=headers)
        if answer.is_success and asked.params.get("comp") == "list":  # asked again, for pages of a few
            answer = self._azurite.ask("GET", path, f"{asked.query}&maxresults={PAGE}")
        told = [(name, value) for name, value in answer.headers.multi_items() if name not in HOP_BY_HOP]
        response = Response(answer.content, answer.status_code, told)
        if asked.method == "HEAD" and "content-length" in answer.headers:
            response.headers["Content-Length"] = answer.headers["content-length"]
        return response


class Objects(MutableMapping[str, bytes]):
    """What lies in a container, by its key."""

    def __init__(self, endpoint: str, container: str) -> None:
        self._store = _store(endpoint, container)

    def __getitem__(self, key: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, data: bytes) -> None:
        obstore.put(self._store, key, data)

    def __delitem__(self, key: str) -> None:
        obstore.delete(self._store, key)

    def __iter__(self) -> Iterator[str]:
        return iter([str(each["path"]) for page in obstore.list(self._store) for each in page])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _store(endpoint: str, container: str) -> AzureStore:
    return AzureStore(
        container,
        config={"account_name": ACCOUNT, "account_key": KEY, "endpoint": endpoint, "credential_type": "access_key"},
        client_options={"allow_http": True},
    )
