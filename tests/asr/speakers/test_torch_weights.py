from __future__ import annotations

import collections
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from asr.speakers.resemblyzer import weights_path
from asr.speakers.torch_weights import torch_weights

# ``torch.FloatStorage`` as a pickle of protocol 0 names it; the count of numbers is behind each storage.
HEAD = pickle.dumps(0x1950A86A20F9469CFC6C) + pickle.dumps(1001) + pickle.dumps({"little_endian": True})


class Storage:
    def __init__(self, key: str) -> None:
        self.key = key


class Tensor:
    def __init__(self, *made_of: Any) -> None:
        self.made_of = made_of


class Pickler(pickle._Pickler):  # the one in C would look the names up
    """Names torch's functions without having them."""

    write: Callable[[bytes], object]  # of the base class; typeshed does not know it

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Storage):
            return ("storage", Named("torch", "FloatStorage"), value.key, "cpu", 4, None)
        return None

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if isinstance(value, Named):
            self.write(b"c" + value.module.encode() + b"\n" + value.name.encode() + b"\n")
        elif isinstance(value, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(value.made_of)
            self.write(b"R")
        else:
            cast(Any, super()).save(value, save_persistent_id)  # which its types do not know


class Named:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


def saved(folder: Path, content: Any, storages: dict[str, list[float]]) -> Path:
    path = folder / "saved.pt"
    with path.open("wb") as file:
        file.write(HEAD)
        Pickler(file, 2).dump(content)
        pickle.dump(list(storages), file)
        for numbers in storages.values():
            file.write(len(numbers).to_bytes(8, "little") + np.array(numbers, "<f4").tobytes())
    return path


def state(*made_of: Any) -> dict[str, Any]:
    return {"step": 3, "state": collections.OrderedDict(weight=Tensor(*made_of))}


def test_tensors_lie_where_the_file_says(tmp_path: Path) -> None:
    path = saved(tmp_path, state(Storage("7"), 1, (2, 2), (2, 1), False, {}), {"7": [9, 1, 2, 3, 4], "8": [5.0]})
    (weight,) = torch_weights(path, "state").values()
    np.testing.assert_array_equal(weight, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    "made_of",
    [
        (Storage("7"), 2, (2, 2), (2, 1)),  # over the end
        (Storage("7"), 0, (2, 2), (1, 2)),  # turned round
        (Storage("none"), 0, (1,), (1,)),
        (Named("os", "system"), 0, (1,), (1,)),
        (),
    ],
)
def test_tensors_that_are_not_there_are_refused(tmp_path: Path, made_of: tuple[Any, ...]) -> None:
    path = saved(tmp_path, state(*made_of), {"7": [9, 1, 2, 3, 4]})
    with pytest.raises(ValueError, match=r"saved\.pt"):
        torch_weights(path, "state")


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    path = saved(tmp_path, {"state": {}}, {})
    path.write_bytes(HEAD + pickle.dumps({"state": Touch(tmp_path / "touched")}) + pickle.dumps([]))
    with pytest.raises(ValueError, match=r"saved\.pt"):
        torch_weights(path, "state")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("data", [b"", b"no pickle", HEAD, pickle.dumps(1), HEAD + pickle.dumps([]) * 2])
def test_what_is_no_such_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "saved.pt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"saved\.pt"):
        torch_weights(path, "state")


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    whole = weights_path().read_bytes()
    path = tmp_path / "half.pt"
    for share in (0.001, 0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match=r"half\.pt"):
            torch_weights(path, "model_state")
