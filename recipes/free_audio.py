"""Collect freely licensed music, and sounds that are no music, from Debian's packages.

    python recipes/free_audio.py OUT [PACKAGE ...]

Each package of ``free_audio.toml`` (or those named) is downloaded with ``apt-get download``,
unpacked without being installed, and cut: music into pieces of 30 s, speech, ambience and effects
into pieces of up to 10 s, mono FLAC of 16 bits at 32 kHz. What is no audio, and the package itself,
is deleted again. What the package's ``copyright`` file does not free for every use is left out.

OUT gets

- ``audio/``, ``speech/``, ``ambience/``, ``effects/``: the pieces;
- ``manifest.csv``: one row a piece;
- ``free_audio.csv``: one row a track, as it stands in the package;
- ``left_out.csv``: what was not taken, and why;
- ``STATUS.txt``: one line a package;
- ``state/``: what each package gave: delete a package's file there to take it again.

Interrupt it as you like: packages that are done are not done again. Needs ``apt-get`` (Debian or a
derivative, after ``apt-get update``), ``dpkg-deb``, and an ``ffmpeg`` that reads tracker modules.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import fnmatch
import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from debian_copyright import Stanza, is_free, read_copyright, stanza_for
from qt_resources import resource_files

RATE = 32000  # Hz
PIECE, MOST_PIECES, LEAST_MUSIC = 30.0, 8, 15.0  # s, per track, s
SHORT_PIECE, GAP, LEAST_SOUND = 10.0, 0.2, 0.3  # s: pieces of what is no music
SOUND, LEAST_JOINED = 2.0, 2.0  # s: a sound's usual length, and the shortest piece of joined ones
MUSIC_HEARD, SOUND_HEARD = 0.6, 0.1  # the part of a piece, of a sound, that must be no silence
LONGEST_TITLE = 80  # letters: what is longer is a list of levels, or a text
SILENCE = 1e-3  # root mean square of 0.1 s under which nothing is heard: -60 dBFS
CAPS = {"speech": 240.0, "ambience": 120.0, "effects": 60.0}  # s of a package, of what is no music
FOLDERS = {"music": "audio", "speech": "speech", "ambience": "ambience", "effects": "effects"}
TRACKERS = {".mod", ".xm", ".s3m", ".it", ".umx", ".mtm", ".stm", ".669", ".mo3"}
RECORDED = {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".aif", ".aiff", ".au", ".m4a", ".wv"}
UNCOMPRESSED = {".wav", ".aif", ".aiff", ".au", ".flac"}
AUDIO = TRACKERS | RECORDED
ARCHIVES = {".pk3", ".pk4", ".zip", ".hwp", ".love", ".jar", ".egg", ".ocg", ".pyxel", ".kar"}
WORDS = {  # of one folder's or file's name, the first decides
    "speech": r"voices?|speech|talk|dialogs?|dialogues?|spoken|vocals?|words|alphabet|letters",
    "ambience": r"ambien\w*|environment|atmosphere|weather|wind|rain|birds|nature",
    "music": r"musics?|songs?|moh|bgm|soundtracks?|tunes?|tracks|modules|mods?",
    "effects": r"sounds?|sfx|fx|effects?|samples?|audio|snd|noises?",
}
MUSICAL = re.compile(  # names of short sounds that are often played: they would teach wrong
    r"music|song|tune|melod|theme|jingle|fanfare|victory|defeat|game ?over|level ?up|power ?up|"
    r"complete|success|bonus|trumpet|guitar|piano|flute|fiddle|violin|valkyr|xylo|startup|"
    r"\b(intro|outro|won|win|lose|lost|note|horn|bugle|bell|bells|chime|gong|drum|drums|organ|harp)\b"
)
#: Reasons in the committed table of a judgement that a network or an ear made, to be made again.
JUDGED = ("sounds like music", "hardly speech", "hardly music", "same recording as ")
GENERIC = re.compile(  # names that many works have
    r"(in?game|menu|main|intro|title|battle|boss|theme|music|track|loop|end|credits|the|of|final|"
    r"forest|cave|castle|dungeon|town|city|desert|ice|snow|night|victory|defeat|over|level|\d)+"
)
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
    (folder / "tree").mkdir()
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
    files = [f for f in sorted(tree.rglob("*")) if f.is_file() and not f.is_symlink()]
    for file in files:
        path = file.relative_to(tree).as_posix()
        if file.suffix.lower() in AUDIO:
            found[path] = file
            continue
        inside = tree / ".members" / hashlib.sha1(path.encode()).hexdigest()[:8]
        for member, unpacked in members(file, inside):
            found[f"{path}!{member}"] = unpacked
    return found


def members(file: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Unpack the audio files of an archive into a folder, none of a file that is no archive."""
    if file.suffix.lower() in ARCHIVES and zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for member in sorted(archive.namelist()):
                if Path(member).suffix.lower() in AUDIO:
                    yield member, Path(archive.extract(member, folder))
    elif file.suffix.lower() == ".rcc":
        for member, content in resource_files(file.read_bytes()):
            if Path(member).suffix.lower() in AUDIO:
                (folder / member).parent.mkdir(parents=True, exist_ok=True)
                (folder / member).write_bytes(content)
                yield member, folder / member


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
    track: Track, about: dict[str, Any], stanzas: list[Stanza], known: dict[str, str]
) -> str:
    """Fill in a track's length, kind, credits and licence; say why it is left out, or nothing."""
    rule = rule_for(about.get("rules", []), track.path)
    if "skip" in rule:
        return rule["skip"]
    track.seconds, tags = probe(track.files[0])
    if track.seconds <= 0:
        return "cannot be decoded"
    stanza = stanza_for(stanzas, track.path.replace("!", "/"))
    track.licence = (
        rule.get("licence") or about.get("licence") or (stanza.licence if stanza else "")
    )
    if not track.licence:
        return "licence not stated in machine-readable form and not looked up"
    if not about.get("free") and not is_free(track.licence):
        return f"licence not known to be free: {track.licence}"
    track.kind = rule.get("kind") or track.kind or guess_kind(track.path, track.seconds)
    plain = re.sub(r"[^a-z]+", " ", Path(track.path).stem.lower())
    if track.kind in ("ambience", "effects") and MUSICAL.search(plain):
        return "not music by its folder, but perhaps by its name"
    if track.kind == "music" and track.seconds < LEAST_MUSIC:
        return f"music shorter than {LEAST_MUSIC:.0f} s"
    stem = re.sub(r"[_\s]+", " ", Path(track.path).stem).strip()
    said = tags.get("title", "") if len(tags.get("title", "")) <= LONGEST_TITLE else ""
    track.title = rule.get("title") or track.title or said or stem
    holders = [] if stanza is None or stanza.is_general else list(stanza.holders[:3])
    artists = (rule.get("artist"), track.artist, tags.get("artist"), ", ".join(holders))
    track.artist = next((name for name in artists if name), about.get("artist", ""))
    for name in (bare(Path(track.path).stem), bare(track.title)):
        work = known.get(name, "")
        same_project = work.endswith(f"/{about.get('pack_project', about.get('project'))}")
        if work and (same_project or (len(name) >= 10 and not GENERIC.fullmatch(name))):
            return f"same work as in {work}"
    return ""


