"""Write listening, and what is known of the artists, for `musicu evaluate recommend`.

    python recipes/coldstart.py MUSICU_DATA OUT [--model musicu-2-free]

MUSICU_DATA holds `listening` (who played which artist, and tagged it, on Last.fm) and `taffc` (song
clips). 348 artists are in both; they are joined by name, spelling variants of one artist merged.
An item is an artist. Two tests are prepared.

New artists, from sound and editors' words:

- plays.csv: user, item, weight (plays), of all artists;
- artists.csv: the artists with clips: genres and moods of AllMusic's editors, medians of what
  musicu measures, and the artist-disjoint fold of `taffc`;
- audio.npz, mfcc.npz: mean over an artist's clips of the model's embedding, and of MFCC statistics.

The default model has heard none of this music. A model that was trained on `taffc` has: use the one
of each fold then, or the result is too good.

New by time, from listeners' tags:

- tagged.csv: user, item, time: who tagged which artist in which month. A tag is the only act of
  listeners in this set that has a date, so it stands for listening;
- tagged_artists.csv: the artists with tags and how many gave each.

Listeners who tag an artist are the artist's listeners: counted over all, tags would tell who
listens. So users are divided in two at random: one half is in tagged.csv, and only the tags of the
other half describe the artists. Dates before 2005, when tagging began, are errors and left out.
"""

import argparse
import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from musicu import Encoder, describe, load
from musicu.evaluation.encoders.baselines import BASELINES

MEASURED = (
    *("tempo", "loudness", "loudness_range", "brightness", "onset_rate"),
    *("dynamic_complexity", "regularity"),
)
FIRST_YEAR = 2005


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="MUSICU_DATA")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--model", default="musicu-2-free")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    listening, taffc = arguments.data / "listening", arguments.data / "taffc"
    names = {row["id"]: row["name"] for row in read(listening / "artists.tsv.gz")}
    # All spellings of an artist go by the first one's number.
    first: dict[str, str] = {}
    merged = {}
    for row in read(listening / "artist_overlap.csv"):
        own = first.setdefault(row["taffc_artist"], row["hetrec_artist_id"])
        merged[row["hetrec_artist_id"]] = own
    item = {id: f"a{merged.get(id, id)}" for id in names}

    write_plays(listening, arguments.out, item)
    write_tagging(listening, arguments.out, item, names)
    clips = defaultdict(list)
    for row in read(taffc / "manifest.csv"):
        if row["artist"] in first:
            clips[f"a{first[row['artist']]}"].append(row)
    write_artists(taffc, arguments.out, clips, Encoder.from_pretrained(arguments.model))


def read(path: Path) -> list[dict[str, str]]:
    """Read a table of the data; names in the tab-separated ones hold quote marks."""
    if path.suffix == ".csv":
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_plays(listening: Path, out: Path, item: dict[str, str]) -> None:
    """Write who played what, plays of merged artists added up."""
    plays: Counter[tuple[int, str]] = Counter()
    for row in read(listening / "user_artists.tsv.gz"):
        plays[int(row["userID"]), item[row["artistID"]]] += int(row["weight"])
    rows = ((f"u{user}", artist, n) for (user, artist), n in sorted(plays.items()))
    write(out / "plays.csv", ("user", "item", "weight"), rows)


def write_tagging(listening: Path, out: Path, item: dict[str, str], names: dict[str, str]) -> None:
    """Write dated tagging of one half of the users, and tags counted over the other half."""
    rows = read(listening / "user_taggedartists.tsv.gz")
    words = {row["tagID"]: row["tagValue"] for row in read(listening / "tags.tsv.gz")}
    users = sorted({int(row["userID"]) for row in rows})
    drawn = np.random.default_rng(0).permutation(users)[: len(users) // 2]
    asked = set(drawn.tolist())
    acts, tags = set(), defaultdict(Counter)
    for row in rows:
        user, year, month = (int(row[name]) for name in ("userID", "year", "month"))
        # Artists without a name were played by nobody.
        artist = item.get(row["artistID"], f"a{row['artistID']}")
        if user not in asked:
            # What divides tags in a cell is no part of one.
            tag = words[row["tagID"]].translate(str.maketrans("|;:", "   ")).strip()
            tags[artist][tag] += 1
        elif year >= FIRST_YEAR:
            acts.add((user, artist, f"{year}-{month:02}-01"))
    write(
        out / "tagged.csv",
        ("user", "item", "time"),
        ((f"u{user}", *rest) for user, *rest in sorted(acts)),
    )
    write(
        out / "tagged_artists.csv",
        ("id", "artist", "tags"),
        (
            (artist, names.get(artist[1:], ""), "|".join(f"{t}:{n}" for t, n in c.most_common()))
            for artist, c in sorted(tags.items())
        ),
    )


def write_artists(
    taffc: Path, out: Path, clips: dict[str, list[dict[str, str]]], encoder: Encoder
) -> None:
    """Write what is known, measured and heard of the artists with clips."""
    embedded, mfcc, measured = [], [], []
    for row in (row for rows in clips.values() for row in rows):
        path = taffc / row["file"]
        y, sr = load(path)
        embedded.append(encoder.embed(y, sr))
        mfcc.append(BASELINES["mfcc"].features(path, y, sr))
        found = describe(y, sr).to_dict()
        measured.append([np.nan if found[name] is None else found[name] for name in MEASURED])
    owner = np.repeat(np.arange(len(clips)), [len(rows) for rows in clips.values()])
    vectors = {"audio": np.array(embedded), "mfcc": BASELINES["mfcc"].vectors(np.array(mfcc), 0)}
    for name, of_clips in vectors.items():
        mean = np.stack([of_clips[owner == i].mean(axis=0) for i in range(len(clips))])
        np.savez(out / f"{name}.npz", ids=np.array(list(clips)), vectors=mean.astype(np.float32))
    numbers = np.array(measured, dtype=np.float64)

    def rows() -> Iterator[list[object]]:
        for i, (id, own) in enumerate(clips.items()):
            median = np.nanmedian(numbers[owner == i], axis=0)
            texts = ("" if np.isnan(x) else f"{x:.4g}" for x in median)
            # Where clips of an artist are in two folds (a name that two share), the first decides.
            yield [id, own[0]["artist"], each(own, "genres"), each(own, "moods"), *texts] + [
                own[0]["fold"]
            ]

    write(out / "artists.csv", ("id", "artist", "genres", "tags", *MEASURED, "fold"), rows())


def each(rows: list[dict[str, str]], column: str) -> str:
    """Join all values of some clips, each once."""
    return "|".join(dict.fromkeys(x for row in rows for x in row[column].split("|") if x))


if __name__ == "__main__":
    main()
