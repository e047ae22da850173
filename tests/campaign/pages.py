"""Hostile text through every page, opened by a real browser: nothing runs, nothing breaks, and it is read as text."""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from report import synthetic, synthetic_reranking, synthetic_transfer, synthetic_tuned

from campaign.chromium import BROWSER, Seen, opened
from campaign.hostile_texts import TEXTS, Hostile, marked
from campaign.verdicts import Case, Verdict
from strop.monitoring.logbook import Course, Logbook, namespaced, series_of
from strop.records.exhibits.checkpoints import Checkpoints
from strop.records.exhibits.geometry import Geometry, Picture
from strop.records.plain import from_plain
from strop.records.record import ExplainRecord, Record
from strop.records.results import Exhibits, Results
from strop.report.characters import shown
from strop.report.document import write
from strop.report.geometry import explain_page
from strop.report.live import live_page
from strop.report.live_server import serve
from strop.report.page import page
from strop.report.tuned import tuned_page

#: Folders of a run that is kept, for exhibits that nobody draws by hand.
_KEPT = Path(__file__).parents[2] / "benchmarks" / "results" / "lion_vs_adamw" / "desk-nq_small" / "exhibits"
#: Where a browser finds the page of a door.
Made = Callable[[Hostile, Path], AbstractContextManager[str]]
#: What no page of ours has, whatever text is in it.
_EMPTY = '"WARN Infinite extent'  # of a chart before its data come
_FOREIGN = frozenset({"img", "iframe", "object", "embed", "base", "link", "textarea", "video", "plaintext"})


def cases(strop: object, work: Path, seed: int) -> Iterator[Case]:
    """A case of every page in turn, without end; every text stands at every place after as many rounds as there are
    texts. None without a browser."""
    for number in count(seed) if BROWSER else ():
        for door, made in DOORS.items():
            folder = work / f"{number} {door}"
            folder.mkdir()
            with made(Hostile(number), folder) as address:
                came, detail = verdict(address)
            yield Case(f"page: {door}", f"texts turned by {number}", came, detail)


def verdict(address: str) -> tuple[Verdict, str]:
    try:
        came = opened(address)
    except subprocess.TimeoutExpired:
        return "hang", "the browser did not come to an end"
    seen = Seen(came.dom)
    if errors := [line for line in came.console if not line.startswith(_EMPTY)]:
        return "traceback", f"the console says {errors[0][:300]}"
    if ran := [tag for tag, attributes in seen.elements if "data-ran" in attributes]:
        return "silent", f"a text was run: {ran[0]}"
    for tag, attributes in seen.elements:
        handlers = [name for name in attributes if name.startswith("on")]
        if tag in _FOREIGN or handlers or not (attributes.get("href") or "#").startswith("#"):
            return "silent", f"a text became an element: {tag} {attributes}"[:300]
    return _charts(came.dom, seen) or _texts(seen) or ("exact", "")


def _charts(dom: str, seen: Seen) -> tuple[Verdict, str] | None:
    if "could not be drawn" in seen.text:
        return "silent", seen.text[seen.text.index("could not be drawn") - 40 :][:200]
    places = [a for _, a in seen.elements if a.get("data-chart")]
    drawn = [a for a in places if "drawn" in (a.get("class") or "")]
    return None if len(drawn) == len(places) > 0 else ("silent", f"{len(drawn)} of {len(places)} charts drawn")


def _texts(seen: Seen) -> tuple[Verdict, str] | None:
    """Every text is shown to its end, or cut with an ellipsis; and all are shown."""
    for found in re.finditer(r"H(\d+)H ", seen.text):
        number, rest = int(found[1]), _spaced(seen.text[found.end() :][:12_000])
        expected = _spaced(shown(TEXTS[number]))
        same = next((i for i, (a, b) in enumerate(zip(expected, rest, strict=False)) if a != b), len(expected))
        if same < len(expected) and not rest[same:].lstrip().startswith("…"):
            return "silent", f"text {number} is shown as {rest[: same + 40]!r}"[:400]
    absent = [number for number in range(len(TEXTS)) if f"H{number}H" not in seen.text]
    return ("silent", f"texts {absent} are not shown") if absent else None


def _spaced(text: str) -> str:
    """As a page shows a key: `as_coded` is `as coded`; and a title of an axis, in which a backslash is another."""
    return " ".join(text.replace("_", " ").replace("\N{REVERSE SOLIDUS OPERATOR}", "\\").split())


