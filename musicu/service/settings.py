"""What a service is told at its start; nothing of it changes while it runs."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from musicu.errors import CatalogError, MusicuError

__all__ = ["VERSION", "Settings"]

VERSION: Final = version("musicu")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service is told.

    Attributes
    ----------
    catalog : Path
        The catalog that is served.
    recommender : Path or None
        Folder of a fitted recommender; None serves none.
    log : Path or None
        The log of listening that the recommender looks users up in.
    surfaces : Path or None
        Folder of further surfaces, a TOML file each; None has those that come along.
    feedback : Path or None
        CSV file to which is appended what listeners say of tracks; None keeps nothing.
    uploads : Path or None
        Folder that uploaded tracks are added to, made if need be; None adds none.
    token : str or None
        What a client must show; None asks for nothing, which only a loopback address may do.
    host : str
        Address to listen on.
    port : int in [0, 65535]
        Port to listen on; 0 is any that is free.
    names : tuple of str
        Further host names that this service is reached by.
    workers : int >= 1
        Processes that decode audio.
    queue : int >= 1
        Requests that may wait for them; further ones are told to come again.
    deadline : float > 0
        Seconds a request may take.
    decode_seconds : float > 0
        Seconds the decoding of one file may take.
    upload_bytes : int > 0
        Bytes of an uploaded file.
    upload_seconds : float > 0
        Seconds of audio in an uploaded file.
    receive_seconds : float > 0
        Seconds a client may take to send a body.
    scan : bool
        Whether a client may have the catalog's folders scanned.

    Raises
    ------
    CatalogError
        There is no such catalog.
    MusicuError
        The address is not a loopback one, and there is no token; a file or folder is missing.
    """

    catalog: Path
    recommender: Path | None = None
    log: Path | None = None
    surfaces: Path | None = None
    feedback: Path | None = None
    uploads: Path | None = None
    token: str | None = None
    host: str = "127.0.0.1"
    port: int = 8420
    names: tuple[str, ...] = ()
    workers: int = 1
    queue: int = 8
    deadline: float = 30.0
    decode_seconds: float = 20.0
    upload_bytes: int = 200 << 20
    upload_seconds: float = 3600.0
    receive_seconds: float = 60.0
    scan: bool = True

    def __post_init__(self) -> None:
        if not self.catalog.is_file():
            raise CatalogError(
                f"{self.catalog}: there is no such catalog; 'musicu embed FOLDER --catalog "
                f"{self.catalog}' makes one"
            )
        if self.recommender is not None and not self.recommender.is_dir():
            raise MusicuError(
                f"{self.recommender}: there is no such folder; 'musicu fit' makes one"
            )
        if self.log is not None and not self.log.is_file():
            raise MusicuError(f"{self.log}: there is no such file")
        if self.token is None and not self.loopback:
            raise MusicuError(
                f"{self.host} can be reached from other machines: a token is needed "
                "(--token-file FILE or $MUSICU_TOKEN), or --host 127.0.0.1"
            )
        if self.token is not None and not self.token.strip():
            raise MusicuError("the token is empty; leave it out, or choose one")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
