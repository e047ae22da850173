"""The last check of a cross-encoder that a user named: its scores as strop computes them are the library's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import nn

from strop.models.encoder import observing
from strop.models.pair_scorer import PairScorer, score_pairs
from strop.models.transformer import as_it_was
from strop.records.errors import InputError

#: Logits are equal to so much, relative to the largest where that is above 1: on a GPU, sums take another order.
TOLERANCE = 1e-3
#: What models treat differently: cased, accented, foreign, marked and empty texts, on either side, of unequal lengths.
PROBES = (
    ("How do I sort an ARRAY?", "Call its sort() method; in C++, std::sort."),
    ("tax", "Die Straße führt über den Fluss; le café est fermé."),
    ("", "東京都の人口 [SEP] </s> <|endoftext|>"),
    ("where does the river go, and how long is it when it gets there", ""),
    ("tax", "Income tax."),
)


def check_pair_agreement(scorer: PairScorer) -> None:
    """Raises InputError where a logit of `PROBES`, all in one batch, is not `CrossEncoder.predict`'s of the pair alone.

    It catches what no check of a single setting knows of, as a head that reads the padding after a pair.
    """
    model: Any = scorer.model
    queries, documents = (
        scorer.tokenize([q for q, _ in PROBES], "query"),
        scorer.tokenize([d for _, d in PROBES], "document"),
    )
    rows = [scorer.pair(queries.row(i), documents.row(i)) for i in range(len(PROBES))]
    with observing(scorer), as_it_was([scorer.transformer.tokenizer]):
        ours = score_pairs(scorer, rows, np.arange(len(rows))).float().cpu().numpy()
        settings: dict[str, Any] = {"activation_fn": nn.Identity(), "batch_size": 1, "show_progress_bar": False}
        theirs = model.predict([list(pair) for pair in PROBES], **settings)
    gap = float(np.abs(ours - theirs).max()) / max(1.0, float(np.abs(theirs).max()))
    if math.isnan(gap):
        raise InputError("the model's scores are no numbers", remedy="Give one whose weights are all finite")
    if gap > TOLERANCE:
        raise InputError(
            f"strop's scores would differ from CrossEncoder.predict's by {gap:.2g}",
            remedy="Give a cross-encoder whose score of a pair does not depend on the padding after it",
        )
