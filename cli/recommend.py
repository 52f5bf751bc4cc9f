"""``musicu recommend``: music for a listener."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    RecommenderCatalog,
    RecommenderFolder,
    SaltFile,
    Unknown,
    matched_log,
    salt,
)
from musicu.cli.options import (
    Format,
    MaxPerArtist,
    NonMusic,
    Playlist,
    Quiet,
    Where,
    emit,
    row_output,
    say,
)
from musicu.cli.recommend_all import recommend_all_users
from musicu.cli.recommend_rows import (
    explanation_rows,
    matched_passages,
    playlist_entries,
    recommendation_row,
    when_alike,
)
from musicu.cli.surface import At, Device, SurfaceName, ask_surface, named_surface

if TYPE_CHECKING:
    from musicu.recommend.loading import CatalogRecommender
    from musicu.recommend.recommender import History


@row_output
def recommend(
    recommender: RecommenderFolder,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            help="What was played: ids, their first 6 or more characters, ISRCs or paths.",
            metavar="ITEM",
        ),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="A log of listening, for --user.", metavar="FILE")
    ] = None,
    user: Annotated[str | None, typer.Option(help="A user of the log.")] = None,
    history: Annotated[
        Path | None, typer.Option(help="A playlist of what was played.", metavar="M3U8")
    ] = None,
    catalog: RecommenderCatalog = None,
    surface: SurfaceName = None,
    at: At = None,
    device: Device = None,
    n: Annotated[int | None, typer.Option("-n", min=0, help="How many; else 20.")] = None,
    where: Where = None,
    diversity: Annotated[
        float | None, typer.Option(min=0, max=1, help="0 takes the best, 1 the most different.")
    ] = None,
    max_per_artist: MaxPerArtist = None,
    max_per_album: Annotated[
        int | None, typer.Option(min=1, help="At most so many of an album.", metavar="N")
    ] = None,
    min_new: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share kept for what nobody has played; else 0.1.", metavar="SHARE"
        ),
    ] = None,
    popularity_weight: Annotated[
        float | None, typer.Option(help="Above 0 the popular stand back.", metavar="X")
    ] = None,
    hour: Annotated[
        float | None,
        typer.Option(min=0, max=24, help="Hour of the day (UTC) it is for; needs times."),
    ] = None,
    include_non_music: NonMusic = False,
    again: Annotated[bool, typer.Option("--again", help="What was played may come again.")] = False,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    m3u8: Playlist = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show all that adds up to each score.")
    ] = False,
    because: Annotated[
        bool, typer.Option(help="Say why; without reasons an answer takes half the time.")
    ] = True,
    passages: Annotated[
        bool,
        typer.Option(
            "--passages", help="Hear which seconds are like those of what was played; --catalog."
        ),
    ] = False,
    all_users: Annotated[
        bool, typer.Option("--all-users", help="Lists for everybody in --log, into --out.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="For --all-users: a file of Parquet, a row a place.", metavar="FILE"),
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="For --all-users: how many work.", metavar="N")
    ] = 1,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Recommend music to a user of a log, to a playlist's owner, or from a few items.

    Scores are in standard deviations of the listener's own, and comparable in one list only.
    """
    chosen = {
        "diversity": diversity,
        "max_per_artist": max_per_artist,
        "max_per_album": max_per_album,
        "popularity_weight": popularity_weight,
        "min_new": min_new,
        "again": again or None,
    }
    rules = {name: value for name, value in chosen.items() if value is not None}
    if all_users:
        if user is not None or history is not None or items or m3u8 or explain or passages:
            raise typer.BadParameter("--all-users is for --log: name no listener, and no reasons")
        if surface is not None:
            raise typer.BadParameter("--all-users knows no --surface")
        if catalog is None and where is not None:
            raise typer.BadParameter("--where needs --catalog")
        recommend_all_users(
            recommender,
            log,
            out,
            catalog=catalog,
            salt_file=salt_file,
            duplicates=duplicates,
            quiet=quiet,
            n=20 if n is None else n,
            where=where,
            include_non_music=include_non_music,
            processes=processes,
            hour=hour,
            **rules,
        )
        return
    if out is not None or processes != 1:
        raise typer.BadParameter("--out and --processes are for --all-users")
    if (log is None) != (user is None):
        raise typer.BadParameter("--log and --user belong together")
    place = named_surface(surface, at, device)
    # Where what plays counts, it may be named beside a listener.
    named = (log is not None and not (place and place.playing), history is not None, bool(items))
    if sum(named) > 1 or not (any(named) or log is not None):
        raise typer.BadParameter("name items, or --log with --user, or --history: one of these")
    if catalog is None and (where is not None or m3u8 is not None):
        raise typer.BadParameter("--where and --m3u8 need --catalog")
    if not because and (explain or passages):
        raise typer.BadParameter("--no-because leaves nothing to --explain, and no --passages")
    if passages and catalog is None:
        raise typer.BadParameter("--passages needs --catalog: it hears the files")
    if explain and output is not Format.TABLE:
        raise typer.BadParameter("--explain is for the table: the other forms always tell all")
    from musicu.cli.track_output import write_playlist
    from musicu.recommend.loading import load_catalog_recommender
    from musicu.recommend.recommender import History

    loaded = load_catalog_recommender(recommender, catalog, where=where)
    listener = None
    if log is not None and user is not None:
        listener = _of_user(loaded, log, user, salt_file, duplicates, quiet=quiet)
    played = None
    if history is not None:
        played = _of_playlist(loaded, history, quiet=quiet)
    elif items:
        played = History([loaded.names.one(item, folder=".") for item in items])
    left_out = () if include_non_music else loaded.non_music
    if place is None:
        found = loaded.recommender.recommend(
            listener or played or History(()),
            20 if n is None else n,
            candidates=loaded.candidates,
            exclude=left_out,
            hour=hour,
            explain=because,
            **rules,
        )
    else:
        found = ask_surface(
            loaded,
            place,
            listener,
            played,
            at=at,
            hour=hour,
            device=device,
            exclude=left_out,
            n=n,
            rules=rules,
        )
    write_playlist(m3u8, playlist_entries(loaded, found))
    matched = matched_passages(found, loaded, catalog) if passages else {}
    if output is Format.TABLE:
        emit(
            [recommendation_row(one, loaded) | when_alike(matched.get(one.id)) for one in found],
            output,
        )
        if explain:
            typer.echo()
            emit(explanation_rows(found, loaded), output)
    else:
        rows = [{**one.to_dict(), "path": loaded.names.path(one.id)} for one in found]
        if passages:
            rows = [row | {"passage": matched.get(row["id"])} for row in rows]
        emit(rows, output)
    for note in (found.novelty, *found.notes):
        say(note, quiet=quiet)


