"""What happens in a meeting comes to the endpoints that its recording names: in order, signed, and until they fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from protocol.events import Event
from protocol.participants import ParticipantAction
from server.bots import endpoints as endpoints_module
from server.bots.endpoint_events import EndpointEvents
from server.bots.endpoints import Endpoints
from server.bots.signatures import Verifier, new_secret
from server.services import Services
from server.store.bot_store import NewBot
from server.store.endpoint_store import Endpoint, EndpointStatus, EndpointType, NewEndpoint
from tests.fakes.node import running_services
from tests.fakes.receiver import Receiver
from tests.server.bots.meetings import ADA, BEN, Meeting, acted, say
from tests.server.spoken import final

DEADLINE_S = 60.0
WANTED = ("transcript.data", "participant_events.join", "participant_events.chat_message")


@pytest.fixture
async def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    monkeypatch.setattr(endpoints_module, "LOOK_S", 3600.0)  # of the node itself
    async with running_services(tmp_path, webhooks_private=True) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver.running() as running:
        yield running


class Pauses:
    """Passes at once, and is known."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, length_s: float) -> None:
        self.slept.append(length_s)
        await asyncio.sleep(0)


class Heard:
    """What came by WebSocket: each connection's headers and messages."""

    def __init__(self) -> None:
        self.port = 0
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.cut_after: int | None = None
        self.deaf = 0  # so many of the first connections read nothing, and are lost
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/in?key=a%20b&x=1"

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Heard]:
        heard = cls()
        async with serve(heard._serve, "127.0.0.1", 0) as server:
            heard.port = next(iter(server.sockets)).getsockname()[1]
            yield heard

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.headers.append({name.lower(): value for name, value in connection.request.headers.items()})
        self.paths.append(connection.request.path)
        if len(self.paths) <= self.deaf:
            connection.transport.pause_reading()
            await asyncio.sleep(0.3)  # what is written meanwhile is lost with it
            connection.transport.abort()
            return
        async for message in connection:
            self.messages.append(json.loads(message))
            self._came.set()
            if len(self.messages) == self.cut_after:
                connection.transport.abort()
                return

    async def until(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.messages) < count:
                self._came.clear()
                await self._came.wait()
        return self.messages


async def meeting_with(
    services: Services, url: str, type_: EndpointType = "webhook", events: tuple[str, ...] = WANTED
) -> Meeting:
    endpoint = NewEndpoint(type_, url, events, new_secret())
    bot = await services.store.bots.create(
        NewBot("Notes", None, {"case": "7"}, None, None, new_secret(), endpoints=(endpoint,)), language="en"
    )
    return Meeting(services, bot.transcript.id, bot.id)


async def endpoint_of(meeting: Meeting) -> Endpoint:
    [endpoint] = await meeting.services.store.endpoints.of_transcript(meeting.id)
    return endpoint


async def until_status(meeting: Meeting, status: str) -> Endpoint:
    async with asyncio.timeout(DEADLINE_S):
        endpoint = await endpoint_of(meeting)
        while endpoint.status != status:
            await asyncio.sleep(0.01)
            endpoint = await endpoint_of(meeting)
    return endpoint


@asynccontextmanager
async def delivering(meeting: Meeting, pauses: Pauses | None = None) -> AsyncIterator[Endpoints]:
    services = meeting.services
    parts = services.settings, services.store, services.journal, services.duties
    endpoints = Endpoints(*parts, pause=pauses or Pauses())
    await endpoints.wake(meeting.id)
    try:
        yield endpoints
    finally:
        await endpoints.stop()


async def talk(meeting: Meeting) -> None:
    stream = meeting.connect()
    await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
    await say(stream, ADA, 1.0, "one", "two")
    await stream.take(acted(ParticipantAction.LEAVE, ADA, 5.0))
    await stream.take(acted(ParticipantAction.CHAT_MESSAGE, BEN, 6.0, text="hello", to="everyone"))
    await stream.stop()


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return sorted(each["event"] for each in messages)


