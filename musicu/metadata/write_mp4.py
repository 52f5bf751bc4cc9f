"""Atoms changed in the item list of an MP4 file; every other box stays, but for where it stands."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from musicu.audio.containers import Part, ReadAt, bytes_reader, mp4_boxes
from musicu.metadata.parsers import squeeze
from musicu.metadata.splices import Splice
from musicu.metadata.tag_targets import TARGETS, RefusedError, Values

__all__ = ["edit_mp4"]

_LONGEST_MOOV = 1 << 27
_PATH = (b"moov", b"udta", b"meta", b"ilst")
# Boxes of tables with places in the file; where there are others, nothing may be moved.
_OFFSETS = {b"stco": ">I", b"co64": ">Q"}
_CONTAINERS = frozenset({b"trak", b"mdia", b"minf", b"stbl"})
_ABSOLUTE = frozenset({b"iloc", b"saio"})
_HANDLER = bytes.fromhex("0000000000000000") + b"mdirappl" + bytes(9)


def edit_mp4(read: ReadAt, size: int, values: Values) -> list[Splice]:
    """Tell what becomes of an MP4 file whose item list gets new values.

    The list takes room from free space behind it where there is enough. Else the audio moves, if
    it stands behind, and the tables of where it stands are changed with it.

    Parameters
    ----------
    read : callable
        Reads the file.
    size : int
        Its bytes.
    values : dict of str to tuple of str
        By the names of :data:`musicu.metadata.tag_targets.TARGETS`; they replace what is there.

    Raises
    ------
    RefusedError
        The file is in fragments, damaged, or states places in a way that is not known here.
    """
    boxes = list(_top(read, size))
    names = [name for name, _, _ in boxes]
    if names.count(b"moov") != 1:
        raise RefusedError("an MP4 file without a single moov box is not written")
    if b"moof" in names:
        raise RefusedError("an MP4 file in fragments is not written")
    number = names.index(b"moov")
    _, start, end = boxes[number]
    if end - start > _LONGEST_MOOV:
        raise RefusedError("the headers of this MP4 file are too large")
    if read(start, 4) in (bytes(4), b"\0\0\0\1"):
        raise RefusedError("the size of this MP4 file's headers is stated in a rare way")
    old = read(start, end - start)
    new = _with_items(old, values)
    grown, behind = len(new) - len(old), end
    rest: Splice = b""
    if grown and number + 1 < len(boxes):
        name, free, stop = boxes[number + 1]
        empty = name == b"free" and not any(read(free + 8, stop - free - 8))
        if empty and stop - free - grown >= 8 and read(free, 4) != b"\0\0\0\1":
            rest = _box(b"free", bytes(stop - free - grown - 8))
            grown, behind = 0, stop
    if grown and any(name == b"mdat" for name in names[number + 1 :]):
        new = _moved(new, end, grown, size)
    return [(0, start), new, rest, (behind, size)]


def _top(read: ReadAt, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes of a file: name, where each begins, and where it ends."""
    at = 0
    for box in mp4_boxes(read, 0, size):
        if box.start + box.size > size:
            raise RefusedError("a box of this MP4 file is longer than the file")
        yield box.name, at, box.stop
        at = box.stop
    if at != size:
        raise RefusedError("this MP4 file ends with something that is no box")


def _inside(data: bytes, at: int, end: int) -> list[tuple[Part, int]]:
    """Return the boxes between two places, each with where its head begins."""
    found, begin = [], at
    for box in mp4_boxes(bytes_reader(data), at, end):
        if box.start + box.size > end:
            raise RefusedError("a box of this MP4 file is longer than the one it is in")
        found.append((box, begin))
        begin = box.stop
    # Four zeros may end a udta box (QuickTime File Format, "User data atoms").
    if data[begin:end].strip(b"\0"):
        raise RefusedError("a box of this MP4 file holds something that is no box")
    return found


def _box(name: bytes, data: bytes) -> bytes:
    return (8 + len(data)).to_bytes(4, "big") + name + data


