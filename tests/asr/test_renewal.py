from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr.renewal import ALONG_FRAMES, LEAD_MAX_SAMPLES, RENEW_FRAMES, lead_start
from asr.utterances import FRAME_SAMPLES


def test_at_the_beginning_there_is_no_lead_to_have() -> None:
    first_renewal_speaks = (RENEW_FRAMES + ALONG_FRAMES) * FRAME_SAMPLES
    assert lead_start(first_renewal_speaks - 1) == 0
    assert lead_start(first_renewal_speaks) == (RENEW_FRAMES - 1) * FRAME_SAMPLES


@given(st.integers(0, 10**9))
def test_a_lead_begins_before_a_renewal_that_is_old_enough(samples: int) -> None:
    start_samples = lead_start(samples)
    assert start_samples == 0 or (start_samples + FRAME_SAMPLES) % (RENEW_FRAMES * FRAME_SAMPLES) == 0
    assert 0 <= samples - start_samples < LEAD_MAX_SAMPLES
    assert start_samples == 0 or samples - start_samples > ALONG_FRAMES * FRAME_SAMPLES
    assert lead_start(start_samples) <= start_samples <= lead_start(samples + 1)
