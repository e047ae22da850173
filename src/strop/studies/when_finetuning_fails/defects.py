"""Open questions of arithmetic and of scripts: counts, columns, quoting, cache names (T9, T12, T15, T17, T20 to T22).

The authors' scripts are not run here. What is quoted of them stands in the constants below; each verdict is computed
from these and from what is measured.
"""

from __future__ import annotations

import csv
from operator import eq
from pathlib import Path
from tempfile import TemporaryDirectory

from strop.artifacts.store import Store
from strop.records import formats
from strop.records.documents import Collection, normal
from strop.records.seals import file_sha256
from strop.retrieval.stages import ENCODE
from strop.studies.updates import updates
from strop.studies.when_finetuning_fails.quoting import quoted_rows
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
    """The published sampler writes a column under one name and selects it under another: it cannot have made the
    published data."""
    row = next(csv.DictReader([",".join(WRITTEN), "1,1"]))
    missing = f"no column {SELECTED!r} to select: the script stops with KeyError before it samples 1 negative"
    outcome = f"the column {SELECTED!r} to select" if SELECTED in row else missing
    columns = f"A table with the columns {' and '.join(row)}, as the published sampler writes it, has"
    return Evidence.shown_if(SELECTED not in row, f"{columns} {outcome}.")


def batch_and_warmup(bench: Workbench) -> Evidence:
    """The logged steps are those of batches of 1,024 and 512, not of the printed 128, and 1,000 warm-up steps would be
    up to half of them."""
    logged, coded, printed = (
        [steps for _, _, steps, _ in RUNS.values()],
        [updates(triples, epochs, batch) for triples, epochs, _, batch in RUNS.values()],
        [updates(triples, epochs, PRINTED_BATCH) for triples, epochs, *_ in RUNS.values()],
    )
    fits = sum(map(eq, logged, coded))
    warmups = [formats.percent(PRINTED_WARMUP / steps, 0) for steps in sorted(logged, reverse=True)]
    *most, last = (f"{steps:,}" for steps in printed)
    return Evidence.shown_if(
        fits == len(RUNS) and not any(map(eq, logged, printed)),
        f"{fits} of {len(RUNS)} logged step counts are exactly those of batches of 1,024 (full) or 512 (LoRA); the "
        f"printed batch of {PRINTED_BATCH} would take {', '.join(most)} and {last}. The printed 1,000 warm-up steps "
        f"are {warmups[0]} to {warmups[-1]} of what was logged.",
        Grid.of(
            "Steps",
            ("model", "triples", "epochs", "logged steps", "batch", "gives", "128 would give", "1,000 of them"),
            (
                (name, *run, gives, would_give, formats.percent(PRINTED_WARMUP / run[2], 0))
                for (name, run), gives, would_give in zip(RUNS.items(), coded, printed, strict=True)
            ),
        ),
    )


def queries_or_judgments(bench: Workbench) -> Evidence:
    """The 55,578 judgments are judged queries of the full dev split, and the authors' read-me speaks of another,
    smaller split."""
    whole = bench.own.whole
    ours = (len(whole.qrels), sum(map(len, whole.qrels.values())))
    counts = {f"MS MARCO {name}": pair for name, pair in MARCO.items()} | {f"{whole.name}/{whole.split}, here": ours}
    of_queries, of_judgments = ([name for name, pair in counts.items() if pair[i] == PRINTED_JUDGMENTS] for i in (0, 1))
    queries, judgments = MARCO["dev"]
    return Evidence.shown_if(
        bool(of_queries) and not of_judgments,
        f"The printed {PRINTED_JUDGMENTS:,} judgments are the number of judged queries of {_and(of_queries)}, and of "
        f"judgments of {_and(of_judgments)}: the full dev split as distributed has {queries:,} judged queries and "
        f"{judgments:,} judgments ({judgments / queries:.2f} per query); the authors' read-me speaks of about 6,800 "
        f"queries, and dev.small has {MARCO['dev.small'][0]:,}. The split searched here has {ours[0]:,} queries and "
        f"{ours[1]:,} judgments.",
        Grid.of(
            "Judged queries are fewer than judgments",
            ("split", "judged queries", "judgments"),
            ((name, *pair) for name, pair in counts.items()),
        ),
    )


