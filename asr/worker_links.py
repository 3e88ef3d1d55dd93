"""Whom an inference process hears for: the one that started it, and, where it is shared, those that come to its socket.

Each owner has sessions of its own, and is told of these alone. What becomes of an owner is no other's business: when it
goes away, its sessions are closed; when it reads nothing for long, or says what is no message, it is cut. With the one
that started it the process ends.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog
from pydantic import BaseModel, ValidationError

from asr import wire
from asr.inbox import Frame, Inbox

log = structlog.get_logger(__name__)

STARTER = 0  # whose child this process is
OWNERS_MAX = 256
WAITING_MAX_BYTES = 4 << 20  # for an owner that does not read: some minutes of words of a hundred sessions
READ_BYTES = 1 << 18
BACKLOG = 64
_ELSEWHERE = ("", 0)  # somebody's, but none of the reader's


class Owner:
    """One of those that came to the socket. What it does not read waits, up to a bound; policy: cut it."""

    def __init__(self, number: int, link: socket.socket) -> None:
        self.number = number
        self.is_gone = False
        self.is_here = False  # and reads
        self.is_told = False  # that the engine is ready
        self._link = link
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def start(self, inbox: Inbox) -> None:
        for work, arguments in ((self._read_all, (inbox,)), (self._write_all, ())):
            threading.Thread(target=work, args=arguments, name=f"owner {self.number}", daemon=True).start()

    def put(self, data: bytes) -> None:
        """Never blocks: the engine does not wait for anybody."""
        with self._changed:
            if not self._waiting:
                try:
                    data = data[self._link.send(data, socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return  # its reader sees it too
            if data and self._bytes + len(data) <= WAITING_MAX_BYTES:
                self._waiting.append(data)
                self._bytes += len(data)
                self._changed.notify()
            elif data:
                log.warning("an owner reads nothing and is cut", owner=self.number)
                self.cut()

    def cut(self) -> None:
        """Its reader sees the end of the stream."""
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)

    def _write_all(self) -> None:
        with suppress(OSError):
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self.is_gone)
                    if self.is_gone:
                        return
                    data = self._waiting[0]
                self._link.sendall(data)  # it stays first meanwhile, so that nothing overtakes it
                with self._changed:
                    self._waiting.popleft()
                    self._bytes -= len(data)

    def _read_all(self, inbox: Inbox) -> None:
        reader = wire.FrameReader()
        try:
            while data := self._link.recv(READ_BYTES):
                for header, payload in reader.feed(data):
                    inbox.put(Frame(self.number, header, payload))
        except (OSError, wire.FrameError) as error:
            log.warning("the link to an owner broke", owner=self.number, error=type(error).__name__)
        with self._changed:
            self.is_gone = True
            self._changed.notify()
        self._link.close()
        inbox.put(Frame(self.number, b"", b""))


class WorkerLinks:
    """``tell`` and ``read`` are the loop's thread's. ``path``: where others may come; None: nobody shares it."""

    def __init__(self, starter: socket.socket, inbox: Inbox, path: Path | None = None) -> None:
        self._starter = starter
        self._inbox = inbox
        self._owners: dict[int, Owner] = {}
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[int, int]] = {}  # of whom, and in which generation
        self._busy: frozenset[int] = frozenset()  # whose sound is in the present step
        self._asking = STARTER
        self._ready: wire.Ready | None = None
        self._processes: int | None = None  # there are in all, for those who share them
        self._is_shared = path is not None
        self._listening: socket.socket | None = None
        if path is not None:
            self._listen(path)

    def _listen(self, path: Path) -> None:
        path.unlink(missing_ok=True)  # of the process before this one
        self._listening = listening = socket.socket(socket.AF_UNIX)
        listening.bind(os.fspath(path))
        listening.listen(BACKLOG)
        threading.Thread(target=self._accept_all, args=(listening,), name="owners", daemon=True).start()

    def _accept_all(self, listening: socket.socket) -> None:
        for number in itertools.count(STARTER + 1):
            try:
                link, _ = listening.accept()
            except OSError:
                return
            owner = Owner(number, link)
            with self._lock:
                if len(self._owners) >= OWNERS_MAX:
                    link.close()
                    continue
                self._owners[number] = owner
            owner.start(self._inbox)

    def close(self) -> None:
        """Nobody comes any more, and all are cut that did."""
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)  # its thread is woken by this alone
            self._listening.close()
        for owner in self._all():
            owner.cut()

    # What comes.

    def read(self, frame: Frame) -> Iterator[tuple[wire.ToWorker, bytes]]:
        """What the loop is to take of it. Raises ``ValidationError`` for what the starter says and is no message."""
        if not frame.header:
            yield from self._is_gone(frame.owner)
            return
        try:
            message = wire.FROM_OWNER.validate_json(frame.header)
        except ValidationError:
            if frame.owner == STARTER:
                raise
            log.warning("an owner said what is no message and is cut", owner=frame.owner)
            self._cut(frame.owner)
            return
        if isinstance(message, wire.Shared):
            self._is_counted(frame.owner, message)
        elif isinstance(message, wire.Here):
            self._is_here(frame.owner)
        elif self._may(frame.owner, message):
            self._asking = frame.owner
            yield message, frame.payload

    def _may(self, owner: int, message: wire.ToWorker) -> bool:
        """Whether it is that owner's to say; who has which session is noted."""
        if isinstance(message, wire.Ping):
            return True
        if isinstance(message, wire.Shutdown):
            return owner == STARTER
        whose = self._sessions.get(message.session_id)
        if whose is not None and whose[0] != owner:
            return False
        if isinstance(message, wire.Open):
            self._sessions[message.session_id] = (owner, message.generation)
        elif isinstance(message, wire.Close) and whose == (owner, message.generation):
            del self._sessions[message.session_id]
        return True

    def _is_here(self, number: int) -> None:
        owner = self._owners.get(number)
        if owner is not None:
            owner.is_here = True
            self._tell_ready()

    def _is_gone(self, number: int) -> Iterator[tuple[wire.ToWorker, bytes]]:
        with self._lock:
            self._owners.pop(number, None)
        its = [(name, generation) for name, (whose, generation) in self._sessions.items() if whose == number]
        log.info("an owner is gone", owner=number, sessions=len(its))
        for session_id, generation in its:
            del self._sessions[session_id]
            yield wire.Close(session_id=session_id, generation=generation), b""

    def _cut(self, number: int) -> None:
        owner = self._owners.get(number)
        if owner is not None:
            owner.cut()

    # What goes.

    def tell(self, message: BaseModel) -> None:
        """To whom it concerns. Raises ``OSError`` when the starter is gone."""
        if not self._is_shared:
            self._starter.sendall(wire.frame(message))
        elif isinstance(message, wire.Pong):
            self._tell_one(self._asking, message)
        elif isinstance(message, wire.Ready):
            self._ready = message
            self._tell_one(STARTER, message)
        elif isinstance(message, wire.Working):
            self._tell_working(message)
        elif isinstance(message, wire.Beside):
            self._tell_one(STARTER, message)
            for owner in self._all():
                owner.put(
                    wire.frame(message.model_copy(update={"voices": self._told_of(owner.number, message.voices)}))
                )
        elif isinstance(message, wire.Ran | wire.EncoderLoading | wire.Broken):
            self._tell_one(STARTER, message)
            for owner in self._all():
                owner.put(wire.frame(message))
        else:
            session_id: str = getattr(message, "session_id", "")
            whose = self._sessions.get(session_id)
            if whose is not None:
                self._tell_one(whose[0], message)

    def _tell_working(self, working: wire.Working) -> None:
        """Each is told of its own sound alone; that voices are told apart concerns all: see ``AsrClient.on_lost``."""
        self._tell_one(STARTER, working)
        owners = self._all()
        busy = {
            owner.number
            for owner in owners
            if working.voices or any(self._is_of(owner.number, session[0]) for session in working.sessions)
        }
        for owner in owners:
            if owner.number not in busy | self._busy:
                continue
            its = wire.Working(
                sessions=tuple(each for each in working.sessions if self._is_of(owner.number, each[0])),
                voices=self._told_of(owner.number, working.voices),
                changes=working.changes,
            )
            owner.put(wire.frame(its))
        self._busy = frozenset(busy)

    def _told_of(self, number: int, voices: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        own = tuple(each for each in voices if self._is_of(number, each[0]))
        return own or ((_ELSEWHERE,) if voices else ())

    def _is_of(self, number: int, session_id: str) -> bool:
        return self._sessions.get(session_id, (STARTER, 0))[0] == number

    def _tell_one(self, number: int, message: BaseModel) -> None:
        if number == STARTER:
            self._starter.sendall(wire.frame(message))
        elif (owner := self._owners.get(number)) is not None:
            owner.put(wire.frame(message))

    def _is_counted(self, number: int, shared: wire.Shared) -> None:
        if number == STARTER:
            is_news = shared.processes != self._processes
            self._processes = shared.processes
            for owner in self._all() if is_news else ():
                owner.is_told = False
            self._tell_ready()

    def _tell_ready(self) -> None:
        """Once it is known how many such processes there are: each owner has its part of each."""
        if self._ready is None or self._processes is None:
            return
        for owner in self._all():
            if owner.is_here and not owner.is_told:
                owner.is_told = True
                owner.put(wire.frame(self._ready.model_copy(update={"workers_max": self._processes})))

    def _all(self) -> list[Owner]:
        with self._lock:
            return list(self._owners.values())
