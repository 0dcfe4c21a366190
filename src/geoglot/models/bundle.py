"""A model bundle: a folder with two ONNX towers, a tokenizer, neutral captions' vectors and a card.

A bundle is of a kind. ``two-tower``: both networks give unit vectors (format 1). ``hasher``: they give one number per
bit, whose sign is the bit (format 2). ``scorer``: see :mod:`geoglot.models.scorer` (format 2). ``matcher``: see
:mod:`geoglot.models.matcher` (format 2). ``place``: see :mod:`geoglot.models.place` (format 2). ``captioner``: see
:mod:`geoglot.models.captioner` (format 2). ``segmenter``: see :mod:`geoglot.models.segmenter` (format 2).

``bundle.json`` names every file with its SHA-256; nothing is opened before its checksum was verified, networks are
loaded from bytes (so external data files cannot be pulled in), and no format that can carry code is accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.models.expansion import expanded
from geoglot.text.known_words import KnownWords
from geoglot.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FORMAT: Final = 2
"""The newest format that is read; every kind says in :data:`FORMAT_OF_KIND` which one it is written in."""
FORMAT_OF_KIND: Final = {
    "two-tower": 1,
    "hasher": 2,
    "scorer": 2,
    "matcher": 2,
    "place": 2,
    "captioner": 2,
    "segmenter": 2,
}
SHIPPED: Final = Path(__file__).with_name("bundles")
IMAGE, TEXT, TOKENIZER, NEUTRAL = "image.onnx", "text.onnx", "tokenizer.json", "neutral.npy"
SIMILARITY: Final = "similarity.onnx"
START, STEP, VOCABULARY = "start.onnx", "step.onnx", "vocabulary.json"
WORDS: Final = "words.txt"
"""Words of the training captions; bundles may do without."""
PLACES: Final = "places.npz"
"""What vectors of places are made with; place bundles may do without."""
FILES_OF_KIND: Final = {
    "two-tower": (IMAGE, TEXT, TOKENIZER, NEUTRAL),
    "hasher": (IMAGE, TEXT, TOKENIZER, NEUTRAL),
    "scorer": (IMAGE, TEXT, SIMILARITY, TOKENIZER),
    "matcher": (IMAGE, SIMILARITY),
    "place": (IMAGE,),
    "captioner": (IMAGE, START, STEP, VOCABULARY),
    "segmenter": (IMAGE, TEXT, TOKENIZER, WORDS),
}
_FIELDS_OF_KIND: Final = {
    "two-tower": ("dimension", "languages", "max_length"),
    "hasher": ("dimension", "languages", "max_length"),
    "scorer": ("languages", "max_length"),
    "matcher": ("calibration",),
    "place": ("dimension", "thresholds"),
    "captioner": ("languages", "max_length"),
    "segmenter": ("dimension", "languages", "max_length"),
}
BATCH: Final = 32
_TOKENIZERS: Final = {
    "words": ("words", "WordTokenizer"),
    "clip": ("clip_tokens", "ClipTokenizer"),
    "multilingual": ("clip_tokens", "MultilingualTokenizer"),
}


class AnyTokenizer(Protocol):
    """Texts to rows of token ids, 0 = padding."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(N,) texts -> (N, L)."""


@dataclass(frozen=True)
class BundleFolder:
    """What bundles of all kinds have in common: a folder, its manifest and the checksums of its files.

    Attributes:
        folder: Where the files lie.
        manifest: Content of ``bundle.json``.
        sha256: Of ``bundle.json``; it covers every file through their checksums.
        threads: Threads of a forward pass; 0 lets ONNX Runtime choose.
    """

    folder: Path
    manifest: dict[str, Any] = field(repr=False, hash=False)
    sha256: str
    threads: int = 0

    @property
    def id(self) -> str:
        """Name and version, e.g. ``compact-1``."""
        return str(self.manifest["id"])

    @property
    def kind(self) -> str:
        """``two-tower``, ``hasher``, ``scorer``, ``matcher``, ``place``, ``captioner`` or ``segmenter``."""
        return kind_of(self.manifest)

    @property
    def method(self) -> str:
        """Name of the method in the gallery."""
        return str(self.manifest.get("method") or self.card.get("method", ""))

    @property
    def side(self) -> int:
        """Input side in pixels."""
        return int(self.manifest["side"])

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that the text encoder was trained on; none where there is no text encoder."""
        return tuple(self.manifest.get("languages", ()))

    @property
    def card(self) -> dict[str, Any]:
        """Licence, training data, measured figures and limits."""
        return dict(self.manifest.get("card", {}))

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(int(entry["bytes"]) for entry in self.manifest["files"].values())

    def read(self, name: str) -> bytes:
        """Content of one file, after its checksum was verified.

        Raises:
            BundleError: The file is missing or differs from what was exported.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(path, cause=f"cannot be read ({error.strerror})", remedy="install it again") from error
        if hashlib.sha256(content).hexdigest() != self.manifest["files"][name]["sha256"]:
            raise BundleError(path, cause="does not match its checksum", remedy="install the bundle again")
        return content

    @cached_property
    def tokenizer(self) -> AnyTokenizer:
        """What turns texts into token ids."""
        self.read(TOKENIZER)
        path, kind = self.folder / TOKENIZER, str(self.manifest.get("tokenizer", "subword"))
        if kind == "subword":
            return Tokenizer.load(path, max_length=int(self.manifest["max_length"]))
        if kind not in _TOKENIZERS:
            cause = f"needs a tokenizer of kind {kind!r}, this version knows subword, {', '.join(_TOKENIZERS)}"
            raise BundleError(self.folder, cause=cause, remedy="update geoglot")
        module, name = _TOKENIZERS[kind]
        loaded: AnyTokenizer = getattr(import_module(f"geoglot.text.{module}"), name).load(path)
        return loaded

    @cached_property
    def known_words(self) -> KnownWords | None:
        """The words that the model was trained with, ``None`` where the bundle does not tell."""
        return KnownWords.from_bytes(self.read(WORDS)) if WORDS in self.manifest["files"] else None