def _of_user(
    loaded: "CatalogRecommender",
    log: Path,
    user: str,
    salt_file: Path | None,
    duplicates: Duplicates,
    *,
    quiet: bool,
) -> "History":
    from musicu.errors import RecommenderError
    from musicu.recommend.interactions import hash_user
    from musicu.recommend.recommender import History

    interactions = matched_log(
        log,
        loaded.names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=Unknown.DROP,
        quiet=quiet,
    )
    secret = salt(salt_file)
    # Whoever has seen the hash only may ask by it.
    if secret is not None and user not in interactions.users:
        user = hash_user(user, secret)
    if user not in interactions.users:
        raise RecommenderError(
            f"{log}: no such user, or nothing of what the user played is known to the recommender"
        )
    return History(*interactions.of_user(user))


def _of_playlist(loaded: "CatalogRecommender", playlist: Path, *, quiet: bool) -> "History":
    from musicu.errors import RecommenderError
    from musicu.metadata.playlist import read_m3u8
    from musicu.recommend.recommender import History

    paths = read_m3u8(playlist)
    found = [ids[0] for ids in map(loaded.names.find, paths) if len(ids) == 1]
    if not found:
        raise RecommenderError(
            f"{playlist}: none of its {len(paths):,} files is an item of the recommender: name the "
            "--catalog they are in"
        )
    if lost := len(paths) - len(found):
        say(f"left out: {lost:,} of {len(paths):,} files, which are unknown", quiet=quiet)
    return History(found)
