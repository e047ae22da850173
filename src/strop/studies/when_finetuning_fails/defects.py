"""Doubts of arithmetic and of scripts: counts, columns, quoting and cache names (T9, T12, T15, T17, T20 to T22)."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from strop.artifacts.store import Store, file_sha256
from strop.records import formats
from strop.records.documents import Collection
from strop.retrieval.stages import ENCODE
from strop.studies.when_finetuning_fails.quoting import QuotedRows, quoted_rows
from strop.study.open_questions import Evidence, Grid
from strop.study.workbench import Workbench

#: Model -> (triples after the 80 % split, epochs, optimiser steps, batch those steps come from). Steps: the x-axes of
#: the authors' training logs, to which 1,000,000 and 503,000 triples, four fifths of them, fit exactly.
RUNS = {
    "full_random": (800_000, 3, 2_346, 1_024),
    "lora_random": (800_000, 3, 4_689, 512),
    "full_hard": (402_400, 5, 1_965, 1_024),
    "lora_hard": (402_400, 3, 2_358, 512),
}
PRINTED_BATCH, PRINTED_WARMUP = 128, 1_000
#: MS MARCO's passage judgments as distributed: split -> (judged queries, judgments).
MARCO = {"dev": (55_578, 59_273), "dev.small": (6_980, 7_437)}
#: Rows as they are in the official files: a quotation mark opens a passage, and nothing closes it until later.
UNBALANCED = ('1\t"Begun and never closed', "2\tlost in it", '3\tthe end" of it', '4\t"quoted" whole', "5\tplain")


def missing_column(bench: Workbench) -> Evidence:
    """T9. A table written with one column's name and read with another's."""
    table = io.StringIO()
    writer = csv.DictWriter(table, ("query_id", "column_id"))
    writer.writeheader()
    writer.writerow({"query_id": "1", "column_id": "7"})
    table.seek(0)
    row = next(csv.DictReader(table))
    try:
        row["passage_id"]
    except KeyError as error:
        return Evidence(
            "shown",
            f"A table with the columns {' and '.join(row)}, as the published sampler writes it, has no column {error} "
            f"to select: the script stops with KeyError before it samples 1 negative.",
        )
    return Evidence("not shown", "The column that is selected was written.")


def steps_of(triples: int, epochs: int, batch: int) -> int:
    """Optimiser steps, the last batch of an epoch short."""
    return epochs * math.ceil(triples / batch)


def batch_and_warmup(bench: Workbench) -> Evidence:
    """T12. The steps that were logged against the batch and the warm-up that were printed."""
    fits = {name: steps_of(triples, epochs, batch) == steps for name, (triples, epochs, steps, batch) in RUNS.items()}
    shares = {name: PRINTED_WARMUP / steps for name, (_, _, steps, _) in RUNS.items()}
    rows = tuple(
        (
            name, f"{triples:,}", str(epochs), f"{steps:,}", f"{batch:,}", f"{steps_of(triples, epochs, batch):,}",
            f"{steps_of(triples, epochs, PRINTED_BATCH):,}", formats.percent(shares[name], 0),
        )
        for name, (triples, epochs, steps, batch) in RUNS.items()
    )  # fmt: skip
    return Evidence(
        "shown" if all(fits.values()) else "not shown",
        f"{sum(fits.values())} of {len(fits)} logged step counts are exactly those of batches of 1,024 (full) or 512 "
        f"(LoRA); the printed batch of 128 would take {rows[0][6]}, {rows[1][6]}, {rows[2][6]} and {rows[3][6]}. The "
        f"printed 1,000 warm-up steps are {formats.percent(min(shares.values()), 0)} to "
        f"{formats.percent(max(shares.values()), 0)} of what was logged.",
        (
            Grid(
                "Steps",
                ("model", "triples", "epochs", "logged steps", "batch", "gives", "128 would give", "1,000 of them"),
                rows,
            ),
        ),
    )  # fmt: skip


def queries_or_judgments(bench: Workbench) -> Evidence:
    """T15. What was printed as a number of judgments is the number of judged queries."""
    whole = bench.own.whole
    ours = (len(whole.qrels), sum(map(len, whole.qrels.values())))
    counts = {f"MS MARCO {name}": pair for name, pair in MARCO.items()} | {f"{whole.name}/{whole.split}, here": ours}
    queries, judgments = MARCO["dev"]
    return Evidence(
        "shown",
        f"The printed 55,578 judgments are the {queries:,} judged queries of the full dev split as distributed, "
        f"which has {judgments:,} judgments ({judgments / queries:.2f} a query); the authors' read-me speaks of about "
        f"6,800 queries, and dev.small has {MARCO['dev.small'][0]:,}. The split searched here has {ours[0]:,} queries "
        f"and {ours[1]:,} judgments.",
        (
            Grid(
                "Judged queries are fewer than judgments",
                ("split", "judged queries", "judgments"),
                tuple((name, f"{q:,}", f"{j:,}") for name, (q, j) in counts.items()),
            ),
        ),
    )


def overlap(train: Collection, test: Collection) -> tuple[int, int, int, int]:
    """Of the test split: queries asked in training word for word, queries; relevant documents known there, relevant."""
    asked = {_normal(q.text) for q in train.queries.values()}
    trained, relevant = (
        {d for judged in split.qrels.values() for d, grade in judged.items() if grade > 0} for split in (train, test)
    )
    known = {d for d in relevant & trained if d in train.documents and d not in train.reserved}
    return sum(_normal(q.text) in asked for q in test.queries.values()), len(test.queries), len(known), len(relevant)


def seen_before(bench: Workbench) -> Evidence:
    """T17. What training here shares with testing; what pre-training saw, nobody has shown."""
    same, queries, known, relevant = overlap(bench.own.train, bench.own.test)
    return Evidence(
        "not resolved",
        f"Training here asks {same:,} of the {queries:,} test queries and has {known:,} of their {relevant:,} relevant "
        f"documents among its positives. Whether pre-training saw the evaluation's pairs is not shown by 9,144,553 "
        f"training pairs: it takes their overlap with the dev split, or a base that saw none of them.",
    )


def one_architecture(bench: Workbench) -> Evidence:
    """T20. How many fine-tuned models, of how many architectures, "all five" and "all architectures" are."""
    measure, published = bench.study.primary_measure, bench.study.published
    base = published[bench.study.baseline][measure]
    tuned = {name: row[measure] for name, row in published.items() if name != bench.study.baseline}
    below = sum(value < base for value in tuned.values())
    return Evidence(
        "shown" if len(tuned) == 4 else "not shown",
        f"Table 5.1 has {len(published)} rows: the untouched base and {len(tuned)} fine-tuned models, {below} of them "
        f"below it, all of 1 architecture, with 1 run each.",
        (
            Grid(
                f"Published {measure}",
                ("model", measure, "to the base"),
                tuple((n, formats.fixed(v, 4), formats.signed(v - base, 4)) for n, v in tuned.items()),
            ),
        ),
    )


def merged_rows(bench: Workbench) -> Evidence:
    """T21. A small file with an unmatched quotation mark, and the collection's own file where it is official."""
    with TemporaryDirectory() as folder:
        small = Path(folder) / "collection.tsv"
        small.write_text("\n".join(UNBALANCED) + "\n", encoding="utf-8")
        counts = {f"{len(UNBALANCED)} lines, one mark unmatched": quoted_rows(small, columns=2)}
    official = Path(bench.source) / "collection.tsv"
    if official.is_file():
        counts["collection.tsv"] = quoted_rows(official, columns=2)
    lost = {name: c.merged + c.lost for name, c in counts.items()}
    return Evidence(
        "shown" if all(lost.values()) else "not shown",
        "Default quoting loses "
        + " and ".join(f"{lost[name]:,} of {c.raw:,} rows of {name}" for name, c in counts.items())
        + "; lines read raw are all kept.",
        (
            Grid(
                "Rows of tab-separated files under default quoting",
                ("file", "lines", "rows kept", "merged into another", "dropped"),
                tuple((name, *_cells(c)) for name, c in counts.items()),
            ),
        ),
    )


