from __future__ import annotations

import inspect
import os
import struct
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from media import decode
from media.decode import DecodeLimits, check_file, decode_file, open_container, probe_duration_s
from media.recording import Recording
from media.records import encode
from media.wav import wav_header
from protocol.errors import AudioFormatError, EarshotError, NotFound, TooLarge
from tests.media.made_files import KINDS, make, tone

LIMITS = DecodeLimits(bytes_max=10_000_000, duration_max_s=600.0)
# Lossy codecs add a frame or two of their own at the ends.
PADDING_S = 0.08


def decoded(path: Path, limits: DecodeLimits = LIMITS) -> npt.NDArray[np.int16]:
    at = 0
    parts = []
    for block in decode_file(path, limits):
        assert block.start_samples == at
        at = block.end_samples
        parts.append(block.pcm)
    return np.frombuffer(b"".join(parts), "<i2")


def written(folder: Path, data: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_every_kind_is_its_sound(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, make(kind, 2.0))
    sound = decoded(path)
    assert abs(len(sound) / 16_000 - 2.0) <= PADDING_S
    middle = sound[8_000:24_000].astype(float)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 440  # one bin a hertz
    assert abs(np.sqrt(np.mean(middle**2)) / (0.5 * 32767 / np.sqrt(2)) - 1) < 0.06
    duration_s = probe_duration_s(path, LIMITS)
    assert duration_s is None or abs(duration_s - 2.0) <= PADDING_S


def test_a_live_webm_has_no_length_to_tell(tmp_path: Path) -> None:
    assert probe_duration_s(written(tmp_path, make("webm", 0.5)), LIMITS) is None


@pytest.mark.parametrize("kind", ["ogg", "webm"])  # with and without a length in its header
@pytest.mark.parametrize("length_max_s", [600.0, 0.5])
def test_reading_that_is_given_up_is_ended_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, length_max_s: float
) -> None:
    readings: list[Generator[Any]] = []  # kept, so that nothing but their ``close`` ends them

    class Kept:
        def __init__(self, container: Any) -> None:
            self.container = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self.container, name)

        def demux(self, stream: Any) -> Generator[Any]:
            readings.append(packet for packet in self.container.demux(stream))
            return readings[-1]

    monkeypatch.setattr(decode, "open_container", lambda *args, **how: Kept(open_container(*args, **how)))
    with suppress(TooLarge):
        check_file(written(tmp_path, make(kind, 2.0)), replace(LIMITS, duration_max_s=length_max_s))
    assert readings
    assert all(inspect.getgeneratorstate(each) == inspect.GEN_CLOSED for each in readings)


def test_blocks_are_about_a_second(tmp_path: Path) -> None:
    lengths = [block.length_samples for block in decode_file(written(tmp_path, make("flac", 3.3)), LIMITS)]
    assert all(16_000 <= length < 18_000 for length in lengths[:-1])


def test_channels_are_mixed(tmp_path: Path) -> None:
    left = tone(44_100, 1.0)
    sound = decoded(written(tmp_path, make("wav", 1.0, layout="stereo", sound=np.stack([left, 0 * left]))))
    assert np.abs(sound).max() == pytest.approx(0.25 * 32767, rel=0.01)


@pytest.mark.parametrize("kind", ["ogg", "adts", "flac", "wav"])
def test_eight_channels_do_not_end_the_process(tmp_path: Path, kind: str) -> None:
    sound = decoded(written(tmp_path, make(kind, 1.0, layout="7.1")))
    assert abs(len(sound) / 16_000 - 1.0) <= PADDING_S
    assert np.abs(sound[4000:12_000]).max() == pytest.approx(0.5 * 32767, rel=0.15)


@pytest.mark.parametrize("kind", ["flac", "wav"])
def test_channels_without_a_place_are_mixed_alike(tmp_path: Path, kind: str) -> None:
    sound = decoded(written(tmp_path, make(kind, 0.5, layout="3.0")))
    assert np.abs(sound).max() == pytest.approx(0.5 * 32767, rel=0.05)


