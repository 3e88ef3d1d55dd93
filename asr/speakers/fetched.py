"""The encoders of voices that may be fetched: what each wants to hear, and the numbers that hold for it. No run time.

Both see fbank (``asr.speakers.fbank``) of which each band's mean is taken away, and repeat what is shorter than a
window, as their authors' recipes for telling speakers apart do (WeSpeaker: ``diar/extract_emb.py``; 3D-Speaker:
``circle_pad``).
"""

from __future__ import annotations

from dataclasses import dataclass

from asr.speakers.contract import EncoderInfo
from asr.speakers.fbank import Window
from protocol.blocks import MS_SAMPLES


@dataclass(frozen=True, slots=True)
class FetchedEncoder:
    """``file``: in the model's folder. ``shape`` of the window over each frame, and what the loudest sample is."""

    file: str
    shape: Window
    full_scale: float
    info: EncoderInfo


def _info(name: str, dim: int, *, cut: float, own: float, new_speaker: float, known: float) -> EncoderInfo:
    # Windows of 1.5 s are what the authors take, for recordings; with them a live label came later than 1.5 s.
    window_samples, step_samples = 1200 * MS_SAMPLES, 400 * MS_SAMPLES
    return EncoderInfo(name, dim, window_samples, step_samples, cut, own, new_speaker, known, batch_windows=2)


# By the names that the catalogue (``asr.models``) has for them, the better choice first.
FETCHED: dict[str, FetchedEncoder] = {
    # Wang et al. 2023, "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking".
    "campplus": FetchedEncoder(
        file="3dspeaker_speech_campplus_sv_zh_en_16k-common_advanced.onnx",
        shape="povey",
        full_scale=1.0,
        # Chosen on the half "dev" of tests.bench.conversations; ``known`` was not.
        info=_info("campplus", 192, cut=0.27, own=0.66, new_speaker=0.41, known=0.6),
    ),
    # Wang et al. 2023, "Wespeaker: A Research and Production oriented Speaker Embedding Learning Toolkit".
    "wespeaker-resnet34": FetchedEncoder(
        file="voxceleb_resnet34_LM.onnx",
        shape="hamming",
        full_scale=32768.0,
        # Not measured: those of campplus, which was trained with a margin between angles as well.
        info=_info("wespeaker-resnet34", 256, cut=0.27, own=0.66, new_speaker=0.41, known=0.6),
    ),
}
