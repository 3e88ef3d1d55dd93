"""Which containers and codecs are taken, told by the first bytes and never by a name or by libav's own guess.

libav asked to guess will open playlists, descriptions of sessions and lists of other files ("ffconcat"), and those open
what they name: files of other people, addresses inside the network. So the format is always forced to one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import AudioFormatError

HEAD_BYTES = 16
"""What ``sniff`` needs of the beginning; fewer only when the stream is shorter."""


@dataclass(frozen=True)
class Container:
    name: str  # for people
    demuxer: str  # libavformat's name


WAV = Container("wav", "wav")
MP3 = Container("mp3", "mp3")
MP4 = Container("mp4", "mp4")
FLAC = Container("flac", "flac")
OGG = Container("ogg", "ogg")
MATROSKA = Container("webm", "matroska")
ADTS = Container("aac", "aac")
AIFF = Container("aiff", "aiff")

_MEDIA_TYPES = {
    "wav": ("audio/wav", "wav"),
    "mp3": ("audio/mpeg", "mp3"),
    "mp4": ("audio/mp4", "m4a"),
    "flac": ("audio/flac", "flac"),
    "ogg": ("audio/ogg", "ogg"),
    "webm": ("audio/webm", "webm"),
    "aac": ("audio/aac", "aac"),
    "aiff": ("audio/aiff", "aiff"),
}

CODECS = frozenset(
    {"aac", "adpcm_ima_wav", "adpcm_ms", "alac", "flac", "libopus", "libspeex", "libvorbis", "mp3", "mp3float", "opus"}
    | {"pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_mulaw", "pcm_s16be", "pcm_s16le"}
    | {"pcm_s24be", "pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_s8", "pcm_u8", "speex", "vorbis"}
)
"""libavcodec's decoders that may run. A picture or video stream beside the sound is never decoded."""

_ID3_HEADER_BYTES = 10


def media_type_of(container: Container) -> tuple[str, str]:
    """Its media type, and the suffix of a file's name."""
    return _MEDIA_TYPES[container.name]


def sniff(head: bytes, read_at: Callable[[int], bytes] | None = None) -> Container:
    """The container that begins with ``head``. Raises ``AudioFormatError`` for any other.

    ``read_at(offset_bytes)`` gives a few bytes further on, to look behind an ID3 tag; without it such a stream is MP3.
    """
    if head[:3] == b"ID3" and len(head) >= _ID3_HEADER_BYTES:
        return _behind_tag(head, read_at)
    found = _by_magic(head)
    if found is None:
        raise AudioFormatError(
            "this is no audio file that we know: send WAV, MP3, M4A, FLAC, OGG or WebM",
            details={"containers": [c.name for c in (WAV, MP3, MP4, FLAC, OGG, MATROSKA, ADTS, AIFF)]},
        )
    return found


def _by_magic(head: bytes) -> Container | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[:4] == b"OggS":
        return OGG
    if head[:4] == b"fLaC":
        return FLAC
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML, RFC 8794 section 11.2.1
        return MATROSKA
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12, 4.3
        return MP4
    return _by_sync(head)


def _by_sync(head: bytes) -> Container | None:
    """MPEG audio has no magic, only a header with fields that have impossible values."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:  # ISO/IEC 13818-7: sync of 12 bits, layer 00
        return ADTS if head[2] >> 2 & 0x0F < 13 else None
    # ISO/IEC 11172-3, 2.4.1.3: sync of 11 bits (with MPEG 2.5); version 01, layer 00, bit rate 15, rate 3 are reserved.
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 3
    is_header = head[1] & 0xE0 == 0xE0 and version != 1 and layer != 0 and bit_rate != 15 and rate != 3
    return MP3 if is_header else None


def _behind_tag(head: bytes, read_at: Callable[[int], bytes] | None) -> Container:
    """ID3v2.4, section 3.1: four bytes of seven bits tell the tag's length; it may stand before FLAC and AAC, too."""
    length_bytes = 0
    for byte in head[6:10]:
        length_bytes = length_bytes << 7 | byte & 0x7F
    found = _by_magic(read_at(_ID3_HEADER_BYTES + length_bytes)) if read_at else None
    return found if found in (FLAC, ADTS, AIFF, WAV) and found is not None else MP3
