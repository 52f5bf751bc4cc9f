"""Sound and pictures of a track: its file, waveform, mel picture, cover, and passages that match.

A track is named by its id, never by a path: it is one of the catalog, or an upload of the last half
hour. What has to be decoded for it is decoded in worker processes, in a line of its own.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from musicu.audio.formats import file_format
from musicu.catalog.store import Store
from musicu.catalog.tracks import read_files, read_values
from musicu.errors import AudioError, CatalogError
from musicu.release.passages import match_files
from musicu.service.errors import Refusal
from musicu.service.responses import encode_json
from musicu.service.schemas import StrictModel, TrackId, TrackPath
from musicu.service.state import Service, service_of

__all__ = ["MatchBody", "MatchingPassage", "PassageStart", "WaveformBody", "router"]

router = APIRouter(tags=["sound"])

Here = Annotated[Service, Depends(service_of)]

_OWN = {"Cache-Control": "private, max-age=3600"}
_FILE = {"description": "The file, or a part of it.", "content": {"audio/*": {}}}


class WaveformBody(BaseModel):
    """What a track looks like, in 1,000 equal stretches."""

    id: str
    seconds: float = Field(examples=[241.3])
    peaks: list[Annotated[float, Field(ge=0, le=1)]] = Field(examples=[[0.1]])
    bands: list[list[int]] = Field(
        description="Energy of bass, middle and treble in each, 0 to 255.", examples=[[[9, 4, 1]]]
    )


class PassageStart(BaseModel):
    """Where a passage starts in a track."""

    id: str
    start: float = Field(description="Seconds.", examples=[31.5])


class MatchingPassage(BaseModel):
    """Where two tracks sound most alike."""

    a: PassageStart
    b: PassageStart
    seconds: float = Field(description="Length of the passage.", examples=[12.0])
    similarity: float = Field(description="Cosine.", examples=[0.8712])


class MatchBody(StrictModel):
    """Two tracks whose most alike passages are looked for."""

    a: TrackId
    b: TrackId


@dataclass(frozen=True)
class _AudioFile:
    """A track's file that is there."""

    id: str
    path: str
    info: os.stat_result
    media_type: str
    seconds: float


@router.get(
    "/v1/tracks/{id}/audio",
    summary="A track's file",
    response_class=FileResponse,
    responses={200: _FILE, 206: _FILE},
)
@router.head("/v1/tracks/{id}/audio", include_in_schema=False)
async def audio(service: Here, id: TrackPath) -> FileResponse:
    """Return the file as it is, or the part of it that the header Range names."""
    sound = await _find(service, id)
    return FileResponse(sound.path, media_type=sound.media_type, stat_result=sound.info)


@router.get(
    "/v1/tracks/{id}/audio.opus",
    summary="A track's sound as Opus",
    response_class=FileResponse,
    responses={
        200: {"description": "An Ogg file, or a part of it.", "content": {"audio/ogg": {}}},
        206: {"description": "A part of it.", "content": {"audio/ogg": {}}},
    },
)
async def transcoded(service: Here, id: TrackPath) -> FileResponse:
    """Return a track that a browser cannot play as one it can, or the part that Range names."""
    sound = await _find(service, id)
    if sound.seconds > service.settings.upload_seconds:
        raise Refusal(422, f"longer than {service.settings.upload_seconds:g} s, too long for that")
    found = await service.transcodes.get(sound.id, sound.path)
    # The task does nothing but hold the file until all of it has gone out.
    held = BackgroundTask(bool, found)
    return FileResponse(found.path, media_type="audio/ogg", headers=_OWN, background=held)


@router.get(
    "/v1/tracks/{id}/waveform",
    summary="A track's waveform",
    response_description="What the track looks like, in 1,000 equal stretches.",
    response_class=Response,
    responses={200: {"model": WaveformBody}},
)
async def waveform(service: Here, id: TrackPath) -> Response:
    """Return 1,000 peaks in [0, 1], and the energy of bass, middle and treble at each."""
    sound = await _find(service, id)
    shape, _ = await _waveform(service, sound)
    return Response(shape, headers=_OWN, media_type="application/json")


