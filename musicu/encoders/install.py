"""Install a model folder, after proving that it works."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from musicu.encoders.encoder import Encoder
from musicu.encoders.model import Model
from musicu.encoders.model_files import LARGEST, open_model_file, read_config
from musicu.encoders.registry import list_models, user_models
from musicu.errors import ModelError
from musicu.files import written_folder

__all__ = ["install_model"]

_LONGEST_ID = 100  # as it becomes a folder's name


def install_model(folder: str | os.PathLike[str]) -> Model:
    """Copy a model folder to the user's models, after proving that it works.

    Parameters
    ----------
    folder : str or path-like
        ``config.json`` (entries ``id``, ``dim``, ``front_end`` and those of :class:`Model`),
        ``encoder.onnx`` and ``README.md``, the card; ``tags.npz`` if the config has ``tags``.
        All of them files, none a link: whoever made the folder must not choose what is copied.

    Returns
    -------
    Model
        The installed model.

    Raises
    ------
    ModelError
        Something is missing, too large, or a link; the graph does not give vectors of the front
        end's windows (see :meth:`Encoder.check`); another model has this id; or the model cannot
        be written.
    """
    for name in LARGEST:
        if (file := Path(folder) / name).is_symlink():
            raise ModelError(f"{file}: a link: put the file itself there (cp -L copies it)")
    model = Model.load(folder)
    if not (model.folder / "README.md").exists():
        raise ModelError(f"{model.folder}: README.md, the model's card, is missing")
    if Path(model.id).name != model.id or model.id.startswith(".") or len(model.id) > _LONGEST_ID:
        raise ModelError(f"{model.folder}/config.json: {model.id!r} cannot be a model's id")
    Encoder(model)
    for other in list_models():
        if other.id == model.id and other.sha256 != model.sha256:
            raise ModelError(
                f"another model is called {model.id!r} ({other.folder}): "
                "give the new one another id in config.json"
            )
    target = user_models() / model.id
    if target.resolve() == model.folder.resolve():
        return model
    # Pins the weights even where the author left the hashes out.
    config = {**read_config(model.folder), "sha256": model.sha256}
    if model.tags:
        config["tags_sha256"] = model.tags_sha256
    try:
        with written_folder(target) as fresh:
            for name in ("encoder.onnx", "README.md", *(["tags.npz"] if model.tags else ())):
                with open_model_file(model.folder / name, follow=False) as source:
                    with open(fresh / name, "xb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
            (fresh / "config.json").write_text(
                json.dumps(config, indent=2) + "\n", encoding="utf-8"
            )
            Model.load(fresh)  # what was copied is what was looked at
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({error.strerror or error})") from None
    return Model.load(target)
