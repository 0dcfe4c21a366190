"""Training of the segmenter that ships: masks where there are some, captions where there are none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from geoglot.core import registry
from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import load_dataset
from geoglot.data.ground_words import LANGUAGES
from geoglot.data.referring import load_referring
from geoglot.data.translations import load_translations
from geoglot.engine import checkpoint
from geoglot.engine.phrase_map.batches import CaptionDrawer, MaskDrawer, as_images, padded
from geoglot.engine.phrase_map.pictures import (
    TRAINING_TILES,
    VALIDATION_TILES,
    MappedPicture,
    Progress,
    referred_pictures,
    rendered_pictures,
    surveyed_pictures,
)
from geoglot.engine.place.product import backbone_of
from geoglot.engine.recipe import known_fields
from geoglot.nn import late_fusion
from geoglot.nn.late_fusion import LateFusion
from geoglot.nn.segmenter import resized
from geoglot.text.tokenizer import Tokenizer

KIND: Final = "product-segmenter"
CHECKPOINT, STATE, SUMMARY = "checkpoint.safetensors", "state.safetensors", "summary.json"
HELD_BACK_SEED: Final = 1_000_003
"""Of rendered scenes that choose and check, and are never learnt from."""

Log = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class SegmenterRecipe:
    """How the segmenter is trained.

    Attributes:
        method: File name under ``geoglot.methods.segmentation``.
        config: Overrides of the method's ``Config``.
        backbone: Run of geoglot-compact, whose two networks are the start, or of the segmenter, to go on from.
        datasets: Captioned datasets, their train splits.
        referring: Datasets of phrases with masks, their train splits.
        languages: Codes.
        rendered: Windows of rendered scenes.
        side: Of parts of mapped pictures, pixels.
        caption_side: Of captioned pictures.
        pictures: Mapped pictures in a step.
        captioned: Captioned pictures in a step.
        caption_weight: Of their loss.
        rounds: Validations.
        steps: Between them.
        learning_rate: At its highest, of pyramid and phrase head.
        image_rate: The image network's share of it.
        text_rate: The text network's.
        average: Decay of the average of the weights, per step.
        seed: Of all that is drawn.
    """

    method: str = "phrase_map"
    config: Mapping[str, Any] = field(default_factory=dict)
    backbone: str | None = None
    datasets: tuple[str, ...] = ("rsicd", "ucm")
    referring: tuple[str, ...] = ("dubai",)
    languages: tuple[str, ...] = LANGUAGES
    rendered: int = 400
    side: int = 192
    caption_side: int = 144
    pictures: int = 6
    captioned: int = 12
    caption_weight: float = 0.5
    rounds: int = 10
    steps: int = 150
    learning_rate: float = 2e-3
    image_rate: float = 0.2
    text_rate: float = 0.1
    average: float = 0.995
    seed: int = 0
    kind: str = KIND


def segmenter_recipe(values: Mapping[str, Any]) -> SegmenterRecipe:
    """A recipe from plain values.

    Raises:
        UsageError: A name is no setting.

    Example:
        >>> segmenter_recipe({"rounds": 3, "languages": ["en", "fr"]}).languages
        ('en', 'fr')
    """
    known = known_fields(SegmenterRecipe, values, subject="segmenter")
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in known.items()}
    return SegmenterRecipe(**fields)


def new_model(recipe: SegmenterRecipe) -> LateFusion:
    """The method's model, untrained."""
    method = registry.load("geoglot.methods.segmentation", recipe.method)
    return cast(LateFusion, method.Model(method.Config(**recipe.config)))


def starting_model(recipe: SegmenterRecipe, run: Path) -> tuple[LateFusion, Tokenizer]:
    """The method's model with both networks of a run of geoglot-compact, or all of a run of the segmenter.

    Raises:
        DataError: The run has other networks.
    """
    model = new_model(recipe)
    tensors = checkpoint.load(run / CHECKPOINT)
    if "pyramid.output.weight" in tensors:
        model.load_state_dict(tensors)
    else:
        model.backbone.load_state_dict(backbone_of(run).state_dict())
        model.text.load_state_dict(checkpoint.without_prefix("text", tensors))
    return model, Tokenizer.load(run / "tokenizer.json", max_length=model.config.max_length)


@dataclass(frozen=True, eq=False)
class Material:
    """All that a training reads."""

    masks: MaskDrawer
    captions: CaptionDrawer
    surveyed: Mapping[str, MappedPicture]
    rendered: list[MappedPicture]


