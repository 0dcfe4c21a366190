"""The rule table applied to small class maps whose masks are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.data.mask_regions import label_regions
from geoglot.data.reference_masks import Labels, Meaning, category_mask, meanings, related
from geoglot.data.reference_rules import BODY, DEPTH_M, DOUBT, GENERAL, SKYSCAPES, Category, Relation, Rulebook

LETTERS = {".": 0, "R": 1, "B": 2, "V": 3, "W": 4, "P": 5, "C": 6, "M": 7}
NAMES = {1: "road", 2: "building", 3: "vegetation", 4: "water", 5: "parking", 6: "car", 7: "marking"}


def drawn(*rows: str, gsd_m: float = 1.0) -> Labels:
    classes = np.array([[LETTERS[letter] for letter in row] for row in rows])
    return Labels(classes=classes, names=NAMES, gsd_m=gsd_m)


def relation(rule: str, reference: str, *, buffer_m: float, share: float, of: str) -> Relation:
    return Relation(name="x", reference=reference, rule=rule, buffer_m=buffer_m, share=share, subjects=(of,))


def meant(labels: Labels, subject: str, rule: Relation) -> tuple[np.ndarray, int]:
    regions, count = label_regions(labels.of(subject))
    return related(regions, count, labels.of(rule.reference), rule, gsd_m=labels.gsd_m)


def test_touch_takes_the_regions_that_are_near_enough() -> None:
    labels = drawn(
        "RRRRRRRRRRRR",
        "............",
        "BB...BB.....",
        "BB..........",
        "............",
        "............",
        "..........BB",
    )
    # Buffer 2 m: the road is in row 0, row 2 is at distance 2. All of the second building, the upper half of the first
    # (2 of its 4 outline pixels), nothing of the third (distance 6; 1.5 times the buffer is 3).
    rule = relation("touch", "road", buffer_m=2, share=0.5, of="building")
    mask, doubtful = meant(labels, "building", rule)
    assert np.argwhere(mask).tolist() == [[2, 0], [2, 1], [2, 5], [2, 6], [3, 0], [3, 1]]
    assert doubtful == 0
    # Asked for 0.6, the first building has 0.5 only: at least 0.7 x 0.6 = 0.42, so it is in doubt, with its 4 pixels.
    mask, doubtful = meant(labels, "building", relation("touch", "road", buffer_m=2, share=0.6, of="building"))
    assert np.argwhere(mask).tolist() == [[2, 5], [2, 6]]
    assert doubtful == 4


def test_a_buffer_is_in_metres() -> None:
    rows = ("R....B",)  # five pixels from the road
    rule = relation("touch", "road", buffer_m=2.5, share=0.1, of="building")
    assert meant(drawn(*rows, gsd_m=0.5), "building", rule)[0].any()  # 2.5 m are 5 pixels
    assert not meant(drawn(*rows, gsd_m=1.0), "building", rule)[0].any()


def test_a_corner_touches_whatever_the_buffer() -> None:
    labels = drawn("R.", ".B", gsd_m=10.0)
    assert meant(labels, "building", relation("touch", "road", buffer_m=0, share=0.1, of="building"))[0].sum() == 1


def test_contain_asks_for_half_of_the_outline() -> None:
    labels = drawn(
        "PPPPPP......",
        "PCPPPP......",
        "PPPPPC.C....",
        "PPPPPP......",
        "............",
        "..........CP",
        "............",
    )
    # Every car is one pixel, so its share is 1 or 0, by whether parking is within 1.5 pixels. The one at (2, 5) stands
    # in a notch of the parking area, (2, 7) is two pixels away from its edge: in doubt, 1.5 x 1.5 = 2.25 reaches it.
    rule = relation("contain", "parking", buffer_m=0.5, share=0.5, of="car")
    mask, doubtful = meant(labels, "car", rule)
    assert np.argwhere(mask).tolist() == [[1, 1], [2, 5], [5, 10]]
    assert doubtful == 1
    wide = drawn(
        "PPPPPPPP",
        "PPPPPPPP",
        "CCCC....",
        "CCCC....",
        "CCCC....",
        "........",
    )
    # 10 outline pixels; within 1.5 of the parking area lie the 4 of row 2: 0.4 < 0.5, and >= 0.35, so it is in doubt.
    assert (meant(wide, "car", rule)[0].sum(), meant(wide, "car", rule)[1]) == (0, 12)


def enclosed(gap: int, side: int = 7) -> Labels:
    """A square of vegetation in a block of houses eight pixels thick, open over ``gap`` pixels of its right side."""
    classes = np.full((side + 16, side + 16), LETTERS["B"])
    classes[8 : 8 + side, 8 : 8 + side] = LETTERS["V"]
    if gap:
        classes[8 : 8 + gap, 8 + side :] = 0
    return Labels(classes=classes, names=NAMES, gsd_m=1.0)


def test_enclose_needs_nearly_all_of_the_outline() -> None:
    rule = relation("enclose", "building", buffer_m=1, share=0.9, of="vegetation")
    mask, doubtful = meant(enclosed(0), "vegetation", rule)
    assert (mask.sum(), doubtful) == (49, 0)
    # Of 24 outline pixels the 7 on the right have open land beside them; its two corners touch houses. 19 / 24 = 0.79.
    mask, doubtful = meant(enclosed(7), "vegetation", rule)
    assert (mask.sum(), doubtful) == (0, 49)  # and 0.79 >= 0.7 x 0.9


def test_the_edge_of_the_picture_is_not_enclosed() -> None:
    labels = enclosed(0)
    cut = Labels(classes=labels.classes[:, :15], names=NAMES, gsd_m=1.0)  # through the last column of the green
    rule = relation("enclose", "building", buffer_m=1, share=0.9, of="vegetation")
    assert meant(cut, "vegetation", rule)[0].sum() == 0


def test_a_thin_strip_does_not_enclose_and_a_seam_is_not_enclosed() -> None:
    around = np.zeros((27, 27), dtype=int)
    around[5:22, 5:22] = LETTERS["B"]
    around[9:18, 9:18] = LETTERS["V"]  # in a ring of houses 4 m wide, which is less than twice 5 m
    rule = relation("enclose", "building", buffer_m=1, share=0.7, of="vegetation")
    assert meant(Labels(classes=around, names=NAMES, gsd_m=1.0), "vegetation", rule)[0].sum() == 0
    wide = Labels(classes=around, names=NAMES, gsd_m=0.25)  # 1 m wide: left out all the more
    assert meant(wide, "vegetation", rule)[0].sum() == 0
    assert meant(Labels(classes=around, names=NAMES, gsd_m=5.0), "vegetation", rule)[0].sum() == 81  # 20 m wide
    narrow = enclosed(0, side=2 * BODY)  # no pixel lies more than BODY inside
    mask, doubtful = meant(narrow, "vegetation", rule)
    assert (mask.sum(), doubtful) == (0, 4 * BODY**2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["touch", "contain"]), st.floats(0, 4), st.floats(0.05, 1))
def test_regions_are_taken_whole_and_a_wider_buffer_takes_no_fewer(
    seed: int, rule: str, buffer_m: float, share: float
) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.choice([0, 1, 2], (12, 12), p=[0.6, 0.15, 0.25])
    labels = Labels(classes=classes, names=NAMES, gsd_m=1.0)
    regions, count = label_regions(labels.of("building"))
    road = labels.of("road")

    def kept(width: float) -> np.ndarray:
        return related(regions, count, road, relation(rule, "road", buffer_m=width, share=share, of="b"), gsd_m=1.0)[0]

    narrow, wide = kept(buffer_m), kept(buffer_m + 1)
    assert not (narrow & ~wide).any()
    for number in range(1, count + 1):
        assert narrow[regions == number].all() or not narrow[regions == number].any()
    # The rule itself, region by region and pixel by pixel.
    radius = max(1.5, buffer_m)
    spots = np.argwhere(road)
    for number in range(1, count + 1):
        rim = [
            (row, column)
            for row, column in np.argwhere(regions == number)
            if any(
                not (0 <= row + dy < 12 and 0 <= column + dx < 12) or regions[row + dy, column + dx] != number
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
            )
        ]
        near = sum(bool(len(spots)) and ((spots - spot) ** 2).sum(axis=1).min() <= radius**2 for spot in rim)
        holds = near > 0 and near / len(rim) >= share
        assert narrow[regions == number].all() == holds


def squares(spots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared distance from every spot to the nearest of the others."""
    if not len(others):
        return np.full(len(spots), np.inf)
    return ((spots[:, None] - others[None]) ** 2).sum(axis=2).min(axis=1)


