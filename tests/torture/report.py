"""What a campaign found: a table for people, a JSON file for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from torture.campaign import Campaign

# The short form of each kind, among the tests.
TEST = "test_torture.py::test_what_is_promised_holds"
_BEGIN, _END = "<!-- figures: make torture -->", "<!-- end of figures -->"


def table(campaign: Campaign) -> str:
    """Return the promises as a Markdown table: what, how often tried, how often broken."""
    lines = ["| promise | tried as | tried | failed | test |", "|---|---|---|---|---|"]
    for row, tally in campaign.tallies.items():
        tried = f"{tally.tried:,}" if tally.tried else "–"
        if tally.skipped:
            tried += f" (skipped: {'; '.join(sorted(tally.skipped))})"
        test = f"`{TEST}[{tally.kind}]`"
        lines.append(f"| {tally.promise} | {row} | {tried} | {tally.failed:,} | {test} |")
    return "\n".join(lines)


def failures(campaign: Campaign) -> str:
    """Return each failure with the command that shows it again."""
    return "\n".join(
        f"{failure.row}: {failure.name}\n    {failure.why}\n    {failure.command}"
        for failure in campaign.failures
    )


def write_json(campaign: Campaign, path: Path, **about: object) -> None:
    """Write everything that was counted."""
    rows = {
        row: {**asdict(tally), "skipped": sorted(tally.skipped)}
        for row, tally in campaign.tallies.items()
    }
    told = {**about, "rows": rows, "failures": [asdict(failure) for failure in campaign.failures]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def refresh(page: Path, campaign: Campaign, heading: str) -> None:
    """Put the table into a page of the docs, between its marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    figures = f"{_BEGIN}\n{heading}\n\n{table(campaign)}\n{_END}"
    page.write_text(before + figures + after, encoding="utf-8")
