"""What `strop study` prints in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from strop.commands.terminal import marked, say, table
from strop.records.exhibits.checkpoints import Checkpoints, Estimate
from strop.records.exhibits.reranking import Reranking
from strop.records.record import Record, TrainingAbout
from strop.records.results import Results
from strop.report.judged import Ruling, judged
from strop.report.matrix import terminal_table
from strop.report.questions import counted
from strop.report.summary import Summary
from strop.report.verdict import findings, lead, sentence
from strop.study.open_questions import Evidence, OpenQuestion
from strop.study.planning import Plan

_PREDICTED = ("spearman", "r2_family", "r2_collection", "auc_family", "p_holm")


def checkpoint_tables(compared: Checkpoints) -> None:
    """Print the gain and regret of each rule, then how well each diagnostic predicts the gain."""

    def estimate(value: Estimate) -> str:
        return f"{value.mean:+.4f} [{value.low:+.4f}, {value.high:+.4f}]"

    rows = [["rule", "gain over the base", "short of the oracle", "verdict"]]
    rows += [[r.rule, estimate(r.gain), estimate(r.regret), r.verdict] for r in compared.rules]
    table(rows, f"{compared.runs} runs on {', '.join(compared.collections)}, five checkpoints each, RR@10")
    say("The oracle chooses on half of the test queries; all rules are scored on the other half.")
    rows = [["diagnostic", "Spearman", "R2, new family", "R2, new collection", "AUC worse", "p, Holm"]]
    rows += [
        [f"{p.name.removeprefix('geometry/')}{' (known)' * p.trivial}", *(_figure(getattr(p, k)) for k in _PREDICTED)]
        for p in sorted(compared.predictors, key=lambda p: -p.r2_family)
    ]
    table(rows, "what predicts the gain of a checkpoint over the base")
    resolved = [p.name for p in compared.predictors if p.verdict.startswith("predicts")]
    say(f"Resolved as predictors: {', '.join(resolved)}" if resolved else "No diagnostic is resolved as a predictor.")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def study_table(results: Results[Record], summary: Summary) -> None:
    """Print a Results folder: the verdict, systems by presets, updates done, each claim, the open questions."""
    record = results.record
    say(lead(summary))
    several = len(summary.matrix) > 1
    about = f"{record.title}, {record.scale}"
    if summary.matrix:
        what = f"{summary.primary_measure} against the baseline, by preset" if several else summary.matrix[0].preset
        table(terminal_table(summary), about, what)
    else:
        say(f"{about}: built on random weights, so costs only, no quality figures")
    if results.exhibits.reranking:
        reranking_tables(results.exhibits.reranking)
    for name, collection in record.collections.items():
        for oddity in collection.warnings:
            marked("warning", "yellow", f"{name}: {oddity}")
    if record.unfinished:
        marked("not finished", "yellow", f"(the budget ran out): {'; '.join(record.unfinished)}")
    for preset, trained in record.trained.items():
        if trained:
            say(f"{preset}: {realised(list(trained.values()))}")
    if not several:
        for finding in findings(summary):
            say(f"{finding.label}: {sentence(finding, summary)}")
    for claim in judged(results):
        say(f"claim {claim.id}: {_words(claim.rulings)}")
    if questions := results.exhibits.points:
        say(f"{len(questions)} open questions: {counted(questions)}")


def reranking_tables(exhibit: Reranking) -> None:
    """Print how rerankers ordered the same candidates: one table per collection of the first preset."""
    from strop.report.reranking import section  # draws charts: only where there is something to draw

    reranked = section(exhibit)
    say(reranked.lead)
    for panel, _ in reranked.presets[0][1]:
        table(panel.terminal_rows(), panel.about.collection)
        say(panel.about_words())


def realised(trained: Sequence[TrainingAbout]) -> str:
    """`63 to 120 updates, learning rates summing to 5.67e-04 to 1.20e-03`: the least and the most of a preset."""
    updates = sorted({t.updates for t in trained})
    rates = sorted({f"{t.sum_learning_rates:.2e}" for t in trained}, key=float)
    spans = [f"{v[0]} to {v[-1]}" if len(v) > 1 else f"{v[0]}" for v in (updates, rates)]
    return f"{spans[0]} updates, learning rates summing to {spans[1]}"


def _words(rulings: Sequence[Ruling]) -> str:
    """`fails (corrected); analogue: opposite (as_coded, as_written)`."""
    presets: dict[str, list[str]] = {}
    for ruling in rulings:
        presets.setdefault(ruling.word, []).extend(ruling.presets)
    return "; ".join(f"{word} ({', '.join(names)})" if names else word for word, names in presets.items())


def plan_table(plan: Plan) -> None:
    rows = [["work", "texts", "tokens", "about"]]
    rows += [[w.what, f"{w.texts:,}", f"{w.tokens:,}", f"{w.seconds / 60:.1f} min"] for w in plan.work]
    speeds = f"encoding {plan.encoded_per_second:,.0f} tokens/s and training {plan.trained_per_second:,.0f}"
    table(rows, f"about {plan.seconds / 60:,.0f} min from scratch, {speeds}")
    say(
        f"Minimum detectable difference with {plan.queries} test queries: {plan.detectable:.3f} (power 0.8), "
        "if per-query differences spread as usual (SD 0.12)."
    )


def _question(question: OpenQuestion) -> None:
    marked(question.id, "bold", f"({question.kind}) {question.question}")


def questions_table(questions: Sequence[OpenQuestion]) -> None:
    for question in questions:
        demonstration = f"strop study show {question.id}" if question.demonstrate else question.test
        _question(question)
        say(f"    {demonstration}")


def evidence(question: OpenQuestion, demonstrated: Evidence | None) -> None:
    """Print an open question, then the evidence of its demonstration."""
    _question(question)
    if demonstrated is None:
        say(f"shown by a test: {question.test}")
        return
    for grid in demonstrated.tables:
        table([grid.columns, *grid.rows], grid.title)
    marked(f"{demonstrated.verdict}:", "bold", demonstrated.sentence)
