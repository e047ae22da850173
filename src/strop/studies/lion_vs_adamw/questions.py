"""Open questions about the paper, each with what answers it."""

from __future__ import annotations

from strop.studies.lion_vs_adamw import arithmetic, effects, scripts
from strop.study.open_questions import OpenQuestion

QUESTIONS = (
    OpenQuestion(
        "O1",
        "arithmetic",
        "The printed GPU utilisation is the share of memory that was allocated, and most of the difference is not the "
        "optimiser's state.",
        arithmetic.memory_not_use,
    ),
    OpenQuestion(
        "O2",
        "mechanism",
        "MRR@10 is measured on about ten passages per query that include the answer, not on what a "
        "first stage retrieves.",
        effects.candidate_sets,
    ),
    OpenQuestion(
        "O3",
        "arithmetic",
        "On TREC DL everything but nDCG counts grade 1 as relevant, where the track starts at grade 2.",
        arithmetic.grade_one,
    ),
    OpenQuestion(
        "O4",
        "arithmetic",
        "The main table differs from what its own evaluation wrote.",
        arithmetic.main_table_and_evaluation,
    ),
    OpenQuestion(
        "O5",
        "mechanism",
        "Optimisers are compared at learning rates and decays that were not chosen for each: equal for two models, a "
        "tenth for the third.",
        effects.own_rates,
    ),
    OpenQuestion(
        "O6",
        "defect",
        "The schedule of one optimiser was bound to another's object: AdamW never annealed.",
        scripts.scheduler_of_another,
    ),
    OpenQuestion(
        "O7",
        "defect",
        "The cosine's length was counted for another batch size, and training ends at a third of it.",
        scripts.cut_cosine,
    ),
    OpenQuestion(
        "O8",
        "defect",
        "Batch sizes differ between the optimisers compared, and some runs are three trainings in a chain, each with a "
        "warm-up of its own and a new optimiser state.",
        scripts.batches,
    ),
    OpenQuestion(
        "O9",
        "defect",
        "The training curves end at other updates than the checkpoints that were scored.",
        scripts.curves_of_other_runs,
    ),
    OpenQuestion(
        "O10",
        "arithmetic",
        "The best of 18 rows on 43 queries, with one training each, is called the best system.",
        arithmetic.best_of_eighteen,
    ),
    OpenQuestion(
        "O11", "arithmetic", "A tie in MRR@10 is one figure cut and the other rounded.", arithmetic.cut_not_rounded
    ),
    OpenQuestion(
        "O12",
        "arithmetic",
        "Public cross-encoders of the same size that are better than all 18 rows are left out.",
        arithmetic.missing_references,
    ),
    OpenQuestion(
        "O13",
        "mechanism",
        "That long inputs help is concluded from models that differ in size, on passages that are short.",
        effects.lengths,
    ),
    OpenQuestion("O14", "defect", "Held-out rows share their queries with training rows.", scripts.split_by_rows),
)
