"""Load on the service, from this machine, at fixed rates: latency as a client feels it.

    python bench/serve.py                  # similar by id at several rates; uploads beside the load
    python bench/serve.py --soak 30        # 30 minutes of mixed load; memory minute by minute

Starts `musicu serve` on a made-up catalog of 100,000 tracks and talks to it over the loopback
interface, from one process on the same cores. Requests leave at fixed times (Poisson arrivals),
whether or not earlier ones were answered, and latency counts from the time a request was due: a
server that stalls cannot hide it ("coordinated omission"). Ends by itself.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from speed import encode, head, row, song

TRACKS = 100_000
STYLES, ARTISTS = 200, 5_000
CONNECTIONS = 16

Request = Callable[[np.random.Generator], bytes]


def name(number: int) -> str:
    """Return the id of a made-up track: hex digits without order."""
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:016x}"


def fill(catalog: Path) -> None:
    """Fill a catalog with tracks of made-up artists in made-up styles."""
    from musicu import find_model
    from musicu.catalog.store import Store

    with Store(catalog, create=True) as store:
        model = store.use_model(find_model())
        rng = np.random.default_rng(0)
        spread = 1 / np.sqrt(model.dim)
        style = rng.integers(0, STYLES, ARTISTS)
        center = rng.standard_normal((STYLES, model.dim)) * spread
        artist = center[style] + 0.6 * spread * rng.standard_normal((ARTISTS, model.dim))
        keys = ("C major", "A minor", "G major", "E minor", "F major", "D minor")
        with store.change():
            for number in range(TRACKS):
                who = number * ARTISTS // TRACKS
                vector = artist[who] + 0.7 * spread * rng.standard_normal(model.dim)
                low, bright, rate, tempo = rng.uniform(size=4)
                heard = {
                    "tempo": round(60 + 120 * tempo, 1),
                    "key": keys[number % len(keys)],
                    "loudness": round(-20 + 14 * low, 1),
                    "brightness": round(500 + 3000 * bright),
                    "onset_rate": round(6 * rate, 2),
                }
                about = {"id": name(number), "seconds": 200.0, "codec": "mp3float", "sr": 44100}
                track = store.put_track(
                    {**about, "channels": 2, "problem": None, "descriptors": heard}
                )
                store.put_vector(model, track, (vector / np.linalg.norm(vector)).astype(np.float32))
                tags = {
                    "title": f"Song {number}",
                    "artist": f"Artist {who}",
                    "artists": [f"Artist {who}"],
                    "album": f"Album {number // 10}",
                    "year": 1960 + number % 65,
                    "genres": [f"Style {style[who]}"],
                }
                path = f"/music/{who}/{number}.mp3"
                store.put_file(path, 1, 1, kind="audio", track=track, tags=tags)


class Server:
    """`musicu serve`, as a process."""

    def __init__(self, catalog: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        ours = str(Path(sys.executable).with_name("musicu"))
        command = [ours, "serve", "--catalog", str(catalog), "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        start = time.perf_counter()
        while self._parts().get("search") != "ready":
            if self.process.poll() is not None or time.perf_counter() - start > 120:
                raise SystemExit("the service did not start: run the command by hand to see why")
            time.sleep(0.2)
        self.started = time.perf_counter() - start
        while "preparing" in self._parts().values():  # the map takes minutes, once
            time.sleep(1)
        self.prepared = time.perf_counter() - start

    def _parts(self) -> dict[str, str]:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as ready:
                return dict(json.load(ready)["parts"])
        return {}

    def memory(self) -> float:
        """Resident memory of the service and its workers, MB."""
        return sum(_resident(pid) for pid in _family(self.process.pid)) / 1e6

    def cpu(self) -> float:
        """CPU seconds that the service's own process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End it as Ctrl-C does."""
        self.process.send_signal(2)
        self.process.wait(30)


def _family(pid: int) -> list[int]:
    """Return a process and those it started."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _family(int(child))
    return found


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def post(path: str, body: bytes, kind: str = "application/json") -> bytes:
    """Write a request that keeps its connection."""
    lines = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str) -> bytes:
    """Write a request that keeps its connection."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send one request; return the status of the answer, which is read whole."""
    writer.write(request)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", headers, re.IGNORECASE)
    if length:
        await reader.readexactly(int(length[1]))
    elif b"chunked" in headers.lower():
        size = 1
        while size:
            size = int(await reader.readline(), 16)
            await reader.readexactly(size + 2)
    return int(headers[9:12])


