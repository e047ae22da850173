"""Open questions about the printed tables, recomputed from the tables themselves (L8 to L13)."""

from __future__ import annotations

from itertools import combinations

from strop.evaluation.macro import Macro, Relative, over_collections, relative
from strop.evaluation.significance import ALPHA, significant
from strop.geometry.collections_apart import PUBLISHED_SIMILAR
from strop.records import formats
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
SETTINGS = {"asym_none": ("asym", "none"), "asym_hard": ("asym", "hard"), "sym_none": ("sym", "none"),
            "sym_hard": ("sym", "hard")}  # fmt: skip
#: "LoRA outperform FT by 1.6 to 4.6 absolute points (4.3% to 13.7% relative)", section 4.
PROSE = (4.3, 13.7)
#: "models trained with LoRA exhibit a lower reduction rate of 17.4% compared to ... (FT), which shows a 20.2%
#: reduction", section 7: from MS MARCO to NQ as training data.
REDUCTION = {"FT": 20.2, "LoRA": 17.4}


def whole_number_row(bench: object) -> Evidence:
    """L8. RoBERTa-large FT with and without negatives in table 6, beside every other pair of rows."""
    suspect, plain = (find(6, "FT", base="roberta-large", neg=neg) for neg in ("hard", "none"))
    gaps = {name: plain.cells[name] - suspect.cells[name] for name in suspect.cells}
    here, size = whole_differences(suspect, plain), len(gaps)
    others = [pair for pair in combinations(rows(), 2) if set(pair) != {suspect, plain}]
    repeated = sum(a.cells == b.cells for a, b in others)
    counts = [whole_differences(a, b) for a, b in others if a.cells != b.cells]
    table = Grid(
        "Table 6, RoBERTa-large FT",
        ("", *gaps),
        (
            ("without negatives", *(formats.fixed(plain.cells[n], 1) for n in gaps)),
            ("with negatives", *(formats.fixed(suspect.cells[n], 1) for n in gaps)),
            ("difference", *(formats.signed(-gap, 1) for gap in gaps.values())),
        ),
    )
    return Evidence(
        "shown" if here == size and max(counts) < size else "not shown",
        f"{here} of the {size} out-of-domain differences between RoBERTa-large FT with and without negatives are whole "
        f"numbers, {sum(gap == 0 for gap in gaps.values())} of them 0. Of {len(others):,} other pairs of rows "
        f"{repeated} is one row printed twice, and the other {len(counts):,} have at most {max(counts)} such "
        f"differences, {sum(counts) / len(counts):.1f} on average: chance would give a tenth of them. The row is "
        f"marked in the tables.",
        (table,),
    )


def size_gains(bench: object) -> Evidence:
    """L9. Table 7 against the gains over BERT-small that tables 6 and 11 give, under both denominators."""
    figures = printed("model_size_gain")
    gains = []
    for tuning in TUNINGS:
        small = find(11, tuning, base="bert-small")
        for size in SIZES:
            large = find(11, tuning, base=f"bert-{size}")
            pairs = {"ood": (large.average, small.average), "in": (large.in_domain, small.in_domain)}
            for domain, (new, old) in pairs.items():
                gains.append((f"{tuning} {size} {domain}", figures[tuning][f"{domain}_{size}"], relative(new, old)))
    odd = {name: gain for name, figure, gain in gains if not _fits(figure, gain.to_old)}
    small, large = (find(t, "FT", base=f"bert-{s}", neg="none") for t, s in ((11, "small"), (6, "large")))
    gain, lora = odd.get("FT large in"), {name: g for name, _, g in gains}["LoRA large in"]
    by_table_six = relative(large.in_domain, small.in_domain)
    figure = figures["FT"]["in_large"]
    table = Grid(
        "Gains over BERT-small, percent",
        ("cell", "printed", "over the small model", "over the larger one"),
        tuple((n, formats.fixed(f, 1), _percents(g, "old"), _percents(g, "new")) for n, f, g in gains),
    )  # fmt: skip
    return Evidence(
        "shown" if gain and _fits(figure, gain.to_new) and len(odd) == 1 else "not shown",
        f"{len(gains) - len(odd)} of table 7's {len(gains)} gains are over BERT-small's figure; FT-large in domain, "
        f"printed {figure} %, is over the large model's own. Over BERT-small's it is {_percents(gain, 'old')}, or "
        f"{_percents(by_table_six, 'old')} with table 6's figure, beside LoRA's {_percents(lora, 'old')}: that LoRA "
        f"gains more in domain does not follow.",
        (table,),
    )


