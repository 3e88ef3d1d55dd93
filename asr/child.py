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
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from asr.link import READ_BYTES, ChildGone, Ending, OpenLink, StreamLink, WorkerLink, streams_of
from asr.wire import Credentials, Shutdown
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
LINE_MAX_CHARS = 500
LINES_PER_S_MAX = 50
GRACE_S = 2.0  # for a stack dump, or for leaving after Shutdown


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


class Child(StreamLink):
    """A running inference process. ``end`` must be awaited; it reaps the process and closes everything.

    The process holds the other end of the socket: when this process dies, it reads the end of the stream and leaves.
    """

    def __init__(
        self,
        process: Running,
        reader: asyncio.StreamReader,
        reading: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(process.pid, reader, reading, writer)
        self._process = process
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
        child = cls(process, *await streams_of(ours))
        if settings.riva_token:
            child.write(Credentials(riva_token=settings.riva_token))
        return child

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
        await self.hung_up()
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


def spawning(command: Sequence[str]) -> OpenLink:
    """Links to children that run the command."""

    async def spawn(settings: WorkerSettings, _: asyncio.Event) -> WorkerLink:
        return await Child.spawn(command, settings)

    return spawn


def _how_it_ended(returncode: int | None) -> str:
    if returncode is not None and returncode < 0:
        with contextlib.suppress(ValueError):
            return f"the inference process was ended by {signal.Signals(-returncode).name}"
    return f"the inference process exited with code {returncode}"
