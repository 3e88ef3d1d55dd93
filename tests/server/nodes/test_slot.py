"""A node's place in its data folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import NotFound
from server.nodes.slot import Slot
from server.spool import Spool
from server.store.records import NewEvent
from tests.fakes.node import running_services
from tests.server.spoken import status


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


def test_places_that_nobody_has_are_kept_while_something_lies_beside_them(tmp_path: Path) -> None:
    first, second, third = [Slot.take(tmp_path) for _ in range(3)]
    for each in (second, third):
        each.path.with_suffix(".events").touch()
        each.path.with_suffix(".fleeting").mkdir()
    third.close()
    first.close()
    again = Slot.take(tmp_path)
    assert (again.path, again.left) == (first.path, (third.path,))
    beside = Slot.take(tmp_path)
    assert (beside.path.name, beside.left) == ("3.lock", ())
    third.path.with_suffix(".events").unlink()  # the empty folder is nothing
    again.leave_left()
    after = Slot.take(tmp_path)
    assert (after.path, after.left) == (third.path, ())
    for each in (again, beside, after, second):
        each.close()


async def test_what_waited_at_places_that_nobody_takes_again_is_done_by_whoever_starts(tmp_path: Path) -> None:
    async with running_services(tmp_path) as services:
        told, fleeting = [(await services.store.create_transcript()).id for _ in range(2)]
    left = tmp_path / "nodes" / "7.lock"  # of a time of more workers
    left.touch()
    await Spool(left.with_suffix(".events"), max_bytes=1 << 20).keep([[NewEvent.of(told, status("waited"))]])
    left.with_suffix(".fleeting").mkdir()
    (left.with_suffix(".fleeting") / fleeting).touch()
    async with running_services(tmp_path) as services:
        assert [event.body for event in await services.store.events_after(told, 0, 10)] == [status("waited")]
        with pytest.raises(NotFound):
            await services.store.get_transcript(fleeting)
    assert sorted(path.name for path in left.parent.glob("7.*/*")) == []
    assert not left.with_suffix(".events").exists()


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
