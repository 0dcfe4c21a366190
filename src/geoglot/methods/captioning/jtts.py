"""JTTS: attributes are found, sampled so that a gradient passes, and guide the sentence; all trained together.

Paper        X. Ye, S. Wang, Y. Gu, J. Wang, R. Wang, B. Hou, F. Giunchiglia, L. Jiao, A Joint-Training Two-Stage Method
             For Remote Sensing Image Captioning, IEEE TGRS 60, 2022
Input        grids (B, C, H, W) of a frozen backbone; while training captions, and which attributes they name
Output       log-probabilities of the next word; probabilities of the attributes as ``attributes`` of the context
Equations    (2)(3)    V = W_f x + b_f and its mean over the places                      -> Model.look
             (4)       FC-ReLU-Dropout twice, FC-sigmoid                                 -> AttributeClassifier
             (5)       logistic sampling                    -> nn.attribute_sampling.logistic_sampling
             (11)-(14) margin-based sampling                -> nn.attribute_sampling.margin_sampling
             (15)      f_s                                  -> nn.attribute_sampling.attribute_feature
             (16)-(24) three semantic gates                 -> nn.semantic_gate.SemanticGate
             (25)-(29) attention LSTM and language LSTM     -> nn.two_layer_lstm.TwoLayerDecoder
             (30)      softmax over the vocabulary                                       -> Model.log_probabilities
             (31)(32)  dynamic contrast and cross-entropy of the attributes   -> nn.attribute_sampling.dynamic_contrast
             (33)(34)  cross-entropy of the words, sum of all                            -> Model.losses
Deviations   1. (31) as printed pushes positives below negatives and (32) lacks its minus; both as their text says.
             2. (26) attends with the pooled image at every place, which tells no place from another: with V_j.
             3. W^s of the gates is (D, E), not (D, D), because f_s has the width E of a word vector.
             4. h2 stands in LSTM1's input beside the first gate's output; the recurrent state of LSTM1 is h1.
             5. The pooled image has a projection of its own (``own_pooled``): with it ``b`` has the 30.7 million
                parameters that the paper reports; with GAP(V) it has 28.6.
             6. ``sg/s`` samples with the hard edge of the band, and its classifier has its own W_f: it learns alone
                until ``first_phase`` of the training is done, then stays as it is while the decoder learns.
             7. ``sg+ls`` and ``sg+ls+Ld`` hold the gradient that the sampling gives to y_a within [-1, 1].
             8. Attributes and words have tables of their own; ``attribute_tokens`` ties the attributes to their words.
             9. Widths of the classifier and the place of dropout are not given: 512, and before every output layer.
            10. With several languages a vector of the caption's language is added to every word vector.
Reproduces   results/captioning/jtts-*.json
Provenance   Written from the paper; no third-party code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoglot.core.method import MethodCard
from geoglot.nn.attribute_sampling import (
    attribute_cross_entropy,
    attribute_feature,
    clip_gradient,
    dynamic_contrast,
    hard_sampling,
    logistic_sampling,
    margin_sampling,
)
from geoglot.nn.captioner import CaptionBatch, Captioner, Context, State
from geoglot.nn.teacher_forcing import read, word_losses
from geoglot.nn.two_layer_lstm import TwoLayerDecoder

Variant = Literal["sg+MSO+Ld", "b", "sg/s", "sg+ls", "sg+MSO", "sg+ls+Ld"]

METHOD = MethodCard(
    title="JTTS",
    paper="Ye, Wang, Gu, Wang, Wang, Hou, Giunchiglia, Jiao, A Joint-Training Two-Stage Method, IEEE TGRS 2022",
    kind="captioner",
    variants=("sg+MSO+Ld", "b", "sg/s", "sg+ls", "sg+MSO", "sg+ls+Ld"),
    counted="all but the CNN, for 269 words (5 times and more in the training captions of UCM) and 73 attributes",
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and settings of the paper.

    Attributes:
        channels: C of the grids.
        vocabulary: Number of tokens, the four special ones included.
        attributes: Number of attributes.
        languages: Number of languages; more than one adds a vector of the language to every word vector.
        categories: Number of scene categories; not used.
        max_length: Words of the longest caption.
        hidden: D, width of both states and of the projected image.
        words: E, width of a word vector.
        attention: Width of the attention's comparison.
        classifier: Width of both hidden layers of the classifier.
        dropout: Before the output layer and within the classifier.
        input_dropout: Of word vectors and projected image.
        rate: beta of the sampling.
        margin: Of the dynamic contrast loss and of the sampled band.
        sampling: lambda, the sampled band in units of the margin.
        gradient_limit: Of the logistic sampling.
        weights: Of caption, attribute cross-entropy and dynamic contrast.
        caption_loss: (33) as ``sum`` over a caption's words, or the ``mean`` over all words of the batch.
        first_phase: Share of the training in which ``sg/s`` trains its classifier alone.
        own_pooled: A projection of its own for the pooled image, see the file's deviations.
        attribute_tokens: Token of each attribute, which ties their vectors to the words'; empty: own vectors.
        variant: Which row of the paper's ablation.
    """

    channels: int = 2048
    vocabulary: int = 273
    attributes: int = 73
    languages: int = 1
    categories: int = 0
    max_length: int = 30
    hidden: int = 1000
    words: int = 300
    attention: int = 512
    classifier: int = 512
    dropout: float = 0.5
    input_dropout: float = 0.0
    rate: float = 100.0
    margin: float = 0.2
    sampling: float = 0.5
    gradient_limit: float = 1.0
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    caption_loss: Literal["sum", "mean"] = "sum"
    first_phase: float = 0.3
    own_pooled: bool = True
    attribute_tokens: tuple[int, ...] = ()
    variant: Variant = "sg+MSO+Ld"


