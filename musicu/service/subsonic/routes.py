"""The OpenSubsonic API, as far as a catalog of tracks can answer: players find similar music here.

Of the specification (opensubsonic.netlify.app) this is what finds, plays and compares songs, with
the extensions ``sonicSimilarity``, ``apiKeyAuthentication`` and ``formPost``. A song's id is the
id of its audio.
"""

import hashlib
import hmac
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response

from musicu.errors import CatalogError, MusicuError
from musicu.search.query import Query
from musicu.search.seeds import Seed
from musicu.service.errors import Refusal
from musicu.service.responses import parse_json
from musicu.service.routes.media import audio
from musicu.service.settings import VERSION
from musicu.service.similar import EncodedAnswer
from musicu.service.state import Service, service_of
from musicu.service.subsonic.responses import SubsonicError, envelope, is_callback
from musicu.service.subsonic.songs import read_songs

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_EXTENSIONS = ("apiKeyAuthentication", "formPost", "sonicSimilarity")
_MOST = 500  # songs in an answer
_FOLDER = {"id": 1, "name": "musicu"}  # the catalog as a whole


@dataclass(frozen=True)
class _SubsonicRequest:
    """A request: the parameters of its address and of its form together."""

    service: Service
    given: Mapping[str, str]

    def text(self, name: str) -> str:
        """Return a parameter that must be there."""
        if name not in self.given:
            raise SubsonicError(10, f"the parameter {name!r} is missing")
        return self.given[name]

    def number(self, name: str, default: int, most: int = _MOST) -> int:
        """Return a whole number from 0 up to a maximum, which larger ones mean, too."""
        try:
            value = int(self.given.get(name, default))
        except ValueError:
            raise SubsonicError(0, f"the parameter {name!r} is no whole number") from None
        return min(max(value, 0), most)

    def id(self, name: str) -> str:
        """Return the id of a stored track."""
        snapshot = self.service.live.snapshot
        return snapshot.ids[snapshot.position(self.text(name))]

    async def songs(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return stored tracks as the API has them."""
        return await self.service.work(read_songs, self.service.settings.catalog, ids)


@router.api_route("/rest/{name}", methods=["GET", "POST"])
async def answer(
    name: str, request: Request, service: Annotated[Service, Depends(service_of)]
) -> Response:
    """Answer one request of the OpenSubsonic API."""
    given = dict(request.query_params)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and kind == "application/x-www-form-urlencoded":
        body = (await request.body()).decode("utf-8", "replace")
        given |= dict(parse_qsl(body, keep_blank_values=True))
    form, callback = given.get("f", "xml"), given.get("callback", "")
    wrap = partial(envelope, form=form, server=VERSION, callback=callback)
    endpoint = _ENDPOINTS.get(name.removesuffix(".view"))
    try:
        if endpoint is None:
            fault = SubsonicError(0, "there is no such endpoint here")
            return wrap(fault, status=404)
        if form == "jsonp":
            _check_jsonp(callback, service.settings.token)
        if endpoint is not _extensions:  # which anybody may ask for
            _check(given, service.settings.token)
        found = await endpoint(_SubsonicRequest(service, given))
    except MusicuError as error:
        return wrap(_fault(error))
    if isinstance(found, Response):
        return found
    return wrap(found)


def _fault(error: MusicuError) -> SubsonicError:
    if isinstance(error, SubsonicError):
        return error
    missing = isinstance(error, CatalogError) or (
        isinstance(error, Refusal) and error.status in (404, 410)
    )
    return SubsonicError(70, "there is no such song") if missing else SubsonicError(0, str(error))


def _check_jsonp(callback: str, token: str | None) -> None:
    """Refuse JSONP that anybody's page could ask for: it is read across sites by design."""
    if token is None:
        raise SubsonicError(0, "JSONP is answered where a token is needed; ask for json")
    if not is_callback(callback):
        raise SubsonicError(10, "JSONP needs a callback: the name of a function")


def _check(given: Mapping[str, str], token: str | None) -> None:
    """Refuse who does not know the token: it is everybody's password, and the key."""
    if token is None:
        return
    key, user = given.get("apiKey"), given.get("u")
    if key is not None:
        if user is not None:
            raise SubsonicError(43, "give an API key or a user, not both")
        if not _same(key, token):
            raise SubsonicError(44, "wrong API key")
        return
    if user is None:
        raise SubsonicError(10, "log in with u, t and s, with u and p, or with apiKey")
    if "t" in given and "s" in given:
        proof = hashlib.md5((token + given["s"]).encode(), usedforsecurity=False).hexdigest()
        right = _same(given["t"].lower(), proof)
    elif "p" in given:
        right = _same(_password(given["p"]), token)
    else:
        raise SubsonicError(10, "log in with u, t and s, with u and p, or with apiKey")
    if not right:
        raise SubsonicError(40, "wrong user or password: the password is the service's token")


def _password(given: str) -> str:
    """Return a password that may be written in hexadecimal, which hides it from a glance only."""
    if not given.startswith("enc:"):
        return given
    try:
        written = bytes.fromhex(given.removeprefix("enc:"))
    except ValueError:
        return given
    try:
        return written.decode()
    except UnicodeDecodeError:  # clients differ in what they write of letters beyond ASCII
        return written.decode("latin-1")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )


