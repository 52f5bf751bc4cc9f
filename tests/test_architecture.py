"""The rules the code keeps, read from the code."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import musicu

ROOT = Path(__file__).resolve().parent.parent
# Each module imports only modules before it; those in a folder by `folder.module`.
ORDER = (
    "errors arrays files causes folders locate frames source links headers configuration media "
    "demux ffmpeg_decoder sndfile_decoder decode windower mel_filters mel front_ends downsample "
    "waveform loudness pulse key model_files model registry runtime encoder install windows tagger "
    "descriptors names codes parsers field metadata artists encodings id3 containers guesses tags "
    "tables values sheet playlist analyze worker process pool job worker_windows worker_waveforms "
    "scan checksums readonly schema connection store identities vocabulary sound_tags tagging "
    "catalog_models lookup changes analysis_run ingest int8 nearest index condition recommend "
    "export inventory damage salvage repair catalog items.item tracks items.genres items.blocks "
    "items.fields items.phrases items.comparable items.fusion items.fused_vectors items.reasons "
    "items.records items.tables items.sources items.vectors items.library items.musicbrainz "
    "items.opensubsonic items.titles items.versions items.findings items.quality listening.columns "
    "listening.logs listening.interactions listening.matching listening.factors "
    "listening.projection listening.taste listening.hubs listening.rerank listening.ranker "
    "listening.results listening.hyperparameters listening.places listening.fitted "
    "listening.scorer listening.candidates listening.ranking listening.selection listening.answers "
    "listening.storage listening.recommender listening.loading listening.population "
    "listening.world listening.simulate "
    "theme release.hearing release.segments release.shares release.judge release.resemble "
    "release.check release.playlists release.results release.report release.charts "
    "release.sections release.style release.page release.write "
    "explore.pages explore.columns explore.reading "
    "explore.filters explore.snapshot explore.building explore.live explore.query "
    "explore.seeds explore.listen explore.spaces explore.known explore.words explore.choose "
    "explore.search explore.heard explore.journey explore.fused explore.preparing "
    "explore.explorer explore.layout explore.atlas "
    "monitoring.serving monitoring.draws monitoring.facts monitoring.pairs "
    "monitoring.signals monitoring.drift monitoring.watch "
    "metrics bootstrap trials.scores trials.significance collection baselines systems robustness "
    "cost plots scoring evaluate encoder_figure "
    "trials.measures trials.beyond trials.page trials.folds "
    "trials.protocols trials.rivals trials.contenders trials.tally trials.evaluation "
    "trials.evaluation_page trials.standings trials.offline trials.ablog trials.anytime "
    "trials.effects trials.looks trials.abtest trials.ab_page "
    "service.settings service.problems service.meters service.memo service.seat service.desk "
    "service.security service.replies service.shelf service.intake service.batcher "
    "service.status service.jobs service.chart service.reporter service.reports "
    "service.taste service.schemas service.songs service.state service.envelope "
    "service.routes.embed service.routes.media service.routes.similar service.routes.jobs "
    "service.routes.monitor service.routes.playlists service.routes.recommend "
    "service.routes.release service.routes.system service.routes.tracks service.subsonic "
    "service.app service.server"
).split()
# Where an exception of any kind ends, and its reason is kept: a worker answers with it, a pool
# hands it to the caller.
CATCH_ALL = {("worker", "_reply"), ("pool", "serve")}

LIBRARY = sorted(p for p in (ROOT / "musicu").rglob("*.py"))
ROOMS = [p for p in LIBRARY if p.parent.name != "training" and p.stem != "__init__"]
COMMANDS = sorted((ROOT / "cli").glob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """Full names of all that is imported, inside functions too."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in _imports(path)}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "musicu").with_suffix("").parts)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_order_names_every_module() -> None:
    assert sorted(ORDER) == sorted(map(_dotted, ROOMS))


@pytest.mark.parametrize("path", ROOMS, ids=_name)
def test_imports_go_one_way(path: Path) -> None:
    imported = {name.removeprefix("musicu.") for name in _imports(path) if "musicu." in name}
    own = {name for name in ORDER for other in imported if f"{other}.".startswith(f"{name}.")}
    before = set(ORDER[: ORDER.index(_dotted(path))])
    assert own - before == set()
    assert "musicu" not in {name for name in _imports(path)}


def test_errors_import_nothing() -> None:
    assert list(_imports(ROOT / "musicu" / "errors.py")) == []


