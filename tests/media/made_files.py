"""Small media files made on the spot, so that the tests mean something without recordings."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

# name -> (muxer, encoder, rate, options of the muxer)
KINDS: dict[str, tuple[str, str, int, dict[str, str]]] = {
    "wav": ("wav", "pcm_s16le", 44_100, {}),
    "wav24": ("wav", "pcm_s24le", 48_000, {}),
    "wav8": ("wav", "pcm_u8", 8_000, {}),
    "wav_float": ("wav", "pcm_f32le", 16_000, {}),
    "wav_mulaw": ("wav", "pcm_mulaw", 8_000, {}),
    "rf64": ("wav", "pcm_s16le", 22_050, {"rf64": "always"}),
    "aiff": ("aiff", "pcm_s16be", 44_100, {}),
    "flac": ("flac", "flac", 48_000, {}),
    "mp3": ("mp3", "libmp3lame", 44_100, {}),
    "m4a": ("ipod", "aac", 44_100, {}),
    "mp4_fragmented": ("mp4", "aac", 48_000, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "adts": ("adts", "aac", 44_100, {}),
    "ogg": ("ogg", "libopus", 48_000, {}),
    "ogg_flac": ("ogg", "flac", 44_100, {}),
    "webm": ("webm", "libopus", 48_000, {"live": "1", "cluster_time_limit": "500"}),
    "mkv_pcm": ("matroska", "pcm_f32le", 48_000, {}),
}


def tone(rate_hz: int, duration_s: float, hz: float = 440.0) -> npt.NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * duration_s)) / rate_hz)).astype(np.float32)


def make(
    kind: str, duration_s: float, *, layout: str = "mono", sound: npt.NDArray[np.float32] | None = None, **more: str
) -> bytes:
    """A file of ``kind``; ``sound`` of shape ``(channels, n)`` instead of a tone on every channel; ``more`` options of
    its muxer."""
    muxer, encoder, rate_hz, options = KINDS[kind]
    channels = av.AudioLayout(layout).nb_channels
    if sound is None:
        sound = np.tile(tone(rate_hz, duration_s), (channels, 1))
    file = io.BytesIO()
    with av.open(file, "w", format=muxer, container_options=options | more) as output:
        stream = output.add_stream(encoder, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        for at in range(0, sound.shape[1], 960):
            piece = np.ascontiguousarray(sound[:, at : at + 960].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()
