"""The scene generator: the same everywhere and every time, georeferenced, and described truthfully."""

from __future__ import annotations

import itertools
import re
import tracemalloc
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import MultiPoint, Polygon

from geoglot.core.errors import UsageError
from geoglot.core.records import Window
from geoglot.data.scenery import phrases_ar, phrases_en, phrases_fr, phrases_it
from geoglot.data.scenery.block import draw_block, draw_things
from geoglot.data.scenery.plan import CELL, DemoPlan, Edge, Kind, WorldPlan
from geoglot.data.scenery.relations import Fact, Group
from geoglot.data.scenery.shading import Place
from geoglot.data.scenery.sketch import SUN_SHIFT, Layer, Sketch
from geoglot.data.scenery.warp import Warp
from geoglot.data.scenes import CLASS_INDEX, CLASSES, Scene, SceneSpec, _Store, demo_spec, write_geotiff

# Windows of the demo scene, one for each of its main sights, and how large they are.
SIGHTS = {
    "terminal": Window(3100, 3400, 512, 512),
    "runway": Window(2900, 2870, 400, 400),
    "tanks": Window(4700, 1750, 512, 512),
    "diamonds": Window(2100, 1020, 500, 500),
    "marina": Window(5450, 2000, 500, 500),
    "bridge": Window(1500, 700, 512, 512),
    "stadium": Window(1950, 1950, 512, 512),
    "courts": Window(2050, 1500, 400, 400),
    "houses": Window(3300, 900, 512, 512),
    "core": Window(2800, 1600, 512, 512),
    "fields": Window(700, 500, 512, 512),
    "forest": Window(100, 100, 300, 300),
    "beach": Window(5400, 3000, 500, 500),
    "motorway": Window(600, 1800, 400, 400),
    "desert": Window(4400, 100, 300, 300),
}


@pytest.fixture(scope="module")
def demo() -> Scene:
    return Scene(demo_spec())


# The same picture every time and by every way


def test_a_scene_is_a_function_of_its_spec() -> None:
    window = Window(40_000, 7_000, 300, 200)
    first, second = (Scene(SceneSpec(11, 50_000, 50_000)) for _ in range(2))
    np.testing.assert_array_equal(first.render(window), second.render(window))
    np.testing.assert_array_equal(first.instances(window), second.instances(window))
    other = Scene(SceneSpec(12, 50_000, 50_000)).render(window)
    assert (other != first.render(window)).mean() > 0.5


BIG = Window(2037, 1411, 811, 673)


@pytest.fixture(scope="module")
def big(demo: Scene) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32]]:
    return demo.render(BIG), demo.classes(BIG), demo.instances(BIG)


@pytest.fixture(scope="module")
def another_demo() -> Scene:
    return Scene(demo_spec())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_window_equals_its_part_of_a_larger_one(
    data: st.DataObject, big: tuple[NDArray[np.uint8], ...], another_demo: Scene
) -> None:
    column, row = data.draw(st.integers(0, BIG.width - 1)), data.draw(st.integers(0, BIG.height - 1))
    width = data.draw(st.integers(1, BIG.width - column))
    height = data.draw(st.integers(1, BIG.height - row))
    window = Window(BIG.column + column, BIG.row + row, width, height)
    part = slice(row, row + height), slice(column, column + width)
    scene = another_demo
    for whole, piece in zip(big, (scene.render(window), scene.classes(window), scene.instances(window)), strict=True):
        np.testing.assert_array_equal(whole[part], piece)


