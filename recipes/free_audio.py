"""Collect freely licensed music, and sounds that are no music, from Debian's packages.

    python recipes/free_audio.py OUT [PACKAGE ...]

Each package of ``free_audio.toml`` (or those named) is downloaded with ``apt-get download``,
unpacked without being installed, and cut: music into pieces of 30 s, speech, ambience and effects
into pieces of up to 10 s, mono FLAC of 16 bits at 32 kHz. What is no audio, and the package itself,
is deleted again. What the package's ``copyright`` file does not free for every use is left out.

OUT gets

- ``audio/``, ``speech/``, ``ambience/``, ``effects/``: the pieces;
- ``manifest.csv``: one row a piece;
- ``free_audio.csv``: one row a track: package, version, path, title, artist, licence, kind, seconds;
- ``left_out.csv``: what was not taken, and why;
- ``STATUS.txt``: one line a package;
- ``state/``: what each package gave: delete a package's file there to take it again.

Interrupt it as you like: packages that are done are not done again. Needs ``apt-get`` (Debian or a
derivative, after ``apt-get update``), ``dpkg-deb``, and an ``ffmpeg`` that reads tracker modules.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import time
import tomllib
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from debian_copyright import Stanza, is_free, read_copyright, stanza_for

RATE = 32000  # Hz
PIECE, MOST_PIECES, LEAST_MUSIC = 30.0, 8, 15.0  # s, per track, s
SHORT_PIECE, GAP, LEAST_SOUND = 10.0, 0.2, 0.3  # s: pieces of what is no music
SILENCE = 1e-3  # root mean square of 0.1 s under which nothing is heard: -60 dBFS
CAPS = {"speech": 240.0, "ambience": 120.0, "effects": 60.0}  # s of a package, of what is no music
FOLDERS = {"music": "audio", "speech": "speech", "ambience": "ambience", "effects": "effects"}
TRACKERS = {".mod", ".xm", ".s3m", ".it", ".umx", ".mtm", ".stm", ".669", ".mo3"}
RECORDED = {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".aif", ".aiff", ".au", ".m4a", ".wv"}
AUDIO = TRACKERS | RECORDED
ARCHIVES = {".pk3", ".pk4", ".zip", ".hwp", ".love", ".jar", ".egg", ".ocg", ".pyxel", ".kar"}
WORDS = {  # of one folder's or file's name, the first decides
    "speech": r"voices?|speech|talk|dialogs?|dialogues?|spoken|vocals?|words|alphabet|letters",
    "ambience": r"ambien\w*|environment|atmosphere|weather|wind|rain|birds|nature",
    "music": r"musics?|songs?|moh|bgm|soundtracks?|tunes?|tracks|modules|mods?",
    "effects": r"sounds?|sfx|fx|effects?|samples?|audio|snd|noises?",
}
GENERIC = re.compile(r"(in?game|menu|main|intro|title|battle|boss|game|theme|music|track|loop|\d)+")
PIECE_FIELDS = [
    "track_id", "file", "source_track", "piece", "title", "artist", "project", "package", "version",
    "path", "licence", "kind", "duration_s", "duplicate_of", "same_project",
]  # fmt: skip
TRACK_FIELDS = ["package", "version", "path", "title", "artist", "licence", "kind", "seconds"]
LEFT_FIELDS = ["package", "version", "path", "reason"]


class RecipeError(Exception):
    """Something that the person who runs this can put right; one line."""


@dataclass
class Track:
    """One work of a package: a file, or several that sound together.

    Attributes
    ----------
    path
        Inside the package; ``archive!member`` inside an archive.
    files
        The unpacked files, added together (a song and its solo guitar).
    seconds
        Length in s.
    """

    path: str
    files: list[Path]
    kind: str = ""
    title: str = ""
    artist: str = ""
    licence: str = ""
    seconds: float = 0.0
    duplicate_of: str = ""
    tags: dict[str, str] = field(default_factory=dict)


def run(*command: str, cwd: Path | None = None) -> bytes:
    """Return a program's output; its last line of complaint becomes the error."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    except FileNotFoundError:
        raise RecipeError(f"the program {command[0]} is missing: install it") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise RecipeError(f"{command[0]}: {lines[-1]}")
    return done.stdout


