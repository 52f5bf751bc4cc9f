"""``musicu write-tags``: what was heard, into the tags of files, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.options import Catalog, Format, Quiet, Where, emit, row_output, say

if TYPE_CHECKING:
    from musicu.catalog.tag_values import FilePlan
    from musicu.metadata.tag_writing import TagEdit


@row_output
def write_tags(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Files or folders of the catalog; none means all.", metavar="PATH"),
    ] = None,
    field: Annotated[
        list[str] | None,  # some of TARGETS, which is imported when the command is called
        typer.Option(help="What to write; repeatable; else bpm and key.", metavar="bpm|key|mood"),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write; else only say what would be written.")
    ] = False,
    undo: Annotated[
        Path | None,
        typer.Option(help="Make the files what they were, by this undo file.", metavar="FILE"),
    ] = None,
    undo_file: Annotated[
        Path | None,
        typer.Option(
            help="Where to keep what leads back; else beside the catalog.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also fields that a file has.")
    ] = False,
    touch: Annotated[
        bool, typer.Option("--touch", help="Let files have new times, so that servers look again.")
    ] = False,
    tempo_sure: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Least confidence of a tempo.")
    ] = 0.5,
    key_sure: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Least confidence of a key.")
    ] = 0.25,
    where: Where = None,
    catalog: Catalog = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Write tempo, key and moods into the tags of files; says what it would do until --write.

    MP3, FLAC, Ogg Vorbis, Opus and MP4; fields that a file has stay. Audio is not touched, and
    --undo makes each file, byte for byte, what it was.
    """
    if undo is not None:
        _undo(undo, output, quiet=quiet)
        return
    from musicu.catalog.store import Store, catalog_path
    from musicu.catalog.tag_values import plan_files

    path = catalog_path(catalog)
    with Store(path, create=False) as store:
        plans = list(
            plan_files(
                store,
                paths or (),
                fields=field or ("bpm", "key"),
                where=where,
                overwrite=overwrite,
                tempo_sure=tempo_sure,
                key_sure=key_sure,
            )
        )
    edits = [plan.edit for plan in plans if plan.edit is not None and plan.edit.values]
    states = {}
    if write and edits:
        states = _write(edits, undo_file or _undo_path(path), touch=touch, quiet=quiet)
    emit([_row(plan, states) for plan in plans], output, table=_COLUMNS)
    count = sum(not why for why in states.values()) if write else len(edits)
    told = "written" if write else "would be written; --write does it"
    say(f"{count:,} of {len(plans):,} files {told}", quiet=quiet)
    if any(states.values()):
        raise typer.Exit(1)


_COLUMNS = ("state", "bpm", "key", "mood", "reason", "path")


def _undo_path(catalog: Path) -> Path:
    import time

    return catalog.with_name(f"{catalog.name}-undo-{time.strftime('%Y%m%d-%H%M%S')}.jsonl")


def _write(edits: "list[TagEdit]", undo_file: Path, *, touch: bool, quiet: bool) -> dict[str, str]:
    """Write all that can be; return why not, or an empty text, by path."""
    from musicu.errors import MusicuError
    from musicu.metadata.tag_writing import write_tags as write_into

    states = {}
    for edit in edits:
        try:
            write_into(edit, undo_file, keep_times=not touch)
            states[edit.path] = ""
        except MusicuError as error:
            states[edit.path] = str(error).removeprefix(f"{edit.path}: ")
    say(f"to take it back: musicu write-tags --undo {undo_file}", quiet=quiet)
    return states


def _row(plan: "FilePlan", states: dict[str, str]) -> dict[str, Any]:
    values = plan.edit.values if plan.edit else {}
    failed = states.get(plan.path)
    state = "refused" if plan.edit is None else "would write" if failed is None else "written"
    if plan.edit is not None and not values:
        state = "kept"
    row: dict[str, Any] = {"state": "refused" if failed else state}
    row |= {name: list(values.get(name, ())) for name in ("bpm", "key", "mood")}
    return row | {"reason": failed or plan.reason, "path": plan.path}


def _undo(undo: Path, output: Format, *, quiet: bool) -> None:
    from musicu.errors import MusicuError
    from musicu.metadata.tag_writing import read_undo, undo_tags

    rows, failed = [], False
    for entry in reversed(read_undo(undo)):
        try:
            state, reason = ("restored" if undo_tags(entry) else "as it was"), ""
        except MusicuError as error:
            state, reason, failed = "refused", str(error).removeprefix(f"{entry.path}: "), True
        rows.append({"state": state, "reason": reason, "path": entry.path})
    emit(rows, output, table=("state", "reason", "path"))
    done = sum(row["state"] == "restored" for row in rows)
    say(f"{done:,} of {len(rows):,} files are what they were before", quiet=quiet)
    if failed:
        raise typer.Exit(1)