@pytest.mark.parametrize("corner", [(2048, 1024), (5632, 2560), (1536, 2048)])
def test_blocks_leave_no_seams(demo: Scene, corner: tuple[int, int]) -> None:
    """A block of 512 pixels and four of 256 show the same: nothing depends on where blocks are cut."""
    column, row = corner
    seed, gsd = demo.spec.seed, demo.spec.gsd_m
    drawings = demo._drawings_near(column, row, 512, 512)
    whole = draw_block(demo._plan, drawings, Place(column, row, 512, gsd, seed))
    numbers = draw_things(drawings, Place(column, row, 512, gsd, seed))
    for dc, dr in itertools.product((0, 256), repeat=2):
        place = Place(column + dc, row + dr, 256, gsd, seed)
        quarter = draw_block(demo._plan, drawings, place)
        part = slice(dr, dr + 256), slice(dc, dc + 256)
        off = np.abs(whole.picture[part].astype(int) - quarter.picture).max(axis=-1)
        # Pillow clips polygons to its canvas in floating point; a subpixel at an edge may fall the other way.
        assert (off > 2).mean() < 0.001
        assert (whole.classes[part] != quarter.classes).mean() < 0.001
        assert (numbers[part] != draw_things(drawings, place)).mean() < 0.001


def test_far_windows_cost_no_more_memory_than_near_ones() -> None:
    peaks = []
    for corner in ((0, 0), (99_000, 99_000), (61_000, 3_000)):
        scene = Scene(SceneSpec(5, 100_000, 100_000))
        scene.render(Window(*corner, 16, 16))
        tracemalloc.start()
        scene.render(Window(*corner, 700, 700))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # A block is drawn as 4 x 1 MB of subpixels and some ten float planes of 1 MB; sketches are kilobytes each.
    assert max(peaks) < 120e6


def test_the_stores_are_bounded() -> None:
    store = _Store[int, int](3)
    made: list[int] = []

    def make(key: int) -> int:
        made.append(key)
        return key * 10

    for key in (1, 2, 3, 1, 4, 1, 2):
        assert store.get(key, partial(make, key)) == key * 10
    # 2 was the least recently used when 4 came, so it had to be made again.
    assert made == [1, 2, 3, 4, 2]


@given(st.integers(0, 10**9), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
@settings(max_examples=60, deadline=None)
def test_the_bend_can_be_undone(seed: int, u: float, v: float) -> None:
    warp = Warp(seed)
    back = warp.to_plan(*warp.to_ground(np.array([u]), np.array([v])))
    assert abs(back[0][0] - u) < 0.05
    assert abs(back[1][0] - v) < 0.05


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=3, max_size=9), st.floats(1, 30))
@settings(max_examples=60, deadline=None)
def test_shadows_are_the_hull_of_foot_and_shifted_foot(corners: list[tuple[int, int]], height: float) -> None:
    foot = MultiPoint(corners).convex_hull
    if not isinstance(foot, Polygon) or foot.area < 20:
        return
    sketch = Sketch(1)
    frame = sketch.frame(0.0, 0.0)
    sketch.shadow(list(foot.exterior.coords)[:-1], height, frame=frame)
    warp = Warp(1, turn=0.0)
    drawing = sketch.finish(warp, gsd_m=0.02)  # 100 subpixels per metre: rounding is 1 cm
    angle = float(warp.angle(0.0, 0.0))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    ground = np.array(foot.exterior.coords) @ turn
    expected = MultiPoint(np.concatenate([ground, ground + height * np.array(SUN_SHIFT)])).convex_hull
    shape = Polygon(drawing.shadow_points / 100.0)
    assert shape.buffer(0).area == pytest.approx(expected.area, rel=0.02)


# Roads, plan and map


def test_roads_stay_out_of_the_water() -> None:
    plan = WorldPlan(3)
    seen = Counter(plan.edge(column, row, False) for column in range(40) for row in range(40))
    assert seen[Edge.STREET] > 50
    for column, row in itertools.product(range(40), range(40)):
        if plan.edge(column, row, False) is Edge.STREET and not plan.near_river(column, row):
            u = np.linspace(column * CELL, (column + 1) * CELL, 20)
            assert max(float(field.max()) for field in plan.still_water(u, np.full(20, row * CELL))) < 0


