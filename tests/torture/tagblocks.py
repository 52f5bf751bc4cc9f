"""Blocks that taggers put before and behind the audio, whole ones and broken ones."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

from torture.damage import Mutant, Pool, edge
from torture.sounds import Sound


def _synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3v2(rng: random.Random, *, version: int = 3, footer: bool = False) -> bytes:
    """Return an ID3v2 tag with texts, and sometimes a picture and padding."""
    frames = b""
    for name, text in ((b"TIT2", "Song"), (b"TPE1", "Somebody"), (b"TALB", "Record")):
        body = b"\x03" + f"{text} {rng.randrange(10**6)}".encode()
        frames += _frame(name, body, version)
    if rng.random() < 0.6:
        picture = b"\0image/jpeg\0\x03\0\xff\xd8\xff\xe0" + rng.randbytes(rng.choice([200, 9000]))
        frames += _frame(b"APIC", picture, version)
    if footer:
        head = bytes([4, 0, 0x10]) + _synchsafe(len(frames))
        return b"ID3" + head + frames + b"3DI" + head
    frames += bytes(rng.choice([0, 0, 1024]))
    return b"ID3" + bytes([version, 0, 0]) + _synchsafe(len(frames)) + frames


def _frame(name: bytes, body: bytes, version: int) -> bytes:
    size = _synchsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name + size + b"\0\0" + body


def id3v1(rng: random.Random) -> bytes:
    """Return an ID3v1 tag."""
    texts = [f"Song {rng.randrange(10**6)}".encode().ljust(30, b"\0"), b"Somebody".ljust(30, b"\0")]
    return b"TAG" + b"".join(texts) + b"Record".ljust(30, b"\0") + b"1999" + bytes(31)


def apev2(rng: random.Random, *, header: bool = True) -> bytes:
    """Return an APEv2 tag, sometimes with a cover."""
    items = b""
    pairs = [(b"Title", f"Song {rng.randrange(10**6)}".encode(), 0), (b"Artist", b"Somebody", 0)]
    if rng.random() < 0.6:
        cover = b"cover.jpg\0\xff\xd8\xff\xe0" + rng.randbytes(rng.choice([300, 20000]))
        pairs.append((b"Cover Art (Front)", cover, 2))
    for key, value, flags in pairs:
        items += struct.pack("<II", len(value), flags) + key + b"\0" + value
    size, has_header = len(items) + 32, 0x80000000 if header else 0

    def end(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, size, len(pairs), flags) + bytes(8)

    return (end(has_header | 0x20000000) if header else b"") + items + end(has_header)


def lyrics3(rng: random.Random) -> bytes:
    """Return a Lyrics3v2 block and the ID3v1 tag that must follow it."""
    words = b"la " * rng.randrange(1, 400)
    body = b"LYRICSBEGININD0000210LYR" + b"%05d" % len(words) + words
    return body + b"%06dLYRICS200" % len(body) + id3v1(rng)


def _behind(rng: random.Random) -> tuple[str, bytes]:
    made: dict[str, Callable[[], bytes]] = {
        "ID3v1": lambda: id3v1(rng),
        "APEv2": lambda: apev2(rng),
        "APEv2 without a header": lambda: apev2(rng, header=False),
        "APEv2 and ID3v1": lambda: apev2(rng) + id3v1(rng),
        "Lyrics3": lambda: lyrics3(rng),
        "APEv2, Lyrics3": lambda: apev2(rng) + lyrics3(rng),
        "ID3v2 with a footer": lambda: id3v2(rng, version=4, footer=True),
        "zeros": lambda: bytes(rng.choice([128, 4096, 60_000])),
    }
    name = rng.choice(list(made))
    return name, made[name]()


def tagged(rng: random.Random, sound: Sound, pool: Pool) -> Mutant | None:
    """Put whole blocks before and behind the audio: it stays the same audio.

    ID3v2 goes before it only where readers of the format know it there.
    """
    if not sound.bare:
        return None
    front, told = b"", []
    if sound.name in ("mp3", "mp2", "aac", "flac", "tta") and rng.random() < 0.5:
        version = rng.choice([3, 4])
        front = id3v2(rng, version=version)
        told.append(f"ID3v2.{version} before")
        if rng.random() < 0.3:
            front += id3v2(rng, version=version)
            told.append("and once more")
    end = b""
    if not front or rng.random() < 0.7:
        name, end = _behind(rng)
        told.append(f"{name} behind")
    return Mutant(front + sound.data + end, ", ".join(told), "same")


def broken(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Put a block with wrong numbers before or behind the audio of any format."""
    block = bytearray(rng.choice([id3v2(rng), apev2(rng), lyrics3(rng), id3v1(rng)]))
    for _ in range(rng.choice([1, 2, 6])):
        width = rng.choice([1, 2, 4])
        at = rng.choice([rng.randrange(len(block) - 4), rng.randrange(min(len(block) - 4, 40))])
        if rng.random() < 0.3:
            at = len(block) - 32 + rng.randrange(28)
        block[at : at + width] = edge(rng, width)
    behind = rng.random() < 0.5
    data = sound.data + block if behind else bytes(block) + sound.data
    return Mutant(data, f"a broken block {'behind' if behind else 'before'}")
