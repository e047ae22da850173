"""Drift: whether a model's vectors in bfloat16 are near enough to those in float32 to choose by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch.nn.functional import cosine_similarity

from strop.models.encoder import Encoder
from strop.models.precision import LACKING, Precision, has_bfloat16
from strop.retrieval.encode import represented

#: Texts that are encoded in both precisions, and the least cosine that each pair of vectors must have.
SAMPLE, LEAST = 64, 0.9999


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision to choose in, not to certify or to publish in, and why."""

    precision: Precision
    why: str

    def __str__(self) -> str:
        return f"{self.precision}: {self.why}"


def chosen(encoder: Encoder, texts: Mapping[str, str]) -> Choice:
    """bfloat16 where the device multiplies in it and it moves no vector of a sample by more than a cosine of `LEAST`.

    The sample is spread evenly over the texts, so that the same model and texts give the same choice.
    """
    if not has_bfloat16():
        return Choice("float32", LACKING)
    ids = list(texts)
    sample = [texts[text_id] for text_id in ids[:: max(1, len(ids) // SAMPLE)][:SAMPLE]]
    cosine = least_cosine(encoder, sample)
    found = f"cosine at least {math.floor(cosine * 1e5) / 1e5:.5f} on {len(sample)} of your documents"
    return Choice("bfloat16", found) if cosine >= LEAST else Choice("float32", f"in bfloat16 {found}")


def least_cosine(encoder: Encoder, texts: Sequence[str]) -> float:
    """Of a document's vector in bfloat16, or a token's where each has one, with the same vector in float32."""
    tokens = encoder.tokenize(texts, "document")
    exact, coarse = (represented(encoder, tokens, "document", name) for name in ("float32", "bfloat16"))
    cosines = cosine_similarity(exact.vectors.double(), coarse.vectors.double(), dim=-1)
    return float((cosines if exact.mask is None else cosines[exact.mask]).min())
