"""Open questions about the paper, each with what answers it."""

from __future__ import annotations

from strop.studies.lion_vs_adamw import arithmetic, effects, scripts
from strop.study.open_questions import OpenQuestion

QUESTIONS = (
    OpenQuestion.of("O1", "arithmetic", arithmetic.memory_not_use),
    OpenQuestion.of("O2", "mechanism", effects.candidate_sets),
    OpenQuestion.of("O3", "arithmetic", arithmetic.grade_one),
    OpenQuestion.of("O4", "arithmetic", arithmetic.main_table_and_evaluation),
    OpenQuestion.of("O5", "mechanism", effects.own_rates),
    OpenQuestion.of("O6", "defect", scripts.scheduler_of_another),
    OpenQuestion.of("O7", "defect", scripts.cut_cosine),
    OpenQuestion.of("O8", "defect", scripts.batches),
    OpenQuestion.of("O9", "defect", scripts.curves_of_other_runs),
    OpenQuestion.of("O10", "arithmetic", arithmetic.best_of_eighteen),
    OpenQuestion.of("O11", "arithmetic", arithmetic.cut_not_rounded),
    OpenQuestion.of("O12", "arithmetic", arithmetic.missing_references),
    OpenQuestion.of("O13", "mechanism", effects.lengths),
    OpenQuestion.of("O14", "defect", scripts.split_by_rows),
)
