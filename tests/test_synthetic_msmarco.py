from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop.collection.door import load, splits
from strop.negatives.triples import TRIPLES, read_triples

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import synthetic_msmarco
from synthetic_msmarco import write


@pytest.fixture(scope="module", autouse=True)
def _smaller() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BLOCK": 1_000, "FRAGMENTS": 5_000, "VOCABULARY": 20_000}.items():
            patch.setattr(synthetic_msmarco, name, value)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, _smaller: None) -> Path:
    folder = tmp_path_factory.mktemp("marco")
    write(folder, passages=4_500, queries=300, seed=0)
    return folder


def test_the_folder_loads_and_has_ms_marco_s_proportions(folder: Path) -> None:
    assert splits(folder) == ("dev", "train")
    train, dev = load(folder, "train"), load(folder, "dev")
    assert (len(train.documents), len(train.queries), len(dev.queries)) == (4_500, 300, 30)
    lengths = [len(d.text.split()) for d in train.documents.values()]
    assert sum(lengths) / len(lengths) == pytest.approx(56, abs=1.5)
    assert sum(map(len, train.qrels.values())) == 300 + 19
    assert train.reserved == {d for judged in dev.qrels.values() for d in judged}
    opened = [d.id for d in train.documents.values() if d.text.startswith('"') and d.text.count('"') == 1]
    assert len(opened) == 3


def test_a_query_shares_its_rare_words_with_its_relevant_passages_and_hardly_any_other(folder: Path) -> None:
    train = load(folder, "train")
    words = {d.id: set(d.text.split()) for d in train.documents.values()}
    for query_id in list(train.queries)[:100]:
        rare = set(train.queries[query_id].text.split()[-3:])
        assert {d for d, present in words.items() if rare <= present} == set(train.qrels[query_id])


def test_triples_hold_the_texts_of_relevant_passages_and_of_others(folder: Path) -> None:
    train = load(folder, "train")
    texts = {d.text: d.id for d in train.documents.values()}
    ids = {q.text: q.id for q in train.queries.values()}
    examples = read_triples(folder / TRIPLES, 3_000, seed=0)
    for group in examples.groups:
        relevant = train.qrels[ids[examples.queries[group.query_id]]]
        assert texts[examples.documents[group.positives[0]]] in relevant
        assert texts[examples.documents[group.negatives[0]]] not in relevant


def test_a_seed_decides_every_byte(folder: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / name, passages=400, queries=20, seed=seed)
    files = sorted(path.name for path in folder.iterdir())
    assert [p.name for p in sorted((tmp_path / "a").iterdir())] == files
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert all((tmp_path / "a" / f).read_bytes() != (tmp_path / "c" / f).read_bytes() for f in files)
