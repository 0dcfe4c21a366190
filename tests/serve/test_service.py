"""The routes, and that the command line, Python and HTTP say the same."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import geoglot as gg
from geoglot.api.saved_query import SavedQuery
from geoglot.cli.main import main


def ask(client: TestClient, text: str = "red", **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json={"terms": [{"text": text}], **more})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def picture(content: bytes) -> Image.Image:
    assert content.startswith(b"\x89PNG")
    return Image.open(io.BytesIO(content)).convert("RGB")


@pytest.mark.parametrize(
    ("words", "language", "name"),
    [("red", "en", "red"), ("أزرق", "ar", "blue"), ("jaune", "fr", "yellow"), ("verde", "it", "green")],
)
def test_four_languages(client: TestClient, words: str, language: str, name: str) -> None:
    told = ask(client, words, k=6, language=language)
    # three fields of the scene and one photo of each of these colours
    likely = [hit["score"] for hit in told["hits"] if hit["band"] == "likely"]
    assert len(likely) == 4 or name != "red"
    assert told["no_likely"] is (not likely)
    assert f"{name}.png" in {hit["name"] for hit in told["hits"][:4]}
    assert told["terms"][0]["language"] == language
    assert told["total"] == 22
    assert sum(told["histogram"]["counts"]) == 22
    assert told["histogram"]["exact"]
    assert told["thresholds"]["likely"] == (pytest.approx(min(likely), abs=1e-6) if likely else None)


def test_no_path_of_this_machine_is_told(client: TestClient, painted: Path, painted_archive: Path) -> None:
    answers = [
        client.post("/v1/search", json={"terms": [{"text": "red"}]}),
        client.get("/v1/search", params={"q": "red"}),
        client.get("/v1/archive"),
        client.get("/v1/sources"),
        client.get("/stac/search"),
        client.get("/stac/search", params={"q": "red"}),
        client.post("/v1/export?format=csv", json={"terms": [{"text": "red"}]}),
        client.post("/v1/export?format=stac", json={"terms": [{"text": "red"}]}),
        client.post("/v1/export?format=gpkg", json={"terms": [{"text": "red"}]}),
    ]
    sources = client.get("/v1/sources").json()["sources"]
    answers += [client.get(f"/v1/sources/{one['id']}") for one in sources]
    narrowed = {"terms": [{"text": "red"}], "sources": [sources[0]["id"]]}
    answers.append(client.post("/v1/search", json=narrowed))
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert str(painted).encode() not in answer.content
        assert str(painted_archive).encode() not in answer.content
        assert str(painted.parent).encode() not in answer.content


def test_command_line_python_and_http_say_the_same(
    client: TestClient, painted_archive: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    body = {
        "terms": [{"text": "red"}, {"text": "blue", "weight": -0.5}],
        "within": [8.9, 45.1, 9.1, 45.2],
        "gsd": [5, 20],
        "k": 7,
    }
    by_http = client.post("/v1/search", json=body).json()
    ids = [hit["id"] for hit in by_http["hits"]]
    scores = [hit["score"] for hit in by_http["hits"]]
    assert len(ids) == 7
    # the line that the service says is equal, run as it is but for the place of the archive
    line = shlex.split(by_http["command"])
    assert line[:2] == ["geoglot", "search"]
    line[line.index("painted.archive")] = str(painted_archive)
    assert main([*line[1:], "--format", "jsonl"]) == 0
    by_line = [json.loads(one) for one in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in by_line] == ids
    assert [one["score"] for one in by_line] == scores
    # the file that the service gives, read by the command line
    file = tmp_path / "query.json"
    query = {name: value for name, value in by_http["query"].items() if name != "request"}
    file.write_text(json.dumps(query))
    assert main(["search", "--query", str(file), "--archive", str(painted_archive), "--format", "jsonl"]) == 0
    assert [json.loads(one)["id"] for one in capsys.readouterr().out.splitlines()] == ids
    with gg.Archive.open(painted_archive) as archive:
        told = archive.search(terms={"red": 1, "blue": -0.5}, within=body["within"], gsd=(5, 20), k=7)
        assert [hit.id for hit in told] == ids
        settled = SavedQuery.from_record(by_http["saved"]).ask(archive)
        assert [hit.id for hit in settled] == ids


def test_short_form_is_the_long_form(client: TestClient) -> None:
    box = "8.9,45.0,9.1,45.2"
    short = client.get("/v1/search", params={"q": "rouge", "lang": "fr", "bbox": box, "k": 3}).json()
    long = ask(client, "rouge", language="fr", within=[8.9, 45.0, 9.1, 45.2], k=3)
    assert short["hits"] == long["hits"]


def test_pages_follow_each_other(client: TestClient) -> None:
    whole = ask(client, k=10)["hits"]
    pages = ask(client, k=4)["hits"] + ask(client, k=4, offset=4)["hits"] + ask(client, k=2, offset=8)["hits"]
    assert [hit["id"] for hit in pages] == [hit["id"] for hit in whole]
    assert [hit["rank"] for hit in pages] == list(range(1, 11))


def test_filters(client: TestClient) -> None:
    sources = {one["name"]: one["id"] for one in client.get("/v1/sources").json()["sources"]}
    assert set(sources) == {*(f"{c}.png" for c in ("red", "green", "blue", "yellow", "white", "black")), "scene.tif"}
    only = ask(client, sources=[sources["blue.png"], sources["scene.tif"]], k=50)
    assert {hit["name"] for hit in only["hits"]} == {"blue.png", "scene.tif"}
    assert only["total"] == 17
    assert ask(client, gsd=[0, 1], k=5)["hits"] == []
    assert ask(client, gsd=[9, 11], k=50)["total"] == 16  # 10 m pixels; photos have none
    corner = ask(client, k=50)["hits"][0]
    west, south, east, north = next(h["bounds"] for h in ask(client, k=50)["hits"] if h["bounds"])
    middle = [(west + east) / 2, (south + north) / 2]
    ring = [[middle[0] + dx, middle[1] + dy] for dx, dy in ((0, 0), (1e-5, 0), (0, 1e-5), (0, 0))]
    found = ask(client, polygon={"type": "Polygon", "coordinates": [ring]}, k=50)
    assert found["total"] == 1
    assert corner["score"] >= found["hits"][0]["score"]


def test_tiles_pictures_and_saved_queries_as_terms(client: TestClient, painted: Path) -> None:
    first = ask(client, "green")["hits"][0]
    alike = client.post("/v1/search", json={"terms": [{"item": first["id"]}], "k": 1}).json()
    assert alike["hits"][0]["id"] == first["id"]
    assert alike["hits"][0]["score"] == pytest.approx(1.0, abs=2e-3)
    sent = client.post("/v1/images", content=(painted / "blue.png").read_bytes())
    assert sent.status_code == 201
    shown = client.get(sent.json()["thumbnail"])
    assert shown.headers["content-type"] == "image/png"
    by_picture = {"terms": [{"image": sent.json()["image"]}], "rerank": "none", "k": 4}
    told = client.post("/v1/search", json=by_picture).json()
    assert "blue.png" in {hit["name"] for hit in told["hits"]}
    assert "geoglot-uploads" not in json.dumps(told)
    again = client.post("/v1/search", json={"terms": [{"vector_of": alike["saved"]}], "k": 1}).json()
    assert again["hits"][0]["id"] == first["id"]
    unknown = client.post("/v1/search", json={"terms": [{"image": "0" * 32}]})
    assert unknown.status_code == 422


def test_marks_turn_a_query(client: TestClient) -> None:
    plain = ask(client, "red", k=22)["hits"]
    blue = [hit["id"] for hit in ask(client, "blue", k=3)["hits"]]
    turned = ask(client, "red", k=22, right=blue, wrong=[plain[0]["id"]])["hits"]
    before = {hit["id"]: hit["rank"] for hit in plain}
    after = {hit["id"]: hit["rank"] for hit in turned}
    assert all(after[one] < before[one] for one in blue)
    assert after[plain[0]["id"]] > 1
    missing = client.post("/v1/search", json={"terms": [{"text": "red"}], "right": ["0" * 32]})
    assert missing.status_code == 422
    assert "is not in this archive" in missing.json()["detail"]


def test_thumbnails_show_the_tile(client: TestClient) -> None:
    for words, colour in (("red", (220, 20, 20)), ("yellow", (220, 220, 20))):
        hit = ask(client, words, k=1)["hits"][0]
        answer = client.get(hit["thumbnail"], params={"side": 32})
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        image = picture(answer.content)
        assert image.size == (32, 32)
        assert np.asarray(image).mean(axis=(0, 1)).tolist() == pytest.approx(colour, abs=12)
        item = client.get(f"/v1/items/{hit['id']}").json()
        assert item["name"] == hit["name"]
        assert item["window"] == hit["window"]


def test_a_changed_file_is_not_shown(painted: Path, colour_bundle: Path, tmp_path: Path) -> None:
    from geoglot.serve.app import create_app
    from geoglot.serve.settings import Settings

    folder = tmp_path / "imagery"
    folder.mkdir()
    for name in ("red", "blue"):
        (folder / f"{name}.png").write_bytes((painted / f"{name}.png").read_bytes())
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as made:
        made.index(folder)
    secret = tmp_path / "secret.png"
    Image.new("RGB", (48, 48), (1, 2, 3)).save(secret)
    with TestClient(create_app(Settings(archive=tmp_path / "a")), base_url="http://localhost") as opened:
        hit = opened.get("/v1/search", params={"q": "red", "k": 1}).json()["hits"][0]
        (folder / "red.png").unlink()
        gone = opened.get(hit["thumbnail"])
        assert gone.status_code == 410
        (folder / "red.png").symlink_to(secret)
        swapped = opened.get(hit["thumbnail"])
        assert swapped.status_code == 410
        assert swapped.json()["detail"] == "red.png: has changed since it was indexed."


def test_sources_and_map_tiles(client: TestClient) -> None:
    scene = client.get("/v1/sources", params={"name": "SCENE"}).json()["sources"]
    assert [one["tiles"] for one in scene] == [16]
    told = client.get(f"/v1/sources/{scene[0]['id']}").json()
    assert (told["width"], told["height"], told["bands"], told["crs"]) == (256, 256, 3, "EPSG:32632")
    whole = picture(client.get(told["picture"], params={"side": 64}).content)
    assert whole.size == (64, 64)
    assert whole.getpixel((8, 8)) == pytest.approx((220, 20, 20), abs=12)  # the first field is red
    # the scene's upper left corner is 9 E, 45.15 N; at zoom 14 a map tile is about 1.7 km there, a field 640 m
    west, _, _, north = told["bounds"]
    import math

    longitude, latitude = west + 0.002, north - 0.002
    count = 2**14
    x = int((longitude + 180) / 360 * count)
    y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * count)
    tile = client.get(told["map_tiles"].format(z=14, x=x, y=y))
    assert tile.status_code == 200
    image = Image.open(io.BytesIO(tile.content))
    assert image.size == (256, 256)
    across = int(((longitude + 180) / 360 * count - x) * 256)
    down = int(((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * count - y) * 256)
    assert image.getpixel((across, down)) == pytest.approx((220, 20, 20, 255), abs=12)
    assert client.get(f"/v1/tiles/3/0/0.png?source={scene[0]['id']}").status_code == 200
    assert client.get(f"/v1/tiles/3/8/0.png?source={scene[0]['id']}").status_code == 404
    photo = client.get("/v1/sources", params={"name": "red.png"}).json()["sources"][0]["id"]
    assert client.get(f"/v1/tiles/3/0/0.png?source={photo}").status_code == 422
    assert client.get(f"/v1/sources/{photo}").json()["map_tiles"] is None


def test_why_is_a_picture(client: TestClient) -> None:
    hit = ask(client, "red", k=1)["hits"][0]
    answer = client.get(f"/v1/items/{hit['id']}/why", params={"text": "red"})
    assert answer.status_code == 200, answer.text
    assert picture(answer.content).size[0] > 100


def test_exports_open(client: TestClient, tmp_path: Path) -> None:
    import sqlite3

    import geopandas
    import pyogrio

    body = {"terms": [{"text": "red"}], "k": 9}
    for kind, suffix in (("gpkg", ".gpkg"), ("geojson", ".geojson")):
        answer = client.post(f"/v1/export?format={kind}", json=body)
        assert answer.headers["content-disposition"] == f'attachment; filename="hits{suffix}"'
        (tmp_path / f"hits{suffix}").write_bytes(answer.content)
        assert (
            len(pyogrio.read_dataframe(tmp_path / f"hits{suffix}", **({"layer": "hits"} if kind == "gpkg" else {})))
            == 9
        )
    with sqlite3.connect(tmp_path / "hits.gpkg") as connection:
        name, style, default = connection.execute(
            "SELECT f_table_name, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
    assert (name, default) == ("hits", 1)
    assert all(band in style for band in ("likely", "uncertain", "background"))
    (tmp_path / "hits.parquet").write_bytes(client.post("/v1/export?format=geoparquet", json=body).content)
    assert len(geopandas.read_parquet(tmp_path / "hits.parquet")) == 9
    table = client.post("/v1/export?format=csv", json=body).text.splitlines()
    assert len(table) == 10
    first = client.post("/v1/search", json=body).json()["hits"][0]["id"]
    one = client.post("/v1/export?format=csv", json={**body, "only": [first]}).text.splitlines()
    assert len(one) == 2
    assert one[1].endswith(first)


def test_archive_and_models(client: TestClient) -> None:
    told = client.get("/v1/archive").json()
    assert (told["name"], told["tiles"], told["sources"]) == ("painted.archive", 22, 7)
    assert told["model"]["languages"] == ["en", "ar", "fr", "it"]
    assert told["gsd_range"] == pytest.approx([10.0, 10.0], rel=1e-3)
    assert [f["properties"]["name"] for f in told["coverage"]["features"]] == ["scene.tif"]
    assert "compact" in {one["name"] for one in client.get("/v1/models").json()}
    assert isinstance(client.get("/v1/results").json(), dict)
    metrics = client.get("/metrics").text
    assert "geoglot_tiles 22.0" in metrics
    assert 'geoglot_requests_total{method="GET",route="/v1/archive",status="200"}' in metrics
