"""The float tensors of a file that torch's older ``torch.save`` wrote, without torch and without running what it says.

Such a file is five pickles (a magic number, a version, facts of the machine, the objects, the keys of the storages) and
then each storage: its count of numbers as int64, and these. An unpickler calls whatever a file names; this one knows
three names, none of which does anything but hold data, and refuses all others.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_BYTES_MAX = 1 << 27

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Tensor:
    storage: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, stride)


_KNOWN: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): "float32",
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError("a name that has no business among weights")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> str:
        kind, dtype, key, *_ = pid
        if kind != "storage" or dtype != "float32":
            raise pickle.UnpicklingError("no storage of float32")
        return str(key)


def torch_weights(path: Path, key: str) -> dict[str, Array]:
    """The float tensors under ``key`` of the dictionary in the file, by name; others' bytes are skipped.

    Raises ``ValueError`` for what is no such file, ``OSError`` when it cannot be read.
    """
    if path.stat().st_size > _BYTES_MAX:
        raise ValueError(f"{path.name} is larger than {_BYTES_MAX} bytes")
    file = io.BytesIO(path.read_bytes())
    try:
        if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _VERSION:
            raise ValueError("no magic number")
        _Unpickler(file).load()
        tensors = _Unpickler(file).load()[key]
        storages = {str(name): _storage(file) for name in _Unpickler(file).load()}
        return {str(name): _array(tensor, storages[tensor.storage]) for name, tensor in tensors.items()}
    except Exception as error:  # whatever a damaged pickle makes of itself
        raise ValueError(f"{path.name} holds no weights that can be read") from error


def _storage(file: io.BytesIO) -> Array:
    count = int.from_bytes(file.read(8), "little")
    data = file.read(count * 4)
    if len(data) != count * 4:
        raise ValueError("the file ends too early")
    return np.frombuffer(data, "<f4")


def _array(tensor: _Tensor, storage: Array) -> Array:
    count = math.prod(tensor.shape)
    contiguous = tuple(math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
    if tensor.stride != contiguous or tensor.offset + count > len(storage):
        raise ValueError("a tensor that is not whole")
    return storage[tensor.offset : tensor.offset + count].reshape(tensor.shape)
