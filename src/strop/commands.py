"""The commands as Python calls: the same words as `strop WORD`, files in, files out."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from strop import stages
from strop.artifacts import Artifact, Store
from strop.collection import door
from strop.collection.contents import Contents
from strop.collection.docstrings import NAME as DOCSTRINGS
from strop.evaluate import MeasureComparison, compare_runs, read_judged_run
from strop.held_out import HeldOut
from strop.lexical import BM25
from strop.measures import MEASURES
from strop.measures import evaluate as measure
from strop.model_card import write_card
from strop.models.architecture import Architecture, Untied
from strop.models.cross_encoder import FreshHead
from strop.models.late_interaction import Late
from strop.models.pretrained import BASE, resolve
from strop.monitor import affordable
from strop.negatives.from_run import RankWindow
from strop.negatives.group_files import Examples, read_examples, write_examples
from strop.negatives.positives import positive_groups, without_copies
from strop.negatives.sampled import Uniform
from strop.nouns import Collection, InputError, InputWarning, Qrels
from strop.probe import of_examples
from strop.recipes import recipe as named_recipe
from strop.runs import Run, read_qrels, read_run
from strop.scoring import Joint
from strop.selection import STOPS
from strop.stages import Progress, silent
from strop.starts import converted
from strop.trackers import opened
from strop.tuning import TRAIN, Training

#: Held-out queries of `train` are watched, and may choose or stop: enough for that, and no more of the user's data.
WATCHED = HeldOut(share=0.1, most=256)
#: What a dense model can be turned into before it is tuned.
ARCHITECTURES: Mapping[str, Architecture] = {"untied": Untied(), "late": Late(), "reranker": FreshHead()}
#: The usual window: below the likely unjudged positives, above the easy ones.
WINDOW = RankWindow(low=51, high=200)


def store(root: str | Path | None = None) -> Store:
    """Artifacts live in `root`, else in $STROP_HOME, else in .strop of the current folder."""
    return Store(root or os.environ.get("STROP_HOME") or ".strop")


def mine(
    collection: str,
    out: str | Path,
    source: str = BASE,
    window: RankWindow = WINDOW,
    split: str = "train",
    seed: int = 42,
    progress: Progress = silent,
) -> int:
    """Write training examples (JSON lines) and return how many.

    Negatives come from a window of ranks of `source`: a model, `bm25`, or a TREC run over the split's queries; or, for
    `uniform`, from anywhere; `none` writes pairs. Only documents open to training are ever taken.
    """
    free(out)
    data = load(collection, split)
    groups = positive_groups(data)
    allowed = Contents(data.documents, data.reserved)
    queries = {q.id: q.text for q in data.queries.values()}
    if source == "uniform":
        groups = Uniform(window.count)(groups, list(allowed), seed)
    elif source != "none":
        if Path(source).is_file():
            run = _restricted(read_run(source), allowed)
        elif source == "bm25":
            run = stages.run_of(
                stages.search_lexical(store(), BM25(), queries, allowed, window.high, progress=progress)
            )
        else:
            found = stages.search_dense(store(), resolve(source), queries, allowed, window.high, progress=progress)
            run = stages.run_of(found)
        positives, groups = len(groups), window(groups, run, seed)
        if len(groups) < positives:
            short = f"{positives - len(groups):,} of {positives:,} positives are left out: too few candidates"
            warnings.warn(f"{short} at ranks {window.low} to {window.high}", InputWarning, stacklevel=2)
    whole = sum(len(g.negatives) for g in groups)
    groups = without_copies(groups, data)
    if copies := whole - sum(len(g.negatives) for g in groups):
        said = f"{copies:,} of {whole:,} negatives are left out: they read as the positive does"
        warnings.warn(said, InputWarning, stacklevel=2)
    write_examples(Examples.of(groups, data), out)
    return len(groups)


def train(
    examples: str | Path,
    out: str | Path,
    recipe: str = "in-batch-full",
    settings: Mapping[str, str] | None = None,
    model: str = BASE,
    epochs: int = 1,
    seed: int = 42,
    stop: str | None = None,
    track: str | None = None,
    progress: Progress = silent,
    architecture: str | None = None,
) -> Artifact:
    """Tune `model` on a file of examples and write it to `out`, in sentence-transformers' layout.

    Updates follow from `epochs`, unless `settings` sets `updates`. A tenth of the queries, at most 256, are held out
    to watch the run: its geometry on them and on up to 1,024 documents, and how they rank these. `stop` (geometry, dev
    or both) ends the run and keeps the weights by that; `track` sends the series to a tracker too, under the name of
    `out`. `architecture` (of `ARCHITECTURES`) is what the model is turned into first. Raises InputError and
    NonFiniteLossError.
    """
    free(out)
    data = read_examples(examples)
    chosen = named_recipe(recipe, settings)
    has_negatives = all(g.negatives for g in data.groups)
    if not has_negatives and not chosen.batching.in_batch:
        raise InputError(
            f"recipe {recipe} needs negatives, and some examples have none",
            where=str(examples),
            remedy="Mine them with 'strop mine', or choose an in-batch recipe",
        )
    if chosen.loss.taught and (untaught := sum(len(g.teacher) < 2 for g in data.groups)):
        raise InputError(
            f"recipe {recipe} learns from a teacher, and {untaught:,} of {len(data.groups):,} examples lack its scores",
            where=str(examples),
            remedy="Give each line \"scores\": [the positive's, each negative's], or choose another recipe",
        )
    if stop and stop not in STOPS:
        raise InputError(f"there is no rule {stop!r} to stop by", remedy=f"Choose one of {', '.join(STOPS)}")
    if stop and isinstance(chosen.scoring, Joint):
        raise InputError("a cross-encoder has no geometry to stop by", remedy="Leave --stop out")
    training, held_out = WATCHED.split(data.groups, seed)
    if "updates" not in (settings or {}):
        chosen = replace(chosen, updates=epochs * chosen.batching.per_epoch(len(training)))
    if stop:
        chosen = replace(chosen, selection=STOPS[stop])
    watched = {"negatives": replace(data, groups=tuple(held_out))} if held_out and has_negatives else {}
    probe = of_examples(data, held_out or training, 1.0 if stop else affordable(chosen, training))
    if stop and probe is None:
        raise InputError(
            f"{len(held_out)} held-out queries and {len(data.documents)} documents are too few to stop by",
            where=str(examples),
            remedy="Give more examples (4 and 50 are the least), or leave --stop out",
        )
    start = resolve(model)
    if architecture is not None:
        if architecture not in ARCHITECTURES:
            raise InputError(
                f"there is no architecture {architecture!r}", remedy=f"Choose one of {', '.join(ARCHITECTURES)}"
            )
        start = converted(store(), start, ARCHITECTURES[architecture])
    job = Training(start, chosen, replace(data, groups=tuple(training)), watched, seed, probe)
    with opened(track, Path(out).name, store().root / "trackers") as tracker:
        tuned = job(store(), progress, tracker)
    _export(tuned, Path(out))
    return tuned


def search(
    collection: str,
    out: str | Path,
    model: str = BASE,
    split: str = "test",
    depth: int = 1000,
    progress: Progress = silent,
) -> Path:
    """Write the TREC run of `model` (or `bm25`) over the whole collection, encoding what is not yet encoded.

    A query that is itself a document is not retrieved for itself.
    """
    free(out)
    data = load(collection, split)
    queries = {q.id: q.text for q in data.queries.values()}
    documents = Contents(data.documents)
    own = {q: d for q in queries if (d := data.own_document(q)) is not None}
    if model == "bm25":
        found = stages.search_lexical(store(), BM25(), queries, documents, depth, own, progress)
    else:
        found = stages.search_dense(store(), resolve(model), queries, documents, depth, own, progress)
    shutil.copyfile(found.path / "run.trec", out)
    return Path(out)


def evaluate(
    run: str | Path,
    qrels: str,
    split: str = "test",
    against: str | Path | None = None,
    measures: Iterable[str] = MEASURES,
    relevance_level: int = 1,
) -> dict[str, dict[str, float]] | list[MeasureComparison]:
    """Values per measure and query of a TREC run; with `against`, a run too, their comparison measure by measure.

    `qrels` is a TREC qrels file, or a collection whose `split` is judged. Warns of judged queries that a run lacks,
    which score 0; raises InputError when it has none of them.
    """
    judged = judgments(qrels, split)
    first = read_judged_run(run, judged)
    if against is None:
        return measure(first, judged, measures, relevance_level)
    return compare_runs(first, read_judged_run(against, judged), judged, measures, relevance_level)


def export(source: str, out: str | Path) -> Path:
    """Write a trained model for use elsewhere: `source` is a training artifact's key (or its start) or folder.

    sentence-transformers' layout; a LoRA model is merged, with its adapter in `adapter/`, and a model card is added.
    """
    folder, trained = Path(source), store().root / TRAIN.name
    if not folder.is_dir():
        found = sorted(p.parent for p in trained.glob(f"{source}*/record.json"))
        if len(found) != 1:
            raise InputError(
                f"{len(found)} trained models have a key that starts with {source!r}",
                remedy=f"Give the key or folder of one in {trained}",
            )
        folder = found[0]
    artifact = store().find(TRAIN, folder.name)
    if artifact is None:
        raise InputError(
            "no training artifact", where=str(folder), remedy=f"Give the key or folder of one in {trained}"
        )
    return _export(artifact, Path(out))


def _export(artifact: Artifact, out: Path) -> Path:
    free(out)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(artifact.path / "model", partial)
    write_card(artifact, partial / "README.md")
    os.replace(partial, out)
    return out


def free(out: str | Path) -> None:
    """Nothing of the user's is overwritten, and the folder to write into exists before any long work."""
    out = Path(out)
    if out.exists():
        raise InputError("there is something here already", where=str(out), remedy="Choose another name or remove it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(out.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise InputError("nothing can be written there", where=str(out), remedy="Choose a folder that you may write to")


def load(collection: str, split: str) -> Collection:
    """One split, its oddities said."""
    data = door.load(collection, split, cache())
    for oddity in data.warnings:
        warnings.warn(f"{data.name}: {oddity}", InputWarning, stacklevel=3)
    return data


def judgments(qrels: str, split: str) -> Qrels:
    """Those of a TREC qrels file, or of a collection's split. Raises InputError on anything else."""
    path = Path(qrels)
    if path.suffix == ".tsv":
        raise InputError(
            "a BEIR qrels file belongs to its collection", where=qrels, remedy="Give that folder, and --split"
        )
    if path.is_file():
        return read_qrels(path)
    if not path.is_dir() and qrels != DOCSTRINGS:
        raise InputError(f"there are no qrels {qrels!r}", remedy="Give a TREC qrels file or a collection's folder")
    return load(qrels, split).qrels


def _restricted(run: Run, allowed: Mapping[str, str]) -> Run:
    """The run without documents closed to training. Raises InputError when nothing is left of it."""
    kept = {}
    for query_id, ranking in run.items():
        pairs = [(d, s) for d, s in zip(ranking.doc_ids, ranking.scores, strict=True) if d in allowed]
        kept[query_id] = ([d for d, _ in pairs], [float(s) for _, s in pairs])
    if not any(ids for ids, _ in kept.values()):
        raise InputError(
            "no document of the run may be trained on", remedy="Give a run over this collection's training documents"
        )
    return Run(kept)


def cache() -> Path:
    return store().root / "docstrings"
