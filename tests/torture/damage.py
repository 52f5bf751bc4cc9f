"""What happens to the bytes of any file: cut, flipped, filled, spliced, moved."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from torture.sounds import Sound

Pool = list[Sound]


@dataclass(frozen=True)
class Mutant:
    """A damaged file: its bytes, how it came about, and what must be said of it.

    Attributes
    ----------
    truth : str
        ``"same"``: all of the audio is there and untouched, so the id stays and nothing is wrong.
        ``"cut"``: a good part is missing, and the format can tell. ``"promise"``: its header
        promises more than there is. ``""``: anything but a lie.
    suffix : str or None
        Another suffix than the format's own.
    """

    data: bytes
    how: str
    truth: str = ""
    suffix: str | None = None


Mutator = Callable[[random.Random, Sound, Pool], Mutant | None]

_EDGES = (0, 1, 0x7F, 0x80, 0xFF)
_SIZES = (1, 2, 3, 7, 16, 64, 512, 4096, 32768)


def edge(rng: random.Random, width: int) -> bytes:
    """Draw a number of some bytes, as those that break readers: 0, 1, the largest, the smallest."""
    top = 1 << 8 * width
    number = rng.choice([0, 1, 2, top - 1, top - 2, top // 2, top // 2 - 1, rng.randrange(top)])
    return number.to_bytes(width, rng.choice(("little", "big")))


def cut(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Keep the beginning only."""
    size = len(sound.data)
    keep = rng.choice([rng.randrange(size), rng.randrange(size), rng.choice(_SIZES), size - 1])
    # Half a second may be missing, and of what is left something must be enough to begin with.
    enough = sound.states and keep < 0.6 * size
    return Mutant(sound.data[:keep], f"first {keep} of {size} bytes", "cut" if enough else "")


def behead(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Keep the end only."""
    drop = rng.choice([rng.randrange(len(sound.data)), rng.choice(_SIZES)])
    return Mutant(sound.data[drop:], f"without the first {drop} bytes")


def flip(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Flip bits: anywhere, in the head, or at the end."""
    data = bytearray(sound.data)
    reach = min(len(data), rng.choice([32, 128, 1024, 8192, len(data), len(data)]))
    start = rng.choice([0, 0, len(data) - reach])
    count = rng.choice([1, 1, 2, 4, 16, 256, 4096])
    for _ in range(count):
        data[start + rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return Mutant(bytes(data), f"{count} bits flipped in {reach} bytes from {start}")


def fill(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Overwrite a stretch with one byte, or with noise."""
    data = sound.data
    start, size = rng.choice([0, 4, 40, rng.randrange(len(data))]), rng.choice(_SIZES)
    size = min(size, len(data) - start)
    body = rng.randbytes(size) if rng.random() < 0.4 else bytes([rng.choice(_EDGES)]) * size
    return Mutant(data[:start] + body + data[start + size :], f"{size} bytes replaced at {start}")


def number(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Overwrite what may be a field, near the start or the end, with a number at an edge."""
    data = bytearray(sound.data)
    told = []
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        width = rng.choice([1, 2, 4, 8])
        reach = min(len(data) - width, rng.choice([48, 160, 600, 2500]))
        at = (
            rng.randrange(reach) if rng.random() < 0.8 else len(data) - width - rng.randrange(reach)
        )
        data[at : at + width] = edge(rng, width)
        told.append(f"{width}@{at}")
    return Mutant(bytes(data), f"fields {', '.join(told)}")


def take_out(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Leave a stretch out."""
    start, size = rng.randrange(len(sound.data)), rng.choice(_SIZES)
    rest = sound.data[:start] + sound.data[start + size :]
    return Mutant(rest, f"{size} bytes left out at {start}")


def repeat(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Write a stretch several times; that of the head, too."""
    start, size = rng.choice([0, rng.randrange(len(sound.data))]), rng.choice(_SIZES)
    times = rng.choice([2, 3, 20])
    data = sound.data
    more = data[start : start + size] * times
    return Mutant(
        data[:start] + more + data[start + size :], f"{size} bytes {times} times @{start}"
    )


def insert(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Put foreign bytes in."""
    start = rng.choice([0, rng.randrange(len(sound.data)), len(sound.data)])
    size = rng.choice(_SIZES)
    body = rng.randbytes(size) if rng.random() < 0.6 else bytes([rng.choice(_EDGES)]) * size
    return Mutant(sound.data[:start] + body + sound.data[start:], f"{size} bytes put in at {start}")


def splice(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Go on with another file, in its middle or from its start."""
    other = rng.choice(pool)
    here = rng.choice([len(sound.data), rng.randrange(1, len(sound.data))])
    there = rng.choice([0, rng.randrange(len(other.data))])
    return Mutant(
        sound.data[:here] + other.data[there:], f"from {here} on {other.name} from {there} on"
    )


def swap(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Exchange two stretches."""
    size = min(rng.choice(_SIZES), len(sound.data) // 3)
    first = rng.randrange(len(sound.data) // 2 - size // 2)
    second = rng.randrange(first + size, len(sound.data) - size + 1)
    data = bytearray(sound.data)
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )
    return Mutant(bytes(data), f"{size} bytes of {first} and {second} exchanged")


def rename(rng: random.Random, sound: Sound, pool: Pool) -> Mutant:
    """Give the untouched file another format's name, or none."""
    suffix = rng.choice([other.suffix for other in pool] + ["", ".dat", ".MP3", ".ape", ".mpc"])
    return Mutant(sound.data, f"called {suffix or 'nothing'}", suffix=suffix)


ANY_FORMAT: tuple[Mutator, ...] = (
    *(cut, cut, behead, flip, flip, flip, fill, number, number, number),
    *(take_out, repeat, insert, splice, swap, rename),
)