def bare(name: str) -> str:
    """Return a name's small letters and digits, to compare names by."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def spread(items: list[Track], count: int) -> list[Track]:
    """Return at most ``count`` items, evenly spread."""
    if len(items) <= count:
        return items
    return [items[i * len(items) // count] for i in range(count)]


class Package:
    """Cuts what is free of one unpacked package.

    Parameters
    ----------
    name, version
        Of the package.
    about
        What ``free_audio.toml`` says of it.
    out
        The folder with the folders of the pieces.
    same_project
        The project of ``game_music`` or ``free_music`` that other works of this package are in.
    """

    def __init__(
        self, name: str, version: str, about: dict[str, Any], out: Path, same_project: str
    ) -> None:
        self.name, self.version, self.about, self.out = name, version, about, out
        self.same_project = same_project
        self.pieces: list[dict[str, Any]] = []
        self.tracks: list[dict[str, Any]] = []
        self.left: list[dict[str, str]] = []
        self.hashes: dict[str, str] = {}

    def cut(
        self, tree: Path, known: dict[str, str], seen: dict[str, str], judged: dict[str, str]
    ) -> None:
        """Cut all but known works of the pack, files of other packages and what was judged."""
        stanzas = read_copyright(copyright_of(tree, self.name))
        sounds: dict[str, list[Track]] = {kind: [] for kind in CAPS}
        for track in few_of_each_folder(group_songs(audio_files(tree))):
            code = hashlib.sha1(b"".join(f.read_bytes() for f in track.files)).hexdigest()
            if other := seen.get(code) or self.hashes.get(code):
                self.leave(track, f"same file as {other}")
            elif reason := judged.get(f"{self.name}/{track.path}"):
                self.leave(track, reason)
            elif reason := describe(track, self.about, stanzas, known):
                self.leave(track, reason)
            else:
                self.hashes[code] = f"{self.name}/{track.path}"
                if track.kind == "music":
                    self.cut_music(track)
                else:
                    sounds[track.kind].append(track)
        caps = CAPS | self.about.get("caps", {})
        for kind, group in sounds.items():
            by_licence: dict[str, list[Track]] = {}
            for track in group:
                by_licence.setdefault(track.licence, []).append(track)
            for tracks in by_licence.values():
                self.join_sounds(tracks, caps[kind] * len(tracks) / len(group))

    def cut_music(self, track: Track) -> None:
        """Cut a track of music into its pieces; silent ones are dropped."""
        number = 0
        for start, seconds in piece_starts(track.seconds):
            try:
                samples = decode(track.files, start, seconds)
            except RecipeError as error:
                self.leave(track, f"cannot be decoded: {error}")
                break
            if len(samples) >= LEAST_MUSIC * RATE and heard(samples) >= MUSIC_HEARD:
                number += 1
                self.keep([track], samples, number)
        if number:
            self.note(track)
        elif not self.left or self.left[-1]["path"] != track.path:
            self.leave(track, "silent, or ends early")

    def join_sounds(self, tracks: list[Track], most: float) -> None:
        """Join short sounds of one kind and licence to pieces of up to 10 s, ``most`` s in all."""
        gap = np.zeros(round(GAP * RATE), np.float32)
        piece: list[np.ndarray] = []
        joined: list[Track] = []
        number, left = 0, round(most * RATE)
        for track in spread(tracks, max(1, round(most / SOUND))):
            try:
                samples = decode(track.files, 0.0, min(track.seconds + 1, SHORT_PIECE))
            except RecipeError as error:
                self.leave(track, f"cannot be decoded: {error}")
                continue
            if len(samples) < LEAST_SOUND * RATE or heard(samples) < SOUND_HEARD:
                self.leave(track, "silent, or shorter than 0.3 s")
                continue
            if piece and sum(map(len, piece)) + len(samples) > SHORT_PIECE * RATE:
                number += 1
                self.keep(joined, np.concatenate(piece[:-1]), number)
                piece, joined = [], []
            self.note(track)
            piece += [samples, gap]
            joined.append(track)
            left -= len(samples)
            if left <= 0:
                break
        if sum(map(len, piece)) >= LEAST_JOINED * RATE:
            self.keep(joined, np.concatenate(piece[:-1]), number + 1)

    def keep(self, tracks: list[Track], samples: np.ndarray, piece: int) -> None:
        """Write one piece, of one track or of several joined, and its row."""
        track = tracks[0]
        path = "|".join(t.path for t in tracks)
        stem = re.sub(r"[^A-Za-z0-9]+", "_", Path(track.path).stem).strip("_")[:40]
        code = hashlib.sha1(f"{self.name}/{track.path}".encode()).hexdigest()[:6]
        track_id = f"{self.name}_{stem}_{code}_{piece}"
        file = f"{FOLDERS[track.kind]}/{track_id}.flac"
        partial = self.out / "piece.partial"
        soundfile.write(partial, samples, RATE, format="FLAC", subtype="PCM_16")
        partial.replace(self.out / file)
        artists = list(dict.fromkeys(t.artist for t in tracks if t.artist))
        row = {
            "track_id": track_id,
            "file": file,
            "source_track": f"{self.name}/{path}",
            "piece": piece,
            "title": track.title if len(tracks) == 1 else f"{len(tracks)} sounds",
            "artist": ", ".join(artists[:3]),
            "project": self.about.get("project", self.name),
            "package": self.name,
            "version": self.version,
            "path": path,
            "licence": track.licence,
            "kind": track.kind,
            "duration_s": round(len(samples) / RATE, 3),
            "duplicate_of": "",
            "same_project": self.same_project,
        }
        self.pieces.append(row)

    def note(self, track: Track) -> None:
        """Write down a track that was taken."""
        row = asdict(track) | {"package": self.name, "version": self.version}
        row["seconds"] = round(track.seconds, 2)
        self.tracks.append({key: row[key] for key in TRACK_FIELDS})

    def leave(self, track: Track, reason: str) -> None:
        """Write down a track that was not taken, and why."""
        row = {"package": self.name, "version": self.version, "path": track.path, "reason": reason}
        self.left.append(row)


class Collector:
    """Cuts packages into one folder, and keeps its tables.

    Parameters
    ----------
    out
        The folder.
    packages
        What ``free_audio.toml`` says of each package.
    pack
        Folder with ``game_music`` and ``free_music``, whose works are not taken; may be None.
    debs
        Folder with packages downloaded before; may be None.
    """

    def __init__(
        self,
        out: Path,
        packages: dict[str, dict[str, Any]],
        pack: Path | None = None,
        debs: Path | None = None,
    ) -> None:
        self.out, self.packages, self.debs = out, packages, debs
        self.known = known_works(pack) if pack else {}
        self.judged = judgements(Path(__file__).with_name("free_audio_left_out.csv"))
        self.seen: dict[str, str] = {}
        for folder in ("state", *FOLDERS.values()):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for file in sorted((out / "state").glob("*.json")):
            self.seen |= json.loads(file.read_text())["hashes"]

    def collect(self, name: str) -> dict[str, Any]:
        """Download and cut one package; return what it gave, kept in ``state``."""
        kept = self.out / "state" / f"{name}.json"
        if kept.is_file():
            return json.loads(kept.read_text())  # type: ignore[no-any-return]
        about = self.packages.get(name, {})
        for old in self.out.glob("unpacked-*"):  # of a run that was killed
            shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix="unpacked-", dir=self.out))
        version = unpack(name, folder, self.debs)
        project = about.get("pack_project", about.get("project"))
        same_project = about.get("same_project", self.known.get(f"project:{project}", ""))
        package = Package(name, version, about, self.out, same_project)
        package.cut(folder / "tree", self.known, self.seen, self.judged)
        shutil.rmtree(folder)
        self.seen |= package.hashes
        given = {"package": name, "version": version, "pieces": package.pieces}
        given |= {"tracks": package.tracks, "left": package.left, "hashes": package.hashes}
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(given))
        partial.replace(kept)
        return given

    def write_tables(self) -> Counter[str]:
        """Write the three tables of all packages in ``state``; return hours by kind."""
        states = [
            json.loads(file.read_text()) for file in sorted((self.out / "state").glob("*.json"))
        ]
        left = [
            {"package": name, "version": "", "path": "", "reason": about["skip"]}
            for name, about in self.packages.items()
            if "skip" in about
        ]
        pieces = [row for state in states for row in state["pieces"]]
        write_csv(self.out / "manifest.csv", PIECE_FIELDS, pieces)
        tracks = [row for state in states for row in state["tracks"]]
        write_csv(self.out / "free_audio.csv", TRACK_FIELDS, tracks)
        left += [row for state in states for row in state["left"]]
        write_csv(self.out / "left_out.csv", LEFT_FIELDS, left)
        return hours_by_kind(pieces)

    def remove_strays(self) -> int:
        """Delete pieces that no table names, left by a run that was stopped; return how many."""
        with (self.out / "manifest.csv").open(newline="", encoding="utf-8") as rows:
            named = {row["file"] for row in csv.DictReader(rows)}
        strays = [
            file
            for folder in FOLDERS.values()
            for file in (self.out / folder).glob("*.flac")
            if f"{folder}/{file.name}" not in named
        ]
        for file in strays:
            file.unlink()
        return len(strays)


def few_of_each_folder(tracks: list[Track]) -> list[Track]:
    """Return all that may be music by size, and of the short files 60 a folder and 400 in all."""
    folders: dict[str, list[Track]] = {}
    chosen = []
    for track in tracks:
        size = sum(file.stat().st_size for file in track.files)
        suffix = Path(track.path).suffix.lower()
        if suffix in TRACKERS or size > (2_000_000 if suffix in UNCOMPRESSED else 120_000):
            chosen.append(track)
        else:
            folders.setdefault(str(Path(track.path).parent), []).append(track)
    chosen += spread([t for group in folders.values() for t in spread(group, 60)], 400)
    return sorted(chosen, key=lambda track: track.path)


def hours_by_kind(pieces: list[dict[str, Any]]) -> Counter[str]:
    """Return the hours of each kind."""
    hours: Counter[str] = Counter()
    for row in pieces:
        hours[row["kind"]] += row["duration_s"] / 3600  # type: ignore[assignment]
    return hours


def write_csv(file: Path, fields: list[str], rows: list[dict[str, object]]) -> None:
    """Write a table whole or not at all."""
    partial = file.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(file)


def judgements(table: Path) -> dict[str, str]:
    """Return the reasons that a judgement gave, by package and path; none if there is no table."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as rows:
        return {
            f"{row['package']}/{row['path']}": row["reason"]
            for row in csv.DictReader(rows)
            if row["reason"].startswith(JUDGED)
        }


