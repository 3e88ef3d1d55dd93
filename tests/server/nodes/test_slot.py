"""A node's place in its data folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from server.nodes.slot import Slot


def test_each_process_has_a_place_and_knows_who_had_it_before(tmp_path: Path) -> None:
    first = Slot.take(tmp_path / "nodes")
    assert (first.gone, first.is_alone) == ((), True)
    first.name("nod_first")
    second = Slot.take(tmp_path / "nodes")
    assert (second.gone, second.is_alone) == ((), False)
    second.name("nod_second")
    first.close()
    first.close()
    third = Slot.take(tmp_path / "nodes")
    assert (third.gone, third.is_alone) == (("nod_first",), False)
    third.name("nod_3")  # shorter than what was there
    third.close()
    second.close()
    last = Slot.take(tmp_path / "nodes")
    assert (sorted(last.gone), last.is_alone) == (["nod_3", "nod_second"], True)
    last.close()


HOLD = """
import sys, pathlib
from server.nodes.slot import Slot
slot = Slot.take(pathlib.Path(sys.argv[1]))
slot.name("nod_killed")
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_process_that_was_killed_is_gone_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        beside = Slot.take(tmp_path)
        assert (beside.gone, beside.is_alone) == ((), False)
        process.kill()
        process.wait()
        beside.close()
    after = Slot.take(tmp_path)
    assert (after.gone, after.is_alone) == (("nod_killed",), True)
    after.close()
