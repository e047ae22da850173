"""Trainings: what each tuned system of a study is trained from, on and by, at the study's scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strop.models.pretrained import Pretrained, resolve
from strop.monitoring.monitor import affordable
from strop.study.definition import Preset
from strop.study.mining import Sources
from strop.study.systems import Start, Tuned
from strop.study.training_examples import TrainingData, held_out_probe
from strop.training import initial_models
from strop.training.batches import Batching
from strop.training.stage import Training, tuned_model

#: Queries in a batch of the distillation of first layers, where the scale sets no limit.
DISTILLATION_BATCH = 32


@dataclass(frozen=True, slots=True)
class Trainings:
    """The trainings of tuned systems whose learning rates are settled."""

    data: TrainingData

    def initial(self, start: Start, seed: int) -> Pretrained:
        """The model before any tuning; `seed` draws what is random in it."""
        data, stand_ins = self.data, self.data.scale.stand_ins
        architecture = stand_ins.get(start.base or "", start.architecture)
        base = resolve(start.base) if start.base and start.base not in stand_ins else data.base
        if start.layers:
            base = tuned_model(self.distillation(start.layers)(data.store, data.progress))
        if architecture is None:
            return base
        return initial_models.converted(data.store, base, initial_models.seeded(architecture, seed))

    def distillation(self, layers: int) -> Training:
        """The training that distils the base into its own first layers."""
        data = self.data
        size = data.scale.largest_batch or DISTILLATION_BATCH
        return initial_models.distillation(data.store, data.base, layers, data.distillation(), size, data.seed)

    def training(self, preset: Preset, how: Tuned, seed: int, sources: Sources) -> Training:
        """The whole training of a tuned system, by its recipe's own learning rate.

        `sources` are the preset's systems that mine or teach.
        """
        examples = self.data.examples(preset, how, sources, self.initial(how.initial, self.data.seed))
        watched = {name: self.data.watched(preset, policy) for name, policy in preset.watched}
        batching = self._batching(preset, how)
        epochs = max(1, round(how.epochs * self.data.scale.epochs_share))
        updates = epochs * batching.per_epoch(len(examples.groups))
        recipe = replace(how.recipe, updates=updates, batching=batching)
        probe = None
        if watched and not how.needs_candidates and (share := affordable(updates, batching.size, examples.groups)):
            probe = held_out_probe(examples, watched, share)
        snapshots = how.epochs if how.after else 0
        return Training(self.initial(how.initial, seed), recipe, examples, watched, seed, probe, snapshots)

    def _batching(self, preset: Preset, how: Tuned) -> Batching:
        """The batch at this scale: every system's shrinks by the factor of the preset's largest."""
        scale, size = self.data.scale, how.recipe.batching.size
        largest = max(s.how.recipe.batching.size for s in preset.systems if isinstance(s.how, Tuned))
        shrink = max(1.0, largest / (scale.largest_batch or largest))
        size = max(1, round(size * scale.batch_share if scale.batch_share else size / shrink))
        return replace(how.recipe.batching, size=size)