def test_the_world_mixes_districts() -> None:
    plan = WorldPlan(3)
    kinds = Counter(plan.kind(column, row) for column in range(0, 160, 3) for row in range(0, 160, 3))
    assert set(Kind) - set(kinds) <= {Kind.HARBOUR}
    assert max(kinds.values()) < 0.5 * sum(kinds.values())


def test_the_demo_shows_every_class_and_every_kind(demo: Scene) -> None:
    classes = demo.classes(Window(0, 0, demo.spec.width, demo.spec.height))
    pixels = np.bincount(classes.ravel(), minlength=len(CLASSES))
    assert pixels[0] == 0
    missing = [name for name, count in zip(CLASSES[1:], pixels[1:], strict=True) if count < 100]
    assert missing == []
    plan = DemoPlan(7)
    assert {plan.kind(column, row) for column in range(plan.columns) for row in range(plan.rows)} == set(Kind)


# Objects


def test_objects_agree_with_the_maps(demo: Scene) -> None:
    checked = 0
    for window in SIGHTS.values():
        instances, classes = demo.instances(window), demo.classes(window)
        objects = demo.objects(window)
        assert {thing.id for thing in objects} == set(np.unique(instances).tolist()) - {0}
        for thing in objects:
            rows, columns = np.nonzero(instances == thing.id)
            low, high = thing.polygon.min(axis=0) - 2.5, thing.polygon.max(axis=0) + 2.5
            reach = 4.0 if thing.class_name == "tree" else 0.0  # leaves stick out of the circle that stands for a crown
            assert columns.min() + window.column >= low[0] - reach
            assert columns.max() + window.column <= high[0] + reach
            assert rows.min() + window.row >= low[1] - reach
            assert rows.max() + window.row <= high[1] + reach
            assert 0 < thing.visible <= 1
            if len(rows) >= 12:
                share = (classes[rows, columns] == CLASS_INDEX[thing.class_name]).mean()
                assert share > 0.8, (thing.class_name, share)
                checked += 1
    assert checked > 1000


def test_an_object_keeps_its_number_in_every_window(demo: Scene) -> None:
    left, right = Window(3100, 3400, 300, 400), Window(3300, 3450, 400, 300)
    by_number = {thing.id: thing for thing in demo.objects(left)}
    shared = [thing for thing in demo.objects(right) if thing.id in by_number]
    assert shared
    for thing in shared:
        assert thing.class_name == by_number[thing.id].class_name
        np.testing.assert_array_equal(thing.polygon, by_number[thing.id].polygon)


def test_visible_counts_what_the_window_cuts_off(demo: Scene) -> None:
    """A window that ends in the middle of a tank shows about half of it."""
    tank = max(
        (thing for thing in demo.objects(SIGHTS["tanks"]) if thing.class_name == "storage tank"),
        key=lambda thing: (thing.visible, thing.id),
    )
    column, row = tank.centre
    half = Window(int(column) - 80, int(row) - 60, 80, 120)
    seen = {thing.id: thing.visible for thing in demo.objects(half)}
    assert seen[tank.id] == pytest.approx(0.5, abs=0.08)


# Captions

_PLURALS = {more: noun for noun, (_, more) in phrases_en._THINGS.items()}
_SINGULARS = {one: noun for noun, (one, _) in phrases_en._THINGS.items()}
_WORDS = {word: number for number, word in enumerate(phrases_en._NUMBERS) if word}


def _mentions(sentence: str) -> list[tuple[str, str]]:
    """(how many, noun) of every countable noun of an English sentence, longest names first."""
    found = []
    for place in ("car park", "built-up"):
        sentence = sentence.replace(place, "_")
    for name in sorted(_PLURALS, key=len, reverse=True):
        match = re.search(rf"\b(?:(\w+) )?{name}\b", sentence)
        if match:
            found.append((match[1] or "", _PLURALS[name]))
            sentence = sentence.replace(name, "_")
    for name in sorted(_SINGULARS, key=len, reverse=True):
        if re.search(rf"\b{name}\b", sentence):
            found.append(("a", _SINGULARS[name]))
            sentence = sentence.replace(name, "_")
    return found


