"""Speed, memory and size as ratios, each against something known, in one run.

    python bench/speed.py              # everything; some minutes
    python bench/speed.py decode     # some: decode workers memory startup search rescan size

Yardsticks that are missing (the program `ffmpeg`, the package `bliss-audio`) are named.
Absolute times depend on the machine; the ratios are what to look at. Medians of several runs.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SR = 44100
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def row(*cells: object) -> None:
    """Print one row of a Markdown table."""
    print("| " + " | ".join(f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells) + " |")


def head(*cells: str) -> None:
    """Print the head of a Markdown table."""
    print()
    row(*cells)
    row(*("---" for _ in cells))


def cpu_of(command: list[str], runs: int, env: dict[str, str] | None = None) -> tuple[float, float]:
    """Run a command; return medians of its CPU and wall seconds."""
    cpu, wall = [], []
    for _ in range(runs + 1):
        before, start = os.times(), time.perf_counter()
        subprocess.run(
            command, check=True, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL
        )
        after = os.times()
        wall.append(time.perf_counter() - start)
        cpu.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    return statistics.median(cpu[1:]), statistics.median(wall[1:])  # the first run warms up


def song(seconds: float, seed: int = 0) -> np.ndarray:
    """Synthesize [n, 2] of notes, drums and a little noise: nothing a codec finds easy."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((int(seconds * SR), 2)).astype(np.float32) * 0.003
    t = np.arange(SR // 2) / SR
    for beat in range(int(seconds * 2)):
        pitch = rng.choice([220, 277, 330, 440, 554, 660, 880])
        note = sum(np.sin(2 * np.pi * pitch * h * t) / h for h in range(1, 12)) * np.exp(-6 * t)
        drum = rng.standard_normal((2000, 2)) * np.exp(-np.arange(2000) / 400)[:, None]
        pan = rng.uniform(0.2, 0.8)
        at = beat * SR // 2
        y[at : at + len(t)] += 0.15 * note[:, None] * [pan, 1 - pan]
        y[at : at + 2000] += 0.2 * drum
    return y


def encode(y: np.ndarray, path: Path) -> None:
    """Write audio in the format of the suffix, at a usual bit rate."""
    import av
    import soundfile

    codecs = {
        ".mp3": ("libmp3lame", 192_000),
        ".flac": ("flac", None),
        ".m4a": ("aac", 192_000),
        ".opus": ("libopus", 128_000),
        ".wav": ("pcm_s16le", None),
    }
    if path.suffix == ".ogg":  # PyAV brings no good Vorbis encoder
        with soundfile.SoundFile(path, "w", SR, 2) as file:
            for start in range(0, len(y), SR):
                file.write(y[start : start + SR])
        return
    codec, bit_rate = codecs[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48000 if codec == "libopus" else SR)
        stream.codec_context.layout = "stereo"
        if bit_rate:
            stream.codec_context.bit_rate = bit_rate
        for start in range(0, len(y), SR):
            pcm = (np.clip(y[start : start + SR], -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="stereo")
            frame.sample_rate = SR
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cpu_inside(work: Callable[[], object], runs: int) -> float:
    """Median CPU seconds of a call in this process."""
    times = []
    for _ in range(runs + 1):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


def decode(folder: Path, runs: int) -> None:
    """Embed 4-minute files in one process, against ffmpeg's decoding and bliss's analysis."""
    from musicu import Encoder
    from musicu.workers.analyze_file import analyze

    try:
        from bliss_audio import Song
    except ImportError:
        Song = None
    ffmpeg = shutil.which("ffmpeg")
    for missing in [n for n, x in (("ffmpeg", ffmpeg), ("bliss-audio", Song)) if x is None]:
        print(f"(without {missing}, which is not installed)")
    encoder = Encoder.from_pretrained()
    y = song(240)
    head("4-minute file", "musicu, CPU s", "/ ffmpeg decode", "/ bliss-audio")
    ratios = []
    for suffix in (".mp3", ".flac", ".m4a", ".ogg", ".opus", ".wav"):
        path = folder / f"song{suffix}"
        encode(y, path)
        to_ffmpeg = to_bliss = float("nan")
        ours = cpu_inside(lambda p=path: analyze(p, encoder), runs)
        if ffmpeg:
            options = f"-v error -threads 1 -i {path} -ac 1 -ar 16000 -f f32le -y /dev/null"
            to_ffmpeg = ours / cpu_of([ffmpeg, *options.split()], runs)[0]
        if Song:
            to_bliss = ours / cpu_inside(lambda p=path: Song(str(p)), max(1, runs // 2))
        row(suffix[1:], ours, to_ffmpeg, to_bliss)
        if suffix in (".mp3", ".flac", ".m4a"):
            ratios.append((to_ffmpeg, to_bliss))
    row("mean of mp3, flac, m4a", "", *np.mean(ratios, axis=0).tolist())


def workers(folder: Path, runs: int) -> None:
    """Embed 200 files with one worker and with two."""
    music = folder / "many"
    music.mkdir()
    for number in range(8):
        encode(song(60, seed=number), music / f"{number}.mp3")
    for number in range(8, 200):  # other bytes at the end: other tracks, the same work
        encode_copy(music / f"{number % 8}.mp3", music / f"{number}.mp3", number)
    walls = {}
    for jobs in (1, 2):
        times = []
        for _ in range(max(2, runs // 2)):
            command = ["embed", str(music), "--catalog", str(folder / "many.db"), "-j", str(jobs)]
            start = time.perf_counter()
            musicu(*command, "--force", "-q")
            times.append(time.perf_counter() - start)
        walls[jobs] = statistics.median(times)
    head("200 files of 1 minute", "wall s", "speed-up")
    row("1 worker", walls[1], 1.0)
    row("2 workers", walls[2], walls[1] / walls[2])


def encode_copy(source: Path, target: Path, number: int) -> None:
    """Copy an mp3 without its last frames, so that its identity differs."""
    data = source.read_bytes()
    target.write_bytes(data[: len(data) - 500 * (number // 8)])


def memory(folder: Path, runs: int) -> None:
    """Peak memory of a process that embeds, and describes, a two-hour file."""
    import soundfile

    path = folder / "mix.flac"
    minute = song(60)
    with soundfile.SoundFile(path, "w", SR, 2) as file:
        for _ in range(120):
            file.write(minute)
    code = (
        "import sys; from musicu import Encoder; from musicu.workers.analyze_file import analyze;"
        "analyze(sys.argv[1], Encoder.from_pretrained(), describe=sys.argv[2] == '1');"
        # Not ru_maxrss, which begins with what the parent had.
        "print([int(x.split()[1]) / 1024 for x in open('/proc/self/status') if 'VmHWM' in x][0])"
    )
    head("two-hour flac", "peak MB")
    for what, flag in (("embed", "0"), ("embed --describe", "1")):
        result = subprocess.run(
            [sys.executable, "-c", code, str(path), flag],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **ONE_THREAD},
        )
        row(what, float(result.stdout))
    path.unlink()


def musicu(*arguments: str) -> None:
    """Run the installed command."""
    subprocess.run([str(Path(sys.executable).with_name("musicu")), *arguments], check=True)


def startup(folder: Path, runs: int) -> None:
    """Compare `musicu --help` with a Typer program of two commands."""
    hello = folder / "hello.py"
    hello.write_text(
        "import typer\napp = typer.Typer()\n"
        "@app.command()\ndef hello(name: str):\n    print(name)\n"
        "@app.command()\ndef bye(name: str, formal: bool = False):\n    print(name)\n"
        "app()\n"
    )
    ours = str(Path(sys.executable).with_name("musicu"))
    pairs = [
        (
            cpu_of([ours, "--help"], 1)[1],
            cpu_of([sys.executable, str(hello), "--help"], 1)[1],
        )
        for _ in range(runs * 2)
    ]
    head("start-up", "musicu, s", "/ Typer hello-world")
    row(
        "--help", statistics.median(a for a, _ in pairs), statistics.median(a / b for a, b in pairs)
    )


def fill(catalog: Path, count: int) -> None:
    """Fill a catalog with random unit vectors and plausible rows."""
    from musicu import find_model
    from musicu.catalog.store import Store

    with Store(catalog, create=True) as store:
        model = store.use_model(find_model())
        rng = np.random.default_rng(0)
        with store.change():
            for number in range(count):
                vector = rng.standard_normal(model.dim).astype(np.float32)
                about = {"id": f"{number:032x}", "seconds": 200.0, "codec": "mp3", "sr": SR}
                track = store.put_track(
                    {**about, "channels": 2, "problem": None, "descriptors": None}
                )
                store.put_vector(model, track, vector / np.linalg.norm(vector))
                tags = {"title": f"Song {number}", "artist": f"Artist {number // 10}", "year": 2000}
                store.put_file(f"/m/{number}.mp3", 1, 1, kind="audio", track=track, tags=tags)


def search(folder: Path, runs: int) -> None:
    """Time `musicu similar` of a stored track among 100,000, as a whole process."""
    catalog = folder / "large.db"
    fill(catalog, 100_000)
    ours = str(Path(sys.executable).with_name("musicu"))
    head("similar, stored track, 100,000 tracks", "wall s")
    for what, extra in (("plain", []), ("--where 'year >= 1990'", ["--where", "year >= 1990"])):
        command = [ours, "similar", f"{5:032x}", "--catalog", str(catalog), "--json", *extra]
        row(what, cpu_of(command, runs)[1])


def rescan(folder: Path, runs: int) -> None:
    """Time `musicu embed` over 100,000 files that have not changed."""
    from musicu import find_model
    from musicu.catalog.store import Store

    music = folder / "unchanged"
    catalog = folder / "unchanged.db"
    with Store(catalog, create=True) as store:
        model = store.use_model(find_model())
        vector = np.zeros(model.dim, dtype=np.float32)
        vector[0] = 1.0
        with store.change():
            for number in range(100_000):
                path = music / f"{number // 100}" / f"{number}.mp3"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                about = {"id": f"{number:032x}", "seconds": 200.0, "codec": "mp3", "sr": SR}
                track = store.put_track(
                    {**about, "channels": 2, "problem": None, "descriptors": None}
                )
                store.put_vector(model, track, vector)
                info = path.stat()
                store.put_file(str(path), info.st_size, info.st_mtime_ns, kind="audio", track=track)
    ours = str(Path(sys.executable).with_name("musicu"))
    head("rescan", "wall s")
    command = [ours, "embed", str(music), "--catalog", str(catalog), "-q"]
    row("100,000 unchanged files", cpu_of(command, max(2, runs // 2))[1])


def size(folder: Path, runs: int) -> None:
    """Size of the core, installed into an empty environment."""
    env = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    root = Path(__file__).resolve().parent.parent
    pip = [sys.executable, "-m", "pip", "--python", str(env / "bin/python"), "install", "-qq"]
    subprocess.run([*pip, str(root)], check=True)
    total = sum(f.lstat().st_size for f in env.rglob("*") if f.is_file() and not f.is_symlink())
    head("installed core", "MB")
    row("all files of the environment", total / 1e6)


PARTS = {f.__name__: f for f in (decode, workers, memory, startup, search, rescan, size)}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="else all")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    for name in arguments.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder), arguments.runs)


if __name__ == "__main__":
    main()