def read_material(recipe: SegmenterRecipe, data_root: Path | None, progress: Progress) -> Material:
    """Pictures of train splits to learn from, and some to validate with."""
    generator = np.random.default_rng(recipe.seed)
    rendered = rendered_pictures(recipe.rendered, recipe.seed, progress)
    surveyed = surveyed_pictures(TRAINING_TILES, data_root)
    referred = [
        picture
        for name in recipe.referring
        for picture in referred_pictures(load_referring(name, data_root).records("train"))
    ]
    records = [record for name in recipe.datasets for record in load_dataset(name).records("train", data_root)]
    captions = CaptionDrawer(
        records, recipe.caption_side, recipe.languages, load_translations(data_root), generator, progress
    )
    return Material(
        masks=MaskDrawer([list(surveyed.values()), rendered, referred], recipe.side, recipe.languages, generator),
        captions=captions,
        surveyed=surveyed_pictures(VALIDATION_TILES, data_root),
        rendered=rendered_pictures(24, HELD_BACK_SEED, progress),
    )


def step_losses(
    model: LateFusion, tokenizer: Tokenizer, material: Material, recipe: SegmenterRecipe
) -> dict[str, Tensor]:
    """Losses of one step: ``mask``, ``overlap`` and ``captions``, a mean each."""
    masks, captions = material.masks.draw(recipe.pictures), material.captions.draw(recipe.captioned)
    tokens = torch.from_numpy(tokenizer.encode(masks.texts + captions.texts))
    with torch.autocast("cpu", torch.bfloat16):
        mapped = model.encode_image(masks.images.contiguous(memory_format=torch.channels_last))
        shown = model.encode_image(captions.images.contiguous(memory_format=torch.channels_last))
    phrases = model.encode_text(tokens)
    own, others = phrases[: len(masks.texts)], phrases[len(masks.texts) :]
    features = mapped.float()[masks.picture]
    logits = torch.einsum("mdhw,md->mhw", features, own[:, :-1]) + own[:, -1, None, None]
    logits = resized(logits[:, None], masks.masks.shape[1:])[:, 0]
    terms = late_fusion.mask_losses(logits, masks.masks, masks.known)
    evidence = late_fusion.phrase_logits(shown.float(), others)
    terms["captions"] = late_fusion.caption_losses(evidence, captions.present, model.config.sharpness)
    return {name: term.mean() for name, term in terms.items()}