@pytest.mark.parametrize("path", [p for p in LIBRARY if p.stem != "__main__"], ids=_name)
def test_the_library_knows_no_command_line(path: Path) -> None:
    assert not _tops(path) & {"typer", "click", "rich", "argparse"}
    assert not {name for name in _imports(path) if name.startswith("musicu.cli")}
    calls = {
        node.func.id
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"print", "input", "exit", "breakpoint"}


@pytest.mark.parametrize("path", [*LIBRARY, *COMMANDS], ids=_name)
def test_training_is_a_world_of_its_own(path: Path) -> None:
    if path.parent.name != "training":
        assert not _tops(path) & {"torch", "torchaudio", "onnx"}
        # The one command that trains imports it when it is called.
        used = {name for name in _imports(path) if name.startswith("musicu.training")}
        assert not used or _name(path) == "cli/train.py"


def test_onnx_runtime_is_imported_in_one_place() -> None:
    """There its telemetry is switched off, which only works before its import."""
    users = {_name(path) for path in [*LIBRARY, *COMMANDS] if "onnxruntime" in _tops(path)}
    assert users == {"musicu/encoders/runtime.py"}


@pytest.mark.parametrize("path", [*LIBRARY, *COMMANDS], ids=_name)
def test_what_compiles_keeps_it_in_our_folder(path: Path) -> None:
    if _tops(path) & {"librosa", "numba", "umap"}:
        assert "musicu.encoders.runtime.compile_at_home" in _imports(path)


@pytest.mark.parametrize("path", [*LIBRARY, *COMMANDS], ids=_name)
def test_nothing_is_pickled(path: Path) -> None:
    assert not _tops(path) & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


_EVERYTHING = {"Exception", "BaseException"}


def _catch_alls(path: Path) -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Handlers of every exception, each with the name of its function."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, ast.FunctionDef) else function
            if isinstance(child, ast.ExceptHandler):
                kind = child.type
                caught = kind.elts if isinstance(kind, ast.Tuple) else [kind]
                if any(k is None or ast.unparse(k) in _EVERYTHING for k in caught):
                    yield inside, child
            yield from visit(child, inside)

    yield from visit(_tree(path), "")


def test_no_exception_is_swallowed() -> None:
    """A handler of every exception raises again, or is one of those declared above."""
    silent = {
        (path.stem, function)
        for path in [*LIBRARY, *COMMANDS]
        for function, handler in _catch_alls(path)
        if not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    }
    assert silent == CATCH_ALL


def _constants_classes_functions(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name


def _public(tree: ast.Module) -> set[str]:
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


@pytest.mark.parametrize("path", [*LIBRARY, *COMMANDS], ids=_name)
def test_each_module_says_what_it_offers(path: Path) -> None:
    tree = _tree(path)
    assert ast.get_docstring(tree), "no docstring"
    offered: list[str] | None = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            offered = ast.literal_eval(node.value)
    if path.parent.name == "cli" and path.stem != "options" and offered is None:
        return  # commands are called by their name on the command line
    if path.name == "__init__.py" and not _public(tree):
        return
    assert offered is not None, "no __all__"
    assert offered == sorted(offered, key=_constants_classes_functions)
    if path in ROOMS:
        module = importlib.import_module(f"musicu.{_dotted(path)}")
        assert all(hasattr(module, name) for name in offered)
        assert _public(tree) <= set(offered)


def test_the_public_names_are_those_that_are_promised() -> None:
    tree = _tree(ROOT / "musicu" / "__init__.py")
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    promised = {
        alias.name: node.module
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert musicu.__all__ == sorted(musicu.__all__) == sorted(promised)
    assert dir(musicu) == musicu.__all__
    for name, module in promised.items():
        assert getattr(musicu, name) is getattr(importlib.import_module(str(module)), name)
        if name != "DEFAULT_MODEL":
            assert getattr(musicu, name).__module__ == module
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        musicu.nonsense  # noqa: B018


def test_importing_musicu_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import musicu; "
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(done.stdout.split()) & {"numpy", "av", "onnxruntime", "sqlite3", "librosa"}
    assert "musicu" in done.stdout.split()


@pytest.mark.parametrize("path", ROOMS, ids=_name)
def test_what_is_heavy_is_imported_where_it_is_used(path: Path) -> None:
    heavy = {
        "librosa",
        "scipy",
        "pyarrow",
        "tea_tasting",
        "sklearn",
        "numba",
        "umap",
        "soundfile",
        "av",
        "onnxruntime",
        "soxr",
    }
    for node in _tree(path).body:
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & heavy
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in heavy
