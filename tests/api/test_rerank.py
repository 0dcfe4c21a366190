"""Second looks at a search, and archives of other bundles: the API beside the command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import geoglot as gg
from geoglot.api.rerank import SecondReader
from geoglot.cli._output import hit_record
from geoglot.metrics.reciprocal import reciprocal_scores
from geoglot.metrics.reranking import Weights
from geoglot.models.bundle import find_bundle, load_bundle
from geoglot.models.scorer import load_scorer

ROOT = Path(__file__).resolve().parents[2]
COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "yellow": (220, 220, 20)}


def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def records(answer: gg.Answer) -> list[dict[str, object]]:
    return [json.loads(json.dumps(hit_record(hit, answer))) for hit in answer]


def rewritten(source: Path, target: Path, **changes: object) -> Path:
    """A copy of a bundle with another manifest."""
    shutil.copytree(source, target)
    manifest = json.loads((target / "bundle.json").read_text())
    (target / "bundle.json").write_text(json.dumps({**manifest, **changes}))
    return target


@pytest.fixture(scope="module")
def scorer(colour_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scorer that contradicts the archive's model: the less a picture has of the named colour, the better."""
    folder = tmp_path_factory.mktemp("scorer")
    tokenizer = load_bundle(colour_bundle).tokenizer
    table = np.zeros((tokenizer.backend.get_vocab_size(), 3), np.float32)
    for word, colour in COLOURS.items():
        table[int(tokenizer.encode([word])[0][0])] = -(np.array(colour, np.float32) - 120) / 100
    value = helper.make_tensor_value_info
    save(
        folder / "image.onnx",
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["image_0"], axes=[1, 2], keepdims=0),
        ],
        [value("pixels", TensorProto.UINT8, ["n", 48, 48, 3])],
        [value("image_0", TensorProto.FLOAT, ["n", 3])],
    )
    save(
        folder / "text.onnx",
        [
            helper.make_node("Gather", ["table", "tokens"], ["rows"], axis=0),
            helper.make_node("ReduceSum", ["rows", "along"], ["text_0"], keepdims=0),
            helper.make_node("Identity", ["tokens"], ["text_1"]),  # a feature that the similarity has no use for
        ],
        [value("tokens", TensorProto.INT64, ["t", "length"])],
        [value("text_0", TensorProto.FLOAT, ["t", 3]), value("text_1", TensorProto.INT64, ["t", "length"])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "along")],
    )
    save(
        folder / "similarity.onnx",
        [
            helper.make_node("Transpose", ["text_0"], ["columns"], perm=[1, 0]),
            helper.make_node("MatMul", ["image_0", "columns"], ["scores"]),
        ],
        [value("image_0", TensorProto.FLOAT, ["n", 3]), value("text_0", TensorProto.FLOAT, ["t", 3])],
        [value("scores", TensorProto.FLOAT, ["n", "t"])],
    )
    shutil.copy(colour_bundle / "tokenizer.json", folder / "tokenizer.json")
    names = ("image.onnx", "text.onnx", "similarity.onnx", "tokenizer.json")
    contents = {name: (folder / name).read_bytes() for name in names}
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()}
    manifest = {"format": 2, "kind": "scorer", "id": "contrary-1", "method": "contrary", "side": 48, "files": files}
    (folder / "bundle.json").write_text(json.dumps({**manifest, "languages": ["en"], "max_length": 32}))
    return folder