def _distance(first: NDArray[np.bool_], second: NDArray[np.bool_], gsd_m: float) -> float:
    """Least distance in metres between two masks by brute force."""
    a, b = np.argwhere(first)[::7], np.argwhere(second)[::7]
    gaps = [np.abs(b - point).max(axis=1).min() for point in a]
    return float(min(gaps)) * gsd_m


@pytest.mark.parametrize("sight", SIGHTS)
def test_captions_are_true(demo: Scene, sight: str) -> None:
    window = SIGHTS[sight]
    classes = demo.classes(window)
    counts = Counter(thing.class_name for thing in demo.objects(window) if thing.visible > 0.5)
    places = {"a terminal", "a runway", "a pier"}
    for seed in range(4):
        for sentence in demo.captions(window, ("en",), count=6, seed=seed)["en"]:
            # Of what stands beside or around something only the near ones are counted, so there may be more in all.
            subject = re.split(" beside | next to | around ", sentence)[0]
            for told, noun in _mentions(sentence):
                count = counts[noun]
                if told == "a" and f"a {noun}" in places:
                    assert (classes == CLASS_INDEX[noun]).any(), sentence
                elif told == "a" or told in _WORDS:
                    number = _WORDS.get(told, 1)
                    is_subject = (told, noun) in _mentions(subject)
                    assert count == number if is_subject else count >= number, (sentence, count)
                elif told == "many":
                    assert count >= 8, (sentence, count)
                elif told in ("several", "some", "by"):
                    assert count >= 3, (sentence, count)
                else:
                    raise AssertionError(f"unknown quantity in {sentence!r}")
            _check_place(sentence, classes, demo.spec.gsd_m)


def _check_place(sentence: str, classes: NDArray[np.uint8], gsd_m: float) -> None:
    """A place that a sentence names is in the picture, and near what is said to be near it."""
    surfaces = {
        "river": ("river",),
        "lake": ("lake",),
        "the sea": ("sea",),
        "beach": ("beach",),
        "forest": ("forest",),
        "meadow": ("meadow",),
        "farmland": ("farmland",),
        "desert": ("desert",),
        "a road": ("street", "avenue"),
        "motorway": ("motorway",),
        "railway": ("railway",),
        "car park": ("car park",),
        "terminal": ("terminal",),
        "runway": ("runway",),
        "pier": ("pier",),
    }
    for place, names in surfaces.items():
        if not re.search(rf"\b{place}\b", sentence):
            continue
        inside = np.isin(classes, [CLASS_INDEX[name] for name in names])
        assert inside.any(), sentence
        if "most of" in sentence:
            assert inside.mean() >= 0.5, sentence
        if re.search(rf"(beside|next to|near|close to|at|over|cross(es)?) (a )?{place}", sentence):
            for _, noun in _mentions(sentence)[:1]:
                things = classes == CLASS_INDEX[noun]
                if things.any() and noun not in place:
                    assert _distance(things, inside, gsd_m) <= 60, sentence


def test_planes_are_only_mentioned_where_planes_are(demo: Scene) -> None:
    assert any("plane" in sentence for sentence in demo.captions(SIGHTS["terminal"])["en"])
    for sight in ("forest", "houses", "tanks", "marina"):
        assert not any("plane" in sentence for sentence in demo.captions(SIGHTS[sight], count=9)["en"])


