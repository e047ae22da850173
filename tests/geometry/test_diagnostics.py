from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes as scipy_procrustes

from strop.geometry.drift import cka, neighbour_overlap, procrustes, rank_displacement, shift
from strop.geometry.gap import centroid_gap, separable
from strop.geometry.hubness import anti_hubs, document_hub_skew, hub_skew, in_top, neighbours, skewness
from strop.geometry.pairs import Floats, cosine_quantile, mean_cosine, unit
from strop.geometry.sample import Sample
from strop.geometry.separation import auc, margin, positive_ranks, standardised_margin
from strop.records.errors import InputError


def gaussian(rows: int, dimensions: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(rows, dimensions))


def scored(scores: Floats | list[list[float]], positives: list[int]) -> Sample:
    table = np.array(scores, dtype=np.float64)
    count, pool = table.shape
    vectors = unit(gaussian(count, 4)), unit(gaussian(pool, 4))
    return Sample(*vectors, table, np.array(positives), np.arange(count), np.arange(pool))


def naive_cosines(rows: Floats) -> list[float]:
    def cosine(a: Floats, b: Floats) -> float:
        return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))

    return [cosine(a, b) for i, a in enumerate(rows) for b in rows[:i]]


def test_mean_cosine_and_its_quantiles_are_over_all_pairs() -> None:
    rows = gaussian(15, 6) + 0.4
    cosines = naive_cosines(rows)
    assert mean_cosine(rows) == pytest.approx(sum(cosines) / len(cosines))
    for share in (0.05, 0.5, 0.95):
        assert cosine_quantile(rows, share) == pytest.approx(np.quantile(cosines, share))


def test_directions_drawn_evenly_have_cosines_of_sd_one_by_root_d() -> None:
    rows = gaussian(1500, 64)
    assert mean_cosine(rows) == pytest.approx(0, abs=0.002)
    assert cosine_quantile(rows, 0.95) == pytest.approx(1.645 / 8, abs=0.005)
    assert mean_cosine(np.ones((7, 3))) == pytest.approx(1)
    assert mean_cosine(np.array([[1.0, 0.0], [-2.0, 0.0]])) == -1
    with pytest.raises(InputError, match="no pair"):
        mean_cosine(gaussian(1, 3))


def naive_occurrences(scores: Floats, k: int) -> list[int]:
    counts = [0] * scores.shape[1]
    for row in scores:
        for column in sorted(range(len(row)), key=lambda j: -row[j])[:k]:
            counts[column] += 1
    return counts


def test_k_occurrence_is_that_of_a_naive_count() -> None:
    one = scored(gaussian(40, 30), [0] * 40)
    counts = naive_occurrences(one.scores, 10)
    assert in_top(one.scores, 10).sum(axis=0).tolist() == counts
    assert hub_skew(one) == pytest.approx(stats.skew(counts))
    hubby = scored(gaussian(6, 300), [0] * 6)
    empty = naive_occurrences(hubby.scores, 10).count(0)
    assert anti_hubs(hubby) == pytest.approx(empty / 300)
    cosines = hubby.documents @ hubby.documents.T - 9 * np.eye(300)
    assert document_hub_skew(hubby) == pytest.approx(stats.skew(naive_occurrences(cosines, 10)))


def test_ties_for_the_last_places_share_them() -> None:
    shares = in_top(np.array([[3.0, 1.0, 1.0, 1.0, 0.0]]), 2)
    assert shares[0] == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])
    assert in_top(np.zeros((2, 5)), 10).tolist() == [[1] * 5] * 2
    assert skewness(np.full(9, 2.5)) == 0


def test_chance_alone_leaves_the_stated_skewness_and_empty_places() -> None:
    one = scored(gaussian(256, 1024), [0] * 256)
    assert hub_skew(one) == pytest.approx(2.5**-0.5, abs=0.12)
    assert anti_hubs(one) == pytest.approx(math.exp(-2.5), abs=0.02)


