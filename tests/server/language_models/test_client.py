"""The client of language models, against a stand-in that checks what it is asked and misbehaves when told so."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
import structlog
from pydantic import ValidationError

from protocol.errors import (
    EarshotError,
    LanguageModelFailed,
    LanguageModelRefused,
    LanguageModelTooSlow,
    LanguageModelUnavailable,
)
from server.language_models import answers
from server.language_models.client import LanguageModelClient
from server.language_models.language_model_settings import LanguageModelSettings
from server.language_models.prompt import Answer, Prompt, Usage
from server.metrics import Metrics
from tests.fakes.language_model import KEY, MODELS, LanguageModelServer
from tests.fakes.waiting import until
from tests.server.language_models.asking import QUESTION, client_of, failure

CANARIES = (KEY, "canary-of-the-question", "It was", "Incorrect", "CUDA")


async def streamed(client: LanguageModelClient, prompt: Prompt = QUESTION) -> tuple[list[str], Answer]:
    *pieces, answer = [each async for each in client.stream(prompt)]
    assert isinstance(answer, Answer)
    return [str(piece) for piece in pieces], answer


async def test_models_are_listed_each_once(server: LanguageModelServer) -> None:
    server.models = (*MODELS, MODELS[0], "x" * 1000)
    async with client_of(server) as client:
        assert await client.models() == MODELS
        first, second = await asyncio.gather(client._client(), client._client())
        assert first is second  # the one that is closed in the end
    assert first.is_closed


async def test_an_answer_as_a_whole_and_in_pieces(server: LanguageModelServer) -> None:
    metrics = Metrics()
    async with client_of(server, metrics=metrics) as client:
        answer = await client.complete(QUESTION)
        assert answer == Answer("You said: canary-of-the-question", Usage(11, 3))
        pieces, whole = await streamed(client)
    assert pieces == ["You ", "said: ", "canary-of-the-question"]
    assert whole == answer
    assert server.bodies[0] == {
        "model": "small",
        "messages": [{"role": "user", "content": "canary-of-the-question"}],
        "max_tokens": 100,
        "temperature": 0.5,
        "stream": False,
    }
    assert b'earshot_language_model_requests_total{outcome="ok"} 2.0' in metrics.text()


async def test_what_they_do_not_count_is_estimated_and_said_to_be(server: LanguageModelServer) -> None:
    server.counts, server.finish_reason = False, "length"
    async with client_of(server) as client:
        answer = await client.complete(QUESTION)
        assert answer.usage == Usage(16, 11, is_estimated=True)
        assert (answer.usage.total, answer.is_whole) == (27, False)
        assert (await streamed(client))[1] == answer
    assert (Usage(1, 2) + answer.usage).is_estimated


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (401, LanguageModelFailed, "llm_api_key"),
        (403, LanguageModelFailed, "llm_api_key"),
        (404, LanguageModelFailed, "llm_base_url"),
        (400, LanguageModelFailed, "llm_context_tokens"),
        (301, LanguageModelFailed, ""),
        ("elsewhere", LanguageModelFailed, ""),
        ("garbage", LanguageModelFailed, "cannot be understood"),
        ("empty", LanguageModelFailed, ""),
        ("mute", LanguageModelFailed, "max_tokens"),
        ("huge", LanguageModelFailed, "more than could be"),
        ("filtered", LanguageModelRefused, "would not answer"),
        ("refused", LanguageModelRefused, "would not answer"),
        ("silent", LanguageModelTooSlow, "in time"),
        ("drip", LanguageModelTooSlow, "in time"),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_goes_wrong_is_told_once_and_says_nothing_of_what_was_asked(
    server: LanguageModelServer, fault: int | str, kind: type[EarshotError], says: str, is_stream: bool
) -> None:
    if is_stream and fault in ("huge", "mute", "empty"):
        fault, says = "garbage", ""
    server.faults.append(fault)
    with structlog.testing.capture_logs() as logs:
        async with client_of(server, llm_deadline_s=0.5 if fault in ("silent", "drip") else 60) as client:
            told = await failure(streamed(client) if is_stream else client.complete(QUESTION))
    assert type(told) is kind
    assert says in told.message
    assert told.__cause__ is None
    assert len(server.asked) == 1
    assert logs
    assert not [canary for canary in CANARIES if canary in f"{told.message} {told.details} {logs}"]


@pytest.mark.parametrize("fault", [500, 502, 503, 429, "cut"])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_what_may_be_over_soon_is_tried_once_more(
    server: LanguageModelServer, fault: int | str, is_stream: bool
) -> None:
    async with client_of(server) as client:
        server.faults.append(fault)
        text = (await streamed(client))[1].text if is_stream else (await client.complete(QUESTION)).text
        assert text == "You said: canary-of-the-question"
        server.faults += [fault, fault]
        with pytest.raises(LanguageModelUnavailable):
            await (streamed(client) if is_stream else client.complete(QUESTION))
    assert len(server.asked) == 4


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_model_that_takes_the_newer_names_alone_is_asked_by_those(
    server: LanguageModelServer, is_stream: bool
) -> None:
    server.is_newer = True
    async with client_of(server) as client:
        for asked in (2, 3):  # the second time it is known
            text = (await streamed(client))[1].text if is_stream else (await client.complete(QUESTION)).text
            assert (text, len(server.asked)) == ("You said: canary-of-the-question", asked)
    assert server.bodies[-1]["max_completion_tokens"] == 100
    assert not {"max_tokens", "temperature"} & set(server.bodies[-1])


async def test_a_limit_that_lasts_is_not_waited_for(server: LanguageModelServer) -> None:
    server.retry_after = "60"
    server.faults.append(429)
    async with client_of(server) as client:
        with pytest.raises(LanguageModelUnavailable) as told:
            await client.complete(QUESTION)
    assert (told.value.retry_after_s, len(server.asked)) == (60.0, 1)


@pytest.mark.parametrize(("fault", "says"), [("broken", "in the middle"), ("error", "broke off")])
async def test_one_that_breaks_off_has_told_what_it_told(server: LanguageModelServer, fault: str, says: str) -> None:
    server.faults.append(fault)
    heard = []
    async with client_of(server) as client:

        async def listen() -> None:
            async for each in client.stream(QUESTION):
                heard.append(each)

        with pytest.raises(LanguageModelFailed, match=says):
            await listen()
    assert "".join(map(str, heard)) in ("It was the", "It was ")
    assert len(server.asked) == 1


async def test_an_answer_without_an_end_is_given_up(
    server: LanguageModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "TEXT_MAX_CHARS", 1000)
    server.reply = lambda _: "again and " * 1000
    async with client_of(server) as client:
        assert "more than could be" in (await failure(streamed(client))).message


async def test_whoever_does_not_wait_gives_their_place_back(server: LanguageModelServer) -> None:
    metrics = Metrics()
    server.reply = lambda _: "word " * 5000
    async with client_of(server, metrics=metrics, llm_at_once=1) as client:
        async with aclosing(client.stream(QUESTION)) as pieces:
            assert await anext(pieces) == "word "
        server.reply = lambda _: "Yes."
        async with asyncio.timeout(20):
            assert (await client.complete(QUESTION)).text == "Yes."
    assert b'outcome="gone"} 1.0' in metrics.text()


async def test_so_many_at_once_and_so_many_in_line(server: LanguageModelServer) -> None:
    server.hold = asyncio.Event()
    async with client_of(server, llm_at_once=2, llm_waiting_max=1) as client, asyncio.TaskGroup() as tasks:
        turns = client.turns
        patient = [tasks.create_task(client.complete(QUESTION, patient=True)) for _ in range(3)]
        await server.came.wait()
        asked = [tasks.create_task(client.complete(QUESTION)) for _ in range(2)]
        await until(lambda: server.at_once == 2)
        with turns.waited_for(), turns.waited_for(), turns.waited_for():
            assert turns.people == 3
            with pytest.raises(LanguageModelUnavailable, match="wait already"), turns.waited_for():
                raise AssertionError("let in")
        with turns.waited_for():
            pass
        server.hold.set()
        assert {(await each).text for each in (*patient, *asked)} == {"You said: canary-of-the-question"}
    assert server.at_once_max == 2


async def test_a_wrong_key_and_nobody_there(server: LanguageModelServer) -> None:
    async with client_of(server, llm_api_key="canary-of-a-wrong-key") as client:
        with pytest.raises(LanguageModelFailed, match="llm_api_key") as told:
            await client.models()
        assert "canary" not in f"{told.value.message} {told.value.details}"
    async with client_of(server, url="http://127.0.0.1:1/v1") as client:
        with pytest.raises(LanguageModelUnavailable, match="cannot be reached"):
            await client.complete(QUESTION)


@pytest.mark.parametrize(
    "url", ["ftp://x", "https://", "https://a:b@c/v1", "https://c/v1?x=1", "http://c/#v1", "c:11434"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValidationError):
        LanguageModelSettings(llm_base_url=url)
