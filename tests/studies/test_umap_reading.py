from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from strop.records.exhibits.projection import Projection
from strop.records.plain import from_plain
from strop.studies.when_finetuning_fails import pictures, umap

SYSTEMS = ("base", "full", "lora")
QUALITY = {"base": 0.30, "full": 0.26, "lora": 0.20}


def projection(
    clumping: dict[tuple[str, bool], dict[str, tuple[float, float]]], overlaps: dict[str, tuple[float, float]]
) -> Projection:
    """An exhibit made by hand: per fit each system's clumping under two seeds; per system (own, base's) overlap."""
    plain = {
        "baseline": "base",
        "seeds": [0, 1],
        **dict.fromkeys(("pairs", "drawn_pairs", "neighbours"), 200),
        "min_dist": 0.1,
        "panels": [
            {"fit": fit[0], "normalised": fit[1], "seed": seed, "system": s, "trustworthiness": 0.9, "clumping": c}
            for fit, systems in clumping.items()
            for s, values in systems.items()
            for seed, c in enumerate(values)
        ],
        "overlaps": [
            {"fit": fit[0], "normalised": fit[1], "system": s, "seed_overlap": own, "model_overlap": shared}
            for fit in pictures.FITS
            for s, (own, shared) in overlaps.items()
        ],
        "table": [
            {
                "system": s,
                "length": [1.0 + i, 0.25],
                "alignment": 0.5 + i,
                "uniformity_queries": -3.0,
                "uniformity_positives": -3.0 + i,
                "effective_rank_queries": 90.0,
                "effective_rank_positives": 80.0,
            }
            for i, s in enumerate(overlaps)
        ],
    }
    return from_plain(Projection, plain, "by hand")


LESS = {"base": (0.80, 0.82), "full": (0.70, 0.72), "lora": (0.60, 0.62)}
MIXED = {"base": (0.80, 0.82), "full": (0.81, 0.79), "lora": (0.90, 0.92)}
APART = {"base": (0.6, 0.6), "full": (0.5, 0.3), "lora": (0.6, 0.2)}
SAME = {"base": (0.6, 0.6), "full": (0.5, 0.5), "lora": (0.4, 0.45)}


def every_fit(values: dict[str, tuple[float, float]]) -> dict[tuple[str, bool], dict[str, tuple[float, float]]]:
    return dict.fromkeys(pictures.FITS, values)


def test_a_look_is_told_apart_only_where_no_seed_of_one_reaches_the_other() -> None:
    exhibit = projection({**every_fit(LESS), pictures.JOINT: MIXED}, APART)
    assert umap.looks(exhibit, pictures.PAPER) == {"full": "less clumped", "lora": "less clumped"}
    assert umap.looks(exhibit, pictures.JOINT) == {"full": "not told apart", "lora": "more clumped"}


def test_pictures_that_differ_and_look_alike_under_every_fit_speak_against_the_doubt() -> None:
    evidence = umap.judge(projection(every_fit(LESS), APART), QUALITY, "RR@10")
    assert evidence.verdict == "not resolved"
    assert "the look of 0 of 2 changes" in evidence.sentence
    assert "2 of 2 differ from it by more than a seed" in evidence.sentence


@pytest.mark.parametrize("fit", [pictures.UNIT, pictures.JOINT])
def test_a_look_that_changes_with_the_fit_shows_the_doubt(fit: tuple[str, bool]) -> None:
    evidence = umap.judge(projection({**every_fit(LESS), fit: MIXED}, APART), QUALITY, "RR@10")
    assert evidence.verdict == "shown"
    assert "the look of 2 of 2 changes" in evidence.sentence


def test_models_no_further_apart_than_seeds_show_the_doubt() -> None:
    evidence = umap.judge(projection(every_fit(LESS), SAME), QUALITY, "RR@10")
    assert evidence.verdict == "shown"
    assert "0 of 2 differ from it by more than a seed" in evidence.sentence
    one = umap.judge(projection(every_fit(LESS), {**SAME, "lora": APART["lora"]}), QUALITY, "RR@10")
    assert one.verdict == "not resolved"


def test_the_table_has_one_row_per_system_and_the_correlations() -> None:
    table = umap.judge(projection(every_fit(LESS), APART), QUALITY, "RR@10").tables[0]
    assert [row[0] for row in table.rows] == [*SYSTEMS, "rank correlation, n = 3"]
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.columns[1] == "RR@10"
    full = dict(zip(table.columns, table.rows[1], strict=True))
    assert full["length"] == "2.00 ± 0.25"
    assert full["clumping, joint fit"] == "0.700 to 0.720"
    assert full["shared with the base's under another seed"] == "30\u202f%"
    rho = dict(zip(table.columns, table.rows[-1], strict=True))
    assert rho["alignment"] == "−1.00 (p 0.333)"
    assert rho["clumping, the paper's fit"] == "+1.00 (p 0.333)"
    assert rho["effective rank"] == "0.00 (p 1.000)"
    assert umap.judge(projection(every_fit(LESS), APART), {}, "RR@10").tables[0].rows[-1][3] == "–"


def test_five_systems_resolve_nothing_and_the_sentence_says_so() -> None:
    five = {f"s{i}": (0.5, 0.3) for i in range(4)} | {"base": (0.6, 0.6)}
    clumped = dict.fromkeys(five, (0.5, 0.52))
    evidence = umap.judge(projection(every_fit(clumped), five), {s: i / 9 for i, s in enumerate(five)}, "RR@10")
    assert "Over 5 systems no rank correlation with RR@10 resolves anything" in evidence.sentence
    assert "a perfect order has p 0.017, and 7 numbers were tried" in evidence.sentence


def test_rank_correlation_is_scipys_and_its_p_counts_every_order() -> None:
    rng = np.random.default_rng(0)
    for n in (4, 6, 12):
        a, b = rng.integers(0, 5, n).tolist(), rng.normal(size=n).tolist()
        rho, p = umap.spearman(a, b)
        assert rho == pytest.approx(stats.spearmanr(a, b).statistic)
        if n <= 8:
            exact = stats.permutation_test(
                (a,), lambda x, b=b: stats.spearmanr(x, b).statistic, permutation_type="pairings", n_resamples=np.inf
            )
            assert p == pytest.approx(exact.pvalue)
        else:
            assert p is None
    assert umap.spearman([1, 2, 3, 4, 5], [5, 6, 7, 9, 8]) == (pytest.approx(0.9), pytest.approx(10 / 120))
    assert umap.spearman([1, 1, 1], [1, 2, 3]) == (0.0, 1.0)
