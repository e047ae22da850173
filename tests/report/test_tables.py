from __future__ import annotations

from dataclasses import replace

from strop.records.exhibits.negatives import NegativesAbout
from strop.records.record import Record, SystemAbout, TrainingAbout
from strop.report.perquery import rank_text
from strop.report.settings import presets_table, rates_table, values_tables
from strop.report.tables import Histogram, Table, blocks, negatives_table

TRAINING = TrainingAbout({}, updates=1, sum_learning_rates=2e-5, learning_rate=2e-5, wall_seconds=1.0)


def test_scalars_become_facts_and_small_mappings_share_a_cell() -> None:
    (found,) = blocks({"train_queries": 1209, "positives": {"min": 1, "max": 3}, "cut_share": 0.25}, "At a glance")
    assert isinstance(found, Table)
    assert found.caption == "At a glance"
    assert found.rows == (("Train queries", "1,209"), ("Positives", "min: 1, max: 3"), ("Cut share", "25.0\u202f%"))


def test_like_mappings_become_one_grid_and_their_histograms_follow() -> None:
    lengths = {
        "limit": 256,
        "documents": {"median": 61.0, "max": 300, "share": 0.5, "histogram": {"edges": [0, 5, 10], "counts": [4, 2]}},
        "queries": {"median": 12.0, "max": 40, "share": 0.0, "histogram": {"edges": [0, 1, 2], "counts": [1, 3]}},
    }
    grid, documents, queries = blocks({"lengths": lengths}, "top")
    assert isinstance(grid, Table)
    assert grid.caption == "Lengths (limit 256)"
    assert grid.columns == ("", "documents", "queries")
    assert grid.rows == (("Median", "61", "12"), ("Max", "300", "40"), ("Share", "50.0\u202f%", "0.0\u202f%"))
    assert documents == Histogram("Lengths: documents", ((0.0, 5.0, 4.0), (5.0, 10.0, 2.0)))
    assert queries == Histogram("Lengths: queries", ((0.0, 1.0, 1.0), (1.0, 2.0, 3.0)))


def test_a_single_part_is_captioned_by_its_whole_path() -> None:
    (found,) = blocks({"overlap": {"test": {"a": 1, "b": 2, "c": 3, "d": 4}}}, "top")
    assert isinstance(found, Table)
    assert found.caption == "Overlap: test"


def test_a_list_of_bins_is_a_histogram_and_other_lists_are_rows() -> None:
    first, second = blocks({"rank_histogram": [[1, 10, 5], [11, 20, 6]], "pairs": [["a", "b"], ["c", "d"]]}, "top")
    assert first == Histogram("Rank", ((1.0, 10.0, 5.0), (11.0, 20.0, 6.0)))
    assert isinstance(second, Table)
    assert second.rows == (("1", "a, b"), ("2", "c, d"))


def test_a_policy_without_a_figure_shows_a_dash() -> None:
    uniform = NegativesAbout(4, 2, {"uniform": 4}, (), 0.5, (0.4, 0.6), 0.25)
    found = negatives_table({"mined": replace(uniform, count=3, active_share=1.0, reading="hard"), "uniform": uniform})
    assert found is not None
    names = ("Policy", "Count", "Queries", "Sources", "Rank histogram", "Mean similarity gap", "Gap interval")
    assert found.columns == (*names, "Above positive", "Active share")
    assert [(row[0], row[1], row[-1]) for row in found.rows] == [("mined", "3", "100.0\u202f%"), ("uniform", "4", "–")]


def test_what_the_paper_leaves_open_is_not_stated() -> None:
    found = presets_table(
        Record("s", presets={"margin": {"as_written": None, "as_coded": 5.0}, "batch": {"corrected": 1024}})
    )
    assert found is not None
    assert found.rows == (
        ("Margin", "not stated", "5", "not stated"),
        ("Batch", "not stated", "not stated", "1,024"),
    )


def test_training_values_are_split_into_shared_and_differing_ones() -> None:
    trained = {s: replace(TRAINING, values={"batch": 32, "margin": m}) for s, m in (("a", 5.0), ("b", 1.0))}
    same, other = values_tables(Record("s", trained={"as_coded": trained}, systems={"a": SystemAbout("A")}))
    assert same.rows == (("batch", "32"),)
    assert (other.columns, other.rows) == (("System", "margin"), (("A", "5"), ("b", "1")))
    assert other.systems == ("a", "b")


def test_each_rate_that_was_tried_has_a_row_and_shared_trials_are_told_once() -> None:
    grid = {"2e-05": 0.41, "6e-05": 0.43}
    trained = {s: replace(TRAINING, learning_rate=6e-5, rates=grid) for s in ("a", "b")}
    trained |= {"c": TRAINING, "d": replace(TRAINING, rates={"2e-05": 0.5, "6e-05": 0.4})}
    found = rates_table(Record("s", trained={"corrected": trained}))
    assert found is not None
    assert [(r[0], r[2], r[3], r[4]) for r in found.rows] == [
        ("a · b", "2\u202f×\u202f10⁻⁵", "0.4100", ""),
        ("a · b", "6\u202f×\u202f10⁻⁵", "0.4300", "chosen"),
        ("d", "2\u202f×\u202f10⁻⁵", "0.5000", "chosen"),
        ("d", "6\u202f×\u202f10⁻⁵", "0.4000", ""),
    ]


def test_ranks_read_over_seeds() -> None:
    assert [rank_text(r) for r in (3, None, [1, 2, None], [4, 4], ())] == [
        "3",
        "not found",
        "1, 2, not found",
        "4",
        "–",
    ]