def known_works(pack: Path) -> dict[str, str]:
    """Return the names of the works in ``game_music`` and ``free_music``, with their projects."""
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


def status_line(given: dict[str, Any]) -> str:
    """Say in one line what a package gave."""
    hours = hours_by_kind(given["pieces"])
    kinds = ", ".join(f"{kind} {hours[kind]:.2f} h" for kind in FOLDERS if hours[kind]) or "nothing"
    licences = Counter(row["licence"] for row in given["pieces"]).most_common(4)
    named = ", ".join(f"{name} {count}" for name, count in licences)
    left = Counter(row["reason"].split(":")[0] for row in given["left"]).most_common(3)
    why = "; left out " + ", ".join(f"{count} ({reason})" for reason, count in left) if left else ""
    count = len(given["pieces"])
    return f"{given['package']} {given['version']}: {kinds}, {count} pieces; {named}{why}"


def collect_all(collector: Collector, names: list[str]) -> list[str]:
    """Cut the packages one after another, saying what each gave; return those that failed."""
    failed = []
    for number, name in enumerate(names, 1):
        started, new = time.monotonic(), not (collector.out / "state" / f"{name}.json").is_file()
        try:
            line = status_line(collector.collect(name))
        except RecipeError as error:
            failed.append(name)
            print(f"[{number}/{len(names)}] {name}: {error}", flush=True)
            continue
        hours = collector.write_tables()
        if new:
            with (collector.out / "STATUS.txt").open("a", encoding="utf-8") as status:
                status.write(line + "\n")
        total = ", ".join(f"{kind} {hours[kind]:.2f} h" for kind in FOLDERS if hours[kind])
        took = time.monotonic() - started
        print(f"[{number}/{len(names)}] {line} ({took:.0f} s; in all {total})", flush=True)
    return failed


def main() -> None:
    """Parse the command line and collect."""
    parser = argparse.ArgumentParser(description="Collect free audio from Debian's packages.")
    parser.add_argument("out", type=Path, help="folder for the pieces and tables")
    parser.add_argument("packages", nargs="*", help="packages (default: all of free_audio.toml)")
    parser.add_argument(
        "--pack", type=Path, help="folder with game_music and free_music: no work is taken twice"
    )
    parser.add_argument("--debs", type=Path, help="folder with packages downloaded before")
    options = parser.parse_intermixed_args()
    packages = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    names = options.packages or [name for name, about in packages.items() if "skip" not in about]
    try:
        collector = Collector(options.out, packages, options.pack, options.debs)
        lock = (options.out / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecipeError(f"another run fills {options.out}: wait for it or stop it") from None
        failed = collect_all(collector, names)
        if not options.packages:
            collector.remove_strays()
    except RecipeError as error:
        sys.exit(f"free_audio.py: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on")
    if failed:
        sys.exit(f"{len(failed)} packages failed; the same command tries them again")


if __name__ == "__main__":
    main()