def test_captions_come_in_four_languages_and_tell_the_same(demo: Scene) -> None:
    for window in SIGHTS.values():
        captions = demo.captions(window, count=5, seed=2)
        assert sorted(captions) == ["ar", "en", "fr", "it"]
        assert {len(sentences) for sentences in captions.values()} == {5}
        for sentence in captions["ar"]:
            assert not re.search(r"[A-Za-z0-9]", sentence)
            assert re.fullmatch(r"[\u0621-\u064a ]+", sentence), sentence
        for language in ("en", "fr", "it"):
            for sentence in captions[language]:
                assert re.fullmatch(r"[a-zàâçèéêëîïôùûœ' -]+", sentence), sentence


def test_a_caption_can_be_asked_for_any_window(demo: Scene) -> None:
    for corner in itertools.product(range(0, 6000, 743), range(0, 4500, 811)):
        captions = demo.captions(Window(*corner, 9, 9), count=2)
        assert all(len(sentences) == 2 and all(sentences) for sentences in captions.values())
    assert demo.captions(Window(0, 0, 9, 9), count=0) == {"en": [], "ar": [], "fr": [], "it": []}


def test_every_noun_is_in_every_language() -> None:
    english, arabic, french, italian = (
        {*module._THINGS, *module._PLACES} for module in (phrases_en, phrases_ar, phrases_fr, phrases_it)
    )
    assert english == arabic == french == italian
    assert set(CLASSES[1:]) - {"street", "avenue"} <= english


GRAMMAR = [
    # dual without nun before a second noun; after a preposition it ends in ya
    ("ar", Fact("exist", Group("tennis court", 2)), "يوجد ملعبا تنس"),
    ("ar", Fact("around", Group("tree", 9, "many"), Group("tennis court", 2)), "توجد أشجار كثيرة حول ملعبي تنس"),
    ("ar", Fact("beside", Group("plane", 1), Group("terminal")), "تقع طائرة بجانب مبنى ركاب"),
    # numbers take the opposite gender; a plural of things takes a feminine verb
    ("ar", Fact("near", Group("storage tank", 4), Group("river")), "تقع أربعة خزانات بالقرب من نهر"),
    ("ar", Fact("moored", Group("ship", 8), Group("quay")), "ترسو ثماني سفن عند رصيف ميناء"),
    ("ar", Fact("moored", Group("boat", 1), Group("pier")), "يرسو قارب عند رصيف بحري"),
    ("ar", Fact("surrounded", Group("house", 2), Group("tree", 9, "bare")), "منزلان محاطان بالأشجار"),
    ("ar", Fact("surrounded", Group("playground", 1), Group("tree", 9, "bare")), "ساحة ألعاب محاطة بالأشجار"),
    ("ar", Fact("in", Group("house", 9, "many"), Group("residential")), "توجد منازل كثيرة في منطقة سكنية"),
    ("ar", Fact("land", Group("sea", 1, "most")), "معظم الصورة البحر"),
    ("fr", Fact("parked", Group("car", 9, "many"), Group("car park")),
     "de nombreuses voitures sont stationnées dans un parking"),
    ("fr", Fact("parked", Group("plane", 1), Group("terminal")), "un avion est stationné à côté d'une aérogare"),
    ("fr", Fact("beside", Group("beach"), Group("sea")), "une plage est à côté de la mer"),
    ("fr", Fact("around", Group("tree", 9, "many"), Group("house", 9, "many")),
     "de nombreux arbres sont autour de nombreuses maisons"),
    ("fr", Fact("near", Group("house", 5), Group("lake"), Group("building", 1)),
     "cinq maisons et un immeuble sont près d'un lac"),
    ("it", Fact("near", Group("ship", 2), Group("sea")), "due navi sono vicine al mare"),
    ("it", Fact("surrounded", Group("stadium", 1), Group("tree", 9, "bare")), "uno stadio è circondato da alberi"),
    ("it", Fact("parked", Group("car", 1), Group("car park")),
     "un'auto è parcheggiata in un parcheggio"),
    ("it", Fact("near", Group("house", 5), Group("lake"), Group("tree", 9, "many")),
     "cinque case e molti alberi sono vicini a un lago"),
    ("en", Fact("cross", Group("bridge", 1), Group("river")), "a bridge is over a river"),
    ("en", Fact("in", Group("house", 9, "many"), Group("dense residential")),
     "many houses are in a dense residential area"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "fact", "expected"), GRAMMAR)
