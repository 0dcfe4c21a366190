import pickle

import pytest

from geoglot.core import registry
from geoglot.core.errors import GeoglotError, SourceError, UsageError
from geoglot.core.records import Band, Bounds, Hit, Tile, Window


def test_errors_survive_a_process_boundary() -> None:
    error = SourceError("a.tif", cause="is truncated", remedy="copy it again", stage="decode")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, SourceError)
    assert again.as_record() == {
        "file": "a.tif",
        "stage": "decode",
        "cause": "is truncated",
        "remedy": "copy it again",
    }


def test_an_error_says_subject_cause_and_remedy() -> None:
    assert str(GeoglotError("k", cause="must be positive.", remedy="give 1 or more")) == (
        "k: must be positive. Remedy: give 1 or more."
    )


@pytest.mark.parametrize("name", ["../compact", "compact.x", "_private", ""])
def test_registry_refuses_names_that_are_no_plugin(name: str) -> None:
    with pytest.raises(UsageError):
        registry.load("geoglot.methods.retrieval", name)


def test_registry_suggests_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean 'compact'"):
        registry.load("geoglot.methods.retrieval", "compakt")


def test_hit_record_is_json_ready() -> None:
    tile = Tile(window=Window(0, 0, 256, 256), bounds=Bounds(1.0, 2.0, 3.0, 4.0))
    hit = Hit(rank=1, score=0.5, band=Band.LIKELY, id="0" * 32, source="a.tif", tile=tile)
    record = hit.as_record()
    assert record["bounds"] == [1.0, 2.0, 3.0, 4.0]
    assert record["band"] == "likely"
    assert record["time"] is None
