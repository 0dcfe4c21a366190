"""The STAC interface, asked by pystac-client and checked by pystac."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image
from starlette.testclient import TestClient

import geoglot as gg
from geoglot.api.stac import LABEL
from geoglot.api.stac_reading import is_stac, read_stac
from geoglot.cli.main import main

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these say of their own libraries
    import pystac
    import pystac.validation.stac_validator
    import pystac_client
    from pystac.extensions.label import LabelExtension
    from pystac_client.stac_api_io import StacApiIO


def checked(record: dict[str, Any]) -> None:
    """Hold a record against the schema of STAC itself, without asking the network for extensions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = pystac.STACObjectType.COLLECTION if record["type"] == "Collection" else pystac.STACObjectType.ITEM
        validator = pystac.validation.stac_validator.JsonSchemaSTACValidator()
        validator.validate_core(record, kind, record["stac_version"])


def check_label(item: dict[str, Any]) -> None:
    """Hold an Item against what the label extension 1.0.1 asks for.

    Its schema lies on the network, where no test goes; these are its required fields and its closed lists of words, as
    its page says them. pystac's own reading of the extension comes on top.
    """
    told = item["properties"]
    assert LABEL in item["stac_extensions"]
    for name, kind in {"label:properties": list, "label:description": str, "label:type": str}.items():
        assert isinstance(told[name], kind), name
    assert told["label:type"] in ("vector", "raster")
    assert told["label:properties"]  # vectors name the property that holds the label
    for classes in told["label:classes"]:  # asked for where labels are words
        assert set(classes) == {"name", "classes"}
        assert classes["name"] in told["label:properties"]
        assert classes["classes"]
    assert set(told["label:tasks"]) <= {"regression", "classification", "detection", "segmentation"}
    assert set(told["label:methods"]) <= {"automated", "manual"}
    for overview in told.get("label:overviews", []):
        assert overview["property_key"] in told["label:properties"]
        assert all(isinstance(one["count"], int) for one in overview["counts"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = LabelExtension.ext(pystac.Item.from_dict(item))
        assert read.label_type == told["label:type"]
        assert [one.to_dict() for one in read.label_classes or []] == told["label:classes"]


class Wire(StacApiIO):
    """pystac-client's reading, through the test client instead of a socket."""

    def __init__(self, client: TestClient) -> None:
        super().__init__()
        self._client = client

    def request(self, href: str, method: str | None = None, headers: Any = None, parameters: Any = None) -> str:
        if method == "POST":
            answer = self._client.post(href, json=parameters)
        else:
            answer = self._client.get(href, params=parameters or None)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def catalogue(client: TestClient) -> Iterator[pystac_client.Client]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pystac_client.Client.open("http://127.0.0.1:8321/stac", stac_io=Wire(client))


def test_what_is_served_is_stac(client: TestClient) -> None:
    for collection in client.get("/stac/collections").json()["collections"]:
        checked(collection)
    for address in ("/stac/search?limit=50", "/stac/search?q=red&limit=50", "/stac/collections/tiles/items?limit=50"):
        answer = client.get(address)
        assert answer.headers["content-type"].startswith("application/geo+json")
        assert answer.json()["features"]
        for item in answer.json()["features"]:
            checked(item)
            itself = next(link["href"] for link in item["links"] if link["rel"] == "self")
            same = client.get(itself).json()
            assert (same["id"], same["geometry"]) == (item["id"], item["geometry"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pystac_client_finds_by_box_time_and_words(catalogue: pystac_client.Client, method: str) -> None:
    assert {one.id for one in catalogue.get_collections()} == {"scenes", "tiles"}
    scenes = list(catalogue.search(method=method, collections=["scenes"], bbox=[8.9, 45, 9.1, 45.3]).items())
    assert [item.properties["title"] for item in scenes] == ["scene.tif"]
    assert not list(catalogue.search(method=method, bbox=[20, 45, 21, 46]).items())
    # 16 tiles lie somewhere; in pages of five
    tiles = list(catalogue.search(method=method, collections=["tiles"], bbox=[8.9, 45, 9.1, 45.3], limit=5).items())
    assert len({item.id for item in tiles}) == len(tiles) == 16
    both = list(catalogue.search(method=method, bbox=[8.9, 45, 9.1, 45.3], datetime="2000-01-01/..").items())
    assert both == []  # nothing painted says when it was taken
    one = list(catalogue.search(method=method, ids=[scenes[0].id], collections=["scenes"]).items())
    assert [item.id for item in one] == [scenes[0].id]


def test_free_text_is_our_search(client: TestClient) -> None:
    by_stac = client.get("/stac/search", params={"q": "أزرق", "limit": 5}).json()["features"]
    ours = client.get("/v1/search", params={"q": "أزرق", "k": 5}).json()["hits"]
    assert [item["id"] for item in by_stac] == [hit["id"] for hit in ours]
    assert [item["properties"]["geoglot:rank"] for item in by_stac] == [1, 2, 3, 4, 5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        items = list(pystac.ItemCollection.from_dict({"type": "FeatureCollection", "features": by_stac}))
    assert LABEL in items[0].stac_extensions
    assert items[0].properties["label:description"] == "أزرق"


@pytest.mark.parametrize(
    "address",
    [
        "/stac/search?bbox=1,2,3",
        "/stac/search?datetime=yesterday",
        "/stac/search?datetime=2022-01-01/2021-01-01&collections=tiles",
        "/stac/search?intersects={}",
        "/stac/search?limit=0",
        "/stac/search?q=red&offset=5000",
    ],
)
def test_nonsense_is_a_problem(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_archive_is_written_as_stac(painted_archive: Path, painted: Path, tmp_path: Path) -> None:
    out = tmp_path / "stac"
    assert main(["stac", str(painted_archive), "-o", str(out)]) == 0
    collection = json.loads((out / "collection.json").read_text())
    checked(collection)
    items = [json.loads(path.read_text()) for path in (out / "items").iterdir()]
    assert len(items) == 7
    for item in items:
        checked(item)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = pystac.Collection.from_file(str(out / "collection.json"))
        assert {item.properties["title"] for item in read.get_items()} == {path.name for path in painted.iterdir()}


def test_hits_are_items(painted_archive: Path) -> None:
    from geoglot.api.stac import answer_as_items

    with gg.Archive.open(painted_archive) as archive:
        told = answer_as_items(archive.search("red", k=8))
    assert len(told["features"]) == 8
    for item in told["features"]:
        checked(item)
        check_label(item)


def test_hits_over_http_follow_the_label_extension(client: TestClient) -> None:
    for item in client.get("/stac/search?q=red&limit=5").json()["features"]:
        check_label(item)


def test_outlines_are_items(tmp_path: Path) -> None:
    # two squares of 10 m with 5 m between them and one 110 m east: two of one phrase, one of another
    from geoglot.api.segmenter import Region, Segmentation
    from geoglot.core.records import Window

    def outline(phrase: str, column: int, row: int) -> Region:
        west, north = 600_000 + 0.5 * column, 4_900_000 - 0.5 * row
        box = shapely.box(west, north - 10, west + 10, north)
        facts = {"phrase": phrase, "language": "en", "score": 0.75, "area_m2": 100.0, "pixels": 400}
        window = Window(column, row, 20, 20)
        return Region(geometry=box.wkb, bounds=box.bounds, window=window, source="scene.tif", **facts)

    squares = {"roofs": [(0, 0), (30, 0)], "water": [(220, 0)]}
    regions = [outline(phrase, *corner) for phrase, corners in squares.items() for corner in corners]
    facts = {"width": 400, "height": 400, "gsd_m": 0.5, "scale": 1.0, "phrases": ()}
    transform = (0.5, 0.0, 600_000.0, 0.0, -0.5, 4_900_000.0)
    scene = tmp_path / "scene.tif"
    scene.write_bytes(b"")
    found = Segmentation(source=str(scene), crs="EPSG:32632", transform=transform, regions=tuple(regions), **facts)
    roofs, water = found.to_stac()["features"]
    for item in (roofs, water):
        checked(item)
        check_label(item)
        assert item["properties"]["geoglot:time_known"] is False
    assert roofs["properties"]["label:overviews"][0]["counts"] == [{"name": "roofs", "count": 2}]
    assert roofs["bbox"][2] < water["bbox"][0]
    assert (len(roofs["geometry"]["coordinates"]), len(water["geometry"]["coordinates"])) == (2, 1)
    nowhere = Segmentation(source=str(scene), crs=None, transform=None, regions=tuple(regions), **facts)
    for item in nowhere.to_stac()["features"]:
        checked(item)
        assert item["geometry"] is None


# STAC in


def item_of(file: str, identifier: str, **more: Any) -> dict[str, Any]:
    ring = [[11.0, 43.0], [11.1, 43.0], [11.1, 43.1], [11.0, 43.1], [11.0, 43.0]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identifier,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [11.0, 43.0, 11.1, 43.1],
        "properties": {"datetime": "2021-06-30T10:00:00Z", "gsd": 2.5},
        "links": [],
        "assets": {
            "image": {"href": file, "type": "image/png", "roles": ["data"]},
            "thumbnail": {"href": "thumbnail.png", "roles": ["thumbnail"]},
            "metadata": {"href": "metadata.xml", "type": "application/xml"},
        },
        **more,
    }


def test_a_catalogue_is_a_list_of_what_to_index(painted: Path, colour_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("red", "blue"):
        (tmp_path / "images" / f"{name}.png").write_bytes((painted / f"{name}.png").read_bytes())
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / "red.json").write_text(json.dumps(item_of("../images/red.png", "red")))
    (folder / "far.json").write_text(json.dumps(item_of("https://example.org/far.tif", "far")))
    (folder / "gone.json").write_text(json.dumps(item_of("gone.tif", "gone")))
    links = [{"rel": "item", "href": f"./{name}.json"} for name in ("red", "far", "gone")]
    links += [{"rel": "root", "href": "./catalog.json"}, {"rel": "child", "href": "./catalog.json"}]
    links += [{"rel": "child", "href": "http://127.0.0.1:1/catalog.json"}]
    catalogue = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d", "links": links}
    (folder / "catalog.json").write_text(json.dumps(catalogue))
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as archive:
        report = archive.index(folder / "catalog.json")
        assert (report.indexed, report.rows_added) == (1, 1)
        assert sorted(error.cause for error in report.failed) == [
            "is not there, but gone.json names it",
            "is on another machine",
            "is on another machine",
        ]
        [hit] = archive.search("red")
        assert hit.source.endswith("images/red.png")
        assert hit.tile.time is not None
        assert hit.tile.time.isoformat() == "2021-06-30T10:00:00+00:00"
        assert tuple(hit.tile.bounds or ()) == (11.0, 43.0, 11.1, 43.1)
        assert hit.tile.gsd_m == 2.5
        assert len(archive.search("red", within=(11, 43, 11.2, 43.2), after="2021-06", before="2021-07")) == 1
        assert len(archive.search("red", within=(12, 43, 12.2, 43.2))) == 0
        # what an API answered, saved as a file
        answer = {"type": "FeatureCollection", "features": [item_of("images/blue.png", "blue")]}
        (tmp_path / "answer.json").write_text(json.dumps(answer))
        assert archive.index(tmp_path / "answer.json").indexed == 1


def test_what_we_write_we_read(painted_archive: Path, colour_bundle: Path, tmp_path: Path) -> None:
    assert main(["stac", str(painted_archive), "-o", str(tmp_path / "stac")]) == 0
    with gg.Archive.create(tmp_path / "again", model=colour_bundle) as again:
        report = again.index(tmp_path / "stac" / "collection.json", tile=64, overlap=0)
        assert (report.indexed, report.rows_added, report.failed) == (7, 22, [])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"type": "FeatureCollection", "features": 3}', '{"type": "Feature"}', '{"a": ' * 2000, "\x00"],
)
def test_other_json_is_no_catalogue(text: str, tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    file.write_text(text)
    assert not is_stac(file)


def test_odd_items_are_taken_as_far_as_they_make_sense(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    odd: list[dict[str, Any]] = [
        {"geometry": {"type": "Polygon", "coordinates": "no"}},
        {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [900, 0], [900, 1], [0, 0]]]}},
        {"geometry": None, "properties": {"datetime": "no"}},
        {"properties": None, "bbox": "no"},
        {"assets": {"a": {"href": "a.png"}, "b": {"href": 3}, "c": None}},
        {"links": "no"},
    ]
    for number, more in enumerate(odd):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(item_of("a.png", str(number), **more)))
        listing = read_stac(file)
        assert [one.path for one in listing.files] == [tmp_path / "a.png"]
        assert listing.elsewhere == ()
