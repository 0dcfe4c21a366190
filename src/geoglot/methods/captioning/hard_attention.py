"""Hard attention: before every word one place of the image is drawn and looked at; drawing is learnt by reward.

Paper        X. Lu, B. Wang, X. Zheng, X. Li, Exploring Models and Data for Remote Sensing Image Caption Generation,
             IEEE TGRS 56, 2018, with the decoder of K. Xu et al., Show, Attend and Tell, ICML 2015
Input        grids (B, C, H, W) of a frozen backbone
Output       log-probabilities of the next word
Equations    alpha, first state, gate and deep output as soft attention     -> nn.attentive_lstm.AttentiveLSTM
             s ~ Multinoulli(alpha), z = beta v_s; for half of the captions z = beta sum_j alpha_j v_j  -> Sampler
             the most probable place when captions are written              -> most_probable
             b <- 0.9 b + 0.1 mean log p(y | s)                             -> Model.follow
             d log p(y | s) + lambda_r (log p(y | s) - b) d log p(s) + lambda_e d H[alpha]    -> Model.losses
Deviations   1. Widths are not given for remote sensing: 512 everywhere.
             2. The first state is one layer with tanh of the mean place; dropout 0.5 before the output layer.
             3. Reward and baseline are log p(y | s) by word, so that long sentences are not bad by their length.
             4. lambda_r = 1 and lambda_e = 0.002 are not given for remote sensing.
             5. Captions that look at the mixture teach alpha by it alone, without the reward.
             6. Captions are written with the most probable place, not with a drawn one: the same picture always gets
                the same sentence. Validation losses are measured the same way.
             7. The baseline starts at -log V, the reward of a guess.
             8. With several languages a vector of the caption's language is added to every word vector that is read.
Reproduces   results/captioning/hard_attention-*.json
Provenance   Written from the papers' equations; no third-party code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.attentive_lstm import AttentiveLSTM, DeepOutput
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import read, word_losses

METHOD = MethodCard(
    title="Hard Attention",
    paper="Lu, Wang, Zheng, Li, Exploring Models and Data for Remote Sensing Image Caption Generation, IEEE TGRS 2018",
    kind="captioner",
    fidelity="partial",
    counted="all but the CNN, for 269 words (5 times and more in the training captions of UCM)",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and settings.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Not used.
        languages: Number of languages; more than one adds a vector of the language to every word vector.
        categories: Not used.
        max_length: Words of the longest caption.
        hidden: Width of the state.
        words: Width of a word vector.
        attention: Width of the attention's comparison.
        dropout: Before the output layer.
        reward: lambda_r, weight of the reward.
        entropy: lambda_e, weight of the attention's entropy.
        mixed: Share of the captions that look at the mixture of all places while training.
        baseline: Share of the old baseline in the new one.
        variant: There is one.
    """

    channels: int = 512
    vocabulary: int = 273
    attributes: int = 0
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    hidden: int = 512
    words: int = 512
    attention: int = 512
    dropout: float = 0.5
    reward: float = 1.0
    entropy: float = 0.002
    mixed: float = 0.5
    baseline: float = 0.9
    variant: Literal["paper"] = "paper"


def most_probable(attention: Tensor) -> Tensor:
    """All weight on the place that has most. (R, P) -> (R, P).

    Example:
        >>> most_probable(torch.tensor([[0.2, 0.5, 0.3]]))
        tensor([[0., 1., 0.]])
    """
    places = torch.arange(attention.shape[1], device=attention.device)
    return (attention.argmax(1, keepdim=True) == places).to(attention.dtype)


def entropy(attention: Tensor) -> Tensor:
    """H[alpha] in nats. (N, P) -> (N,).

    Example:
        >>> entropy(torch.tensor([[0.5, 0.5], [0.25, 0.75]]))  # log 2, then 0.25 log 4 + 0.75 log (4 / 3)
        tensor([0.6931, 0.5623])
    """
    return -torch.xlogy(attention, attention.clamp(min=1e-30)).sum(1)


