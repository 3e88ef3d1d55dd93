"""Whom an inference process hears for: sockets and threads, no engine."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from asr import wire
from asr.contract import SessionOptions
from asr.inbox import Frame, Inbox
from asr.worker import _with_credentials
from asr.worker_links import STARTER, WAITING_MAX_BYTES, WorkerLinks
from asr.worker_settings import TOLD_APART, WorkerSettings

WAIT_S = 20.0
READY = wire.Ready(engine="e", model="m", device="cpu", languages=(), reason="a test")


class Shared:
    """A process that is shared, as the sockets see it: what comes to it, and what each reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inbox = Inbox()
        self.starter, theirs = socket.socketpair()
        self.theirs = theirs
        self.links = WorkerLinks(theirs, self.inbox, path)
        self.opened: list[socket.socket] = [self.starter, theirs]
        self.came: list[wire.ToWorker] = []
        self._readers: dict[socket.socket, tuple[wire.FrameReader, list[bytes]]] = {}

    def owner(self) -> socket.socket:
        """One that has come, and was seen to."""
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(WAIT_S)
        link.connect(str(self.path))
        self.opened.append(link)
        assert self.said(link, wire.Here()) == []
        return link

    def listen(self) -> list[wire.ToWorker]:
        """What the loop is given next."""
        taken: list[wire.ToWorker] = []
        for frame in self.inbox.take(WAIT_S):
            taken += [message for message, _ in self.links.read(frame)]
        return taken

    def said(self, link: socket.socket, message: BaseModel) -> list[wire.ToWorker]:
        link.sendall(wire.frame(message))
        return self.listen()

    def next(self, link: socket.socket) -> wire.FromWorker:
        reader, waiting = self._readers.setdefault(link, (wire.FrameReader(), []))
        link.settimeout(WAIT_S)
        while not waiting:
            data = link.recv(1 << 16)
            assert data, "it was cut"
            waiting += [header for header, _ in reader.feed(data)]
        return wire.FROM_WORKER.validate_json(waiting.pop(0))


@pytest.fixture
def shared() -> Iterator[Shared]:
    with tempfile.TemporaryDirectory() as folder:
        made = Shared(Path(folder) / "engine-0")
        yield made
        made.links.close()
        for link in made.opened:
            link.close()


def opening(session_id: str, generation: int = 1) -> wire.Open:
    return wire.Open(session_id=session_id, generation=generation, start_samples=0, options=SessionOptions())


def settled(session_id: str) -> wire.Settled:
    return wire.Settled(session_id=session_id, generation=1, samples=1, through_samples=1)


def test_each_owner_is_told_of_its_own_sessions_alone(shared: Shared) -> None:
    one, other = shared.owner(), shared.owner()
    assert shared.said(one, opening("ses_1")) == [opening("ses_1")]
    assert shared.said(other, opening("ses_2")) == [opening("ses_2")]
    working = wire.Working(sessions=(("ses_1", 1, 9), ("ses_2", 1, 8)))
    for message in (settled("ses_2"), working, wire.Working(sessions=(("ses_2", 1, 9),)), settled("ses_1")):
        shared.links.tell(message)
    nothing = wire.Working(sessions=())
    its = [wire.Working(sessions=(("ses_1", 1, 9),)), nothing, settled("ses_1")]
    assert [shared.next(one) for _ in its] == its
    its = [settled("ses_2"), wire.Working(sessions=(("ses_2", 1, 8),)), wire.Working(sessions=(("ses_2", 1, 9),))]
    assert [shared.next(other) for _ in its] == its
    assert shared.next(shared.starter) == working  # who has to see that it goes on