def opened(mask: np.ndarray, radius: float) -> np.ndarray:
    """What a disc of that radius reaches without leaving the mask, by pairs of pixels."""
    spots = np.argwhere(mask)
    centres = spots[squares(spots, np.argwhere(~mask)) > radius**2]
    kept = np.zeros_like(mask)
    kept[tuple(spots.T)] = squares(spots, centres) <= radius**2
    return kept


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.3, 0.6, 0.9]), st.sampled_from([1.0, 2.5]))
def test_enclosed_regions_are_those_of_the_words(seed: int, share: float, gsd_m: float) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 2, 3], (4, 4), p=[0.2, 0.5, 0.3])
    classes = np.kron(coarse, np.ones((7, 7), dtype=int))
    classes[rng.integers(0, 28, 9), rng.integers(0, 28, 9)] = 0
    labels = Labels(classes=classes, names=NAMES, gsd_m=gsd_m)
    regions, count = label_regions(labels.of("vegetation"))
    rule = relation("enclose", "building", buffer_m=3, share=share, of="vegetation")
    mask, _ = related(regions, count, labels.of("building"), rule, gsd_m=gsd_m)
    radius = max(1.5, 3 / gsd_m)
    deep, outside = np.argwhere(opened(labels.of("building"), DEPTH_M / gsd_m)), np.argwhere(regions == 0)
    for number in range(1, count + 1):
        spots = np.argwhere(regions == number)
        rim = [
            (row, column)
            for row, column in spots
            if any(
                not (0 <= v < 28 and 0 <= u < 28) or regions[v, u] != number
                for v, u in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1))
            )
        ]
        near = int((squares(np.array(rim), deep) <= radius**2).sum())
        has_body = bool((squares(spots, outside) > max(BODY, radius) ** 2).any())
        holds = near > 0 and near / len(rim) >= share and has_body
        assert mask[regions == number].all() == holds
        assert mask[regions == number].any() == holds


