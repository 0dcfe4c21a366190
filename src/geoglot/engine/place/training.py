"""Train local descriptors from an image network: positions of two views that show the same spot agree.

The loss of an anchor position is the cross-entropy of its true position in the other view among all positions of all
other views in the batch (InfoNCE), those next to the true one left out; positions without a counterpart do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from geoglot.core.errors import UsageError
from geoglot.engine.place.views import learning_view
from geoglot.engine.recipe import known_fields
from geoglot.nn.place import STRIDE, PlaceNetwork


@dataclass(frozen=True, kw_only=True)
class PlaceRecipe:
    """How descriptors are trained.

    Attributes:
        side: Of the pictures, pixels; a multiple of 16.
        pictures: Training pictures; two views are drawn of each.
        epochs: Passes over the pairs.
        batch: Pairs in a step.
        anchors: Positions of a view that are asked for in a step.
        temperature: Of the similarities.
        learning_rate: At its highest.
        trunk_rate: The image network's share of it.
        seed: Of everything that is drawn.
    """

    side: int = 144
    pictures: int = 1600
    epochs: int = 6
    batch: int = 16
    anchors: int = 48
    temperature: float = 0.06
    learning_rate: float = 2e-3
    trunk_rate: float = 0.5
    seed: int = 0


def place_recipe(values: Mapping[str, Any]) -> PlaceRecipe:
    """A recipe from plain values.

    Raises:
        UsageError: A name is no setting, or the side is no multiple of 16.
    """
    recipe = PlaceRecipe(**known_fields(PlaceRecipe, values, subject="place network"))
    if recipe.side < 32 or recipe.side % 16:
        cause = "is not a multiple of 16 from 32 on"
        raise UsageError(f"side {recipe.side}", cause=cause, remedy="give 144, 192 or 224")
    return recipe


@dataclass(frozen=True, eq=False)
class ViewPairs:
    """Maps of pairs of views and what belongs together.

    Attributes:
        pixels: (P, 2, S, S, 3) uint8.
        partner: (P, G x G, 2) float32; where a position of the first view lies in the second, in cells (x, y).
        seen: (P, G x G) bool; whether it lies in there, unchanged.
    """

    pixels: NDArray[np.uint8]
    partner: NDArray[np.float32]
    seen: NDArray[np.bool_]


def view_pairs(
    pictures: Sequence[NDArray[np.uint8]], recipe: PlaceRecipe, progress: Callable[[int, int], None]
) -> ViewPairs:
    """Two views of each picture."""
    grid = recipe.side // STRIDE
    generator = np.random.default_rng(recipe.seed)
    cells = (np.stack(np.meshgrid(np.arange(grid), np.arange(grid)), axis=-1).reshape(-1, 2) + 0.5) * 2 / grid - 1
    found, partners, seen = [], [], []
    for number, picture in enumerate(pictures):
        others = generator.integers(len(pictures), size=2)
        first, second = (
            learning_view(picture, pictures[other], side=recipe.side, grid=grid, generator=generator)
            for other in others
        )
        found.append(np.stack([first.pixels, second.pixels]))
        spots = cells @ first.matrix[:, :2].T + first.matrix[:, 2]
        there = np.linalg.solve(second.matrix[:, :2], (spots - second.matrix[:, 2]).T).T
        cell = ((there + 1) / 2 * grid - 0.5).astype(np.float32)
        nearest = np.clip(np.rint(cell), 0, grid - 1).astype(np.int64)
        inside = ((cell > -0.5) & (cell < grid - 0.5)).all(axis=1) & (np.abs(spots) < 1).all(axis=1)
        same = ~first.changed.ravel() & ~second.changed[nearest[:, 1], nearest[:, 0]]
        partners.append(cell)
        seen.append(inside & same)
        progress(number + 1, len(pictures))
    return ViewPairs(np.stack(found), np.stack(partners), np.stack(seen))


def pair_loss(
    first: Tensor, second: Tensor, partner: Tensor, seen: Tensor, *, anchors: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """InfoNCE of the positions of some views among all positions of others.

    Args:
        first: (P, M, D) descriptors, M = G x G.
        second: As `first`.
        partner: (P, M, 2), cells.
        seen: (P, M) bool.
        anchors: Positions drawn per pair.
        temperature: Of the similarities.

    Returns:
        The loss, and the share of anchors whose most similar position is within 1.5 cells of the true one.
    """
    pairs, places, dimension = first.shape
    grid = round(places**0.5)
    weights = seen.float() + 1e-6
    drawn = torch.multinomial(weights, anchors)
    valid = seen.gather(1, drawn)
    asked = first.gather(1, drawn[..., None].expand(-1, -1, dimension))
    spot = partner.gather(1, drawn[..., None].expand(-1, -1, 2))
    image = second.transpose(1, 2).reshape(pairs, dimension, grid, grid)
    where = (spot + 0.5) * 2 / grid - 1
    true = F.normalize(F.grid_sample(image, where[:, :, None], align_corners=False)[..., 0], dim=1).transpose(1, 2)
    own = (asked * true).sum(-1)
    scores = torch.einsum("pad,qmd->paqm", asked, second)
    cells = torch.stack([torch.arange(places) % grid, torch.arange(places) // grid], dim=-1).float()
    near = (spot[:, :, None] - cells).abs().amax(-1) < 1.5
    same_pair = torch.eye(pairs, dtype=torch.bool)[:, None, :, None]
    blocked = same_pair & near[:, :, None]
    best = scores.detach().flatten(2).argmax(-1)
    hit = blocked.expand_as(scores).flatten(2).gather(2, best[..., None])[..., 0]
    others = scores.masked_fill(blocked, float("-inf")).flatten(2) / temperature
    logits = torch.cat([own[..., None] / temperature, others], dim=-1)
    loss = -F.log_softmax(logits, dim=-1)[..., 0]
    count = valid.sum().clamp(min=1)
    return (loss * valid).sum() / count, (hit & valid).sum() / count


def train_network(
    network: PlaceNetwork, pairs: ViewPairs, recipe: PlaceRecipe, log: Callable[[dict[str, Any]], None]
) -> PlaceNetwork:
    """Train an image network and its head; returned in evaluation mode."""
    torch.manual_seed(recipe.seed)
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = [
        {"params": list(network.trunk.parameters()), "lr": recipe.learning_rate * recipe.trunk_rate},
        {"params": list(network.head.parameters()), "lr": recipe.learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=1e-3)
    steps = recipe.epochs * (len(pairs.pixels) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [float(group["lr"]) for group in optimiser.param_groups], total_steps=steps, pct_start=0.1
    )
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(pairs.pixels)).numpy()
        told: list[tuple[float, float]] = []
        for start in range(0, len(order) - recipe.batch + 1, recipe.batch):
            rows = np.sort(order[start : start + recipe.batch])
            with torch.autocast("cpu", torch.bfloat16):
                described = network(torch.from_numpy(pairs.pixels[rows]).flatten(0, 1))
            first, second = described.float().unflatten(0, (-1, 2)).unbind(1)
            loss, right = pair_loss(
                first,
                second,
                torch.from_numpy(pairs.partner[rows]),
                torch.from_numpy(pairs.seen[rows]),
                anchors=recipe.anchors,
                temperature=recipe.temperature,
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            told.append((float(loss.detach()), float(right)))
        mean = np.mean(told, axis=0)
        log({"epoch": epoch + 1, "loss": round(float(mean[0]), 4), "found": round(float(mean[1]), 4)})
    return network.eval()
