"""The paper's doubtful points, each with what shows it."""

from __future__ import annotations

from strop.studies.lion_vs_adamw import arithmetic, effects, scripts
from strop.study.open_questions import Point

POINTS = (
    Point(
        "O1",
        "arithmetic",
        "The printed GPU utilisation is the share of memory that was allocated, and most of the difference is not the "
        "optimiser's state.",
        arithmetic.memory_not_use,
    ),
    Point(
        "O2",
        "mechanism",
        "MRR@10 is of about ten passages a query that hold the answer, not of what a first stage finds.",
        effects.candidate_sets,
    ),
    Point(
        "O3",
        "arithmetic",
        "On TREC DL everything but nDCG counts grade 1 as relevant, where the track starts at grade 2.",
        arithmetic.grade_one,
    ),
    Point("O4", "arithmetic", "The main table is not what its own evaluation wrote.",
          arithmetic.main_table_and_evaluation),
    Point(
        "O5",
        "mechanism",
        "Optimisers are compared at learning rates and decays that were not chosen for each: equal for two models, a "
        "tenth for the third.",
        effects.own_rates,
    ),
    Point("O6", "defect", "The schedule of one optimiser was bound to another's object: AdamW never annealed.",
          scripts.scheduler_of_another),
    Point("O7", "defect", "The cosine was as long as another batch's training, and is cut at a third.",
          scripts.cut_cosine),
    Point(
        "O8",
        "defect",
        "Batches differ between the optimisers compared, and some runs are three trainings in a chain, each with a "
        "warm-up of its own and an optimiser that remembers nothing.",
        scripts.batches,
    ),
    Point("O9", "defect", "The curves shown end at other updates than the checkpoints that were scored.",
          scripts.curves_of_other_runs),
    Point("O10", "arithmetic", "The best of 18 rows on 43 queries, with one training each, is named the best system.",
          arithmetic.best_of_eighteen),
    Point("O11", "arithmetic", "A tie in MRR@10 is one figure cut and the other rounded.", arithmetic.cut_not_rounded),
    Point("O12", "arithmetic", "Public cross-encoders of the same size that are better than all 18 rows are left out.",
          arithmetic.missing_references),
    Point(
        "O13",
        "mechanism",
        "That long inputs help is said of models that differ in size, on passages that are short.",
        effects.lengths,
    ),
    Point("O14", "defect", "Held-out rows share their queries with training rows.", scripts.split_by_rows),
)  # fmt: skip
