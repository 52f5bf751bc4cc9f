"""Teachers in OpenVINO, where it is installed: in bfloat16 several times as fast."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.model import Model
from musicu.errors import ModelError

__all__ = ["OpenVinoNetwork"]

Array = NDArray[np.float32]

_SETTINGS = {
    # Without hardware for bfloat16 OpenVINO computes in float32.
    "INFERENCE_PRECISION_HINT": "bf16",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    # Pinned, the copies of all threads would share one core.
    "ENABLE_CPU_PINNING": False,
}


class OpenVinoNetwork:
    """A model's graph in OpenVINO: prepared windows in, any of its outputs out.

    Each thread compiles a copy of its own for each shape it meets.

    Parameters
    ----------
    model : Model
        Which one.

    Raises
    ------
    ModelError
        OpenVINO is not installed, or cannot read the graph.
    """

    def __init__(self, model: Model) -> None:
        try:
            import openvino
        except ImportError:
            raise ModelError(
                "fast teachers need OpenVINO: pip install openvino, or let them run in ONNX Runtime"
            ) from None
        self.model = model
        self._core: Any = openvino.Core()
        try:
            self._graph = self._core.read_model(str(model.weights))
        except RuntimeError as error:
            first = str(error).partition("\n")[0]
            raise ModelError(f"{model.weights}: OpenVINO cannot read it ({first})") from None
        self._rank = len(self._graph.inputs[0].partial_shape)
        self._lock = threading.Lock()
        self._compiled = threading.local()

    def run(self, windows: Array, outputs: Sequence[str]) -> list[Array]:
        """Run on prepared windows [n, window, ...]; return the outputs as they are."""
        if self.model.layout == "mel-time":
            windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
        if self._rank == windows.ndim + 1:  # it wants an axis of channels
            windows = windows[:, None]
        count = len(windows)
        padded = 1 << (count - 1).bit_length()  # few shapes, since each is compiled
        windows = np.concatenate([windows, np.repeat(windows[-1:], padded - count, axis=0)])
        request = self._request(windows.shape)
        request.infer([np.ascontiguousarray(windows)])
        return [request.get_tensor(name).data[:count].copy() for name in outputs]

    def _request(self, shape: tuple[int, ...]) -> Any:
        requests = self._compiled.__dict__
        key = "x".join(map(str, shape))
        if key not in requests:
            with self._lock:
                self._graph.reshape(list(shape))
                compiled = self._core.compile_model(self._graph, "CPU", _SETTINGS)
            requests[key] = compiled.create_infer_request()
        return requests[key]