# What can be asked for


async def _ping(asked: _SubsonicRequest) -> dict[str, Any]:
    return {}


async def _license(asked: _SubsonicRequest) -> dict[str, Any]:
    return {"license": {"valid": True}}


async def _extensions(asked: _SubsonicRequest) -> dict[str, Any]:
    return {"openSubsonicExtensions": [{"name": name, "versions": [1]} for name in _EXTENSIONS]}


async def _token_info(asked: _SubsonicRequest) -> dict[str, Any]:
    return {"tokenInfo": {"username": "musicu"}}


async def _folders(asked: _SubsonicRequest) -> dict[str, Any]:
    return {"musicFolders": {"musicFolder": [_FOLDER]}}


async def _song(asked: _SubsonicRequest) -> dict[str, Any]:
    (song,) = await asked.songs([asked.id("id")])
    return {"song": song}


async def _random_songs(asked: _SubsonicRequest) -> dict[str, Any]:
    conditions = []
    if genre := asked.given.get("genre"):
        conditions.append(f"has(genres, '{genre.replace(chr(39), 2 * chr(39))}')")
    if "fromYear" in asked.given:
        conditions.append(f"year >= {asked.number('fromYear', 0, 9999)}")
    if "toYear" in asked.given:
        conditions.append(f"year <= {asked.number('toYear', 0, 9999)}")
    snapshot = asked.service.live.snapshot
    positions: Sequence[int] = range(len(snapshot))
    if conditions:
        kept = await asked.service.work(snapshot.filter, " AND ".join(conditions))
        positions = kept.nonzero()[0].tolist()
    count = min(asked.number("size", 10), len(positions))
    chosen = random.sample(positions, count)
    return {"randomSongs": {"song": await asked.songs([snapshot.ids[at] for at in chosen])}}


async def _search(asked: _SubsonicRequest) -> dict[str, Any]:
    text = asked.given.get("query", "").strip().strip('"')
    count, offset = asked.number("songCount", 20), asked.number("songOffset", 0, 1 << 31)
    ids = asked.service.live.snapshot.ids
    if text:
        search = asked.service.explorer.search
        _, positions = await asked.service.work(search, text, count, offset)
        found = [ids[at] for at in positions if at < len(ids)]
    else:  # everything, page by page, which is how clients list a library
        found = ids[offset : offset + count]
    return {"searchResult3": {"song": await asked.songs(found)}}


async def _similar(asked: _SubsonicRequest) -> dict[str, Any]:
    count, id = asked.number("count", 10), asked.id("id")
    if not count:
        return {"sonicMatch": []}
    reply = await asked.service.similar.search(Query(seeds=(Seed(id=id),), n=count))
    return await _matches(asked, reply)


async def _path(asked: _SubsonicRequest) -> dict[str, Any]:
    start, end = asked.id("startSongId"), asked.id("endSongId")
    count = max(asked.number("count", 25, 100), 2)
    if start == end:
        (song,) = await asked.songs([start])
        return {"sonicMatch": [{"entry": song, "similarity": 1.0}]}
    explorer = asked.service.explorer
    found = await asked.service.work(explorer.journey, Seed(id=start), Seed(id=end), count)
    matches = await _matches(asked, EncodedAnswer.of(found))
    # Each is compared with the song before it; the first is what was asked for.
    matches["sonicMatch"][0]["similarity"] = 1.0
    return matches


async def _matches(asked: _SubsonicRequest, reply: EncodedAnswer) -> dict[str, Any]:
    found = parse_json(bytes(asked.service.respond(reply).body))["matches"]
    songs = await asked.songs(reply.ids)
    return {
        "sonicMatch": [
            {"entry": song, "similarity": round(min(max(one["score"], 0.0), 1.0), 4)}
            for song, one in zip(songs, found, strict=True)
        ]
    }


async def _file(asked: _SubsonicRequest) -> Response:
    """Send the file as it is; nothing is transcoded."""
    return await audio(asked.service, asked.id("id"))


_ENDPOINTS: dict[str, Callable[[_SubsonicRequest], Awaitable[dict[str, Any] | Response]]] = {
    "ping": _ping,
    "getLicense": _license,
    "getOpenSubsonicExtensions": _extensions,
    "tokenInfo": _token_info,
    "getMusicFolders": _folders,
    "getSong": _song,
    "getRandomSongs": _random_songs,
    "search3": _search,
    "stream": _file,
    "download": _file,
    "getSonicSimilarTracks": _similar,
    "findSonicPath": _path,
}
