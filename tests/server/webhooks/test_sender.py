"""One attempt, against a receiver on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from server.store.webhook_records import Outcome
from server.webhooks.sender import Attempt, Sender
from tests.fakes.receiver import Receiver, certificate

BODY = b'{"event":"x"}'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as running:
        yield running


async def post(url: str, *, private: bool = True, deadline_s: float = 10.0) -> Attempt:
    sender = Sender(private=private, deadline_s=deadline_s)
    try:
        return await sender.post(url, BODY, {"X-Earshot-Event": "x", "Content-Type": "application/json"})
    finally:
        await sender.close()


async def test_the_bytes_come_as_they_are(receiver: Receiver) -> None:
    attempt = await post(receiver.url)
    assert (attempt.outcome, attempt.status_code) == (Outcome.OK, 200)
    [request] = receiver.received
    assert (request.method, request.path, request.body) == ("POST", "/hook?key=canary-of-the-query", BODY)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-earshot-event"] == "x"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (204, Outcome.OK),
        (299, Outcome.OK),
        (400, Outcome.STATUS),
        (404, Outcome.STATUS),
        (410, Outcome.GONE),
        (500, Outcome.STATUS),
        (304, Outcome.REDIRECT),
        ("cut", Outcome.UNREACHABLE),
        ("garbage", Outcome.UNREACHABLE),
    ],
)
async def test_what_an_answer_means(receiver: Receiver, answer: int | str, outcome: Outcome) -> None:
    receiver.answers.append(answer)
    attempt = await post(receiver.url)
    assert attempt.outcome is outcome
    assert attempt.status_code == (answer if isinstance(answer, int) else None)
    assert attempt.words


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    async with Receiver.running() as elsewhere:
        receiver.answers.append(status)
        receiver.headers["Location"] = elsewhere.url
        attempt = await post(receiver.url)
        assert (attempt.outcome, attempt.status_code) == (Outcome.REDIRECT, status)
        assert not elsewhere.received


async def test_silence_ends_at_the_deadline(receiver: Receiver) -> None:
    receiver.answers.append("silent")
    attempt = await post(receiver.url, deadline_s=0.5)
    assert (attempt.outcome, attempt.status_code) == (Outcome.TIMEOUT, None)
    assert 400 <= attempt.took_ms < 9000


async def test_an_endless_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.answers.append("endless")
    attempt = await post(receiver.url)
    assert attempt.outcome is Outcome.OK
    assert attempt.took_ms < 9000


async def test_what_was_taken_is_taken_whatever_comes_of_the_rest_of_the_answer(receiver: Receiver) -> None:
    receiver.answers.append("unfinished")
    attempt = await post(receiver.url, deadline_s=30)
    assert (attempt.outcome, attempt.status_code) == (Outcome.OK, 200)
    assert attempt.took_ms < 20_000


async def test_what_the_receiver_asks_to_wait_is_told(receiver: Receiver) -> None:
    receiver.answers.extend([503, 503])
    receiver.headers["Retry-After"] = "120"
    assert (await post(receiver.url)).retry_after_s == 120.0
    receiver.headers["Retry-After"] = "Wed, 21 Oct 2065 07:28:00 GMT"
    assert (await post(receiver.url)).retry_after_s is None


async def test_cookies_are_not_kept_and_no_connection_is(receiver: Receiver) -> None:
    receiver.headers["Set-Cookie"] = "canary=1"
    sender = Sender(private=True, deadline_s=10)
    for _ in range(2):
        assert (await sender.post(receiver.url, BODY, {})).outcome is Outcome.OK
    await sender.close()
    assert all("cookie" not in each.headers for each in receiver.received)
    assert receiver.connections == 2


async def test_nobody_is_asked_at_addresses_that_are_refused(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "[::ffff:127.0.0.1]"):
        attempt = await post(f"http://{host}:{receiver.port}/", private=False)
        assert (attempt.outcome, attempt.status_code) == (Outcome.REFUSED, None), host
    assert receiver.connections == 0


async def test_a_name_that_changes_its_address_after_it_was_checked_gains_nothing(receiver: Receiver) -> None:
    answers: list[Sequence[str]] = [["127.0.0.1"], ["169.254.169.254"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers.pop(0)

    sender = Sender(private=True, deadline_s=10, look_up=rebinding)
    url = f"http://rebinding.example:{receiver.port}/hook"
    assert (await sender.post(url, BODY, {})).outcome is Outcome.OK
    # It was connected to what was checked, and nobody was asked again; the receiver was told the name.
    assert asked == ["rebinding.example"]
    assert receiver.received[0].headers["host"] == f"rebinding.example:{receiver.port}"
    assert (await sender.post(url, BODY, {})).outcome is Outcome.REFUSED
    await sender.close()


async def test_the_next_address_is_tried_where_nobody_listens_at_the_first(receiver: Receiver) -> None:
    async def two(host: str, port: int) -> Sequence[str]:
        return ["::1", "127.0.0.1"]

    sender = Sender(private=True, deadline_s=10, look_up=two)
    assert (await sender.post(f"http://two.example:{receiver.port}/", BODY, {})).outcome is Outcome.OK
    await sender.close()


async def test_nobody_there_and_no_such_name() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    sender = Sender(private=True, deadline_s=10, look_up=unknown)
    assert (await sender.post("http://nowhere.example/", BODY, {})).outcome is Outcome.UNRESOLVED
    await sender.close()
    async with Receiver.running() as gone:
        url = gone.url
    assert (await post(url)).outcome is Outcome.UNREACHABLE


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    of_server, of_client = certificate(tmp_path, "hooks.example")

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    async with Receiver.running(of_server) as receiver:
        sender = Sender(private=True, deadline_s=10, look_up=here, tls=of_client)
        good = await sender.post(f"https://hooks.example:{receiver.port}/", BODY, {})
        assert (good.outcome, receiver.server_names) == (Outcome.OK, ["hooks.example"])
        assert receiver.received[0].body == BODY
        other = await sender.post(f"https://other.example:{receiver.port}/", BODY, {})
        assert other.outcome is Outcome.TLS
        await sender.close()
        distrustful = Sender(private=True, deadline_s=10, look_up=here)
        attempt = await distrustful.post(f"https://hooks.example:{receiver.port}/", BODY, {})
        assert attempt.outcome is Outcome.TLS
        await distrustful.close()
        assert len(receiver.received) == 1
