from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import container_stream
from media.container_stream import ContainerDecoder
from media.decode import DecodeLimits, decode_file
from protocol.blocks import Block
from protocol.errors import AudioFormatError, EarshotError, StoreUnavailable, TooLarge
from tests.media.made_files import make

LIMITS = DecodeLimits(bytes_max=10_000_000, duration_max_s=600.0)


class Heard:
    """Collects blocks and lets the test wait for sound."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self._changed = threading.Condition()

    def on_block(self, block: Block) -> None:
        with self._changed:
            assert block.start_samples == self.end_samples
            self.pcm += block.pcm
            self._changed.notify_all()

    @property
    def end_samples(self) -> int:
        return len(self.pcm) // 2

    def wait_for(self, samples: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.end_samples >= samples, timeout=10)


def as_file(folder: Path, data: bytes) -> bytes:
    path = folder / "whole"
    path.write_bytes(data)
    return b"".join(block.pcm for block in decode_file(path, LIMITS))


@pytest.mark.parametrize("kind", ["webm", "mkv_pcm", "ogg", "mp4_fragmented", "wav", "adts"])
@pytest.mark.parametrize("step_bytes", [100, 5000])
def test_a_stream_is_to_the_bit_what_the_file_is(tmp_path: Path, kind: str, step_bytes: int) -> None:
    data = make(kind, 2.0)
    heard = Heard()
    decoder = ContainerDecoder(LIMITS, heard.on_block)
    for at in range(0, len(data), step_bytes):
        decoder.feed(data[at : at + step_bytes])
    decoder.close()
    decoder.close()
    assert decoder.fed_bytes == len(data)
    assert bytes(heard.pcm) == as_file(tmp_path, data)


@pytest.mark.parametrize(("kind", "behind_s"), [("webm", 0.7), ("mp4_fragmented", 1.2), ("wav", 0.6)])
def test_sound_comes_while_the_stream_does(kind: str, behind_s: float) -> None:
    data = make(kind, 6.0)
    heard = Heard()
    decoder = ContainerDecoder(LIMITS, heard.on_block)
    decoder.feed(data[: len(data) // 2])
    assert heard.wait_for(round((3.0 - behind_s) * 16_000))
    decoder.feed(data[len(data) // 2 :])
    decoder.close()
    assert abs(heard.end_samples / 16_000 - 6.0) < 0.1


def test_a_stream_cut_anywhere_gives_what_came() -> None:
    data = make("webm", 4.0)
    heard = Heard()
    decoder = ContainerDecoder(LIMITS, heard.on_block)
    decoder.feed(data[: len(data) // 2])
    decoder.close()
    assert 1.5 < heard.end_samples / 16_000 < 2.2


def test_a_slow_receiver_holds_the_feeder_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_stream, "_PIPE_MAX_BYTES", 10_000)
    go_on = threading.Event()
    heard = Heard()

    def slow(block: Block) -> None:
        go_on.wait(10)
        heard.on_block(block)

    data = make("wav", 10.0)
    decoder = ContainerDecoder(LIMITS, slow)

    def feed_all() -> None:
        for at in range(0, len(data), 5_000):
            decoder.feed(data[at : at + 5_000])

    feeder = threading.Thread(target=feed_all)
    feeder.start()
    deadline = time.monotonic() + 10
    while decoder.fed_bytes < 10_000 and time.monotonic() < deadline:
        time.sleep(0.001)
    feeder.join(timeout=0.05)
    assert feeder.is_alive()
    assert decoder.fed_bytes < 150_000  # the pipe, and what libav reads ahead to open
    go_on.set()
    feeder.join(timeout=10)
    decoder.close()
    assert heard.end_samples == 160_000


@pytest.mark.parametrize(
    "data", [b"#EXTM3U\nfile:///etc/passwd\n", bytes(5000), b"text", b"\x1a\x45\xdf\xa3" + bytes(500)]
)
def test_what_is_no_container_is_told_to_the_feeder(data: bytes) -> None:
    decoder = ContainerDecoder(LIMITS, lambda _: None)
    with pytest.raises(AudioFormatError):  # by whichever call comes after the thread has seen it
        _feed_and_close(decoder, [data] * 3)
    with pytest.raises(AudioFormatError):
        decoder.close()
    with pytest.raises(AudioFormatError):
        decoder.feed(data)


def test_a_stream_without_bytes_is_no_error() -> None:
    decoder = ContainerDecoder(LIMITS, lambda _: None)
    decoder.feed(b"")
    decoder.close()


def test_limits_of_bytes_and_length() -> None:
    data = make("ogg", 10.0, sound=np.zeros((1, 480_000), np.float32))
    decoder = ContainerDecoder(DecodeLimits(bytes_max=10**6, duration_max_s=2.0), lambda _: None)
    with pytest.raises(TooLarge):
        _feed_and_close(decoder, [data])
    decoder = ContainerDecoder(DecodeLimits(bytes_max=100, duration_max_s=2.0), lambda _: None)
    with pytest.raises(TooLarge):
        decoder.feed(data)
    decoder.close()


def test_what_the_receiver_raises_reaches_the_feeder() -> None:
    def refuse(block: Block) -> None:
        raise StoreUnavailable("the disk is full")

    decoder = ContainerDecoder(LIMITS, refuse)
    with pytest.raises(StoreUnavailable):
        _feed_and_close(decoder, [make("wav", 1.0)])


FUZZED = {kind: make(kind, 0.3) for kind in ("webm", "ogg", "mp4_fragmented", "wav")}


@settings(max_examples=60)
@given(
    kind=st.sampled_from(sorted(FUZZED)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    step_bytes=st.integers(50, 5000),
)
def test_any_damage_gives_sound_or_a_documented_error(
    kind: str, changes: list[tuple[float, int]], step_bytes: int
) -> None:
    data = bytearray(FUZZED[kind])
    for where, value in changes:
        data[int(where * 2 * min(200, len(data))) if where < 0.5 else int(where * len(data))] = value
    heard = Heard()
    decoder = ContainerDecoder(DecodeLimits(bytes_max=10**6, duration_max_s=120.0), heard.on_block)
    try:
        _feed_and_close(decoder, [bytes(data[at : at + step_bytes]) for at in range(0, len(data), step_bytes)])
    except EarshotError:
        return


@pytest.mark.speech
@pytest.mark.parametrize("name", ["mediarecorder/chrome57.webm", "mediarecorder/firefox53.webm"])
def test_what_browsers_record(speech_data: Path, tmp_path: Path, name: str) -> None:
    data = (speech_data / "media" / name).read_bytes()
    heard = Heard()
    _feed_and_close(ContainerDecoder(LIMITS, heard.on_block), [data[at : at + 777] for at in range(0, len(data), 777)])
    assert bytes(heard.pcm) == as_file(tmp_path, data)


def _feed_and_close(decoder: ContainerDecoder, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            decoder.feed(piece)
    finally:
        decoder.close()
