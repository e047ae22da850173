"""Open questions about the paper, each with what answers it."""

from __future__ import annotations

from strop.studies.lora_out_of_domain import arithmetic, scripts, sources
from strop.studies.lora_out_of_domain.memory import peak_memory
from strop.study.open_questions import OpenQuestion

QUESTIONS = (
    OpenQuestion(
        "L1", "arithmetic", "The text says rank 7, the code 8, and about 0.25 % fits neither exactly.", scripts.rank
    ),
    OpenQuestion(
        "L2",
        "arithmetic",
        "The text says ten per cent of warm-up; the code's 1,237 steps are a far smaller share of MS MARCO's training.",
        scripts.warmup,
    ),
    OpenQuestion(
        "L3",
        "arithmetic",
        "One of the systems, full tuning of the symmetric encoder without negatives, was set to 100 epochs, all others "
        "to 40: what is due to negatives there cannot be told from what is due to epochs.",
        scripts.unequal_epochs,
    ),
    OpenQuestion(
        "L4",
        "defect",
        "The symmetric code sets a weight decay of 0, in parameter groups that never reach the optimiser, whose "
        "default of .01 then holds.",
        scripts.weight_decay,
    ),
    OpenQuestion(
        "L5",
        "defect",
        "As documented, full tuning and LoRA read different training files and write into one folder, at full tuning's "
        "learning rate.",
        scripts.shared_folder,
    ),
    OpenQuestion(
        "L6",
        "mechanism",
        '"Without negatives" may still mean one negative: where there is no hard one, the loader falls back to others.',
        sources.negatives,
    ),
    OpenQuestion(
        "L7",
        "mechanism",
        "Adapters are said to be merged for inference; the code has no merge, and lacks files that it needs.",
        scripts.merging,
    ),
    OpenQuestion(
        "L8",
        "arithmetic",
        "All 13 figures of one system differ from another's by whole numbers, as no other pair's do: they cannot have "
        "been measured independently.",
        arithmetic.whole_number_row,
    ),
    OpenQuestion(
        "L9",
        "arithmetic",
        "The in-domain gain of the large model under full tuning is divided by the wrong figure; with the right one "
        "LoRA gains no more.",
        arithmetic.size_gains,
    ),
    OpenQuestion(
        "L10",
        "arithmetic",
        "Relative differences are divided by the new value in the tables and by the old one in the text.",
        arithmetic.relative_differences,
    ),
    OpenQuestion("L11", "arithmetic", "Two printed averages are not those of their rows.", arithmetic.averages),
    OpenQuestion(
        "L12",
        "arithmetic",
        "That LoRA is better out of domain is an average over collections on which it also loses; no test is given.",
        arithmetic.wins,
    ),
    OpenQuestion(
        "L13",
        "arithmetic",
        "The loss from NQ as training data is printed as an average of ratios, but is a ratio of averages, which is "
        "larger.",
        arithmetic.two_aggregations,
    ),
    OpenQuestion(
        "L14",
        "mechanism",
        "The recipe rests on LoRA freeing memory for larger batches, and no memory was measured.",
        peak_memory,
        slow=True,
    ),
)
