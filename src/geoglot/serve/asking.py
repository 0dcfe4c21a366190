"""A question as it comes over the wire -> the same question as the command line asks it -> the answer on the wire."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoglot.api.holdings import Holdings, exact_pattern
from geoglot.api.query import Term
from geoglot.api.saved_query import SavedQuery
from geoglot.core.records import Hit
from geoglot.serve.problems import ProblemError
from geoglot.serve.settings import Limits
from geoglot.serve.shapes import (
    HistogramOut,
    HitOut,
    SearchIn,
    SearchOut,
    TermIn,
    TermOut,
    ThresholdsOut,
)
from geoglot.serve.uploads import Uploads

if TYPE_CHECKING:
    from geoglot.api.archive import Archive


def check_size(asked: SearchIn, limits: Limits) -> None:
    """Refuse a question that would take more than one request may.

    Raises:
        ProblemError: Too many hits, corners or marks.
    """
    corners = sum(len(ring) for ring in asked.polygon.coordinates) if asked.polygon else 0
    for number, most, what in (
        (asked.k, limits.hits, "hits at once"),
        (asked.k + asked.offset, limits.deepest, "hits in all pages"),
        (corners, limits.vertices, "corners of the polygon"),
        (len(asked.right) + len(asked.wrong), limits.marks, "marked tiles"),
    ):
        if number > most:
            raise ProblemError(422, f"{number:,} {what} are more than {most:,}.", "ask for less")


def as_query(asked: SearchIn, holdings: Holdings, uploads: Uploads) -> SavedQuery:
    """The question as the command line and Python know it.

    Raises:
        ProblemError: A source or an uploaded picture is not known.
        UsageError: A saved query makes no sense.
    """
    unknown = [one for one in asked.sources if one not in holdings.by_id]
    if unknown:
        raise ProblemError(422, f"source {unknown[0]}: is not in this archive.", "see GET /v1/sources")
    return SavedQuery(
        terms=tuple(_term(term, uploads) for term in asked.terms),
        language=asked.language,
        words=asked.words,
        within=asked.within,
        polygon=None if asked.polygon is None else asked.polygon.model_dump(),
        after=asked.time_from,
        before=asked.time_to,
        sources=tuple(exact_pattern(holdings.by_id[one].path) for one in asked.sources),
        gsd=asked.gsd,
        right=tuple(asked.right),
        wrong=tuple(asked.wrong),
        k=asked.k,
        offset=asked.offset,
        rerank=asked.rerank,
        collapse=asked.collapse,
    )


def _term(term: TermIn, uploads: Uploads) -> Term:
    if term.text is not None:
        return Term(text=term.text, weight=term.weight)
    if term.item is not None:
        return Term(item=term.item, weight=term.weight)
    if term.image is not None:
        return Term(picture=uploads.path(term.image), name="picture", weight=term.weight)
    saved = SavedQuery.from_record(term.vector_of.model_dump() if term.vector_of is not None else {})
    vectors = [one for one in saved.terms if one.vector is not None]
    if len(saved.terms) != 1 or not vectors:
        remedy = "use 'saved' of an answer, not 'query'"
        raise ProblemError(422, "vector_of: is a question of several terms.", remedy)
    return replace(vectors[0], weight=term.weight)


def answered(asked: SearchIn, query: SavedQuery, archive: Archive, holdings: Holdings, name: str) -> SearchOut:
    """Ask the archive and tell the answer."""
    started = time.perf_counter()
    answer = query.ask(archive)
    spread = answer.spread
    if spread is None or answer.vector is None:
        raise ProblemError(500, "The archive did not say how scores are spread.")
    told = asked.model_dump(mode="json", exclude_none=True)
    return SearchOut(
        hits=[hit_out(hit, holdings) for hit in answer],
        terms=_terms(query, archive),
        notes=list(answer.notes),
        histogram=HistogramOut(edges=list(spread.edges), counts=list(spread.counts), exact=spread.exact),
        thresholds=ThresholdsOut(likely=spread.likely, uncertain=spread.uncertain),
        no_likely=not answer.likely,
        total=spread.total,
        milliseconds=round(1000 * (time.perf_counter() - started), 1),
        command=for_strangers(query, holdings).command(name),
        query={**for_strangers(query, holdings).as_record(), "request": told},
        saved=for_strangers(query, holdings).frozen(answer.vector.tolist()).as_record(),
    )


def for_strangers(query: SavedQuery, holdings: Holdings) -> SavedQuery:
    """The question without the folders of this machine: sources by pattern of their names, pictures by file name."""
    names = {exact_pattern(source.path): f"*{source.name}" for source in holdings.sources} if query.sources else {}
    terms = tuple(
        replace(term, picture=Path(term.picture.name)) if term.picture is not None else term for term in query.terms
    )
    return replace(query, terms=terms, sources=tuple(names.get(one, one) for one in query.sources))


def hit_out(hit: Hit, holdings: Holdings) -> HitOut:
    """A hit as the wire has it: no path, but the source's identifier and name."""
    source, name = holdings.named(hit.source)
    return HitOut(
        rank=hit.rank,
        score=round(hit.score, 6),
        band=hit.band.value,
        id=hit.id,
        source=source,
        name=name,
        window=hit.tile.window,
        level=hit.tile.level,
        bounds=hit.tile.bounds,
        footprint=geometry_of(hit.tile.footprint),
        time=hit.tile.time.isoformat() if hit.tile.time else None,
        gsd_m=hit.tile.gsd_m,
        merged=hit.merged,
        same_place=hit.same_place,
        caption=hit.caption,
        caption_language=hit.caption_language,
        thumbnail=f"/v1/items/{hit.id}/thumbnail.png",
    )


def geometry_of(footprint: bytes | None) -> dict[str, Any] | None:
    """Well-known binary as GeoJSON."""
    if footprint is None:
        return None
    import shapely

    told: dict[str, Any] = json.loads(shapely.to_geojson(shapely.from_wkb(footprint)))
    return told


def _terms(query: SavedQuery, archive: Archive) -> list[TermOut]:
    from geoglot.text.language import detect

    known = archive.encoder.known_words
    return [
        TermOut(
            label=term.label,
            text=term.text,
            weight=term.weight,
            language=None if term.text is None else query.language or detect(term.text),
            unknown_words=[] if term.text is None or known is None else list(known.unknown(term.text)),
        )
        for term in query.terms
    ]
