"""Libraries that compute, kept from what they do by themselves: reporting, and files elsewhere."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from musicu.errors import ModelError

__all__ = ["open_session", "set_numba_cache"]

# ONNX Runtime reads it while it is imported. Without it, its official builds look up and report to
# their maker, and keep a device id and a store of events in the user's cache.
_OFF = "ORT_DISABLE_TELEMETRY"


def set_numba_cache() -> None:
    """Have Numba, if it is not imported yet, keep what it compiles in musicu's cache folder.

    Elsewhere it would be among the installed packages, or in a folder of Numba's own. A user's
    ``$NUMBA_CACHE_DIR`` goes before.
    """
    from platformdirs import user_cache_path

    os.environ.setdefault("NUMBA_CACHE_DIR", str(user_cache_path("musicu") / "numba"))


def open_session(graph: str | bytes, constants: dict[str, Any] | None = None) -> Any:
    """Open a graph in ONNX Runtime, with its telemetry off.

    Parameters
    ----------
    graph : str or bytes
        An ONNX file's path, or its content.
    constants : dict of str to np.ndarray, optional
        Constants of the graph that are handed over beside it, by name. They are not copied.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        It is not a graph that runs here.

    Warns
    -----
    RuntimeWarning
        Once, if somebody else had imported ONNX Runtime before with its telemetry on.
    """
    onnxruntime = _imported()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if constants:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in constants.values()]
        options.add_external_initializers(list(constants), values)
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common root
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"not an ONNX model that runs here ({reason})") from None


def _imported() -> Any:
    if "onnxruntime" in sys.modules and os.environ.get(_OFF) != "1":
        warnings.warn(
            "onnxruntime was imported before musicu could switch its telemetry off: it may contact "
            f"its maker; set {_OFF}=1 in the environment before that import",
            RuntimeWarning,
            stacklevel=2,
        )
    os.environ[_OFF] = "1"  # for processes started from here as well; and the warning comes once
    # Half the start-up time of a process that embeds; one that only searches goes without.
    import onnxruntime

    # The switch of its builds for Windows; in the others it comes too late.
    onnxruntime.disable_telemetry_events()
    return onnxruntime
