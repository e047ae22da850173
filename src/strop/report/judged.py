"""Claims as judged, one row each: what the paper says, its figure, ours, the word, and how to run it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strop.report import formats
from strop.report.verdict import tone
from strop.results import Results


@dataclass(frozen=True, slots=True)
class Judged:
    """One claim. `note` holds what the word rests on: the interval, the rule, and what a null could not see."""

    id: str
    statement: str
    kind: str
    source: str
    theirs: str
    ours: str
    word: str
    tone: str
    note: str
    rerun: str


def judged(results: Results) -> tuple[Judged, ...]:
    """claims.json, an item being `claims.Verdict.as_json()`; it may carry `note` and `rerun` besides.

    Where an item has no `rerun`, the command of the whole study is the way to run it again.
    """
    return tuple(_row(item, str(results.record.get("command", ""))) for item in results.claims)


def _row(item: Mapping[str, Any], command: str) -> Judged:
    claim: Mapping[str, Any] = item["claim"]
    theirs, ours = formats.plain(claim.get("published")), formats.plain(item.get("ours"))
    notes = [str(item["note"])] if item.get("note") else []
    if claim["kind"] == "effect":
        theirs = _beside(claim.get("published"), claim.get("published_against"))
        seen = item.get("comparison") or {}
        ours = _beside(item.get("ours"), seen.get("mean_b"))
        notes = [_rule(claim), *_evidence(item, seen), *notes]
    elif claim["kind"] == "mechanism" and item.get("ours") is None:
        ours = "demonstrated" if item["word"] == "shown" else formats.DASH
    return Judged(
        id=str(claim["id"]),
        statement=str(claim["statement"]),
        kind=str(claim["kind"]),
        source=", ".join(str(claim[k]) for k in ("paper", "table") if claim.get(k)),
        theirs=theirs,
        ours=ours,
        word=str(item["word"]),
        tone=tone(str(item["word"])),
        note=" ".join(notes),
        rerun=str(item.get("rerun") or command),
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


def _evidence(item: Mapping[str, Any], seen: Mapping[str, Any]) -> list[str]:
    if not seen:
        return []
    difference = formats.signed(seen["difference"])
    out = [
        f"Difference {difference} {formats.interval(seen['low'], seen['high'], signs=True)}, "
        f"p {formats.p_value(seen['p'])}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{formats.count(seen['n'])}."
    ]
    if item["word"] == "not resolved" and item.get("detectable"):
        null = f"This design can see ±{formats.fixed(item['detectable'])}"
        if item.get("queries_needed"):
            null += f"; a difference as small as ours would need {formats.count(item['queries_needed'])} queries"
        if item.get("queries_needed_published"):
            null += f"; one as large as the paper's would need {formats.count(item['queries_needed_published'])}"
        out.append(null + ".")
    return out
