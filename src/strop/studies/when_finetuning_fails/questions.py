"""Open questions about the paper, T1 to T23, each with what answers it."""

from __future__ import annotations

from strop.studies.when_finetuning_fails import defects, effects, mechanisms
from strop.studies.when_finetuning_fails.effects import KNOB, TUNED
from strop.study.open_questions import OpenQuestion

_TEST = "tests/studies/test_thesis_questions.py::test_"
_DEFECT = "tests/studies/test_thesis_defects.py::test_"
_AS_CODED = tuple(("as_coded", name) for name in TUNED)
_BUDGETS = tuple(dict.fromkeys((*effects.BUDGET.needs, *effects.HARD.needs)))
_RATES = (*effects.LORA_RATE.needs, *effects.FULL_RATE.needs, ("corrected", "full_hard"), ("corrected", "lora_hard"))

QUESTIONS: tuple[OpenQuestion, ...] = (
    OpenQuestion.of(
        "T1",
        "arithmetic",
        mechanisms.adapter_size,
        test=f"{_TEST}parameters_of_an_adapter_are_counted_and_computed_alike",
    ),
    OpenQuestion.of("T2", "mechanism", mechanisms.slower_adapters, slow=True),
    OpenQuestion.of("T3", "mechanism", mechanisms.unmerged_adapters, slow=True),
    OpenQuestion.of("T4", "mechanism", mechanisms.timing_noise, slow=True),
    OpenQuestion.of("T5", "effect", effects.train_as_tested, needs=effects.TRAIN_AS_TESTED.needs),
    OpenQuestion(
        "T6",
        "effect",
        "The text squares the distance and states no margin; the code squares nothing and runs at a margin of 5.",
        effects.DISTANCE_AND_MARGIN,
        needs=effects.DISTANCE_AND_MARGIN.needs,
    ),
    OpenQuestion.of("T7", "effect", effects.random_negatives, needs=effects.UNIFORM.needs),
    OpenQuestion.of(
        "T8",
        "mechanism",
        mechanisms.one_rank,
        test=f"{_TEST}one_generator_state_gives_windows_of_one_size_one_rank",
        needs=effects.OWN_RANK.needs,
    ),
    OpenQuestion.of(
        "T9",
        "defect",
        defects.missing_column,
        test=f"{_DEFECT}a_column_written_under_another_name_cannot_be_selected",
    ),
    OpenQuestion.of("T10", "effect", effects.window_bounds, needs=effects.WINDOW.needs),
    OpenQuestion.of("T11", "mechanism", mechanisms.false_negatives),
    OpenQuestion.of(
        "T12",
        "arithmetic",
        defects.batch_and_warmup,
        test=f"{_DEFECT}logged_steps_are_those_of_larger_batches_than_printed",
    ),
    OpenQuestion.of("T13", "effect", effects.matched_budget, needs=_BUDGETS),
    OpenQuestion.of("T14", "effect", effects.learning_rates, needs=_RATES),
    OpenQuestion.of(
        "T15", "arithmetic", defects.queries_or_judgments, test=f"{_DEFECT}printed_judgments_are_judged_queries"
    ),
    OpenQuestion(
        "T16",
        "effect",
        "The base is called saturated because four runs with one loss fell below it; another loss on the same data may "
        "rise above it.",
        effects.IN_BATCH,
        needs=effects.IN_BATCH.needs,
    ),
    OpenQuestion.of(
        "T17",
        "mechanism",
        defects.seen_before,
        test=f"{_DEFECT}overlap_counts_equal_queries_and_known_positives",
    ),
    OpenQuestion.of("T18", "mechanism", mechanisms.pictures, needs=(("as_coded", "base"), *_AS_CODED), slow=True),
    OpenQuestion.of("T19", "effect", effects.accuracies, needs=(*_AS_CODED, *effects.LAST.needs)),
    OpenQuestion.of(
        "T20",
        "arithmetic",
        defects.one_architecture,
        test=f"{_DEFECT}four_tuned_models_of_the_published_table_are_of_one_architecture",
    ),
    OpenQuestion.of(
        "T21",
        "defect",
        defects.merged_rows,
        test=f"{_DEFECT}quoting_is_judged_by_the_collection_s_own_file_and_not_by_five_lines_made_to_lose",
    ),
    OpenQuestion.of(
        "T22",
        "defect",
        defects.cache_names,
        test=f"{_DEFECT}folders_of_one_name_share_a_cache_entry_and_contents_do_not",
    ),
    OpenQuestion.of("T23", "effect", effects.numbers, needs=((KNOB, "base"), *effects.NUMBERS.needs)),
)
