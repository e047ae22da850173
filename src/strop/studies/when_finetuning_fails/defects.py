"""Open questions of arithmetic and of scripts: counts, columns, quoting, cache names (T9, T12, T15, T17, T20 to T22).

The authors' scripts are not run here. What is quoted of them stands in the constants below; each verdict is computed
from these and from what is measured.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

from strop.artifacts.store import Store, file_sha256
from strop.records import formats
from strop.records.documents import Collection
from strop.retrieval.stages import ENCODE
from strop.studies.updates import updates
from strop.studies.when_finetuning_fails.quoting import QuotedRows, quoted_rows
from strop.study.open_questions import Evidence, Grid, Verdict
from strop.study.systems import Tuned
from strop.study.workbench import Workbench

#: The published sampler: the columns it writes, and the one it then selects.
WRITTEN, SELECTED = ("query_id", "column_id"), "passage_id"
#: Model -> (triples after the 80 % split, epochs, optimiser steps, batch in the code). Steps: the x-axes of the
#: authors' training logs, to which 1,000,000 and 503,000 triples, four fifths of them, fit exactly.
RUNS = {
    "full_random": (800_000, 3, 2_346, 1_024),
    "lora_random": (800_000, 3, 4_689, 512),
    "full_hard": (402_400, 5, 1_965, 1_024),
    "lora_hard": (402_400, 3, 2_358, 512),
}
PRINTED_BATCH, PRINTED_WARMUP = 128, 1_000
#: What the paper calls evaluation judgments, and MS MARCO as distributed: split -> (judged queries, judgments).
PRINTED_JUDGMENTS = 55_578
MARCO = {"dev": (55_578, 59_273), "dev.small": (6_980, 7_437)}
#: "All five variants" lost, on "all architectures".
VARIANTS_SAID = 5
#: Rows as they are in the official files: a quotation mark opens a passage, and nothing closes it until later.
UNBALANCED = ('1\t"Begun and never closed', "2\tlost in it", '3\tthe end" of it', '4\t"quoted" whole', "5\tplain")
#: The folders of both LoRA models; a cache entry was named by the last part and a chunk number.
CACHED = ("random/model_debug", "hard/model_debug")


def missing_column(bench: Workbench) -> Evidence:
    """T9. A table written with the sampler's columns, read back, and asked for the column that it selects."""
    table = io.StringIO()
    writer = csv.DictWriter(table, WRITTEN)
    writer.writeheader()
    writer.writerow(dict.fromkeys(WRITTEN, "1"))
    table.seek(0)
    row = next(csv.DictReader(table))
    columns = f"A table with the columns {' and '.join(row)}, as the published sampler writes it, has"
    try:
        row[SELECTED]
    except KeyError as error:
        return Evidence(
            "shown",
            f"{columns} no column {error} to select: the script stops with KeyError before it samples 1 negative.",
        )
    return Evidence("not shown", f"{columns} the column {SELECTED!r} to select.")


def batch_and_warmup(bench: Workbench) -> Evidence:
    """T12. The logged steps against the printed batch and the code's, and the printed warm-up against them."""
    rows, fits, printed_fits = [], 0, 0
    for name, (triples, epochs, steps, batch) in RUNS.items():
        coded, printed = (updates(triples, epochs, size) for size in (batch, PRINTED_BATCH))
        fits, printed_fits = fits + (coded == steps), printed_fits + (printed == steps)
        rows.append(
            (name, f"{triples:,}", str(epochs), f"{steps:,}", f"{batch:,}", f"{coded:,}", f"{printed:,}",
             formats.percent(PRINTED_WARMUP / steps, 0))
        )  # fmt: skip
    shares = [PRINTED_WARMUP / steps for _, _, steps, _ in RUNS.values()]
    table = Grid(
        "Steps",
        ("model", "triples", "epochs", "logged steps", "batch", "gives", "128 would give", "1,000 of them"),
        tuple(rows),
    )
    return Evidence(
        "shown" if fits == len(RUNS) and not printed_fits else "not shown",
        f"{fits} of {len(RUNS)} logged step counts are exactly those of batches of 1,024 (full) or 512 (LoRA); the "
        f"printed batch of {PRINTED_BATCH} would take {rows[0][6]}, {rows[1][6]}, {rows[2][6]} and {rows[3][6]}. The "
        f"printed 1,000 warm-up steps are {formats.percent(min(shares), 0)} to {formats.percent(max(shares), 0)} of "
        "what was logged.",
        (table,),
    )


def queries_or_judgments(bench: Workbench) -> Evidence:
    """T15. Shown where the printed number of judgments is some split's judged queries, and no split's judgments."""
    whole = bench.own.whole
    ours = (len(whole.qrels), sum(map(len, whole.qrels.values())))
    counts = {f"MS MARCO {name}": pair for name, pair in MARCO.items()} | {f"{whole.name}/{whole.split}, here": ours}
    of_queries, of_judgments = ([name for name, pair in counts.items() if pair[i] == PRINTED_JUDGMENTS] for i in (0, 1))
    queries, judgments = MARCO["dev"]
    table = Grid(
        "Judged queries are fewer than judgments",
        ("split", "judged queries", "judgments"),
        tuple((name, f"{q:,}", f"{j:,}") for name, (q, j) in counts.items()),
    )
    return Evidence(
        "shown" if of_queries and not of_judgments else "not shown",
        f"The printed {PRINTED_JUDGMENTS:,} judgments are the number of judged queries of {_and(of_queries)}, and of "
        f"judgments of {_and(of_judgments)}: the full dev split as distributed has {queries:,} judged queries and "
        f"{judgments:,} judgments ({judgments / queries:.2f} per query); the authors' read-me speaks of about 6,800 "
        f"queries, and dev.small has {MARCO['dev.small'][0]:,}. The split searched here has {ours[0]:,} queries and "
        f"{ours[1]:,} judgments.",
        (table,),
    )


