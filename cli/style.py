"""How commands look: their help, the names of what options take, and what is said of mistakes."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from musicu.cli.defaults import read_defaults
from musicu.cli.options import FORMS
from musicu.cli.streams import one_line

__all__ = ["App", "Command", "Group"]

# What an option takes, where it does not say so itself.
_TAKES: dict[Any, str] = {int: "N", float: "X", Path: "FILE", str: "TEXT", datetime: "DATE"}
_DEFAULTS = "musicu.defaults"  # under which a context has them
_WITHOUT_DEFAULTS = ("config", "doctor")  # they tell what is wrong with the file
_WIDEST = 110  # a longer line of help is hard to read
# Typer has it from the part of Click that it brings along, and does not give it out.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Command(TyperCommand):
    """A command whose help names what it takes, and nothing else."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the command's name in its usage line."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *map(_usage, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options."""
        _write_parameters(self, ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless the user's file of defaults cannot be used."""
        defaults = ctx.find_root().meta.get(_DEFAULTS)
        if defaults and defaults.fault and self.name not in _WITHOUT_DEFAULTS:
            raise defaults.fault
        given = {name: ctx.get_parameter_source(name) for name in FORMS if name in ctx.params}
        if any(source.name == "COMMANDLINE" for source in given.values()):
            # A form of output that is a default gives way to one that is asked for.
            ctx.params |= {n: False for n, source in given.items() if source.name == "DEFAULT_MAP"}
        return super().invoke(ctx)


class Group(TyperGroup):
    """Commands in sections; the outermost one says of mistakes what all of musicu says of them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, section by section, then the options."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                section = getattr(command, "rich_help_panel", None) or "Commands"
                first = inspect.cleandoc(command.help or "").partition("\n\n")[0]
                sections.setdefault(str(section), []).append((name, " ".join(first.split())))
        widest = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for section, rows in sections.items():
            with formatter.section(section):
                # All sections have their texts in one column.
                formatter.write_dl([(name.ljust(widest), text) for name, text in rows])
        _write_parameters(self, ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; two words may name one, as in ``musicu fit sessions``."""
        name = " ".join(args[:2])
        if name in self.commands:
            return name, self.commands[name], args[2:]
        return super().resolve_command(ctx, args)

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Have the user's own defaults stand behind all that the command line does not say."""
        if parent is not None:
            return super().make_context(info_name, args, parent, **extra)
        defaults = read_defaults(self)
        if defaults.catalog is not None:
            os.environ.setdefault("MUSICU_CATALOG", defaults.catalog)
        ctx = super().make_context(info_name, args, None, default_map=defaults.commands, **extra)
        ctx.meta[_DEFAULTS] = defaults
        return ctx

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; a wrong usage is two lines on stderr, and exit status 2."""
        run = partial(super().main, args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return run(**extra)
        try:
            status = run(**extra)
        except _UsageError as error:
            typer.echo(_explain(error), err=True)
            sys.exit(2)
        except typer.Abort:
            typer.echo("error: stopped, for there was no answer", err=True)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


class App(typer.Typer):
    """A group of commands in musicu's style."""

    def __init__(self, **settings: Any) -> None:
        given: dict[str, Any] = {"cls": Group, "no_args_is_help": True, "rich_markup_mode": None}
        given |= {"add_completion": False, "pretty_exceptions_enable": False}
        names = {"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST}
        super().__init__(context_settings=names, **(given | settings))

    def command(self, name: str | None = None, **settings: Any) -> Callable[..., Any]:
        """Take a function as a command; what it says nothing of gets a name for its help."""
        add = super().command(name, cls=settings.pop("cls", Command), **settings)

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            for one in inspect.signature(function).parameters.values():
                _name_value(one)
            return add(function)

        return register


def _name_value(parameter: inspect.Parameter) -> None:
    """Say in one word what an option or argument takes: in capitals, or its choices."""
    if get_origin(parameter.annotation) is not Annotated:
        return
    kind, info, *_ = get_args(parameter.annotation)
    if getattr(info, "metavar", "") is not None:
        return
    while get_origin(kind) in (Union, UnionType, list):
        kind = next(one for one in get_args(kind) if one is not type(None))
    if isinstance(kind, type) and issubclass(kind, Enum):
        info.metavar = "|".join(str(one.value) for one in kind)
    elif type(info).__name__ == "ArgumentInfo":
        info.metavar = parameter.name.upper()
    elif kind is not bool:
        info.metavar = _TAKES[kind]


def _usage(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper()) + "..." * (argument.nargs != 1)
    return name if argument.required else f"[{name}]"


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for one in command.get_params(ctx):
        if one.hidden:
            continue
        if one.param_type_name == "argument":
            sections["Arguments"].append((str(one.metavar or one.name.upper()), one.help or ""))
        else:
            names = ", ".join(sorted(one.opts, key=len))
            takes = "" if one.is_flag else f" {one.metavar}"
            sections["Options"].append((names + takes, " ".join(_option_help(one, ctx))))
    for section, rows in sections.items():
        if rows:
            with formatter.section(section):
                formatter.write_dl(rows)


def _option_help(option: Any, ctx: Any) -> Iterator[str]:
    yield option.help or ""
    default = option.get_default(ctx, call=False)
    if isinstance(default, Enum):
        default = default.value
    if option.required and default is None:
        yield "[required]"
    elif default is not None and default is not False and default not in ("", [], ()):
        yield "[on]" if default is True else f"[{default}]"


def _explain(error: Exception) -> str:
    """Say what is wrong with how a command was called, and where to look."""
    ctx: Any = getattr(error, "ctx", None)
    text = str(error) if ctx is None else error.format_message()  # type: ignore[attr-defined]
    if text.lstrip().startswith("Usage: "):  # no command was named: this is the help
        return str(text)
    parameter = getattr(error, "param", None)
    if parameter is not None and ctx is not None and parameter.name in (ctx.default_map or {}):
        text = f"{text.rstrip('.')}; a default is set in {ctx.find_root().meta[_DEFAULTS].path}"
    text = one_line(str(text).removeprefix("Invalid value: ").rstrip("."))
    lines = [f"error: {text[:1].lower()}{text[1:]}"]
    if ctx is not None:
        usage = " ".join(ctx.get_usage().split()).removeprefix("Usage: ")
        lines.append(f"usage: {usage}; '{ctx.command_path} --help' tells more")
    return "\n".join(lines)
