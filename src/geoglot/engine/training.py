"""Start and resume runs of image-text retrieval: data, tokenizer, model, cached maps, validation.

A run folder holds, besides what :mod:`geoglot.engine.trainer` writes, ``tokenizer.json``, ``config.json`` (the
method's configuration as it was built), ``env.json``, and ``backbone.safetensors`` where a frozen backbone feeds it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from geoglot.core import registry
from geoglot.core.errors import UsageError
from geoglot.core.runs import environment, write_json
from geoglot.engine import checkpoint, composition, pretrained, tokenizers
from geoglot.engine.composition import Composed
from geoglot.engine.features import LAST_STAGE, FeatureCache, Progress, joined
from geoglot.engine.pairs import Example, PairBatches, PairData
from geoglot.engine.recipe import Recipe, recipe_from
from geoglot.engine.retrieval_data import Validation, training_examples
from geoglot.engine.trainer import Log, Trainer
from geoglot.nn.backbone import Backbone
from geoglot.nn.two_tower import RetrievalModel

BACKBONE = "backbone.safetensors"
CONFIG = "config.json"
Note = Callable[[str], None]


def make_tokenizer(recipe: Recipe, data: PairData, folder: Path) -> tokenizers.AnyTokenizer:
    """The run's tokenizer: read from the folder, or made from the training captions and written there.

    A run that starts from another run's weights takes its tokenizer as well: the weights know its pieces only.
    """
    file = folder / tokenizers.FILE
    if not file.exists() and recipe.initial is not None and is_run(recipe.initial):
        before = Path(recipe.initial)
        if recipe_from(json.loads((before / "recipe.json").read_text())).tokenizer == recipe.tokenizer:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(before / tokenizers.FILE, file)
    kind = tokenizers.tokenizer_class(recipe.tokenizer)
    length = recipe.config.get("max_length", 32)
    tokenizer: tokenizers.AnyTokenizer
    if file.exists():
        tokenizer = kind.load(file, max_length=length) if recipe.tokenizer == "subword" else kind.load(file)
        return tokenizer
    if recipe.tokenizer == "subword":
        tokenizer = data.train_tokenizer(recipe.config.get("vocabulary", 6000), length)
    else:
        tokenizer = kind.train(data.corpus())
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(file)
    return tokenizer


def build_model(
    recipe: Recipe, data: PairData, tokenizer: tokenizers.AnyTokenizer, backbone: Backbone | None
) -> tuple[RetrievalModel, Any]:
    """The recipe's method with the sizes that its data ask for, and its configuration.

    A backbone that is trained comes below the method; a frozen one does not, its maps are cached.
    """
    module = composition.method_module(recipe.method)
    if recipe.mixed and not getattr(module, "MIXES_PICTURES", False):
        raise UsageError("mixed", cause=f"is nothing that {recipe.method} can learn from", remedy="leave it at 0")
    sizes: dict[str, Any] = {
        "vocabulary": tokenizer.size,
        "max_length": tokenizer.max_length,
        "categories": len(data.category_names),
        "words": len(data.word_names),
        "items": len(data),
        "sentences": len(data.sentences),
    }
    if backbone is not None:
        sizes["channels"] = backbone.channels
    weights = pretrained.read(recipe.initial) if recipe.initial is not None and not is_run(recipe.initial) else None
    if weights is not None:
        sizes |= weights.sizes
    overrides = {name: value for name, value in recipe.config.items() if name != "vocabulary"}
    config = composition.configure(module, sizes, overrides)
    torch.manual_seed(recipe.seed)
    method = composition.build_method(module, config)
    if weights is not None:
        pretrained.initialise(method, weights)
    model = method if backbone is None or recipe.frozen else Composed(backbone, method)
    composition.set_sentences(model, torch.from_numpy(data.sentences_of_item))
    return model, config


def is_run(place: str) -> bool:
    """Whether a place to start from is a run folder of ours, rather than published weights."""
    return (Path(place) / "recipe.json").is_file()


def kept_stages(module: ModuleType) -> tuple[int, ...]:
    """Which stage maps a method looks at: its ``STAGES``, or the last alone."""
    return tuple(getattr(module, "STAGES", LAST_STAGE))


def start(
    recipe: Recipe,
    examples: Sequence[Example],
    folder: Path,
    *,
    resume: bool,
    device: str,
    cache: FeatureCache | None = None,
    backbone: Backbone | None = None,
    progress: Progress = lambda done, total: None,
    note: Note = lambda text: None,
) -> Trainer:
    """A trainer on examples, resumed when asked and possible.

    Args:
        recipe: What to train.
        examples: Training images.
        folder: The run.
        resume: Go on from the run's last epoch, if it has one.
        device: Where the model works.
        cache: Where a frozen backbone's maps come from.
        backbone: What is trained below the method, or was run for the cache.
        progress: Called while maps are computed.
        note: Called with sentences about what was skipped.
    """
    pyramids = None if cache is None else _training_maps(cache, examples, progress)
    data = PairData(examples, recipe, pyramids)
    if data.steps_per_epoch == 0:
        cause = f"is more than {len(data)} training images"
        raise UsageError(f"batch {recipe.batch}", cause=cause, remedy="lower it")
    tokenizer = make_tokenizer(recipe, data, folder)
    model, config = build_model(recipe, data, tokenizer, backbone)
    if recipe.initial is not None and is_run(recipe.initial):
        _start_from(model, Path(recipe.initial), note)
    trainer = Trainer(recipe, PairBatches(data, tokenizer), model, folder, device=device)
    if resume and (folder / "state.safetensors").exists():
        trainer.resume()
    write_json(folder / "recipe.json", asdict(recipe))
    write_json(folder / CONFIG, dataclasses.asdict(config))
    if cache is not None:
        keep_backbone(cache, folder / BACKBONE)
    return trainer


def keep_backbone(cache: FeatureCache, path: Path) -> None:
    """The frozen backbone's weights beside the run, so that the run is whole; one copy on disk where links can be."""
    kept = cache.folder / f"backbone-{cache.sha256[:12]}.safetensors"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(cache.backbone.state_dict(), kept)
    if path.exists():
        return
    try:
        os.link(kept, path)
    except OSError:
        shutil.copyfile(kept, path)