def relative_differences(bench: object) -> Evidence:
    """L10. Tables 2 and 3, and the prose, under both definitions of a relative difference."""
    differences = [(name, figure, relative(new, old)) for name, figure, new, old in _tables_two_and_three()]
    new = [name for name, figure, r in differences if _fits(figure, r.to_new)]
    old = [name for name, figure, r in differences if _fits(figure, r.to_old)]
    neither = [(name, figure, r) for name, figure, r in differences if name not in {*new, *old}]
    gains = [relative(lora.average, ft.average) for lora, ft in map(_tuned, SETTINGS)]
    prose = sorted(100 * (g.to_old or 0.0) for g in gains)
    odd = "; ".join(
        f"{name}, printed {formats.signed(figure, 1)} %, is {_percents(r, 'new')} or {_percents(r, 'old')}"
        for name, figure, r in neither
    )
    table = Grid(
        "Relative differences of tables 2 and 3",
        ("cell", "printed", "over the new value", "over the old value"),
        tuple((n, formats.signed(f, 1), _percents(r, "new"), _percents(r, "old")) for n, f, r in differences),
    )
    return Evidence(
        "shown" if len(new) > len(old) and _fits(PROSE[0], prose[0] / 100) else "not shown",
        f"{len(new)} of the {len(differences)} figures of tables 2 and 3 divide by the new value, {len(old)} would fit "
        f"the old one, and {len(neither)} fit neither ({odd}). The prose divides by the old: {PROSE[0]} % to "
        f"{PROSE[1]} % is {prose[0]:.1f} % to {prose[-1]:.1f} % so.",
        (table,),
    )


def averages(bench: object) -> Evidence:
    """L11. Every printed average against its cells, and the cells that are flagged when the tables are loaded."""
    flagged = check_on_load()
    wrong = [suspect for suspect in flagged if suspect.cells == (AVERAGE,)]
    blank = find(15, "FT", base="bert-base", neg="none")
    total = len(rows())
    table = Grid(
        "Suspect figures",
        ("row", "tables", "cells", "why"),
        tuple((s.row.label, _tables(s.row), _cells(s.cells), s.why) for s in flagged),
    )
    return Evidence(
        "shown" if wrong else "not shown",
        f"{total - len(wrong)} of {total} printed averages are their cells' to one decimal; "
        + "; ".join(f"{s.row.label} (table {_tables(s.row)}): {s.why}" for s in wrong)
        + f". {len({s.row.label for s in flagged})} systems have a suspect figure and are marked so. Table 15 "
        f"leaves one in-domain cell blank that tables 12 to 14 print as {blank.in_domain}.",
        (table,),
    )


def wins(bench: object) -> Evidence:
    """L12. LoRA against FT over the 13 collections out of domain, each setting by itself."""
    pairs = {(lora, ft): over_collections(lora.cells, ft.cells) for lora, ft in tuning_pairs()}
    first = [(name, pairs[_tuned(name)]) for name in SETTINGS]
    resolved = [name for name, macro in first if _resolved(macro)]
    everywhere = sum(macro.won == macro.n for macro in pairs.values())
    table = Grid(
        "LoRA against FT, nDCG@10 × 100, collections out of domain",
        ("setting", "difference", "won", "tied", "lost", "t", "p of t", "p of signed ranks"),
        tuple(
            (
                " ".join(lora.setting), formats.signed(m.difference, 2), str(m.won), str(m.tied), str(m.lost),
                formats.fixed(m.t, 2), formats.p_value(m.t_p), formats.p_value(m.wilcoxon_p),
            )
            for (lora, _), m in pairs.items()
        ),
    )  # fmt: skip
    return Evidence(
        "shown" if len(resolved) < len(first) else "not shown",
        f"In table 1 LoRA beats FT on {_and([str(m.won) for _, m in first])} of {first[0][1].n} collections, with "
        f"t({first[0][1].n - 1}) = {_and([f'{m.t:.2f}' for _, m in first])}: {len(resolved)} of {len(first)} settings "
        f"are resolved at {ALPHA} ({', '.join(resolved)}). Of all {len(pairs)} printed pairs LoRA's average is above "
        f"in {sum(m.difference > 0 for m in pairs.values())}, resolved in {sum(map(_resolved, pairs.values()))}, and "
        f"it wins everywhere in {everywhere}. One training each: the tests know collections, not seeds.",
        (table,),
    )


