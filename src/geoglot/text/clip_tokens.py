"""Tokenizers of published models: CLIP's byte-level pairs and XLM-R's pieces, from files that the user has.

Both give what :class:`geoglot.text.tokenizer.Tokenizer` gives: int64 rows, padded with 0 on the right. A marker typed
in a text (``<end_of_text>``) is text, not a marker.
"""

from __future__ import annotations

import gzip
import html
import json
import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import BundleError
from geoglot.text.tokenizer import PADDING, Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as BackendTokenizer

WORD_END: Final = "</w>"
START: Final = "<start_of_text>"
END: Final = "<end_of_text>"
CLIP_MERGES: Final = 48_894
"""Merges that CLIP uses of its file; with 2 x 256 bytes and two markers they make 49,408 ids."""
PIECES: Final = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PLAIN_QUOTES: Final = str.maketrans("‘’‚‛“”„‟", "''''\"\"\"\"")


class AnyTokenizer(Protocol):
    """What training and bundles ask of a tokenizer."""

    max_length: int

    @property
    def size(self) -> int:
        """Number of token ids."""

    def encode(self, texts: Sequence[str], *, dropout: float = 0.0) -> NDArray[np.int64]:
        """Token ids, right-padded with 0. -> (N, L)."""

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``."""


def byte_characters() -> list[str]:
    """A printable character for each of the 256 bytes, in the order of CLIP's ids.

    Printable bytes of Latin-1 stand for themselves and come first; the others follow as characters from 256 on.

    Example:
        >>> byte_characters()[0], len(set(byte_characters()))
        ('!', 256)
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(others)]


