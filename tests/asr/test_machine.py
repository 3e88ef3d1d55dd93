from __future__ import annotations

import pytest

from asr import machine


def test_this_machine_has_something() -> None:
    assert machine.cores() >= 1
    assert machine.free_bytes() > 1 << 20


@pytest.mark.parametrize(("cores", "free_mb", "processes"), [(8, 100_000, 8), (8, 500, 5), (8, 10, 1), (1, 100_000, 1)])
def test_as_many_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch, cores: int, free_mb: int, processes: int
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: cores)
    monkeypatch.setattr(machine, "free_bytes", lambda: free_mb << 20)
    assert machine.one_per_core(100 << 20) == processes