@dataclass(frozen=True)
class Bundle(BundleFolder):
    """An image encoder and a text encoder that share one sphere, run by ONNX Runtime."""

    @property
    def dimension(self) -> int:
        """Size D of an embedding; of a hasher the number of its bits."""
        return int(self.manifest["dimension"])

    def standing_for(self, sha256: str) -> Bundle | None:
        """The bundle itself under another one's digest, if their vectors are the same; else ``None``.

        ``bundle.json`` names its predecessors that differ in the thresholds of confidence alone under
        ``same_vectors_as``: an archive that was made with one of them stays good.
        """
        if sha256 == self.sha256:
            return self
        return replace(self, sha256=sha256) if sha256 in self.manifest.get("same_vectors_as", ()) else None

    @cached_property
    def _image_session(self) -> InferenceSession:
        return open_network(self.read(IMAGE), self.threads)

    @cached_property
    def _text_session(self) -> InferenceSession:
        return open_network(self.read(TEXT), 1)

    @cached_property
    def neutral(self) -> NDArray[np.float32]:
        """Vectors of captions of many kinds of place, (M, D) unit rows; they tell how sure a hit is."""
        self.read(NEUTRAL)
        vectors: NDArray[np.float32] = np.load(self.folder / NEUTRAL, allow_pickle=False).astype(np.float32)
        return vectors

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures. (N, side, side, 3) uint8 RGB -> (N, D) float32 unit rows.

        Raises:
            BundleError: The array has another shape or type.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.side, self.side, 3):
            raise BundleError(
                self.id,
                cause=f"wants uint8 (N, {self.side}, {self.side}, 3), got {pixels.dtype} {pixels.shape}",
                remedy="prepare them with geoglot.geo.resample.to_square",
            )
        return self._embed(self._image_session, "pixels", pixels)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts of any of the languages. -> (N, D) float32 unit rows."""
        parts = [
            self._embed(self._text_session, "tokens", self.tokenizer.encode(texts[start : start + BATCH]))
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed what somebody asks for: texts, moved towards the known sentences that say nearly the same.

        Codes of a hasher stay as they are. -> (N, D) float32 unit rows.
        """
        rows = self.encode_texts(texts)
        return rows if self.kind == "hasher" else expanded(rows, self.neutral)

    def _embed(self, session: InferenceSession, name: str, rows: NDArray[Any]) -> NDArray[np.float32]:
        out = np.empty((len(rows), self.dimension), dtype=np.float32)
        for start in range(0, len(rows), BATCH):
            out[start : start + BATCH] = session.run(None, {name: rows[start : start + BATCH]})[0]
        return signs(out) if self.kind == "hasher" else out


def signs(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Binary codes as unit rows: every value becomes plus or minus 1 / sqrt(K); zero counts as plus.

    The inner product of two such rows is 1 - 2 h / K, where h is their Hamming distance. (N, K) -> (N, K).

    Example:
        >>> signs(np.array([[0.3, -2.0, 0.0, -0.1]], dtype=np.float32)).tolist()
        [[0.5, -0.5, 0.5, -0.5]]
    """
    length = np.float32(1 / np.sqrt(values.shape[1]))
    return np.where(values >= 0, length, -length).astype(np.float32)


def kind_of(manifest: Mapping[str, Any]) -> str:
    """The kind of bundle that a manifest describes; the first bundles did not say, and were two towers.

    Example:
        >>> kind_of({"format": 1}), kind_of({"format": 2, "kind": "hasher"})
        ('two-tower', 'hasher')
    """
    return str(manifest.get("kind", "two-tower"))


def available() -> list[str]:
    """Names of the bundles that ship with the package, sorted."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/bundle.json"))