def overlap(train: Collection, test: Collection) -> tuple[int, int, int, int]:
    """Of the test split: queries that training has word for word, queries; relevant documents that are positives in
    training, relevant documents."""
    texts = {normal(q.text) for q in train.queries.values()}
    positives, relevant = (
        {d for judged in split.qrels.values() for d, grade in judged.items() if grade > 0} for split in (train, test)
    )
    known = {d for d in relevant & positives if d in train.documents and d not in train.reserved}
    return sum(normal(q.text) in texts for q in test.queries.values()), len(test.queries), len(known), len(relevant)


def seen_before(bench: Workbench) -> Evidence:
    """That the base had seen the evaluation's data is concluded from training pairs; no overlap between them is shown.

    Only shared queries of the paper's own collection decide: panels keep relevant documents out of training.
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
    """The paper says that all five variants and all architectures lose; four were tuned, of one architecture."""
    study = bench.study
    measure, published = study.primary_measure, study.published
    base = published[study.baseline][measure]
    tuned = {name: row[measure] for name, row in published.items() if name != study.baseline}
    below = sum(value < base for value in tuned.values())
    coded = [system.how for system in study.preset("as_coded").systems if system.name in tuned]
    bases = {how.start for how in coded if isinstance(how, Tuned)}
    return Evidence.shown_if(
        below < VARIANTS_SAID and len(bases) == 1,
        f"Table 5.1 has {len(published)} rows: the untouched base and {len(tuned)} fine-tuned models, {below} of them "
        f"below it, all of {len(bases)} architecture, with 1 run each.",
        Grid.of(
            f"Published {measure}",
            ("model", measure, "to the base"),
            ((name, value, formats.signed(value - base, 4)) for name, value in tuned.items()),
            decimals=4,
        ),
    )


def merged_rows(bench: Workbench) -> Evidence:
    """Passages and triples were read with quoting on and bad lines skipped, though the files quote nothing.

    Decided by the collection's own file, where it is an official one; five lines made to lose some show how.
    """
    with TemporaryDirectory() as folder:
        small = Path(folder) / "collection.tsv"
        small.write_text("\n".join(UNBALANCED) + "\n", encoding="utf-8")
        counts = {f"{len(UNBALANCED)} lines, one mark unmatched": quoted_rows(small, columns=2)}
    official = Path(bench.source) / "collection.tsv"
    verdict: Verdict = "not resolved"
    if official.is_file():
        whole = counts["collection.tsv"] = quoted_rows(official, columns=2)
        verdict = "shown" if whole.kept < whole.raw else "not shown"
    table = Grid.of(
        "Rows of tab-separated files under default quoting",
        ("file", "lines", "rows kept", "merged into another", "dropped"),
        ((name, c.raw, c.kept, c.merged, c.lost) for name, c in counts.items()),
    )
    return Evidence(
        verdict,
        "Default quoting loses "
        + " and ".join(f"{c.raw - c.kept:,} of {c.raw:,} rows of {name}" for name, c in counts.items())
        + "; lines read raw are all kept."
        + ("" if official.is_file() else " What it loses of MS MARCO only --on a folder with its files would show."),
        (table,),
    )


def cache_names(bench: Workbench) -> Evidence:
    """Cached vectors are named by the model's folder and a chunk number, and both LoRA models are in folders of one
    name."""
    by_name, by_content = [], []
    with TemporaryDirectory() as folder:
        for model in (Path(folder) / cached for cached in CACHED):
            model.mkdir(parents=True)
            weights = model / "model.safetensors"
            weights.write_bytes(model.parent.name.encode())
            by_name.append(f"{model.name}_chunk_0")
            inputs = {"model": file_sha256(weights), "texts": "the same"}
            by_content.append(Store(folder).key(ENCODE, "document", inputs))
    names, contents = len(set(by_name)), len(set(by_content))
    mixed_up = ", so that the second would be given the first one's"
    return Evidence.shown_if(
        names < len(CACHED) == contents,
        f"Named by folder and chunk, the vectors of {len(CACHED)} models with different weights share {names} cache "
        f"{'entry' if names == 1 else 'entries'} ({', '.join(sorted(set(by_name)))})"
        f"{mixed_up if names == 1 else ''}; keyed by content they have {contents}.",
        Grid.of(
            "Keys of the same texts under two models",
            ("folder", "by name and chunk", "by content"),
            ((f, name, key[:8]) for f, name, key in zip(CACHED, by_name, by_content, strict=True)),
        ),
    )


def _and(splits: list[str]) -> str:
    return " and ".join(splits) or "no split"
