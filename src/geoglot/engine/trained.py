"""A finished run as something that scores pictures and texts again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from geoglot.core.errors import DataError
from geoglot.engine import checkpoint, composition, tokenizers
from geoglot.engine.composition import Composed
from geoglot.engine.recipe import Recipe, recipe_from
from geoglot.engine.training import BACKBONE, CONFIG
from geoglot.nn.backbone import Backbone
from geoglot.nn.two_tower import RetrievalModel

_TRAINING_ONLY = ("items", "sentences")
"""Sizes of what a method remembers of its training data; a trained model needs none of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedRun:
    """What a run has learnt, in evaluation mode.

    Attributes:
        folder: The run.
        recipe: What was asked for.
        config: The method's configuration.
        model: Pixels and tokens to features and scores, backbone included.
        tokenizer: Texts to tokens.
        frozen: The backbone that was run once, before training; ``None`` where it was trained or there is none.
        summary: Seconds, steps, trained parameters, best validation score; empty for an unfinished run.
    """

    folder: Path
    recipe: Recipe
    config: Any
    model: RetrievalModel
    tokenizer: tokenizers.AnyTokenizer
    frozen: Backbone | None
    summary: Mapping[str, Any]

    @property
    def method(self) -> RetrievalModel:
        """The method alone; it takes pixels or stage maps."""
        return self.model.method if isinstance(self.model, Composed) else self.model

    @property
    def is_two_tower(self) -> bool:
        """Whether images and texts have vectors of their own."""
        return composition.is_two_tower(self.model)


def load_trained(run: Path) -> TrainedRun:
    """Read a run folder, of this format or the first one.

    Raises:
        DataError: The folder is not a finished run, or its weights have another shape than its method asks for.
        UsageError: Its method is not installed.
    """
    fields = _json(run / "recipe.json", run)
    recipe = recipe_from(fields)
    tensors = checkpoint.load(run / composition.CHECKPOINT)
    kind = tokenizers.tokenizer_class(recipe.tokenizer)
    module = composition.method_module(recipe.method)
    if (run / CONFIG).is_file():
        values = {**_json(run / CONFIG, run), **dict.fromkeys(_TRAINING_ONLY, 1)}
        known = {name for name in values if name in module.Config.__dataclass_fields__}
        config = composition.configure(module, {}, {name: values[name] for name in known})
    else:
        config = composition.configure(module, _sizes_of_first_runs(tensors), recipe.config)
    file, length = run / tokenizers.FILE, getattr(config, "max_length", 32)
    tokenizer = kind.load(file, max_length=length) if recipe.tokenizer == "subword" else kind.load(file)
    method = composition.build_method(module, config)
    backbone = frozen = None
    if recipe.backbone is not None and recipe.frozen:
        backbone = frozen = composition.load_backbone(recipe.backbone, run / BACKBONE)
        _fit(method, tensors, run)
    elif recipe.backbone is not None:
        backbone = composition.load_backbone(recipe.backbone, run / composition.CHECKPOINT)
        _fit(method, {n: t for n, t in tensors.items() if not n.startswith("backbone.")}, run)
    else:
        _fit(method, tensors, run)
    model = method if backbone is None else Composed(backbone, method)
    summary = _json(run / "summary.json", run) if (run / "summary.json").is_file() else {}
    return TrainedRun(
        folder=run,
        recipe=recipe,
        config=config,
        model=model.eval(),
        tokenizer=tokenizer,
        frozen=frozen,
        summary=summary,
    )


def _fit(method: nn.Module, tensors: Mapping[str, Tensor], run: Path) -> None:
    try:
        missing, unexpected = method.load_state_dict(dict(tensors), strict=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise DataError(run, cause=f"does not fit its method ({reason})", remedy="train again") from error
    gaps = [name for name in missing if "_memory." not in name and name.rpartition(".")[2] != "sentences_of_item"]
    if gaps or unexpected:
        raise DataError(run, cause=f"does not fit its method ({(gaps + unexpected)[0]})", remedy="train again")


def _sizes_of_first_runs(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Sizes that depend on the data, read from the weights of geoglot-compact."""
    return {
        "vocabulary": len(tensors["text.embedding.weight"]),
        "max_length": len(tensors["text.position"]),
        "categories": len(tensors["category_head.bias"]),
        "words": len(tensors["words_head.bias"]),
    }


def _json(path: Path, run: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "give the folder that 'geoglot train' wrote"
        raise DataError(run, cause="is not a training run", remedy=remedy) from error
    except ValueError as error:
        raise DataError(path, cause=f"cannot be read ({error})", remedy="train again") from error
    if not isinstance(value, dict):
        raise DataError(path, cause="is no JSON object", remedy="train again")
    return value
