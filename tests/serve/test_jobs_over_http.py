"""Long work over HTTP: it is queued, tells how far it is, leaves files, and can be ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
from starlette.testclient import TestClient

import geoglot as gg
from geoglot.serve.app import create_app
from geoglot.serve.settings import Settings


@pytest.fixture(scope="module")
def working(painted: Path, colour_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service that may index more."""
    folder = tmp_path_factory.mktemp("working")
    (folder / "imagery").mkdir()
    for path in painted.iterdir():
        (folder / "imagery" / path.name).write_bytes(path.read_bytes())
    with gg.Archive.create(folder / "a", model=colour_bundle) as made:
        made.index(folder / "imagery" / "scene.tif", tile=64, overlap=0)
    app = create_app(Settings(archive=folder / "a", imagery=(folder / "imagery",)))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened


def finished(client: TestClient, started: Any) -> dict[str, Any]:
    """The last event of a job, read from its stream."""
    assert started.status_code == 202, started.text
    job = started.json()["job"]
    events = client.get(f"/v1/jobs/{job}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    told = [part for part in events.text.split("\n\n") if part.startswith("id:")]
    kinds = [part.splitlines()[1] for part in told]
    assert set(kinds[:-1]) <= {"event: progress"}
    last: dict[str, Any] = json.loads(told[-1].splitlines()[2].removeprefix("data: "))
    assert kinds[-1] == f"event: {last['state']}"
    assert client.get(f"/v1/jobs/{job}").json() == last
    return last


def test_more_is_indexed_and_found(working: TestClient) -> None:
    done = finished(working, working.post("/v1/index", json={"paths": ["."]}))
    assert done["state"] == "done", done
    # the six photos; the scene was indexed with other options, so it is read again
    assert done["result"]["indexed"] == 7
    assert done["result"]["failed"] == []
    time.sleep(1.1)  # readers look for commits once a second
    names = {one["name"] for one in working.get("/v1/sources").json()["sources"]}
    assert "red.png" in names
    assert working.get("/v1/archive").json()["sources"] == 7


def test_a_heat_map_with_its_files(working: TestClient, tmp_path: Path) -> None:
    scene = working.get("/v1/sources", params={"name": "scene"}).json()["sources"][0]["id"]
    done = finished(working, working.post("/v1/locate", json={"source": scene, "text": "red", "k": 3}))
    assert done["state"] == "done", done
    result = done["result"]
    assert "/" not in json.dumps(result["query"])
    assert len(result["places"]) <= 3
    west, south, east, north = working.get(f"/v1/sources/{scene}").json()["bounds"]
    assert all(west - 0.01 <= x <= east + 0.01 and south - 0.01 <= y <= north + 0.01 for x, y in result["corners"])
    picture = working.get(f"/v1/jobs/{done['id']}/result", params={"format": "png"})
    assert picture.content.startswith(b"\x89PNG")
    raster = working.get(f"/v1/jobs/{done['id']}/result", params={"format": "tif"})
    assert raster.headers["content-disposition"].startswith("attachment")
    (tmp_path / "heat.tif").write_bytes(raster.content)
    from rio_cogeo import cog_validate

    valid, errors, _ = cog_validate(tmp_path / "heat.tif")
    assert (valid, errors) == (True, [])
    with rasterio.open(tmp_path / "heat.tif") as dataset:
        assert dataset.crs.to_epsg() == 32632
    assert working.get(f"/v1/jobs/{done['id']}/result", params={"format": "gpkg"}).status_code == 404
    assert working.delete(f"/v1/jobs/{done['id']}").status_code == 204
    assert working.get(f"/v1/jobs/{done['id']}").status_code == 404


def test_what_fails_says_why(working: TestClient, painted: Path) -> None:
    refused = working.post("/v1/caption", json={"captioner": "nowhere"})
    assert refused.status_code == 409
    unknown = working.post("/v1/locate", json={"source": "0" * 16, "text": "red"})
    assert unknown.status_code == 404
    nothing = working.get("/v1/sources").json()["sources"][0]["id"]
    assert working.post("/v1/locate", json={"source": nothing}).status_code == 422
    assert str(painted) not in refused.text + unknown.text


def test_a_job_can_be_ended(working: TestClient) -> None:
    scene = working.get("/v1/sources", params={"name": "scene"}).json()["sources"][0]["id"]
    jobs = [working.post("/v1/locate", json={"source": scene, "text": "blue"}).json()["job"] for _ in range(3)]
    assert working.delete(f"/v1/jobs/{jobs[2]}").status_code == 204
    assert working.delete(f"/v1/jobs/{jobs[0]}").status_code == 204
    for _ in range(200):
        states = {one["id"]: one["state"] for one in working.get("/v1/jobs").json()}
        if states[jobs[1]] == "done":
            break
        time.sleep(0.1)
    assert states[jobs[1]] == "done"
    assert states[jobs[2]] == "cancelled"
    assert states[jobs[0]] in ("cancelled", "done")


def test_the_shipped_segmenter_leaves_every_kind_of_file(working: TestClient) -> None:
    scene = working.get("/v1/sources", params={"name": "scene"}).json()["sources"][0]["id"]
    done = finished(
        working, working.post("/v1/segment", json={"source": scene, "phrases": ["water"], "threshold": 0.1})
    )
    assert done["state"] == "done", done
    starts = {"geojson": b"{", "gpkg": b"SQLite format 3\x00", "geoparquet": b"PAR1", "tif": b"II"}
    for kind, start in starts.items():
        left = working.get(f"/v1/jobs/{done['id']}/result", params={"format": kind})
        assert left.status_code == 200, kind
        assert left.content.startswith(start), kind


def test_one_tile_is_captioned_and_the_answer_says_how(working: TestClient) -> None:
    first, second = (hit["id"] for hit in working.get("/v1/search", params={"q": "red", "k": 2}).json()["hits"])
    done = finished(working, working.post("/v1/caption", json={"items": [first], "languages": ["en", "fr"]}))
    assert done["state"] == "done", done
    # one tile in two languages: what got no caption has a reason
    result = done["result"]
    assert result["tiles"] == 1
    assert result["captions"] + sum(result["without"].values()) == 2
    assert set(result["items"]) == {first}
    assert len(result["items"][first]) == result["captions"]
    again = finished(working, working.post("/v1/caption", json={"items": [first, second], "languages": ["en", "fr"]}))
    assert (again["result"]["tiles"], again["result"]["unchanged"]) == (1, 1)
    assert set(again["result"]["items"]) == {first, second}
    assert again["result"]["items"][first] == result["items"][first]
    time.sleep(1.1)  # readers look for commits once a second
    assert working.get(f"/v1/items/{first}").json()["captions"] == result["items"][first]
    assert working.post("/v1/caption", json={"items": [first, "0" * 32]}).status_code == 404


def test_why_a_job_broke_off_is_in_the_log(
    working: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = working.get("/v1/sources", params={"name": "scene"}).json()["sources"][0]["id"]
    monkeypatch.setattr("geoglot.serve.jobs.child_environment", lambda: {"PYTHONHOME": "/nowhere"})
    done = finished(working, working.post("/v1/locate", json={"source": scene, "text": "red"}))
    assert done["state"] == "failed"
    assert done["problem"]["detail"] == "The job broke off."
    said = [one.complaint for one in caplog.records if one.levelname == "ERROR"]
    assert "No module named" in said[0]
