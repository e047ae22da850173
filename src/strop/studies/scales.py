"""Scales that the studies start from; each replaces what its paper needs."""

from __future__ import annotations

from dataclasses import replace

from strop.study.definition import Scale

#: A few hours on two cores: a panel of a small collection, three seeds, the slow demonstrations too.
DESK = Scale(
    name="desk",
    collection="docstrings",
    test_queries=150,
    test_documents=2500,
    train_queries=768,
    train_documents=2500,
    cut_chars=240,
    depth=100,
    seeds=(42, 43, 44),
    presets={},
    thorough=True,
)
#: Some minutes: a smaller panel, one seed.
QUICK = replace(
    DESK, name="quick", test_documents=1000, train_queries=400, train_documents=1000, seeds=(42,), thorough=False
)
#: The paper's own data: whole splits, nothing cut, tested on MS MARCO's dev.
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
    presets={},
    test_split="dev",
)
