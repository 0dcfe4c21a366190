"""Questions move towards known sentences, by arithmetic; archives outlive a change of thresholds alone."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import geoglot as gg
from geoglot.core.errors import BundleError
from geoglot.models.bundle import SHIPPED, find_bundle, load_bundle
from geoglot.models.expansion import ALIKE, NEAREST, SHARE, expanded


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plainly(queries, known):
    """The same, one question at a time."""
    moved = []
    for query in queries:
        nearest = sorted((float(query @ row) for row in known), reverse=True)[:NEAREST]
        near = [row for row in known if float(query @ row) >= max(ALIKE, nearest[-1])]
        away = query + SHARE * np.mean(near, axis=0) if near else query
        moved.append(away / np.linalg.norm(away) if near else query)
    return np.stack(moved)


def test_by_hand():
    # (1, 0) has one known sentence from cosine 0.8 on, (0.8, 0.6), and one below, (0.6, 0.8):
    # (1, 0) + 0.5 (0.8, 0.6) = (1.4, 0.3), of length sqrt(1.96 + 0.09) = 1.4318
    known = np.array([[0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    moved = expanded(np.array([[1.0, 0.0]], dtype=np.float32), known)
    np.testing.assert_allclose(moved, [[1.4 / 1.4318, 0.3 / 1.4318]], atol=1e-4)


def test_two_neighbours_count_by_their_mean():
    # both at cosine 0.8 of the question, left and right of it: the mean is (0.8, 0), the direction stays
    known = np.array([[0.8, 0.6], [0.8, -0.6]], dtype=np.float32)
    np.testing.assert_allclose(expanded(np.array([[1.0, 0.0]], dtype=np.float32), known), [[1.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize("known", [np.zeros((0, 2), np.float32), np.array([[0.0, 1.0]], dtype=np.float32)])
def test_a_question_without_neighbours_stays_to_the_bit(known):
    asked = unit([[1.0, 0.2], [-1.0, 0.1]])
    assert expanded(asked, known).tobytes() == asked.tobytes()


def test_no_questions():
    assert expanded(np.zeros((0, 2), np.float32), np.eye(2, dtype=np.float32)).shape == (0, 2)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_as_one_at_a_time(seed, count):
    random = np.random.default_rng(seed)
    centre = random.normal(size=(1, 6))
    known = unit(centre + 0.4 * random.normal(size=(count, 6)))
    queries = unit(np.concatenate([centre + 0.4 * random.normal(size=(3, 6)), random.normal(size=(2, 6))]))
    moved = expanded(queries, known)
    assert moved.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(moved, plainly(queries, known), atol=1e-4)


def test_the_shipped_model_moves_phrases_and_keeps_what_it_does_not_know():
    bundle = load_bundle("compact")
    texts = ["an airport", "مطار"]
    plain, asked = bundle.encode_texts(texts), bundle.encode_queries(texts)
    assert (np.sum(plain * asked, axis=1) < 0.9999).all()
    assert asked.tobytes() == expanded(plain, bundle.neutral).tobytes()


def test_codes_of_a_hasher_are_not_moved():
    bundle = load_bundle("compact")
    hasher = dataclasses.replace(bundle, manifest={**bundle.manifest, "kind": "hasher"})
    assert hasher.encode_queries(["an airport"]).tobytes() == hasher.encode_texts(["an airport"]).tobytes()


def test_a_search_asks_with_the_moved_question(tmp_path):
    archive = gg.Archive.create(tmp_path / "archive")
    bundle = load_bundle("compact")
    from geoglot.api.query import build_query

    vector = archive.query_vector(build_query("an airport"))
    np.testing.assert_allclose(vector, bundle.encode_queries(["an airport"])[0], atol=1e-6)


def test_an_archive_outlives_a_change_of_thresholds(tmp_path, painted):
    before = tmp_path / "before"
    shutil.copytree(SHIPPED / "compact", before)
    manifest = json.loads((before / "bundle.json").read_text())
    manifest["confidence"]["text"]["likely"] = 0.1
    (before / "bundle.json").write_text(json.dumps(manifest))
    older = load_bundle(before)
    with gg.Archive.create(tmp_path / "archive", model=before) as archive:
        archive.index(painted)
        ids = [hit.id for hit in archive.search("red", k=3)]

    after = tmp_path / "after"
    shutil.copytree(before, after)
    manifest["confidence"]["text"]["likely"] = 0.9
    (after / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="is not the model of this archive"):
        gg.Archive.open(tmp_path / "archive", model=after).search("red")

    manifest["same_vectors_as"] = [older.sha256]
    (after / "bundle.json").write_text(json.dumps(manifest))
    with gg.Archive.open(tmp_path / "archive", model=after, read_only=False) as archive:
        assert [hit.id for hit in archive.search("red", k=3)] == ids
        assert archive.index(painted).unchanged > 0
    shutil.rmtree(before)
    shutil.move(after, before)
    assert find_bundle(older.id, older.sha256, str(before)).sha256 == older.sha256
