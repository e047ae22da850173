"""Lion against AdamW for cross-encoder reranking (Kumar et al., 2506.18297).

Its claim: with Lion, ModernBERT ranks best and GPUs are used better. `strop study run lion_vs_adamw --on FOLDER --test
FOLDER --candidates RUN` trains on one collection, and reorders a TREC run over another too.
"""

from __future__ import annotations

from strop.models.random_weights import RandomWeights
from strop.studies.lion_vs_adamw.points import POINTS
from strop.studies.lion_vs_adamw.presets import (
    AS_CODED,
    AS_WRITTEN,
    CORRECTED,
    EPOCHS,
    LONG_INPUTS,
    MODELS,
    ONE_KNOB,
    PIPELINE,
    TEACHER,
)
from strop.studies.lion_vs_adamw.published import find, listed, public
from strop.studies.lion_vs_adamw.published import rows as printed_rows
from strop.study.claims import Claim
from strop.study.definition import OUT_OF_DOMAIN, Scale, Study

PAPER = "arXiv 2506.18297"
_STAND_INS = {
    "alibaba-nlp-community/gte-multilingual-base": RandomWeights("gte", "tiny"),
    "answerdotai/ModernBERT-base": RandomWeights("modernbert", "tiny"),
}
_SHARED = (
    "MiniLM is all-MiniLM-L6-v2 with a fresh head, a bi-encoder that has seen MS MARCO, not MiniLM-L12-H384-uncased",
    "GTE and ModernBERT are tiny and random: machinery, no quality",
    "documents that are trained on and searched cut to 240 characters; given candidates are whole",
    "the largest batch of a reading is 16 queries, its others shrink alike",
    "bfloat16 autocast over float32 weights, in training and in reranking",
)
QUICK = Scale(
    name="quick",
    collection="docstrings",
    test_queries=100,
    test_documents=800,
    train_queries=300,
    train_documents=1000,
    cut_chars=240,
    depth=20,
    seeds=(42,),
    presets={"as_written": 1},
    largest_batch=16,
    other_queries=50,
    other_documents=500,
    rerank_depth=20,
    stand_ins=_STAND_INS,
    deviations=(*_SHARED, "one reading and one seed; 20 candidates"),
)
DESK = Scale(
    name="desk",
    collection="docstrings",
    test_queries=320,
    test_documents=4000,
    train_queries=640,
    train_documents=4000,
    cut_chars=240,
    depth=50,
    seeds=(42, 43, 44),
    presets={"corrected": 3, "pipeline": 1, "teacher": 2, "one_knob": 1, "as_coded": 1, "as_written": 1},
    largest_batch=16,
    thorough=True,
    other_queries=150,
    other_documents=1000,
    stand_ins=_STAND_INS,
    deviations=(*_SHARED, "three seeds as corrected, two with a teacher, one elsewhere; 50 candidates, given ones 100"),
)
FULL = Scale(
    name="full",
    collection="irds:msmarco-passage",
    test_queries=None,
    test_documents=None,
    train_queries=None,
    train_documents=None,
    cut_chars=None,
    depth=1000,
    seeds=(42, 43, 44),
    presets={"corrected": 3, "as_coded": 1, "as_written": 1, "pipeline": 1, "one_knob": 1},
    test_split="dev",
    others=("irds:msmarco-passage/trec-dl-2019/judged", "irds:msmarco-passage/trec-dl-2020/judged"),
    base="microsoft/MiniLM-L12-H384-uncased",
    rerank_depth=1000,
)


