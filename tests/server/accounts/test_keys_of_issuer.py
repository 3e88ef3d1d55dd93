"""An issuer that changes its keys, is down, or is not what it should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from protocol.errors import TryLater
from server.accounts.keys_of_issuer import ANSWER_MAX_BYTES, FIRST_AGAIN_S, IssuerKeys, check_issuer_url
from tests.fakes.issuer import Issuer, response, rsa_key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer().served() as served:
        yield served


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[IssuerKeys]:
    made = IssuerKeys(issuer=issuer.url, deadline_s=5.0, again_s=30.0, age_max_s=3600.0, clock=clock)
    yield made
    await made.close()


async def test_keys_are_discovered_once_and_found_by_name_and_kind(issuer: Issuer, keys: IssuerKeys) -> None:
    found = await asyncio.gather(*(keys.find("rsa-1", "RS256") for _ in range(20)))
    assert {key.kid for key in found if key} == {"rsa-1"}
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    assert (await keys.find("ec-1", "ES256")) is not None
    assert (await keys.find(None, "ES256")) is not None  # there is but one
    assert await keys.find("rsa-1", "ES256") is None
    assert await keys.find("rsa-1", "HS256") is None


async def test_unknown_names_ask_again_but_seldom(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    assert await keys.find("rsa-1", "RS256")
    clock.now += 31
    for _ in range(10):
        assert await keys.find("nonsense", "RS256") is None
    assert issuer.fetches == 2
    issuer.jwks.append({**RSAAlgorithm.to_jwk(rsa_key(1).public_key(), as_dict=True), "kid": "rsa-2"})
    assert await keys.find("rsa-2", "RS256") is None  # asked a moment ago
    clock.now += 31
    assert (await keys.find("rsa-2", "RS256")) is not None
    assert issuer.fetches == 3
    assert await keys.find(None, "RS256") is None  # of two a name must say which


async def test_what_is_known_stays_while_the_issuer_is_down_and_old_keys_go_when_it_is_back(
    issuer: Issuer, keys: IssuerKeys, clock: Clock
) -> None:
    assert await keys.find("rsa-1", "RS256")
    issuer.answer = b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    clock.now += 10_000
    assert await keys.find("rsa-1", "RS256")
    assert await keys.find("new", "RS256") is None  # waits for the try that is under way
    issuer.answer = None
    issuer.jwks = issuer.jwks[1:]
    clock.now += 31
    assert await keys.find("new", "RS256") is None
    assert await keys.find("rsa-1", "RS256") is None
    assert await keys.find("ec-1", "ES256")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /keys\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[[[[[",
        response([]),
        response({"issuer": "x" * ANSWER_MAX_BYTES}),
        response({"keys": []}, "Content-Encoding: gzip"),
        response({"keys": []}),
    ],
)
async def test_answers_that_cannot_be_used_are_try_later_and_tried_again_soon(
    issuer: Issuer, keys: IssuerKeys, clock: Clock, answer: bytes
) -> None:
    issuer.answer = answer
    for _ in range(3):
        with pytest.raises(TryLater):
            await keys.find("rsa-1", "RS256")
    assert len(issuer.asked) == 1
    issuer.answer = None
    clock.now += FIRST_AGAIN_S + 1
    assert await keys.find("rsa-1", "RS256")


async def test_a_document_of_another_issuer_is_not_believed(issuer: Issuer, keys: IssuerKeys) -> None:
    issuer.named = issuer.url + "/another"
    with pytest.raises(TryLater):
        await keys.find("rsa-1", "RS256")
    assert issuer.fetches == 0


async def test_a_silent_issuer_is_not_waited_for_long(issuer: Issuer, clock: Clock) -> None:
    issuer.silent = True
    keys = IssuerKeys(jwks_url=f"{issuer.url}/keys", deadline_s=0.2, again_s=30, age_max_s=3600, clock=clock)
    with pytest.raises(TryLater):
        await keys.find("rsa-1", "RS256")
    await keys.close()


async def test_closing_ends_what_is_under_way(issuer: Issuer) -> None:
    issuer.silent = True
    keys = IssuerKeys(jwks_url=f"{issuer.url}/keys", deadline_s=60, again_s=30, age_max_s=3600)
    asking = asyncio.create_task(keys.find("rsa-1", "RS256"))
    await issuer.was_asked.wait()
    await keys.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://id.example/realms/x", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000/", True),
        ("http://[::1]:9000/", True),
        ("http://id.example", False),
        ("http://localhost.id.example", False),
        ("ftp://id.example", False),
        ("file:///etc/passwd", False),
        ("https://me:secret@id.example", False),
        ("https://id.example?x=1", False),
        ("https://", False),
        ("", False),
    ],
)
def test_only_urls_that_nobody_can_change_on_the_way_are_taken(url: str, good: bool) -> None:
    if good:
        assert check_issuer_url(url) == url
    else:
        with pytest.raises(ValueError, match=r"a plain URL|must begin with"):
            check_issuer_url(url)


def test_test_keys_differ() -> None:
    assert isinstance(rsa_key(), rsa.RSAPrivateKey)
    assert rsa_key().public_key() != rsa_key(1).public_key()
