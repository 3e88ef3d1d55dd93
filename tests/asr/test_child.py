from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

import asr.child
from asr.child import WORKER_COMMAND, Child, _has_avx512, worker_environment
from asr.link import Ending
from asr.wire import Ping, Pong, Ready
from asr.worker_settings import WorkerSettings
from tests.asr.conftest import WAIT_S

pytestmark = pytest.mark.usefixtures("real_starts")


@pytest.mark.parametrize(
    ("flags", "has"),
    [
        ("fpu avx2 avx512f avx512bw avx512cd avx512dq avx512vl avx512_vnni", True),
        ("fpu avx2 avx512f avx512bw avx512cd avx512dq", False),
        ("fpu avx2", False),
    ],
)
def test_avx_512_is_asked_for_where_the_processor_has_all_of_it(tmp_path: Path, flags: str, has: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t\t: {flags}\n")
    assert _has_avx512(cpuinfo) is has


def test_a_processor_that_says_nothing_has_none(tmp_path: Path) -> None:
    assert not _has_avx512(tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("Features : fp asimd\n")
    assert not _has_avx512(tmp_path / "cpuinfo")


def test_what_the_operator_says_of_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr.child, "_has_avx512", lambda: True)
    monkeypatch.delenv("CT2_FORCE_CPU_ISA", raising=False)
    assert worker_environment()["CT2_FORCE_CPU_ISA"] == "AVX512"
    monkeypatch.setenv("CT2_FORCE_CPU_ISA", "AVX2")
    assert worker_environment()["CT2_FORCE_CPU_ISA"] == "AVX2"


def test_a_number_means_the_same_gpu_to_cuda_and_to_nvidia_smi_unless_the_operator_counts_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert worker_environment()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert worker_environment()["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_whatever_event_loop_every_answer_is_read_while_it_is_written_to(
    tmp_path: Path, loop_of: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def converse() -> list[int]:
        child = await Child.spawn(WORKER_COMMAND, WorkerSettings(engine="scripted", models_dir=tmp_path))
        answered: list[int] = []
        try:
            async with asyncio.timeout(WAIT_S):
                async for message in child.messages():
                    if isinstance(message, Ready):
                        for number in range(200):
                            await child.send(Ping(number=number))
                    elif isinstance(message, Pong):
                        answered.append(message.number)
                        if message.number == 199:
                            break
        finally:
            await child.end(Ending.SHUTDOWN)
        return answered

    with asyncio.Runner(loop_factory=loop_of) as runner:
        assert runner.run(converse()) == list(range(200))


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_everybody_leaves_the_worker_to_its_server(tmp_path: Path, asked: signal.Signals) -> None:
    child = await Child.spawn(WORKER_COMMAND, WorkerSettings(engine="scripted", models_dir=tmp_path))
    try:
        async with asyncio.timeout(WAIT_S):
            async for message in child.messages():
                if isinstance(message, Ready):
                    os.kill(child.pid, asked)
                    await child.send(Ping(number=7))
                elif isinstance(message, Pong):
                    break
            else:
                pytest.fail("it left")
    finally:
        assert "code 0" in await child.end(Ending.SHUTDOWN)