def cleaned(text: str) -> str:
    """HTML entities resolved, typographic quotes and wide letters made plain, spaces joined, canonical composition.

    CLIP repairs texts with ftfy; of its repairs these are the ones that well-encoded captions need.

    Example:
        >>> cleaned("  d’avions &amp;  ﬁelds ")
        "d'avions & fields"
    """
    text = html.unescape(html.unescape(text)).translate(_PLAIN_QUOTES)
    text = "".join(unicodedata.normalize("NFKC", c) if _is_compatible_form(c) else c for c in text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _is_compatible_form(character: str) -> bool:
    return "\ufb00" <= character <= "\ufb06" or "\uff01" <= character <= "\uff5e" or character == "\u3000"


class ClipTokenizer:
    """CLIP's byte-level byte-pair encoding.

    Args:
        backend: A ``tokenizers.Tokenizer`` made by :meth:`from_merges`.
        max_length: Tokens kept per text, the two markers included.
    """

    def __init__(self, backend: BackendTokenizer, *, max_length: int = 77) -> None:
        self.backend = backend
        self.max_length = max_length
        self.start: int = backend.token_to_id(START)
        self.end: int = backend.token_to_id(END)

    @classmethod
    def from_merges(cls, path: Path, *, max_length: int = 77) -> ClipTokenizer:
        """From a file of merges: a header line, then two symbols per line; plain or gzip.

        Raises:
            BundleError: The file is missing or is no list of merges.
        """
        return cls(_byte_pair_backend(_read_merges(path)), max_length=max_length)

    @classmethod
    def installed(cls, *, max_length: int = 77) -> ClipTokenizer:
        """From the merges that the installed open_clip brings.

        Raises:
            BundleError: open_clip is not installed.
        """
        found = find_spec("open_clip")
        if found is None or found.origin is None:
            remedy = "install the extra 'pretrained', or give CLIP's file of merges (bpe_simple_vocab_16e6.txt.gz)"
            raise BundleError("CLIP's tokenizer", cause="is not here: open_clip is not installed", remedy=remedy)
        return cls.from_merges(Path(found.origin).parent / "bpe_simple_vocab_16e6.txt.gz", max_length=max_length)

    @classmethod
    def train(cls, sentences: Iterable[str], *, max_length: int = 77) -> ClipTokenizer:
        """CLIP's published merges, whatever the sentences are: its weights know no others.

        Raises:
            BundleError: open_clip is not installed.
        """
        return cls.installed(max_length=max_length)

    @classmethod
    def load(cls, path: Path, *, max_length: int = 77) -> ClipTokenizer:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or is not such a tokenizer.
        """
        found = load_tokenizer(path, max_length=max_length)
        if not isinstance(found, cls):
            raise BundleError(path, cause="is not CLIP's tokenizer", remedy="give the file that came with the model")
        return found

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``, which :func:`load_tokenizer` reads."""
        self.backend.save(str(path))

    @property
    def size(self) -> int:
        """Number of token ids."""
        return int(self.backend.get_vocab_size())

    def encode(self, texts: Sequence[str], *, dropout: float = 0.0) -> NDArray[np.int64]:
        """Start, pieces, end; a text that is too long loses its last pieces, never its end.

        Args:
            texts: Any strings.
            dropout: Probability with which a merge is skipped (for training).

        Returns:
            int64 array (N, L), padded with 0, L = longest text, at most ``max_length``.
        """
        self.backend.model.dropout = dropout or None
        pieces = self.backend.encode_batch([cleaned(text).lower() for text in texts])
        return padded([[self.start, *piece.ids[: self.max_length - 2], self.end] for piece in pieces])


class MultilingualTokenizer:
    """XLM-R's tokenizer from its ``tokenizer.json``, with ids 0 (its start) and 1 (its padding) exchanged.

    Args:
        backend: A ``tokenizers.Tokenizer`` whose template puts ``<s>`` and ``</s>`` around a text.
        max_length: Tokens kept per text, the two markers included.
    """

    def __init__(self, backend: BackendTokenizer, *, max_length: int = 77) -> None:
        self.backend = backend
        self.max_length = max_length
        self.backend.no_padding()
        self.backend.enable_truncation(max_length)
        self.backend.encode_special_tokens = True
        self.unknown: int = backend.token_to_id("<unk>")

    @classmethod
    def train(cls, sentences: Iterable[str], *, max_length: int = 77) -> MultilingualTokenizer:
        """Nothing is learnt: the weights know XLM-R's pieces and no others, and its file comes from the user.

        Raises:
            BundleError: Always; it says where the file goes.
        """
        remedy = "put the tokenizer.json that came with the model into the run's folder, then train with --resume"
        raise BundleError("tokenizer.json", cause="is XLM-R's own and is not shipped here", remedy=remedy)

    @classmethod
    def load(cls, path: Path, *, max_length: int = 77) -> MultilingualTokenizer:
        """Read XLM-R's file, or what :meth:`save` wrote.

        Raises:
            BundleError: The file is missing or is not such a tokenizer.
        """
        found = load_tokenizer(path, max_length=max_length)
        if not isinstance(found, cls):
            raise BundleError(path, cause="is not XLM-R's tokenizer", remedy="give the file that came with the model")
        return found

    @property
    def size(self) -> int:
        """Number of token ids."""
        return int(self.backend.get_vocab_size())

    def save(self, path: Path) -> None:
        """Write ``tokenizer.json``, which :func:`load_tokenizer` reads."""
        self.backend.save(str(path))

    def encode(self, texts: Sequence[str], *, dropout: float = 0.0) -> NDArray[np.int64]:
        """``<s>``, pieces, ``</s>``; pieces of a unigram model are never dropped.

        Returns:
            int64 array (N, L), padded with 0, L = longest text, at most ``max_length``.
        """
        rows = [encoding.ids for encoding in self.backend.encode_batch([cleaned(text) for text in texts])]
        return padded([[self._ours(k, number) for k, number in enumerate(ids)] for ids in rows])

    def _ours(self, position: int, number: int) -> int:
        if number > 1:
            return number
        return 1 if position == 0 else self.unknown  # a marker that somebody typed would cut the text


def padded(rows: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Rows of different lengths as one array, 0 on the right.

    Example:
        >>> padded([[5, 6], [7]]).tolist()
        [[5, 6], [7, 0]]
    """
    tokens = np.full((len(rows), max(map(len, rows), default=1)), PADDING, dtype=np.int64)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return tokens


def load_tokenizer(path: Path, *, max_length: int) -> AnyTokenizer:
    """Any tokenizer that this package saves, recognised by what its ``tokenizer.json`` holds.

    Raises:
        BundleError: The file is missing or is not a tokenizer.
    """
    try:
        model = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "give a tokenizer.json, or export the bundle again"
        raise BundleError(path, cause=f"is not a tokenizer ({error})", remedy=remedy) from error
    plain = Tokenizer.load(path, max_length=max_length)
    if model.get("end_of_word_suffix") == WORD_END:
        return ClipTokenizer(plain.backend, max_length=max_length)
    if model.get("type") == "Unigram":
        return MultilingualTokenizer(plain.backend, max_length=max_length)
    return plain


def _read_merges(path: Path) -> list[tuple[str, str]]:
    remedy = "give CLIP's file of merges (bpe_simple_vocab_16e6.txt.gz or merges.txt)"
    try:
        content = path.read_bytes()
        if content.startswith(_GZIP_MAGIC):
            content = gzip.decompress(content)
        lines = content.decode("utf-8").split("\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise BundleError(path, cause=f"cannot be read ({error})", remedy=remedy) from error
    merges = []
    for number, line in enumerate(lines[1 : CLIP_MERGES + 1], start=2):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2:
            raise BundleError(path, cause=f"line {number} is not a pair of symbols", remedy=remedy)
        merges.append((parts[0], parts[1]))
    return merges


def _byte_pair_backend(merges: Sequence[tuple[str, str]]) -> BackendTokenizer:
    from tokenizers import Regex, models, pre_tokenizers
    from tokenizers import Tokenizer as Backend

    characters = byte_characters()
    symbols = [*characters, *(c + WORD_END for c in characters), *(a + b for a, b in merges), START, END]
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    backend = Backend(models.BPE(vocab=vocabulary, merges=list(merges), end_of_word_suffix=WORD_END))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return backend
