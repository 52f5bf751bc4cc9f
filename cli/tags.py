"""``musicu tags`` and ``musicu find``: music in words."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.options import (
    Catalog,
    Format,
    Model,
    Number,
    Playlist,
    Quiet,
    Where,
    emit,
    row_output,
    say,
)

if TYPE_CHECKING:
    from musicu.encoders.model import Tag


@row_output
def tags(
    files: Annotated[
        list[str], typer.Argument(help="Files, or stored tracks' paths or ids.", metavar="FILE...")
    ],
    catalog: Catalog = None,
    n: Annotated[
        int | None,
        typer.Option("-n", min=0, help="At most so many of each; else 10, with --all all."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the tags below their thresholds.")
    ] = False,
    model: Model = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Say in words what is heard: genre, mood, instruments, voice, era.

    The most probable tag comes first, and is shown even where it is below its threshold.
    """
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.catalog.sound_tags import tag_file
    from musicu.catalog.store import catalog_path
    from musicu.encoders.registry import find_model
    from musicu.errors import AudioError, CatalogError, ModelMismatchError

    with ExitStack() as stack:
        opened = None
        if catalog is not None or catalog_path().exists():
            opened = stack.enter_context(Opened(catalog, create=False))
        used = find_model(model) if opened is None else opened.tagging_model(model)
        known = {tag.name: tag for tag in used.tags}
        rows: list[dict[str, Any]] = []
        failed = False
        for file in files:
            try:
                heard = (
                    tag_file(file, model=used.folder)
                    if opened is None
                    else opened.tags(file, model=used.folder)
                )
            except (AudioError, CatalogError, ModelMismatchError) as error:
                failed = True
                say(f"error: {error}")
                continue
            found = [_row(file, known[name], p) for name, p in heard.items()]
            shown = found if everything else found[:1] + [row for row in found[1:] if row["said"]]
            rows += shown[: n if n is not None or everything else 10]
            if not any(row["said"] for row in found):
                say(f"{file}: no tag passes its threshold; --all shows all", quiet=quiet)
    columns = ["tag", "kind", "probability"]
    if not all(row["said"] for row in rows):
        columns.append("said")
    if len(files) > 1:
        columns.append("path")
    if output is Format.TABLE:
        for row in rows:
            row["said"] = "" if row["said"] else "below its threshold"
    if rows:
        emit(rows, output, table=columns)
    if failed:
        raise typer.Exit(1)


def _row(path: str, tag: "Tag", probability: float) -> dict[str, Any]:
    return {
        "path": path,
        "tag": tag.name,
        "kind": tag.kind,
        "probability": probability,
        "auc": tag.auc,
        "said": probability >= tag.threshold,
    }


@row_output
def find(
    text: Annotated[
        str, typer.Argument(help='What you want: "calm female vocals, piano, no drums".')
    ],
    catalog: Catalog = None,
    n: Number = 20,
    where: Where = None,
    m3u8: Playlist = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Find tracks by words: genres, moods, instruments, voices, decades."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.track_output import show_matches

    with Opened(catalog, create=False) as opened:
        found = opened.find(text, n, where=where)
        notice = opened.notice
    terms = [("not " if t.negated else "") + " or ".join(t.tags) for t in found.terms]
    say(f"looked for: {'; '.join(terms)}", quiet=quiet)
    if found.unused:
        say(f"not used: {', '.join(found.unused)}", quiet=quiet)
    show_matches(found.matches, n, output, m3u8=m3u8, notice=notice, quiet=quiet)
