"""One attempt to tell a webhook: a POST to a checked address, in bounded time, following no redirect.

Nothing of the answer is kept but its status. No proxy is asked, which would resolve the name once more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from protocol.errors import BadInput
from server.store.webhook_records import Outcome
from server.webhooks.destinations import Names, RefusedAddress, Resolve, addresses_of, check_url

ANSWER_MAX_BYTES = 64 * 1024  # it is read only so that a well-behaved receiver sees its answer taken
ANSWER_MAX_S = 1.0  # for the rest of it, after its head
CONNECT_MAX_S = 10.0
CONNECTIONS_MAX = 64
GONE = 410


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it went. ``status_code`` None: there was no answer."""

    outcome: Outcome
    status_code: int | None = None
    took_ms: int = 0
    retry_after_s: float | None = None

    @property
    def words(self) -> str:
        """For people."""
        return words_of(self.outcome, self.status_code)


_WORDS: Mapping[Outcome, str] = {
    Outcome.OK: "It was taken",
    Outcome.STATUS: "The receiver answered with an error",
    Outcome.GONE: "The receiver wants no more events",
    Outcome.REDIRECT: "The receiver sent us elsewhere; redirects are not followed",
    Outcome.TIMEOUT: "There was no answer in time",
    Outcome.UNREACHABLE: "The receiver cannot be reached",
    Outcome.TLS: "The receiver's certificate is not good, or it speaks no TLS",
    Outcome.REFUSED: "The address leads to where this server does not send",
    Outcome.UNRESOLVED: "The host has no address",
    Outcome.OFF: "It was switched off before it was sent",
}


def words_of(outcome: Outcome, status_code: int | None) -> str:
    """How an attempt went, for people."""
    return _WORDS[outcome] + (f" ({status_code})" if status_code is not None else "")


class Sender:
    """``private``: addresses of private networks are fine. ``deadline_s``: for an attempt as a whole."""

    def __init__(
        self, *, private: bool, deadline_s: float, look_up: Resolve | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._private = private
        self._deadline_s = deadline_s
        self._names = Names()
        self._look_up = look_up or self._names.look_up
        self._tls = tls
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._making = asyncio.Lock()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Raises nothing that the receiver can bring about."""
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline_s):
                attempt = await self._post(url, body, headers)
        except (TimeoutError, httpx.TimeoutException):
            attempt = Attempt(Outcome.TIMEOUT)
        except (RefusedAddress, BadInput):
            attempt = Attempt(Outcome.REFUSED)
        except httpx.ConnectError as error:
            attempt = Attempt(Outcome.TLS if _is_of_tls(error) else Outcome.UNREACHABLE)
        except (httpx.HTTPError, httpx.InvalidURL):
            attempt = Attempt(Outcome.UNREACHABLE)
        took_ms = round((time.monotonic() - began_s) * 1000)
        return Attempt(attempt.outcome, attempt.status_code, took_ms, attempt.retry_after_s)

    async def close(self) -> None:
        self._names.close()
        if self._transport is not None:
            await self._transport.aclose()

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        target = check_url(url, private=self._private)
        try:
            addresses = await addresses_of(target, private=self._private, look_up=self._look_up)
        except TimeoutError:
            raise
        except OSError:
            return Attempt(Outcome.UNRESOLVED)
        for address in addresses[:-1]:
            try:
                return await self._ask(target, address, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent
        return await self._ask(target, addresses[-1], body, headers)

    async def _ask(self, target: httpx.URL, address: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        transport = await self._open()
        connect_s = min(CONNECT_MAX_S, self._deadline_s)
        request = httpx.Request(
            "POST",
            target.copy_with(host=address, fragment=None),
            # The name is that of the URL, for whoever serves several at one address, and so is the certificate's.
            headers={**headers, "Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            content=body,
            extensions={
                "sni_hostname": target.raw_host.decode("ascii"),
                "timeout": {"connect": connect_s, "read": self._deadline_s, "write": self._deadline_s, "pool": None},
            },
        )
        response = await transport.handle_async_request(request)
        try:
            await _take(response)
            return _seen(response)
        finally:
            await response.aclose()

    async def _open(self) -> httpx.AsyncHTTPTransport:
        async with self._making:
            if self._transport is None:
                tls = self._tls
                if tls is None:
                    tls = await asyncio.to_thread(httpx.create_ssl_context)  # it reads certificates
                self._transport = httpx.AsyncHTTPTransport(
                    verify=tls,
                    trust_env=False,
                    # None is kept: one that was made for a name must not serve another at the same address.
                    limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0),
                )
            return self._transport


async def _take(response: httpx.Response) -> None:
    """Read the answer where it says that it is short."""
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= ANSWER_MAX_BYTES:
        with contextlib.suppress(httpx.HTTPError, TimeoutError):  # its head is there, which is what counts
            async with asyncio.timeout(ANSWER_MAX_S):
                async for _ in response.aiter_raw():
                    pass


def _seen(response: httpx.Response) -> Attempt:
    status = response.status_code
    if 200 <= status < 300:
        return Attempt(Outcome.OK, status)
    if 300 <= status < 400:
        return Attempt(Outcome.REDIRECT, status)
    if status == GONE:
        return Attempt(Outcome.GONE, status)
    text = response.headers.get("retry-after", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= 6
    return Attempt(Outcome.STATUS, status, retry_after_s=float(text) if is_number else None)


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
