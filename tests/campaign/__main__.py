"""`python -m tests.campaign`: every part for its share of the time; exit 1 where anything failed."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

#: Part -> its share of the time.
PARTS = {"doors": 0.5, "kills": 0.25, "twice": 0.1, "pages": 0.15}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seconds", type=float, default=900, help="for all parts together (900)")
    parser.add_argument("--seed", type=int, default=0, help="which breakages, and in which order (0)")
    parser.add_argument("--only", choices=PARTS, help="one part, with all of the time")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent.parent))  # for `campaign` and the fixtures, as pytest has it

    from campaign.command import Strop
    from campaign.verdicts import tally

    here = {part: share for part, share in PARTS.items() if asked.only in (None, part)}
    started, cases = time.monotonic(), []
    with Strop() as strop, tempfile.TemporaryDirectory(prefix="campaign-") as work:
        for part, share in here.items():
            begun, seconds = time.monotonic(), asked.seconds * share / sum(here.values())
            folder = Path(work) / part
            folder.mkdir()
            for case in importlib.import_module(f"campaign.{part}").cases(strop, folder, asked.seed):
                cases.append(case)
                if case.failed:
                    print(f"{case.verdict}: {case.door}: {case.name}", file=sys.stderr, flush=True)
                if time.monotonic() - begun > seconds:
                    break
    print(tally(cases))
    failed = sum(case.failed for case in cases)
    print(f"{len(cases)} cases in {time.monotonic() - started:.0f} s, seed {asked.seed}: {failed or 'none'} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
