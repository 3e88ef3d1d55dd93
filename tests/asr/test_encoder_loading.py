from __future__ import annotations

import threading

import pytest

from asr.encoder_loading import EncoderLoading
from asr.engines.scripted_voices import ScriptedEncoder
from asr.speakers.contract import SpeakerEncoder
from asr.speakers.segmentation import SpeakerSegmentation
from protocol.errors import ModelDamaged
from tests.asr.conftest import WAIT_S


def test_it_is_loaded_beside_what_goes_on() -> None:
    go = threading.Event()

    def load() -> SpeakerEncoder:
        assert go.wait(WAIT_S)
        return ScriptedEncoder()

    loading = EncoderLoading(load)
    loading.begin()
    assert (loading.begun, loading.over, loading.encoder) == (True, False, None)
    go.set()
    loading.wait(WAIT_S)
    assert loading.over
    assert loading.encoder is not None


@pytest.mark.parametrize("error", [ModelDamaged("half of it is there"), MemoryError(), ImportError("no such library")])
def test_why_it_cannot_be_loaded_is_kept(error: Exception) -> None:
    def load() -> SpeakerEncoder:
        raise error

    loading = EncoderLoading(load, in_thread=False)
    loading.begin()
    assert loading.over
    assert loading.encoder is None
    assert (getattr(error, "message", None) or type(error).__name__) in loading.failure


def test_without_what_looks_for_changes_there_is_an_encoder_and_the_reason_is_kept() -> None:
    def load() -> SpeakerSegmentation:
        raise ModelDamaged("half of it is there")

    loading = EncoderLoading(ScriptedEncoder, in_thread=False).with_segmentation(load)
    loading.begin()
    assert loading.encoder is not None
    assert (loading.segmentation, loading.failure) == (None, "")
    assert "half of it is there" in loading.no_segmentation