def test_a_category_is_the_union_of_its_classes() -> None:
    labels = drawn("RBV", "CMW")
    both = Category(name="x", classes=("car", "water"))
    assert category_mask(labels, both).astype(int).tolist() == [[0, 0, 0], [1, 0, 1]]


def test_markings_are_road_where_they_lie_on_it() -> None:
    labels = drawn(
        "RRRRR...",
        "RMMRR.MM",
        "RRRRR...",
    )
    road = Category(name="road", classes=("road",), lying_on=("marking",))
    assert category_mask(labels, road).astype(int).tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]] * 3


def test_templates_and_the_mask_without_the_relation() -> None:
    book = Rulebook(
        categories=(
            Category(name="building", classes=("building",)),
            Category(name="building", classes=("building",), attribute="large"),
            Category(name="road", classes=("road",)),
        ),
        relations=(relation("touch", "road", buffer_m=1, share=0.1, of="building"),),
    )
    found = list(meanings(drawn("RB..B"), book))
    assert [meaning.template for meaning in found] == [
        "category",
        "category+relation",
        "attribute+category",
        "attribute+category+relation",
        "category",
    ]
    assert found[1].mask.astype(int).tolist() == [[0, 1, 0, 0, 0]]
    assert found[1].whole.astype(int).tolist() == [[0, 1, 0, 0, 1]]


