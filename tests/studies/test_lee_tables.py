"""Lee et al.'s printed tables as values: loaded whole, found by their settings, and flagged where they don't add up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strop.studies.lora_out_of_domain import published
from strop.studies.lora_out_of_domain.published import Row, check_on_load, find, rows, tuning_pairs

from .demonstrations import as_if

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def as_printed() -> Iterator[None]:
    yield
    check_on_load.cache_clear()


def test_the_tables_are_part_of_the_package() -> None:
    assert len(list((ROOT / "src/strop/studies/lora_out_of_domain/published").glob("lee_*.csv"))) == 5
    assert "studies/*/published/*.csv" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_tables_load_as_51_rows_of_13_collections() -> None:
    assert len(rows()) == 51
    for row in rows():
        assert len(row.cells) == 13
        assert published.OTHER[row.train] in row.cells
        assert row.train not in row.cells
        assert all(0 < value < 100 for value in (*row.cells.values(), row.average, row.in_domain))
    first = rows()[0]
    assert (first.tables, first.setting) == ((1, 2, 3, 5, 11), ("MS", "asym", "bert-base", "none", "B"))
    assert (first.cells["FI"], first.cells["NQ"], first.average, first.in_domain) == (18.6, 35.7, 37.4, 31.1)


def test_a_row_is_found_by_its_table_and_an_ambiguous_question_is_refused() -> None:
    assert find(11, "FT", base="bert-large").in_domain == 32.7
    assert find(6, "FT", base="bert-large", neg="none").in_domain == 32.9
    with pytest.raises(ValueError, match="2 rows of table 6"):
        find(6, "FT", base="bert-large")
    with pytest.raises(ValueError, match="0 rows of table 8"):
        find(8, "FT", base="bert-large")


def test_each_lora_row_is_paired_with_the_ft_row_of_its_setting() -> None:
    pairs = tuning_pairs()
    assert len(pairs) == 23
    assert all(a.setting == b.setting and (a.tuning, b.tuning) == ("LoRA", "FT") for a, b in pairs)


def test_suspect_figures_are_flagged_on_loading_and_their_rows_marked() -> None:
    flagged = {(s.row.label, s.cells[-1]) for s in check_on_load()}
    assert flagged == {
        ("MS asym bert-large none B FT", "in_domain"),
        ("MS asym roberta-large hard B FT", "ood_avg"),
        ("NQ sym bert-base none B LoRA", "ood_avg"),
        ("NQ asym bert-large dpr B FT", "ood_avg"),
    }
    marked = [label for table in published.tables().values() for label in table if label.endswith("(suspect)")]
    assert {label.removesuffix(" (suspect)") for label in marked} == {label for label, _ in flagged}


def test_a_changed_figure_is_flagged_and_a_mended_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def change(row: Row) -> Row:
        if row.tables == (16,) and row.tuning == "FT":
            return replace(row, average=row.average + 1)
        return replace(row, average=round(row.recomputed, 1)) if row.train == "NQ" else row

    as_if(monkeypatch, (published,), change)
    check_on_load.cache_clear()
    assert [s.row.label for s in check_on_load() if s.cells == ("ood_avg",)] == ["NQ colbert bert-base dpr B FT"]