class AttributeClassifier(nn.Sequential):
    """(4) before its sigmoid. (B, inputs) -> (B, attributes)."""

    def __init__(self, inputs: int, hidden: int, attributes: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, attributes),
        )


class Model(Captioner):
    """Projection, classifier, sampling and the attribute-guided decoder."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        hidden, words = config.hidden, config.words
        gated = config.variant != "b"
        if len(config.attribute_tokens) not in (0, config.attributes):
            raise ValueError(f"{len(config.attribute_tokens)} tokens for {config.attributes} attributes")
        self.alone = config.variant == "sg/s"
        self.places = nn.Linear(config.channels, hidden)
        self.pooled = nn.Linear(config.channels, hidden) if config.own_pooled else None
        self.embedding = nn.Embedding(config.vocabulary, words)
        self.language = nn.Embedding(config.languages, words) if config.languages > 1 else None
        self.decoder = TwoLayerDecoder(
            values=hidden,
            pooled=hidden,
            words=words,
            hidden=hidden,
            attention=config.attention,
            semantic=words if gated else None,
        )
        self.output = nn.Linear(hidden, config.vocabulary)
        self.dropout = nn.Dropout(config.dropout)
        self.input_dropout = nn.Dropout(config.input_dropout)
        self.classifier: nn.Sequential | None = None
        self.attribute_table: nn.Embedding | None = None
        if gated:
            head = AttributeClassifier(hidden, config.classifier, config.attributes, config.dropout)
            self.classifier = nn.Sequential(nn.Linear(config.channels, hidden), head) if self.alone else head
            if not config.attribute_tokens:
                self.attribute_table = nn.Embedding(config.attributes, words)
        tokens = torch.tensor(config.attribute_tokens, dtype=torch.int64)
        self.register_buffer("attribute_tokens", tokens, persistent=False)

    def word_tables(self) -> dict[str, nn.Embedding]:
        """``words``, and ``attributes`` where they have vectors of their own."""
        own = {} if self.attribute_table is None else {"attributes": self.attribute_table}
        return {"words": self.embedding, **own}

    def look(self, grids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, H, W) -> V, (B, H * W, D), the pooled image, (B, D), and the mean of the grid, (B, C)."""
        places = grids.flatten(2).transpose(1, 2)
        mean = places.mean(1)
        values = self.places(places)
        pooled = values.mean(1) if self.pooled is None else self.pooled(mean)
        return values, pooled, mean

    def attribute_logits(self, pooled: Tensor, mean: Tensor, *, learning: bool) -> Tensor:
        """(4) before its sigmoid; a classifier that has finished learning gives its steady answer. -> (B, A)."""
        classifier = self.get_submodule("classifier")
        classifier.train(self.training and learning)
        logits: Tensor = classifier(mean if self.alone else pooled)
        return logits

    def sample(self, probabilities: Tensor) -> Tensor:
        """y_s of the variant. (B, A) -> (B, A)."""
        config = self.config
        band = config.sampling * config.margin
        if self.alone:
            return hard_sampling(probabilities, band=band)
        if "MSO" in config.variant:
            return margin_sampling(probabilities, rate=config.rate, band=band)
        return logistic_sampling(clip_gradient(probabilities, config.gradient_limit), rate=config.rate, band=band)

    def attribute_vectors(self) -> Tensor:
        """W_e of (15), (A, E)."""
        if self.attribute_table is None:
            tokens: Tensor = self.get_buffer("attribute_tokens")
            return self.embedding(tokens)  # type: ignore[no-any-return]
        return self.attribute_table.weight

    def context(self, grids: Tensor, languages: Tensor) -> Context:
        """Projected places and all that follows from them; ``attributes`` and ``sampled``, (B, A), unless ``b``."""
        return self._context(grids, languages)[0]

    def _context(self, grids: Tensor, languages: Tensor) -> tuple[Context, Tensor | None]:
        """The context, and the attributes before their sigmoid."""
        values, pooled, mean = self.look(grids)
        language = None if self.language is None else self.language(languages)
        seen = self.input_dropout(values), self.input_dropout(pooled)
        if self.classifier is None:
            return self.decoder.context(*seen, None, language), None
        logits = self.attribute_logits(pooled, mean, learning=not self.alone)
        probabilities = logits.sigmoid()
        sampled = self.sample(probabilities)
        feature = attribute_feature(sampled, self.attribute_vectors())
        context = self.decoder.context(*seen, feature, language)
        return {**context, "attributes": probabilities, "sampled": sampled}, logits

    def start(self, context: Context) -> State:
        """Both layers at zero."""
        return self.decoder.start(context)

    def step(self, context: Context, state: State, words: Tensor) -> tuple[Tensor, State]:
        """One word further."""
        state = self.decoder.step(context, state, self.decoder.prepare_words(self.embedding(words)))
        return self.log_probabilities(self.decoder.output(state["state2"], context.get("gate_output"))), state

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """(30). (N, D) -> (N, V)."""
        return self.output(self.dropout(outputs)).log_softmax(1)  # type: ignore[no-any-return]

    def losses(self, batch: CaptionBatch) -> dict[str, Tensor]:
        """``caption``, ``attributes`` and ``contrast`` as the variant asks; a first phase has ``attributes`` alone."""
        config = self.config
        if self.alone and batch.progress < config.first_phase:
            mean = batch.grids.flatten(2).mean(2)
            logits = self.attribute_logits(mean, mean, learning=True)
            term = attribute_cross_entropy(logits, batch.attributes)
            return {"total": term.mean(), "attributes": term}
        context, found = self._context(batch.grids, batch.languages)
        reading = read(batch.tokens)
        vectors = self.input_dropout(self.embedding(reading.words))
        words = word_losses(self.log_probabilities(self.decoder.read(context, vectors, reading)), reading.targets)
        terms = {"caption": reading.per_caption(words)}
        weights = [config.weights[0]]
        if found is not None and not self.alone:
            terms["attributes"] = attribute_cross_entropy(found, batch.attributes)
            weights.append(config.weights[1])
        if config.variant.endswith("Ld"):
            terms["contrast"] = dynamic_contrast(context["attributes"], batch.attributes, margin=config.margin)
            weights.append(config.weights[2])
        means = [term.mean() for term in terms.values()]
        if config.caption_loss == "mean":
            means[0] = words.mean()
        total = sum((weight * mean for weight, mean in zip(weights, means, strict=True)), words.new_zeros(()))
        return {"total": total, **terms}


SMALL = {
    "channels": 12,
    "vocabulary": 20,
    "attributes": 6,
    "hidden": 24,
    "words": 10,
    "attention": 16,
    "classifier": 16,
    "dropout": 0.0,
}
"""Sizes at which the contract tests run in a moment."""

RECIPE_DEFAULTS: Mapping[str, float] = {"epochs": 30, "batch": 10, "learning_rate": 5e-4}
"""The paper's training, with RAdam."""


def paper_parameters(variant: str = "sg+MSO+Ld") -> int:
    """Parameters without the CNN for UCM's vocabulary; the paper reports ``b`` with 30.7 million.

    Example:
        >>> paper_parameters("b")
        30686709
    """
    with torch.device("meta"):
        model = Model(Config(variant=variant))  # type: ignore[arg-type]
    return sum(parameter.numel() for parameter in model.parameters())