def test_in_many_dimensions_a_common_direction_makes_hubs_of_those_nearest_to_it() -> None:
    """The source's own finding: the more dimensions, the more what lies near the mean is near to all."""
    flat, deep = (unit(gaussian(400, width) + 0.3) for width in (3, 100))
    skew = [skewness(neighbours(rows).sum(axis=0)) for rows in (flat, deep)]
    assert skew[1] > skew[0] + 1
    central, often = deep @ deep.mean(axis=0), neighbours(deep).sum(axis=0)
    assert stats.spearmanr(central, often).statistic > 0.8
    assert often.mean() == pytest.approx(10)
    assert not np.diag(neighbours(deep)).any()


def test_ranks_worked_by_hand() -> None:
    one = scored([[0.9, 0.5, 0.1, 0.7], [0.2, 0.2, 0.2, 0.1], [0.0, 0.4, 0.3, 0.2]], [1, 0, 1])
    assert positive_ranks(one).tolist() == [3, 2, 1]
    assert auc(one) == pytest.approx(np.mean([1 / 3, 2 / 3, 1]))
    assert margin(one) == pytest.approx(np.median([0.5 - 0.9, 0.0, 0.1]))
    sds = one.scores.std(axis=1)
    assert standardised_margin(one) == pytest.approx(np.median([-0.4 / sds[0], 0.0, 0.1 / sds[2]]))
    with pytest.raises(InputError, match="one document only"):
        auc(scored([[0.1], [0.2]], [0, 0]))


def test_auc_is_a_count_over_pairs_and_a_half_at_random() -> None:
    table, positives = gaussian(30, 20).round(1), list(range(10)) * 3
    wins = [
        1.0 if row[p] > s else 0.5 if row[p] == s else 0.0
        for row, p in zip(table, positives, strict=True)
        for j, s in enumerate(row)
        if j != p
    ]
    assert auc(scored(table, positives)) == pytest.approx(sum(wins) / len(wins))
    assert auc(scored(gaussian(400, 300), [0] * 400)) == pytest.approx(0.5, abs=0.05)


def test_a_scale_and_an_offset_of_scores_leave_the_standardised_margin() -> None:
    table = gaussian(25, 40)
    one, other = scored(table, [3] * 25), scored(20 * table - 700, [3] * 25)
    assert standardised_margin(other) == pytest.approx(standardised_margin(one))
    assert margin(other) == pytest.approx(20 * margin(one))
    best = scored(np.eye(50), list(range(50)))
    assert standardised_margin(best) < math.sqrt(2 * 50)


def pairs_of(apart: float, seed: int = 0, width: int = 20) -> Sample:
    """Queries with positives near them, moved apart along one direction; half of the documents belong to no query."""
    queries, others = gaussian(60, width, seed), gaussian(120, width, seed + 100)
    others[:60] = queries + 0.2 * others[:60]
    others[:, 0] += apart
    return Sample.of(queries, others, np.arange(60))


def naive_separable(one: Sample) -> float:
    queries, documents = one.queries, one.documents[one.positives]
    rows, labels = np.concatenate([queries, documents]), np.repeat([1.0, 0.0], len(queries))
    strength = float(np.square(rows - rows.mean(axis=0)).sum()) / rows.shape[1]
    wins = 0
    for i in range(len(queries)):
        kept = np.delete(np.arange(len(rows)), [i, len(queries) + i])
        x, y = rows[kept] - rows[kept].mean(axis=0), labels[kept] - labels[kept].mean()
        rule = np.linalg.solve(x.T @ x + strength * np.eye(rows.shape[1]), x.T @ y)
        wins += float(queries[i] @ rule) > float(documents[i] @ rule)
    return wins / len(queries)


@pytest.mark.parametrize("apart", [0.0, 0.1, 0.3])
def test_leaving_out_a_pair_in_closed_form_is_leaving_it_out(apart: float) -> None:
    assert separable(pairs_of(apart)) == pytest.approx(naive_separable(pairs_of(apart)))


