"""Claims as judged: what the paper says and its figure, and in each preset ours, the word, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.records import formats
from strop.records.record import Record
from strop.records.results import Results


@dataclass(frozen=True, slots=True)
class Ruling:
    """The word on a claim in the `presets` that agree in everything, and the evidence for it."""

    presets: tuple[str, ...]
    ours: str
    word: str
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
    by_claim: dict[str, list[Mapping[str, Any]]] = {}
    for item in results.claims:
        by_claim.setdefault(str(item["claim"]["id"]), []).append(item)
    return tuple(_judged(items, results.record.command) for items in by_claim.values())


def _judged(items: Sequence[Mapping[str, Any]], command: str) -> Judged:
    first = items[0]
    claim: Mapping[str, Any] = first["claim"]
    effect = claim["kind"] == "effect"
    rulings: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        comparison = item.get("comparison") or {}
        ours = _beside(item.get("ours"), comparison.get("mean_b")) if effect else formats.plain(item.get("ours"))
        presets = rulings.setdefault((ours, str(item["word"]), _evidence(item, comparison)), [])
        presets += [str(item["preset"])] if item.get("preset") else []
    theirs = claim.get("published")
    return Judged(
        id=str(claim["id"]),
        statement=str(claim["statement"]),
        kind=str(claim["kind"]),
        source=", ".join(str(claim[k]) for k in ("paper", "table") if claim.get(k)),
        theirs=_beside(theirs, claim.get("published_against")) if effect else formats.plain(theirs),
        note=" ".join(([_rule(claim)] if effect else []) + ([str(first["note"])] if first.get("note") else [])),
        rerun=str(first.get("rerun") or command),
        rulings=tuple(Ruling(tuple(presets), *ruling) for ruling, presets in rulings.items()),
    )


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


def _evidence(item: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    if not comparison:
        return ""
    text = (
        f"Difference {formats.signed(comparison['difference'])} "
        f"{formats.interval(comparison['low'], comparison['high'], signs=True)}, "
        f"p {formats.p_value(comparison['p'])}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{formats.count(comparison['n'])}."
    )
    if item["word"] != "not resolved" or not item.get("detectable"):
        return text
    text += f" The minimum detectable difference is {formats.fixed(item['detectable'])}"
    if item.get("queries_needed"):
        text += f"; a difference as small as ours would need {formats.count(item['queries_needed'])} queries"
    if item.get("queries_needed_published"):
        text += f"; one as large as the paper's would need {formats.count(item['queries_needed_published'])}"
    return f"{text}."
