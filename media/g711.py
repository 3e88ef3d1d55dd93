"""G.711 in software: the 256 values of each law, computed from ITU-T G.711 (11/88), tables 1a and 2a."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FULL_SCALE = 32768.0


def _mulaw(code: int) -> int:
    """All bits are inverted on the wire; sign, 3 bits of segment, 4 of interval; 33 is the law's bias, on 14 bits."""
    bits = ~code & 0xFF
    magnitude = ((2 * (bits & 0x0F) + 33) << (bits >> 4 & 0x07)) - 33
    return 4 * (-magnitude if bits & 0x80 else magnitude)


def _alaw(code: int) -> int:
    """Even bits are inverted on the wire; the first two segments share one step size; on 13 bits."""
    bits = code ^ 0x55
    segment, interval = bits >> 4 & 0x07, bits & 0x0F
    magnitude = 2 * interval + 1 if segment == 0 else (2 * interval + 33) << (segment - 1)
    return 8 * (magnitude if bits & 0x80 else -magnitude)


def _table(values: list[int]) -> npt.NDArray[np.float32]:
    return np.array(values, dtype=np.float32) / np.float32(_FULL_SCALE)


# Byte on the wire to float32 of full scale ±1.
MULAW = _table([_mulaw(code) for code in range(256)])
ALAW = _table([_alaw(code) for code in range(256)])
