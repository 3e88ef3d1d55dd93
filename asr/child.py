"""One inference process: started, spoken to over a socket pair, and ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import BaseModel, ValidationError

from asr.gathering import Gathering
from asr.wire import FROM_WORKER, Credentials, FrameError, FrameReader, FromWorker, Shutdown, frame
from asr.worker_settings import WorkerSettings

log = structlog.get_logger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "asr.worker")

# CTranslate2 does not choose AVX-512 by itself. With it an int8 encoder takes 13 to 17 % less time on AMD and Intel.
_AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
INHERITED = frozenset({"PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"})
INHERITED_PREFIXES = (
    *("LC_", "LD_", "DYLD_", "PYTHON", "XDG_"),
    *("CUDA_", "NVIDIA_", "CT2_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "ORT_"),
)
WRITE_HIGH_BYTES = 256 * 1024  # 8 s of sound: senders wait above it
READ_BYTES = 64 * 1024
LINE_MAX_CHARS = 500
LINES_PER_S_MAX = 50
GRACE_S = 2.0  # for a stack dump, or for leaving after Shutdown


class Ending(Enum):
    """How to end the process."""

    LEAVE = "leave"  # it is leaving by itself
    SHUTDOWN = "shutdown"  # it is asked to
    DUMP = "dump"  # it hangs: it writes the stacks of its threads first (SIGABRT, Python's fault handler)
    KILL = "kill"


class ChildGone(Exception):
    """The process went away or talks nonsense; internal to ``asr``."""


def worker_environment() -> dict[str, str]:
    """Of ours only what programs and numeric libraries need to be found and set up: a secret may be under any name."""
    inherited = {
        name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    instructions = {"CT2_FORCE_CPU_ISA": "AVX512"} if _has_avx512() else {}
    # NumPy's second thread would spin between voice activity and model, and take half of the core from both (measured).
    threads = {"OPENBLAS_NUM_THREADS": "1"}
    # By default CUDA counts from the fastest GPU and nvidia-smi by the bus: the free memory of one would be taken for
    # another's. The same number shall mean the same one to both, and to whoever wrote CUDA_VISIBLE_DEVICES.
    devices = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    dumps = {"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"}
    return {**instructions, **threads, **devices, **inherited, **dumps}


def _has_avx512(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        with cpuinfo.open() as lines:  # not all of it: of many cores the kernel takes long to tell
            flags = next(line for line in lines if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return set(flags.split()) >= _AVX512


async def _writer_of(sock: socket.socket) -> asyncio.StreamWriter:
    """Only for writing: somebody else reads at the same socket."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, protocol = await loop.create_unix_connection(lambda: asyncio.StreamReaderProtocol(reader), sock=sock)
    # Nothing is lost until here: the process at the other end has hardly been started. Not in connection_made:
    # uvloop begins to read after that, whatever it did.
    transport.pause_reading()
    return asyncio.StreamWriter(transport, protocol, reader, loop)


class Running(Protocol):
    """What we use of ``asyncio.subprocess.Process``."""

    pid: int
    stdout: asyncio.StreamReader | None

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...