class Sampler:
    """Draws places step by step and remembers them.

    Args:
        mixed: (R,) bool, captions in reading order that look at the mixture.
    """

    def __init__(self, mixed: Tensor) -> None:
        self.mixed = mixed
        self._chosen: list[Tensor] = []

    def __call__(self, attention: Tensor) -> Tensor:
        """(R, P) -> (R, P), one place of those that are drawn."""
        places = torch.multinomial(attention.detach(), 1)
        drawn = torch.zeros_like(attention).scatter(1, places, 1.0)
        self._chosen.append(places)
        return torch.where(self.mixed[: len(attention), None], attention, drawn)

    def log_probabilities(self, attention: Tensor) -> Tensor:
        """Log p(s) of all steps; zero where the mixture was looked at. (N, P) in reading order -> (N,)."""
        found = attention.gather(1, torch.cat(self._chosen)).squeeze(1).clamp(min=1e-30).log()
        mixed = torch.cat([self.mixed[: len(places)] for places in self._chosen])
        return torch.where(mixed, 0.0, found)


class Model(Captioner):
    """Word vectors, the recurrence and its deep output."""

    baseline: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.words)
        self.language = nn.Embedding(config.languages, config.words) if config.languages > 1 else None
        self.decoder = AttentiveLSTM(
            values=config.channels, words=config.words, hidden=config.hidden, attention=config.attention
        )
        self.output = DeepOutput(
            hidden=config.hidden,
            values=config.channels,
            words=config.words,
            vocabulary=config.vocabulary,
            dropout=config.dropout,
        )
        self.register_buffer("baseline", torch.tensor(-math.log(config.vocabulary)))

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``."""
        return {"words": self.embedding}

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """The places as they are."""
        language = None if self.language is None else self.language(languages)
        return self.decoder.context(grids.flatten(2).transpose(1, 2), language)

    def start(self, context: Context) -> State:
        """What the mean of the places says."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        vectors = self.embedding(words)
        state = self.decoder.step(context, state, self.decoder.prepare_words(vectors), most_probable)
        return self.output(vectors, state["state"], state["seen"]), state

    @torch.no_grad()
    def follow(self, rewards: Tensor) -> None:
        """Move the baseline towards the mean of the rewards, (B,)."""
        self.baseline.lerp_(rewards.mean(), 1 - self.config.baseline)

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption``; while training also ``reward``, whose gradient teaches the drawing, and ``entropy``.

        Out of training nothing is drawn and the most probable place is looked at, as when captions are written.
        """
        config = self.config
        reading = read(batch.tokens)
        vectors = self.embedding(reading.words)
        context = self.context(batch.grids, batch.languages)
        sampler = None
        if self.training:
            mixed = torch.rand(len(reading.order), device=vectors.device) < config.mixed
            sampler = Sampler(mixed)
        states = self.decoder.read(context, vectors, reading, sampler or most_probable)
        said = self.output(vectors, states["state"], states["seen"])
        caption = reading.per_caption(word_losses(said, reading.targets))
        if sampler is None:
            return {"total": caption.mean(), "caption": caption}
        words = reading.per_caption(torch.ones_like(states["attention"][:, 0])).clamp(min=1)
        rewards = -caption.detach() / words
        drawn = reading.per_caption(sampler.log_probabilities(states["attention"]))
        reward = -(rewards - self.baseline) * drawn
        self.follow(rewards)
        spread = reading.per_caption(entropy(states["attention"]))
        total = caption + config.reward * reward - config.entropy * spread
        return {"total": total.mean(), "caption": caption, "reward": reward, "entropy": spread}


SMALL = {"channels": 12, "vocabulary": 20, "hidden": 24, "words": 10, "attention": 16, "dropout": 0.0}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""As the JTTS paper trained its decoders."""


def paper_parameters(variant: str = "paper") -> int:
    """Parameters without the CNN for UCM's vocabulary.

    Example:
        >>> paper_parameters() > 4_000_000
        True
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
