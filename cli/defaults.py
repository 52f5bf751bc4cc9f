"""The user's own defaults of options: a TOML file, read before a command is."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicu.errors import MusicuError
from musicu.files import open_file
from musicu.metadata.near_names import did_you_mean

__all__ = ["Defaults", "config_path", "options_of", "read_defaults"]

# Where the catalog is, for all commands. It is no option of theirs: some take --catalog for a wish
# to use it; and [catalog] is a group of commands.
_CATALOG = "catalog-path"
_PATHS = frozenset({"FILE", "FOLDER", "PATH"})  # what options take that are paths
_NOT_SET = frozenset({"help", "version", "install_completion", "show_completion"})


@dataclass
class Defaults:
    """What a file of defaults says.

    Attributes
    ----------
    path : Path or None
        The file; None if there is none, or none is wanted.
    catalog : str or None
        Where the catalog is.
    commands : dict
        Values by command, or by group and command, and by the name of a parameter.
    fault : MusicuError or None
        Why the file cannot be used.
    """

    path: Path | None = None
    catalog: str | None = None
    commands: dict[str, Any] = field(default_factory=dict)
    fault: MusicuError | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each value: command, option, value."""
        first = [] if self.catalog is None else [("", _CATALOG, self.catalog)]
        found = [*first, *_flat(self.commands)]
        return [{"command": c, "option": name, "value": value} for c, name, value in found]


def config_path() -> Path | None:
    """Where the file is: ``$MUSICU_CONFIG``, of which empty means none; else the user's own."""
    if (named := os.environ.get("MUSICU_CONFIG")) is not None:
        return Path(named) if named else None
    from platformdirs import user_config_path

    return Path(user_config_path("musicu")) / "config.toml"


def read_defaults(group: Any) -> Defaults:
    """Read the user's file, if there is one; what is wrong with it is kept as its fault.

    Parameters
    ----------
    group : Group
        The commands whose options it may set.
    """
    path = config_path()
    try:
        text = _read(path) if path else ""
    except (FileNotFoundError, NotADirectoryError):  # a HOME of /dev/null has no files
        return Defaults()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        return Defaults(path, fault=MusicuError(f"{path}: {reason}"))
    if path is None:
        return Defaults()
    try:
        said = tomllib.loads(text)
        if isinstance(said.get("catalog"), str):
            raise MusicuError(f"{path}: where the catalog is, is called {_CATALOG} here")
        catalog = said.pop(_CATALOG, None)
        if catalog is not None:
            catalog = _as_path(catalog, path, _CATALOG)
        return Defaults(path, catalog, _of_group(group, said, {}, path))
    except tomllib.TOMLDecodeError as error:
        fault = MusicuError(f"{path}: not TOML: {error}")
    except MusicuError as error:
        fault = error
    return Defaults(path, fault=fault)


def _read(path: Path) -> str:
    with open_file(path, encoding="utf-8") as file:
        return str(file.read())


def options_of(command: Any) -> dict[str, Any]:
    """Return a command's options that can have a default, by their names in the file."""
    found = {}
    for one in command.params:
        if one.param_type_name == "option" and one.name not in _NOT_SET:
            found[max(one.opts, key=len).lstrip("-")] = one
    return found


def _of_group(
    group: Any, said: Mapping[str, Any], above: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """Check what is said of a group's commands; what is said above holds where nothing else is."""
    tables = {name: value for name, value in said.items() if isinstance(value, dict)}
    own = {n.replace("_", "-"): value for n, value in said.items() if n not in tables}
    for name in tables:
        if name not in group.commands:
            raise MusicuError(f"{path}: no command [{name}]{did_you_mean(name, group.commands)}")
    known = _all_options(group)
    for name in own:
        if name not in known:
            raise MusicuError(f"{path}: no command has --{name}{did_you_mean(name, known)}")
    for_all = {**above, **own}
    return {
        name: _of_group(command, tables.get(name, {}), for_all, path)
        if hasattr(command, "commands")
        else _of_command(command, tables.get(name, {}), for_all, path)
        for name, command in group.commands.items()
    }


def _of_command(
    command: Any, said: Mapping[str, Any], above: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    options = options_of(command)
    own = {name.replace("_", "-"): value for name, value in said.items()}
    for name in own:
        if name not in options:
            near = did_you_mean(name, options)
            raise MusicuError(f"{path}: [{command.name}] has no option {name!r}{near}")
    merged = {name: value for name, value in above.items() if name in options} | own
    return {options[n].name: _checked(options[n], v, path) for n, v in merged.items()}


def _all_options(group: Any) -> set[str]:
    return {
        name
        for command in group.commands.values()
        for name in (_all_options(command) if hasattr(command, "commands") else options_of(command))
    }


def _checked(option: Any, value: Any, path: Path) -> Any:
    """Return a value as the option takes it; paths start in the file's folder."""
    name = max(option.opts, key=len)
    if option.is_flag:
        if not isinstance(value, bool):
            raise MusicuError(f"{path}: {name} is on or off: true or false, not {value!r}")
        return value
    if option.multiple != isinstance(value, list):
        kind = "a list" if option.multiple else "one value"
        raise MusicuError(f"{path}: {name} takes {kind}, not {value!r}")
    if isinstance(value, bool | dict):
        raise MusicuError(f"{path}: {name} takes {option.metavar}, not {value!r}")
    if option.metavar in _PATHS:
        if option.multiple:
            return [_as_path(one, path, name) for one in value]
        return _as_path(value, path, name)
    # As on the command line, whose words are checked by the command.
    return [str(one) for one in value] if option.multiple else str(value)


def _as_path(value: Any, path: Path, name: str) -> str:
    if not isinstance(value, str):
        raise MusicuError(f"{path}: {name} is a path: a text in quotes, not {value!r}")
    return str(path.absolute().parent / Path(value).expanduser())


def _flat(commands: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str, Any]]:
    for name, value in commands.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above} {name}".strip())
        else:
            yield above, name.replace("_", "-"), value