async def run(command: Sequence[str], arguments: Sequence[str], fd: int) -> Running:
    """Start the command, which inherits ``fd``. Raises ``OSError``. Tests that need many put their own here."""
    return await asyncio.create_subprocess_exec(
        *(*command, *arguments),
        pass_fds=(fd,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=worker_environment(),
    )


class Child:
    """A running inference process. ``end`` must be awaited; it reaps the process and closes everything.

    The process holds the other end of the socket: when this process dies, it reads the end of the stream and leaves.
    Ours is read and written apart: when it dies, writing fails first, and its last words shall be read all the same.
    """

    def __init__(
        self,
        process: Running,
        reader: asyncio.StreamReader,
        reading: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.pid = process.pid
        self._process = process
        self._reader = reader
        self._reading = reading  # only to close it
        self._writer = writer
        self._gathering = Gathering(self._write)
        self._said = asyncio.create_task(self._log_what_it_says(), name="asr-child-log")

    @classmethod
    async def spawn(cls, command: Sequence[str], settings: WorkerSettings) -> Child:
        """Start it. Raises ``ChildGone`` when the command cannot be run."""
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            arguments = ("--fd", str(theirs.fileno()), "--settings", settings.to_json())
            process = await run(command, arguments, theirs.fileno())
        except OSError as error:
            ours.close()
            raise ChildGone(f"the inference process cannot be started: {error}") from error
        finally:
            theirs.close()
        if sys.platform == "linux":
            # A core file would hold gigabytes of model, and speech.
            with contextlib.suppress(OSError):
                resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        writer = await _writer_of(ours.dup())
        writer.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        reader, reading = await asyncio.open_unix_connection(sock=ours)
        child = cls(process, reader, reading, writer)
        if settings.riva_token:
            child.write(Credentials(riva_token=settings.riva_token))
        return child

    def hang_up(self) -> None:
        """It reads the end of the stream."""
        self._gathering.stop()
        self._writer.transport.abort()
        self._reading.transport.abort()

    def write(self, message: BaseModel) -> None:
        """Say something short, without waiting for room, after all that was said before."""
        self._gathering.put(frame(message), may_wait=False)

    async def send(self, message: BaseModel, payload: bytes = b"") -> None:
        """Say it and wait while more than the high water mark is unread. Raises ``ChildGone``.

        Sound goes out together with that of others, up to 20 ms later.
        """
        try:
            self._gathering.put(frame(message, payload), may_wait=bool(payload))
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ChildGone("the inference process reads no more") from error

    def _write(self, data: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(data)

    async def messages(self) -> AsyncIterator[FromWorker]:
        """What it says, until it leaves. Raises ``ChildGone`` when it is not as documented."""
        frames = FrameReader()
        while True:
            try:
                data = await self._reader.read(READ_BYTES)
                if not data:
                    return
                for header, _ in frames.feed(data):
                    yield FROM_WORKER.validate_json(header)
            except OSError:
                return
            except (FrameError, ValidationError) as error:
                raise ChildGone("the inference process sent something that is no message") from error

    def resident_mb(self) -> float | None:
        """Its resident memory; None where the system does not tell or it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return None
        return pages * resource.getpagesize() / (1 << 20)

    async def end(self, how: Ending) -> str:
        """Reap it, by force after a grace, and say how it ended. Afterwards nothing of it is open."""
        if how is Ending.SHUTDOWN:
            self.write(Shutdown())
        if how is Ending.DUMP:
            # Continued as well: a stopped process would keep the abort waiting.
            self._signal(signal.SIGABRT)
            self._signal(signal.SIGCONT)
        if how is Ending.KILL or not await self._left(GRACE_S):
            self._signal(signal.SIGKILL)
            await self._process.wait()
        self.hang_up()
        # A process that it started itself may hold its output open: that must not hold us.
        await asyncio.wait({self._said}, timeout=GRACE_S)
        self._said.cancel()
        await asyncio.wait({self._said})
        for closing in (self._writer, self._reading):
            with contextlib.suppress(OSError):
                await closing.wait_closed()
        return _how_it_ended(self._process.returncode)

    def _signal(self, number: signal.Signals) -> None:
        # Not ``send_signal``: it looks first whether the process has ended, and so may reap it behind the back of
        # asyncio's watcher, which then knows no exit status (https://github.com/python/cpython/issues/127049).
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    async def _left(self, within_s: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            return False
        return True

    async def _log_what_it_says(self) -> None:
        """Line by line; long lines are cut, and more than ``LINES_PER_S_MAX`` are counted instead."""
        output = self._process.stdout
        assert output is not None
        loop = asyncio.get_running_loop()
        rest, second, lines, dropped = b"", 0, 0, 0
        while data := await output.read(READ_BYTES):
            *whole, rest = re.split(rb"\r\n|\n|\r", rest + data)
            rest = rest[: LINE_MAX_CHARS * 4]
            for line in whole:
                if int(loop.time()) != second:
                    if dropped:
                        log.warning("inference process lines dropped", pid=self.pid, lines=dropped)
                    second, lines, dropped = int(loop.time()), 0, 0
                lines += 1
                if lines > LINES_PER_S_MAX:
                    dropped += 1
                elif line.strip():
                    log.info(
                        "inference process says", pid=self.pid, line=line.decode(errors="replace")[:LINE_MAX_CHARS]
                    )
        if rest.strip():
            log.info("inference process says", pid=self.pid, line=rest.decode(errors="replace")[:LINE_MAX_CHARS])


def _how_it_ended(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        with contextlib.suppress(ValueError):
            return f"the inference process was ended by {signal.Signals(-returncode).name}"
    return f"the inference process exited with code {returncode}"