def load_bundle(name_or_path: str | Path = "compact", *, threads: int = 0) -> Bundle:
    """Open a shipped bundle by name, or a bundle folder by path. Networks are loaded on first use.

    Raises:
        BundleError: There is no such bundle, it is of a newer format, or it is a scorer or matcher.

    Example:
        >>> bundle = load_bundle("compact")
        >>> vectors = bundle.encode_texts(["many planes beside a terminal", "طائرات كثيرة بجانب مبنى المطار"])
        >>> vectors.shape
        (2, 256)
    """
    folder, manifest, sha256 = read_manifest(name_or_path)
    if kind_of(manifest) not in ("two-tower", "hasher"):
        cause = f"is a {kind_of(manifest)}, which cannot make an archive's vectors"
        remedy = "use it to re-rank: search --rerank with its folder"
        if kind_of(manifest) == "captioner":
            remedy = "use it with 'geoglot caption', or index --caption --captioner with its folder"
        raise BundleError(name_or_path, cause=cause, remedy=remedy)
    return Bundle(folder, manifest, sha256, threads)


def find_bundle(bundle_id: str, sha256: str, folder: str = "") -> Bundle:
    """The bundle of a given digest: one that ships with the package, else the one in a folder where it once was.

    Args:
        bundle_id: Name, for the message.
        sha256: Digest of its manifest; nothing else is accepted but a bundle that makes the very same vectors.
        folder: Where to look, empty for nowhere.

    Raises:
        BundleError: It is in neither place.

    Example:
        >>> shipped = load_bundle("compact")
        >>> find_bundle(shipped.id, shipped.sha256).folder == shipped.folder
        True
    """
    places: list[str | Path] = [SHIPPED / name for name in available()]
    was = ""
    if folder:
        places.append(Path(folder))
        there = (Path(folder) / "bundle.json").is_file()
        was = f"; it was in {folder}, where there is {'another one' if there else 'none'} now"
    for place in places:
        try:
            found = load_bundle(place)
        except BundleError:
            continue
        if (standing := found.standing_for(sha256)) is not None:
            return standing
    cause = f"({sha256[:12]}) is the model of this archive, and is not at hand{was}"
    raise BundleError(bundle_id, cause=cause, remedy="give its folder with --model")


def read_manifest(name_or_path: str | Path) -> tuple[Path, dict[str, Any], str]:
    """Folder, manifest and the manifest's SHA-256 of a bundle of any kind.

    Raises:
        BundleError: There is no such bundle, or it is of a newer format or of an unknown kind.
    """
    folder = SHIPPED / str(name_or_path)
    if not (folder / "bundle.json").is_file():
        folder = Path(name_or_path)
    try:
        content = (folder / "bundle.json").read_bytes()
        manifest = json.loads(content)
        if not isinstance(manifest, dict):
            raise ValueError("is not a JSON object")
    except (OSError, ValueError) as error:
        remedy = f"choose one of {', '.join(available())} or give a folder written by 'geoglot export'"
        raise BundleError(name_or_path, cause="is not a model bundle", remedy=remedy) from error
    known, kind = manifest.get("format"), kind_of(manifest)
    if not isinstance(known, int) or isinstance(known, bool) or not 1 <= known <= FORMAT:
        cause = f"has format {known!r}, this version reads up to {FORMAT}"
        raise BundleError(folder, cause=cause, remedy="update geoglot or export the bundle again")
    if kind not in FORMAT_OF_KIND:
        cause = f"is of kind {kind!r}, this version knows {', '.join(FORMAT_OF_KIND)}"
        raise BundleError(folder, cause=cause, remedy="update geoglot or export the bundle again")
    files = manifest.get("files")
    listed = files if isinstance(files, dict) else {}
    lacks = [name for name in ("id", "side", *_FIELDS_OF_KIND[kind]) if name not in manifest]
    lacks += [name for name in FILES_OF_KIND[kind] if not isinstance(listed.get(name), dict)]
    if lacks:
        raise BundleError(folder, cause=f"does not say its {lacks[0]}", remedy="export the bundle again")
    return folder, manifest, hashlib.sha256(content).hexdigest()


def open_network(network: bytes, threads: int) -> InferenceSession:
    """A network in ONNX Runtime, from bytes whose checksum was verified."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Spinning threads would take the core that decodes the next tiles.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError("network", cause=f"cannot be loaded ({error})", remedy="export the bundle again") from error