def save(path: Path, nodes: list, inputs: list, outputs: list, constants: list | None = None) -> None:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, constants or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def archive_folder(colour_bundle: Path, painted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "painted"
    with gg.Archive.create(path, model=colour_bundle) as made:
        assert made.index(painted, tile=64, overlap=0).rows_added == 22
    return path


def test_a_scorer_reorders_the_candidates_and_leaves_scores_and_bands(archive_folder: Path, scorer: Path) -> None:
    with gg.Archive.open(archive_folder) as archive:
        plain = archive.search("red", k=22)
        again = archive.search("red", k=22, rerank=scorer, candidates=6)
        assert {hit.id for hit in again} == {hit.id for hit in plain}
        assert [hit.rank for hit in again] == list(range(1, 23))
        # behind the six candidates everything is as it was
        assert [hit.id for hit in again[6:]] == [hit.id for hit in plain[6:]]
        judged = {hit.id: (hit.score, hit.band) for hit in plain}
        assert {hit.id: (hit.score, hit.band) for hit in again} == judged
        assert again.likely == plain.likely
        # among the first six are four red tiles and two yellow ones: the contrary scorer puts the reddest last
        assert again[0].score < again[5].score
        # what was read once is read no more: the second search answers from memory
        reader = archive._readers[str(scorer)]
        pixels = dict(reader._pixels)
        assert len(pixels) == 6
        assert archive.search("red", k=3, rerank=scorer, candidates=6).hits[0].id == again[0].id
        assert all(reader._pixels[place] is pixels[place] for place in pixels)


def test_the_pixels_of_a_hit_are_those_of_its_window(archive_folder: Path, scorer: Path) -> None:
    with gg.Archive.open(archive_folder) as archive:
        vector = archive.encoder.encode_texts(["blue"])[0]
        hits = archive.store.search(vector, k=22, collapse=False)
    seen = SecondReader(load_scorer(scorer)).pixels(hits)
    assert len(seen) == 22
    for hit in hits:
        mean = seen[hit.source, tuple(hit.tile.window)].reshape(-1, 3).mean(axis=0)
        is_blue = mean[2] > 150 and max(mean[:2]) < 60
        assert bool(is_blue) == (hit.score > 0.99)


def test_a_file_that_has_gone_stays_behind_and_is_told(
    colour_bundle: Path, painted: Path, scorer: Path, tmp_path: Path
) -> None:
    imagery = tmp_path / "imagery"
    imagery.mkdir()
    for name in ("red", "blue", "green"):
        shutil.copy(painted / f"{name}.png", imagery)
    with gg.Archive.create(tmp_path / "a", model=colour_bundle) as archive:
        archive.index(imagery)
    (imagery / "green.png").unlink()
    (imagery / "blue.png").write_bytes(b"not a picture any more")
    with gg.Archive.open(tmp_path / "a") as archive:
        answer = archive.search("red", rerank=scorer)
    assert len(answer) == 3
    assert Path(answer[0].source).name == "red.png"
    assert answer.notes == ("2 of 3 candidates could not be read again and follow the others",)
    done = geoglot("search", "red", "-a", tmp_path / "a", "--rerank", scorer)
    assert "note: 2 of 3 candidates could not be read again" in done.stderr
    assert lines_of(done) == records(answer)


@pytest.mark.parametrize("how", ["exact", "reciprocal", "scorer"])
@pytest.mark.parametrize("text", ["red", "أزرق", "jaune"])
def test_the_command_line_gives_what_the_api_gives(archive_folder: Path, scorer: Path, how: str, text: str) -> None:
    rerank = str(scorer) if how == "scorer" else how
    done = geoglot("search", text, "-a", archive_folder, "--rerank", rerank, "--candidates", 5, "-k", 8)
    with gg.Archive.open(archive_folder) as archive:
        assert lines_of(done) == records(archive.search(text, k=8, rerank=rerank, candidates=5))


def test_a_matcher_orders_by_how_sure_it_is_and_leaves_scores_and_bands(
    archive_folder: Path, colour_matcher: Path, painted: Path
) -> None:
    picture = painted / "green.png"
    with gg.Archive.open(archive_folder) as archive:
        plain = archive.search(like=picture, k=22)
        again = archive.search(like=picture, k=22, rerank=colour_matcher, candidates=22)
        judged = {hit.id: (hit.score, hit.band) for hit in plain}
        assert {hit.id: (hit.score, hit.band) for hit in again} == judged
        # the matcher's order is that of the mean colours' distances, which the archive's model does not see
        pixels = archive._readers[str(colour_matcher)].pixels(
            archive.store.search(archive.query_vector(again.query), k=22, collapse=False)
        )
        green = next(tile for (source, _), tile in pixels.items() if source == str(picture)).reshape(-1, 3).mean(0)
        gaps = [
            float(np.abs(pixels[hit.source, tuple(hit.tile.window)].reshape(-1, 3).mean(0) - green).sum())
            for hit in again
        ]
        assert gaps == sorted(gaps)
        # behind the candidates everything is as it was
        few = archive.search(like=picture, k=22, rerank=colour_matcher, candidates=5)
        assert [hit.id for hit in few[5:]] == [hit.id for hit in plain[5:]]
        # words count as before: a picture that nothing resembles leaves the order to them
        mixed = archive.search("red", like=picture, terms=["blue:-1"], k=22, rerank=colour_matcher, candidates=22)
        vectors = {raw.id: raw.vector for raw in archive.store.search(archive.query_vector(mixed.query), k=22)}
        words = archive.encoder.encode_texts(["red", "blue"]).astype(np.float64)
        far = [hit for hit in mixed if gaps[[one.id for one in again].index(hit.id)] > 150]
        scores = [float(vectors[hit.id] @ (words[0] - words[1])) for hit in far]
        assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("words", [[], ["red"]])
def test_the_command_line_reranks_by_a_picture_as_the_api_does(
    archive_folder: Path, colour_matcher: Path, painted: Path, words: list[str]
) -> None:
    like, unlike = painted / "green.png", painted / "blue.png"
    done = geoglot(
        "search", *words, "--like", like, "--unlike", unlike, "-a", archive_folder, "--rerank", colour_matcher, "-k", 9
    )
    with gg.Archive.open(archive_folder) as archive:
        answer = archive.search(*words, like=like, unlike=unlike, k=9, rerank=colour_matcher)
    assert lines_of(done) == records(answer)


def test_a_matcher_needs_a_picture_that_can_be_read(archive_folder: Path, colour_matcher: Path, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("no picture")
    with gg.Archive.open(archive_folder) as archive:
        with pytest.raises(gg.UsageError, match="compares pictures, and the query has none"):
            archive.search("red", rerank=colour_matcher)
        with pytest.raises(gg.SourceError, match=r"words\.png"):
            archive.search(like=tmp_path / "words.png", rerank=colour_matcher)


def test_reciprocal_puts_back_what_fits_another_caption_better(archive_folder: Path) -> None:
    """Query (1, 0), neutral caption (0, 1): the first row's score is higher, but it fits the caption better still."""
    query = np.array([1, 0, 0], np.float32)
    neutral = np.array([[0, 1, 0], [0, 0, -1]], np.float32)
    rows = np.array([[0.69, 0.72, 0], [0.68, 0, 0.73]], np.float32)
    assert np.argsort(-reciprocal_scores(query, rows, neutral)).tolist() == [1, 0]
    # share 0.69 / (0.69 + 0.72) and 0.68 / 0.68; position by score 0, 1; reverse position 1, 0
    first, second = np.exp(-0.05), np.exp(-0.10)
    expected = [0.3 * 0.69 / 1.41 + first + 1.1 * second, 0.3 * 1.0 + second + 1.1 * first]
    np.testing.assert_allclose(reciprocal_scores(query, rows, neutral, weights=Weights()), expected, atol=1e-6)
    with gg.Archive.open(archive_folder) as archive:
        plain = archive.search("red", k=22)
        again = archive.search("red", k=22, rerank="reciprocal")
        assert {hit.id: (hit.score, hit.band) for hit in again} == {h.id: (h.score, h.band) for h in plain}
        assert again[0].band is gg.Band.LIKELY


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"text": "red", "rerank": "recipocal"}, gg.BundleError, "recipocal: is not a model bundle"),
        ({"text": "red", "rerank": "compact"}, gg.BundleError, "is a two-tower bundle, not a scorer"),
        ({"text": "red", "rerank": "exact", "candidates": 0}, gg.UsageError, "candidates=0"),
        ({"like": "red.png", "rerank": "reciprocal"}, gg.UsageError, "compares words, and the query has a picture"),
    ],
)
def test_second_looks_that_make_no_sense(
    archive_folder: Path, painted: Path, options: dict[str, object], error: type[Exception], told: str
) -> None:
    if "like" in options:
        options = {**options, "like": painted / "red.png"}
    with gg.Archive.open(archive_folder) as archive, pytest.raises(error, match=told):
        archive.search(**options)