@router.get(
    "/v1/tracks/{id}/mel.png",
    summary="A track's mel picture",
    response_class=Response,
    responses={200: {"description": "A picture.", "content": {"image/png": {}}}},
)
async def mel(service: Here, id: TrackPath) -> Response:
    """Return a picture of what is heard when: time to the right, frequency upward."""
    sound = await _find(service, id)
    _, picture = await _waveform(service, sound)
    return Response(picture, headers=_OWN, media_type="image/png")


@router.get(
    "/v1/tracks/{id}/cover.jpg",
    summary="A track's cover",
    response_class=Response,
    responses={
        200: {"description": "A small picture.", "content": {"image/jpeg": {}}},
        204: {"description": "It has none."},
    },
)
async def cover(service: Here, id: TrackPath) -> Response:
    """Return the picture in the file or beside it: decoded, made small and written anew."""
    sound = await _find(service, id)

    async def make() -> bytes:
        return await service.cover_queue.run(lambda _: service.cover_renderer.render(sound.path))

    picture = await service.covers.get(sound.id, make)
    if not picture:
        return Response(status_code=204, headers=_OWN)
    return Response(picture, headers=_OWN, media_type="image/jpeg")


@router.post(
    "/v1/match",
    summary="Passages that match",
    response_description="Where two tracks sound most alike.",
    response_class=Response,
    responses={200: {"model": MatchingPassage}},
)
async def match(service: Here, body: MatchBody) -> Response:
    """Return the seconds of two tracks that sound most alike."""
    one, other = await _find(service, body.a), await _find(service, body.b)
    model = await service.work(service.model)
    most = service.settings.upload_seconds
    for sound in (one, other):
        # Every window of the one is compared with every window of the other.
        if sound.seconds > most:
            raise Refusal(422, f"{sound.id}: longer than {most:g} s, too long for passages")

    async def make() -> bytes:
        (passage,) = await service.analyzer.audio_queue.run(
            lambda _: match_files([(one.path, other.path)], model=model)
        )
        if passage is None:
            raise AudioError(one.path, "nothing is heard in one of the two tracks")
        found = passage.to_dict()
        told = {
            "a": {"id": one.id, "start": found["start"]},
            "b": {"id": other.id, "start": found["other"]},
            "seconds": found["seconds"],
            "similarity": found["similarity"],
        }
        return encode_json(told)

    told = await service.passages.get((one.id, other.id, model.sha256), make)
    return Response(told, media_type="application/json")


async def _waveform(service: Service, sound: _AudioFile) -> tuple[bytes, bytes]:
    """Return waveform (JSON) and mel picture (PNG) of a track: computed once for both."""

    async def make() -> tuple[bytes, bytes]:
        waveform = await service.analyzer.audio_queue.run(
            lambda _: service.waveform_renderer.render(sound.path)
        )
        shape = {
            "id": sound.id,
            "seconds": waveform.seconds,
            "peaks": [round(float(peak), 3) for peak in waveform.peaks],
            "bands": waveform.bands.tolist(),
        }
        return encode_json(shape), waveform.mel_png()

    return await service.waveforms.get(sound.id, make)


async def _find(service: Service, id: str) -> _AudioFile:
    """Return a file of a track: of the catalog, or else an upload that is still here.

    Raises
    ------
    CatalogError
        There is no such track.
    Refusal
        410: its files are gone.
    """
    kept = service.uploads.find(id.lower())
    try:
        return await service.work(_stored, service, id)
    except (CatalogError, Refusal):
        if kept is None:
            raise
    return await service.work(_sound, kept.id, kept.path, kept.codec, kept.seconds)


def _stored(service: Service, id: str) -> _AudioFile:
    """Look up the catalog's first file of a track that is there."""
    snapshot = service.live.snapshot
    position = snapshot.position(id)
    row = int(snapshot.tracks[position])
    with Store(snapshot.path, create=False) as store:
        known = list(read_values(store, ("codec", "seconds"), rows=[row]))
        paths = [path for path, _ in read_files(store, row)]
    for path, (codec, seconds) in product(paths, known):
        with suppress(OSError):
            return _sound(snapshot.ids[position], path, codec, seconds)
    raise Refusal(410, f"{id}: its file is gone or cannot be read; a scan brings the catalog up")


def _sound(id: str, path: str, codec: str, seconds: float) -> _AudioFile:
    info = os.stat(path)
    if not stat.S_ISREG(info.st_mode):  # a pipe in its place would never end
        raise OSError("not a regular file")
    return _AudioFile(id, path, info, file_format(path, codec)[1], seconds)
