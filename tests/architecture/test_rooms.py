"""The rules of the house, read from the code: one test a rule, over all files."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import musicu

ROOT = Path(__file__).resolve().parents[2]
# Each room imports only rooms before it; "" is the ground. Rooms of one line are strangers.
FLOORS = (
    ("",),
    ("audio",),
    ("encoders", "metadata"),
    ("items",),
    ("workers",),
    ("catalog",),
    ("search",),
    ("recommend",),
    ("simulation", "sequences"),
    ("evaluation",),
    ("release", "monitoring"),
    ("reports", "training"),
    ("service",),
    ("cli",),
)
ROOMS = [room for floor in FLOORS for room in floor]
MOST_LINES = 350
# Where an exception of any kind ends, and its reason is kept: a worker answers with it, a pool
# hands it to the caller.
CATCH_ALL = {("worker_program", "_reply"), ("pool", "serve")}
# Private names that tests import all the same.
PRIVATE = {
    "tests/catalog/test_changes.py: musicu.release.report._collect",
}
HEAVY = frozenset(
    "librosa scipy pyarrow tea_tasting sklearn numba umap soundfile av onnxruntime soxr".split()
)

LIBRARY = sorted((ROOT / "musicu").rglob("*.py"))
COMMANDS = sorted((ROOT / "cli").glob("*.py"))
MODULES = [p for p in (*LIBRARY, *COMMANDS) if p.stem not in ("__init__", "__main__")]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(path: Path) -> str:
    """``musicu.audio.mel``; the folder cli is installed as musicu.cli."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("musicu", *parts) if parts[0] == "cli" else parts)


def room_of(module: str) -> str:
    _, *parts = module.split(".")
    return parts[0] if len(parts) > 1 else ""


NAMES = {dotted(path) for path in MODULES}


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of all that is imported, inside functions too."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or "", *(f"{node.module}.{a.name}" for a in node.names)}
    return frozenset(found)


def tops(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def own_imports(path: Path) -> set[str]:
    """Modules of musicu that a module imports."""
    return set(imports(path)) & (NAMES - {dotted(path)})


def test_every_module_has_a_room_and_every_room_has_modules() -> None:
    assert {room_of(name) for name in NAMES} == set(ROOMS)


def test_imports_go_down_the_rooms() -> None:
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    upward = {
        f"{dotted(path)} imports {other}"
        for path in MODULES
        for other in own_imports(path)
        if (room := room_of(dotted(path))) != (below := room_of(other))
        and floor[below] >= floor[room]
    }
    assert upward == set()
    assert [str(path) for path in MODULES if "musicu" in imports(path) and path in LIBRARY] == []


def test_the_modules_of_a_room_import_each_other_without_a_circle() -> None:
    left = {
        dotted(p): {n for n in own_imports(p) if room_of(n) == room_of(dotted(p))} for p in MODULES
    }
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


def test_no_module_is_long() -> None:
    lines = {dotted(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_no_private_name_crosses_modules() -> None:
    crossed = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*MODULES, *TESTS)
        for name in imports(path)
        if name.startswith("musicu.")
        for part in name.split(".")
        if part.startswith("_") and not part.startswith("__")
    }
    assert crossed == PRIVATE


def test_scripts_import_what_there_is() -> None:
    missing = {
        f"{path.relative_to(ROOT)}: {node.module}.{alias.name}"
        for folder in ("bench", "recipes", "fixtures")
        for path in (ROOT / folder).glob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "musicu"
        for alias in node.names
        if not hasattr(importlib.import_module(str(node.module)), alias.name)
    }
    assert missing == set()


def test_errors_import_nothing() -> None:
    assert imports(ROOT / "musicu" / "errors.py") == frozenset()


def test_the_library_knows_no_command_line() -> None:
    for path in LIBRARY:
        if path.stem == "__main__":
            continue
        assert not tops(path) & {"typer", "click", "rich", "argparse"}, path
        assert not {name for name in imports(path) if name.startswith("musicu.cli")}, path
        calls = {
            node.func.id
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"print", "input", "exit", "breakpoint"}, path


def test_training_is_a_world_of_its_own() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (*LIBRARY, *COMMANDS)
        if path.parent.name != "training"
        and (
            tops(path) & {"torch", "onnx"}
            or any(name.startswith("musicu.training") for name in imports(path))
        )
    }
    assert users == {"cli/sessions.py", "cli/train.py"}  # which import it when they are called
    for path in users:
        assert not tops(ROOT / path) & {"torch", "onnx"}


def test_onnx_runtime_is_imported_in_one_place() -> None:
    """There its telemetry is switched off, which only works before its import."""
    users = {dotted(path) for path in (*LIBRARY, *COMMANDS) if "onnxruntime" in tops(path)}
    assert users == {"musicu.encoders.runtime"}


def test_what_compiles_keeps_it_in_our_folder() -> None:
    for path in (*LIBRARY, *COMMANDS):
        if tops(path) & {"librosa", "numba", "umap"}:
            assert "musicu.encoders.runtime.set_numba_cache" in imports(path), path


def test_nothing_is_pickled() -> None:
    pickles = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    for path in (*LIBRARY, *COMMANDS):
        assert not tops(path) & pickles, path
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path


def catch_alls(path: Path) -> Iterator[tuple[str, ast.ExceptHandler]]:
    """Handlers of every exception, each with the name of its function."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, ast.ExceptHandler]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, ast.FunctionDef) else function
            if isinstance(child, ast.ExceptHandler):
                kind = child.type
                caught = kind.elts if isinstance(kind, ast.Tuple) else [kind]
                everything = {"Exception", "BaseException"}
                if any(k is None or ast.unparse(k) in everything for k in caught):
                    yield inside, child
            yield from visit(child, inside)

    yield from visit(tree_of(path), "")


def test_no_exception_is_swallowed() -> None:
    """A handler of every exception raises again, or is one of those declared above."""
    silent = {
        (path.stem, function)
        for path in (*LIBRARY, *COMMANDS)
        for function, handler in catch_alls(path)
        if not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    }
    assert silent == CATCH_ALL


def public_names(tree: ast.Module) -> set[str]:
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


def constants_classes_functions(name: str) -> tuple[bool, bool, str]:
    return not name.isupper(), not name[0].isupper(), name


def test_each_module_says_what_it_offers() -> None:
    for path in (*LIBRARY, *COMMANDS):
        tree = tree_of(path)
        if not tree.body:
            continue  # a room without a sign
        assert ast.get_docstring(tree), f"{path}: no docstring"
        offered: list[str] | None = None
        for node in tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                offered = ast.literal_eval(node.value)
        if path.parent.name == "cli" and path.stem != "options" and offered is None:
            continue  # commands are called by their name on the command line
        if path.name == "__init__.py" and not public_names(tree):
            continue
        assert offered is not None, f"{path}: no __all__"
        assert offered == sorted(offered, key=constants_classes_functions), path
        if path in MODULES and path in LIBRARY and path.parent.name != "training":
            module = importlib.import_module(dotted(path))
            assert all(hasattr(module, name) for name in offered), path
            assert public_names(tree) <= set(offered), path


def test_the_public_names_are_those_that_are_promised() -> None:
    tree = tree_of(ROOT / "musicu" / "__init__.py")
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


def test_what_is_heavy_is_imported_where_it_is_used() -> None:
    for path in LIBRARY:
        if path.parent.name == "training":
            continue
        for node in tree_of(path).body:
            if isinstance(node, ast.Import):
                assert not {alias.name.partition(".")[0] for alias in node.names} & HEAVY, path
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").partition(".")[0] not in HEAVY, path
