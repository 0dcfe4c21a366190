"""Rules over regions: worked out by hand on a small picture."""

from __future__ import annotations

import math

import pytest
from shapely import Polygon, box

from geoglot.api.position_rules import apply_rule, frame_of, length_of
from geoglot.core.position import PositionRule
from geoglot.geo.regions import PixelRegion
from geoglot.text.position_words import parse_phrase

# a picture of 300 x 300 pixels of one metre; (column, row) with rows downwards
FRAME = frame_of(300, 300, None, metres=1.0, least=2.0)


def region(column: float, row: float, width: float, height: float) -> PixelRegion:
    return PixelRegion(
        polygon=box(column, row, column + width, row + height), pixels=round(width * height), score=0.9, peak=0.9
    )


TOP_LEFT, TOP_RIGHT = region(10, 10, 20, 20), region(260, 10, 30, 30)
MIDDLE, BOTTOM, LONG = region(140, 140, 10, 10), region(100, 250, 40, 40), region(200, 200, 90, 6)
EVERY = [TOP_LEFT, TOP_RIGHT, MIDDLE, BOTTOM, LONG]
RIVER = region(0, 100, 300, 20)


def kept(words: str, language: str = "en", regions: list[PixelRegion] | None = None) -> list[PixelRegion]:
    """What the rules of a phrase keep; its neighbours are the river."""
    left = EVERY if regions is None else regions
    for rule in parse_phrase(words, language).rules:
        left = apply_rule(left, rule, FRAME, [RIVER] if rule.anchor else [])
    return left


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("the largest thing", [BOTTOM]),  # 1600 square pixels
        ("the smallest thing", [MIDDLE]),  # 100
        ("the longest thing", [LONG]),  # 90 pixels
        ("the shortest thing", [MIDDLE]),  # 10
        ("the two largest things", [TOP_RIGHT, BOTTOM]),  # 1600 and 900, in their order
        ("the second largest thing", [TOP_RIGHT]),
        ("the largest things", [TOP_RIGHT, BOTTOM]),  # at least half of 1600
        ("things in the north", [TOP_LEFT, TOP_RIGHT]),  # above 150 - 150 / 3 = row 100
        ("things in the south", [BOTTOM, LONG]),  # below row 200
        ("things in the east", [TOP_RIGHT, LONG]),  # right of column 200
        ("things on the left", [TOP_LEFT]),  # left of column 100: the lowest one begins there
        ("things in the north-east", [TOP_RIGHT]),  # the upper right quarter
        ("things in the south-east", [LONG]),
        ("things in the middle", [MIDDLE]),  # columns and rows 75 to 225; of the long one only 25 of 90 columns
        ("the central thing", [MIDDLE]),
        ("the northernmost thing", [TOP_LEFT]),  # its middle lies in row 20, the other's in row 25
        ("the north-eastern thing", [TOP_RIGHT]),
        ("the leftmost thing", [TOP_LEFT]),
        ("the two rightmost things", [TOP_RIGHT, LONG]),
        ("things next to the river", [MIDDLE]),  # 20 m away; the upper right one is 60 m away
        ("things far from the river", [TOP_LEFT, TOP_RIGHT, BOTTOM, LONG]),
        ("things north of the river", [TOP_LEFT, TOP_RIGHT]),
        ("things south of the river", [MIDDLE, BOTTOM, LONG]),
        ("the largest thing north of the river", [TOP_RIGHT]),
        ("the northernmost of the two largest things", [TOP_RIGHT]),
    ],
)
def test_rules_by_hand(words: str, expected: list[PixelRegion]) -> None:
    assert kept(words) == expected


def test_parts_hold_what_lies_there_for_the_most_part() -> None:
    # rows 80 to 130 against the border at row 100: 20 of 50 rows are not enough, 30 of 50 are
    assert kept("things in the north", regions=[region(0, 80, 10, 50)]) == []
    assert kept("things in the north", regions=[region(0, 70, 10, 50)]) != []


