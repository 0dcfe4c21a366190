"""Ground that several scenes show: things there are told once, and things at an edge are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
from colour_segmenter import ColourSegmenter
from hypothesis import given, settings
from hypothesis import strategies as st
from painted_scenes import UTM_32_NORTH, painted, write_scene
from rasterio import Affine

from geoglot.api.segmenter import PhraseFound, Region, Segmentation, Segmenter
from geoglot.api.shared_ground import area_on_earth, footprint, told_once
from geoglot.core.records import Window

UTM = "EPSG:32632"
Box = tuple[float, float, float, float]


def region(box: Box, *, score: float = 0.8, phrase: str = "houses", source: str = "a.tif") -> Region:
    shape = shapely.box(*box)
    return Region(
        phrase=phrase,
        language="en",
        score=score,
        area_m2=area_on_earth(shape, UTM),
        pixels=round(shape.area),
        geometry=shapely.to_wkb(shape),
        bounds=box,
        window=Window(0, 0, 1, 1),
        source=source,
    )


def scene(left: float, right: float, *regions: Region, crs: str | None = UTM) -> Segmentation:
    """Pixels of 1 m, from y = 0 to 100."""
    phrases = tuple(dict.fromkeys(one.phrase for one in regions))
    return Segmentation(
        source=f"{left:g}.tif",
        width=round(right - left),
        height=100,
        crs=crs,
        transform=(1.0, 0.0, left, 0.0, -1.0, 100.0),
        gsd_m=1.0,
        scale=1.0,
        regions=regions,
        phrases=tuple(
            PhraseFound(
                phrase=phrase,
                language="en",
                looked_for=phrase,
                regions=sum(one.phrase == phrase for one in regions),
            )
            for phrase in phrases
        ),
    )


def shapes(found: Segmentation) -> list[shapely.Geometry]:
    return [shapely.from_wkb(one.geometry) for one in found.regions]


def test_footprint_by_hand() -> None:
    assert footprint(scene(20, 120)).bounds == (20, 0, 120, 100)


def test_the_same_scene_twice_is_told_once() -> None:
    one = scene(0, 100, region((10, 10, 20, 30)), region((50, 50, 60, 60), score=0.6))
    first, second = told_once([one, one])
    assert [(one.bounds, one.score, one.pixels) for one in first.regions] == [
        ((10, 10, 20, 30), pytest.approx(0.8), 200),
        ((50, 50, 60, 60), pytest.approx(0.6), 100),
    ]
    assert second.regions == ()
    assert second.phrases[0].regions == 0
    assert second.notes == ("2 regions lie on ground that another scene shows too: told once, with that scene",)
    assert first.notes == ()


def test_a_house_on_the_edge_becomes_whole() -> None:
    """Scenes from 0 to 100 and from 90 to 190 share 90 to 100. The house runs from 80 to 110.

    Seen 80-100 by the first, 90-110 by the second; on shared ground both are 10 wide and the same. Together 30 x 10 m.
    Score: areas 200 and 200, so the mean of 0.9 and 0.5.
    """
    left = scene(0, 100, region((80, 40, 100, 50), score=0.9))
    right = scene(90, 190, region((90, 40, 110, 50), score=0.5))
    first, second = told_once([left, right])
    assert [one.bounds for one in first.regions] == [(80, 40, 110, 50)]
    assert first.regions[0].score == pytest.approx(0.7)
    assert first.regions[0].area_m2 == pytest.approx(area_on_earth(shapely.box(80, 40, 110, 50), UTM))
    assert first.regions[0].pixels == 300
    assert second.regions == ()


def test_a_road_through_a_narrow_strip_is_one() -> None:
    """Of its 1,000 m in both scenes only 10 are shared: 1 % of it, and all of it on shared ground."""
    left, right = scene(0, 1000, region((0, 40, 1000, 50))), scene(990, 1990, region((990, 40, 1990, 50)))
    first, second = told_once([left, right])
    assert [one.bounds for one in first.regions] == [(0, 40, 1990, 50)]
    assert not second.regions


def test_neighbours_that_touch_stay_two() -> None:
    """10 x 10 m each, shifted by 9: they share 10 of 100 m2, less than 0.3; the strip stays with the first."""
    first, second = told_once([scene(0, 100, region((10, 10, 20, 20))), scene(0, 100, region((19, 10, 29, 20)))])
    assert [one.bounds for one in first.regions] == [(10, 10, 20, 20)]
    assert [one.bounds for one in second.regions] == [(20, 10, 29, 20)]
    assert second.regions[0].pixels == 90
    assert second.notes == ()


def test_two_halves_seen_whole_elsewhere_are_one() -> None:
    first, second = told_once(
        [scene(0, 100, region((10, 10, 20, 20)), region((22, 10, 32, 20))), scene(0, 100, region((10, 10, 32, 20)))]
    )
    assert [one.bounds for one in first.regions] == [(10, 10, 32, 20)]
    assert not second.regions
    assert first.notes == ("1 region lies on ground that another scene shows too: told once, with that scene",)


@pytest.mark.parametrize(
    "other",
    [
        scene(0, 100, region((10, 10, 20, 20), phrase="pools")),
        scene(0, 100, region((10, 10, 20, 20)), crs="EPSG:32633"),
        scene(0, 100, region((10, 10, 20, 20)), crs=None),
    ],
)
def test_other_phrases_and_systems_are_left_alone(other: Segmentation) -> None:
    one = scene(0, 100, region((10, 10, 20, 20)))
    assert told_once([one, other]) == [one, other]
    assert told_once([]) == []


places = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(places, max_size=4), min_size=2, max_size=3))
def test_no_ground_is_told_twice_and_none_is_invented(drawn: list[list[tuple[int, int, int, int]]]) -> None:
    """Regions of one scene never overlap, as those of a segmenter do not; what the first scene shows is all there."""
    scenes = []
    for places in drawn:
        kept: list[shapely.Geometry] = []
        for x, y, wide, high in places:
            box = shapely.box(x, y, x + wide, y + high)
            if all(box.intersection(one).area == 0 for one in kept):
                kept.append(box)
        scenes.append(scene(0, 100, *(region(one.bounds) for one in kept)))
    before = shapely.union_all([shape for one in scenes for shape in shapes(one)])
    told = told_once(scenes)
    every = [(number, shape) for number, one in enumerate(told) for shape in shapes(one)]
    for index, (number, shape) in enumerate(every):
        assert shape.area > 0
        for other, second in every[:index]:
            assert other == number or shape.intersection(second).area < 1e-9
    after = shapely.union_all([shape for _, shape in every])
    assert after.difference(before).area < 1e-9
    first = shapely.union_all(shapes(scenes[0]))
    assert first.difference(after).area < 1e-9


def test_two_sheets_give_what_one_gives(tmp_path: Path) -> None:
    """A picture of 500 pixels, whole and as two sheets that share 100 columns."""
    things = [("buildings", 40, 40, 60, 40), ("buildings", 280, 100, 80, 80), ("buildings", 160, 260, 300, 24)]
    pixels = painted(500, 430, things)
    moved = UTM_32_NORTH["transform"] @ Affine.translation(200, 0)
    whole = write_scene(tmp_path / "whole.tif", pixels)
    left = write_scene(tmp_path / "left.tif", pixels[:, :, :300])
    right = write_scene(tmp_path / "right.tif", pixels[:, :, 200:], transform=moved)
    segmenter = Segmenter(ColourSegmenter())
    expected = shapes(segmenter.segment(whole, "buildings"))
    sheets = [segmenter.segment(path, "buildings") for path in (left, right)]
    assert sum(len(one.regions) for one in sheets) == 5
    found = [shape for one in told_once(sheets) for shape in shapes(one)]
    assert len(found) == len(expected) == 3
    for shape in expected:
        assert max(shape.intersection(one).area / shape.union(one).area for one in found) > 0.95
