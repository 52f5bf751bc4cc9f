import asyncio
import errno
import io
import json
import os
import shutil
import socket
import sqlite3
import stat
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from conftest import Shelf as Library
from hypothesis import given
from hypothesis import strategies as st
from made_audio import notes, write
from starlette.requests import Request

from musicu.catalog.catalog import Catalog
from musicu.errors import AudioError
from musicu.service.app import create_app
from musicu.service.cache import AsyncLRU
from musicu.service.errors import Busy, Late, Refusal
from musicu.service.settings import Settings
from musicu.service.uploads import store as store_module
from musicu.service.uploads.add import UploadAdder, file_name
from musicu.service.uploads.store import UploadStore

OCTETS = {"content-type": "application/octet-stream"}
_PATIENCE = 300.0
ID = "0123456789abcdef" * 2


# The store by itself: bodies of any kind into files, or not


def _request(
    chunks: list[bytes | float | None],
    *,
    query: str = "",
    kind: str = "audio/flac",
    **headers: str,
) -> Request:
    """Make a request whose body comes in chunks; a number waits, None leaves."""
    waiting = iter(chunks)

    async def receive() -> dict[str, Any]:
        for chunk in waiting:
            if chunk is None:
                return {"type": "http.disconnect"}
            if isinstance(chunk, bytes):
                return {"type": "http.request", "body": chunk, "more_body": True}
            await asyncio.sleep(chunk)
        return {"type": "http.request", "body": b"", "more_body": False}

    fields = {"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }
    return Request(scope, receive)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.db"
    path.touch()
    return path


def _with_store(settings: Settings, use: Callable[[UploadStore], Any]) -> Any:
    async def main() -> Any:
        uploads = UploadStore(settings)
        await uploads.start()
        try:
            return await use(uploads)
        finally:
            await uploads.close()
            assert not os.path.exists(uploads.folder)

    return asyncio.run(main())


def _receive(settings: Settings, request: Request) -> bytes:
    """Receive a body that is not kept; whatever comes of it, nothing stays."""

    async def use(uploads: UploadStore) -> bytes:
        try:
            async with uploads.receive(request) as upload:
                content = Path(upload.path).read_bytes()
                assert upload.size == len(content)
                assert os.path.dirname(upload.path) == uploads.folder
                return content
        finally:
            assert os.listdir(uploads.folder) == []
            assert uploads.receiving == 0
            assert uploads.incoming == 0

    content: bytes = _with_store(settings, use)
    return content


def test_a_body_in_chunks_without_a_length_arrives_whole(catalog: Path) -> None:
    chunks = [os.urandom(70_000) for _ in range(40)]
    assert _receive(Settings(catalog=catalog), _request([*chunks])) == b"".join(chunks)


def test_only_the_owner_can_read_what_was_uploaded(catalog: Path) -> None:
    async def use(uploads: UploadStore) -> None:
        assert stat.S_IMODE(os.stat(uploads.folder).st_mode) == 0o700

    _with_store(Settings(catalog=catalog), use)


def test_an_empty_body_is_no_audio(catalog: Path) -> None:
    with pytest.raises(AudioError, match="empty file"):
        _receive(Settings(catalog=catalog), _request([]))


def test_too_much_is_refused_before_it_is_read_where_its_length_says_so(catalog: Path) -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("read")

    request = _request([], content_length="101")
    request._receive = never
    with pytest.raises(Refusal, match="larger than") as caught:
        _receive(Settings(catalog=catalog, upload_bytes=100), request)
    assert caught.value.status == 413


@pytest.mark.parametrize("claimed", [{}, {"content_length": "5"}, {"content_length": "x"}])
def test_too_much_is_refused_while_it_comes_whatever_its_length_says(
    catalog: Path, claimed: dict[str, str]
) -> None:
    with pytest.raises(Refusal) as caught:
        _receive(
            Settings(catalog=catalog, upload_bytes=100), _request([b"x" * 60, b"x" * 60], **claimed)
        )
    assert caught.value.status == 413


def test_as_much_as_is_allowed_is_taken(catalog: Path) -> None:
    settings = Settings(catalog=catalog, upload_bytes=100)
    assert len(_receive(settings, _request([b"x" * 60, b"x" * 40], content_length="100"))) == 100


def test_who_leaves_in_the_middle_leaves_nothing(catalog: Path) -> None:
    with pytest.raises(Refusal, match="client left"):
        _receive(Settings(catalog=catalog), _request([b"x" * 3_000_000, None]))


@pytest.mark.parametrize(
    ("limits", "chunks"),
    [
        ({"_SILENT": 0.05}, [b"x", 5.0, b"x"]),  # a pause
        ({"_SILENT": 0.05, "_SLOWEST": 1000}, [b"x", 0.02] * 100),  # a byte now and then
        ({"_SLOWEST": 0}, [b"x", 0.02] * 100),  # steady, and too long in all
    ],
    ids=["silent", "trickle", "long"],
)
def test_a_slow_client_is_given_up(
    catalog: Path,
    limits: dict[str, float],
    chunks: list[bytes | float | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(store_module, name, value)
    seconds = 0.2 if limits == {"_SLOWEST": 0} else 60.0
    with pytest.raises(Refusal, match="too slow") as caught:
        _receive(Settings(catalog=catalog, receive_seconds=seconds), _request(chunks))
    assert (caught.value.status, caught.value.headers["Connection"]) == (408, "close")


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data; boundary=x", "text/plain", "audiox/y"]
)
def test_what_is_not_sent_as_a_file_is_refused(catalog: Path, kind: str) -> None:
    with pytest.raises(Refusal, match="as the body") as caught:
        _receive(Settings(catalog=catalog), _request([b"x"], kind=kind))
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", ["audio/mpeg", "Audio/X; a=b", "application/ogg", "video/mp4"])
def test_files_of_any_name_and_kind_of_audio_are_taken(catalog: Path, kind: str) -> None:
    assert _receive(Settings(catalog=catalog), _request([b"x"], kind=kind)) == b"x"


def test_the_clients_name_is_no_path(catalog: Path) -> None:
    async def use(uploads: UploadStore) -> None:
        async with uploads.receive(
            _request([b"x"], query="name=..%2F..%2Fevil%00%0A.mp3")
        ) as upload:
            assert upload.name == "../../evil\0\n.mp3"
            assert os.path.dirname(upload.path) == uploads.folder
            assert "evil" not in upload.path

    _with_store(Settings(catalog=catalog), use)


def test_no_more_uploads_are_received_at_once_than_can_be_heard(catalog: Path) -> None:
    async def use(uploads: UploadStore) -> None:
        async def one() -> str:
            try:
                async with uploads.receive(_request([b"x" * 1000, 0.1])):
                    return "received"
            except Busy as error:
                assert int(error.headers["Retry-After"]) >= 1
                return "busy"

        results = await asyncio.gather(*(one() for _ in range(50)))
        assert (results.count("received"), results.count("busy")) == (9, 41)
        assert os.listdir(uploads.folder) == []
        assert await one() == "received"

    _with_store(Settings(catalog=catalog, workers=1, queue=8), use)


def test_all_that_comes_in_shares_one_limit(catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_BYTES", 1000)

    async def use(uploads: UploadStore) -> None:
        async with uploads.receive(_request([b"x" * 700])):
            with pytest.raises(Busy):
                async with uploads.receive(_request([b"x" * 700])):
                    pass
            with pytest.raises(Busy):
                async with uploads.receive(_request([], content_length="700")):
                    pass
            assert uploads.incoming == 700
        async with uploads.receive(_request([b"x" * 700])):
            pass
        assert uploads.incoming == 0

    _with_store(Settings(catalog=catalog), use)


async def _keep(uploads: UploadStore, id: str, size: int = 10) -> None:
    async with uploads.receive(_request([b"x" * size])) as upload:
        uploads.keep(upload, {"id": id, "codec": "flac", "seconds": 1.0})


def test_the_last_uploads_stay_and_the_others_are_deleted(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(uploads: UploadStore) -> None:
        for number in range(40):
            await _keep(uploads, f"{number:032d}")
        assert uploads.incoming == 0
        assert len(os.listdir(uploads.folder)) == 32
        assert uploads.find(f"{7:032d}") is None
        kept = uploads.find(f"{8:032d}")
        assert kept and os.path.exists(kept.path)
        await _keep(uploads, f"{8:032d}")  # the same audio again takes its place
        assert not os.path.exists(kept.path) and len(os.listdir(uploads.folder)) == 32
        monkeypatch.setattr(store_module, "_BYTES", 25)
        assert uploads.find(f"{8:032d}")
        assert len(os.listdir(uploads.folder)) == 2
        later = time.monotonic() + 1801
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert uploads.find(f"{8:032d}") is None
        assert os.listdir(uploads.folder) == []

    _with_store(Settings(catalog=catalog), use)


def test_a_full_disk_is_told_and_leaves_nothing(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BufferedWriter):
        def write(self, content: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        os, "fdopen", lambda handle, mode: Full(io.FileIO(handle, mode.replace("b", "")))
    )
    with pytest.raises(Refusal, match="No space left") as caught:
        _receive(Settings(catalog=catalog), _request([b"x" * 2_000_000]))
    assert caught.value.status == 507


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full here")
def test_a_small_upload_that_the_disk_does_not_take_is_not_damaged(
    catalog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.fdopen

    def full(handle: int, mode: str) -> Any:
        os.close(handle)
        return own(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(Refusal, match="No space left") as caught:
        _receive(Settings(catalog=catalog), _request([b"x" * 100]))
    assert caught.value.status == 507


# What is kept


def _bytes(value: tuple[bytes, ...]) -> int:
    return sum(map(len, value))


def test_what_many_ask_for_at_once_is_made_once() -> None:
    made: list[int] = []

    async def main() -> None:
        cache: AsyncLRU[str, tuple[bytes, ...]] = AsyncLRU(100, _bytes)

        async def make() -> tuple[bytes, ...]:
            made.append(1)
            await asyncio.sleep(0.01)
            return (b"x" * 10,)

        answers = await asyncio.gather(*(cache.get("a", make) for _ in range(10)))
        assert answers == [(b"x" * 10,)] * 10
        assert await cache.get("a", make) == (b"x" * 10,)
        assert (len(made), cache.misses, cache.hits) == (1, 1, 1)

    asyncio.run(main())


def test_the_least_wanted_goes_first_and_an_error_is_not_kept() -> None:
    async def main() -> None:
        cache: AsyncLRU[str, tuple[bytes, ...]] = AsyncLRU(25, _bytes)
        made: list[str] = []

        async def get(key: str) -> None:
            async def make() -> tuple[bytes, ...]:
                made.append(key)
                if key == "bad":
                    raise AudioError("x", "no")
                return b"12345", b"12345"

            await cache.get(key, make)

        for key in "abacab":
            await get(key)
        assert "".join(made) == "abcb"
        for _ in range(2):
            with pytest.raises(AudioError):
                await get("bad")
        assert made[-2:] == ["bad", "bad"]

    asyncio.run(main())


# Names and places


@given(
    st.text(max_size=300),
    st.dictionaries(st.sampled_from(["artist", "title"]), st.text(max_size=300)),
)
def test_whatever_a_file_is_called_its_name_is_one_plain_component(
    name: str, metadata: dict[str, str]
) -> None:
    made = file_name({"id": ID, "metadata": metadata}, name, ".mp3")
    assert made == os.path.basename(made)
    assert made.endswith("[0123456789ab].mp3") and len(made.encode()) <= 255
    assert made.isprintable() and not set(made) & set('/\\:*?"<>|')
    assert not made.startswith(".")


def test_a_name_says_what_is_known() -> None:
    known = {"artist": "AC/DC", "title": "Thunder: Struck"}
    for metadata, name, expected in (
        (known, "x.mp3", "AC_DC - Thunder_ Struck"),
        ({"title": "Dawn"}, "x.mp3", "Dawn"),
        ({"artist": "Alba"}, "../../Demo 3.tar.mp3", "Demo 3.tar"),
        ({}, "C:\\Music\\Dawn.wav", "Dawn"),
        ({}, None, "upload"),
        ({}, "..", "upload"),
        ({}, "é" * 5000, "é" * 90),
    ):
        made = file_name({"id": ID, "metadata": metadata}, name, ".flac")
        assert made == f"{expected} [0123456789ab].flac"


# Into the catalog, or not at all


def _answer(model: Any, id: str = ID, **metadata: Any) -> dict[str, Any]:
    rng = np.random.default_rng(int(id, 16) % 2**32)
    vector = rng.standard_normal(model.dim).astype(np.float32)
    return {
        "id": id,
        "seconds": 4.0,
        "codec": "flac",
        "sr": 44100,
        "channels": 1,
        "problem": None,
        "metadata": metadata,
        "descriptors": None,
        "vector": vector / np.linalg.norm(vector),
        "model": model,
    }


def _stored(db: Path) -> tuple[int, int, int]:
    with closing(sqlite3.connect(db)) as opened:
        return tuple(  # type: ignore[return-value]
            opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("tracks", "files", "vectors")
        )


def _model_of(library: Library) -> Any:
    with library.open() as catalog:
        return catalog.model()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "uploads"
    path.mkdir()
    return path


def test_file_and_rows_come_together(shelf: Library, folder: Path, tmp_path: Path) -> None:
    upload = shelf / "Dora/Night.wav"
    answer = _answer(_model_of(shelf), artist="Eva", title="Rain")
    before = _stored(shelf.db)
    assert UploadAdder(shelf.db, folder).add(str(upload), answer, None)
    (path,) = folder.iterdir()
    assert path.name == "Eva - Rain [0123456789ab].wav"  # by its content, not by its codec
    assert path.read_bytes() == upload.read_bytes() and upload.exists()
    assert _stored(shelf.db) == tuple(count + 1 for count in before)
    with shelf.open() as catalog:
        (row,) = catalog.tracks("title = 'Rain'")
        assert row["path"] == str(path)
        # The folder is one of the catalog's now, and what lies in it is known there.
        summary = catalog.add_folder(jobs=1)
        assert (summary.pending, summary.missing, summary.found) == (0, 0, 11)
    assert not UploadAdder(shelf.db, folder).add(str(upload), answer, None)
    assert list(folder.iterdir()) == [path]


def test_a_file_of_that_name_is_never_overwritten(
    shelf: Library, folder: Path, tmp_path: Path
) -> None:
    upload = shelf / "Dora/Night.wav"
    (folder / "Rain [0123456789ab].wav").write_bytes(b"somebody's")
    (folder / "Rain [0123456789ab] (2).wav").symlink_to(tmp_path / "elsewhere")
    assert UploadAdder(shelf.db, folder).add(
        str(upload), _answer(_model_of(shelf), title="Rain"), None
    )
    assert (folder / "Rain [0123456789ab].wav").read_bytes() == b"somebody's"
    assert not (tmp_path / "elsewhere").exists()
    assert (folder / "Rain [0123456789ab] (3).wav").read_bytes() == upload.read_bytes()


@pytest.mark.parametrize("broken", ["put_track", "put_vector", "put_file"])
def test_a_failed_catalog_write_leaves_no_file_and_no_rows(
    shelf: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    before = _stored(shelf.db)
    model = _model_of(shelf)
    monkeypatch.setattr(f"musicu.catalog.store.Store.{broken}", fail)
    with pytest.raises(Busy, match="cannot be written now"):
        UploadAdder(shelf.db, folder).add(str(shelf / "Dora/Night.wav"), _answer(model), None)
    assert list(folder.iterdir()) == []
    assert _stored(shelf.db) == before


def test_a_commit_that_fails_takes_the_file_back(
    shelf: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musicu.catalog.store import Store

    @contextmanager
    def change(self: Store) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        yield
        raise sqlite3.OperationalError("database or disk is full")

    before, model = _stored(shelf.db), _model_of(shelf)
    monkeypatch.setattr(Store, "change", change)
    with pytest.raises(Refusal, match="disk is full") as caught:
        UploadAdder(shelf.db, folder).add(str(shelf / "Dora/Night.wav"), _answer(model), None)
    assert caught.value.status == 507
    assert list(folder.iterdir()) == []
    assert _stored(shelf.db) == before


@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EROFS, 503)]
)
def test_why_a_folder_takes_no_file_is_told(
    shelf: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    before, model = _stored(shelf.db), _model_of(shelf)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Refusal, match=os.strerror(number)) as caught:
        UploadAdder(shelf.db, folder).add(str(shelf / "Dora/Night.wav"), _answer(model), None)
    assert caught.value.status == status
    assert list(folder.iterdir()) == []
    assert _stored(shelf.db) == before


def test_a_folder_that_cannot_be_written_is_told(
    shelf: Library, folder: Path, tmp_path: Path
) -> None:
    folder.rmdir()
    model, before = _model_of(shelf), _stored(shelf.db)
    with pytest.raises(Busy, match="folder for uploads"):
        UploadAdder(shelf.db, folder).add(str(shelf / "Dora/Night.wav"), _answer(model), None)
    assert _stored(shelf.db) == before


def test_a_vector_of_another_model_is_not_stored(
    shelf: Library, folder: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    other = replace(_model_of(shelf), sha256="b" * 64)
    with pytest.raises(Busy, match="another model"):
        UploadAdder(shelf.db, folder).add(str(shelf / "Dora/Night.wav"), _answer(other), None)
    assert list((folder).iterdir()) == []


def test_the_same_audio_from_many_sides_is_stored_once(
    shelf: Library, folder: Path, tmp_path: Path
) -> None:
    answer = _answer(_model_of(shelf))
    with ThreadPoolExecutor(8) as threads:
        added = list(
            threads.map(
                lambda number: UploadAdder(shelf.db, folder).add(
                    str(shelf / "Dora/Night.wav"), answer, f"{number}.wav"
                ),
                range(16),
            )
        )
    assert added.count(True) == 1 and len(list(folder.iterdir())) == 1


def test_audio_that_went_missing_comes_back_by_an_upload(
    shelf: Library, folder: Path, tmp_path: Path
) -> None:
    lost = shelf / "Dora/Night.wav"
    with shelf.open() as catalog:
        (row,) = catalog.tracks("path LIKE '%Night.wav'")
        content = lost.read_bytes()
        lost.unlink()
        catalog.add_folder(jobs=1)
        assert not list(catalog.tracks(f"id = '{row['id']}'"))
        model = catalog.model()
    (tmp_path / "upload").write_bytes(content)
    answer = _answer(model, row["id"])
    assert UploadAdder(shelf.db, folder).add(str(tmp_path / "upload"), answer, None)
    with shelf.open() as catalog:
        assert len(list(catalog.tracks(f"id = '{row['id']}'"))) == 1


# A running service


class Served:
    """A service on a port of its own, in a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.app = create_app(settings)
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        config = uvicorn.Config(self.app, log_level="critical", access_log=False, ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        _until(lambda: self.server.started or not self.thread.is_alive())
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=_PATIENCE)

    @property
    def service(self) -> Any:
        return self.app.state.service

    def temporary(self) -> list[str]:
        return os.listdir(self.service.uploads.folder)

    def post(self, path: str, content: Any, **query: Any) -> httpx.Response:
        return self.client.post(path, content=content, params=query, headers=OCTETS)

    def close(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join()


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def library(original: Library, tmp_path_factory: pytest.TempPathFactory) -> Library:
    db = tmp_path_factory.mktemp("served") / "music.db"
    shutil.copyfile(original.db, db)
    return Library(original.folder, db)


@pytest.fixture(scope="module")
def served(library: Library) -> Iterator[Served]:
    uploads = library.db.with_name("uploads")
    uploads.mkdir()
    running = Served(
        Settings(
            catalog=library.db,
            uploads=uploads,
            upload_seconds=60.0,
            upload_bytes=20 << 20,
            deadline=_PATIENCE,
            decode_seconds=_PATIENCE,
        )
    )
    yield running
    folder = running.service.uploads.folder
    running.close()
    assert not os.path.exists(folder)


def _song(tmp_path: Path, seed: int, form: str = "flac", seconds: float = 4.0) -> bytes:
    path = tmp_path / f"song{seed}.{form}"
    write(path, notes(44100, seconds, seed=seed), 44100, form)
    return path.read_bytes()


def test_a_known_file_is_heard_as_the_catalog_heard_it(served: Served, library: Library) -> None:
    path = library / "Alba/First Light/01 Dawn.flac"
    answer = served.post("/v1/embed", path.read_bytes(), name="x.mp3").json()
    with Catalog(library.db) as catalog:
        (row,) = catalog.tracks("title = 'Dawn'")
    assert (answer["id"], answer["known"]) == (row["id"], True)
    assert answer["metadata"]["artist"] == "Alba"
    assert (answer["codec"], answer["sr"], answer["channels"]) == ("flac", 44100, 1)
    position = served.service.live.snapshot.position(row["id"])
    stored = served.service.live.snapshot.vector(position)
    assert np.allclose(answer["vector"], stored, atol=1e-6)
    assert answer["descriptors"]["loudness"] < 0
    assert all(0.05 <= p <= 1 for p in answer["tags"].values())


def test_only_what_is_asked_for_is_told(served: Served, library: Library) -> None:
    content = (library / "Dora/Night.wav").read_bytes()
    answer = served.post(
        "/v1/embed", content, describe="false", tags="false", vector="false"
    ).json()
    assert not answer.keys() & {"descriptors", "tags", "vector"}


def test_an_upload_finds_what_the_stored_track_finds(served: Served, library: Library) -> None:
    path = library / "Bruno/Stones/01 Granite.ogg"
    answer = served.post("/v1/similar", path.read_bytes(), n=5).json()
    with Catalog(library.db) as catalog:
        matches = catalog.similar(path, n=5)
    assert [m["id"] for m in answer["matches"]] == [m.id for m in matches]
    assert [m["score"] for m in answer["matches"]] == pytest.approx(
        [m.score for m in matches], abs=1e-5
    )
    assert answer["upload"]["known"] and "descriptors" not in answer["upload"]
    assert answer["upload"]["metadata"]["title"] == "Granite"


def test_an_upload_is_asked_about_as_a_stored_track_is(served: Served, tmp_path: Path) -> None:
    answer = served.post(
        "/v1/similar",
        _song(tmp_path, 70),
        n=8,
        where="year < 2000",
        max_per_artist=1,
        describe="true",
    ).json()
    assert {m["artist"] for m in answer["matches"]} <= {"Alba", "Bruno", "Alba; Bruno"}
    assert not answer["upload"]["known"]
    assert answer["upload"]["descriptors"]["loudness"] < 0


@pytest.mark.parametrize(
    "query", [{"n": "0"}, {"n": "x"}, {"seeds": "1"}, {"id": "abcdef"}, {"describe": "maybe"}]
)
def test_a_wrong_question_is_refused_before_the_file_is_read(
    served: Served, query: dict[str, str]
) -> None:
    assert served.post("/v1/similar", b"not read", **query).status_code == 422


def _flac_of_silence(tmp_path: Path, minutes: float) -> bytes:
    path = tmp_path / "silence.flac"
    write(path, np.zeros((1, round(60 * minutes * 8000)), dtype=np.float32), 8000, "flac")
    return path.read_bytes()


def test_a_small_file_of_many_minutes_is_refused(served: Served, tmp_path: Path) -> None:
    content = _flac_of_silence(tmp_path, 15)
    assert len(content) < 200_000
    answer = served.post("/v1/embed", content)
    assert answer.status_code == 422
    assert answer.json()["detail"] == "longer than 60 s"


def test_a_header_that_claims_four_gigabytes_claims_them_in_vain(
    served: Served, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 44100, 0, "NONE", ""))
        file.writeframes((notes(44100, 4.0)[0] * 30000).astype("<i2").tobytes())
    content = bytearray(buffer.getvalue())
    content[40:44] = struct.pack("<I", 0xFFFFFF00)
    answer = served.post("/v1/embed", bytes(content))
    assert answer.status_code == 200
    assert answer.json()["seconds"] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 1000,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"<html><script>alert(1)</script></html>",
        b"PK\x03\x04" + b"\0" * 500,
    ],
    ids=["zeros", "hls", "concat", "html", "zip"],
)
def test_what_is_no_audio_is_refused_without_a_word_of_where_it_lay(
    served: Served, content: bytes
) -> None:
    answer = served.post("/v1/similar", content, name="../../etc/passwd")
    assert answer.status_code == 422
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"] and served.service.uploads.folder not in answer.text
    assert "/" not in problem["detail"] and "upload-" not in problem["detail"]


def test_an_upload_stays_for_a_while_under_its_id(served: Served, tmp_path: Path) -> None:
    content = _song(tmp_path, 71, "mp3")
    id = served.post("/v1/embed", content).json()["id"]
    answer = served.client.get(f"/v1/tracks/{id}/audio")
    assert answer.content == content and answer.headers["content-type"] == "audio/mpeg"


def test_a_crowd_gets_answers_or_is_told_when_to_come_again(served: Served, tmp_path: Path) -> None:
    content = _song(tmp_path, 72, seconds=8.0)

    def one(_: int) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{served.port}/v1/similar",
            content=content,
            headers=OCTETS,
            timeout=_PATIENCE,
        )

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(one, range(50)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 9
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        else:
            assert len(answer.json()["matches"]) == 8
    uploads = served.service.uploads
    assert (uploads.receiving, uploads.incoming) == (0, 0)
    assert len(served.temporary()) <= 32
    assert served.post("/v1/similar", content).status_code == 200


def _raw(served: Served, head: str, body: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port))
    connection.sendall(
        f"POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
        f"Content-Type: audio/flac\r\n{head}\r\n\r\n".encode()
        + body
    )
    return connection


def test_a_client_that_goes_in_the_middle_leaves_nothing(served: Served) -> None:
    uploads, before = served.service.uploads, served.temporary()
    for head in ("Content-Length: 5000000", "Transfer-Encoding: chunked"):
        body = b"x" * 200_000 if "Length" in head else b"30000\r\n" + b"x" * 0x20000
        connection = _raw(served, head, body)
        _until(lambda: uploads.incoming > 0)
        connection.close()
        _until(lambda: (uploads.receiving, uploads.incoming) == (0, 0))
        assert sorted(served.temporary()) == sorted(before)


def test_a_body_without_a_length_is_taken(served: Served, library: Library) -> None:
    content = (library / "Carla/Tide/01 Ebb.m4a").read_bytes()
    pieces = (content[i : i + 1000] for i in range(0, len(content), 1000))
    assert served.post("/v1/embed", pieces).json()["metadata"]["title"] == "Ebb"


def test_what_comes_after_the_length_of_a_body_is_no_part_of_it(
    served: Served, library: Library
) -> None:
    content = (library / "Dora/Night.wav").read_bytes()
    with closing(_raw(served, f"Content-Length: {len(content)}", content + b"x")) as connection:
        connection.settimeout(_PATIENCE)
        assert connection.recv(65536).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    uploads = served.service.uploads
    _until(lambda: (uploads.receiving, uploads.incoming) == (0, 0))


def test_tags_as_large_as_their_file_are_cut(served: Served, tmp_path: Path) -> None:
    import mutagen

    path = tmp_path / "long.flac"
    path.write_bytes(_song(tmp_path, 73))
    file = mutagen.File(path)
    file["title"], file["genre"] = "x" * 3_000_000, ["y" * 5000] * 500
    file.save()
    answer = served.post("/v1/embed", path.read_bytes())
    assert len(answer.json()["metadata"]["title"]) == 10_000
    assert len(answer.content) < 200_000


def test_what_is_added_is_found_at_once_and_added_once(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "rain.flac"
    write(path, notes(44100, 4.0, seed=80), 44100, "flac", title="Unheard Rain", artist="Eva")
    folder = served.settings.uploads
    assert folder
    answer = served.post("/v1/tracks", path.read_bytes(), name="/etc/../x\0y\n.mp3")
    assert answer.status_code == 201
    card = answer.json()
    assert (card["title"], card["artist"]) == ("Unheard Rain", "Eva")
    assert answer.headers["location"] == f"/v1/tracks/{card['id']}"
    found = served.client.get("/v1/tracks", params={"q": "unheard rain"}).json()
    assert [track["id"] for track in found["tracks"]] == [card["id"]]
    near = served.client.post("/v1/similar", json={"id": card["id"], "n": 3}).json()
    assert len(near["matches"]) == 3
    (stored,) = folder.glob("*Rain*")
    assert stored.name == f"Eva - Unheard Rain [{card['id'][:12]}].flac"
    again = served.post("/v1/tracks", path.read_bytes())
    assert (again.status_code, again.json()) == (200, card)
    assert list(folder.glob("*Rain*")) == [stored]
    sound = served.client.get(f"/v1/tracks/{card['id']}/audio")
    assert sound.content == path.read_bytes()


@pytest.mark.parametrize(
    "name", ["../../../evil", "..", "a\0b", "a\nb\r\nX: y", "x" * 10_000, "\u202egnp.exe", "a/b/c"]
)
def test_no_name_leads_out_of_the_folder(served: Served, tmp_path: Path, name: str) -> None:
    folder = served.settings.uploads
    assert folder
    before = set(folder.rglob("*")) if folder.exists() else set()
    content = _song(tmp_path, 1000 + len(name) + ord(name[-1]))
    assert served.post("/v1/tracks", content, name=name).status_code == 201
    (new,) = set(folder.rglob("*")) - before
    assert new.parent == folder and new.name.isprintable() and new.read_bytes() == content
    assert not list(folder.parent.glob("*evil*"))


def test_a_longer_name_is_no_name(served: Served) -> None:
    assert served.post("/v1/tracks", b"x", name="x" * 10_001).status_code == 422


def test_the_same_upload_ten_times_at_once_is_one_track(served: Served, tmp_path: Path) -> None:
    content = _song(tmp_path, 81)
    folder = served.settings.uploads
    assert folder

    def one(number: int) -> int:
        return httpx.post(
            f"http://127.0.0.1:{served.port}/v1/tracks?name=same{number}",
            content=content,
            headers=OCTETS,
            timeout=_PATIENCE,
        ).status_code

    with ThreadPoolExecutor(9) as threads:
        statuses = list(threads.map(one, range(9)))
    assert statuses.count(201) == 1 and set(statuses) <= {200, 201, 503}
    assert len(list(folder.glob("same*"))) == 1


def test_nothing_is_added_to_a_service_that_adds_nothing(library: Library) -> None:
    running = Served(Settings(catalog=library.db))
    try:
        answer = running.post("/v1/tracks", b"x")
        assert answer.status_code == 403 and "--uploads" in answer.json()["detail"]
    finally:
        running.close()


def test_what_failed_is_counted_by_its_reason(served: Served) -> None:
    served.post("/v1/embed", b"")
    served.post("/v1/embed", b"\0" * 100)
    failures = json.dumps(served.service.metrics.summary()["failures"])
    assert "empty file" in failures and "not readable as audio" in failures


# Out of time


def _first(analyzer: Any, monkeypatch: pytest.MonkeyPatch, *failures: Any) -> list[str]:
    """Have the desk fail at first; return where it lists the files it was asked for."""
    analyze, left, asked = analyzer.analyze, list(failures), []

    async def fail(path: str, *, describe: bool = False) -> Any:
        asked.append(path)
        if not left:
            return await analyze(path, describe=describe)
        failure = left.pop(0)
        if isinstance(failure, Exception):
            raise failure
        return failure

    monkeypatch.setattr(analyzer, "analyze", fail)
    return asked


_OUT_OF_TIME = {"error": "took longer than 20 s", "cause": "time"}


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (_OUT_OF_TIME, "took longer than 20 s"),
        (Late(begun=True), "took longer than the deadline"),
    ],
)
def test_an_upload_that_ran_out_of_time_is_heard_once_more_and_says_so(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Any,
    told: str,
) -> None:
    content = _song(tmp_path, 81)
    ways: list[tuple[str, Callable[[Any], Any]]] = [
        ("/v1/embed", lambda answer: answer),
        ("/v1/similar", lambda answer: answer["upload"]),
        ("/v1/tracks", lambda answer: answer),
    ]
    for path, part in ways:
        with monkeypatch.context() as patched:
            asked = _first(served.service.analyzer, patched, failure)
            answer = served.post(path, content)
        assert answer.is_success, answer.text
        assert part(answer.json())["retried"] == told
        assert len(asked) == 2
        assert f"{told}, and is heard a second time" in caplog.text
    assert "retried" not in served.post("/v1/embed", content).json()


@pytest.mark.parametrize(
    ("failures", "status", "tries"),
    [
        ([_OUT_OF_TIME, _OUT_OF_TIME], 504, 2),
        ([_OUT_OF_TIME, Late(begun=True)], 504, 2),
        ([Late()], 504, 1),  # it never had its turn
        ([{"error": "its process was ended from outside (SIGKILL)", "cause": "killed"}], 503, 1),
        ([{"error": "no space left on device", "cause": "system"}], 503, 1),
        ([{"error": "needs more than 1024 MB of memory", "cause": "memory"}], 422, 1),
        ([{"error": "no audio stream in the file", "cause": "file"}], 422, 1),
        ([_OUT_OF_TIME, {"error": "empty", "cause": "file"}], 422, 2),
    ],
)
def test_what_is_not_the_files_fault_is_not_blamed_on_it(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    failures: list[Any],
    status: int,
    tries: int,
) -> None:
    asked = _first(served.service.analyzer, monkeypatch, *failures)
    answer = served.post("/v1/embed", b"anything")
    assert (answer.status_code, len(asked)) == (status, tries), answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_tags_that_could_not_be_read_are_told(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _song(tmp_path, 82)
    heard = served.service.analyzer.analyze

    async def analyze(path: str, *, describe: bool = False) -> Any:
        return {**await heard(path, describe=describe), "tags_problem": "its tags are odd"}

    monkeypatch.setattr(served.service.analyzer, "analyze", analyze)
    assert served.post("/v1/embed", content).json()["problem"] == "its tags are odd"