def test_nothing_found_is_not_looked_at_again(archive_folder: Path, scorer: Path) -> None:
    with gg.Archive.open(archive_folder) as archive:
        for how in ("exact", "reciprocal", scorer):
            assert len(archive.search("red", after="2100", rerank=how)) == 0


def test_an_archive_finds_its_bundle_and_names_it_when_it_cannot(
    colour_bundle: Path, painted: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundles" / "mine"
    shutil.copytree(colour_bundle, bundle)
    made = geoglot("index", painted / "red.png", "-a", tmp_path / "a", "--model", bundle, "-q")
    assert made.returncode == 0, made.stderr
    with gg.Archive.open(tmp_path / "a") as archive:
        expected = records(archive.search("red"))
    assert lines_of(geoglot("search", "red", "-a", tmp_path / "a")) == expected
    more = geoglot("index", painted / "blue.png", "-a", tmp_path / "a", "-q")
    assert more.returncode == 0, more.stderr
    assert json.loads(more.stdout)["tiles"] == 2
    elsewhere = tmp_path / "elsewhere"
    bundle.rename(elsewhere)
    absent = geoglot("search", "red", "-a", tmp_path / "a")
    assert absent.returncode == 1
    assert f"it was in {bundle}, where there is none now" in absent.stderr
    assert "--model" in absent.stderr
    assert json.loads(geoglot("info", tmp_path / "a").stdout)["model"] == "colours-1"  # needs no model
    assert len(lines_of(geoglot("search", "red", "-a", tmp_path / "a", "--model", elsewhere))) == 2
    rewritten(elsewhere, bundle, id="colours-2")
    other = geoglot("search", "red", "-a", tmp_path / "a")
    assert f"it was in {bundle}, where there is another one now" in other.stderr
    wrong = geoglot("search", "red", "-a", tmp_path / "a", "--model", "compact")
    assert wrong.returncode == 1
    assert "is not the model of this archive, which was indexed with colours-1" in wrong.stderr
    assert str(bundle) in wrong.stderr
    refused = geoglot("index", painted / "green.png", "-a", tmp_path / "a", "--model", "compact", "-q")
    assert refused.returncode == 1
    assert "indexed with colours-1" in refused.stderr


def test_bundles_are_found_by_digest_alone(colour_bundle: Path) -> None:
    made = load_bundle(colour_bundle)
    assert find_bundle(made.id, made.sha256, str(colour_bundle)).folder == colour_bundle
    with pytest.raises(gg.BundleError, match="is not at hand"):
        find_bundle(made.id, "00" * 32, str(colour_bundle))
    with pytest.raises(gg.BundleError, match="is not at hand"):
        find_bundle(made.id, made.sha256)


def test_an_archive_of_binary_codes(colour_bundle: Path, painted: Path, tmp_path: Path) -> None:
    ask = ["index", painted, "-a", tmp_path / "a", "--model", colour_bundle, "--tile", 64, "--overlap", 0, "-q"]
    made = geoglot(*ask, "--codes", "binary:64")
    assert made.returncode == 0, made.stderr
    assert json.loads(geoglot("info", tmp_path / "a").stdout)["codes"] == "binary:64"
    for again, code in (("binary:64", 0), ("binary:128", 2), ("float16", 2)):
        done = geoglot(*ask, "--codes", again)
        assert done.returncode == code, done.stderr
    assert "which is binary:64" in done.stderr
    with gg.Archive.open(tmp_path / "a") as archive:
        for how in (None, "exact", "reciprocal"):
            answer = archive.search("red", k=22, rerank=how)
            options = [] if how is None else ["--rerank", how]
            assert lines_of(geoglot("search", "red", "-a", tmp_path / "a", "-k", 22, *options)) == records(answer)
            # the bands are those of the exact vectors, whatever the order and the scores shown
            assert [hit.band is gg.Band.LIKELY for hit in answer[:6]].count(True) == 4
        exact = archive.search("red", k=22, rerank="exact")
        scores = [hit.score for hit in exact]
        assert scores == sorted(scores, reverse=True)
        assert archive.verify().ok


def test_an_archive_of_a_hasher(colour_bundle: Path, painted: Path, tmp_path: Path) -> None:
    """The colour towers read as a hasher of 32 bits: what is there is found by the signs alone."""
    bundle = rewritten(colour_bundle, tmp_path / "bundle", kind="hasher", format=2, id="bits-1")
    ask = ["index", painted, "-a", tmp_path / "a", "--model", bundle, "--tile", 64, "--overlap", 0, "-q"]
    refused = geoglot(*ask, "--codes", "binary:64")
    assert refused.returncode == 2
    assert "is not for a hasher" in refused.stderr or "are not for a hasher" in refused.stderr
    made = geoglot(*ask)
    assert made.returncode == 0, made.stderr
    assert json.loads(geoglot("info", tmp_path / "a").stdout)["codes"] == "signs:32"
    with gg.Archive.open(tmp_path / "a") as archive:
        answer = archive.search("red", k=22)
        assert [hit.score for hit in answer[:4]] == [1.0] * 4  # the tiles and the word have the very same code
        assert lines_of(geoglot("search", "red", "-a", tmp_path / "a", "-k", 22)) == records(answer)
        assert archive.verify().ok
    bad = geoglot("index", painted, "-a", tmp_path / "b", "--model", colour_bundle, "--codes", "binary:100", "-q")
    assert bad.returncode == 2
    assert "multiple of 8" in bad.stderr
    assert not (tmp_path / "b").exists()
