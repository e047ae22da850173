"""Several domains' adapters side by side on one base, of which one at a time, or none, is at work."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel

from strop.models.dense import Dense
from strop.nouns import InputError

_WEIGHTS, _CONFIG = "adapter_model.safetensors", "adapter_config.json"
_REMEDY = "Give the adapter folder that strop train writes beside a model tuned with LoRA: MODEL/adapter"


class Routed:
    """A dense encoder, the base's weights held once, with a LoRA adapter for each domain.

    `encoder` is the model as `select` set it last; at first the plain base. With a domain selected its vectors are
    those of the domain's merged model to 1e-5, slower by the adapter's own products; with none, the base's exactly.
    """

    def __init__(self, encoder: Dense, adapters: Mapping[str, str | Path]) -> None:
        """`adapters` is name of a domain -> adapter folder; the encoder is taken over. Raises InputError without any,
        and for a folder that has no adapter, pickled weights, another method's, tuned biases or another model's."""
        if not adapters:
            raise InputError("there are no adapters to route to", remedy=_REMEDY)
        self.encoder = encoder
        # Not the domains' own names: peft refuses a dot in one, and warns of one that is part of "lora_".
        self._inner = {name: f"domain_{i}" for i, name in enumerate(adapters)}
        for folder in adapters.values():
            _check(Path(folder))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            for name, folder in adapters.items():
                self._add(self._inner[name], Path(folder))
        encoder.module.requires_grad_(False).eval()
        self.select(None)

    @classmethod
    def load(cls, base: str | Path, adapters: Mapping[str, str | Path], max_length: int | None = None) -> Routed:
        """From the base's folder; `max_length` is the one that the adapters were trained at, since they do not say."""
        return cls(Dense.load(base, max_length), adapters)

    @property
    def names(self) -> tuple[str, ...]:
        """The domains, in the order given."""
        return tuple(self._inner)

    def select(self, name: str | None) -> Dense:
        """Put a domain's adapter to work, or none: the base. Gives `encoder`. Raises InputError for another name."""
        if name is not None and name not in self._inner:
            raise InputError(f"there is no adapter {name!r}", remedy=f"Choose one of {', '.join(self._inner)}, or None")
        tuned: Any = self._tuned.base_model
        if name is None:
            tuned.disable_adapter_layers()
        else:
            tuned.enable_adapter_layers()
            tuned.set_adapter(self._inner[name], inference_mode=True)  # without it, peft makes the adapter trainable
        return self.encoder

    @property
    def _tuned(self) -> PeftModel:
        model = self.encoder.transformer.model
        assert isinstance(model, PeftModel)
        return model

    def _add(self, name: str, folder: Path) -> None:
        transformer = self.encoder.transformer
        try:
            if not isinstance(transformer.model, PeftModel):
                config = LoraConfig.from_pretrained(str(folder))
                transformer.model = PeftModel(transformer.model, config, name)  # type: ignore[assignment]
            read = self._tuned.load_adapter(str(folder), name)
        except (ValueError, RuntimeError) as error:
            raise _foreign(folder, str(error).strip().splitlines()[0]) from error
        # peft takes a part of the weights, or none, in silence: of a base with other layers, for one
        if read.missing_keys or read.unexpected_keys:
            raise _foreign(folder, f"its weights and the base's places for them differ in {_first(read)}")


def _first(read: Any) -> str:
    return str((*read.missing_keys, *read.unexpected_keys)[0])


def _foreign(folder: Path, reason: str) -> InputError:
    return InputError(
        f"the adapter is not one of this base: {reason[:200]}",
        where=str(folder),
        remedy="Give the base it was tuned on",
    )


def _check(folder: Path) -> None:
    if not (folder / _CONFIG).is_file() or not (folder / _WEIGHTS).is_file():
        raise InputError(f"no {_CONFIG} beside {_WEIGHTS}", where=str(folder), remedy=_REMEDY)
    config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    if config.get("peft_type") != "LORA":
        raise InputError(f"an adapter of type {config.get('peft_type')}, not LORA", where=str(folder), remedy=_REMEDY)
    if config.get("bias", "none") != "none" or config.get("modules_to_save"):
        raise InputError(
            "the adapter has weights of the base's own with it, which would change the base for the others",
            where=str(folder),
            remedy='Give adapters tuned with bias="none" and no modules_to_save',
        )
