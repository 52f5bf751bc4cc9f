"""The command line: parse, one call of the library, render."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run ``musicu``; a mistake the user can mend is one line on stderr and exit status 1."""
    from musicu.cli.app import app
    from musicu.errors import MusicuError

    # File names may hold bytes that are not UTF-8; they go out as they are.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        app()
    except MusicuError as error:
        print(f"error: {error}".replace("\n", " "), file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except Exception as error:
        import sqlite3  # here because --help can do without

        if not isinstance(error, sqlite3.Error):
            raise
        text = "the catalog is damaged or in use: 'musicu catalog verify' tells"
        print(f"error: {error}: {text}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
