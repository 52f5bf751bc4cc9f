"""Training of encoders and of what is folded into them; needs the extra ``musicu[train]``."""

from importlib.util import find_spec

from musicu.errors import MissingExtraError

_NEEDED = {"torch": "torch", "onnx": "onnx", "sklearn": "scikit-learn"}

for _module, _package in _NEEDED.items():
    if find_spec(_module) is None:
        raise MissingExtraError(_package, "train")

from musicu.training.distill import Recipe  # noqa: E402
from musicu.training.encoder import Progress, Trained, train_encoder  # noqa: E402
from musicu.training.join import join_models  # noqa: E402
from musicu.training.refine import Refinement  # noqa: E402

__all__ = ["Progress", "Recipe", "Refinement", "Trained", "join_models", "train_encoder"]