def _effects() -> tuple[Claim, ...]:
    """Lion against AdamW after each epoch, in the direction of the evaluation's own figures."""
    claims = []
    for model, (name, _) in MODELS.items():
        ours, theirs = (find(name, optimizer) for optimizer in ("Lion", "AdamW"))
        for epoch in (EPOCHS, *range(1, EPOCHS)):  # the whole training first
            lion, adamw = (rows[epoch - 1].written["ndcg10"] for rows in (ours, theirs))
            above = lion > adamw
            for place in ("in domain", OUT_OF_DOMAIN):
                claims.append(
                    Claim(
                        id=f"{name}, Lion against AdamW after epoch {epoch}, {place}",
                        paper=PAPER,
                        table="main",
                        kind="effect",
                        statement=f"{name} after epoch {epoch}, {place}: Lion {'above' if above else 'below'} AdamW",
                        rule="above" if above else "below",
                        system=f"{model}_lion_{epoch}",
                        against=f"{model}_adamw_{epoch}",
                        collection=place,
                        measure="nDCG@10",
                        published=lion,
                        published_against=adamw,
                    )
                )
    return tuple(claims)


def _table() -> dict[str, dict[str, float]]:
    """The 18 rows as printed and as the authors' evaluation wrote them, and references on TREC DL 2019."""
    keys = {name: key for key, (name, _) in MODELS.items()}
    table = {
        f"{keys[row.model]}_{row.optimizer.lower()}_{row.epoch}": {
            "nDCG@10, printed": row.printed["ndcg10"],
            "nDCG@10, evaluated": row.written["ndcg10"],
            "MRR@10, printed": row.printed["mrr10"],
            "MRR@10, evaluated": row.written["mrr10"],
        }
        for row in printed_rows()
    }
    table |= {f"listed: {name}": {"nDCG@10, printed": value} for name, value in listed().items()}
    table |= {f"not listed: {name}": {"nDCG@10, printed": dl19} for name, (dl19, _) in public().items()}
    return table


STUDY = Study(
    name="lion_vs_adamw",
    title="Comparative Analysis of Lion and AdamW Optimizers for Cross-Encoder Reranking",
    paper=PAPER,
    base="all-MiniLM-L6-v2",
    baseline="bm25",
    primary_measure="nDCG@10",
    presets=(CORRECTED, PIPELINE, TEACHER, ONE_KNOB, AS_CODED, AS_WRITTEN, LONG_INPUTS),
    scales=(QUICK, DESK, FULL),
    claims=_effects(),
    published={},
    published_loss={},
    questions=POINTS,
    choices={
        "pairs": {
            "as_written": "one wrong for each right one",
            "as_coded": "one wrong for each right one",
            "corrected": "three of BM25's first hundred for each right one",
        },
        "batch": {
            "as_written": "64 pairs",
            "as_coded": "512 and 256 pairs (MiniLM), 128 (GTE, AdamW), 192",
            "corrected": "32 queries",
        },
        "learning rate": {
            "as_written": "2e-5; ModernBERT with Lion 2e-6",
            "as_coded": "2e-5; ModernBERT with Lion 2e-6",
            "corrected": "each optimiser's best of one grid of rates and decays, on held-out queries",
        },
        "schedule": {
            "as_written": "none; ModernBERT a cosine",
            "as_coded": "linear after 10 % warm-up; ModernBERT: AdamW none in effect, Lion a cosine cut at a third",
            "corrected": "linear to zero after 10 % warm-up",
        },
        "epochs": {
            "as_written": "3, evaluated after each",
            "as_coded": "3; MiniLM and GTE with Lion three trainings of one epoch in a chain",
            "corrected": "3, evaluated after each",
        },
        "weight decay": {"as_written": "0.01", "as_coded": "0.01", "corrected": "from the grid"},
        "held out": {
            "as_written": "not stated",
            "as_coded": "10,000 rows, which share queries with training rows",
            "corrected": "queries",
        },
        "candidates": {
            "as_written": "BM25's 1,000; MS MARCO dev",
            "as_coded": "BM25's 1,000; for MRR@10 a query's own ten passages",
            "corrected": "the same first stage for all, both sets side by side",
        },
        "seeds": {"as_written": "one", "as_coded": "one", "corrected": "three"},
    },
    tables={"main": _table()},
    own_documents=8_841_823,
    exposure={
        "nq_small": "seen: Natural Questions",
        "msmarco_dl": "seen: MS MARCO",
        "docstrings": "code search seen, not these",
        "nfcorpus": "not named on its card",
    },
)
