"""`strop train`: from examples to a tuned model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, store
from strop.commands import terminal
from strop.commands.export import write_model
from strop.commands.inputs import check_seed, check_there, free, warn
from strop.commands.options import BASE, ExamplesFile, Model, Seed, Settings, parsed
from strop.models.model_names import check_named
from strop.records.errors import InputError, excerpt


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
    """Tune `model` on a file of examples, in any layout of `row_layouts`, and write it to `out`, in
    sentence-transformers' layout.

    The number of updates follows from `epochs`, unless `settings` sets `updates`. A tenth of the queries, at most 256,
    are held out to monitor the run with up to 1,024 documents. `stop` (geometry, dev or both) is the rule that ends
    the run early and chooses the weights to keep. `track` also sends the logbook to a tracker, under the name of `out`.
    `architecture` (of `ARCHITECTURES`) is what the model is converted to first. Raises InputError and
    NonFiniteLossError.
    """
    free(out)
    check_seed(seed)
    check_named(model)
    check_there(examples)

    from strop.models.pretrained import resolve  # with torch, which no wrong path waits for
    from strop.monitoring import monitor, probe, trackers
    from strop.monitoring.selection import STOPS
    from strop.negatives.examples import read_examples
    from strop.training import recipes, stage
    from strop.training.halved_chunks import within_memory
    from strop.training.held_out import HeldOut
    from strop.training.initial_models import ARCHITECTURES, converted

    chosen = recipes.recipe(recipe, settings)
    if architecture is not None and architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise InputError(f"there is no architecture {excerpt(architecture)}", remedy=f"Choose one of {known}")
    if stop is not None and stop not in STOPS:
        raise InputError(f"there is no stopping rule {excerpt(stop)}", remedy=f"Choose one of {', '.join(STOPS)}")
    data = read_examples(examples)
    has_negatives = all(set(g.negatives) - g.relevant for g in data.groups)
    if not has_negatives and not chosen.batching.in_batch:
        raise InputError(
            f"recipe {recipe} needs negatives, and some examples have none",
            where=str(examples),
            remedy="Mine them with 'strop mine', or choose an in-batch recipe",
        )
    scored = [len(g.teacher.keys() - g.relevant.difference(g.positives)) for g in data.groups]
    if chosen.loss.taught and (untaught := sum(count < 2 for count in scored)):
        lacking = f"{untaught:,} of {len(scored):,} examples have not two scores that count"
        raise InputError(
            f"recipe {recipe} learns from a teacher, and {lacking}",
            where=str(examples),
            remedy="Add them with 'strop teach', or as \"scores\": [positive's, each negative's]; or change the recipe",
        )
    if not chosen.loss.taught and (taught := sum(bool(g.teacher) for g in data.groups)):
        warn(f"recipe {recipe} does not use a teacher's scores, which {taught:,} of {len(data.groups):,} examples have")
    if stop and chosen.reads_pairs:
        raise InputError("a cross-encoder has no embedding space, so no rule can stop it", remedy="Leave --stop out")
    # held-out queries are watched, and may choose or stop: enough for that, and no more of the user's data
    training, held_out = HeldOut(share=0.1, most=256).split(data.groups, seed)
    if "updates" not in (settings or {}):
        chosen = replace(chosen, updates=epochs * chosen.batching.per_epoch(len(training)))
    if stop:
        chosen = replace(chosen, selection=STOPS[stop])
    watched = {"negatives": replace(data, groups=tuple(held_out))} if held_out and has_negatives else {}
    share = 1.0 if stop else monitor.affordable(chosen.updates, chosen.batching.size, training)
    probed = probe.of_examples(data, held_out or training, share)
    if stop and probed is None:
        raise InputError(
            f"{len(held_out)} held-out queries and {len(data.documents)} documents are too few for a stopping rule",
            where=str(examples),
            remedy="Give more examples (at least 4 and 50), or leave --stop out",
        )
    initial = resolve(model)
    if architecture is not None:
        initial = converted(store(), initial, ARCHITECTURES[architecture])
    job = stage.Training(initial, chosen, replace(data, groups=tuple(training)), watched, seed, probed)
    with trackers.opened(track, Path(out).name, store().root / "trackers") as tracker:
        tuned, _ = within_memory(job, lambda each: each(store(), progress, tracker))
    write_model(tuned, Path(out))
    return tuned


def training_end(trained: Artifact, base: str) -> None:
    """Print how a training was monitored, whether it was stopped, and which alarms it raised."""
    from strop.monitoring.alarms import alarms
    from strop.monitoring.logbook import ROWS, read_logbook
    from strop.retrieval.retriever import retriever

    record = trained.record
    if "monitor_share" in record:
        took = f"{record['monitor_seconds']:.1f} s, {100 * record['monitor_share']:.1f} % of the run"
        terminal.say(f"geometry: measured {record['monitor_looks']} times in {took}")
    elif retriever(str(trained.path / "model")).has_geometry:
        terminal.say(f"geometry: the run was too short to be monitored; 'strop explain MODEL {base}' shows the result")
    if record.get("stopped"):
        terminal.say(f"stopped early: {record['stopped']}")
    if not (trained.path / ROWS).is_file():
        return  # made before there were logbooks
    course = read_logbook(trained.path)
    for alarm in alarms(course.series, course.about):
        terminal.marked("alarm", "yellow", f"at update {alarm.step}, {alarm.name}: {alarm.sentence}")


def train_command(
    examples: ExamplesFile,
    out: Annotated[Path, typer.Argument(help="The model folder to write.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="in-batch-full, in-batch-lora, late-full, late-lora, triplet-full, triplet-lora, "
            "rerank-bce, rerank-softmax, distill-kl or distill-margin-mse."
        ),
    ] = "in-batch-full",
    settings: Settings = None,
    model: Model = BASE,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the examples.")] = 1,
    seed: Seed = 42,
    stop: Annotated[
        str | None, typer.Option(help="Stop early and keep the best weights: geometry, dev (held-out queries) or both.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="Also log to tensorboard, wandb, mlflow or trackio.")] = None,
    architecture: Annotated[
        str | None,
        typer.Option("--as", help="First convert the model: untied (two towers), late (interaction) or reranker."),
    ] = None,
) -> None:
    """Fine-tune a model on examples.

    If the run is killed, the same command continues it. Watch it from another terminal with
    `strop study report --live latest`.
    """
    changes = parsed(settings or [])
    trained = train(examples, out, recipe, changes, model, epochs, seed, stop, track, terminal.progress, architecture)
    terminal.echo(f"{out} (artifact {trained.key}, {trained.record['ledger']['trainable']:,} parameters trained)")
    training_end(trained, model)