async def load(
    port: int, make: Request, rate: float, seconds: float, seed: int = 0
) -> tuple[np.ndarray, Counter[int]]:
    """Send requests at random times, `rate` a second on average; return latencies and statuses."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, int(rate * seconds))
    due = time.perf_counter() + 0.2 + np.cumsum(gaps)
    # In turn, so that none rests so long that the server closes it.
    free: asyncio.Queue = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    latencies: list[float] = []
    statuses: Counter[int] = Counter()

    async def one(at: float) -> None:
        connection = await free.get()
        status = await ask(*connection, make(rng))
        latencies.append(time.perf_counter() - at)
        statuses[status] += 1
        free.put_nowait(connection)

    tasks = set()
    for at in due:
        if (wait := at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.add(task := asyncio.create_task(one(at)))
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait()[1].close()
    return np.array(latencies) * 1e3, statuses


def by_id(rng: np.random.Generator) -> bytes:
    """Ask for 20 tracks like a random one."""
    body = json.dumps({"id": name(int(rng.integers(TRACKS))), "n": 20}).encode()
    return post("/v1/similar", body)


def mixed(rng: np.random.Generator) -> bytes:
    """Ask for anything but audio."""
    track, other = (name(int(i)) for i in rng.integers(TRACKS, size=2))
    kind = rng.choice(5, p=[0.6, 0.15, 0.15, 0.05, 0.05])
    if kind == 0:
        return by_id(rng)
    if kind == 1:
        return get(f"/v1/tracks/{track}")
    if kind == 2:
        return get(f"/v1/tracks?q=song%20{int(rng.integers(TRACKS))}&limit=20")
    if kind == 3:
        seeds = [{"id": track}, {"id": other, "weight": -0.5}]
        return post("/v1/similar", json.dumps({"seeds": seeds, "diversity": 0.3}).encode())
    path = {"path": {"from": track, "to": other}, "n": 10}
    return post("/v1/similar", json.dumps(path).encode())


def percentiles(latencies: np.ndarray) -> list[float]:
    """Return the median, the 99th percentile and the largest."""
    return [float(np.percentile(latencies, q)) for q in (50, 99, 100)]


async def upload(port: int, audio: bytes) -> float:
    """Ask for tracks like an upload; return the seconds it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter()
    status = await ask(reader, writer, post("/v1/similar?n=20", audio, "audio/mpeg"))
    writer.close()
    if status != 200:
        raise SystemExit(f"an upload was answered with {status}")
    return time.perf_counter() - start


async def rates(server: Server, seconds: float) -> None:
    """Print a row a rate."""
    head(
        "requests/s asked", "answered/s", "p50 ms", "p99 ms", "max ms", "server CPU s/s", "not 200"
    )
    for rate in (100, 200, 300, 350):
        before, start = server.cpu(), time.perf_counter()
        latencies, statuses = await load(server.port, by_id, rate, seconds)
        took = time.perf_counter() - start
        failed = sum(statuses.values()) - statuses[200]
        spent = (server.cpu() - before) / took
        row(rate, len(latencies) / took, *percentiles(latencies), spent, failed)


async def uploads(server: Server, audio: bytes, seconds: float) -> None:
    """Print how long 4-minute uploads take beside half the load."""
    await upload(server.port, audio)  # the worker starts
    alone = [await upload(server.port, audio) for _ in range(5)]
    beside = asyncio.create_task(load(server.port, by_id, 150, seconds))
    await asyncio.sleep(1)
    loaded = []
    while not beside.done():
        loaded.append(await upload(server.port, audio))
        await asyncio.sleep(1)
    latencies, _ = await beside
    head("4-minute mp3 to POST /v1/similar", "median s", "max s", "p99 ms of similar beside")
    row("alone", statistics.median(alone), max(alone), "")
    row("beside 150 requests/s", statistics.median(loaded), max(loaded), percentiles(latencies)[1])


async def soak(server: Server, audio: bytes, minutes: float) -> None:
    """Print memory and latency minute by minute under mixed load, an upload every 10 s."""
    head("minute", "resident MB, workers included", "requests", "p99 ms", "not 200")
    for minute in range(max(1, round(minutes))):
        beside = asyncio.create_task(load(server.port, mixed, 60, 58, seed=minute))
        while not beside.done():
            # Another song each time: the same one would only be recognized.
            await upload(server.port, audio[: -1 - minute * 100])
            await asyncio.wait([beside], timeout=10)
        latencies, statuses = await beside
        failed = sum(statuses.values()) - statuses[200]
        row(minute + 1, server.memory(), len(latencies), percentiles(latencies)[1], failed)
        sys.stdout.flush()


def main() -> None:
    """Start the service, measure, end it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--soak", type=float, default=0, metavar="MINUTES")
    parser.add_argument("--seconds", type=float, default=20, help="of each rate")
    parser.add_argument("--catalog", type=Path, help="kept there, and used again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        catalog = options.catalog or Path(folder) / "catalog.db"
        if not catalog.exists():
            fill(catalog)
        file = Path(folder) / "song.mp3"
        encode(song(240), file)
        audio = file.read_bytes()
        server = Server(catalog)
        head("service on 100,000 tracks", "")
        row("seconds to the first answer", server.started)
        row("seconds until everything is prepared, the map too if there is none", server.prepared)
        row("resident MB", server.memory())
        try:
            if options.soak:
                asyncio.run(soak(server, audio, options.soak))
            else:
                asyncio.run(rates(server, options.seconds))
                asyncio.run(uploads(server, audio, options.seconds))
        finally:
            server.close()


if __name__ == "__main__":
    main()