def train_segmenter(
    recipe: SegmenterRecipe,
    run: Path,
    out: Path,
    *,
    data_root: Path | None = None,
    resume: bool = False,
    log: Log = lambda record: None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Train; the average of the weights that is best on the validation tile and on rendered scenes is kept.

    Args:
        recipe: All settings.
        run: Of geoglot-compact, the start.
        out: Folder of the new run.
        data_root: Folder with the datasets.
        resume: Go on after the last finished round, if there is one.
        log: Called with a record per round.
        progress: Called with pictures read and in all.
    """
    torch.manual_seed(recipe.seed)
    model, tokenizer = starting_model(recipe, run)
    material = read_material(recipe, data_root, progress)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "recipe.json", asdict(recipe))
    write_json(out / "env.json", environment())
    tokenizer.save(out / "tokenizer.json")
    trainer = SegmenterTrainer(model, recipe)
    done, best = trainer.restore(out / STATE) if resume and (out / STATE).exists() else (0, -1.0)
    for number in range(done, recipe.rounds):
        started = monotonic()
        means = trainer.round(number, tokenizer, material)
        figures = validation(trainer.average, tokenizer, material, recipe.languages)
        overlap = (figures["surveyed_en"] + figures["rendered_en"]) / 2
        better = overlap > best
        if better:
            best = overlap
            checkpoint.save(trainer.average.state_dict(), out / CHECKPOINT)
        seconds = round(monotonic() - started, 1)
        record = {"round": number + 1, **means, **figures, "best": better, "seconds": seconds}
        with (out / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        log(record)
        trainer.save(out / STATE, number + 1, best)
    write_json(out / SUMMARY, summary_of(out))
    (out / STATE).unlink(missing_ok=True)
    return out


def summary_of(run: Path) -> dict[str, Any]:
    """Best round and duration, from the figures that every round has left."""
    told = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = next(record for record in reversed(told) if record["best"])
    return {
        "best_round": best["round"],
        "validation_mean_iou": best["surveyed_en"],
        "training_seconds": round(sum(record["seconds"] for record in told), 1),
        "rounds": len(told),
    }


class SegmenterTrainer:
    """Model, average, optimiser and schedule."""

    def __init__(self, model: LateFusion, recipe: SegmenterRecipe) -> None:
        self.recipe = recipe
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(model)
        rate = recipe.learning_rate
        groups = [
            {"params": list(model.backbone.parameters()), "lr": rate * recipe.image_rate},
            {"params": list(model.text.parameters()), "lr": rate * recipe.text_rate},
            {"params": [*model.pyramid.parameters(), *model.head.parameters()], "lr": rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            [float(group["lr"]) for group in self.optimiser.param_groups],
            total_steps=recipe.rounds * recipe.steps,
            pct_start=0.1,
        )

    def round(self, number: int, tokenizer: Tokenizer, material: Material) -> dict[str, float]:
        """So many steps; mean losses."""
        seed = self.recipe.seed * 1000 + number
        torch.manual_seed(seed)
        for drawer in (material.masks, material.captions):
            drawer.generator = np.random.default_rng((seed, drawer is material.masks))
        self.model.train()
        told: list[dict[str, float]] = []
        for _ in range(self.recipe.steps):
            terms = step_losses(self.model, tokenizer, material, self.recipe)
            weight = self.model.config.dice_weight
            total = terms["mask"] + weight * terms["overlap"] + self.recipe.caption_weight * terms["captions"]
            self.optimiser.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
            self.optimiser.step()
            self.schedule.step()
            self._follow()
            told.append({name: float(term.detach()) for name, term in terms.items()})
        return {name: round(float(np.mean([one[name] for one in told])), 4) for name in told[0]}

    @torch.no_grad()
    def _follow(self) -> None:
        for mine, theirs in zip(self.average.parameters(), self.model.parameters(), strict=True):
            mine.lerp_(theirs, 1 - self.recipe.average)
        for kept, current in zip(self.average.buffers(), self.model.buffers(), strict=True):
            if kept.dtype.is_floating_point:
                kept.mul_(self.recipe.average).add_(current, alpha=1 - self.recipe.average)
            else:
                kept.copy_(current)

    def save(self, path: Path, rounds: int, best: float) -> None:
        """Everything that the next round depends on."""
        tensors = {
            **checkpoint.with_prefix("model", self.model.state_dict()),
            **checkpoint.with_prefix("average", self.average.state_dict()),
        }
        for group, entry in enumerate(self.optimiser.param_groups):
            for number, parameter in enumerate(entry["params"]):
                for name, value in self.optimiser.state[parameter].items():
                    tensors[f"optimiser.{group}.{number}.{name}"] = torch.as_tensor(value)
        checkpoint.save(tensors, path, metadata={"rounds": str(rounds), "best": repr(best)})

    def restore(self, path: Path) -> tuple[int, float]:
        """Rounds done and the best validation figure."""
        from safetensors import safe_open

        tensors = checkpoint.load(path)
        self.model.load_state_dict(checkpoint.without_prefix("model", tensors))
        self.average.load_state_dict(checkpoint.without_prefix("average", tensors))
        with safe_open(path, framework="pt") as file:
            told = file.metadata()
        rounds = int(told["rounds"])
        for group, entry in enumerate(self.optimiser.param_groups):
            for number, parameter in enumerate(entry["params"]):
                state = checkpoint.without_prefix(f"optimiser.{group}.{number}", tensors)
                self.optimiser.state[parameter] = {name: value.clone() for name, value in state.items()}
        steps = rounds * self.recipe.steps
        self.schedule.load_state_dict({**self.schedule.state_dict(), "last_epoch": steps - 1, "_step_count": steps})
        self.schedule.step()
        return rounds, float(told["best"])


def overlaps(logits: NDArray[np.float32] | Tensor, mask: Tensor, known: Tensor) -> float:
    """Intersection over union of logits above zero and a mask, where something is known."""
    found = (torch.as_tensor(logits) > 0) & known
    target = mask & known
    union = int((found | target).sum())
    return int((found & target).sum()) / union if union else 0.0


@torch.no_grad()
def validation(
    model: LateFusion, tokenizer: Tokenizer, material: Material, languages: tuple[str, ...]
) -> dict[str, float]:
    """Mean IoU over pictures and names that are there: surveyed ones in each language, rendered ones in English."""
    model.eval()
    figures: dict[str, float] = {}
    pictures = list(material.surveyed.values())
    for language in languages:
        figures[f"surveyed_{language}"] = float(
            np.mean([v for _, v in _overlaps(model, tokenizer, pictures, language)])
        )
    found = _overlaps(model, tokenizer, material.rendered, "en")
    figures["rendered_en"] = float(np.mean([value for _, value in found]))
    return {name: round(value, 4) for name, value in figures.items()}


def _overlaps(
    model: LateFusion, tokenizer: Tokenizer, pictures: list[MappedPicture], language: str
) -> Iterator[tuple[str, float]]:
    for picture in pictures:
        images = as_images(picture.pixels[None])
        features = model.encode_image(padded(images).contiguous(memory_format=torch.channels_last))
        asked = [p for p in picture.phrases() if (p.mask & p.known).mean() > 0.002]
        phrases = model.encode_text(torch.from_numpy(tokenizer.encode([p.wordings[language][0] for p in asked])))
        height, width = picture.classes.shape
        maps = late_fusion.phrase_logits(features, phrases)
        maps = F.interpolate(maps, scale_factor=4.0, mode="bilinear")[0, :, :height, :width]
        for phrase, logits in zip(asked, maps, strict=True):
            yield phrase.name, overlaps(logits, torch.from_numpy(phrase.mask), torch.from_numpy(phrase.known))
