"""Where a training stands at a step: share done, resolution, learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geoglot.engine.recipe import Recipe


@dataclass(frozen=True)
class Timetable:
    """The steps of a recipe on data with so many steps per epoch.

    Args:
        recipe: Lengths, schedule and resolutions.
        steps_per_epoch: At least 1.

    Example:
        >>> from geoglot.engine.recipe import Optimiser
        >>> table = Timetable(Recipe(method="x", datasets=(), epochs=1, optimiser=Optimiser(learning_rate=1.0)), 100)
        >>> [round(table.learning_rate(step), 3) for step in (3, 7, 99)]  # 4 %, 8 % and all of the steps done
        [0.5, 1.0, 0.01]
    """

    recipe: Recipe
    steps_per_epoch: int

    @property
    def main_steps(self) -> int:
        """Steps of the main cycle."""
        return self.steps_per_epoch * self.recipe.epochs

    @property
    def steps(self) -> int:
        """Steps of the main cycle and the polish."""
        return self.main_steps + self.steps_per_epoch * (self.recipe.polish.epochs if self.recipe.polish else 0)

    def progress(self, step: int) -> float:
        """Share of the main cycle's steps; beyond them 1 plus the share of the polish."""
        if step <= self.main_steps or self.steps == self.main_steps:
            return step / self.main_steps
        return 1 + (step - self.main_steps) / (self.steps - self.main_steps)

    def side(self, step: int) -> int:
        """Training side in pixels."""
        return self.recipe.side_at(self.progress(step))

    def learning_rate(self, step: int) -> float:
        """Of the step with this number, counted from 0.

        ``one-cycle`` rises linearly, falls as a cosine, and does the same again, lower, in the polish.
        """
        recipe, schedule = self.recipe, self.recipe.schedule
        peak, progress = recipe.optimiser.learning_rate, self.progress(step + 1)
        if schedule.name == "constant":
            return peak
        if schedule.name == "steps":
            passed = sum(epoch <= step // self.steps_per_epoch for epoch in schedule.milestones)
            return peak * float(schedule.factor) ** passed
        if recipe.polish and progress > 1:
            peak, progress = recipe.polish.learning_rate, progress - 1
        if progress < schedule.rise:
            return peak * progress / schedule.rise
        fall = 0.5 * (1 + math.cos(math.pi * (progress - schedule.rise) / (1 - schedule.rise)))
        return peak * (schedule.last + (1 - schedule.last) * fall)
