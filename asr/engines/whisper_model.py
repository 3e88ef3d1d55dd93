"""A Whisper model loaded from its folder: network, tokenizer and mel filters, and what the device has room for."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.machine import one_per_core
from asr.mel import Features
from protocol.errors import EngineFailed, ModelDamaged

# Models that bear an encoder shorter than 30 s. The others repeat phrases with it (reported of turbo; large and medium
# are not measured). Of models that are not named here nothing is known.
_SHORT_ENCODER = {f"whisper-{size}{kind}" for size in ("tiny", "base", "small") for kind in ("", ".en")}
_STEERING = ("<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>")
_DEVICE_SIGNS = ("cuda", "cublas", "cudnn", "memory", "alloc", "float16")
_POSITIONS = 1500  # of the encoder
_BATCH_MAX_CPU = 16  # beyond it a row costs no less, and a step keeps finals waiting
_BATCH_MAX_CUDA = 64
_MEMORY_SHARE = 0.8  # of what is free; the rest is for what was not thought of


@dataclass(frozen=True, slots=True)
class WhisperModel:
    """``network``: CTranslate2's. ``filters``: (mels, 201). ``device``: cpu or cuda."""

    network: Any
    hf_tokenizer: Any
    filters: Features
    device: str

    @property
    def multilingual(self) -> bool:
        return bool(self.network.is_multilingual)

    @property
    def mels(self) -> int:
        return int(self.network.n_mels)


def bears_short_encoder(model: str) -> bool:
    return model in _SHORT_ENCODER


def load_model(path: Path, model: str, device: str, index: int) -> WhisperModel:
    """Load it. Raises ``EngineFailed`` that says what to do when the folder is no such model."""
    from faster_whisper import WhisperModel as Loaded
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # faster-whisper makes progress bars that nobody sees; they need no thread
    _check_files(path, model)
    try:
        loaded = Loaded(
            str(path),
            device=device,
            device_index=index % max(1, _cuda_devices()) if device == "cuda" else 0,
            compute_type=_compute_type(path, device, index),
            # With int8 a second thread gains nothing (measured): more cores are for more processes.
            cpu_threads=1 if device == "cpu" else 0,
            local_files_only=True,
        )
        _check_fit(loaded, path)
    # What the tokenizers' library makes of a damaged file is a bare Exception.
    except Exception as error:
        if _is_of_device(error, path):
            raise EngineFailed(f"the model in {path} cannot be loaded on {device}: {error}") from error
        raise ModelDamaged(f"the model in {path} cannot be loaded: {error}. {_advice(model)}") from error
    return WhisperModel(loaded.model, loaded.hf_tokenizer, loaded.feature_extractor.mel_filters, device)


def batch_max(model: WhisperModel, width: int, index: int) -> int:
    """Rows that one step takes, by the device's free memory. ``width``: of the encoder's output."""
    if model.device != "cuda":
        return _BATCH_MAX_CPU
    free_bytes = _free_gpu_bytes(index)
    if free_bytes is None:
        return _BATCH_MAX_CPU
    heads = max(1, width // 64)
    row_bytes = 4 * heads * _POSITIONS**2 + 64 * (1 << 20)  # attention over 30 s, and what a beam of five keeps
    return max(1, min(_BATCH_MAX_CUDA, int(free_bytes * _MEMORY_SHARE / row_bytes)))


def workers_max(path: Path, device: str) -> int:
    """Processes that this machine is good for: one per GPU, or one per core as far as memory goes."""
    if device == "cuda":
        return max(1, _cuda_devices())
    # Read as float16 or float32 and kept as int8, with room to work in: as much as the file, give or take.
    each_bytes = (path / "model.bin").stat().st_size + 200 * (1 << 20)
    return one_per_core(each_bytes)


def _check_files(path: Path, model: str) -> None:
    missing = [name for name in ("config.json", "model.bin", "tokenizer.json") if not (path / name).is_file()]
    if missing:
        raise ModelDamaged(f"the model in {path} cannot be loaded: {', '.join(missing)} missing. {_advice(model)}")


def _check_fit(loaded: Any, path: Path) -> None:
    """Raises ``ValueError`` for files of different models, which would run and give nonsense."""
    if len(loaded.feature_extractor.mel_filters) != loaded.model.n_mels:
        raise ValueError("its preprocessor_config.json is of another model")
    tokens = _vocabulary(path)
    for token in _STEERING:
        number = loaded.hf_tokenizer.token_to_id(token)
        if number is None or (tokens and tokens[number : number + 1] != [token]):
            raise ValueError("its tokenizer.json is of another model")


def _is_of_device(error: Exception, path: Path) -> bool:
    """Whether it was not the files' fault: no driver, no library of CUDA, no memory."""
    said = str(error).replace(str(path), "").lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in _DEVICE_SIGNS)


def _vocabulary(path: Path) -> list[str]:
    for name in ("vocabulary.json", "vocabulary.txt"):
        if (path / name).is_file():
            text = (path / name).read_text(encoding="utf-8")
            return list(json.loads(text)) if name.endswith(".json") else text.split("\n")
    return []


def _advice(model: str) -> str:
    return f"Delete that folder and fetch it anew with `earshot models pull {model}`"


def _compute_type(path: Path, device: str, index: int) -> str:
    """int8 is three times as fast as float32 on a CPU; a GPU that is short of memory takes int8 weights as well."""
    if device != "cuda":
        return "int8"
    free_bytes = _free_gpu_bytes(index)
    room = free_bytes is None or free_bytes > 4 * (path / "model.bin").stat().st_size
    return "float16" if room else "int8_float16"


def _cuda_devices() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


def _free_gpu_bytes(index: int) -> int | None:
    """None where the driver's tool is missing; CTranslate2 does not tell.

    ``index`` counts the GPUs that ``CUDA_VISIBLE_DEVICES`` names, if it names any; the tool does not look at it.
    """
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    which = (f"--id={visible[index % len(visible)]}",) if visible else ()
    command = ("nvidia-smi", *which, "--query-gpu=memory.free", "--format=csv,noheader,nounits")
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()
        return int(told[index % len(told)]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, ZeroDivisionError):
        return None
