"""What is said of an answer as a whole."""

from __future__ import annotations

import pytest

from geoglot.api.answer import Answer
from geoglot.api.query import build_query
from geoglot.cli._output import verdict
from geoglot.core.records import Band, Hit, Tile, Window


def answer(*bands):
    tile = Tile(window=Window(0, 0, 8, 8), level=0)
    hits = [
        Hit(rank=rank, score=0.5, band=band, id="0" * 32, source="a.tif", tile=tile)
        for rank, band in enumerate(bands, 1)
    ]
    return Answer(query=build_query("an airport"), hits=tuple(hits))


@pytest.mark.parametrize(
    ("bands", "said"),
    [
        ((), "no likely match: nothing in the archive passes the filters."),
        ((Band.BACKGROUND,), "no likely match: the places listed are only the nearest, no better than chance finds."),
        (
            (Band.UNCERTAIN, Band.BACKGROUND),
            "no likely match: those called uncertain may be it or may not, look before you trust them.",
        ),
        ((Band.LIKELY, Band.UNCERTAIN), "1 of 2 hits are likely matches."),
    ],
)
def test_the_verdict_follows_from_the_bands(bands, said):
    assert verdict(answer(*bands)) == said
