"""Open questions about the paper, T1 to T23, each with what answers it."""

from __future__ import annotations

from strop.studies.when_finetuning_fails import defects, effects, mechanisms
from strop.studies.when_finetuning_fails.effects import KNOB, TUNED
from strop.study.open_questions import OpenQuestion

_TEST = "tests/studies/test_thesis_questions.py::test_"
_DEFECT = "tests/studies/test_thesis_defects.py::test_"
_AS_CODED = tuple(("as_coded", name) for name in TUNED)

QUESTIONS: tuple[OpenQuestion, ...] = (
    OpenQuestion(
        "T1",
        "arithmetic",
        "LoRA's parameters are multiplied by 12 heads, though a projection is one matrix per layer; two matrices in "
        "six layers are a sixth of what is printed.",
        mechanisms.adapter_size,
        f"{_TEST}parameters_of_an_adapter_are_counted_and_computed_alike",
    ),
    OpenQuestion(
        "T2",
        "mechanism",
        "LoRA was timed with twice as many chunks of passages as the full models, and the cost of the timed loop is "
        "proportional to the number of chunks.",
        mechanisms.slower_adapters,
        slow=True,
    ),
    OpenQuestion(
        "T3",
        "mechanism",
        "Adapters were timed beside the weights. Merged into them they change no output and cost nothing.",
        mechanisms.unmerged_adapters,
        slow=True,
    ),
    OpenQuestion(
        "T4",
        "mechanism",
        "Models of one architecture are reported to differ by 6.9 % and 1.2 % in speed, less than three runs of one "
        "of them do.",
        mechanisms.timing_noise,
        slow=True,
    ),
    OpenQuestion(
        "T5",
        "effect",
        "Training sees Euclidean distances of raw vectors, testing cosines: a model can lower its loss through "
        "vector lengths, which do not affect the ranking.",
        effects.train_as_tested,
        needs=effects.TRAIN_AS_TESTED.needs,
    ),
    OpenQuestion(
        "T6",
        "effect",
        "The text squares the distance and states no margin; the code squares nothing and runs at a margin of 5.",
        effects.DISTANCE_AND_MARGIN,
        needs=effects.DISTANCE_AND_MARGIN.needs,
    ),
    OpenQuestion(
        "T7",
        "effect",
        "The negatives called random come from BM25's top 1,000, so random against hard compares two miners.",
        effects.random_negatives,
        needs=effects.UNIFORM.needs,
    ),
    OpenQuestion(
        "T8",
        "mechanism",
        "Every query's draw restarts the same generator, so windows of one size give one rank: the passage drawn from "
        "the window is at the same rank for all queries.",
        mechanisms.one_rank,
        f"{_TEST}one_generator_state_gives_windows_of_one_size_one_rank",
        effects.OWN_RANK.needs,
    ),
    OpenQuestion(
        "T9",
        "defect",
        "The published sampler writes a column under one name and selects it under another: it cannot have made the "
        "published data.",
        defects.missing_column,
        f"{_DEFECT}a_column_written_under_another_name_cannot_be_selected",
    ),
    OpenQuestion(
        "T10",
        "effect",
        "The window starts at rank 51 in the text and at rank 50 in the code, and its bounds were never varied.",
        effects.window_bounds,
        needs=effects.WINDOW.needs,
    ),
    OpenQuestion(
        "T11",
        "mechanism",
        "With about one judged passage per query, mined negatives may be relevant; only judged ones were removed, and "
        "nobody counted the others.",
        mechanisms.false_negatives,
    ),
    OpenQuestion(
        "T12",
        "arithmetic",
        "The logged steps are those of batches of 1,024 and 512, not of the printed 128, and 1,000 warm-up steps would "
        "be up to half of them.",
        defects.batch_and_warmup,
        f"{_DEFECT}logged_steps_are_those_of_larger_batches_than_printed",
    ),
    OpenQuestion(
        "T13",
        "effect",
        "The kind of negatives is confounded with the number of triples, epochs, batch and library versions: no "
        "difference is due to it alone.",
        effects.matched_budget,
        needs=tuple(dict.fromkeys((*effects.BUDGET.needs, *effects.HARD.needs))),
    ),
    OpenQuestion(
        "T14",
        "effect",
        "LoRA trained at full tuning's learning rate, a tenth of what others found best for it.",
        effects.learning_rates,
        needs=(
            *effects.LORA_RATE.needs,
            *effects.FULL_RATE.needs,
            ("corrected", "full_hard"),
            ("corrected", "lora_hard"),
        ),
    ),
    OpenQuestion(
        "T15",
        "arithmetic",
        "The 55,578 judgments are judged queries of the full dev split, and the authors' read-me speaks of another, "
        "smaller split.",
        defects.queries_or_judgments,
        f"{_DEFECT}printed_judgments_are_judged_queries",
    ),
    OpenQuestion(
        "T16",
        "effect",
        "The base is called saturated because four runs with one loss fell below it; another loss on the same data may "
        "rise above it.",
        effects.IN_BATCH,
        needs=effects.IN_BATCH.needs,
    ),
    OpenQuestion(
        "T17",
        "mechanism",
        "That the base had seen the evaluation's data is concluded from training pairs; no overlap between "
        "them is shown.",
        defects.seen_before,
        f"{_DEFECT}overlap_counts_equal_queries_and_known_positives",
    ),
    OpenQuestion(
        "T18",
        "mechanism",
        "Figure 5.1's pictures are separate fits under one seed, the base's of unit vectors and the others' not, "
        "judged by eye.",
        mechanisms.pictures,
        needs=(("as_coded", "base"), *_AS_CODED),
        slow=True,
    ),
    OpenQuestion(
        "T19",
        "effect",
        "Held-out accuracies were measured on each model's own kind of negatives, and losses are the last that were "
        "logged: neither compares models.",
        effects.accuracies,
        needs=(*_AS_CODED, *effects.LAST.needs),
    ),
    OpenQuestion(
        "T20",
        "arithmetic",
        "The paper says that all five variants and all architectures lose; four were tuned, of one architecture.",
        defects.one_architecture,
        f"{_DEFECT}four_tuned_models_of_the_published_table_are_of_one_architecture",
    ),
    OpenQuestion(
        "T21",
        "defect",
        "Passages and triples were read with quoting on and bad lines skipped, though the files quote nothing.",
        defects.merged_rows,
        f"{_DEFECT}quoting_is_judged_by_the_collection_s_own_file_and_not_by_five_lines_made_to_lose",
    ),
    OpenQuestion(
        "T22",
        "defect",
        "Cached vectors are named by the model's folder and a chunk number, and both LoRA models are in folders of one "
        "name.",
        defects.cache_names,
        f"{_DEFECT}folders_of_one_name_share_a_cache_entry_and_contents_do_not",
    ),
    OpenQuestion(
        "T23",
        "effect",
        "Vectors were made in half precision, where scores tie, and full models were cut at 256 tokens but LoRA's at "
        "512.",
        effects.numbers,
        needs=((KNOB, "base"), *effects.NUMBERS.needs),
    ),
)