def _training_maps(cache: FeatureCache, examples: Sequence[Example], progress: Progress) -> Any:
    names = list(dict.fromkeys(example.dataset for example in examples))
    parts = []
    for name in names:
        paths = [example.path for example in examples if example.dataset == name]
        parts.append(cache.pyramids(paths, f"{name or 'images'}-train", mirrored=True, progress=progress))
    return joined(parts)


def _start_from(model: RetrievalModel, run: Path, note: Note) -> None:
    tensors = checkpoint.load(run / composition.CHECKPOINT)
    skipped = [n for n in composition.start_from(model, tensors) if "_memory." not in n and n != "sentences_of_item"]
    if skipped:
        some = ", ".join(skipped[:5]) + (f" and {len(skipped) - 5} more" if len(skipped) > 5 else "")
        note(f"{run}: start without {some}, which it does not hold in this shape")


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data_root: Path | None = None,
    cache_folder: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
    progress: Progress = lambda done, total: None,
    note: Note = lambda text: None,
) -> Trainer:
    """Train a recipe to its end in a run folder.

    Args:
        recipe: What to train.
        folder: The run.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        cache_folder: Where maps of frozen backbones are kept; default ``features/`` beside the run's parent.
        resume: Go on from the run's last epoch. Without it, a folder that holds a run is refused.
        log: Called with the figures of every epoch.
        progress: Called with (pictures done, pictures in all) while maps are computed.
        note: Called with sentences about what was skipped.

    Raises:
        UsageError: The recipe does not fit its method, or the folder already holds a run.
        DataError: A dataset or a weight file is absent or damaged.
    """
    if (folder / "state.safetensors").exists() and not resume:
        raise UsageError(folder, cause="already holds a run", remedy="add --resume, or choose another --out")
    module = composition.method_module(recipe.method)
    with_maps = composition.starts_from_maps(module, recipe)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = composition.load_backbone(str(recipe.backbone), recipe.backbone_weights) if with_maps else None
    cache = None
    if backbone is not None and recipe.frozen:
        place = cache_folder or folder.parent.parent / "features"
        side, stages = recipe.validation_side, kept_stages(module)
        cache = FeatureCache(place, backbone, side=side, stages=stages, device=device)
    found = training_examples(recipe, data_root)
    trainer = start(
        recipe,
        found,
        folder,
        resume=resume,
        device=device,
        cache=cache,
        backbone=backbone,
        progress=progress,
        note=note,
    )
    write_json(folder / "env.json", environment())
    batches = trainer.batches
    assert isinstance(batches, PairBatches)  # noqa: S101 (what start() has built, for mypy)
    trainer.run(Validation(recipe, data_root, batches.tokenizer, cache), log=log)
    return trainer


def train_recipe(
    name: str,
    *,
    data_root: Path | None = None,
    out: Path | None = None,
    resume: bool = False,
    log: Log = lambda _: None,
) -> Path:
    """Train a recipe by name and return the run's folder.

    Args:
        name: File name under ``geoglot.recipes``.
        data_root: Folder with one folder per dataset; ``None`` asks the variable ``GEOGLOT_DATA``.
        out: The run's folder; default ``runs/<name>``.
        resume: Go on from the run's last epoch. Without it, a folder that holds a run is refused.
        log: Called with the figures of every epoch.

    Raises:
        UsageError: There is no such recipe, or the folder already holds a run.
        DataError: A dataset is absent.
    """
    recipe: Recipe = registry.load("geoglot.recipes", name).RECIPE
    folder = out or Path("runs") / name
    train(recipe, folder, data_root=data_root, resume=resume, log=log)
    return folder