def test_separable_is_a_half_where_roles_are_alike_and_one_where_a_plane_lies_between() -> None:
    alike = [separable(pairs_of(0.0, seed)) for seed in range(40)]
    assert np.mean(alike) == pytest.approx(0.5, abs=0.05)
    assert separable(pairs_of(3.0)) == 1
    assert centroid_gap(pairs_of(3.0)) > 0.4 > centroid_gap(pairs_of(0.0))
    ends = Sample.of(np.ones((5, 2)), -np.ones((9, 2)), np.arange(5))
    assert centroid_gap(ends) == pytest.approx(2)


def test_queries_may_share_a_positive() -> None:
    one = pairs_of(3.0)
    shared = Sample(one.queries, one.documents, one.scores, one.positives // 3, one.query_of, one.document_of)
    assert separable(shared) > 0.9


def test_cka_is_the_papers_over_products_of_texts() -> None:
    one, other = gaussian(30, 7), gaussian(30, 11, seed=1)
    centre = np.eye(30) - 1 / 30
    k, m = centre @ (one @ one.T) @ centre, centre @ (other @ other.T) @ centre
    expected = np.sum(k * m) / math.sqrt(np.sum(k * k) * np.sum(m * m))
    assert cka(one, other) == pytest.approx(expected)
    turn = np.linalg.qr(gaussian(7, 7, seed=3))[0]
    assert cka(5 * one @ turn + 2, one) == pytest.approx(1)
    assert cka(np.ones((30, 7)), other) == 0


def test_unrelated_vectors_read_the_stated_cka() -> None:
    value = cka(gaussian(600, 200), gaussian(600, 100, seed=1))
    assert value == pytest.approx(math.sqrt(200 * 100 / (800 * 700)), rel=0.03)


def test_procrustes_is_what_the_best_rotation_leaves() -> None:
    one, other = gaussian(30, 6), gaussian(30, 6, seed=1)
    a, b = (rows - rows.mean(axis=0) for rows in (one, other))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    left = np.linalg.norm(a @ orthogonal_procrustes(a, b)[0] - b) ** 2 / 2
    assert procrustes(one, other) == pytest.approx(left)
    assert 1 - (1 - procrustes(one, other)) ** 2 == pytest.approx(scipy_procrustes(one, other)[2])
    assert procrustes(one[:, :4], other) == pytest.approx(procrustes(np.pad(one[:, :4], ((0, 0), (0, 2))), other))
    assert procrustes(np.ones((30, 6)), other) == 1


def test_overlap_is_that_of_a_naive_search_and_at_chance_for_unrelated_models() -> None:
    one, other = gaussian(40, 5), gaussian(40, 8, seed=1)

    def near(rows: Floats, i: int) -> set[int]:
        flat = unit(rows)
        return set(sorted((j for j in range(40) if j != i), key=lambda j: -float(flat[i] @ flat[j]))[:10])

    expected = np.mean([len(near(one, i) & near(other, i)) / 10 for i in range(40)])
    assert neighbour_overlap(one, other) == pytest.approx(expected)
    assert neighbour_overlap(gaussian(500, 9), gaussian(500, 9, seed=1)) == pytest.approx(10 / 499, abs=0.005)


def test_displacement_is_in_doublings_of_the_rank() -> None:
    base = scored([[5.0, 4.0, 3.0, 2.0], [5.0, 4.0, 3.0, 2.0]], [0, 3])
    moved = scored([[3.5, 4.0, 5.0, 2.0], [1.0, 2.0, 4.0, 3.0]], [0, 3])
    assert rank_displacement(moved, base) == pytest.approx((math.log2(3 / 1) + math.log2(2 / 4)) / 2)
    assert rank_displacement(base, moved) == pytest.approx(-rank_displacement(moved, base))


def test_a_shift_is_one_minus_the_cosine() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 2.0]])
    assert shift(rows, np.array([[0.0, 1.0], [0.0, 1.0]])) == pytest.approx(0.5)
    assert shift(rows, -rows) == pytest.approx(2)
    with pytest.raises(InputError, match="differ in shape"):
        shift(rows, np.ones((2, 3)))