def two_aggregations(bench: object) -> Evidence:
    """L13. The loss from MS MARCO to NQ as training data, and table 4, as ratio of means and as mean of ratios."""
    lost = {
        tuning: _between(find(12, tuning, arch="asym"), find(1, tuning, arch="asym", neg="none")) for tuning in TUNINGS
    }
    by_means, by_ratios = (
        {tuning: -100 * (getattr(m, kind).to_old or 0.0) for tuning, m in lost.items()}
        for kind in ("ratio_of_means", "mean_of_ratios")
    )
    table_four = _table_four()
    fits = {kind: sum(_within(f, getattr(m, kind).to_old) for _, f, m in table_four) for kind in _AGGREGATIONS}
    table = Grid(
        "Relative differences over the old value, percent",
        ("comparison", "printed", "ratio of means", "mean of ratios"),
        (
            *((f"MS MARCO to NQ, {t}", formats.signed(-REDUCTION[t], 1), *_both(lost[t])) for t in TUNINGS),
            *((f"table 4, {name}", formats.signed(figure, 1), *_both(m)) for name, figure, m in table_four),
        ),
    )
    return Evidence(
        "shown" if all(is_rounded(REDUCTION[t], by_means[t], 1) for t in TUNINGS) else "not shown",
        f"The printed reductions of {REDUCTION['FT']} % (FT) and {REDUCTION['LoRA']} % (LoRA), said to be averaged "
        f"rates, are ratios of means ({by_means['FT']:.1f} and {by_means['LoRA']:.1f}); the averaged rates are "
        f"{by_ratios['FT']:.1f} and {by_ratios['LoRA']:.1f}. Table 4 does average rates, over the old value: "
        f"{fits['mean_of_ratios']} of its {len(table_four)} figures come out to 0.1 so, {fits['ratio_of_means']} as "
        f"ratios of means.",
        (table,),
    )


_AGGREGATIONS = ("ratio_of_means", "mean_of_ratios")


def _tuned(setting: str) -> tuple[Row, Row]:
    """(LoRA, FT) of one setting of table 1."""
    arch, neg = SETTINGS[setting]
    return find(1, "LoRA", arch=arch, neg=neg), find(1, "FT", arch=arch, neg=neg)


def _tables_two_and_three() -> list[tuple[str, float, float, float]]:
    """(cell, printed percent, new value, old value)."""
    compared = [(f"table 2 {name}", figures, *_tuned(name)) for name, figures in printed("rel_lora_vs_ft").items()]
    for name, figures in printed("rel_hard_negatives").items():
        compared.append((f"table 3 {name}", figures, *_negatives(name)))
    return [
        cell
        for name, figures, new, old in compared
        for cell in (
            (f"{name} out of domain", figures["ood_rel_pct"], new.average, old.average),
            (f"{name} in domain", figures["in_rel_pct"], new.in_domain, old.in_domain),
        )
    ]


def _negatives(name: str) -> tuple[Row, Row]:
    """(hard, none) of one architecture and tuning of table 1, as `sym_LoRA`."""
    arch, tuning = name.split("_")
    return find(1, tuning, arch=arch, neg="hard"), find(1, tuning, arch=arch, neg="none")


def _table_four() -> list[tuple[str, float, Macro]]:
    """(cell, printed percent, comparison)."""
    cells = []
    for group, figures in printed("similar_vs_different").items():
        for column, percent in figures.items():
            new, old = _negatives(column)
            names = [name for name in new.cells if (name in PUBLISHED_SIMILAR) == (group == "similar")]
            cells.append((f"{group} {column}", percent, _between(new, old, names)))
    return cells


def _between(new: Row, old: Row, names: list[str] | tuple[str, ...] = COLLECTIONS) -> Macro:
    return over_collections({n: new.cells[n] for n in names}, {n: old.cells[n] for n in names})


def _fits(figure: float, share: float | None) -> bool:
    """Whether a printed percentage can be that share."""
    return share is not None and is_rounded(figure, 100 * share, 1)


def _within(figure: float, share: float | None) -> bool:
    """Whether a printed percentage is that share to 0.1: cells have one decimal, too few for their ratios'."""
    return share is not None and abs(figure - 100 * share) <= 0.1 + 1e-9


def _resolved(macro: Macro) -> bool:
    return macro.t_p is not None and significant(macro.t_p) and macro.difference > 0


def _percents(difference: Relative | None, over: str) -> str:
    return formats.signed_percent(getattr(difference, f"to_{over}") if difference else None)


def _both(macro: Macro) -> tuple[str, str]:
    return _percents(macro.ratio_of_means, "old"), _percents(macro.mean_of_ratios, "old")


def _and(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _tables(row: Row) -> str:
    return ", ".join(map(str, row.tables))


def _cells(cells: tuple[str, ...]) -> str:
    names = {AVERAGE: "average", IN_DOMAIN: "in domain"}
    return ", ".join(names.get(cell, cell) for cell in cells)
