"""`strop evaluate`: from TREC runs and judgments to measures and paired tests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop.commands.inputs import check_there, judgments
from strop.commands.options import DOCSTRINGS
from strop.commands.terminal import say, table
from strop.records.errors import InputError
from strop.records.formats import fixed

if TYPE_CHECKING:
    from strop.evaluation.judged_runs import MeasureComparison
    from strop.evaluation.reordering import Reordering


def evaluate(
    run: str | Path,
    qrels: str,
    split: str = "test",
    against: str | Path | None = None,
    measures: Iterable[str] = (),
    relevance_level: int = 1,
) -> dict[str, dict[str, float]] | list[MeasureComparison]:
    """The value of each measure for each query of a TREC run; with a second run `against`, one comparison per measure.

    `qrels` is a qrels file in TREC's or BEIR's form, or a collection whose `split` is judged. Judged queries that a run
    lacks score 0, with a warning; raises InputError when the run has none of them.
    """
    from strop.evaluation import measures as known
    from strop.evaluation.judged_runs import compare_runs, read_judged_run

    check_there(run, *([] if against is None else [against]))
    names = tuple(measures) or known.MEASURES
    for name in names:
        known.measure(name, relevance_level)
    judged = judgments(qrels, split)
    first = read_judged_run(run, judged)
    if against is None:
        return known.evaluate(first, judged, names, relevance_level)
    return compare_runs(first, read_judged_run(against, judged), judged, names, relevance_level)


def evaluate_reordered(
    run: str | Path,
    qrels: str,
    candidates: str | Path,
    depth: int = 100,
    split: str = "test",
    measures: Iterable[str] = (),
    relevance_level: int = 1,
) -> Reordering:
    """Measure a TREC run that reorders the first `depth` documents of the run `candidates`, beside the value of
    their best possible order (the ceiling). Runs and `qrels` are read as by `evaluate`. Raises InputError when `run`
    is no reordering of `candidates`.
    """
    from strop.evaluation import measures as known
    from strop.evaluation.judged_runs import read_judged_run
    from strop.evaluation.reordering import reordering

    check_there(run, candidates)
    names = tuple(measures) or known.MEASURES
    for name in names:
        known.measure(name, relevance_level)
    judged = judgments(qrels, split)
    reordered, first = (read_judged_run(path, judged) for path in (run, candidates))
    return reordering(reordered, first, judged, depth, names, relevance_level)


def comparison_rows(comparisons: Sequence[MeasureComparison]) -> list[list[str]]:
    rows = [["measure", "first", "second", "difference [95 %]", "p", "won/tied/lost"]]
    for each in comparisons:
        c = each.comparison
        means, difference = (f"{c.mean_a:.4f}", f"{c.mean_b:.4f}"), f"{c.difference:+.4f} [{c.low:+.4f}, {c.high:+.4f}]"
        rows.append([each.measure, *means, difference, f"{c.p_corrected:.4f}", f"{c.won}/{c.tied}/{c.lost}"])
    return rows


def reordering_table(reordered: Reordering, runs: str) -> None:
    """Print each measure of a reordered run beside the candidates' own value and their ceiling."""
    from strop.evaluation.measures import averaged, mean
    from strop.evaluation.reordering import JUDGED

    rows = [["measure", "mean", "candidates", "ceiling", "detectable"]]
    for each in reordered.measures:
        means = (averaged(each.measure, values) for values in (each.values, each.first, each.ceiling))
        rows.append([each.measure, *(fixed(value, 4) for value in (*means, each.detectable))])
    table(rows, f"{runs}, {len(reordered.judged)} judged queries, {reordered.depth}")
    say(f"{JUDGED} is {mean(reordered.judged):.4f}: documents without a judgment count as not relevant.")
    say("Ceiling: the best order of the candidates. Detectable: minimum detectable difference from them (power 0.8).")


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="A TREC run.")],
    against: Annotated[Path | None, typer.Argument(help="A second TREC run, to compare with the first.")] = None,
    qrels: Annotated[str, typer.Option(help="A qrels file in TREC's or BEIR's form, or a collection.")] = DOCSTRINGS,
    split: Annotated[str, typer.Option(help="The split of a collection: qrels/SPLIT.tsv.")] = "test",
    measure: Annotated[
        list[str] | None, typer.Option(help="nDCG@10, RR@10, AP, Rprec, Judged@10, …; repeatable.")
    ] = None,
    level: Annotated[int, typer.Option(min=1, help="The lowest grade that counts as relevant.")] = 1,
    candidates: Annotated[
        Path | None,
        typer.Option(help="The TREC run that was reranked: shows what the best order of its documents reaches."),
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Candidates per query: 100 by default.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print JSON, with the values of every query.")] = False,
) -> None:
    """Measure a run, or compare two runs with paired tests.

    Values are those of trec_eval. Scores are compared as float32, as in trec_eval 9 and pytrec_eval: trec_eval 10
    compares doubles, and a warning says where that would differ. Files may be packed with gzip.

    With --candidates, a reranked run is measured beside the ceiling of its candidates: the value of their best order.
    """
    import json
    from dataclasses import asdict

    from strop.evaluation.measures import averaged

    if depth is not None and candidates is None:
        raise InputError("--depth needs --candidates", remedy="Add --candidates RUN, or leave --depth out")
    if candidates is not None and against is not None:
        raise InputError("--candidates works with a single run", remedy="Leave out the second run or --candidates")
    if candidates is not None:
        reordered = evaluate_reordered(run, qrels, candidates, depth or 100, split, measure or (), level)
        if json_out:
            typer.echo(json.dumps(asdict(reordered), indent=1))
        else:
            reordering_table(reordered, f"{run} of {candidates}")
        return
    values = evaluate(run, qrels, split, against, measure or (), level)
    if json_out:
        plain = values if isinstance(values, dict) else [{**asdict(each), "holm_p": each.holm_p} for each in values]
        typer.echo(json.dumps(plain, indent=1))
    elif isinstance(values, dict):
        queries = len(next(iter(values.values())))
        rows = [[name, f"{averaged(name, by_query):.4f}"] for name, by_query in values.items()]
        table([["measure", "mean"], *rows], f"{run}, {queries} judged queries")
    else:
        table(comparison_rows(values), f"{run} against {against}, {values[0].comparison.n} judged queries")
        say("Difference: first - second, bootstrap interval. p: randomisation test, Holm-corrected over the rows.")