def cache_names(bench: Workbench) -> Evidence:
    """T22. Two models in folders of one name: one cache entry by name and chunk, two by content."""
    with TemporaryDirectory() as folder:
        weights = [Path(folder) / run / "model_debug" / "model.safetensors" for run in ("random", "hard")]
        for path in weights:
            path.parent.mkdir(parents=True)
            path.write_bytes(path.parent.parent.name.encode())
        by_name = [f"{path.parent.name}_chunk_{0}" for path in weights]
        inputs = [{"model": file_sha256(path), "texts": "the same"} for path in weights]
    by_content = [Store(folder).key(ENCODE, "document", of_model) for of_model in inputs]
    return Evidence(
        "shown" if len(set(by_name)) == 1 and len(set(by_content)) == 2 else "not shown",
        f"Named by folder and chunk, the vectors of 2 models with different weights share {len(set(by_name))} cache "
        f"entry ({by_name[0]}), so that the second would be given the first one's; keyed by content they have "
        f"{len(set(by_content))}.",
        (
            Grid(
                "Keys of the same texts under two models",
                ("folder", "by name and chunk", "by content"),
                tuple(
                    ("/".join(path.parts[-3:-1]), name, key[:8])
                    for path, name, key in zip(weights, by_name, by_content, strict=True)
                ),
            ),
        ),
    )


def _cells(counted: QuotedRows) -> tuple[str, ...]:
    return tuple(f"{n:,}" for n in (counted.raw, counted.kept, counted.merged, counted.lost))


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
