from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.containers import (
    ADTS,
    AIFF,
    CODECS,
    FLAC,
    HEAD_BYTES,
    MATROSKA,
    MP3,
    MP4,
    OGG,
    WAV,
    Container,
    sniff,
)
from protocol.errors import AudioFormatError
from tests.media.made_files import make


@pytest.mark.parametrize(
    ("kind", "container"),
    [
        ("wav", WAV),
        ("rf64", WAV),
        ("aiff", AIFF),
        ("flac", FLAC),
        ("mp3", MP3),
        ("m4a", MP4),
        ("mp4_fragmented", MP4),
        ("adts", ADTS),
        ("ogg", OGG),
        ("ogg_flac", OGG),
        ("webm", MATROSKA),
        ("mkv_pcm", MATROSKA),
    ],
)
def test_what_we_take_is_told_by_its_beginning(kind: str, container: Container) -> None:
    assert sniff(make(kind, 0.1)[:HEAD_BYTES]) is container


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\0" * 16,
        b"ffconcat version 1.0\nfile victim.wav",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
        b"<?xml version='1.0'?><MPD/>",
        b"RIFF\0\0\0\0AVI LIST",
        b"RIFX\0\0\0\0WAVE",
        b"FORM\0\0\0\0ILBM",
        b"\xff\xd8\xff\xe0 a picture",
        b"\xff\xfe\xff\xff",
        b"just text",
    ],
)
def test_everything_else_is_refused(head: bytes) -> None:
    with pytest.raises(AudioFormatError):
        sniff(head[:HEAD_BYTES])


@pytest.mark.parametrize(("kind", "container"), [("flac", FLAC), ("adts", ADTS), ("mp3", MP3), ("ogg", MP3)])
def test_what_stands_behind_a_tag_decides(kind: str, container: Container) -> None:
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 5]) + bytes(2 * 128 + 5)
    file = io.BytesIO(tag + make(kind, 0.1).removeprefix(b"ID3"))

    def read_at(offset_bytes: int) -> bytes:
        file.seek(offset_bytes)
        return file.read(HEAD_BYTES)

    assert sniff(read_at(0), read_at) is container
    assert sniff(read_at(0)) is MP3


def test_no_codec_of_pictures_and_no_demuxer_of_lists_is_taken() -> None:
    assert not CODECS & {"h264", "hevc", "vp8", "vp9", "av1", "png", "mjpeg", "ass", "srt"}
    taken = {container.demuxer for container in (WAV, MP3, MP4, FLAC, OGG, MATROSKA, ADTS, AIFF)}
    assert not taken & {"concat", "hls", "dash", "sdp", "rtsp", "image2", "lavfi", "tee"}


@given(head=st.binary(max_size=HEAD_BYTES))
def test_any_bytes_are_a_container_or_a_typed_error(head: bytes) -> None:
    try:
        sniff(head)
    except AudioFormatError:
        return
