from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli
from made_audio import noise, notes, sine, write
from networks import mean_network, model_folder

from musicu.audio.mel import LogMel
from musicu.encoders.encoder import Encoder
from musicu.encoders.install import install_model
from musicu.encoders.model import Model
from musicu.encoders.registry import (
    DEFAULT_MODEL,
    broken_models,
    check_unique_name,
    find_model,
    list_models,
    model_by_hash,
    user_models,
)
from musicu.errors import ModelError


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
    assert model.front_end == LogMel(window=100)


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


# ------------------------------------------------------------------------- vectors that are none


NO_VECTORS = {
    "returns numbers that are not finite": [("Mul", 0.0), ("Add", float("nan"))],
    "returns zeros: that is no vector": [("Mul", 0.0)],
    "returns the same vector whatever it hears": [("Mul", 0.0), ("Add", 1.0)],
}


@pytest.mark.parametrize(("says", "then"), NO_VECTORS.items(), ids=NO_VECTORS)
def test_model_that_gives_no_vectors_is_refused_before_anything_is_stored(
    says: str, then: list[tuple[str, float]], tmp_path: Path, run_cli: RunCli
) -> None:
    source = model_folder(tmp_path)
    mean_network(source / "encoder.onnx", then=then)
    assert says in refused(source)
    with pytest.raises(ModelError, match=says):
        Encoder.from_pretrained(source)
    write(tmp_path / "song.wav", noise(16000, 2.0), 16000)
    done = run_cli("embed", tmp_path / "song.wav", "--model", source)
    assert done.returncode == 1
    assert done.stderr == f"error: {source / 'encoder.onnx'}: {says}\n"
    assert not (tmp_path / "music.db").exists()


def test_vector_that_is_none_for_some_music_only_is_the_models_fault(tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    mean_network(source / "encoder.onnx", then=[("Sub", 1.0), ("Pow", 0.5)])
    encoder = Encoder.from_pretrained(source)
    with pytest.raises(ModelError, match="not finite"):
        encoder.embed(sine(16000, 4.0, hz=100.0), 16000)


def test_vectors_however_short_or_long_come_out_as_units(tmp_path: Path) -> None:
    for factor in (1e-30, 1e30):
        source = model_folder(tmp_path / str(factor))
        mean_network(source / "encoder.onnx", then=[("Mul", factor)])
        encoder = Encoder.from_pretrained(source)
        vectors, _ = encoder.embed_windows(noise(16000, 4.0)[0], 16000)
        lengths = np.linalg.norm([encoder.embed(noise(16000, 4.0)[0], 16000), *vectors], axis=1)
        np.testing.assert_allclose(lengths, 1.0, atol=1e-6)


# -------------------------------------------------------------------- one bad folder, one bad file


def test_broken_folder_is_its_own_fault(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, run_cli: RunCli
) -> None:
    sound = install_model(model_folder(tmp_path))
    shipped = [model.id for model in list_models()]
    for name, config in {"empty": "{}", "deep": "[" * 100_000, "huge": '{"dim": 1e999}'}.items():
        (models / name).mkdir()
        (models / name / "config.json").write_text(config, encoding="utf-8")
    (models / "pipe").mkdir()
    os.mkfifo(models / "pipe" / "config.json")
    assert [model.id for model in list_models()] == shipped
    assert {broken.folder.name for broken in broken_models()} == {"deep", "empty", "huge", "pipe"}
    assert model_by_hash(sound.sha256) == sound
    assert model_by_hash("0" * 64) is None
    done = run_cli("models", "list", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0
    assert {row["id"] for row in rows if row["fault"]} == {"deep", "empty", "huge", "pipe"}
    assert len({tuple(row) for row in rows}) == 1


def test_broken_model_that_is_needed_is_named(tmp_path: Path) -> None:
    sound = install_model(model_folder(tmp_path))
    with open(sound.weights, "ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="mean: encoder.onnx is not the file config.json names"):
        model_by_hash(sound.sha256)


def test_model_is_looked_up_without_reading_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = install_model(model_folder(tmp_path))
    read: list[str] = []
    load = Model.load
    monkeypatch.setattr(Model, "load", lambda folder: (read.append(folder.name), load(folder))[1])
    assert model_by_hash(sound.sha256) == sound
    assert read == ["mean"]


@pytest.mark.parametrize("file", ["config.json", "encoder.onnx", "README.md", "tags.npz"])
def test_link_is_not_followed(file: str, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes((source / file).read_bytes() if file != "tags.npz" else b"")
    (source / file).unlink(missing_ok=True)
    (source / file).symlink_to(secret)
    assert f"{file}: a link" in refused(source)


@pytest.mark.parametrize("file", ["config.json", "encoder.onnx", "README.md"])
def test_fifo_is_no_file_of_a_model(file: str, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    (source / file).unlink()
    os.mkfifo(source / file)
    assert f"{file}: not a regular file" in refused(source)


@pytest.mark.parametrize("file", ["config.json", "README.md"])
def test_file_that_is_too_large_is_not_read(file: str, tmp_path: Path) -> None:
    source = model_folder(tmp_path)
    os.truncate(source / file, 1 << 30)  # a hole: takes no room
    assert f"{file}: 1,024 MB, too large" in refused(source)


def test_numbers_in_other_files_are_refused(tmp_path: Path) -> None:
    """The hash of the weights would not speak of them."""
    onnx = pytest.importorskip("onnx")
    source = model_folder(tmp_path)
    mean_network(source / "encoder.onnx", then=[("Mul", 2.0)])
    graph = onnx.load(source / "encoder.onnx")
    onnx.save(
        graph,
        source / "encoder.onnx",
        save_as_external_data=True,
        location="numbers.bin",
        size_threshold=0,
    )
    assert (source / "numbers.bin").exists()
    assert "has numbers in other files" in refused(source)
    with pytest.raises(ModelError, match="has numbers in other files"):
        Encoder.from_pretrained(source)


@pytest.mark.parametrize("entry", ["id", "version"])
@pytest.mark.parametrize("text", ["a\0b", "a\nb", "\udcff", "\x1b[31m"])
def test_name_that_cannot_be_shown_is_refused(entry: str, text: str, tmp_path: Path) -> None:
    source = change(model_folder(tmp_path), **{entry: text})
    assert f"{entry} {text!r} has characters" in refused(source)


def test_id_and_version_never_name_two_weights(tmp_path: Path, run_cli: RunCli) -> None:
    first = install_model(model_folder(tmp_path / "first"))
    other = model_folder(tmp_path / "second")
    mean_network(other / "encoder.onnx", then=[("Mul", 2.0)])
    with pytest.raises(ModelError, match="mean@1: other weights go by this id and version"):
        check_unique_name(Model.load(other), [first])
    check_unique_name(first, [first])
    check_unique_name(Model.load(change(other, version="2")), [first])
    change(other, version="1")
    write(tmp_path / "song.wav", noise(16000, 2.0), 16000)
    done = run_cli("embed", tmp_path / "song.wav", "--model", other)
    assert done.returncode == 1 and done.stderr.startswith("error: mean@1: other weights go by")
    assert not (tmp_path / "music.db").exists()
    # Nor where only the catalog knows the first.
    assert run_cli("embed", tmp_path / "song.wav", "--model", "mean").returncode == 0
    shutil.rmtree(first.folder)
    done = run_cli("embed", tmp_path / "song.wav", "--model", other)
    assert done.returncode == 1 and done.stderr.startswith("error: mean@1: other weights go by")
