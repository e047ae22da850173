"""A SYNTHETIC exhibit of one training collection and many test collections: every number is drawn, none measured."""

from __future__ import annotations

import random
from dataclasses import asdict

from strop.evaluation.macro import over_collections
from strop.records.exhibits.transfer import (
    EvaluatedCollection,
    Likeness,
    MacroInterval,
    OnCollection,
    OverCollections,
    RelativeDifference,
    Similarity,
    SystemMeans,
    Transfer,
    TransferComparison,
)
from strop.records.record import Record, SystemAbout

OWN = "docstrings"
#: name -> (queries, documents, what the base saw, distance, draws together, what the base reaches)
COLLECTIONS: dict[str, tuple[int, int, str, float, int, float]] = {
    OWN: (150, 2500, "code search, in part", 0.0, 0, 0.71),
    "scifact": (150, 1000, "", 0.21, 0, 0.66),
    "fiqa": (150, 1000, "questions of the same site", 0.12, 2, 0.52),
    "trec-covid/v2": (50, 1000, "", 0.25, 0, 0.48),
    "arguana": (150, 1000, "", 0.17, 4, 0.45),
    "cqadupstack/programmers": (150, 1000, "duplicate questions", 0.05, 5, 0.57),
}
OTHERS = [name for name in COLLECTIONS if name != OWN]
_TUNINGS, _SHAPES, _KINDS = ("LoRA", "full"), ("symmetric", "asymmetric", "late interaction"), ("in-batch only", "hard")
_STARTS = dict(zip(_SHAPES, ("base", "start_asymmetric", "start_late"), strict=True))
#: What is gained: in domain, out of domain.
_GAINS = {"LoRA": (0.03, 0.006), "full": (0.045, -0.022)}


def name_of(tuning: str, shape: str, kind: str) -> str:
    return f"{tuning}_{shape}_{kind}".lower().replace(" ", "_").replace("-", "_")


TUNED = {name_of(t, s, k): (t, s, k) for k in _KINDS for s in _SHAPES for t in _TUNINGS}
LABELS = {
    "bm25": "BM25",
    **{start: f"base, {shape}" for shape, start in _STARTS.items()},
    **{name: ", ".join(parts) for name, parts in TUNED.items()},
}


def record() -> Record:
    return Record(study="transfer", systems={name: SystemAbout(label) for name, label in LABELS.items()})


def exhibit(presets: tuple[str, ...] = ("corrected", "as_coded")) -> Transfer:
    """The first preset with three seeds, others with one, of in-batch training alone."""
    systems: list[SystemMeans] = []
    compared: list[TransferComparison] = []
    for i, preset in enumerate(presets):
        run = {n: t for n, t in TUNED.items() if i == 0 or t[2] == _KINDS[0]}
        means = _means(preset, run)
        systems += [
            SystemMeans(preset, n, LABELS[n], seeds=3 if n in run and i == 0 else 1, means=of)
            for n, of in means.items()
        ]
        pairs = [("tuned", n, _STARTS[shape]) for n, (_, shape, _) in run.items()]
        pairs += [("claim", n, name_of("full", s, k)) for n, (t, s, k) in run.items() if t == "LoRA"]
        pairs += [
            ("claim", n, name_of(t, s, "hard"))
            for n, (t, s, k) in run.items()
            if k != "hard" and name_of(t, s, "hard") in run
        ]
        compared += [comparison(preset, kind, a, b, means[a], means[b]) for kind, a, b in pairs]
    return Transfer(
        trained_on=OWN,
        measure="nDCG@10",
        collections=tuple(EvaluatedCollection(n, q, d, n == OWN, seen) for n, (q, d, seen, *_) in COLLECTIONS.items()),
        similarity=Similarity(
            OWN,
            5,
            tuple(
                Likeness(
                    name=n,
                    distance=COLLECTIONS[n][3],
                    sd=0.01,
                    together=COLLECTIONS[n][4],
                    group="similar" if COLLECTIONS[n][4] > 3 else "different",
                )
                for n in sorted(OTHERS, key=lambda n: COLLECTIONS[n][3])
            ),
        ),
        systems=tuple(systems),
        comparisons=tuple(compared),
    )


def comparison(
    preset: str, kind: str, a: str, b: str, of_a: dict[str, float], of_b: dict[str, float], error: float = 0.006
) -> TransferComparison:
    """Of two systems' means; intervals are of an assumed standard error, twice as wide on each collection alone."""
    each = {n: _on_collection(of_a[n], of_b[n], 2 * error, COLLECTIONS[n][0]) for n in COLLECTIONS if n in of_a}
    own = each.pop(OWN)
    macro = over_collections({n: of_a[n] for n in each}, {n: of_b[n] for n in each})
    d = macro.difference

    def interval(error: float, detectable: float | None = None) -> MacroInterval:
        return MacroInterval(d - 1.96 * error, d + 1.96 * error, error, detectable)

    averages = asdict(macro) | {
        name: RelativeDifference(**asdict(getattr(macro, name))) for name in ("ratio_of_means", "mean_of_ratios")
    }
    over = OverCollections(
        **averages,
        p=0.0001 if abs(d) > 2.6 * error else 0.4,
        fixed=interval(error, 2.8 * error),
        general=interval(3 * error) if len(each) > 1 else None,
    )
    return TransferComparison(preset, kind, a, b, own, over, dict(sorted(each.items())))


def _on_collection(a: float, b: float, error: float, n: int) -> OnCollection:
    p = 0.0002 if abs(a - b) > 2.6 * error else 0.3
    return OnCollection(a, b, a - b, a - b - 1.96 * error, a - b + 1.96 * error, p, n)


def _means(preset: str, run: dict[str, tuple[str, str, str]]) -> dict[str, dict[str, float]]:
    draw = random.Random(f"transfer {preset}")
    start = {n: c[-1] for n, c in COLLECTIONS.items()}
    lower = dict(zip(_SHAPES, (0.0, -0.18, -0.05), strict=True))
    out = {"bm25": {n: v - 0.06 + draw.gauss(0, 0.04) for n, v in start.items()}}
    out |= {_STARTS[s]: {n: v + lower[s] for n, v in start.items()} for s in _SHAPES}
    for name, (tuning, shape, kind) in run.items():
        home, away = _GAINS[tuning]
        shift = -0.02 if kind == "hard" else 0.0
        regained = 0.8 * -lower[shape]
        out[name] = {
            n: v + regained + (home if n == OWN else away) + shift + draw.gauss(0, 0.014)
            for n, v in out[_STARTS[shape]].items()
        }
    return out