#: A title that holds every text.
TITLE = " · ".join(map(marked, range(len(TEXTS))))


def _file(html: Callable[[Hostile], str]) -> Made:
    """A page that is written to a file, and opened from there."""

    @contextmanager
    def made(hostile: Hostile, folder: Path) -> Iterator[str]:
        yield write(html(hostile), folder / "page.html").as_uri()

    return made


def _exhibit(kind: Any, name: str) -> Any:
    return from_plain(kind, json.loads((_KEPT / f"{name}.json").read_text(encoding="utf-8")), name)


def _geometry() -> Geometry:
    plain = _exhibit(Geometry, "geometry")
    points = tuple((math.cos(i), math.sin(3 * i)) for i in range(12))
    fits = ("PCA", "UMAP")
    return replace(plain, pictures=tuple(Picture(fit, name, 0.9, 4, points) for fit in fits for name in plain.models))


def _page_of(results: Results[Record], hostile: Hostile) -> str:
    claims = tuple(hostile.values(results.claims))
    record = replace(hostile(results.record), title=TITLE)
    return page(Results(hostile(results.rows), claims, hostile(results.exhibits), record))


def _study(hostile: Hostile) -> str:
    return _page_of(synthetic.results(queries=8), hostile)


def _exhibited(hostile: Hostile) -> str:
    """What other studies have: transfer, reranking, geometry, checkpoints."""
    plain = synthetic.read_as("corrected", 6)
    systems = {**plain.record.systems, **synthetic_transfer.record().systems}
    exhibits = Exhibits(
        transfer=synthetic_transfer.exhibit(("corrected",)),
        reranking=synthetic_reranking.exhibit(("corrected",)),
        geometry=_geometry(),
        checkpoints=_exhibit(Checkpoints, "checkpoints"),
    )
    return _page_of(Results(plain.rows, (), exhibits, replace(plain.record, systems=systems)), hostile)


def _explain(hostile: Hostile) -> str:
    record = ExplainRecord("a model", "strop explain model", {"Queries": 8, "Model": "a model"})
    exhibits = hostile(Exhibits(geometry=_geometry()))
    return explain_page(Results((), (), exhibits, replace(hostile(record), title=TITLE)))


def _tune(hostile: Hostile) -> str:
    return tuned_page(replace(hostile(synthetic_tuned.record()), title=TITLE))


def _hold(hostile: Hostile) -> str:
    return tuned_page(replace(hostile(synthetic_tuned.record("HOLD")), title=TITLE))


_ABOUT = {"updates": 9, "loss": "a loss", "base": "a base", "out": "an output", "stopped": "a reason"}
#: Texts that a file in UTF-8 can hold.
_ENCODED = [number for number, text in enumerate(TEXTS) if text.encode(errors="ignore").decode() == text]
#: And those that no slash divides into others.
_MEASURES = ("loss", *(f"geometry/{marked(number)}" for number in _ENCODED if "/" not in TEXTS[number]))
_LOG = [(step, name, 1.0 + step) for name in _MEASURES for step in range(3)]


def _alarms(course: Course) -> list[tuple[int, str, str]]:
    return [(1, marked(number), marked(number)) for number in range(len(TEXTS))]


def _course(hostile: Hostile) -> str:
    about = {**hostile.values(_ABOUT), "updates": 9, "title": TITLE, "done": True}
    series = series_of((step, namespaced(name), value) for step, name, value in _LOG)
    course = Course(series, about)
    return live_page(course, _alarms(course), polls=False)


@contextmanager
def _served(hostile: Hostile, folder: Path) -> Iterator[str]:
    """The page of a training that goes on, from its server, which it asks again and again."""
    logbook = Logbook(folder, {**_ABOUT, "title": " ".join(map(marked, _ENCODED))}, seed=0)
    logbook.start([])
    logbook.add(_LOG)
    with serve(folder, _alarms) as address:
        yield address


DOORS: Mapping[str, Made] = {
    "study": _file(_study),
    "transfer, reranking, geometry, checkpoints": _file(_exhibited),
    "explain": _file(_explain),
    "tune": _file(_tune),
    "tune, HOLD": _file(_hold),
    "training": _file(_course),
    "training, live": _served,
}
