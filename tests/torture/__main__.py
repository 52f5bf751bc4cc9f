"""``python -m torture``, with ``tests`` and ``tests/helpers`` on the path: see ``make torture``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from torture.campaign import Campaign
from torture.kinds import KINDS
from torture.lab import Lab
from torture.report import failures, refresh, table, write_json


def main() -> int:
    """Run a campaign; return 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long")
    parser.add_argument("--only", help="one kind, or one round of it: KIND or KIND:NUMBER")
    parser.add_argument("--size", type=int, help="how many things a round tries")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, and leave it")
    parser.add_argument("--json", type=Path, default=Path("build/torture.json"), help="written")
    parser.add_argument("--page", type=Path, help="page of the docs whose figures are renewed")
    args = parser.parse_args()
    if args.page and args.only:
        parser.error("--page: the table is of all kinds; leave --only out")
    name, _, number = (args.only or "").partition(":")
    kinds = [kind for kind in KINDS if not name or kind.name == name]
    if not kinds:
        parser.error(f"--only: one of {', '.join(kind.name for kind in KINDS)}")
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        lab = Lab(args.keep or Path(temporary), keep=args.keep is not None)
        os.environ.update(lab.env)  # what runs in this process keeps to the lab, too
        campaign = Campaign(lab, kinds, args.seed)
        began = time.monotonic()
        if number:
            campaign.round(kinds[0], int(number), size=args.size)
        else:
            campaign.run(args.minutes)
    minutes = (time.monotonic() - began) / 60
    print(table(campaign))
    if campaign.failures:
        print(f"\n{failures(campaign)}")
    write_json(campaign, args.json, seed=args.seed, minutes=round(minutes, 1))
    if args.page:
        refresh(args.page, campaign, f"Seed {args.seed}, {minutes:.0f} minutes:")
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