def test_our_own_recording_comes_back_to_the_bit(tmp_path: Path) -> None:
    pcm = np.random.default_rng(5).integers(-32768, 32767, 16_001, dtype=np.int16).astype("<i2").tobytes()
    (tmp_path / "a.rec").write_bytes(encode(0, pcm))
    path = written(tmp_path, b"".join(Recording(tmp_path / "a.rec").wav_bytes()))
    assert decoded(path).tobytes() == pcm


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "webm", "mp4_fragmented", "adts"])
def test_a_cut_file_gives_what_is_there(tmp_path: Path, kind: str) -> None:
    data = make(kind, 4.0)
    sound = decoded(written(tmp_path, data[: len(data) // 2]))
    assert 0.7 <= len(sound) / 16_000 <= 2.6


def test_a_cut_file_is_told_in_the_log(tmp_path: Path) -> None:
    data = make("flac", 4.0)
    with structlog.testing.capture_logs() as logs:
        decoded(written(tmp_path, data[: len(data) // 2]))
    assert [entry["event"] for entry in logs] == ["damaged media"]
    assert logs[0]["declared_s"] == 4.0


def test_a_damaged_packet_costs_only_itself(tmp_path: Path) -> None:
    data = bytearray(make("webm", 4.0))
    middle = len(data) // 2
    data[middle : middle + 30] = os.urandom(30)
    assert abs(len(decoded(written(tmp_path, bytes(data)))) / 16_000 - 4.0) <= 0.6


@pytest.mark.parametrize(
    "text",
    [
        b"ffconcat version 1.0\nfile victim.wav\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nvictim.wav\n#EXT-X-ENDLIST\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
        b'<?xml version="1.0"?><MPD><Period><BaseURL>victim.wav</BaseURL></Period></MPD>',
        b"[playlist]\nFile1=victim.wav\n",
    ],
    ids=["ffconcat", "m3u8", "sdp", "xml", "pls"],
)
@pytest.mark.parametrize(
    "before", [b"", b"RIFF\x24\0\0\0WAVE", b"OggS", b"fLaC", b"\xff\xfb\x90\x00", b"\0\0\0\x10ftypM4A "]
)
def test_a_file_that_names_another_is_refused(tmp_path: Path, text: bytes, before: bytes) -> None:
    (tmp_path / "victim.wav").write_bytes(make("wav", 1.0))
    for name in ("upload.wav", "upload.m3u8", "upload.ffconcat"):
        path = tmp_path / name
        path.write_bytes(before + text)
        with pytest.raises(AudioFormatError):
            decoded(path)


def test_a_film_that_refers_to_another_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "victim.wav").write_bytes(make("wav", 1.0))
    data = make("m4a", 0.5)
    # "url " with flag 1 means "in this file"; cleared, it names another one (ISO/IEC 14496-12, 8.7.2).
    at = data.index(b"url \0\0\0\x01")
    path = written(tmp_path, data[: at + 7] + b"\0" + data[at + 8 :])
    with suppress(AudioFormatError):
        assert len(decoded(path)) <= 0.6 * 16_000


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"text, and nothing but text", bytes(4096), b"\x1a\x45\xdf\xa3" + bytes(100), b"fLaC" + bytes(100)],
)
def test_what_is_no_audio_is_a_typed_error(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    with pytest.raises(AudioFormatError):
        decoded(path)


def test_a_file_without_sound_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(AudioFormatError, match="no sound"):
        decoded(written(tmp_path, wav_header(0)))


@pytest.mark.parametrize("kind", ["flac", "ogg", "webm"])
def test_a_bomb_of_silence_is_stopped(tmp_path: Path, kind: str) -> None:
    rate_hz = KINDS[kind][2]
    data = make(kind, 60.0, sound=np.zeros((1, rate_hz * 60), np.float32))
    assert len(data) < 60 * 32_000 / 10
    ends_samples: list[int] = []
    limits = DecodeLimits(bytes_max=10_000_000, duration_max_s=5.0)
    blocks = decode_file(written(tmp_path, data), limits)
    with pytest.raises(TooLarge):
        ends_samples.extend(block.end_samples for block in blocks)
    assert 4 * 16_000 <= ends_samples[-1] <= 5 * 16_000


def test_limits_of_bytes_work_rate_and_channels(tmp_path: Path) -> None:
    path = written(tmp_path, make("wav", 1.0, layout="5.1"))
    with pytest.raises(TooLarge):
        decoded(path, DecodeLimits(bytes_max=1000, duration_max_s=10))
    with pytest.raises(TooLarge):
        decoded(path, DecodeLimits(bytes_max=10**7, duration_max_s=10, work_max_s=0.0))
    with pytest.raises(AudioFormatError):
        decoded(path, DecodeLimits(bytes_max=10**7, duration_max_s=10, channels_max=2))
    with pytest.raises(AudioFormatError):
        decoded(path, DecodeLimits(bytes_max=10**7, duration_max_s=10, sample_rate_max_hz=16_000))


def test_sizes_in_headers_are_not_believed(tmp_path: Path) -> None:
    data = bytearray(make("wav", 1.0))
    at = data.index(b"data")
    data[at + 4 : at + 8] = data[4:8] = struct.pack("<I", 0xFFFF_FFFF)
    assert len(decoded(written(tmp_path, bytes(data)))) == 16_000


def test_numbers_that_are_none_are_silence(tmp_path: Path) -> None:
    sound = np.full((1, 16_000), np.nan, np.float32)
    assert not decoded(written(tmp_path, make("wav_float", 1.0, sound=sound))).any()


def test_a_missing_file_is_not_found_and_named_nowhere(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        decoded(tmp_path / "secret")
    assert "secret" not in str(caught.value.to_dict())


FUZZED = {kind: make(kind, 0.3) for kind in ("wav", "flac", "mp3", "m4a", "ogg", "webm", "adts", "aiff")}


@settings(max_examples=120)
@given(
    kind=st.sampled_from(sorted(FUZZED)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    cut=st.floats(0, 1),
)
def test_any_damage_gives_sound_or_a_documented_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[float, int]], cut: float
) -> None:
    data = bytearray(FUZZED[kind])
    for where, value in changes:
        # Half of the damage goes to the header, where it hurts.
        at = int(where * 2 * min(200, len(data))) if where < 0.5 else int(where * len(data))
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data[: int(len(data) * cut) + 1])
    try:
        decoded(path, DecodeLimits(bytes_max=10**6, duration_max_s=120.0))
    except EarshotError:
        return


@pytest.mark.speech
def test_recordings_and_broken_ones(speech_data: Path) -> None:
    paths = [path for path in sorted((speech_data / "media").rglob("*")) if path.is_file()]
    lengths_s: dict[str, float] = {}
    for path in paths:
        try:
            lengths_s[path.name] = len(decoded(path)) / 16_000
        except AudioFormatError:
            lengths_s[path.name] = 0.0
    for name in ("mono.zero.wav", "text.webm", "zeros.webm", "evil.wav", "awful.wav", "chrome57_trunc_mid_header.webm"):
        assert lengths_s[name] == 0.0
    for suffix in ("mp3", "mp4", "ogg", "webm", "aac", "flac"):
        assert lengths_s[f"p001.{suffix}"] == pytest.approx(9.0, abs=0.02)
    assert lengths_s["lj001_60s_aac_frag.mp4"] == pytest.approx(60.0, abs=0.05)
    assert lengths_s["lj001_60s_opus_stereo.ogg"] == pytest.approx(60.0, abs=0.01)
    assert lengths_s["chrome57.webm"] == lengths_s["chrome57_bitflips.webm"] == pytest.approx(7.32, abs=0.001)
    assert lengths_s["chrome57_trunc50.webm"] == pytest.approx(3.6, abs=0.05)
