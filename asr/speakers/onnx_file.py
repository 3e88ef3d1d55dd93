"""Networks that were fetched, as ONNX files with one input and one output, whatever the file calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from protocol.errors import ModelDamaged

Run = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def open_network(name: str, path: Path, check: Callable[[Run], object]) -> Run:
    """What gives the output for an input, on one thread, which never spins. ``name``: in the catalogue. ``check`` tries
    it once. Raises ``ModelDamaged`` for whatever else comes of that."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (given,) = (one.name for one in session.get_inputs())
        (wanted,) = (one.name for one in session.get_outputs())

        def run(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            answer: np.ndarray[Any, Any] = session.run([wanted], {given: values})[0]
            return answer

        check(run)
    except Exception as error:  # the runtime's own classes are not public
        advice = f"fetch it anew: `earshot models remove {name}`, then `pull`"
        raise ModelDamaged(f"{name} cannot be used ({path.name} is not what it should be); {advice}") from error
    return run
