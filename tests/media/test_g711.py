from __future__ import annotations

import av
import numpy as np
import pytest

from media import g711


@pytest.mark.parametrize(("codec", "table"), [("pcm_mulaw", g711.MULAW), ("pcm_alaw", g711.ALAW)])
def test_every_code_is_as_another_decoder_has_it(
    codec: str, table: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    context.options = {"channels": "1"}
    (frame,) = context.decode(av.Packet(bytes(range(256))))
    assert (table * 32768).astype(int).tolist() == frame.to_ndarray()[0].tolist()
