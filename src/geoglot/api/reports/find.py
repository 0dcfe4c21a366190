"""The page of a finding: which scenes were hit, what was outlined in them, with pictures. One file, no script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geoglot.api.pictures import as_jpeg
from geoglot.api.printable import in_html
from geoglot.api.region_pictures import RegionPicture, region_pictures
from geoglot.api.reports.overview_map import data_uri
from geoglot.api.reports.parts import framed_page, none, save_page, soft, table

if TYPE_CHECKING:
    from geoglot.api.find import Finding
    from geoglot.api.segmenter import Segmentation

PICTURES = 48
"""Pictures of a page at most, shared among the scenes."""
_ROWS = 200


def write_report(finding: Finding, path: Path) -> Path:
    """Write the page, whole or not at all."""
    return save_page(page(finding), path)


def page(finding: Finding) -> str:
    """The page as text."""
    regions = finding.regions
    area = sum(region.area_m2 or 0.0 for region in regions)
    each = max(1, PICTURES // max(1, len(finding.segmentations)))
    sections = {"scenes": ("Scenes", _scenes(finding))}
    for number, found in enumerate(finding.segmentations[:PICTURES], 1):
        sections[f"scene-{number}"] = (Path(found.source).name, _scene(found, each))
    facts = {
        "looked for": finding.answer.query.label,
        "language": finding.answer.query.language or "unknown",
        "hits": f"{len(finding.answer):,}",
        "scenes": f"{len(finding.scenes):,}",
        "regions": f"{len(regions):,}",
        "area": f"{area:,.0f} m²",
    }
    missing = [f"{error.subject}: {error.cause}" for error in finding.failed] + [f"{note}." for note in finding.notes]
    lead = (
        "The archive was searched, the hit scenes were looked at where their tiles are like the query, and what the "
        "phrase names was outlined there."
    )
    title = f"Found: {finding.answer.query.label}"
    return framed_page(title=title, facts=facts, lead=lead, missing=missing, sections=sections, styles=["find.css"])


def _scenes(finding: Finding) -> str:
    if not finding.scenes:
        return none("No scene has a likely match.")
    found = {one.source: one for one in finding.segmentations}
    rows = []
    for scene in finding.scenes:
        outlined = found.get(scene.source)
        regions = "" if outlined is None else f"{len(outlined.regions):,}"
        area = "" if outlined is None else f"{sum(one.area_m2 or 0.0 for one in outlined.regions):,.0f}"
        best = f"{scene.hits[0].score:.3f} ({scene.hits[0].band.value})"
        rows.append([in_html(scene.source), f"{len(scene.hits):,}", best, f"{len(scene.areas):,}", regions, area])
    return table(["scene", "hits", "best", "windows looked at", "regions", "m²"], rows)


def _scene(found: Segmentation, most: int) -> str:
    notes = "".join(soft(f"{_begun(note)}.") for note in found.all_notes)
    if not found.regions:
        return none("Nothing was found here.") + notes
    pictures = region_pictures(found, most=most)
    several = len({region.phrase for region in found.regions}) > 1
    cards = "".join(f"<li>{_picture(one, named=several)}</li>" for one in pictures)
    rows = [
        [
            str(number),
            in_html(region.phrase),
            f"{region.score:.2f}",
            "unknown" if region.area_m2 is None else f"{region.area_m2:,.1f}",
            f"column {region.window.column}, row {region.window.row}",
        ]
        for number, region in enumerate(found.regions[:_ROWS], 1)
    ]
    more = soft(f"{len(found.regions) - _ROWS:,} more are in the file.") if len(found.regions) > _ROWS else ""
    shown = f'<ul class="outlined">{cards}</ul>' if cards else none("The scene cannot be shown.")
    listed = table(["number", "phrase", "score", "m²", "where"], rows, texts=(1, 4))
    return f'{notes}{shown}<details class="numbers"><summary>All regions</summary>{listed}{more}</details>'


def _picture(one: RegionPicture, *, named: bool) -> str:
    """A region with its facts; the phrase stands under it only where there are several."""
    region = one.region
    area = "" if region.area_m2 is None else f", {region.area_m2:,.0f}\N{NO-BREAK SPACE}m²"
    facts = f"score {region.score:.2f}{area}"
    told = f"{region.phrase}: {facts}"
    uri = data_uri(as_jpeg(one.pixels))
    image = f'<img src="{uri}" alt="{in_html(told)}" loading="lazy">'
    return f"<figure>{image}<figcaption>{in_html(told if named else facts)}</figcaption></figure>"


def _begun(note: str) -> str:
    """A note as a sentence begins.

    Example:
        >>> _begun("only windows round 3 tiles were looked at")
        'Only windows round 3 tiles were looked at'
    """
    return note[:1].upper() + note[1:]