def piece_starts(seconds: float) -> list[tuple[float, float]]:
    """Return start and length in s of the pieces of a track of music, equal gaps around them.

    Examples
    --------
    >>> piece_starts(14.9)
    []
    >>> piece_starts(20.0)
    [(0.0, 20.0)]
    >>> piece_starts(90.0)
    [(0.0, 30.0), (30.0, 30.0), (60.0, 30.0)]
    >>> [len(piece_starts(s)) for s in (59.0, 100.0, 600.0)]
    [1, 3, 8]
    """
    if seconds < LEAST_MUSIC:
        return []
    if seconds < PIECE:
        return [(0.0, seconds)]
    count = min(MOST_PIECES, math.floor(seconds / PIECE))
    gap = (seconds - count * PIECE) / (count + 1)
    return [(gap + i * (gap + PIECE), PIECE) for i in range(count)]


def guess_kind(path: str, seconds: float) -> str:
    """Say what a file is by its folders' and its own names, then by its length.

    Examples
    --------
    >>> guess_kind("usr/share/games/x/snd/music/ambient1.ogg", 99.0)
    'music'
    >>> guess_kind("usr/share/games/x/music/a.ogg", 12.0)
    'music'
    >>> guess_kind("usr/share/games/x/sounds/bang.wav", 1.0)
    'effects'
    >>> guess_kind("usr/share/x/a.wav", 90.0)
    'music'
    """
    if Path(path).suffix.lower() in TRACKERS:
        return "music"
    folders = path.replace("!", "/").lower().split("/")
    name = folders.pop().rpartition(".")[0]
    for part in (
        *reversed(folders),
        name,
    ):  # the deepest folder knows best, the name is a last resort
        words = re.split(r"[^a-z]+", part)
        for kind, expression in WORDS.items():
            if any(re.fullmatch(expression, word) for word in words):
                return "music" if kind == "effects" and seconds >= 45 else kind
    return "music" if seconds >= 45 else "effects"


