"""A whole question as one value: terms, filters, marks. It can be saved, sent, and written as a command.

The command line (``geoglot search --query FILE``), Python (:meth:`SavedQuery.ask`) and the service all ask by this
value, so the same question has the same answer everywhere.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from geoglot.api.query import UNLIKE_WEIGHT, Term
from geoglot.core.errors import UsageError

if TYPE_CHECKING:
    from geoglot.api.answer import Answer
    from geoglot.api.archive import Archive

FORMAT: Final = "geoglot-query"
_LARGEST_FILE = 4 << 20
_REMEDY = "save the query again"


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """A question with all that narrows it.

    Attributes:
        terms: What to look for.
        language: Language of the words, where it was said.
        words: What captions must say.
        within: West, south, east, north in degrees.
        polygon: GeoJSON polygon.
        after: Only tiles taken at or after this date, ISO 8601.
        before: Only tiles taken before this date.
        sources: Paths or patterns of files.
        gsd: Least and greatest ground sample distance, metres per pixel.
        right: Identifiers of tiles that show what is wanted.
        wrong: Identifiers of tiles that do not.
        k: Number of hits.
        offset: How many hits to leave out before them.
        rerank: A second look, as ``geoglot search --rerank`` takes it.
        candidates: How many hits get it.
        collapse: Whether overlapping tiles of one place are one hit.

    Example:
        >>> query = SavedQuery(terms=(Term(text="an airport"), Term(text="snow", weight=-0.5)), k=5)
        >>> SavedQuery.from_record(query.as_record()) == query
        True
        >>> query.command("town.archive")
        "geoglot search 'an airport' --archive town.archive -k 5 --term snow:-0.5"
    """

    terms: tuple[Term, ...] = ()
    language: str | None = None
    words: str | None = None
    within: tuple[float, float, float, float] | None = None
    polygon: Mapping[str, Any] | None = None
    after: str | None = None
    before: str | None = None
    sources: tuple[str, ...] = ()
    gsd: tuple[float, float] | None = None
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    k: int = 10
    offset: int = 0
    rerank: str | None = None
    candidates: int = 100
    collapse: bool = True

    def ask(self, archive: Archive) -> Answer:
        """The answer of an archive.

        Raises:
            UsageError: The question makes no sense to it.
        """
        return archive.search(
            terms=self.terms or None,
            k=self.k,
            within=self.within,
            polygon=self.polygon,
            after=self.after,
            before=self.before,
            source=self.sources or None,
            collapse=self.collapse,
            language=self.language,
            rerank=self.rerank,
            candidates=self.candidates,
            words=self.words,
            gsd=self.gsd,
            right=self.right,
            wrong=self.wrong,
            offset=self.offset,
        )

    def frozen(self, vector: Sequence[float]) -> SavedQuery:
        """The question with its terms and marks settled into one vector, for an archive that changes meanwhile."""
        name = " + ".join(term.label for term in self.terms if term.weight > 0) or self.words or "marked tiles"
        rounded = tuple(round(float(value), 6) for value in vector)
        return replace(self, terms=(Term(vector=rounded, name=name),), right=(), wrong=())

    def as_record(self) -> dict[str, Any]:
        """The question as JSON-ready values; what is not narrowed is left out."""
        told: dict[str, Any] = {
            "language": self.language,
            "words": self.words,
            "within": list(self.within) if self.within else None,
            "polygon": dict(self.polygon) if self.polygon else None,
            "after": self.after,
            "before": self.before,
            "sources": list(self.sources) or None,
            "gsd": list(self.gsd) if self.gsd else None,
            "right": list(self.right) or None,
            "wrong": list(self.wrong) or None,
            "rerank": self.rerank,
            "candidates": None if self.candidates == 100 else self.candidates,
            "offset": self.offset or None,
            "collapse": None if self.collapse else False,
        }
        terms = [term.as_record() for term in self.terms]
        kept = {name: value for name, value in told.items() if value is not None}
        return {"format": FORMAT, "version": 1, "terms": terms, **kept, "k": self.k}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SavedQuery:
        """The inverse of :meth:`as_record`, checked.

        Raises:
            UsageError: It is no saved query, or of a newer version.
        """
        if not isinstance(record, Mapping) or record.get("format") != FORMAT:
            raise UsageError(
                "query", cause="is no saved query", remedy="give a file that 'geoglot search' or the page saved"
            )
        if record.get("version") != 1:
            raise UsageError("query", cause="was saved by a newer geoglot", remedy="update geoglot")
        try:
            return cls(
                terms=tuple(_term(one) for one in record.get("terms") or ()),
                language=_text(record, "language"),
                words=_text(record, "words"),
                within=_numbers(record, "within", 4),  # type: ignore[arg-type]
                polygon=_mapping(record, "polygon"),
                after=_text(record, "after"),
                before=_text(record, "before"),
                sources=_texts(record, "sources"),
                gsd=_numbers(record, "gsd", 2),  # type: ignore[arg-type]
                right=_texts(record, "right"),
                wrong=_texts(record, "wrong"),
                k=int(record.get("k", 10)),
                offset=int(record.get("offset", 0)),
                rerank=_text(record, "rerank"),
                candidates=int(record.get("candidates", 100)),
                collapse=bool(record.get("collapse", True)),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError("query", cause=f"is no saved query ({error})", remedy=_REMEDY) from error

    def save(self, path: str | Path) -> Path:
        """Write the question as a file of JSON."""
        target = Path(path)
        target.write_text(json.dumps(self.as_record(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | Path) -> SavedQuery:
        """Read a file that :meth:`save`, the page or the service wrote.

        Raises:
            UsageError: It cannot be read, or is no saved query.
        """
        file = Path(path)
        try:
            if file.stat().st_size > _LARGEST_FILE:
                raise UsageError(file, cause="is too large for a saved query", remedy=_REMEDY)
            record = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(file, cause=f"cannot be read ({error.strerror})", remedy="check the path") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(file, cause="is no JSON", remedy=_REMEDY) from error
        return cls.from_record(record)

    def command(self, archive: str) -> str:
        """The equal ``geoglot search`` line. What a line cannot say is in a file: it then reads ``--query FILE``."""
        if self._needs_file():
            return shlex.join(["geoglot", "search", "--query", "query.json", "--archive", archive])
        words, options = self._words()
        line = ["geoglot", "search", *words, "--archive", archive, "-k", str(self.k), *options]
        line += [part for name, value in self._options() if value is not None for part in _option(name, value)]
        return shlex.join(line + ([] if self.collapse else ["--all"]))

    def _needs_file(self) -> bool:
        shown = any(term.item is not None or term.vector is not None for term in self.terms)
        return bool(shown or self.polygon or self.offset)

    def _words(self) -> tuple[list[str], list[str]]:
        """The terms as arguments: the first plain text by itself, the others as options."""
        words: list[str] = []
        options: list[str] = []
        for term in self.terms:
            if term.picture is not None:
                flag = {1.0: "--like", UNLIKE_WEIGHT: "--unlike"}.get(term.weight, "--like")
                options += [flag, str(term.picture)]
            elif term.weight == 1 and not words:
                words = [str(term.text)]
            else:
                options += (
                    [f"--term={term.text}:{term.weight:g}"]
                    if str(term.text).startswith("-")
                    else [
                        "--term",
                        f"{term.text}:{term.weight:g}",
                    ]
                )
        return words, options

    def _options(self) -> list[tuple[str, str | None]]:
        box = None if self.within is None else ",".join(f"{value:g}" for value in self.within)
        return [
            ("--language", self.language),
            ("--words", self.words),
            ("--bbox", box),
            ("--after", self.after),
            ("--before", self.before),
            *(("--source", one) for one in self.sources),
            ("--gsd", None if self.gsd is None else ",".join(f"{value:g}" for value in self.gsd)),
            *(("--right", one) for one in self.right),
            *(("--wrong", one) for one in self.wrong),
            ("--rerank", self.rerank),
            ("--candidates", None if self.candidates == 100 else str(self.candidates)),
        ]


def _option(name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if value.startswith("-") else [name, value]


def _term(record: Any) -> Term:
    if not isinstance(record, Mapping):
        raise TypeError("a term is no object")
    picture, vector = record.get("picture"), record.get("vector")
    return Term(
        text=_text(record, "text"),
        picture=None if picture is None else Path(str(picture)),
        item=_text(record, "item"),
        vector=None if vector is None else tuple(float(value) for value in vector),
        name=_text(record, "name"),
        weight=float(record.get("weight", 1.0)),
    )


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _texts(record: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = record.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is no list of texts")
    return tuple(values)


def _numbers(record: Mapping[str, Any], name: str, count: int) -> tuple[float, ...] | None:
    values = record.get(name)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != count:
        raise TypeError(f"{name} is no list of {count} numbers")
    return tuple(float(value) for value in values)


def _mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = record.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} is no object")
    return value
