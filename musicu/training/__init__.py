"""Training of encoders and of what is folded into them; needs the extra ``musicu[train]``."""

from musicu.errors import MissingExtraError

for _module, _package in [
    *((name, name) for name in ("torch", "torchaudio", "onnx")),
    ("sklearn", "scikit-learn"),
]:
    MissingExtraError.check(_module, _package, "train")

from musicu.training.distill import Recipe  # noqa: E402
from musicu.training.encoder import Progress, Trained, train_encoder  # noqa: E402
from musicu.training.refine import Refinement  # noqa: E402

__all__ = ["Progress", "Recipe", "Refinement", "Trained", "train_encoder"]