def test_the_table_has_the_words_of_the_paper() -> None:
    # Table I of the paper: 14 categories, 5 attributes, 7 relations.
    assert {category.name for category in SKYSCAPES.categories} == {
        "road", "vehicle", "car", "van", "building", "truck", "trailer", "bus", "road marking", "bikeway", "sidewalk",
        "tree", "low vegetation", "impervious surface",
    }  # fmt: skip
    attributes = {category.attribute for category in SKYSCAPES.categories} - {""}
    assert attributes == {"paved", "unpaved", "light-duty", "heavy-duty", "long"}
    assert {each.name for each in SKYSCAPES.relations} == {
        "in the parking area", "with a parking lot", "driving on the road", "along the road", "along with tree",
        "on the road", "surrounded by building",
    }  # fmt: skip


@pytest.mark.parametrize("book", [SKYSCAPES, GENERAL])
def test_the_table_is_sound(book: Rulebook) -> None:
    names = {category.name for category in book.categories}
    assert len({category.words for category in book.categories}) == len(book.categories)
    for each in book.relations:
        assert set(each.subjects) <= names
        assert book.reference(each).name == each.reference
        assert 0 < each.share <= 1
        assert each.buffer_m > 0
        assert each.rule in ("touch", "contain", "enclose")
        # No category may be said twice to stand in one relation.
    said = [(each.name, subject) for each in book.relations for subject in each.subjects]
    assert len(set(said)) == len(said)
    assert 0 < DOUBT < 1


def skyscapes(*rows: str) -> Labels:
    letters = {
        ".": "clutter", "R": "paved road", "U": "non-paved road", "M": "lane marking", "P": "paved parking place",
        "c": "car", "v": "van", "t": "truck", "T": "large truck", "b": "bus", "r": "trailer", "B": "building",
    }  # fmt: skip
    order = list(dict.fromkeys(letters.values()))
    classes = np.array([[order.index(letters[letter]) for letter in row] for row in rows])
    return Labels(classes=classes, names=dict(enumerate(order)), gsd_m=1.0)


def by_words(found: list[Meaning]) -> dict[str, Meaning]:
    return {f"{m.category.words} {m.relation.name if m.relation else ''}".strip(): m for m in found}


def test_identity_and_inclusion_of_the_classes_of_skyscapes() -> None:
    labels = skyscapes("cvtTbrRUM")
    found = by_words(list(meanings(labels, SKYSCAPES)))
    expected = {
        "vehicle": "cvtTbr",
        "light-duty vehicle": "cv",
        "heavy-duty vehicle": "tTb",
        "car": "c",
        "van": "v",
        "truck": "tT",
        "long truck": "T",
        "bus": "b",
        "trailer": "r",
        "road marking": "M",
        "unpaved road": "U",
    }
    for words, letters in expected.items():
        assert "".join(np.array(list("cvtTbrRUM"))[found[words].mask[0]]) == letters, words


def test_vehicles_in_the_parking_area_and_on_the_road() -> None:
    labels = skyscapes(
        "PPPPPP......RRRRR",
        "PcPMPP......RRRRR",
        "PPPPPP......RRvRR",
        "PPPPPP..c...RRRRR",
        "............RRMRR",
    )
    found = by_words(list(meanings(labels, SKYSCAPES)))
    assert np.argwhere(found["vehicle in the parking area"].mask).tolist() == [[1, 1]]
    assert np.argwhere(found["car in the parking area"].mask).tolist() == [[1, 1]]
    assert not found["van in the parking area"].mask.any()
    assert np.argwhere(found["vehicle driving on the road"].mask).tolist() == [[2, 14]]
    assert np.argwhere(found["light-duty vehicle driving on the road"].mask).tolist() == [[2, 14]]
    # The marking on the road is road, that in the parking area is not.
    assert found["road"].mask[4, 14]
    assert not found["road"].mask[1, 3]
    assert np.argwhere(found["road marking on the road"].mask).tolist() == [[4, 14]]


def test_a_rulebook_is_cut_to_the_classes_there_are() -> None:
    book = GENERAL.restricted(("water", "land", "road", "building", "vegetation"))
    assert [category.name for category in book.categories] == ["water", "bare land", "road", "building", "vegetation"]
    assert {each.reference for each in book.relations} <= {"water", "bare land", "road", "building", "vegetation"}
    assert "in the parking area" not in {each.name for each in book.relations}
    assert not GENERAL.restricted(("nothing",)).categories
