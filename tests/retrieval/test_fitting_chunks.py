"""What is encoded or reranked depends neither on the chunks it is cut into nor on memory that runs out on the way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from small_candidates import candidates
from tiny_models import ARCHITECTURES, sentences
from tiny_rerankers import KINDS, reranker
from torch import Tensor, nn

from strop.models.encoder import Role
from strop.models.scoring import MaxSim
from strop.models.tokens import Ints, cut
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run
from strop.retrieval.encode import encode_tokens, represented
from strop.retrieval.fitting_chunks import BUDGET, in_chunks
from strop.retrieval.rerank import clear, rerank

pytestmark = pytest.mark.usefixtures("one_thread")

Floats = npt.NDArray[np.float32]
QUERIES = {f"q{i}": text for i, text in enumerate(sentences(6, seed=1, longest=5))}
DOCUMENTS = {f"d{i:02}": text for i, text in enumerate(sentences(40, seed=2, longest=30))}
#: As the processor's allocator, the GPU's, Windows' and numpy's say it.
ERRORS: dict[str, Callable[[], Exception]] = {
    "processor": lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    "GPU": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "Windows": lambda: RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    "numpy": MemoryError,
}


@pytest.fixture(autouse=True)
def budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test lowers, no other finds."""
    monkeypatch.setitem(BUDGET, "cpu", 1024)


@contextmanager
def tight(module: nn.Module, most: int, error: Callable[[], Exception]) -> Iterator[list[int]]:
    """The module fails above so many padded tokens. Yields the sizes it was given."""
    sizes: list[int] = []

    def refuse(_: nn.Module, inputs: tuple[dict[str, Tensor], ...]) -> None:
        sizes.append(inputs[0]["input_ids"].numel())
        if sizes[-1] > most:
            raise error()

    hook = module.register_forward_pre_hook(refuse)
    yield sizes
    hook.remove()


def read(name: str, role: Role) -> tuple[Callable[[], list[Floats]], nn.Module]:
    """All vectors of each text, of a model by name."""
    encoder = ARCHITECTURES[name]()
    tokens = encoder.tokenize(list((QUERIES if role == "query" else DOCUMENTS).values()), role)

    def vectors() -> list[Floats]:
        if isinstance(encoder.similarity, MaxSim):
            return encode_tokens(encoder, tokens, role)
        return list(represented(encoder, tokens, role).vectors.numpy())

    return vectors, encoder.transformers[role == "document" and len(encoder.transformers) > 1]


def scores(kind: str, folder: Path) -> tuple[Callable[[], list[Floats]], nn.Module]:
    """Every query's scores, of a reranker by kind."""
    scorer, rng = reranker(kind), np.random.default_rng(4)
    ids = list(DOCUMENTS)
    run = Run({q: (list(rng.permutation(ids)[:20]), rng.random(20)) for q in QUERIES})

    def reranked() -> list[Floats]:
        found, _ = rerank(candidates(run, QUERIES, DOCUMENTS, 20), scorer, folder)
        clear(folder)
        each = [dict(zip(ranking.doc_ids, ranking.scores, strict=True)) for ranking in found.values()]
        return [np.array([by[d] for d in sorted(by)], dtype=np.float32) for by in each]

    return reranked, scorer.transformer


WORK = [
    *((name, role) for name in ARCHITECTURES for role in ("query", "document")),
    *((kind, "pair") for kind in KINDS),
]


def work(name: str, role: str, folder: Path) -> tuple[Callable[[], list[Floats]], nn.Module]:
    if role == "pair":
        return scores(name, folder)
    return read(name, "query" if role == "query" else "document")


def gap(one: list[Floats], other: list[Floats]) -> float:
    assert [len(each) for each in one] == [len(each) for each in other]
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("name", "role"), WORK)
def test_vectors_and_scores_do_not_depend_on_the_budget(
    name: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, _ = work(name, role, tmp_path)
    expected = make()
    for budget in (1, 37, 150, 100_000):
        monkeypatch.setitem(BUDGET, "cpu", budget)
        assert gap(make(), expected) < 1e-5
    assert max(gap([a], [b]) for a in expected[:3] for b in expected[:3] if len(a) == len(b)) > 1e-3, "texts differ"


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize(("name", "role"), [("tied", "document"), ("ColBERT", "document"), ("bert", "pair")])
def test_out_of_memory_goes_on_in_smaller_chunks_to_the_same_result_with_one_warning(
    name: str, role: str, error: Callable[[], Exception], tmp_path: Path
) -> None:
    make, module = work(name, role, tmp_path)
    expected = make()
    with tight(module, 128, error) as sizes:
        with pytest.warns(InputWarning) as warned:
            found = make()
        assert [str(w.message).partition(":")[0] for w in warned] == ["out of memory at chunks of 1,024 tokens"]
        assert gap(found, expected) < 1e-5
        assert sum(size > 128 for size in sizes) <= 4, "a chunk that failed is not tried again"
        sizes.clear()
        assert gap(make(), expected) < 1e-5
        assert max(sizes) <= 128, "nor is one so large, in the same process"


def test_a_text_that_does_not_fit_alone_is_an_input_error() -> None:
    make, module = read("tied", "document")
    with tight(module, 16, ERRORS["GPU"]), pytest.raises(InputError, match="out of memory at one text of"):
        make()


def test_any_other_error_is_raised_as_it_is() -> None:
    make, module = read("tied", "document")
    with tight(module, 16, lambda: RuntimeError("shapes differ")), pytest.raises(RuntimeError, match="shapes differ"):
        make()


@pytest.mark.parametrize("most", [30, 64, 200, 1024])
def test_each_position_is_read_once_whatever_fits(most: int) -> None:
    lengths: Ints = np.random.default_rng(0).integers(1, 31, 200)

    def each(at: Ints) -> Ints:
        if len(at) * lengths[at].max() > most:
            raise MemoryError
        return lengths[at]

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        chunks = list(in_chunks(lengths, torch.device("cpu"), each))
    assert sorted(i for chunk, _ in chunks for i in chunk) == list(range(200))
    assert all(np.array_equal(made, lengths[chunk]) for chunk, made in chunks)
    assert len(warned) == (most < 1024)
    assert len(chunks) <= 2 * len(cut(lengths, most)), "hardly smaller than they must be"
