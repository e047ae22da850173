"""The figures of a Results folder, small enough to keep under version control: no rows, texts or points of pictures.

    python tools/keep_results.py RESULTS OUT

OUT gets record.json, claims.json, the exhibits `points`, `negatives`, `geometry`, `checkpoints`, `transfer` and
`reranking`, and systems.csv: every system of every preset on the primary measure, its difference to the baseline and,
for a knob, to its centre, with 95 % intervals.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from strop.evaluation.comparison import compare
from strop.records.record import Record
from strop.records.results import Results, read_results
from strop.report.summary import per_query

EXHIBITS = ("points", "negatives", "geometry", "checkpoints", "transfer", "reranking")
COLUMNS = ("preset", "collection", "system", "against", "measure", "queries", "seeds", "mean", "difference", "low",
           "high", "p")  # fmt: skip


def systems(results: Results[Record]) -> Iterator[tuple[object, ...]]:
    """A row for each comparison: against the baseline, and of a knob against its centre."""
    record = results.record
    centres = {(c.preset, c.system): c.centre for c in record.contrasts}
    values = per_query(results)
    for (panel, measure, system), own in values.items():
        if measure != record.primary_measure:
            continue
        rivals = [record.baseline, centres.get((panel.preset, system), "")]
        for against in rivals:
            if against and against != system and (panel, measure, against) in values:
                c = compare(own, values[panel, measure, against])
                figures = (f"{v:.4f}" for v in (c.mean_a, c.difference, c.low, c.high, c.p))
                yield (panel.preset, panel.collection, system, against, measure, c.n, c.seeds_a, *figures)


def keep(source: Path, out: Path) -> None:
    results = read_results(source)
    (out / "exhibits").mkdir(parents=True, exist_ok=True)
    for name in ("record.json", "claims.json", *(f"exhibits/{exhibit}.json" for exhibit in EXHIBITS)):
        if (source / name).is_file():
            shutil.copy(source / name, out / name)
    with (out / "systems.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *systems(results)])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