def test_grammar(language: str, fact: Fact, expected: str) -> None:
    module = {"en": phrases_en, "ar": phrases_ar, "fr": phrases_fr, "it": phrases_it}[language]
    assert module.sentences(fact)[0] == expected


def test_unknown_language_is_refused(demo: Scene) -> None:
    with pytest.raises(UsageError, match="de"):
        demo.captions(Window(0, 0, 64, 64), ("en", "de"))


# Windows, specs and files


@pytest.mark.parametrize("window", [(-1, 0, 5, 5), (0, 0, 0, 5), (5990, 0, 11, 5), (0, 4499, 1, 2)])
def test_windows_outside_the_scene_are_refused(demo: Scene, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match="not inside the scene"):
        demo.render(Window(*window))


@pytest.mark.parametrize("values", [{"width": 0}, {"height": -3}, {"gsd_m": 0.05}, {"gsd_m": float("nan")}])
def test_impossible_specs_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        SceneSpec(**({"seed": 1, "width": 10, "height": 10} | values))  # type: ignore[arg-type]


def test_scenes_too_large_for_object_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="too large"):
        Scene(SceneSpec(1, 2_000_000, 2_000_000))


def test_the_file_lies_where_the_spec_says(tmp_path: Path) -> None:
    spec = SceneSpec(9, 700, 530, gsd_m=0.6, crs="EPSG:32631", origin=(448_000.0, 5_411_000.0))
    seen: list[tuple[int, int]] = []
    path = write_geotiff(
        spec, tmp_path / "scene.tif", tile=256, progress=lambda done, total: seen.append((done, total))
    )
    with rasterio.open(path) as file:
        assert (file.width, file.height, file.count, file.dtypes[0]) == (700, 530, 3, "uint8")
        assert file.crs.to_epsg() == 32631
        assert tuple(file.transform)[:6] == spec.transform
        assert file.block_shapes[0] == (256, 256)
        assert file.overviews(1)
        assert file.compression.value.lower() == "deflate"
        assert file.tags()["TIFFTAG_DATETIME"] == "2024:06:15 09:40:00"
        assert file.tags(ns="IMAGERY")["ACQUISITIONDATETIME"].startswith("2024-06-15T09:40")
        np.testing.assert_array_equal(np.moveaxis(file.read(), 0, -1), Scene(spec).render(Window(0, 0, 700, 530)))
        # The far corner is 700 x 0.6 m east and 530 x 0.6 m south of the origin.
        far = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True).transform(448_420.0, 5_410_682.0)
        corner = Transformer.from_crs(file.crs, "EPSG:4326", always_xy=True).transform(*(file.transform @ (700, 530)))
        assert corner == pytest.approx(far, abs=1e-9)
    assert seen[-1] == (700 * 530, 700 * 530)
    assert [entry.name for entry in tmp_path.iterdir()] == ["scene.tif"]


def test_an_interrupted_file_does_not_appear(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_geotiff(SceneSpec(9, 64, 64), tmp_path / "scene.tif", progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "options"),
    [({"crs": "EPSG:4326"}, {}), ({"crs": "EPSG:2263"}, {}), ({"crs": "nonsense"}, {}),
     ({}, {"tile": 100}), ({}, {"compress": "zip"})],
)  # fmt: skip
def test_files_we_cannot_write_are_refused(tmp_path: Path, values: dict[str, str], options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        write_geotiff(SceneSpec(9, 64, 64, **values), tmp_path / "scene.tif", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_layers_cover_every_step_of_painting() -> None:
    assert [layer.value for layer in Layer] == list(range(10))
