"""``musicu tags`` and ``musicu find``: music in words."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.options import (
    Catalog,
    Format,
    Model,
    NonMusic,
    Number,
    Playlist,
    Quiet,
    Where,
    emit,
    row_output,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musicu.catalog.catalog import Catalog as Opened
    from musicu.encoders.model import Model as UsedModel
    from musicu.encoders.tag import Tag
    from musicu.encoders.tagger import Heard


@row_output
def tags(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files, or stored tracks' paths or ids.", metavar="FILE"),
    ] = None,
    catalog: Catalog = None,
    n: Annotated[
        int | None,
        typer.Option("-n", min=0, help="At most so many of each; else 10, with --all all."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the tags that are not sure enough to be said.")
    ] = False,
    vocabulary: Annotated[
        bool,
        typer.Option(
            "--vocabulary", help="List the words that the model knows, and how far to trust them."
        ),
    ] = False,
    model: Model = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Say in words what is heard: genre, mood, instruments, voice, era.

    Where no genre or mood is sure enough, it is "unsure"; speech, noise and the like are no music.
    """
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.catalog.store import catalog_path
    from musicu.encoders.registry import find_model
    from musicu.encoders.tagger import TagHead

    if vocabulary == bool(files):
        raise typer.BadParameter("name files, or ask for --vocabulary: one of both")
    with ExitStack() as stack:
        opened = None
        if catalog is not None or catalog_path().exists():
            opened = stack.enter_context(Opened(catalog, create=False))
        used = find_model(model) if opened is None else opened.tagging_model(model)
        if vocabulary:
            words = [_word(tag) for tag in TagHead.load(used).tags]
            emit(words, output, table=("tag", "kind", "auc", "agreement", "synonyms", "sources"))
            return
        heard = _hear(files or [], opened, used)
    rows = []
    for file, one in heard.items():
        found = _rows(file, one, used, everything=everything)
        rows += found[: n if n is not None or everything else 10]
        if one.non_music:
            say(f"{file}: no music", quiet=quiet)
        elif not one.familiar:
            say(f"{file}: unlike all that the model has learned from", quiet=quiet)
    columns = ["tag", "kind", "probability"]
    if everything:
        columns.append("said")
    if len(files or []) > 1:
        columns.append("path")
    if output is Format.TABLE:
        for row in rows:
            row["said"] = "" if row["said"] else "not sure enough"
    if rows:
        emit(rows, output, table=columns)
    if len(heard) < len(set(files or [])):
        raise typer.Exit(1)


def _word(tag: "Tag") -> dict[str, Any]:
    return {
        "tag": tag.name,
        "kind": tag.kind,
        "threshold": tag.threshold,
        "auc": tag.auc,
        "ap": tag.ap,
        "agreement": tag.agreement,
        "positives": tag.positives,
        "synonyms": list(tag.synonyms),
        "sources": list(tag.sources),
    }


def _hear(files: "Sequence[str]", opened: "Opened | None", used: "UsedModel") -> "dict[str, Heard]":
    """Hear files and stored tracks; say of each that cannot be used why."""
    from musicu.catalog.sound_tags import hear_file
    from musicu.errors import AudioError, CatalogError, ModelMismatchError

    heard = {}
    for file in files:
        try:
            if opened is None:
                heard[file] = hear_file(file, model=used.folder)
            else:
                heard[file] = opened.hear(file, model=used.folder)
        except (AudioError, CatalogError, ModelMismatchError) as error:
            say(f"error: {error}")
    return heard


def _rows(
    path: str, heard: "Heard", used: "UsedModel", *, everything: bool
) -> list[dict[str, Any]]:
    """Return a row for each kind of which nothing can be said, and for each tag to show."""
    known = {tag.name: tag for tag in used.tags}
    rows: list[dict[str, Any]] = [
        {"path": path, "tag": "unsure", "kind": kind, "probability": None, "auc": None}
        | {"said": False}
        for kind in (() if everything else heard.unsure)
    ]
    for name, p in heard.probabilities.items():
        if everything or name in heard.said:
            about = {"tag": name, "kind": known[name].kind, "probability": p}
            rows.append({"path": path, **about, "auc": known[name].auc, "said": name in heard.said})
    return rows


@row_output
def find(
    text: Annotated[
        str, typer.Argument(help='What you want: "calm female vocals, piano, no drums".')
    ],
    catalog: Catalog = None,
    n: Number = 20,
    where: Where = None,
    include_non_music: NonMusic = False,
    m3u8: Playlist = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Find tracks by words: genres, moods, instruments, voices, decades."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.track_output import show_matches

    with Opened(catalog, create=False) as opened:
        found = opened.find(text, n, where=where, include_non_music=include_non_music)
        notice = opened.notice
    terms = [("not " if t.negated else "") + " or ".join(t.tags) for t in found.terms]
    say(f"looked for: {'; '.join(terms)}", quiet=quiet)
    if found.unused:
        say(f"not used: {', '.join(found.unused)}", quiet=quiet)
    for faint in found.faint:
        say(f"hardly heard: {faint.text} (in {faint.heard} of {faint.tracks} found)", quiet=quiet)
    show_matches(found.matches, n, output, m3u8=m3u8, notice=notice, quiet=quiet)