def check(meeting: Meeting, endpoint: Endpoint, messages: list[dict[str, Any]]) -> None:
    assert kinds(messages) == sorted(WANTED)
    by_name = {each["event"]: each["data"] for each in messages}
    words = by_name["transcript.data"]["data"]["words"]
    assert [word["text"] for word in words] == ["one", "two"]
    assert words[0]["start_timestamp"]["relative"] == pytest.approx(1.0, abs=0.05)
    assert by_name["transcript.data"]["data"]["participant"]["name"] == "Ada"
    chat = by_name["participant_events.chat_message"]["data"]
    assert (chat["data"], chat["participant"]["name"]) == ({"text": "hello", "to": "everyone"}, "Ben")
    assert chat["timestamp"]["relative"] == 6.0
    for name, data in by_name.items():
        assert data["bot"]["metadata"] == {"case": "7"}
        assert data["recording"]["id"] == data[name.partition(".")[0]]["id"] == meeting.id
        assert data["realtime_endpoint"]["id"] == endpoint.id


async def test_a_webhook_is_told_signed_and_in_order(services: Services, receiver: Receiver) -> None:
    meeting = await meeting_with(services, receiver.url)
    async with delivering(meeting):
        await talk(meeting)
        endpoint = await until_status(meeting, "done")
    bodies = [json.loads(each.body) for each in receiver.received]
    check(meeting, endpoint, bodies)
    assert bodies[0]["event"] == "participant_events.join"
    verifier = Verifier()
    for each in receiver.received:
        verifier.verify(endpoint.secret, each.headers, each.body)


async def test_what_is_not_taken_is_sent_again_under_the_same_id(services: Services, receiver: Receiver) -> None:
    meeting, pauses = await meeting_with(services, receiver.url), Pauses()
    receiver.answers.extend([500, "cut", 503])
    async with delivering(meeting, pauses):
        await talk(meeting)
        await until_status(meeting, "done")
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert len(set(ids[:4])) == 1
    assert len(set(ids)) == 3
    assert pauses.slept == [1.0] * 3


async def test_a_webhook_that_takes_nothing_has_failed_after_sixty_tries(
    services: Services, receiver: Receiver
) -> None:
    meeting, pauses = await meeting_with(services, receiver.url), Pauses()
    receiver.answers.extend([500] * 100)
    async with delivering(meeting, pauses):
        await talk(meeting)
        endpoint = await until_status(meeting, "failed")
    assert (len(receiver.received), pauses.slept, endpoint.sub_code) == (60, [1.0] * 59, "status")
    async with delivering(meeting):  # nothing more is sent
        pass
    assert len(receiver.received) == 60


async def test_one_that_wants_no_more_has_failed_at_once(services: Services, receiver: Receiver) -> None:
    meeting = await meeting_with(services, receiver.url)
    receiver.answers.append(410)
    async with delivering(meeting):
        await talk(meeting)
        assert (await until_status(meeting, "failed")).sub_code == "gone"
    assert len(receiver.received) == 1


async def test_after_a_restart_it_goes_on_where_it_was(services: Services, receiver: Receiver) -> None:
    meeting = await meeting_with(services, receiver.url)
    stream = meeting.connect()
    async with delivering(meeting):
        await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
        await receiver.until(1)
    await stream.take(acted(ParticipantAction.CHAT_MESSAGE, ADA, 6.0, text="meanwhile", to="everyone"))
    again = Endpoints(services.settings, services.store, services.journal, services.duties)
    await again.start()
    await receiver.until(2)
    await stream.stop()
    await until_status(meeting, "done")
    await again.stop()
    # What was on its way when it stopped may come once more, by the same id.
    told = {each.headers["webhook-id"]: json.loads(each.body) for each in receiver.received}
    assert [each["event"] for each in told.values()] == ["participant_events.join", "participant_events.chat_message"]
    assert [each["data"]["data"]["participant"]["name"] for each in told.values()] == ["Ada", "Ada"]


