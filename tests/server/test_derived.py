from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from media.recording import Recording
from media.records import encode
from media.wav import SoundReader
from media.waveform import Waveform, peaks
from protocol.errors import Overloaded
from server.derived import Derived, mix_path
from tests.fakes.node import node_settings

SOUND = bytes(range(256)) * 125 * 30  # 30 seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "track"
    path.write_bytes(b"".join(encode(at // 2, SOUND[at : at + 32_000]) for at in range(0, len(SOUND), 32_000)))
    return path


async def test_a_waveform_is_measured_once_however_many_ask(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[SoundReader] = []
    measure = Waveform.measure

    def counted(recording: SoundReader) -> Waveform:
        measured.append(recording)
        return measure(recording)

    monkeypatch.setattr(Waveform, "measure", counted)
    derived, recording = Derived(node_settings(tmp_path)), Recording(path)
    found = await asyncio.gather(*(derived.peaks(recording, path, 100) for _ in range(5)))
    assert found == [peaks(recording, 100)] * 5
    assert (await Derived(node_settings(tmp_path)).peaks(recording, path, 255))[:3] == peaks(recording, 255)[:3]
    assert len(measured) == 1
    # More shares than it has steps for: told from the sound itself.
    assert await derived.peaks(recording, path, 4000) == peaks(recording, 4000)
    with path.open("ab") as file:
        file.write(encode(len(SOUND) // 2, b"\xff\x7f" * 16_000))
    assert max(await derived.peaks(recording, path, 10)) == 1.0
    assert len(measured) == 2


async def test_an_mp3_is_made_once_and_again_when_the_track_has_grown(tmp_path: Path, path: Path) -> None:
    derived, recording = Derived(node_settings(tmp_path)), Recording(path)
    made = await derived.mp3(recording, path, [path])
    first = made.stat()
    assert (await derived.mp3(recording, path, [path])).stat().st_ino == first.st_ino
    later_ns = first.st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(later_ns, later_ns))
    assert (await derived.mp3(recording, path, [path])).stat().st_ino != first.st_ino


async def test_nothing_is_made_on_a_disk_that_is_nearly_full(tmp_path: Path, path: Path) -> None:
    derived = Derived(node_settings(tmp_path, disk_reserve_mb=1 << 40))
    with pytest.raises(Overloaded):
        await derived.mp3(Recording(path), path, [path])


async def test_a_newer_mix_takes_the_place_of_the_older_and_of_nothing_else(tmp_path: Path, path: Path) -> None:
    derived, sound = Derived(node_settings(tmp_path)), Recording(path)
    await derived.mp3(sound, path, [path])
    for key in ("one", "two"):
        mixed = mix_path(tmp_path, key)
        await derived.mp3(sound, mixed, [path])
        await derived.peaks(sound, mixed, 10)
    assert {each.name for each in tmp_path.glob("*.*") if each.is_file()} == {
        "track.mp3",
        "mix-two.mp3",
        "mix-two.peaks",
    }
