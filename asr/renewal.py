"""From where sound is to be heard again, so that voice activity goes on as if it had never been interrupted. Pure.

A network that remembers all of a track answers by sound that is long gone, and nobody could go on where another one
ended: after a restart utterances would begin and end elsewhere, and words be others. So its memory is renewed every 4 s
of the track: a fresh one listens along for 2 s, then takes the old one's place. What is said of a frame depends on the
2 to 6 s before it and on nothing else.

    frames  0 ......... 128 ....... 192 ......... 256 ....... 320
    memory  |---- of 0 ------------->|
                        |-- of 128 (listens along) --- speaks -->|
                                                 |-- of 256 ...
"""

from __future__ import annotations

from asr.utterances import FRAME_SAMPLES

RENEW_FRAMES = 128  # 4.1 s
ALONG_FRAMES = 64  # 2.0 s; on ten minutes of read speech 0.7 % of the frames are then judged otherwise
LEAD_MAX_SAMPLES = (1 + RENEW_FRAMES + ALONG_FRAMES) * FRAME_SAMPLES


def lead_start(samples: int) -> int:
    """Where to begin to listen, a whole frame of the track, for the same answers from ``samples`` on: one frame before
    a renewal, as a network hears a frame behind the end of the one before."""
    renewals = (samples // FRAME_SAMPLES - ALONG_FRAMES) // RENEW_FRAMES
    return max(0, renewals * RENEW_FRAMES - 1) * FRAME_SAMPLES
