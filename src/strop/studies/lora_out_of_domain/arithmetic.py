"""Open questions about the printed tables, recomputed from the tables themselves (L8 to L13)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, product

from strop.evaluation.macro import Macro, Relative, over_collections, relative
from strop.evaluation.significance import ALPHA, significant
from strop.geometry.collections_apart import PUBLISHED_SIMILAR
from strop.records import formats
from strop.records.formats import plain, signed_percent
from strop.studies.figures import is_rounded
from strop.studies.lora_out_of_domain.published import (
    AVERAGE,
    COLLECTIONS,
    IN_DOMAIN,
    Row,
    check_on_load,
    find,
    printed,
    rows,
    tuning_pairs,
    whole_differences,
)
from strop.study.open_questions import Evidence, Grid

TUNINGS = ("FT", "LoRA")
SIZES = ("medium", "base", "large")
#: Settings of tables 1 to 4 by their names in the printed tables: architecture and negatives.
SETTINGS = ("asym_none", "asym_hard", "sym_none", "sym_hard")
#: "LoRA outperform FT by 1.6 to 4.6 absolute points (4.3% to 13.7% relative)", section 4.
PROSE = (4.3, 13.7)
#: "models trained with LoRA exhibit a lower reduction rate of 17.4% compared to ... (FT), which shows a 20.2%
#: reduction", section 7: from MS MARCO to NQ as training data.
REDUCTION = {"FT": 20.2, "LoRA": 17.4}
_AGGREGATIONS = ("ratio_of_means", "mean_of_ratios")


def whole_number_row(bench: object) -> Evidence:
    """All 13 figures of one system differ from another's by whole numbers, as no other pair's do: they cannot have been
    measured independently."""
    suspect, plain = (find(6, "FT", base="roberta-large", neg=neg) for neg in ("hard", "none"))
    gaps = {name: suspect.cells[name] - cell for name, cell in plain.cells.items()}
    whole, size = whole_differences(suspect, plain), len(gaps)
    others = [pair for pair in combinations(rows(), 2) if set(pair) != {suspect, plain}]
    repeated = sum(a.cells == b.cells for a, b in others)
    counts = [whole_differences(a, b) for a, b in others if a.cells != b.cells]
    return Evidence.shown_if(
        whole == size and max(counts) < size,
        f"{whole} of the {size} out-of-domain differences between RoBERTa-large FT with and without negatives are "
        f"whole numbers, {sum(gap == 0 for gap in gaps.values())} of them 0. Of {len(others):,} other pairs of rows "
        f"{repeated} is one row printed twice, and the other {len(counts):,} have at most {max(counts)} such "
        f"differences, {sum(counts) / len(counts):.1f} on average: chance would give a tenth of them. The row is "
        f"marked in the tables.",
        Grid.of(
            "Table 6, RoBERTa-large FT",
            ("", *gaps),
            (
                ("without negatives", *plain.cells.values()),
                ("with negatives", *suspect.cells.values()),
                ("difference", *(formats.signed(gap, 1) for gap in gaps.values())),
            ),
            decimals=1,
        ),
    )


def size_gains(bench: object) -> Evidence:
    """The in-domain gain of the large model under full tuning is divided by the wrong figure; with the right one LoRA
    gains no more."""
    figures = printed("model_size_gain")
    gains = {}
    for tuning, size in product(TUNINGS, SIZES):
        small, large = (find(11, tuning, base=f"bert-{name}") for name in ("small", size))
        gains[f"{tuning} {size} ood"] = (figures[tuning][f"ood_{size}"], relative(large.average, small.average))
        gains[f"{tuning} {size} in"] = (figures[tuning][f"in_{size}"], relative(large.in_domain, small.in_domain))
    odd = [name for name, (figure, gain) in gains.items() if not _fits(figure, gain.to_old)]
    figure, gain = gains["FT large in"]
    small, large = (find(t, "FT", base=f"bert-{s}", neg="none") for t, s in ((11, "small"), (6, "large")))
    by_table_six = relative(large.in_domain, small.in_domain)
    return Evidence.shown_if(
        odd == ["FT large in"] and _fits(figure, gain.to_new),
        f"{len(gains) - len(odd)} of table 7's {len(gains)} gains are over BERT-small's figure; FT-large in domain, "
        f"printed {figure} %, is over the large model's own. Over BERT-small's it is {signed_percent(gain.to_old)}, or "
        f"{signed_percent(by_table_six.to_old)} with table 6's figure, beside LoRA's "
        f"{signed_percent(gains['LoRA large in'][1].to_old)}: that LoRA gains more in domain does not follow.",
        Grid.of(
            "Gains over BERT-small, percent",
            ("cell", "printed", "over the small model", "over the larger one"),
            ((n, f, signed_percent(gain.to_old), signed_percent(gain.to_new)) for n, (f, gain) in gains.items()),
            decimals=1,
        ),
    )


def relative_differences(bench: object) -> Evidence:
    """Relative differences are divided by the new value in the tables and by the old one in the text."""
    cells = _tables_two_and_three()
    new, old = (sum(_fits(f, getattr(r, over)) for _, f, r in cells) for over in ("to_new", "to_old"))
    neither = [cell for cell in cells if not _fits(cell[1], cell[2].to_new) and not _fits(cell[1], cell[2].to_old)]
    gains = [relative(lora.average, ft.average) for lora, ft in map(_tuned, SETTINGS)]
    prose = sorted(100 * (gain.to_old or 0.0) for gain in gains)
    odd = "; ".join(
        f"{name}, printed {formats.signed(figure, 1)} %, is {signed_percent(r.to_new)} or {signed_percent(r.to_old)}"
        for name, figure, r in neither
    )
    return Evidence.shown_if(
        new > old and _fits(PROSE[0], prose[0] / 100),
        f"{new} of the {len(cells)} figures of tables 2 and 3 divide by the new value, {old} would fit "
        f"the old one, and {len(neither)} fit neither ({odd}). The prose divides by the old: {PROSE[0]} % to "
        f"{PROSE[1]} % is {prose[0]:.1f} % to {prose[-1]:.1f} % so.",
        Grid.of(
            "Relative differences of tables 2 and 3",
            ("cell", "printed", "over the new value", "over the old value"),
            ((n, formats.signed(f, 1), signed_percent(r.to_new), signed_percent(r.to_old)) for n, f, r in cells),
        ),
    )


def averages(bench: object) -> Evidence:
    """Two printed averages are not those of their rows."""
    flagged = check_on_load()
    wrong = [suspect for suspect in flagged if suspect.cells == (AVERAGE,)]
    blank = find(15, "FT", base="bert-base", neg="none")
    names = {AVERAGE: "average", IN_DOMAIN: "in domain"}
    return Evidence.shown_if(
        bool(wrong),
        f"{len(rows()) - len(wrong)} of {len(rows())} printed averages are their cells' to one decimal; "
        + "; ".join(f"{s.row.label} (table {plain(s.row.tables)}): {s.why}" for s in wrong)
        + f". {len({s.row.label for s in flagged})} systems have a suspect figure and are marked so. Table 15 "
        f"leaves one in-domain cell blank that tables 12 to 14 print as {blank.in_domain}.",
        Grid.of(
            "Suspect figures",
            ("row", "tables", "cells", "why"),
            ((s.row.label, plain(s.row.tables), plain([names.get(c, c) for c in s.cells]), s.why) for s in flagged),
        ),
    )


def wins(bench: object) -> Evidence:
    """That LoRA is better out of domain is an average over collections on which it also loses; no test is given."""
    pairs = {(lora, ft): over_collections(lora.cells, ft.cells) for lora, ft in tuning_pairs()}
    first = {name: pairs[_tuned(name)] for name in SETTINGS}
    n = next(iter(first.values())).n
    resolved = [name for name, macro in first.items() if _resolved(macro)]
    return Evidence.shown_if(
        len(resolved) < len(first),
        f"In table 1 LoRA beats FT on {_and(str(m.won) for m in first.values())} of {n} collections, with "
        f"t({n - 1}) = {_and(f'{m.t:.2f}' for m in first.values())}: {len(resolved)} of {len(first)} settings "
        f"are resolved at {ALPHA} ({', '.join(resolved)}). Of all {len(pairs)} printed pairs LoRA's average is above "
        f"in {sum(m.difference > 0 for m in pairs.values())}, resolved in {sum(map(_resolved, pairs.values()))}, and "
        f"it wins everywhere in {sum(m.won == m.n for m in pairs.values())}. One training each: the tests know "
        f"collections, not seeds.",
        Grid.of(
            "LoRA against FT, nDCG@10 × 100, collections out of domain",
            ("setting", "difference", "won", "tied", "lost", "t", "p of t", "p of signed ranks"),
            (
                (
                    " ".join(lora.setting), formats.signed(m.difference, 2), m.won, m.tied, m.lost, m.t,
                    formats.p_value(m.t_p), formats.p_value(m.wilcoxon_p),
                )
                for (lora, _), m in pairs.items()
            ),
            decimals=2,
        ),
    )  # fmt: skip


def two_aggregations(bench: object) -> Evidence:
    """The loss from NQ as training data is printed as an average of ratios, but is a ratio of averages, which is
    larger."""
    lost = {
        tuning: _between(find(12, tuning, arch="asym"), find(1, tuning, arch="asym", neg="none")) for tuning in TUNINGS
    }
    means, ratios = (
        {tuning: -100 * (getattr(macro, kind).to_old or 0.0) for tuning, macro in lost.items()}
        for kind in _AGGREGATIONS
    )
    table_four = _table_four()
    by_means, by_ratios = (
        sum(_within(figure, getattr(macro, kind).to_old) for _, figure, macro in table_four) for kind in _AGGREGATIONS
    )
    compared = [(f"MS MARCO to NQ, {tuning}", -REDUCTION[tuning], lost[tuning]) for tuning in TUNINGS]
    compared += [(f"table 4, {name}", figure, macro) for name, figure, macro in table_four]
    return Evidence.shown_if(
        all(is_rounded(REDUCTION[t], means[t], 1) for t in TUNINGS),
        f"The printed reductions of {REDUCTION['FT']} % (FT) and {REDUCTION['LoRA']} % (LoRA), said to be averaged "
        f"rates, are ratios of means ({means['FT']:.1f} and {means['LoRA']:.1f}); the averaged rates are "
        f"{ratios['FT']:.1f} and {ratios['LoRA']:.1f}. Table 4 does average rates, over the old value: "
        f"{by_ratios} of its {len(table_four)} figures come out to 0.1 so, {by_means} as ratios of means.",
        Grid.of(
            "Relative differences over the old value, percent",
            ("comparison", "printed", "ratio of means", "mean of ratios"),
            (
                (
                    name,
                    formats.signed(figure, 1),
                    *(signed_percent(getattr(macro, kind).to_old) for kind in _AGGREGATIONS),
                )
                for name, figure, macro in compared
            ),
        ),
    )


def _tuned(setting: str) -> tuple[Row, Row]:
    """(LoRA, FT) of one setting of table 1."""
    arch, neg = setting.split("_")
    return find(1, "LoRA", arch=arch, neg=neg), find(1, "FT", arch=arch, neg=neg)


def _negatives(name: str) -> tuple[Row, Row]:
    """(hard, none) of one architecture and tuning of table 1, as `sym_LoRA`."""
    arch, tuning = name.split("_")
    return find(1, tuning, arch=arch, neg="hard"), find(1, tuning, arch=arch, neg="none")


def _tables_two_and_three() -> list[tuple[str, float, Relative]]:
    """(cell, printed percent, relative difference)."""
    cells = []
    for number, table, of in ((2, "rel_lora_vs_ft", _tuned), (3, "rel_hard_negatives", _negatives)):
        for name, figures in printed(table).items():
            new, old = of(name)
            out_of_domain, in_domain = relative(new.average, old.average), relative(new.in_domain, old.in_domain)
            cells.append((f"table {number} {name} out of domain", figures["ood_rel_pct"], out_of_domain))
            cells.append((f"table {number} {name} in domain", figures["in_rel_pct"], in_domain))
    return cells


def _table_four() -> list[tuple[str, float, Macro]]:
    """(cell, printed percent, comparison)."""
    cells = []
    for group, figures in printed("similar_vs_different").items():
        for column, percent in figures.items():
            new, old = _negatives(column)
            names = [name for name in new.cells if (name in PUBLISHED_SIMILAR) == (group == "similar")]
            cells.append((f"{group} {column}", percent, _between(new, old, names)))
    return cells


def _between(new: Row, old: Row, names: Sequence[str] = COLLECTIONS) -> Macro:
    return over_collections({n: new.cells[n] for n in names}, {n: old.cells[n] for n in names})


def _fits(figure: float, share: float | None) -> bool:
    """Whether a printed percentage can be that share."""
    return share is not None and is_rounded(figure, 100 * share, 1)


def _within(figure: float, share: float | None) -> bool:
    """Whether a printed percentage is that share to 0.1: cells have one decimal, too few for their ratios'."""
    return share is not None and abs(figure - 100 * share) <= 0.1 + 1e-9


def _resolved(macro: Macro) -> bool:
    return macro.t_p is not None and significant(macro.t_p) and macro.difference > 0


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}"
