"""A captioner bundle: a sentence about a picture, in one of its languages, word by word.

Three networks: pixels to the maps of a backbone; maps and a language to what of the picture does not change while a
caption is written (``context.*``) and the state before its first word (``state.*``); context, state and the last word
to the log-probabilities of the next one and the new state (``next.*``). A picture is read once for all languages.

The loop that chooses words is :mod:`geoglot.text.caption_decoding`, the one that captions are evaluated with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError, UsageError
from geoglot.geo.legibility import illegible
from geoglot.models.bundle import IMAGE, START, STEP, VOCABULARY, BundleFolder, open_network, read_manifest
from geoglot.text.caption_decoding import Writing, write
from geoglot.text.captions import END, CaptionVocabulary
from geoglot.text.ptb import join_words

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAPS: Final = "maps"
LANGUAGES: Final = "languages"
WORDS: Final = "words"
SAID: Final = "log_probabilities"
CONTEXT, STATE, NEXT = "context.", "state.", "next."
ATTRIBUTES: Final = "context.attributes"
PICTURES_TOGETHER: Final = 32
UNSURE: Final = "unsure"
"""Reason where the captioner's own confidence is too low."""
SEEN: Final = 0.5
"""An attribute from this probability on is called seen, where the bundle says nothing else."""
_REMEDY: Final = "give 'captioner', or the folder of a captioner that 'geoglot export' wrote"
_Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A caption as it was written.

    Attributes:
        language: Its code.
        words: As the vocabulary has them.
        probabilities: Of each word given those before it; one more, of the end, unless the caption was cut.
    """

    language: str
    words: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def text(self) -> str:
        """The sentence."""
        return join_words(self.words)

    @property
    def confidence(self) -> float:
        """The geometric mean of the probabilities, in [0, 1]; 0 of a sentence without a word.

        Example:
            >>> round(Sentence(language="en", words=("a", "river"), probabilities=(0.5, 0.5, 1.0)).confidence, 4)
            0.63
        """
        if not self.words:
            return 0.0
        logs = [math.log(max(probability, 1e-30)) for probability in self.probabilities]
        return math.exp(sum(logs) / len(logs))


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a captioner says of a picture in one language.

    Attributes:
        language: Its code.
        sentence: The caption; ``None`` where it would be invented.
        reason: Why there is none: one of :mod:`geoglot.geo.legibility`, or :data:`UNSURE`.
    """

    language: str
    sentence: Sentence | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a captioner says of a picture.

    Attributes:
        told: In every language that was asked for.
        attributes: What it saw and how sure it is of that, the surest first; none where nothing is to be seen.
    """

    told: tuple[Told, ...]
    attributes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class CaptionerBundle(BundleFolder):
    """A captioning method above its backbone, run by ONNX Runtime."""

    @cached_property
    def vocabulary(self) -> CaptionVocabulary:
        """The words that it can write."""
        self.read(VOCABULARY)
        return CaptionVocabulary.load(self.folder / VOCABULARY)

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """What it looks for in a picture before it writes; none where the method does not."""
        return tuple(self.manifest.get("attributes", ()))

    @property
    def seen(self) -> float:
        """Probability from which on an attribute is called seen."""
        return float(self.manifest.get("seen", SEEN))

    @cached_property
    def writing(self) -> Writing:
        """How it writes unless it is told otherwise.

        Raises:
            BundleError: The manifest's settings make no sense.
        """
        given = self.manifest.get("writing", {})
        known = {field.name for field in fields(Writing)} - {"never"}
        try:
            if not set(given) <= known:
                raise UsageError(sorted(set(given) - known)[0], cause="is no setting")
            return Writing(**{"max_length": int(self.manifest["max_length"]) + 1, **given})
        except (TypeError, ValueError, UsageError) as error:
            remedy = "export the model again"
            raise BundleError(self.id, cause=f"does not say how it writes ({error})", remedy=remedy) from error

    def least_confidence(self, language: str) -> float:
        """Sentences below this confidence are not shown; 0 where the bundle does not know."""
        return float(self.manifest.get("confidence", {}).get(language, 0.0))

    @cached_property
    def _image_session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    @cached_property
    def _start_session(self) -> InferenceSession:
        return open_network(self.read(START), self.threads)

    @cached_property
    def _step_session(self) -> InferenceSession:
        return open_network(self.read(STEP), self.threads)

    def maps(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What captions in any language begin with. (N, side, side, 3) uint8 RGB -> (N, C, H, W) float32.

        Raises:
            BundleError: The array has another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.side, self.side, 3) or not len(pixels):
            cause = f"wants uint8 (N, {self.side}, {self.side}, 3), N > 0, got {pixels.dtype} {pixels.shape}"
            raise BundleError(self.id, cause=cause, remedy="prepare them with geoglot.geo.resample.to_square")
        parts = [
            self._image_session.run([MAPS], {"pixels": pixels[start : start + PICTURES_TOGETHER]})[0]
            for start in range(0, len(pixels), PICTURES_TOGETHER)
        ]
        return np.concatenate(parts)

    def captions(
        self, maps: NDArray[np.float32], language: str, writing: Writing | None = None
    ) -> tuple[list[Sentence], NDArray[np.float32] | None]:
        """One sentence a picture, and the attributes' probabilities.

        Args:
            maps: (N, C, H, W), of :meth:`maps`.
            language: Code of one of :attr:`languages`.
            writing: How; :attr:`writing` by default.

        Returns:
            N sentences; (N, A) float32, or ``None`` where the method has no attributes.

        Raises:
            UsageError: It does not write that language.
            BundleError: A network gives values that are no numbers.
        """
        if language not in self.languages:
            cause = f"is not among the languages of {self.id}: {', '.join(self.languages)}"
            raise UsageError(language, cause=cause, remedy="choose one of these")
        sentences: list[Sentence] = []
        found: list[NDArray[np.float32]] = []
        for start in range(0, len(maps), PICTURES_TOGETHER):
            given = self._started(maps[start : start + PICTURES_TOGETHER], self.languages.index(language))
            sentences += self._written(given, language, writing or self.writing)
            if ATTRIBUTES in given:
                found.append(given[ATTRIBUTES])
        return sentences, np.concatenate(found) if found else None

    def describe(
        self, pixels: NDArray[np.uint8], languages: Sequence[str], writing: Writing | None = None
    ) -> list[Description]:
        """Captions of pictures, and none of a picture that shows nothing: see :mod:`geoglot.geo.legibility`.

        Args:
            pixels: (N, side, side, 3) uint8 RGB.
            languages: Codes of some of :attr:`languages`.
            writing: How; :attr:`writing` by default.

        Returns:
            N descriptions. A sentence below :meth:`least_confidence` is not told.

        Raises:
            UsageError: It does not write one of the languages.
            BundleError: The array has another shape or type.
        """
        reasons = illegible(pixels)
        shown = [number for number, reason in enumerate(reasons) if reason is None]
        told: list[list[Told]] = [
            [] if reason is None else [Told(language=one, sentence=None, reason=reason) for one in languages]
            for reason in reasons
        ]
        seen: dict[int, tuple[tuple[str, float], ...]] = {}
        if shown:
            maps = self.maps(pixels[shown])
            for language in languages:
                sentences, attributes = self.captions(maps, language, writing)
                for number, sentence in zip(shown, sentences, strict=True):
                    told[number].append(self._trusted(sentence))
                if attributes is not None and not seen:
                    seen = dict(zip(shown, map(self._seen, attributes), strict=True))
        return [Description(told=tuple(some), attributes=seen.get(number, ())) for number, some in enumerate(told)]

    def _trusted(self, sentence: Sentence) -> Told:
        sure = bool(sentence.words) and sentence.confidence >= self.least_confidence(sentence.language)
        return Told(language=sentence.language, sentence=sentence if sure else None, reason=None if sure else UNSURE)

    def _seen(self, probabilities: NDArray[np.float32]) -> tuple[tuple[str, float], ...]:
        names = self.attribute_names
        if len(names) != len(probabilities):
            cause = f"has {len(probabilities)} attributes and {len(names)} names for them"
            raise BundleError(self.id, cause=cause, remedy="export the model again")
        found = [(name, float(value)) for name, value in zip(names, probabilities, strict=True) if value >= self.seen]
        return tuple(sorted(found, key=lambda pair: -pair[1]))

    def _started(self, maps: NDArray[np.float32], language: int) -> _Arrays:
        """Context and state of some pictures."""
        inputs: _Arrays = {MAPS: maps, LANGUAGES: np.full(len(maps), language, np.int64)}
        return _run(self._start_session, inputs)

    def _written(self, given: _Arrays, language: str, writing: Writing) -> list[Sentence]:
        steps = _Steps(self._step_session, given)
        count = len(next(iter(given.values())))
        try:
            written = write(steps, count, writing)
        except ValueError as error:
            raise BundleError(self.id, cause=str(error), remedy="export the model again") from error
        sentences = []
        for image, tokens in enumerate(written.tokens):
            said = tokens[tokens != 0].tolist()
            words = tuple(self.vocabulary.decode([token]) for token in said if token != END)
            probabilities = tuple(math.exp(value) for value in steps.log_probabilities_of(image, said))
            sentences.append(Sentence(language=language, words=words, probabilities=probabilities))
        return sentences


class _Steps:
    """The network of a step with the state of all captions being written; it remembers what it said of each word."""

    def __init__(self, session: InferenceSession, given: _Arrays) -> None:
        self._session = session
        wanted = {one.name for one in session.get_inputs()}
        self._context = {name: array for name, array in given.items() if name in wanted and name.startswith(CONTEXT)}
        self._state = {name: array for name, array in given.items() if name.startswith(STATE)}
        rows = len(next(iter(given.values())))
        for one in session.get_inputs():  # what grows word by word begins empty
            if one.name.startswith(STATE) and one.name not in self._state:
                shape = [rows, *(size if isinstance(size, int) else 0 for size in one.shape[1:])]
                self._state[one.name] = np.zeros(shape, np.int64 if one.type == "tensor(int64)" else np.float32)
        self._wanted = wanted
        self._outputs = [one.name for one in session.get_outputs()]
        self._images: NDArray[np.int64] | None = None
        self._of_rows = self._context
        self._prefixes: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._log: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]] = []

    def __call__(
        self, images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        if self._images is None:
            self._prefixes = np.zeros((len(images), 0), np.int64)
        else:
            self._prefixes = np.concatenate([self._prefixes[rows], words[:, None]], 1)
        if self._images is None or not np.array_equal(images, self._images):
            self._of_rows = {name: array[images] for name, array in self._context.items()}
            self._images = images
        state = {name: array[rows] for name, array in self._state.items()}
        inputs = {**self._of_rows, **state, WORDS: words}
        run = self._session.run(self._outputs, {name: array for name, array in inputs.items() if name in self._wanted})
        found = dict(zip(self._outputs, run, strict=True))
        self._state = {STATE + name.removeprefix(NEXT): array for name, array in found.items() if name != SAID}
        self._log.append((images, self._prefixes, found[SAID]))
        return found[SAID], self._state.get("state.attention")

    def log_probabilities_of(self, image: int, tokens: Sequence[int]) -> list[float]:
        """What the network said of every token of a caption that it wrote; no two rows begin alike."""
        values = []
        for place, token in enumerate(tokens):
            images, prefixes, said = self._log[place]
            row = np.flatnonzero((images == image) & (prefixes == np.asarray(tokens[:place])).all(1))[0]
            values.append(float(said[row, token]))
        return values


def _run(session: InferenceSession, inputs: _Arrays) -> _Arrays:
    """All outputs by name; an input that nothing depends on is left out."""
    wanted = {one.name for one in session.get_inputs()}
    names = [one.name for one in session.get_outputs()]
    fed = {name: array for name, array in inputs.items() if name in wanted}
    return dict(zip(names, session.run(names, fed), strict=True))


def load_captioner(name_or_folder: str | Path = "captioner", *, threads: int = 0) -> CaptionerBundle:
    """Open a captioner bundle. Networks are loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or it is no captioner.

    Example:
        >>> load_captioner("compact")
        Traceback (most recent call last):
        geoglot.core.errors.BundleError: compact: is a two-tower bundle, not a captioner. Remedy: give 'captioner', or the folder of a captioner that 'geoglot export' wrote.
    """  # noqa: E501 (one message, one line)
    folder, manifest, sha256 = read_manifest(name_or_folder)
    bundle = CaptionerBundle(folder, manifest, sha256, threads)
    if bundle.kind != "captioner":
        raise BundleError(name_or_folder, cause=f"is a {bundle.kind} bundle, not a captioner", remedy=_REMEDY)
    return bundle
