from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio import noise, notes
from networks import mean_network, model_folder

from musicu.encoder import Encoder
from musicu.errors import ModelError
from musicu.mel import FrontEnd
from musicu.model import DEFAULT_MODEL, Model, find_model, install_model, list_models, user_models


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of models that does not exist yet."""
    folder = tmp_path / "user" / "models"
    monkeypatch.setenv("MUSICU_MODELS", str(folder))
    return folder


def change(folder: Path, **entries: Any) -> Path:
    file = folder / "config.json"
    config = {**json.loads(file.read_text(encoding="utf-8")), **entries}
    config = {key: value for key, value in config.items() if value is not None}
    file.write_text(json.dumps(config), encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    """Install, which must fail in one line and leave nothing behind."""
    with pytest.raises(ModelError) as caught:
        install_model(folder)
    assert "\n" not in str(caught.value)
    assert not list(user_models().glob("*"))
    return str(caught.value)


# ----------------------------------------------------------------------------- the models that ship


def test_default_model_ships_and_is_what_its_config_says() -> None:
    model = find_model()
    assert model.id == DEFAULT_MODEL
    assert model in list_models()
    assert find_model(model.folder) == model
    shown = json.loads(json.dumps(model.to_dict()))
    assert shown["dim"] == model.dim
    assert shown["sha256"] == model.sha256
    Encoder(model).check()


def test_folder_of_the_user_comes_from_the_environment_or_the_platform(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert user_models() == models
    monkeypatch.delenv("MUSICU_MODELS")
    assert user_models().name == "models"
    assert user_models().parent.name.startswith("musicu")


# ------------------------------------------------------------------------- other people's models


def test_installed_model_is_found_by_name_without_its_source(tmp_path: Path, models: Path) -> None:
    source = model_folder(tmp_path)
    shipped = [m.id for m in list_models()]
    y = noise(16000, 2.0)[0]
    before = Encoder.from_pretrained(source).embed(y, 16000)
    installed = install_model(source)
    shutil.rmtree(source)
    assert installed.folder == models / "mean"
    assert sorted(f.name for f in installed.folder.iterdir()) == [
        "README.md",
        "config.json",
        "encoder.onnx",
    ]
    assert [m.id for m in list_models()] == [*shipped, "mean"]
    np.testing.assert_array_equal(Encoder.from_pretrained("mean").embed(y, 16000), before)


def test_hash_that_the_author_left_out_is_pinned_on_installing(tmp_path: Path) -> None:
    installed = install_model(model_folder(tmp_path))
    config = json.loads((installed.folder / "config.json").read_text(encoding="utf-8"))
    assert config["sha256"] == installed.sha256
    with open(installed.weights, "ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the file config.json names by sha256"):
        find_model("mean")


def test_installing_again_replaces_the_card(tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    install_model(source)
    (source / "README.md").write_text("# Better words\n", encoding="utf-8")
    installed = install_model(change(source, description="better"))
    assert installed.description == "better"
    assert (installed.folder / "README.md").read_text(encoding="utf-8") == "# Better words\n"
    assert install_model(installed.folder) == installed


def test_files_that_are_no_part_of_a_model_stay_behind(tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    (source / "notes.txt").write_text("private", encoding="utf-8")
    assert not (install_model(source).folder / "notes.txt").exists()


def test_entries_may_be_left_out(tmp_path: Path) -> None:
    source = change(model_folder(tmp_path), license=None)
    model = Model.load(source)
    assert (model.version, model.license, model.description) == ("1", "not stated", "")
    assert (model.training_data, model.layout, model.gate_db) == ((), "time-mel", None)
    assert model.name == "mean@1"


@pytest.mark.parametrize("data", ["Free Music Archive", ["Free Music Archive"]])
def test_training_data_is_one_text_or_several(data: object, tmp_path: Path) -> None:
    source = model_folder(tmp_path, training_data=data)
    assert Model.load(source).training_data == ("Free Music Archive",)


def test_settings_start_from_a_preset(tmp_path: Path) -> None:
    model = Model.load(model_folder(tmp_path, front_end={"preset": "musicnn", "window": 100}))
    assert model.front_end == FrontEnd(window=100)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "preset", "output", "dim"),
    [
        ("msd_musicnn", "musicnn", "penultimate", 200),
        ("msd_musicnn", "musicnn", "pooled", 1506),
        ("artist_siamese", "artist_siamese", "embedding", 256),
    ],
)
def test_published_networks_install_with_a_config_of_six_lines(
    name: str, preset: str, output: str, dim: int, tmp_path: Path
) -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    weights = Path(data).parent / "teachers" / f"{name}.onnx"
    if not weights.exists():
        pytest.skip(f"no {weights}")
    source = tmp_path / name
    source.mkdir()
    shutil.copyfile(weights, source / "encoder.onnx")
    (source / "README.md").write_text("# A published network\n", encoding="utf-8")
    config = {"id": name, "dim": dim, "front_end": {"preset": preset}, "output": output}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    install_model(source)
    encoder = Encoder.from_pretrained(name)
    vector = encoder.embed(notes(44100, 7.0), 44100)
    assert vector.shape == (encoder.dim,) == (dim,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-6)


# -------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("file", ["config.json", "encoder.onnx", "README.md"])
def test_missing_file_is_named(file: str, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    (source / file).unlink()
    assert file in refused(source)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"sha256": "0" * 64}, "not the file config.json names by sha256"),
        ({"dim": 9}, r"returns [2, 8] for 2 windows, not finite [2, 9]"),
        ({"dim": 0}, "dim must be >= 1"),
        ({"dim": "many"}, "invalid literal"),
        ({"dim": None}, "the entry 'dim' is missing"),
        ({"id": None}, "the entry 'id' is missing"),
        ({"id": ""}, "id must be a text"),
        ({"id": 7}, "id must be a text"),
        ({"id": "a/b"}, "'a/b' cannot be a model's id"),
        ({"id": "../mean"}, "'../mean' cannot be a model's id"),
        ({"id": ".."}, "'..' cannot be a model's id"),
        ({"id": ".hidden"}, "'.hidden' cannot be a model's id"),
        ({"id": DEFAULT_MODEL}, f"another model is called '{DEFAULT_MODEL}'"),
        ({"front_end": None}, "the entry 'front_end' is missing"),
        ({"front_end": "musicnn"}, "must be an object of settings"),
        ({"front_end": {"preset": "openl3"}}, "no preset 'openl3'; there are musicu, musicnn"),
        ({"front_end": {"hop": 256}}, "unknown settings hop"),
        ({"front_end": {"preset": "musicu"}}, "does not run on its windows"),
        ({"layout": "mel-time"}, "does not run on its windows"),
        ({"layout": "sideways"}, "layout 'time-mel' or 'mel-time'"),
        ({"output": "vectors"}, "outputs vector, not 'mel' and 'vectors'"),
        ({"gate_db": "loud"}, "could not convert"),
    ],
)
def test_wrong_entry_is_told(entries: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in refused(change(model_folder(tmp_path), **entries))


@pytest.mark.parametrize("content", [b"", b"not a graph at all", bytes(range(256)) * 50])
def test_weights_that_are_not_onnx(content: bytes, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    (source / "encoder.onnx").write_bytes(content)
    assert "not an ONNX model that runs here" in refused(source)


def test_network_that_returns_more_axes_than_two(tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    mean_network(source / "encoder.onnx", shape=(1, 20, 8), axes=(2,))
    assert "returns [2, 1, 8] for 2 windows" in refused(source)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"id": "mean"'])
def test_config_that_is_not_a_json_object(content: str, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    (source / "config.json").write_text(content, encoding="utf-8")
    assert "config.json" in refused(source)


def test_name_of_an_installed_model_is_taken(tmp_path: Path) -> None:
    first = install_model(model_folder(tmp_path / "first"))
    source = model_folder(tmp_path / "second")
    with open(source / "encoder.onnx", "ab") as file:
        file.write(b"\x3a\x00")  # one more empty field: other bytes, the same graph
    with pytest.raises(ModelError, match="another model is called 'mean'"):
        install_model(source)
    assert find_model("mean") == first


@pytest.mark.parametrize("name", ["nobody", "no/such/folder", "../nobody"])
def test_unknown_name_says_how_to_list(name: str) -> None:
    with pytest.raises(ModelError, match=f"no model '{name}': 'musicu models list' shows"):
        find_model(name)


def test_folder_that_is_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a model folder, config.json is missing"):
        find_model(tmp_path)