def _with_items(moov: bytes, values: Values) -> bytes:
    """Return the moov box with new values in its item list, which is made where there is none."""
    # From outside to inside: where each box begins, where what is in it does, and where it ends.
    way = [(0, 8, len(moov))]
    missing = list(_PATH[1:])
    while missing:
        _, at, end = way[-1]
        if len(way) == 3 and moov[at + 4 : at + 8] != b"hdlr":
            at += 4  # version and flags, which QuickTime leaves out
        inner = next((p for p in _inside(moov, at, end) if p[0].name == missing[0]), None)
        if inner is None:
            break
        box, begin = inner
        if box.start != begin + 8 or moov[begin : begin + 4] == bytes(4):
            raise RefusedError("a box of this MP4 file states its size in a rare way")
        way.append((begin, box.start, box.stop))
        missing.pop(0)
    if missing:
        item = b"".join(_item(name, texts) for name, texts in values.items())
        for name in reversed(missing):
            start = bytes(4) + _box(b"hdlr", _HANDLER) if name == b"meta" else b""
            item = _box(name, start + item)
        begin = end = _end_of_boxes(moov, *way[-1][1:])
    else:
        begin, at, end = way.pop()
        kept = [
            moov[first : box.stop]
            for box, first in _inside(moov, at, end)
            if not any(_holds(moov, box, name) for name in values)
        ]
        items = [*kept, *(_item(name, texts) for name, texts in values.items())]
        item = _box(b"ilst", b"".join(items))
        grown = len(item) - (end - begin)
        # It grows into free space right behind it.
        for box, first in _inside(moov, end, way[-1][2])[:1]:
            left = box.stop - first - grown
            empty = box.start == first + 8 and not any(moov[box.start : box.stop])
            if box.name == b"free" and empty and left >= 8:
                item, end = item + _box(b"free", bytes(left - 8)), box.stop
    new, grown = moov[:begin] + item + moov[end:], len(item) - (end - begin)
    for first, _, _ in way:
        length = int.from_bytes(new[first : first + 4], "big") + grown
        new = new[:first] + length.to_bytes(4, "big") + new[first + 4 :]
    return new


def _end_of_boxes(moov: bytes, at: int, end: int) -> int:
    """Return where the boxes between two places end, before the zeros that may follow."""
    inner = _inside(moov, at, end)
    return inner[-1][0].stop if inner else at


def _holds(moov: bytes, box: Part, name: str) -> bool:
    target = TARGETS[name]
    if box.name.decode("latin-1") == target.mp4:
        return True
    if box.name != b"----":
        return False
    label = next((b for b, _ in _inside(moov, box.start, box.stop) if b.name == b"name"), None)
    text = b"" if label is None else moov[label.start + 4 : label.stop]
    return squeeze(text.decode("latin-1")) in target.names


def _item(name: str, texts: tuple[str, ...]) -> bytes:
    if not texts:
        return b""
    target = TARGETS[name]
    if target.mp4 == "tmpo":
        number = min(max(round(float(texts[0])), 0), 0x7FFF)
        return _box(b"tmpo", _box(b"data", struct.pack(">II", 21, 0) + struct.pack(">H", number)))
    label = _box(b"mean", bytes(4) + b"com.apple.iTunes")
    label += _box(b"name", bytes(4) + target.mp4.encode())
    for text in texts:
        label += _box(b"data", struct.pack(">II", 1, 0) + text.encode())
    return _box(b"----", label)


def _moved(moov: bytes, end: int, grown: int, size: int) -> bytes:
    """Return the moov box with the places that lie behind it in the file moved."""
    new = bytearray(moov)
    waiting = [(8, len(moov))]
    while waiting:
        at, stop = waiting.pop()
        for box, _ in _inside(moov, at, stop):
            if box.name in _ABSOLUTE or box.name == b"mvex":
                raise RefusedError("this MP4 file states places that cannot be moved safely")
            if box.name in _CONTAINERS:
                waiting.append((box.start, box.stop))
            elif box.name in _OFFSETS:
                form = _OFFSETS[box.name]
                width = struct.calcsize(form)
                count = int.from_bytes(moov[box.start + 4 : box.start + 8], "big")
                if 8 + count * width > box.size:
                    raise RefusedError("a table of this MP4 file is damaged")
                for entry in range(count):
                    place = box.start + 8 + entry * width
                    (where,) = struct.unpack_from(form, moov, place)
                    if where >= end:
                        if where + grown >= 1 << 8 * width or where > size:
                            raise RefusedError("a place in this MP4 file cannot be moved")
                        struct.pack_into(form, new, place, where + grown)
    return bytes(new)
