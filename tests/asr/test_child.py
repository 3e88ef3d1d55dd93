from __future__ import annotations

from pathlib import Path

import pytest

import asr.child
from asr.child import _has_avx512, worker_environment


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
