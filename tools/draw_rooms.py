"""Draw docs/rooms.svg: the rooms of src/strop by floor, and which room imports which.

An arrow that follows from others is left out: where `commands` imports `study` and `study` imports `training`, there is
none from `commands` to `training`.

    python tools/draw_rooms.py
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "strop"
PICTURE = ROOT / "docs" / "rooms.svg"

#: Each floor, top first: its rooms, left to right, each with its left and right edge in the picture.
FLOORS: dict[int, dict[str, tuple[int, int]]] = {
    8: {"strop": (390, 700)},
    7: {"studies": (60, 370), "commands": (390, 700)},
    6: {"study": (110, 290), "bench": (310, 460), "tuning": (480, 640)},
    5: {"training": (90, 470), "report": (510, 700)},
    4: {"monitoring": (200, 640)},
    3: {"negatives": (320, 500), "retrieval": (520, 700)},
    2: {
        "losses": (60, 162),
        "geometry": (172, 298),
        "collection": (308, 434),
        "evaluation": (444, 580),
        "models": (590, 700),
    },
    1: {"artifacts": (580, 700), "records": (60, 565)},
}
WIDTH, HEIGHT, STEP = 716, 44, 84
TOPS = {floor: 12 + i * STEP for i, floor in enumerate(FLOORS)}
#: Each room, top floor first: its left and right edge, and its upper one.
BOXES = {room: (*edges, TOPS[floor]) for floor, rooms in FLOORS.items() for room, edges in rooms.items()}

STYLE = """
text { font: 600 21px system-ui, sans-serif; fill: #1c2430; text-anchor: middle }
.floor { font-weight: 400; fill: #5b6675 }
rect { fill: #eef2f7; stroke: #5b6675; stroke-width: 1.5 }
path { fill: none; stroke: #2f6fb3; stroke-width: 2; marker-end: url(#head) }
marker path { fill: #2f6fb3; stroke: none; marker-end: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e8edf4 } .floor { fill: #9aa7b8 } rect { fill: #1f2833; stroke: #9aa7b8 }
  path { stroke: #7db4ec } marker path { fill: #7db4ec }
}
"""
TITLE = "The rooms of strop by floor, and which imports which"


def files(room: str) -> list[Path]:
    """The files of a room; `strop` is the face of the package."""
    return [PACKAGE / "__init__.py"] if room == "strop" else sorted((PACKAGE / room).rglob("*.py"))


def imported(room: str) -> set[str]:
    """The other rooms that the files of a room import, anywhere in their text."""
    names: set[str] = set()
    for path in files(room):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("strop.")} & (BOXES.keys() - {room})


def arrows() -> list[tuple[str, str]]:
    """Each import of one room by another that no chain of other imports implies."""
    direct = {room: imported(room) for room in BOXES}
    reach: dict[str, set[str]] = {}
    for room in reversed(BOXES):  # from the ground up
        reach[room] = direct[room].union(*(reach[name] for name in direct[room]))
    return [
        (room, name)
        for room in BOXES
        for name in sorted(direct[room])
        if not any(name in reach[between] for between in direct[room] - {name})
    ]


def middle(room: str) -> float:
    left, right, _ = BOXES[room]
    return (left + right) / 2


def line(room: str, name: str) -> str:
    """The arrow from one room to another: straight down wherever they overlap, sideways on one floor."""
    (left, right, top), (low, high, below) = BOXES[room], BOXES[name]
    if top == below:
        return f"M{left} {top + HEIGHT // 2} L{high + 4} {top + HEIGHT // 2}"
    if min(right, high) - max(left, low) >= 32:
        leaves = arrives = (max(left, low) + min(right, high)) / 2
    else:
        leaves = min(max(middle(name), left + 16), right - 16)
        arrives = min(max(middle(room), low + 16), high - 16)
    return f"M{leaves:g} {top + HEIGHT} L{arrives:g} {below - 4}"


def svg() -> str:
    """The picture, legible down to the width of a phone, in the light and in the dark."""
    body = [f'<text class="floor" x="24" y="{y + 30}">{floor}</text>' for floor, y in TOPS.items()]
    for room, (left, right, y) in BOXES.items():
        body.append(f'<rect x="{left}" y="{y}" width="{right - left}" height="{HEIGHT}" rx="6"/>')
        body.append(f'<text x="{middle(room):g}" y="{y + 30}">{room}</text>')
    body += [f'<path d="{line(room, name)}"/>' for room, name in arrows()]
    sentences = "; ".join(f"{room} imports {name}" for room, name in arrows())
    height = max(TOPS.values()) + HEIGHT + 12
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"
 aria-labelledby="title desc">
<title id="title">{TITLE}</title>
<desc id="desc">From the top floor to the ground: {sentences}. What follows from these is left out.</desc>
<style>{STYLE}</style>
<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">
<path d="M0 0 L8 4 L0 8 Z"/></marker>
{chr(10).join(body)}
</svg>
"""


if __name__ == "__main__":
    PICTURE.write_text(svg(), encoding="utf-8")
