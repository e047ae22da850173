"""A tiny folder in MS MARCO's layout for the tests of this room."""

from __future__ import annotations

from pathlib import Path

PASSAGES = '0\tThe "first passage\n1\t"An unmatched quote opens this one\n2\ttabs\tinside\tstay\n3\tlast "one\n'


def marco(root: Path, **files: str | bytes) -> Path:
    """Four passages; train judges q 10 and 11, dev judges q 20, dev.small the same; the files given replace these.

    Keywords name files: `collection`, `queries_train`, `qrels_dev`; an underscore in the middle stands for a dot.
    """
    root.mkdir(parents=True, exist_ok=True)
    content: dict[str, str | bytes] = {
        "collection": PASSAGES,
        "queries_train": '10\twhat is "first\n11\twho\n12\tunjudged "question\n',
        "qrels_train": "10\t0\t0\t1\n11 0 1 1\n",
        "queries_dev": "20\twhere\n",
        "qrels_dev": "20\t0\t3\t1\n20\t0\t1\t0\n",
    }
    for name, text in (content | files).items():
        path = root / f"{name.replace('_', '.', 1)}.tsv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root
