"""BM25 -> Run: the only door to bm25s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from strop.artifacts.keys import ADDED
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.words import needs_any_script, words, words_of_any_script

if TYPE_CHECKING:
    import bm25s  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class BM25:
    """BM25 as Lucene computes it: sum over query tokens of ln(1 + (N - df + .5) / (df + .5)) · tf / (tf + k1 · norm),
    norm = 1 - b + b · length / mean length; a repeated query token counts as often as it stands there.

    Lower case, words of one letter or more, Lucene's stop words out, and with `stem` Porter's stemmer: the analysis
    behind BEIR's published "flat" figures. With `any_script`, words are those of `words_of_any_script`: pairs of
    letters where no spaces divide words; a search turns it on by itself for queries that need it (`suited`). Raises
    InputError unless k1 >= 0 and 0 <= b <= 1.
    Source: Kamphuis et al., ECIR 2020, table 1 ("Lucene (accurate)").
    """

    k1: float = 0.9
    b: float = 0.4
    stem: bool = True
    any_script: bool = field(default=False, metadata=ADDED)

    def __post_init__(self) -> None:
        if not self.k1 >= 0:
            raise InputError(f"k1 is {self.k1}", remedy="Give a number of 0 or more; 0.9 is usual")
        if not 0 <= self.b <= 1:
            raise InputError(f"b is {self.b}", remedy="Give a number from 0 to 1; 0.4 is usual")

    def suited(self, queries: Iterable[str]) -> BM25:
        """Itself; or for any script, where a query has letters that spaces alone do not divide into words."""
        return replace(self, any_script=True) if not self.any_script and any(map(needs_any_script, queries)) else self

    def search(
        self,
        documents: Mapping[str, str],
        queries: Mapping[str, str],
        depth: int,
        exclude: Mapping[str, str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Run:
        """The best `depth` documents of every query that share a token with it, exact to the last tie.

        `exclude` names one document of a query that must not be retrieved for it (ArguAna: the query itself).
        `progress` is called with 1 after each query. Raises ValueError when depth is below 1.
        """
        if depth < 1:
            raise ValueError(f"depth {depth} is below 1")
        ids, suited = list(documents), self.suited(queries.values())
        index, vocabulary = suited._index(documents.values())
        position = {doc_id: i for i, doc_id in enumerate(ids)} if exclude else {}
        best_of: dict[str, tuple[list[str], npt.NDArray[np.float32]]] = {}
        for query_id, tokens in zip(queries, suited._tokens(queries.values()), strict=True):
            known = [vocabulary[token] for token in tokens if token in vocabulary]
            scores = index.get_scores_from_ids(known) if known else np.zeros(len(ids), np.float32)
            if exclude and (own := exclude.get(query_id)) in position:
                scores[position[own]] = 0
            best = _candidates(scores, depth)
            best_of[query_id] = ([ids[i] for i in best], scores[best])
            if progress is not None:
                progress(1)
        return Run(best_of).top(depth)

    def _tokens(self, texts: Iterable[str]) -> Iterator[list[str]]:
        import Stemmer  # type: ignore[import-not-found]
        from bm25s.stopwords import STOPWORDS_EN  # type: ignore[import-untyped]

        stopwords = frozenset(STOPWORDS_EN)  # Lucene's 33 English stop words (EnglishAnalyzer)
        stemmer = Stemmer.Stemmer("porter") if self.stem else None
        analyse = words_of_any_script if self.any_script else words
        for text in texts:
            kept = [word for word in analyse(text) if word not in stopwords]
            yield stemmer.stemWords(kept) if stemmer else kept

    def _index(self, texts: Iterable[str]) -> tuple[bm25s.BM25, dict[str, int]]:
        import bm25s

        vocabulary: dict[str, int] = {}
        rows = [[vocabulary.setdefault(token, len(vocabulary)) for token in tokens] for tokens in self._tokens(texts)]
        index = bm25s.BM25(k1=self.k1, b=self.b, method="lucene", backend="numpy")
        if vocabulary:  # bm25s cannot index a corpus without a single word; nothing can be found in it either
            index.index((rows, dict(vocabulary)), show_progress=False)
        return index, vocabulary


def _candidates(scores: npt.NDArray[np.float32], depth: int) -> Sequence[int]:
    """Positions of every document that scores above 0 and no worse than the `depth`-th: all ties at the cut stay in."""
    kept = scores > 0
    if depth < len(scores):
        kept &= scores >= np.partition(scores, -depth)[-depth]
    positions: list[int] = np.flatnonzero(kept).tolist()
    return positions