async def test_a_bot_that_goes_while_it_is_noted_costs_nothing(
    services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = await meeting_with(services, receiver.url)
    noted = services.store.endpoints.note
    async with delivering(meeting) as endpoints:

        async def note(id_: str, *, delivered_seq: int, status: EndpointStatus, sub_code: str | None) -> None:
            if status == "done":
                await endpoints.settled(meeting.id)
            await noted(id_, delivered_seq=delivered_seq, status=status, sub_code=sub_code)

        monkeypatch.setattr(services.store.endpoints, "note", note)
        await talk(meeting)
        await until_status(meeting, "done")


async def test_a_websocket_is_told_by_one_connection(services: Services) -> None:
    async with Heard.running() as heard:
        meeting = await meeting_with(services, heard.url, "websocket")
        async with delivering(meeting):
            await talk(meeting)
            endpoint = await until_status(meeting, "done")
        check(meeting, endpoint, heard.messages)
        assert heard.paths == ["/in?key=a%20b&x=1"]
        Verifier().verify(endpoint.secret, heard.headers[0], b"")


async def test_a_websocket_that_is_lost_is_opened_again(services: Services) -> None:
    async with Heard.running() as heard:
        heard.cut_after = 1
        meeting = await meeting_with(services, heard.url, "websocket", events=("participant_events.update",))
        stream = meeting.connect()
        async with delivering(meeting):
            await stream.take(acted(ParticipantAction.UPDATE, ADA, 0.0))
            await heard.until(1)
            for number in range(1, 4):
                await stream.take(acted(ParticipantAction.UPDATE, ADA, float(number)))
            async with asyncio.timeout(DEADLINE_S):
                while len({told_at(each) for each in heard.messages}) < 4:
                    await heard.until(len(heard.messages) + 1)
        await stream.stop()
        assert len(heard.headers) == 2
        assert heard.headers[0]["webhook-id"] != heard.headers[1]["webhook-id"]


def told_at(message: dict[str, Any]) -> float:
    at_s: float = message["data"]["data"]["timestamp"]["relative"]
    return at_s


async def test_what_was_written_to_a_websocket_that_took_nothing_is_told_again(services: Services) -> None:
    async with Heard.running() as heard:
        heard.deaf = 2
        meeting, pauses = await meeting_with(services, heard.url, "websocket", ("participant_events.join",)), Pauses()
        async with delivering(meeting, pauses):
            stream = meeting.connect()
            await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
            assert [told_at(each) for each in await heard.until(1)] == [0.5]
            await stream.stop()
            await until_status(meeting, "done")
        assert (len(heard.paths), pauses.slept) == (3, [3.0] * 2)


async def test_a_websocket_that_is_not_there_has_failed_after_thirty_tries(services: Services) -> None:
    async with Heard.running() as heard:
        url = heard.url
    meeting, pauses = await meeting_with(services, url, "websocket"), Pauses()
    async with delivering(meeting, pauses):
        await talk(meeting)
        endpoint = await until_status(meeting, "failed")
    assert (endpoint.sub_code, pauses.slept) == ("unreachable", [3.0] * 29)


async def test_words_that_may_change_are_told_and_hold_up_nothing(services: Services, receiver: Receiver) -> None:
    meeting = await meeting_with(services, receiver.url, events=("transcript.data", "transcript.partial_data"))
    receiver.answers.append(500)  # what passes is not sent again
    async with delivering(meeting):
        await talk(meeting)
        await until_status(meeting, "done")
    bodies = [json.loads(each.body) for each in receiver.received]
    assert kinds(bodies).count("transcript.data") == (1 if bodies[0]["event"] != "transcript.data" else 2)
    assert bodies[-1]["event"] == "transcript.data"


async def test_private_addresses_are_not_told_unless_that_is_wanted(tmp_path: Path, receiver: Receiver) -> None:
    async with running_services(tmp_path) as services:
        meeting = await meeting_with(services, receiver.url)
        async with delivering(meeting):
            await talk(meeting)
            assert (await until_status(meeting, "failed")).sub_code == "refused"
    assert receiver.received == []


async def test_a_transcript_that_is_deleted_is_told_no_more(services: Services, receiver: Receiver) -> None:
    meeting = await meeting_with(services, receiver.url)
    stream = meeting.connect()
    async with delivering(meeting):
        await stream.take(acted(ParticipantAction.JOIN, ADA, 0.5))
        await receiver.until(1)
        await stream.lost("away")
        await services.removal.delete(meeting.id)
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("endpoint")]
        await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_S)
    assert len(receiver.received) == 1


async def test_what_is_cut_from_a_final_later_is_told_no_more(services: Services) -> None:
    meeting = await meeting_with(services, "https://example.org/")
    events = EndpointEvents(services.store, meeting.id, 1000.0, ["transcript.data"])
    whole = final(text="one two")
    rest = final("seg_2", "two").segment.model_copy(update={"cut_from": "seg_1"})
    told = [whole, final(text="one", revision=2), whole.model_copy(update={"segment": rest})]
    messages = [
        await events.message(Event(transcript_id=meeting.id, seq=seq, at=1000.0, body=body))
        for seq, body in enumerate(told, start=1)
    ]
    assert [message is not None for message in messages] == [True, False, False]
