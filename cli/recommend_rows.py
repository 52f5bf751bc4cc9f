"""How recommendations are shown: a row each, all that adds up, passages, a playlist."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicu.cli.inputs import top_contributions

if TYPE_CHECKING:
    from musicu.cli.track_output import PlaylistEntry
    from musicu.recommend.loading import CatalogRecommender
    from musicu.recommend.results import Recommendation


def matched_passages(
    found: "Sequence[Recommendation]", loaded: "CatalogRecommender", catalog: Path | None
) -> dict[str, dict[str, Any]]:
    """Hear which seconds match those of the played track that spoke most for each."""
    from musicu.catalog.catalog import Catalog
    from musicu.release.passages import match_files

    names = loaded.names
    pairs = {
        one.id: (here, there)
        for one in found
        if one.because and (here := names.path(one.id)) and (there := names.path(one.because[0].id))
    }
    with Catalog(catalog, create=False) as opened:
        heard = match_files(list(pairs.values()), model=opened.model())
    return {
        id: {**passage.to_dict(), "with": there}
        for (id, (_, there)), passage in zip(pairs.items(), heard, strict=True)
        if passage
    }


def when_alike(passage: Mapping[str, Any] | None) -> dict[str, str]:
    """Say which seconds are alike; nothing without a passage."""
    if passage is None:
        return {}
    here, there, long = (int(passage[name]) for name in ("start", "other", "seconds"))
    return {"seconds": f"{here}-{here + long} like {there}-{there + long}"}


def playlist_entries(
    loaded: "CatalogRecommender", found: "Sequence[Recommendation]"
) -> "Iterator[PlaylistEntry]":
    """Yield those whose file is known, as a playlist has them."""
    from musicu.cli.track_output import PlaylistEntry

    items = loaded.recommender.items
    for one in found:
        if path := loaded.names.path(one.id):
            seconds = items[items.position(one.id)].descriptors.get("duration")
            yield PlaylistEntry(path, one.title, one.artist, seconds)


def recommendation_row(one: "Recommendation", loaded: "CatalogRecommender") -> dict[str, Any]:
    """Show a recommendation in one line."""
    reasons = [top_contributions(one.contributions, 2)]
    if one.words:
        reasons.append(", ".join(one.words[:2]))
    if one.because:
        first = one.because[0]
        title = loaded.title(first.id, first.title)
        reasons.append(f"because you played {title}" + (f" by {first.artist}" * bool(first.artist)))
    return {
        "rank": one.rank,
        "score": one.score,
        "artist": one.artist,
        "title": loaded.title(one.id, one.title),
        "why": "; ".join(filter(None, reasons)),
    }


def explanation_rows(
    found: "Sequence[Recommendation]", loaded: "CatalogRecommender"
) -> list[dict[str, Any]]:
    """Return a row for all that adds to each score: by what it is, and by what was played."""
    rows: list[dict[str, Any]] = []
    for one in found:
        parts = sorted(one.contributions.items(), key=lambda part: -abs(part[1]))
        adds = [(name, value) for name, value in parts if value]
        for heard in one.because:
            who = f"{heard.artist} - " if heard.artist else ""
            title = loaded.title(heard.id, heard.title)
            adds.append((f"played: {who}{title}", heard.contribution))
        for heard in one.despite:
            who = f"{heard.artist} - " if heard.artist else ""
            title = loaded.title(heard.id, heard.title)
            adds.append((f"disliked: {who}{title}", heard.contribution))
        rows += [{"rank": one.rank, "adds": value, "what": what} for what, value in adds]
        rows.append({"rank": one.rank, "adds": None, "what": f"found by: {', '.join(one.sources)}"})
    return rows
