"""``musicu monitor``: how a service does, or whether a batch differs from a catalog."""

import json as json_module
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.options import Catalog, Format, emit, emit_object, row_output, say

__all__ = ["monitor"]

_VERDICTS = {True: "drift", False: "no drift", None: "no answer"}


@row_output
def monitor(
    url: Annotated[
        str, typer.Argument(help="Address of a running service.", metavar="URL")
    ] = "http://127.0.0.1:8420",
    batch: Annotated[
        Path | None,
        typer.Option(
            help="No service: compare the tracks of this catalog with those of --catalog.",
            metavar="FILE",
        ),
    ] = None,
    catalog: Catalog = None,
    alpha: Annotated[
        float,
        typer.Option(
            min=1e-4, max=0.5, help="At most this share of undisturbed batches is flagged."
        ),
    ] = 0.01,
    token: Annotated[
        str | None,
        typer.Option(envvar="MUSICU_TOKEN", help="The service's token.", show_envvar=True),
    ] = None,
    *,
    output: Format,
) -> None:
    """Show how a service does: speed, queues, failures, drift of its uploads, coverage, hubs."""
    if batch is None:
        if catalog is not None:
            raise typer.BadParameter("--catalog goes with --batch; a service knows its own")
        _show(_ask(url, token), output)
        return
    from musicu.catalog.store import catalog_path
    from musicu.monitoring.drift import check_batch
    from musicu.monitoring.tracks import Tracks

    report = check_batch(
        Tracks.of_catalog(catalog_path(catalog)), Tracks.of_catalog(batch), alpha=alpha
    )
    _show({"drift": report.to_dict()}, output)


def _ask(url: str, token: str | None) -> dict[str, Any]:
    """Read the report of a running service."""
    import http.client
    import urllib.error
    import urllib.parse
    import urllib.request

    from musicu.errors import MusicuError

    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise MusicuError(f"{url}: a service's address begins with http:// or https:// and a host")
    request = urllib.request.Request(url.rstrip("/") + "/v1/monitor")
    if token:  # for this host alone, wherever it may send us
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            told = json_module.loads(response.read())
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise MusicuError(
                f"{url}: this service asks for a token: --token, or $MUSICU_TOKEN"
            ) from None
        raise MusicuError(f"{url}: no report ({error.code} {error.reason})") from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        why = getattr(error, "reason", error)
        raise MusicuError(f"{url}: not reached ({why}); 'musicu serve' starts a service") from None
    except ValueError:
        told = None
    if not isinstance(told, dict) or "drift" not in told:
        raise MusicuError(f"{url}: this is no musicu service")
    return told


def _show(told: dict[str, Any], form: Format) -> None:
    if form is Format.JSON:  # one report is one object
        emit_object(told)
    elif form is Format.NL:
        emit([told], form)
    elif form is not Format.TABLE:
        emit(_rows(told), form)
    else:
        drift = told["drift"]
        if "requests" in told:
            answers = told.get("recommendations", {})
            shown = {k: v for k, v in told.items() if k not in ("drift", "recommendations")}
            shown["since"] = datetime.fromtimestamp(told["since"]).isoformat(" ", "seconds")
            emit(_rows(shown), form)
            sys.stdout.write("\n")
            for name, one in answers.items():
                _say_answers(name, one)
        if drift["signals"]:
            columns = ["name", "drifted", "p", "statistic", "threshold", "words"]
            emit(drift["signals"], form, table=columns)
        what = f"{drift['n']} tracks by {drift['groups']} artists"
        say(f"{_VERDICTS[drift['drifted']]} ({what}): {drift['words']}")


def _say_answers(name: str, told: dict[str, Any]) -> None:
    """Say whether a surface answers as it did."""
    drift, swap = told["drift"], told["swap"]
    which = "" if told["version"] is None else f" of version {told['version']}"
    say(
        f"recommendations, {name}: {told['answers']:,} answers{which}; "
        f"{_VERDICTS[drift['drifted']]}: {drift['words']}"
    )
    if swap["drifted"] is not None:
        say(f"recommendations, {name}: {_VERDICTS[swap['drifted']]} by the swap: {swap['words']}")


def _rows(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every number with the names that lead to it."""

    def walk(value: Any, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(inner, (*names, name))
        elif isinstance(value, list):
            for inner in value:
                yield from walk(
                    {k: v for k, v in inner.items() if k != "name"}, (*names, inner["name"])
                )
        else:
            yield {"what": " ".join(names), "value": value}

    yield from walk(told, ())
