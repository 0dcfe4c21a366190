"""An archive of imagery, as users meet it: index folders, then ask for places in words or by example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from geoglot.api.answer import Answer
from geoglot.api.captions_said import saying, with_captions
from geoglot.api.judging import judged
from geoglot.api.picture_vector import picture_vector
from geoglot.api.query import Query, Term, build_query, combine
from geoglot.api.second_look import SecondLook, reader_of, second_look
from geoglot.api.selection import Area, existing_paths, selection_of
from geoglot.api.spread import spread_of
from geoglot.core.errors import BundleError, UsageError
from geoglot.core.records import Band

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geoglot.api.duplicates import Duplicates
    from geoglot.api.place import PlaceReader
    from geoglot.api.rerank import PictureReader, SecondReader
    from geoglot.archive.captioning import CaptioningProgress, CaptioningReport
    from geoglot.archive.ingest import IngestReport, Progress
    from geoglot.archive.places import PlacesReport
    from geoglot.archive.search import RawHit
    from geoglot.archive.store import ArchiveStore
    from geoglot.archive.verify import VerifyReport
    from geoglot.models.bundle import Bundle
    from geoglot.models.captioner import CaptionerBundle


class Archive:
    """An archive on disk together with the model that reads and answers for it.

    Args:
        store: The opened archive on disk.
        model: A bundle's name or folder, loaded when first needed, or one that is loaded already; ``None`` looks for
            the one that the archive was made with.

    Example:
        >>> import geoglot as gg, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with gg.Archive.create(f"{folder}/town.archive") as archive:
        ...     archive.info()["tiles"]
        0
    """

    def __init__(self, store: ArchiveStore, model: str | Path | Bundle | None = None) -> None:
        self.store = store
        self._model = model
        self._encoder: Bundle | None = None
        self._readers: dict[str, SecondReader | PictureReader | PlaceReader] = {}

    @classmethod
    def create(
        cls, path: str | Path, *, model: str | Path | Bundle | None = "compact", codes: str | None = None
    ) -> Self:
        """Make an empty archive for one model and open it for writing.

        Args:
            path: Its folder.
            model: A bundle's name or folder, or one that is loaded already.
            codes: How the index holds vectors: ``float16`` (the default; answers are exact) or ``binary:BITS``, the
                signs of a fixed rotation, which take BITS / 8 bytes per tile; ``binary`` alone means 256. An archive
                of a hasher holds the hasher's own codes.

        Raises:
            ArchiveError: There is one already, or the folder cannot be written.
            BundleError: The model cannot be loaded.
            UsageError: `codes` makes no sense.
        """
        from geoglot.archive.store import ArchiveStore
        from geoglot.models.bundle import SHIPPED

        encoder = _load(model or "compact")
        store = ArchiveStore.create(
            Path(path),
            bundle_id=encoder.id,
            bundle_sha256=encoder.sha256,
            dimension=encoder.dimension,
            codes=codes_for(encoder, codes),
            bundle_folder="" if encoder.folder.parent == SHIPPED else str(encoder.folder.resolve()),
        )
        return cls(store, encoder)

    @classmethod
    def open(cls, path: str | Path, *, model: str | Path | Bundle | None = None, read_only: bool = True) -> Self:
        """Open an archive. To index or remove, open it with ``read_only=False``: one writer at a time.

        Args:
            path: Its folder.
            model: The bundle's name or folder; not needed for one that ships with the package, or that is still where
                it was when the archive was made.
            read_only: Whether nothing shall be written.

        Raises:
            ArchiveError: There is none, it is damaged, locked by another writer or of a newer format.
        """
        from geoglot.archive.store import ArchiveStore

        return cls(ArchiveStore.open(Path(path), read_only=read_only), model)

    @property
    def path(self) -> Path:
        """The archive's folder."""
        return self.store.layout.root

    @property
    def encoder(self) -> Bundle:
        """The model, loaded at first use and checked against the one the archive was indexed with.

        Raises:
            BundleError: It cannot be loaded, or it is another model.
        """
        made_with = self.store.identity
        if self._encoder is None and self._model is None:
            from geoglot.models.bundle import find_bundle

            self._encoder = find_bundle(made_with.bundle_id, made_with.bundle_sha256, made_with.bundle_folder)
        if self._encoder is None:
            encoder = _load(self._model or "compact")
            self._encoder = encoder.standing_for(made_with.bundle_sha256)
            if self._encoder is None:
                raise BundleError(
                    encoder.id,
                    cause=(
                        f"({encoder.sha256[:12]}) is not the model of this archive, which was indexed with "
                        f"{made_with.bundle_id} ({made_with.bundle_sha256[:12]})"
                    ),
                    remedy=(
                        f"open the archive with that model ({made_with.bundle_folder or 'it ships with the package'}), "
                        "or index into a new archive"
                    ),
                )
        return self._encoder

    def index(
        self,
        paths: str | Path | Sequence[str | Path],
        *,
        tile: int = 256,
        overlap: float = 0.25,
        levels: int = 1,
        bands: Sequence[int] | None = None,
        time_from: str | None = None,
        jobs: int = 1,
        progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Read imagery into the archive: new and changed files only; safe to repeat after any interruption.

        Args:
            paths: Files and folders; folders are searched recursively. A STAC catalogue, collection, item or item
                collection (``.json``) stands for the files that it names, with their times and footprints.
            tile: Side of a tile in full-resolution pixels.
            overlap: Overlap of neighbouring tiles as a fraction of a tile, from 0 to 0.9.
            levels: Number of resolutions; each next one halves the last.
            bands: Red, green and blue as band numbers from 1 on; chosen automatically when not given.
            time_from: Regular expression with a group that holds a date in the file name.
            jobs: Number of decoding processes.
            progress: Called now and then with the state of the work.

        Returns:
            What was done, what was unchanged and what failed; a bad file costs itself alone.

        Raises:
            ArchiveError: The archive is open for reading only, or the disk is full.
            UsageError: An option makes no sense or a path does not exist.
        """
        from geoglot.archive.ingest import ingest
        from geoglot.geo.decoder import ReadOptions

        options = ReadOptions(
            tile=tile,
            overlap=overlap,
            levels=levels,
            bands=tuple(bands) if bands is not None else None,
            side=self.encoder.side,
            time_from=time_from,
        )
        from geoglot.api.stac_indexing import listed_files

        files, listing, decoder_factory = listed_files(existing_paths(paths))
        report = ingest(
            self.store,
            self.encoder,
            files,
            options=options,
            jobs=jobs,
            progress=progress,
            decoder_factory=decoder_factory,
        )
        report.failed += listing
        return report

    def search(
        self,
        text: str | None = None,
        *,
        like: str | Path | Sequence[str | Path] | None = None,
        unlike: str | Path | Sequence[str | Path] | None = None,
        terms: Sequence[str | Term] | Mapping[str, float] | None = None,
        k: int = 10,
        within: Area | None = None,
        after: str | date | datetime | None = None,
        before: str | date | datetime | None = None,
        source: str | Sequence[str] | None = None,
        collapse: bool = True,
        language: str | None = None,
        rerank: str | Path | None = None,
        candidates: int = 100,
        words: str | None = None,
        polygon: Mapping[str, Any] | None = None,
        gsd: Sequence[float] | None = None,
        right: Sequence[str] = (),
        wrong: Sequence[str] = (),
        offset: int = 0,
    ) -> Answer:
        """Find the places nearest to words, pictures, or a weighted mixture of both.

        Args:
            text: What to look for, in a language that the model knows.
            like: Example picture or pictures.
            unlike: Picture or pictures to stay away from (weight -0.5 each).
            terms: Weighted words: ``["airport:1", "snow:-0.5"]`` or ``{"airport": 1, "snow": -0.5}``.
            k: Number of hits.
            within: Only places here: west, south, east, north in degrees, or a GeoJSON polygon.
            after: Only tiles taken at or after this date (``"2021"``, ``"2021-06-30"``, a date or a datetime).
            before: Only tiles taken before this date.
            source: Only these files: a path or pattern, or several.
            collapse: Count overlapping tiles of one place as one hit.
            language: Language of the words (``en``, ``ar``, ``fr``, ``it``), where the guess would be wrong. It is
                noted in the answer; the model reads all of them alike.
            rerank: A second look at the first candidates. ``place`` puts tiles that show the very place of the example
                picture first; a search by one picture alone does so by itself, and ``none`` leaves it out. ``exact``
                (an archive of binary codes: by float16 vectors), ``reciprocal`` (how the words rank for each place
                among other captions), ``dyad`` or the folder of a matcher bundle (how sure it is that each place is of
                the same kind as the example pictures), or the folder of a scorer bundle, which reads words and pixels
                together. Scores stay those of the archive's model, and so do bands, but for tiles of the same place.
            candidates: How many candidates get the second look.
            words: Only tiles whose caption says all of these words, in any language of the captions, or in `language`
                where that is given: ``tennis court``, ``"tennis court"`` side by side, ``-sea`` for captions
                without. Forms of a word count as one. By themselves they are the text that is looked for, too.
            polygon: Only places in this GeoJSON polygon, beside the box of `within`.
            gsd: Only tiles of this ground sample distance: least and greatest, metres per pixel.
            right: Identifiers of tiles that show what is wanted: the query turns towards them
                (:mod:`geoglot.api.feedback`).
            wrong: Identifiers of tiles that do not.
            offset: How many of the first hits to leave out: those of the pages before.

        Returns:
            The hits, best first, each with its confidence band; ``answer.likely`` is ``False`` when nothing
            like that is in the archive.

        Raises:
            UsageError: The query, a filter or a second look makes no sense, or `words` are given and the archive has
                no captions.
            SourceError: An example picture cannot be read.
            BundleError: `rerank` names no scorer or matcher bundle.
        """
        from geoglot.text.search_words import word_query

        said = None if words is None else word_query(words)
        if said is not None and text is None and like is None and terms is None:
            text = said.plain
        query = build_query(text, like=like, unlike=unlike, terms=terms, language=language).with_language()
        query = replace(query, said=words)
        if k < 1:
            raise UsageError(f"k={k}", cause="asks for no hits", remedy="give a number from 1 on")
        if offset < 0:
            raise UsageError(f"offset={offset}", cause="is negative", remedy="give 0 for the first hits")
        if candidates < 1:
            raise UsageError(
                f"candidates={candidates}", cause="leaves nothing to re-rank", remedy="give a number from 1 on"
            )
        from geoglot.api import place

        if rerank is None and place.applies(query) and place.at_hand():
            rerank, candidates = place.NAME, max(candidates, place.USUAL_CANDIDATES)
        elif str(rerank) == "none":
            rerank = None

        def near(pieces: NDArray[np.uint8], count: int) -> list[RawHit]:
            reader = self._readers[str(rerank)]
            kept_to = place.Nearness(vector=vector, selection=selection, collapse=collapse, count=count)
            return reader.near(self.store, pieces, kept_to) if isinstance(reader, place.PlaceReader) else []

        look = None if rerank is None or str(rerank) == "exact" else self._second_look(str(rerank), query, near)
        selection = selection_of(within, after, before, source, polygon=polygon, gsd=gsd)
        unsaid: tuple[str, ...] = ()
        if said is not None:
            selection, unsaid = saying(self.store.words, said, language, selection)
        vector = self._turned(self.query_vector(query), right, wrong)
        last = offset + k
        many = last if look is None else max(last, candidates)
        found = self.store.search(
            vector, k=many, filter=selection, collapse=collapse, exact=rerank is not None, candidates=candidates
        )
        notes: tuple[str, ...] = ()
        if look is not None and found:
            found, notes = look(vector, found, candidates)
        unknown, understood = self._words_of(query)
        sure = judged(self.store, self.encoder, query, vector, found[offset:last], selection, first=offset + 1)
        hits = with_captions(self.store.words, sure, query.language, said)
        if not understood:
            hits = tuple(replace(h, band=Band.UNCERTAIN) if h.band is Band.LIKELY else h for h in hits)
        spread = spread_of(*self.store.sample_scores(vector, selection), hits)
        return Answer(query=query, hits=hits, notes=(*unknown, *unsaid, *notes), spread=spread, vector=vector)

    def _turned(self, vector: NDArray[np.float32], right: Sequence[str], wrong: Sequence[str]) -> NDArray[np.float32]:
        """A query's vector after feedback on tiles."""
        if not right and not wrong:
            return vector
        from geoglot.api.feedback import turned

        middle = self.store.background_sample().mean(axis=0)
        return turned(vector, self.vectors_of(right), self.vectors_of(wrong), middle)

    def vectors_of(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of some tiles, (N, D) float32 unit rows.

        Args:
            ids: Identifiers, as hits tell them.

        Raises:
            UsageError: One of them is no tile of this archive.
        """
        import numpy as np

        found = self.store.find(ids)
        for one in ids:
            if one not in found:
                remedy = "search again: the file may have changed or been removed"
                raise UsageError(f"tile {one[:40]}", cause="is not in this archive", remedy=remedy)
        rows = [found[one].vector / max(float(np.linalg.norm(found[one].vector)), 1e-9) for one in ids]
        return np.stack(rows) if rows else np.zeros((0, self.store.dimension), np.float32)

    def _words_of(self, query: Query) -> tuple[tuple[str, ...], bool]:
        """What is to be said of words that the model never saw, and whether it understands all wanted terms."""
        known = self.encoder.known_words
        wanted = [term.text for term in query.terms if term.text is not None and term.weight > 0]
        if known is None or not wanted:
            return (), True
        unknown = [word for text in wanted for word in known.unknown(text)]
        note = f"the model has never seen {', '.join(unknown)}: it goes by how the word is spelt"
        return (note,) * bool(unknown), all(known.understands(text) for text in wanted)

    def _second_look(
        self, rerank: str, query: Query, near: Callable[[NDArray[np.uint8], int], list[RawHit]]
    ) -> SecondLook:
        """The second look that a name stands for; what reads pixels is kept for the next search."""
        if rerank != "reciprocal" and rerank not in self._readers:
            self._readers[rerank] = reader_of(rerank)
        return second_look(self._readers.get(rerank), rerank, query, self.encoder, near)

    def query_vector(self, query: Query) -> NDArray[np.float32]:
        """The query as one unit vector: ``(D,)`` float32."""
        import numpy as np

        texts = [term.text for term in query.terms if term.text is not None]
        rows = iter(self.encoder.encode_queries(texts)) if texts else iter(())
        vectors = [next(rows) if term.text is not None else self._shown_vector(term) for term in query.terms]
        return combine(np.stack(vectors), [term.weight for term in query.terms])

    def _shown_vector(self, term: Term) -> NDArray[np.float32]:
        """The unit vector of a term that is no text."""
        import numpy as np

        if term.picture is not None:
            return picture_vector(self.encoder, term.picture)
        if term.item is not None:
            return np.asarray(self.vectors_of([term.item])[0], np.float32)
        vector = np.asarray(term.vector, np.float32)
        if vector.shape != (self.store.dimension,) or not np.isfinite(vector).all() or not np.any(vector):
            cause, remedy = "is of another model than this archive", "ask the question again by its words"
            raise UsageError(term.label, cause=cause, remedy=remedy)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def report(
        self,
        answers: Answer | Sequence[Answer],
        path: str | Path,
        *,
        title: str = "Search report",
        facts: Mapping[str, str] | None = None,
    ) -> Path:
        """Write one HTML page with pictures, scores, bands and places of all hits.

        Args:
            answers: One sheet each.
            path: File to write.
            title: Heading of the page.
            facts: Name and value pairs below the heading; what the archive is and holds when not given.

        Returns:
            The path of the page.
        """
        from geoglot.api.pictures import gather
        from geoglot.api.reports.answers import write_report

        sheets = [answers] if isinstance(answers, Answer) else list(answers)
        return write_report(gather(self, sheets, title=title, facts=facts), path)

    def info(self) -> dict[str, Any]:
        """Sources, tiles, extent, time range, model and size, as JSON-ready values."""
        from geoglot.api.coverage import coverage

        told = self.store.info()
        return {
            "path": str(self.path),
            "sources": told.sources.get("done", 0),
            "failed_sources": told.sources.get("failed", 0),
            "tiles": told.rows,
            **coverage(self.store.searcher),
            "model": told.identity.bundle_id,
            "codes": told.identity.codes,
            "dimension": told.identity.dimension,
            **({"captions": told.captions} if told.captions else {}),
            "bytes": sum(told.bytes.values()),
            "shards": told.shards,
            "format": told.identity.format,
            "created": told.identity.created,
        }

    def verify(self) -> VerifyReport:
        """Check every byte of the archive on disk; nothing is changed.

        Returns:
            ``report.ok``, and for each damage its file, cause and what indexing again will redo.
        """
        return verify_archive(self.path)

    def remove(self, sources: str | Sequence[str]) -> int:
        """Take files out of the archive (their tiles; never the files themselves).

        Args:
            sources: Paths or patterns.

        Returns:
            Number of sources removed.
        """
        return self.store.remove([sources] if isinstance(sources, str) else list(sources))

    def caption(
        self,
        captioner: str | Path | CaptionerBundle = "captioner",
        *,
        language: str | Sequence[str] | None = None,
        bands: Sequence[int] | None = None,
        source: str | Sequence[str] | None = None,
        items: Sequence[str] = (),
        progress: Callable[[CaptioningProgress], None] | None = None,
    ) -> CaptioningReport:
        """Write captions of all tiles that have none; safe to repeat after any interruption.

        A tile that shows nothing of a place (blank, without data, under cloud) is kept in mind with the reason and gets
        no caption. Captions of another captioner are replaced.

        Args:
            captioner: A captioner's name or folder, or a bundle that is loaded already.
            language: Code, several, or ``all``; English by default.
            bands: Red, green and blue as band numbers from 1 on, where they were chosen when the archive was indexed.
            source: Only these files: a path or a pattern, or several.
            items: Only these tiles: identifiers as of hits; those that the archive does not know are passed over.
            progress: Called now and then with the state of the work.

        Returns:
            What was written, what was there already, and which files could not be read again.

        Raises:
            ArchiveError: The archive is open for reading only, or the disk is full.
            BundleError: The captioner cannot be loaded.
            UsageError: The captioner does not write one of the languages.
        """
        from geoglot.api.captioner import Captioner
        from geoglot.archive.captioning import caption_archive

        writer = Captioner(captioner)
        return caption_archive(
            self.store,
            writer.bundle,
            writer.asked(language),
            bands=bands,
            sources=(source,) if isinstance(source, str) else tuple(source or ()),
            items=items,
            progress=progress,
        )

    def index_places(
        self,
        place: str | Path = "place",
        *,
        bands: Sequence[int] | None = None,
        source: str | Sequence[str] | None = None,
        progress: Callable[[CaptioningProgress], None] | None = None,
    ) -> PlacesReport:
        """Give all tiles that have none a vector of their place: a search by one picture then looks there, too.

        Args:
            place: Place bundle, by name or folder.
            bands: Red, green and blue as band numbers from 1 on, as when the archive was indexed.
            source: Only these files: a path or a pattern, or several.
            progress: Called now and then with the state of the work.

        Raises:
            ArchiveError: The archive is open for reading only, or the disk is full.
            BundleError: There is no such bundle, or it makes no vectors of places.
        """
        from geoglot.archive.places import index_places
        from geoglot.models.place import load_place

        sources = (source,) if isinstance(source, str) else tuple(source or ())
        return index_places(self.store, load_place(place), bands=bands, sources=sources, progress=progress)

    def duplicates(
        self, *, at_least: float | None = None, source: str | Sequence[str] | None = None, jobs: int = 1
    ) -> Duplicates:
        """Near-duplicate tiles and files, with their places; nothing is changed.

        Args:
            at_least: Least similarity of the vectors of copies; lower finds stronger changes, and is slower.
            source: Only these files: a path or a pattern, or several.
            jobs: Number of decoding processes.

        Returns:
            ``found.groups`` of tiles or files that hold the same picture, and ``found.scenes``, pairs of files by the
            share of tiles that they have in common.

        Raises:
            UsageError: An option makes no sense.
        """
        from geoglot.api.duplicates import AT_LEAST, find_duplicates

        return find_duplicates(self, at_least=AT_LEAST if at_least is None else at_least, source=source, jobs=jobs)

    def close(self) -> None:
        """Close the files and free the writer's lock."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def verify_archive(path: str | Path) -> VerifyReport:
    """Check every byte of an archive, also of one that is too damaged to be opened.

    Raises:
        ArchiveError: There is no archive, or it is of a newer format.
    """
    from geoglot.archive.verify import verify

    return verify(Path(path))


def codes_for(model: Bundle, asked: str | None) -> str:
    """How an archive of a model holds its vectors.

    Raises:
        UsageError: What is asked for makes no sense, for any model or for a hasher.
    """
    from geoglot.archive.codes import Coding

    if model.kind == "hasher":
        if asked not in (None, f"signs:{model.dimension}"):
            cause, remedy = "are not for a hasher, which has codes of its own", "leave the option out"
            raise UsageError(f"codes {asked}", cause=cause, remedy=remedy)
        return str(Coding.parse(f"signs:{model.dimension}"))
    coding = Coding.parse(asked or "float16")
    if coding.kind == "signs":
        raise UsageError(f"codes {asked}", cause="need a hasher", remedy="write float16 or binary:BITS")
    return str(coding)


def _load(model: str | Path | Bundle) -> Bundle:
    from geoglot.models.bundle import Bundle, load_bundle

    return model if isinstance(model, Bundle) else load_bundle(model)