def overlap(train: Collection, test: Collection) -> tuple[int, int, int, int]:
    """Of the test split: queries that training has word for word, queries; relevant documents that are positives in
    training, relevant documents."""
    texts = {_normal(q.text) for q in train.queries.values()}
    positives, relevant = (
        {d for judged in split.qrels.values() for d, grade in judged.items() if grade > 0} for split in (train, test)
    )
    known = {d for d in relevant & positives if d in train.documents and d not in train.reserved}
    return sum(_normal(q.text) in texts for q in test.queries.values()), len(test.queries), len(known), len(relevant)


def seen_before(bench: Workbench) -> Evidence:
    """T17. Test queries that training has too, which only on the paper's own collection speak of pre-training.

    Relevant documents are not counted for the verdict: panels keep those of test queries out of training.
    """
    same, queries, known, relevant = overlap(bench.own.train, bench.own.test)
    verdict: Verdict = "not resolved"
    if len(bench.own.whole.documents) == bench.study.own_documents:
        verdict = "not shown" if same else "shown"
    return Evidence(
        verdict,
        f"Training here has {same:,} of the {queries:,} test queries and {known:,} of their {relevant:,} relevant "
        f"documents among its positives. Whether pre-training saw the evaluation's pairs is not shown by 9,144,553 "
        f"training pairs: it takes their overlap with the dev split, or a base that saw none of them.",
    )


def one_architecture(bench: Workbench) -> Evidence:
    """T20. How many fine-tuned models, of how many architectures, "all five" and "all architectures" are."""
    study = bench.study
    measure, published = study.primary_measure, study.published
    base = published[study.baseline][measure]
    tuned = {name: row[measure] for name, row in published.items() if name != study.baseline}
    below = sum(value < base for value in tuned.values())
    coded = [system.how for system in study.preset("as_coded").systems if system.name in tuned]
    bases = {how.start for how in coded if isinstance(how, Tuned)}
    table = Grid(
        f"Published {measure}",
        ("model", measure, "to the base"),
        tuple((n, formats.fixed(v, 4), formats.signed(v - base, 4)) for n, v in tuned.items()),
    )
    return Evidence(
        "shown" if below < VARIANTS_SAID and len(bases) == 1 else "not shown",
        f"Table 5.1 has {len(published)} rows: the untouched base and {len(tuned)} fine-tuned models, {below} of them "
        f"below it, all of {len(bases)} architecture, with 1 run each.",
        (table,),
    )


def merged_rows(bench: Workbench) -> Evidence:
    """T21. Rows that default quoting loses of the collection's own file, where it is an official one. Five lines that
    were made to lose some show how, and decide nothing."""
    with TemporaryDirectory() as folder:
        small = Path(folder) / "collection.tsv"
        small.write_text("\n".join(UNBALANCED) + "\n", encoding="utf-8")
        counts = {f"{len(UNBALANCED)} lines, one mark unmatched": quoted_rows(small, columns=2)}
    official = Path(bench.source) / "collection.tsv"
    verdict: Verdict = "not resolved"
    if official.is_file():
        counts["collection.tsv"] = quoted_rows(official, columns=2)
        verdict = "shown" if _lost(counts["collection.tsv"]) else "not shown"
    table = Grid(
        "Rows of tab-separated files under default quoting",
        ("file", "lines", "rows kept", "merged into another", "dropped"),
        tuple((name, *(f"{n:,}" for n in (c.raw, c.kept, c.merged, c.lost))) for name, c in counts.items()),
    )
    return Evidence(
        verdict,
        "Default quoting loses "
        + " and ".join(f"{_lost(c):,} of {c.raw:,} rows of {name}" for name, c in counts.items())
        + "; lines read raw are all kept."
        + ("" if official.is_file() else " What it loses of MS MARCO only --on a folder with its files would show."),
        (table,),
    )


def cache_names(bench: Workbench) -> Evidence:
    """T22. Cache entries of two models with unlike weights: by folder name and chunk as published, and by content."""
    with TemporaryDirectory() as folder:
        models = [Path(folder) / model for model in CACHED]
        for model in models:
            model.mkdir(parents=True)
            (model / "model.safetensors").write_bytes(model.parent.name.encode())
        by_name = [f"{model.name}_chunk_0" for model in models]
        inputs = [{"model": file_sha256(model / "model.safetensors"), "texts": "the same"} for model in models]
    by_content = [Store(folder).key(ENCODE, "document", of_model) for of_model in inputs]
    names, contents = len(set(by_name)), len(set(by_content))
    mixed_up = ", so that the second would be given the first one's"
    table = Grid(
        "Keys of the same texts under two models",
        ("folder", "by name and chunk", "by content"),
        tuple((f, name, key[:8]) for f, name, key in zip(CACHED, by_name, by_content, strict=True)),
    )
    return Evidence(
        "shown" if names < len(CACHED) == contents else "not shown",
        f"Named by folder and chunk, the vectors of {len(CACHED)} models with different weights share {names} cache "
        f"{'entry' if names == 1 else 'entries'} ({', '.join(sorted(set(by_name)))})"
        f"{mixed_up if names == 1 else ''}; keyed by content they have {contents}.",
        (table,),
    )


def _and(splits: list[str]) -> str:
    return " and ".join(splits) or "no split"


def _lost(counted: QuotedRows) -> int:
    return counted.merged + counted.lost


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())