def test_voices_concern_all(shared: Shared) -> None:
    one, other = shared.owner(), shared.owner()
    shared.said(one, opening("ses_1"))
    shared.links.tell(wire.Working(sessions=(), voices=(("ses_1", 1),)))
    assert shared.next(one) == wire.Working(sessions=(), voices=(("ses_1", 1),))
    assert shared.next(other) == wire.Working(sessions=(), voices=(("", 0),))
    shared.links.tell(wire.Working(sessions=(), voices=(("ses_1", 1),), changes=True))
    assert shared.next(one) == wire.Working(sessions=(), voices=(("ses_1", 1),), changes=True)
    assert shared.next(other) == wire.Working(sessions=(), voices=(("", 0),), changes=True)
    for beside in (wire.Beside(voices=(("ses_1", 1),)), wire.Beside(voices=())):
        shared.links.tell(beside)
        assert shared.next(one) == beside
        assert shared.next(other) == wire.Beside(voices=(("", 0),) if beside.voices else ())


def test_what_is_another_owners_cannot_be_touched(shared: Shared) -> None:
    one, other = shared.owner(), shared.owner()
    shared.said(one, opening("ses_1"))
    for message in (opening("ses_1", 2), wire.Close(session_id="ses_1", generation=1), wire.Shutdown()):
        assert shared.said(other, message) == []
    assert shared.said(one, wire.Finalize(session_id="ses_1", generation=1, marker=1))
    assert shared.said(other, wire.Shared(processes=7)) == []
    shared.links.tell(READY)
    assert shared.said(other, wire.Ping(number=3)) == [wire.Ping(number=3)]
    shared.links.tell(wire.Pong(number=3))
    assert shared.next(other) == wire.Pong(number=3)  # and nothing of READY: the count is the starter's to say


def test_who_goes_away_closes_its_own(shared: Shared) -> None:
    one, other = shared.owner(), shared.owner()
    shared.said(one, opening("ses_1"))
    shared.said(other, opening("ses_2"))
    one.close()
    assert shared.listen() == [wire.Close(session_id="ses_1", generation=1)]
    shared.links.tell(settled("ses_1"))  # said before the loop knew: nobody's any more
    shared.links.tell(settled("ses_2"))
    assert shared.next(other) == settled("ses_2")


def test_an_owner_is_told_that_the_engine_is_ready_and_how_many_there_are(shared: Shared) -> None:
    early = shared.owner()
    shared.links.tell(READY)
    assert shared.next(shared.starter) == READY
    assert list(shared.links.read(Frame(STARTER, wire.Shared(processes=3).model_dump_json().encode(), b""))) == []
    late = shared.owner()
    told = READY.model_copy(update={"workers_max": 3})
    assert [shared.next(early), shared.next(late)] == [told, told]


def test_one_that_reads_nothing_is_cut_and_holds_up_nobody(shared: Shared) -> None:
    stuck, other = shared.owner(), shared.owner()
    shared.said(stuck, opening("ses_1"))
    shared.said(other, opening("ses_2"))
    long = wire.GaveUp(session_id="ses_1", generation=1, start_samples=0, end_samples=1, message="x" * 500_000)
    began_s = time.monotonic()
    for _ in range(3 + WAITING_MAX_BYTES // 500_000):
        shared.links.tell(long)
    assert time.monotonic() - began_s < WAIT_S
    shared.links.tell(settled("ses_2"))
    assert shared.next(other) == settled("ses_2")
    assert shared.listen() == [wire.Close(session_id="ses_1", generation=1)]


def test_who_says_what_is_no_message_is_cut_but_the_starter_is_heard(shared: Shared) -> None:
    one = shared.owner()
    shared.said(one, opening("ses_1"))
    one.sendall(wire.frame(READY))
    assert shared.listen() == []
    assert shared.listen() == [wire.Close(session_id="ses_1", generation=1)]
    with pytest.raises(ValidationError):
        list(shared.links.read(Frame(STARTER, b"{}", b"")))


def test_credentials_are_the_starters_to_tell_whoever_came_first() -> None:
    inbox = Inbox()
    owners = Frame(1, wire.Ping(number=1).model_dump_json().encode(), b"")
    inbox.put(owners)
    inbox.put(Frame(STARTER, wire.Credentials(riva_token="secret").model_dump_json().encode(), b""))
    assert _with_credentials(WorkerSettings(riva_token=TOLD_APART), inbox).riva_token == "secret"
    assert inbox.take(0.0) == [owners]