def test_along_inside_and_surrounded_go_by_the_outline() -> None:
    road = region(0, 0, 300, 10)
    beside, away, across = region(50, 15, 40, 40), region(50, 30, 40, 40), region(50, 2, 4, 4)
    rules = {kind: PositionRule(kind=kind) for kind in ("along", "inside", "surrounded")}  # type: ignore[arg-type]
    # 5 m from the road: the upper side (40) and 7 m of two others of 160 m lie within 12 m
    assert apply_rule([beside, away, across], rules["along"], FRAME, [road]) == [beside, across]
    assert apply_rule([beside, away, across], rules["inside"], FRAME, [road]) == [across]
    ring = PixelRegion(
        polygon=Polygon(box(0, 0, 100, 100).exterior.coords, [box(40, 40, 60, 60).exterior.coords]),
        pixels=9600,
        score=1,
        peak=1,
    )
    within, without = region(42, 42, 16, 16), region(120, 10, 16, 16)
    assert apply_rule([within, without], rules["surrounded"], FRAME, [ring]) == [within]


def test_nothing_is_its_own_neighbour() -> None:
    near, rule = [region(0, 0, 10, 10), region(15, 0, 10, 10), region(100, 100, 10, 10)], PositionRule(kind="near")
    assert apply_rule(near, rule, FRAME, near) == near[:2]
    toward = PositionRule(kind="toward", direction=("image", 1, 0))
    assert apply_rule(near[:2], toward, FRAME, near[:2]) == [near[1]]


def test_without_neighbours_nothing_is_near_and_all_is_far() -> None:
    assert apply_rule(EVERY, PositionRule(kind="near"), FRAME, []) == []
    assert apply_rule(EVERY, PositionRule(kind="toward", direction=("compass", 0, 1)), FRAME, []) == []
    assert apply_rule(EVERY, PositionRule(kind="far"), FRAME, []) == EVERY
    assert apply_rule([], PositionRule(kind="size", size="largest", count=1), FRAME) == []


def test_metres_count_and_not_pixels() -> None:
    fine = frame_of(300, 300, None, metres=0.1, least=2.0)
    coarse = frame_of(300, 300, None, metres=10.0, least=8.0)
    near = PositionRule(kind="near")
    thing = region(140, 140, 10, 10)  # 20 pixels from the river
    assert apply_rule([thing], near, fine, [RIVER]) == [thing]  # 2 m
    assert apply_rule([thing], near, coarse, [RIVER]) == []  # 200 m
    assert apply_rule([region(0, 127, 9, 9)], near, coarse, [RIVER]) != []  # 70 m, but less than 8 pixels


@pytest.mark.parametrize("turn", [0, 30, 90, 135, 180, 270])
def test_north_is_the_maps_north(turn: int) -> None:
    # pixels to map: turned by `turn` degrees, then rows downwards
    angle = math.radians(turn)
    transform = (math.cos(angle), math.sin(angle), 0.0, math.sin(angle), -math.cos(angle), 0.0)
    frame = frame_of(100, 100, transform, metres=1, least=1)
    a, b, _, d, e, _ = transform
    right, down = frame.north
    assert (a * right + b * down, d * right + e * down) == pytest.approx((0, 1), abs=1e-9)
    right, down = frame.east
    assert (a * right + b * down, d * right + e * down) == pytest.approx((1, 0), abs=1e-9)


def test_south_up_pictures_have_their_north_at_the_bottom() -> None:
    frame = frame_of(300, 300, (1, 0, 0, 0, 1, 0), metres=1, least=1)
    north = PositionRule(kind="outermost", direction=("compass", 0, 1), count=1)
    top = PositionRule(kind="outermost", direction=("image", 0, 1), count=1)
    assert apply_rule(EVERY, north, frame) == [BOTTOM]
    assert apply_rule(EVERY, top, frame) == [TOP_LEFT]


def test_length_goes_along_a_slanting_thing() -> None:
    slanting = Polygon([(0, 0), (30, 40), (27.6, 41.8), (-2.4, 1.8)])  # 50 x 3
    assert length_of(slanting) == pytest.approx(50, rel=1e-6)
