"""Open questions about the paper, each with what answers it."""

from __future__ import annotations

from strop.studies.lora_out_of_domain import arithmetic, memory, scripts, sources
from strop.study.open_questions import OpenQuestion

QUESTIONS = (
    OpenQuestion.of("L1", "arithmetic", scripts.rank),
    OpenQuestion.of("L2", "arithmetic", scripts.warmup),
    OpenQuestion.of("L3", "arithmetic", scripts.unequal_epochs),
    OpenQuestion.of("L4", "defect", scripts.weight_decay),
    OpenQuestion.of("L5", "defect", scripts.shared_folder),
    OpenQuestion.of("L6", "mechanism", sources.negatives),
    OpenQuestion.of("L7", "mechanism", scripts.merging),
    OpenQuestion.of("L8", "arithmetic", arithmetic.whole_number_row),
    OpenQuestion.of("L9", "arithmetic", arithmetic.size_gains),
    OpenQuestion.of("L10", "arithmetic", arithmetic.relative_differences),
    OpenQuestion.of("L11", "arithmetic", arithmetic.averages),
    OpenQuestion.of("L12", "arithmetic", arithmetic.wins),
    OpenQuestion.of("L13", "arithmetic", arithmetic.two_aggregations),
    OpenQuestion.of("L14", "mechanism", memory.peak_memory, slow=True),
)
