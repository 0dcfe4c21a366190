"""The main job from end to end: index, ask in four languages and by example, write a report and a map layer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from geoglot.api.answer import Answer
from geoglot.api.archive import Archive
from geoglot.api.pictures import cut_pictures
from geoglot.core.errors import DataError

if TYPE_CHECKING:
    from geoglot.archive.ingest import IngestReport, Progress

HITS_PER_QUESTION = 8
SCENE_LEVELS = 3
"""A terminal with its planes is wider than one tile at half a metre per pixel; two coarser levels see it whole."""


class Question(NamedTuple):
    """Words to look for and the language that they are in."""

    text: str
    language: str


SCENE_QUESTIONS = (
    Question("many planes parked beside the terminal", "en"),
    Question("طائرات كثيرة متوقفة بجانب مبنى المطار", "ar"),
    Question("beaucoup d'avions stationnés près du terminal", "fr"),
    Question("molti aerei parcheggiati accanto al terminal", "it"),
    Question("several white storage tanks", "en"),
    Question("ميناء فيه قوارب كثيرة", "ar"),
    Question("des courts de tennis", "fr"),
    Question("un campo da baseball", "it"),
)
"""Asked of the rendered scene."""

FOLDER_QUESTIONS = (
    Question("many planes parked beside the terminal", "en"),
    Question("طائرات كثيرة متوقفة بجانب مبنى المطار", "ar"),
    Question("une forêt dense", "fr"),
    Question("un fiume che attraversa una città", "it"),
    Question("a harbour with many boats", "en"),
    Question("ملاعب تنس", "ar"),
    Question("une plage au bord de la mer", "fr"),
    Question("molti edifici lungo una strada", "it"),
)
"""Asked of a user's own folder."""


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Attributes:
        answers: One per question, the one by example last.
        indexed: What was read.
        archive: The archive's folder.
        report: The HTML page.
        hits: All hits as GeoJSON.
    """

    answers: tuple[Answer, ...]
    indexed: IngestReport
    archive: Path
    report: Path
    hits: Path


def run_demo(
    folder: Path | None = None,
    out: Path = Path("demo"),
    *,
    model: str | Path = "compact",
    say: Callable[[str], None] = lambda words: None,
    progress: Callable[[Progress], None] | None = None,
) -> DemoResult:
    """Index a folder (or a rendered scene), ask in four languages and by example, write report and hits.

    Args:
        folder: Imagery to index; without it a georeferenced scene is rendered first.
        out: Where archive, report and hits go.
        model: Bundle, by name or folder.
        say: Called with one line before each step.
        progress: Called during indexing.

    Raises:
        DataError: The folder holds no imagery that can be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    place = folder if folder is not None else _rendered_scene(out, say)
    say(f"indexing {place}")
    path = out / ("archive" if folder is None else f"archive-{_label(place)}")
    with _open_or_create(path, model) as archive:
        indexed = archive.index(place, levels=SCENE_LEVELS if folder is None else 1, progress=progress)
        if archive.info()["tiles"] == 0:
            raise DataError(place, cause="holds no imagery that can be read", remedy=f"see {path / 'errors.jsonl'}")
        say("searching in four languages and by example")
        answers = _ask(archive, SCENE_QUESTIONS if folder is None else FOLDER_QUESTIONS, out)
        say("writing the report")
        facts = _facts(archive, path, indexed)
        title = (
            "A rendered scene, searched in four languages"
            if folder is None
            else f"{place.name}, searched in four languages"
        )
        report = archive.report(answers, out / "report.html", title=title, facts=facts)
    hits = out / "hits.geojson"
    hits.write_text(json.dumps(_all_hits(answers), ensure_ascii=False), encoding="utf-8", errors="backslashreplace")
    return DemoResult(answers=answers, indexed=indexed, archive=path, report=report, hits=hits)


def _rendered_scene(out: Path, say: Callable[[str], None]) -> Path:
    """The generated scene, rendered once."""
    from geoglot.data.scenes import demo_spec, write_geotiff

    path = out / "scene.tif"
    if not path.exists():
        say(f"rendering a georeferenced scene to {path}")
        part = path.with_name("scene.partial.tif")
        write_geotiff(demo_spec(), part)
        part.replace(path)
    return path


def _open_or_create(path: Path, model: str | Path) -> Archive:
    return Archive.open(path, model=model, read_only=False) if path.exists() else Archive.create(path, model=model)


def _ask(archive: Archive, questions: Sequence[Question], out: Path) -> tuple[Answer, ...]:
    """Every question in words, then one by example: the best hit of the clearest answer, cut out as a picture."""
    answers = [archive.search(q.text, k=HITS_PER_QUESTION, language=q.language) for q in questions]
    clearest = max((answer for answer in answers if len(answer)), key=lambda answer: answer[0].score)
    cut = cut_pictures(clearest[:1], side=256)
    for picture in cut.values():
        example = out / "example.jpg"
        example.write_bytes(picture)
        answers.append(archive.search(like=example, k=HITS_PER_QUESTION))
    return tuple(answers)


def _facts(archive: Archive, path: Path, indexed: IngestReport) -> dict[str, str]:
    info = archive.info()
    facts = {
        "Archive": str(path),
        "Files": f"{info['sources']:,}",
        "Tiles": f"{info['tiles']:,}",
        "Model": archive.encoder.id,
        "Made": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    if indexed.rows_added:
        facts["Indexed at"] = f"{indexed.rows_added / indexed.seconds:,.0f} tiles per second"
    return facts


def _all_hits(answers: Sequence[Answer]) -> dict[str, Any]:
    """One feature collection; every feature says which question it answers."""
    features = []
    for answer in answers:
        for feature in answer.to_geojson()["features"]:
            said = {"query": answer.query.label, "language": answer.query.language}
            features.append({**feature, "properties": {**said, **feature["properties"]}})
    return {"type": "FeatureCollection", "features": features}


def _label(folder: Path) -> str:
    """A short name for the folder's own archive, so that each folder keeps its own."""
    from hashlib import sha256

    return f"{folder.resolve().name}-{sha256(str(folder.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
