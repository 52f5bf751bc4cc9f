"""Damage that knows a format: lengths, rates, numbers of channels, boxes, pages, frames."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from torture.damage import Mutant, Mutator, Pool, edge
from torture.ogg import pages, sealed
from torture.sounds import Sound

_RATES = (0, 1, 7, 999, 1000, 8000, 11025, 48000, 384000, 2_999_999, 0x7FFFFFFF, 0xFFFFFFFF)
_SIZES = (0, 1, 7, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFF0, 0xFFFFFFFF)


def _put(data: bytearray, at: int, form: str, number: int) -> None:
    size = struct.calcsize(form)
    number &= (1 << 8 * size) - 1
    data[at : at + size] = number.to_bytes(size, "big" if form[0] == ">" else "little")


def riff(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change fields of a WAV header: the data's size, rate, channels, bits, alignment, codec."""
    data = bytearray(sound.data)
    form, body = data.find(b"fmt ") + 8, data.find(b"data") + 4
    size = struct.unpack_from("<I", data, body)[0]
    which = rng.choice(["less", "size", "rate", "channels", "bits", "align", "bytes", "codec"])
    if which == "less" and sound.name != "rf64":  # recorders that crashed leave such a size
        part = size * rng.randrange(5, 60) // 100
        _put(data, body, "<I", part - part % 8)
        return Mutant(bytes(data), f"the data's size is {part} of {size}", "cut")
    if which in ("size", "less"):
        _put(data, body, "<I", rng.choice(_SIZES))
        _put(data, 4, "<I", rng.choice(_SIZES))
    at, shape, numbers = {
        "rate": (4, "<I", _RATES),
        "channels": (2, "<H", (0, 1, 2, 3, 9, 64, 65, 255, 65535)),
        "bits": (14, "<H", (0, 1, 7, 8, 12, 24, 32, 33, 64, 65535)),
        "align": (12, "<H", (0, 1, 3, 255, 65535)),
        "bytes": (8, "<I", (0, 1, 1000, 176_400, 0xFFFFFFFF)),
        "codec": (0, "<H", (0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x50, 0x55, 0xFF, 0x161, 0xFFFE)),
    }.get(which, (4, "<I", _RATES[5:8]))
    number = rng.choice(numbers)
    _put(data, form + at, shape, number)
    return Mutant(bytes(data), f"wav: {which} {number}")