def probe(file: Path) -> tuple[float, dict[str, str]]:
    """Return a file's length in s and its tags, in lower case; 0 s if it cannot be read."""
    entries = "format=duration:format_tags:stream=duration,codec_type:stream_tags"
    try:
        text = run("ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(file))
    except RecipeError as error:
        if "missing" in str(error):
            raise
        return 0.0, {}
    found = json.loads(text)
    sounds = [s for s in found.get("streams", []) if s.get("codec_type") == "audio"]
    if not sounds:
        return 0.0, {}
    about = found.get("format", {})
    seconds = about.get("duration") or sounds[0].get("duration") or 0
    tags = {**sounds[0].get("tags", {}), **about.get("tags", {})}
    return float(seconds), {key.lower(): str(value).strip() for key, value in tags.items()}


def decode(files: list[Path], start: float, seconds: float) -> np.ndarray:
    """Return mono samples at ``RATE``, the files added together, never above full scale."""
    total = np.zeros(0, np.float32)
    for file in files:
        raw = run(
            "ffmpeg", "-v", "error", "-ss", f"{start:.3f}", "-t", f"{seconds:.3f}", "-i", str(file),
            "-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-threads", "1", "-",
        )  # fmt: skip
        samples = np.frombuffer(raw, "<f4")[: round(seconds * RATE)]
        longer, shorter = (samples, total) if len(samples) > len(total) else (total, samples)
        total = longer.copy()
        total[: len(shorter)] += shorter
    peak = float(np.abs(total).max(initial=0))
    return total / peak if peak > 1 else total


def heard(samples: np.ndarray) -> float:
    """Return which part of the samples is not silent, by frames of 0.1 s."""
    frame = RATE // 10
    if len(samples) < frame:
        return float(np.any(np.abs(samples) > SILENCE))
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    return float(np.mean(np.sqrt(np.mean(frames**2, axis=1)) > SILENCE))


def unpack(package: str, folder: Path, debs: Path | None = None) -> str:
    """Unpack a package below ``folder``, downloaded if ``debs`` has it not; return its version."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tree").mkdir(parents=True)
    deb = next(iter(sorted(debs.glob(f"{package}_*.deb"))), None) if debs else None
    if deb is None:
        try:
            run("apt-get", "download", "-q", package, cwd=folder)
        except RecipeError as error:
            raise RecipeError(f"{package} cannot be had ({error}); try apt-get update") from None
        deb = next(folder.glob("*.deb"))
    run("dpkg-deb", "-x", str(deb), str(folder / "tree"))
    version = run("dpkg-deb", "-f", str(deb), "Version").decode().strip()
    if deb.parent == folder:
        deb.unlink()
    return version


def audio_files(tree: Path) -> dict[str, Path]:
    """Return the audio files of an unpacked package by path, those in archives unpacked too."""
    found = {}
    for file in sorted(tree.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        path = file.relative_to(tree).as_posix()
        if file.suffix.lower() in AUDIO:
            found[path] = file
        elif file.suffix.lower() in ARCHIVES and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                for member in sorted(archive.namelist()):
                    if Path(member).suffix.lower() in AUDIO:
                        inside = tree / ".members" / hashlib.sha1(path.encode()).hexdigest()[:8]
                        found[f"{path}!{member}"] = Path(archive.extract(member, inside))
    return {path: file for path, file in found.items() if not path.startswith(".members")}


def copyright_of(tree: Path, package: str) -> str:
    """Return the text of a package's copyright file, empty if it has none."""
    file = tree / "usr/share/doc" / package / "copyright"
    if file.is_file():
        return file.read_text(encoding="utf-8", errors="replace")
    return "\n\n".join(
        other.read_text(encoding="utf-8", errors="replace")
        for other in sorted((tree / "usr/share/doc").glob("*/copyright"))
    )


def group_songs(files: dict[str, Path]) -> list[Track]:
    """Make one track of each file, and one of a song's parts (``song``, ``guitar``, ``rhythm``)."""
    tracks: dict[str, Track] = {}
    for path, file in files.items():
        parent, stem = str(Path(path).parent), Path(path).stem.lower()
        parts = {"song", "guitar", "rhythm", "bass", "drums", "vocals"}
        song = next((f"{parent}/song{s}" for s in RECORDED if f"{parent}/song{s}" in files), None)
        if song and stem in parts:
            track = tracks.setdefault(song, Track(song, [], kind="music"))
            track.files.append(file)
            if (ini := file.parent / "song.ini").is_file():
                pairs = re.findall(r"^\s*(\w+)\s*=\s*(.+?)\s*$", ini.read_text("latin-1"), re.M)
                about = {key.lower(): value for key, value in pairs}
                track.title, track.artist = about.get("name", ""), about.get("artist", "")
        else:
            tracks[path] = Track(path, [file])
    return list(tracks.values())


def rule_for(rules: list[dict[str, str]], path: str) -> dict[str, str]:
    """Return what the rules say of a path, later ones over earlier ones."""
    said: dict[str, str] = {}
    for rule in rules:
        if fnmatch.fnmatchcase(path, rule["files"]):
            said |= {key: value for key, value in rule.items() if key != "files"}
    return said


def describe(
    track: Track, about: dict[str, object], stanzas: list[Stanza], text: str, known: dict[str, str]
) -> str:
    """Fill in a track's length, kind, credits and licence; return why it is left out, or nothing."""
    rule = rule_for(about.get("rules", []), track.path)  # type: ignore[arg-type]
    if "skip" in rule:
        return rule["skip"]
    track.seconds, track.tags = probe(track.files[0])
    if track.seconds <= 0:
        return "cannot be decoded"
    stanza = stanza_for(stanzas, track.path.replace("!", "/"))
    track.licence = rule.get("licence") or (stanza.licence if stanza else "")
    track.licence = track.licence or str(about.get("licence", ""))
    if not track.licence:
        return "licence not stated in machine-readable form and not looked up"
    stated = rule.get("free") or about.get("free")
    if not stated and not is_free(track.licence):
        return f"licence not known to be free: {track.licence}"
    track.kind = rule.get("kind") or track.kind or guess_kind(track.path, track.seconds)
    holders = [] if stanza is None or stanza.is_general else list(stanza.holders)
    named = ", ".join(holders[:3])
    stem = re.sub(r"[_\s]+", " ", Path(track.path).stem).strip()
    track.title = rule.get("title") or track.title or track.tags.get("title") or stem
    track.artist = (
        rule.get("artist") or track.artist or track.tags.get("artist") or named
        or str(about.get("artist", ""))
    )  # fmt: skip
    track.duplicate_of = rule.get("duplicate_of", "")
    for name in (bare(Path(track.path).stem), bare(track.title)):
        work = known.get(name, "")
        same_project = work.endswith(f"/{about.get('pack_project', about.get('project'))}")
        if work and (same_project or (len(name) >= 10 and not GENERIC.fullmatch(name))):
            track.duplicate_of = track.duplicate_of or work
    if track.kind == "music" and track.seconds < LEAST_MUSIC:
        return f"music shorter than {LEAST_MUSIC:.0f} s"
    return ""


def bare(name: str) -> str:
    """Return a name's small letters and digits, to compare names by."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spread(items: list[Track], count: int) -> list[Track]:
    """Return at most ``count`` items, evenly spread."""
    if len(items) <= count:
        return items
    return [items[i * len(items) // count] for i in range(count)]


class Collector:
    """Cuts packages into one folder, and keeps its tables.

    Parameters
    ----------
    out
        The folder.
    packages
        What ``free_audio.toml`` says of each package.
    pack
        Folder with ``game_music`` and ``free_music``, whose works are marked; may be None.
    """

    def __init__(
        self,
        out: Path,
        packages: dict[str, dict[str, object]],
        pack: Path | None,
        debs: Path | None = None,
    ):
        self.out, self.packages, self.debs = out, packages, debs
        self.state = out / "state"
        self.known = known_works(pack) if pack else {}
        self.seen: dict[str, str] = {}
        for folder in ("state", *FOLDERS.values()):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for file in sorted(self.state.glob("*.json")):
            self.seen |= json.loads(file.read_text())["hashes"]

    def collect(self, package: str) -> dict[str, object]:
        """Download and cut one package; return what it gave, kept in ``state``."""
        kept = self.state / f"{package}.json"
        if kept.is_file():
            return json.loads(kept.read_text())
        folder = self.out / "unpacked"
        version = unpack(package, folder, self.debs)
        about = self.packages.get(package, {})
        text = copyright_of(folder / "tree", package)
        given = self.cut_package(package, version, about, text, folder / "tree")
        shutil.rmtree(folder)
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(given))
        partial.replace(kept)
        return given

    def cut_package(
        self, package: str, version: str, about: dict[str, object], text: str, tree: Path
    ) -> dict[str, object]:
        """Cut what is free of an unpacked package."""
        pieces: list[dict[str, object]] = []
        tracks: list[dict[str, object]] = []
        left: list[dict[str, str]] = []
        hashes: dict[str, str] = {}
        same = next(
            (v for k, v in self.known.items() if k == f"project:{about.get('project')}"), ""
        )
        same = str(about.get("same_project", same))
        stanzas = (
            []
            if about.get("licence") and not about.get("machine_readable")
            else (read_copyright(text))
        )
        sounds: dict[str, list[Track]] = {"speech": [], "ambience": [], "effects": []}

        def leave(path: str, reason: str) -> None:
            left.append({"package": package, "version": version, "path": path, "reason": reason})

        def keep(track: Track, samples: np.ndarray, piece: int) -> None:
            name = re.sub(r"[^A-Za-z0-9]+", "_", Path(track.path).stem).strip("_")[:40]
            code = hashlib.sha1(f"{package}/{track.path}".encode()).hexdigest()[:6]
            track_id = f"{package}_{name}_{code}_{piece}"
            file = f"{FOLDERS[track.kind]}/{track_id}.flac"
            partial = self.out / "state" / "piece.partial"
            soundfile.write(partial, samples, RATE, format="FLAC", subtype="PCM_16")
            partial.replace(self.out / file)
            row = asdict(track) | {
                "track_id": track_id, "file": file, "source_track": f"{package}/{track.path}",
                "piece": piece, "project": about.get("project", package), "package": package,
                "version": version, "duration_s": round(len(samples) / RATE, 3),
                "same_project": same,
            }  # fmt: skip
            pieces.append({key: row[key] for key in PIECE_FIELDS})

        def note(track: Track) -> None:
            row = asdict(track) | {"package": package, "version": version}
            tracks.append(
                {key: row[key] for key in TRACK_FIELDS} | {"seconds": round(track.seconds, 2)}
            )

        candidates = self.few_of_each_folder(group_songs(audio_files(tree)), about)
        for track in candidates:
            code = hashlib.sha1(b"".join(f.read_bytes() for f in track.files)).hexdigest()
            if code in self.seen or code in hashes:
                leave(track.path, f"same file as {self.seen.get(code) or hashes[code]}")
                continue
            if reason := describe(track, about, stanzas, text, self.known):
                leave(track.path, reason)
                continue
            hashes[code] = f"{package}/{track.path}"
            if track.duplicate_of and not about.get("keep_duplicates"):
                leave(track.path, f"same work as in {track.duplicate_of}")
            elif track.kind == "music":
                self.cut_music(track, keep, note, leave)
            else:
                sounds[track.kind].append(track)
        caps = CAPS | {k: float(v) for k, v in about.get("caps", {}).items()}  # type: ignore[attr-defined]
        for kind, group in sounds.items():
            self.join_sounds(group, caps[kind], keep, note, leave)
        self.seen |= hashes
        return {
            "package": package, "version": version, "pieces": pieces, "tracks": tracks,
            "left": left, "hashes": hashes,
        }  # fmt: skip

    @staticmethod
    def few_of_each_folder(tracks: list[Track], about: dict[str, object]) -> list[Track]:
        """Return all that may be music, and at most 60 short files of each folder."""
        folders: dict[str, list[Track]] = {}
        chosen = []
        for track in tracks:
            size = sum(file.stat().st_size for file in track.files)
            suffix = Path(track.path).suffix.lower()
            small = 2_000_000 if suffix in {".wav", ".aif", ".aiff", ".au", ".flac"} else 120_000
            if size > small or suffix in TRACKERS:
                chosen.append(track)
            else:
                folders.setdefault(str(Path(track.path).parent), []).append(track)
        for group in folders.values():
            chosen += spread(group, 60)
        return sorted(chosen, key=lambda track: track.path)

    @staticmethod
    def cut_music(track: Track, keep, note, leave) -> None:  # type: ignore[no-untyped-def]
        """Cut a track of music into its pieces; silent ones are dropped."""
        whole, silent = 0, 0
        for start, seconds in piece_starts(track.seconds):
            try:
                samples = decode(track.files, start, seconds)
            except RecipeError as error:
                leave(track.path, f"cannot be decoded: {error}")
                return
            if len(samples) < LEAST_MUSIC * RATE or heard(samples) < 0.6:
                silent += 1
                continue
            whole += 1
            keep(track, samples, whole)
        if whole:
            note(track)
        else:
            leave(track.path, "silent, or ends early")

    @staticmethod
    def join_sounds(group: list[Track], cap: float, keep, note, leave) -> None:  # type: ignore[no-untyped-def]
        """Join short sounds of one kind and licence to pieces of up to 10 s, ``cap`` s in all."""
        total = 0.0
        by_licence: dict[str, list[Track]] = {}
        for track in spread(group, 200):
            by_licence.setdefault(track.licence, []).append(track)
        for licence, tracks in by_licence.items():
            share = cap * len(tracks) / max(1, len(spread(group, 200)))
            taken, piece, joined = 0.0, [], []  # type: ignore[var-annotated]
            order = spread(tracks, max(1, round(share / 2)))  # some 2 s of each
            number = 0
            for i, track in enumerate(order):
                try:
                    samples = decode(track.files, 0.0, min(track.seconds + 1, SHORT_PIECE))
                except RecipeError as error:
                    leave(track.path, f"cannot be decoded: {error}")
                    continue
                if len(samples) < LEAST_SOUND * RATE or heard(samples) < 0.1:
                    leave(track.path, "silent or shorter than 0.3 s")
                    continue
                note(track)
                length = sum(map(len, piece)) + len(samples)
                if piece and length > SHORT_PIECE * RATE:
                    number += 1
                    keep(_joined(joined), np.concatenate(piece[:-1]), number)
                    piece, joined = [], []
                piece += [samples, np.zeros(round(GAP * RATE), np.float32)]
                joined.append(track)
                taken += len(samples) / RATE
                if taken >= share:
                    break
            if piece and sum(map(len, piece)) >= 2 * RATE:
                keep(
                    _joined(joined),
                    np.concatenate(piece[:-1])[: round(SHORT_PIECE * RATE)],
                    number + 1,
                )
            total += taken

    def write_tables(self, order: list[str]) -> Counter[str]:
        """Write the three tables of all packages in ``state``; return hours by kind."""
        pieces, tracks, left = [], [], []
        hours: Counter[str] = Counter()
        for file in sorted(self.state.glob("*.json")):
            given = json.loads(file.read_text())
            pieces += given["pieces"]
            tracks += given["tracks"]
            left += given["left"]
        for row in pieces:
            hours[row["kind"]] += row["duration_s"] / 3600
        left += [
            {"package": name, "version": "", "path": "", "reason": about["skip"]}
            for name, about in self.packages.items()
            if "skip" in about
        ]
        write_csv(self.out / "manifest.csv", PIECE_FIELDS, pieces)
        write_csv(self.out / "free_audio.csv", TRACK_FIELDS, tracks)
        write_csv(self.out / "left_out.csv", LEFT_FIELDS, left)
        return hours


def _joined(tracks: list[Track]) -> Track:
    if len(tracks) == 1:
        return tracks[0]
    first = tracks[0]
    artists = list(dict.fromkeys(t.artist for t in tracks if t.artist))
    return Track(
        path="|".join(t.path for t in tracks), files=[], kind=first.kind,
        title=f"{len(tracks)} sounds", artist=", ".join(artists[:3]), licence=first.licence,
    )  # fmt: skip


def write_csv(file: Path, fields: list[str], rows: list[dict[str, object]]) -> None:
    """Write a table whole or not at all."""
    partial = file.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(file)


def known_works(pack: Path) -> dict[str, str]:
    """Return the file names of the works in ``game_music`` and ``free_music``, with their projects."""
    known = {}
    for folder in ("game_music", "free_music"):
        table = pack / folder / "manifest.csv"
        if not table.is_file():
            raise RecipeError(f"{table} is missing: --pack takes the folder that has game_music")
        with table.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                project = f"{folder}/{row['project']}"
                known[f"project:{row['project']}"] = project
                for name in (Path(row["source_track"]).stem, row["title"]):
                    known[bare(name)] = project
    return known


def main() -> None:
    """Parse the command line and collect."""
    parser = argparse.ArgumentParser(description="Collect free audio from Debian's packages.")
    parser.add_argument("out", type=Path, help="folder for the pieces and tables")
    parser.add_argument("packages", nargs="*", help="packages (default: all of free_audio.toml)")
    parser.add_argument(
        "--pack",
        type=Path,
        help="folder with game_music and free_music, whose works are not taken twice",
    )
    parser.add_argument("--debs", type=Path, help="folder with packages downloaded before")
    options = parser.parse_intermixed_args()
    file = Path(__file__).with_suffix(".toml")
    packages = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    names = options.packages or [name for name, about in packages.items() if "skip" not in about]
    failed = []
    try:
        collector = Collector(options.out, packages, options.pack, options.debs)
        for number, name in enumerate(names, 1):
            started = time.monotonic()
            try:
                given = collector.collect(name)
            except RecipeError as error:
                failed.append(f"{name}: {error}")
                print(f"[{number}/{len(names)}] {name}: {error}", flush=True)
                continue
            hours = collector.write_tables(names)
            line = status_line(given)
            with (options.out / "STATUS.txt").open("a", encoding="utf-8") as status:
                status.write(line + "\n")
            total = ", ".join(f"{kind} {hours[kind]:.2f} h" for kind in FOLDERS if hours[kind])
            took = time.monotonic() - started
            print(f"[{number}/{len(names)}] {line} ({took:.0f} s; in all {total})", flush=True)
    except RecipeError as error:
        sys.exit(f"free_audio.py: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")
    if failed:
        sys.exit(f"{len(failed)} packages failed; the same command tries them again")


def status_line(given: dict[str, object]) -> str:
    """Say in one line what a package gave."""
    pieces: list[dict[str, object]] = given["pieces"]  # type: ignore[assignment]
    hours: Counter[str] = Counter()
    for row in pieces:
        hours[str(row["kind"])] += float(str(row["duration_s"])) / 3600
    kinds = ", ".join(f"{kind} {hours[kind]:.2f} h" for kind in FOLDERS if hours[kind]) or "nothing"
    licences = Counter(str(row["licence"]) for row in pieces).most_common(4)
    named = ", ".join(f"{name} {count}" for name, count in licences)
    left = Counter(str(row["reason"]).split(":")[0] for row in given["left"])  # type: ignore[attr-defined]
    why = "; left out " + ", ".join(f"{n} ({r})" for r, n in left.most_common(3)) if left else ""
    return f"{given['package']} {given['version']}: {kinds}, {len(pieces)} pieces; {named}{why}"


if __name__ == "__main__":
    main()
