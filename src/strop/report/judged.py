"""Claims as judged: what the paper says and its figure, and in each preset ours, the word, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from strop.records import formats
from strop.records.record import Record
from strop.records.results import Results
from strop.report.verdict import tone


@dataclass(frozen=True, slots=True)
class Ruling:
    """The word on a claim in the `presets` that agree in everything, and the evidence for it."""

    presets: tuple[str, ...]
    ours: str
    word: str
    tone: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim. `note` holds the rule and whatever else there is to say, `rerun` the command that shows it again."""

    id: str
    statement: str
    kind: str
    source: str
    theirs: str
    note: str
    rerun: str
    rulings: tuple[Ruling, ...]


def judged(results: Results[Record]) -> tuple[Judged, ...]:
    """claims.json, an item being `claims.Verdict.as_json()` and its `preset`; it may carry `note` and `rerun` besides.

    Where an item has no `rerun`, the command of the whole study is the way to run it again.
    """
    by_claim: dict[str, Judged] = {}
    for item in results.claims:
        claim = str(item["claim"]["id"])
        known = by_claim.get(claim) or _claim(item, results.record.command)
        by_claim[claim] = replace(known, rulings=_with(known.rulings, _ruling(item)))
    return tuple(by_claim.values())


def _with(rulings: tuple[Ruling, ...], ruling: Ruling) -> tuple[Ruling, ...]:
    for i, known in enumerate(rulings):
        if replace(known, presets=ruling.presets) == ruling:
            joined = replace(known, presets=(*known.presets, *ruling.presets))
            return (*rulings[:i], joined, *rulings[i + 1 :])
    return (*rulings, ruling)


def _claim(item: Mapping[str, Any], command: str) -> Judged:
    claim: Mapping[str, Any] = item["claim"]
    theirs = formats.plain(claim.get("published"))
    notes = [str(item["note"])] if item.get("note") else []
    if claim["kind"] == "effect":
        theirs = _beside(claim.get("published"), claim.get("published_against"))
        notes = [_rule(claim), *notes]
    return Judged(
        id=str(claim["id"]),
        statement=str(claim["statement"]),
        kind=str(claim["kind"]),
        source=", ".join(str(claim[k]) for k in ("paper", "table") if claim.get(k)),
        theirs=theirs,
        note=" ".join(notes),
        rerun=str(item.get("rerun") or command),
        rulings=(),
    )


def _ruling(item: Mapping[str, Any]) -> Ruling:
    claim: Mapping[str, Any] = item["claim"]
    comparison = item.get("comparison") or {}
    ours, word = formats.plain(item.get("ours")), str(item["word"])
    if claim["kind"] == "effect":
        ours = _beside(item.get("ours"), comparison.get("mean_b"))
    presets = (str(item["preset"]),) if item.get("preset") else ()
    return Ruling(presets, ours, word, tone(word), " ".join(_evidence(item, comparison)))


def _beside(value: float | None, against: float | None) -> str:
    """A value and its relative change: `0.205 (−32.3 %)`."""
    if value is None:
        return formats.DASH
    change = f" ({formats.signed_percent(value / against - 1)})" if against else ""
    return f"{formats.fixed(value)}{change}"


def _rule(claim: Mapping[str, Any]) -> str:
    where = {"above": "above", "below": "below", "equal": "equal to"}[claim["rule"]]
    margin = f" (tolerance {formats.plain(claim['tolerance'])})" if claim.get("tolerance") else ""
    return f"{claim['system']} {where} {claim['against']} in {claim['measure']} on {claim['collection']}{margin}."


def _evidence(item: Mapping[str, Any], comparison: Mapping[str, Any]) -> list[str]:
    if not comparison:
        return []
    difference = formats.signed(comparison["difference"])
    out = [
        f"Difference {difference} {formats.interval(comparison['low'], comparison['high'], signs=True)}, "
        f"p {formats.p_value(comparison['p'])}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{formats.count(comparison['n'])}."
    ]
    if item["word"] == "not resolved" and item.get("detectable"):
        null = f"The minimum detectable difference is {formats.fixed(item['detectable'])}"
        if item.get("queries_needed"):
            null += f"; a difference as small as ours would need {formats.count(item['queries_needed'])} queries"
        if item.get("queries_needed_published"):
            null += f"; one as large as the paper's would need {formats.count(item['queries_needed_published'])}"
        out.append(null + ".")
    return out