def floats(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Put samples that are no numbers, or beyond any scale, into a float file."""
    data = bytearray(sound.data)
    start = data.find(b"data") + 8
    count = (len(data) - start) // 4
    value = rng.choice([float("nan"), float("inf"), float("-inf"), 1e30, -3e9, 1e-42, 40.0])
    first = rng.randrange(count)
    last = min(count, first + rng.choice([1, 100, 5000, count]))
    data[start + 4 * first : start + 4 * last] = struct.pack("<f", value) * (last - first)
    return Mutant(bytes(data), f"{last - first} samples of {value}")


def chunks(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change a number in a header of chunks: AIFF, AU, CAF, W64, RF64, DSF, TTA, WavPack, AMR."""
    data = bytearray(sound.data)
    names = [b"COMM", b"SSND", b".snd", b"desc", b"data", b"pakt", b"kuki", b"fmt ", b"ds64"]
    names += [b"DSD ", b"TTA1", b"wvpk", b"#!AMR"]
    found = [name for name in names if 0 <= data.find(name) < 4096]
    told = []
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(found)
        at = data.find(name) + len(name) + rng.choice([0, 0, 2, 4, 8, 12, 16, 20, 24, 28])
        width = rng.choice([1, 2, 4, 8])
        data[at : at + width] = edge(rng, width)
        told.append(f"{name.decode().strip()}+{at - data.find(name)}:{width}")
    return Mutant(bytes(data), f"numbers {', '.join(told)}")


def flac(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change the fields of STREAMINFO, or the length of a metadata block."""
    data = bytearray(sound.data)
    at = data.find(b"fLaC")
    fields = int.from_bytes(data[at + 18 : at + 26], "big")
    rate, channels = fields >> 44, fields >> 41 & 7
    bits, total = fields >> 36 & 31, fields & (1 << 36) - 1
    which = rng.choice(["rate", "channels", "bits", "total", "more", "block", "length", "hash"])
    if which == "rate":
        rate = rng.choice([0, 1, 8000, 48000, 655_350, (1 << 20) - 1])
    elif which == "channels":
        channels = rng.randrange(8)
    elif which == "bits":
        bits = rng.randrange(32)
    elif which == "total":
        total = rng.choice([0, 1, (1 << 36) - 1])
    elif which == "more":
        total *= 2
    elif which == "block":
        data[at + 8 : at + 12] = edge(rng, 4)
    elif which == "length":
        data[at + 5 : at + 8] = edge(rng, 3)
    else:
        data[at + 26 : at + 42] = rng.randbytes(16)
    packed = rate << 44 | channels << 41 | bits << 36 | total
    data[at + 18 : at + 26] = packed.to_bytes(8, "big")
    return Mutant(bytes(data), f"flac: {which}", "promise" if which == "more" else "")


_HOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"edts", b"dinf")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        name = bytes(data[start + 4 : start + 8])
        if size < 8:
            return
        yield name, start, min(start + size, end)
        if name in _HOLDERS:
            yield from _boxes(data, start + 8, min(start + size, end))
        elif name == b"stsd":
            yield from _boxes(data, start + 16, min(start + size, end))
        elif name in (b"mp4a", b"alac") and size > 44:
            yield from _boxes(data, start + 36, min(start + size, end))
        start += size


def boxes(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change a box of an MP4 file: its size, its name, a number or a bit in it; or leave it out."""
    data = bytearray(sound.data)
    told = []
    for _ in range(rng.choice([1, 1, 1, 2])):
        found = list(_boxes(data, 0, len(data)))
        if not found:  # the first one's size was changed
            break
        name, start, end = rng.choice(found)
        which = rng.choice(["size", "name", "number", "number", "bit", "bit", "free"])
        if which == "size":
            data[start : start + 4] = edge(rng, 4)
        elif which == "name":
            data[start + 4 + rng.randrange(4)] ^= 1 << rng.randrange(8)
        elif which == "free":
            data[start + 4 : start + 8] = b"free"
        elif end - start > 12:
            at = rng.randrange(start + 8, min(end - 4, start + 80) + 1)
            if which == "bit":
                data[at] ^= 1 << rng.randrange(8)
            else:
                data[at : at + 4] = edge(rng, 4)
        told.append(f"{which} of {name.decode('latin-1')}")
    return Mutant(bytes(data), f"mp4: {', '.join(told)}")


def ogg(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change a page of an Ogg file, most often with a checksum that is right; or chain files."""
    found = list(pages(sound.data))
    which = rng.choice(["chain", "drop", "twice", "swap", "last", "head", "body", "body", "body"])
    at = rng.randrange(len(found))
    if which == "chain":
        other = rng.choice([other for other in pool if other.data[:4] == b"OggS"])
        return Mutant(sound.data + other.data, f"ogg: followed by {other.name}")
    if which == "last":  # without an end, as a stream that was recorded
        keep = rng.randrange(1, max(2, 2 * len(found) // 3))
        return Mutant(b"".join(found[:keep]), f"ogg: {keep} of {len(found)} pages", "cut")
    if which == "drop":
        del found[at]
    elif which == "twice":
        found.insert(at, found[at])
    elif which == "swap":
        other_at = rng.randrange(len(found))
        found[at], found[other_at] = found[other_at], found[at]
    else:
        page = bytearray(found[rng.choice([at, 0, min(1, len(found) - 1)])])
        at = found.index(bytes(page))
        head = 27 + page[26]
        if which == "head":
            page[rng.randrange(4, head)] ^= 1 << rng.randrange(8)
        elif len(page) > head:
            page[rng.randrange(head, len(page))] ^= 1 << rng.randrange(8)
        found[at] = sealed(page) if rng.random() < 0.8 else bytes(page)
    return Mutant(b"".join(found), f"ogg: {which} of page {at}")


_EBML = {
    "timestamp scale": b"\x2a\xd7\xb1",
    "duration": b"\x44\x89",
    "rate": b"\xb5",
    "channels": b"\x9f",
    "codec": b"\x86",
    "private": b"\x63\xa2",
    "delay": b"\x56\xaa",
    "segment": b"\x18\x53\x80\x67",
    "cluster": b"\x1f\x43\xb6\x75",
    "block": b"\xa3",
    "tracks": b"\x16\x54\xae\x6b",
}


def ebml(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change an element of a Matroska file: its length, or what it holds."""
    data = bytearray(sound.data)
    told = []
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(list(_EBML))
        at = data.find(_EBML[name])
        if at < 0:
            continue
        at += len(_EBML[name]) + rng.choice([0, 1, 1, 2, 4])
        if rng.random() < 0.5:
            data[at] ^= 1 << rng.randrange(8)
        else:
            width = rng.choice([1, 4, 8])
            data[at : at + width] = edge(rng, width)
        told.append(name)
    return Mutant(bytes(data), f"matroska: {', '.join(told) or 'nothing'}")


_SYNC = {"mp3": b"\xff\xfb", "mp2": b"\xff\xfd", "aac": b"\xff\xf1", "ac3": b"\x0b\x77"}


def frames(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change frames that follow each other: leave out, repeat, exchange; rates and modes."""
    sync = _SYNC.get(sound.name, b"\x0b\x77")
    parts = sound.data.split(sync)
    if len(parts) < 4:
        return Mutant(sound.data + sync, "a frame's beginning at the end")
    which = rng.choice(["drop", "twice", "swap", "head", "heads", "garbage"])
    at, other = rng.randrange(1, len(parts)), rng.randrange(1, len(parts))
    if which == "drop":
        del parts[min(at, other) : max(at, other)]
    elif which == "twice":
        parts[at:at] = parts[at : at + rng.choice([1, 5, 50])]
    elif which == "swap":
        parts[at], parts[other] = parts[other], parts[at]
    elif which == "garbage":
        parts[at] = rng.randbytes(len(parts[at]))
    else:
        bit = 1 << rng.randrange(8)
        byte = rng.choice([0, 0, 1, 2])
        for each in range(1, len(parts)) if which == "heads" else (at,):
            if len(parts[each]) > byte:
                part = bytearray(parts[each])
                part[byte] ^= bit
                parts[each] = bytes(part)
    return Mutant(sync.join(parts), f"frames: {which} {at}")


def objects(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Change a number behind one of ASF's object identifiers, or in the stream's properties."""
    data = bytearray(sound.data)
    at = rng.randrange(16, 700)
    width = rng.choice([1, 2, 4, 8])
    data[at : at + width] = edge(rng, width)
    return Mutant(bytes(data), f"asf: {width} bytes at {at}")


_OF_FORMAT: dict[str, tuple[Mutator, ...]] = {
    **dict.fromkeys(("wav", "wav-u8", "wav-24", "wav-mulaw", "wav-adpcm", "wav-ima"), (riff,)),
    **dict.fromkeys(("aiff", "au", "caf", "caf-alac", "w64", "rf64", "dsf"), (chunks,)),
    **dict.fromkeys(("tta", "wv", "amr"), (chunks,)),
    **dict.fromkeys(("m4a", "alac"), (boxes, boxes)),
    **dict.fromkeys(("ogg", "opus", "ogg-flac"), (ogg, ogg)),
    **dict.fromkeys(("mka", "webm"), (ebml,)),
    **dict.fromkeys(("mp3", "mp2", "aac", "ac3", "eac3"), (frames,)),
    "wav-float": (riff, floats),
    "flac": (flac,),
    "wma": (objects,),
}


def of_format(sound: Sound) -> tuple[Mutator, ...]:
    """Return the mutators that know a sound's format."""
    return _OF_FORMAT[sound.name]
