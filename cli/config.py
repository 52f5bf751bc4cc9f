"""``musicu config``: the user's own defaults of options."""

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.defaults import config_path, options_of, read_defaults
from musicu.cli.options import Format, Quiet, emit, row_output, say

_HEAD = """\
# The defaults of musicu's commands: take the '# ' off a line to set it.
# What stands above the first [command] holds for every command that has such an option; the command
# line goes over all. Paths start in this file's folder, or at ~. MUSICU_CONFIG= musicu ... does
# without this file.

# catalog-path = "FILE"  # for all commands, unless --catalog or $MUSICU_CATALOG says another
"""


@row_output
def config(
    ctx: typer.Context,
    init: Annotated[
        bool, typer.Option("--init", help="Make the file, with every option in it, switched off.")
    ] = False,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Show the defaults you have set for options, and where: in a TOML file of your own.

    Of every command's options any can have a default there: [similar] n = 10. The file is
    $MUSICU_CONFIG, else config.toml in your configuration folder.
    """
    from musicu.errors import MusicuError

    root, path = ctx.find_root().command, config_path()
    if path is None:
        raise MusicuError("no file of defaults: $MUSICU_CONFIG is set, and empty")
    if init:
        _write(path, root)
    found = read_defaults(root)
    if found.fault:
        raise found.fault
    emit(found.rows(), output, table=["command", "option", "value"])
    there = "" if found.path else " (there is none: 'musicu config --init' makes it)"
    say(f"{path}{there}", quiet=quiet)


def _write(path: Path, root: Any) -> None:
    from musicu.errors import MusicuError
    from musicu.files import written_file

    if path.exists():
        raise MusicuError(f"{path}: is there already")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_file(path, encoding="utf-8") as file:
        file.write("\n".join((_HEAD, *_lines(root, ""))) + "\n")


def _lines(group: Any, above: str) -> Iterator[str]:
    """Yield a table for each command, with its options and their defaults as comments."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _lines(command, f"{above}{name}.")
            continue
        # A name of two words (fit sessions) is one key.
        key = json.dumps(name) if " " in name else name
        yield f"[{above}{key}]"
        for key, option in options_of(command).items():
            value = option.metavar if option.default is None else _toml(option.default)
            yield f"# {key} = {value}  # {' '.join(inspect.cleandoc(option.help or '').split())}"
        yield ""


def _toml(value: Any) -> str:
    value = getattr(value, "value", value)
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)
