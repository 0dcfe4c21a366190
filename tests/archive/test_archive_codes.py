"""Archives whose index holds binary codes: the order, the filters, the sizes, and what damage does to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contract_store import QUERY, StoreContract
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import DIMENSION, clustered, located, new_store, sample_rows, source, unit

from geoglot.archive import index
from geoglot.archive.codes import Coding, is_signs, rotation
from geoglot.archive.filter import Filter
from geoglot.archive.layout import Layout, read_identity
from geoglot.archive.remove import compact
from geoglot.archive.segment import CODES, build
from geoglot.archive.shards import read_shard
from geoglot.archive.store import ArchiveStore, Store
from geoglot.archive.verify import verify
from geoglot.core.errors import ArchiveError, UsageError
from geoglot.core.records import Bounds, Window


class CodedStore(ArchiveStore):
    """An archive of binary codes that is always asked for the exact order of very many candidates."""

    def search(self, vector, **options):  # type: ignore[no-untyped-def, override]
        return super().search(vector, **{"exact": True, "candidates": 2000, **options})


class TestContractWithBinaryCodes(StoreContract):
    """Re-ordered exactly, codes of 512 bits keep every promise that float16 vectors keep."""

    def make(self, folder: Path) -> Store:
        return CodedStore.create(
            folder / "a", bundle_id="test-1", bundle_sha256="cd" * 32, dimension=DIMENSION, codes="binary:512"
        )

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, CodedStore)
        store.close()
        return CodedStore.open(store.layout.root)


def signs_of(vectors: np.ndarray) -> np.ndarray:
    length = np.float32(1 / np.sqrt(vectors.shape[1]))
    return np.where(vectors >= 0, length, -length).astype(np.float32)


def with_vectors(rows, vectors):  # type: ignore[no-untyped-def]
    return replace(rows, vectors=np.asarray(vectors, np.float16))


def hamming_order(vectors: np.ndarray, query: np.ndarray, coding: Coding) -> tuple[np.ndarray, np.ndarray]:
    """Naive: every bit beside every bit. Rows in order of distance, then row, and the distances."""
    directions = rotation(len(query), coding.bits) if coding.kind == "binary" else np.eye(len(query))
    mine = query.astype(np.float64) @ directions >= 0
    distances = []
    for row in vectors.astype(np.float64):
        bits = row @ directions >= 0
        distances.append(sum(bool(a) != bool(b) for a, b in zip(bits, mine, strict=True)))
    order = sorted(range(len(vectors)), key=lambda row: (distances[row], row))
    return np.array(order), np.array(distances)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1), count=st.integers(1, 300), k=st.integers(1, 320), share=st.floats(0, 1),
    coding=st.sampled_from([Coding("signs", 16), Coding("binary", 8), Coding("binary", 24)]),
)  # fmt: skip
def test_nearest_codes_are_what_counting_bits_gives(
    seed: int, count: int, k: int, share: float, coding: Coding
) -> None:
    """Codes of 8 bits tie very often: of equal ones the first rows are taken, with and without a selector."""
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((count, 16)))
    vectors = signs_of(vectors) if coding.kind == "signs" else vectors
    rows = with_vectors(sample_rows("a", count), vectors)
    segment = build(rows, [(1, count, "")], coding=coding)
    query = unit(random.standard_normal(16))
    mask = random.random(count) < share
    order, distances = hamming_order(rows.vectors, query, coding)
    for allowed in (None, mask):
        expected = order if allowed is None else order[allowed[order]]
        got, told = segment.nearest_codes(query, k, allowed)
        assert got.tolist() == expected[:k].tolist()
        assert told.tolist() == distances[expected[:k]].tolist()


def test_the_hamming_order_is_shown_and_exact_restores_the_order(tmp_path: Path) -> None:
    rows = with_vectors(sample_rows("a", 2000), clustered(np.random.default_rng(0), 2000, DIMENSION))
    with new_store(tmp_path / "a", codes="binary:64") as store:
        for start in range(0, 2000, 400):
            store.commit(rows.take(np.arange(start, start + 400)), [source("a")])
        order, distances = hamming_order(rows.vectors, QUERY, store.coding)
        shown = store.search(QUERY, k=50, collapse=False)
        assert [hit.id for hit in shown] == [rows.ids[row].tobytes().hex() for row in order[:50]]
        np.testing.assert_allclose([hit.score for hit in shown], np.cos(np.pi * distances[order[:50]] / 64), atol=1e-6)
        scores = rows.vectors.astype(np.float32) @ QUERY
        for candidates in (50, 300, 2000):
            few = order[:candidates]
            expected = few[np.argsort(-scores[few], kind="stable")][:50]
            hits = store.search(QUERY, k=50, collapse=False, exact=True, candidates=candidates)
            np.testing.assert_allclose([hit.score for hit in hits], scores[expected], atol=1e-6)
        assert [hit.id for hit in hits] == [rows.ids[row].tobytes().hex() for row in np.argsort(-scores)[:50]]
        with pytest.raises(UsageError, match="is no number of candidates"):
            store.search(QUERY, k=5, exact=True, candidates=0)


def test_filters_act_during_the_count(tmp_path: Path) -> None:
    """The three rows inside the box lie opposite the query: a filter afterwards would find none of them."""
    tiles = [located(-100 + 0.1 * n, 0, 0.05, window=Window(256 * n, 0, 256, 256)) for n in range(900)]
    tiles += [located(100, -17, 0.05, window=Window(256 * n, 9999, 256, 256)) for n in range(3)]
    random = np.random.default_rng(3)
    near = unit(QUERY + 0.05 * random.standard_normal((900, DIMENSION)))
    opposite = unit(-QUERY + 0.05 * random.standard_normal((3, DIMENSION)))
    rows = with_vectors(sample_rows("a", 903, tiles=tiles), np.concatenate([near, opposite]))
    condition = Filter.from_options(bbox=Bounds(99, -20, 101, -10))
    with new_store(tmp_path / "a", codes="binary:64") as store:
        store.commit(rows, [source("a")])
        for exact in (False, True):
            hits = store.search(QUERY, k=10, filter=condition, collapse=False, exact=exact, candidates=10)
            assert [hit.tile.window.row for hit in hits] == [9999] * 3
        assert store.search(QUERY, k=10, filter=Filter(sources=("/elsewhere",))) == []


@pytest.mark.parametrize("bits", [16, 64, 128])
def test_a_hashers_archive_holds_one_bit_per_value(tmp_path: Path, bits: int) -> None:
    random = np.random.default_rng(bits)
    vectors = signs_of(random.standard_normal((4000, bits)))
    rows = with_vectors(sample_rows("a", 4000, dimension=bits), vectors)
    with new_store(tmp_path / "a", bits, codes=f"signs:{bits}") as store:
        for start in range(0, 4000, 250):  # sixteen commits: segments are merged on the way
            store.commit(rows.take(np.arange(start, start + 250)), [source("a")])
        query = signs_of(random.standard_normal((1, bits)))[0]
        expected = [(hit.id, hit.score) for hit in store.search(query, k=30, collapse=False)]
        scores = rows.vectors.astype(np.float32) @ query
        np.testing.assert_allclose([score for _, score in expected], np.sort(scores)[::-1][:30], atol=2e-3)
        assert expected == [(hit.id, hit.score) for hit in store.search(query, k=30, collapse=False, exact=True)]
        folder = store.layout.index
        sample = store.background_sample()
    assert verify(tmp_path / "a").ok
    assert not list(folder.glob("*/vectors.npy"))
    codes = sum(path.stat().st_size for path in folder.glob(f"*/{CODES}"))
    assert codes <= 4000 * bits // 8 + 100 * len(list(folder.glob("*/"))), "one bit per value, and a header"
    with ArchiveStore.open(tmp_path / "a") as store:
        assert [(hit.id, hit.score) for hit in store.search(query, k=30, collapse=False)] == expected
        np.testing.assert_array_equal(store.background_sample(), sample)
        shard = next(iter(store.snapshot().shards.values()))
        stored = read_shard(store.layout.shard(shard.name)).vectors
        assert stored.dtype == np.float16
        np.testing.assert_array_equal(stored, rows.vectors[:250])


def test_a_hashers_shard_is_small(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    vectors = signs_of(np.random.default_rng(0).standard_normal((4000, 64)))
    with new_store(tmp_path / "a", 64, codes="signs:64") as store:
        store.commit(with_vectors(sample_rows("a", 4000, dimension=64), vectors), [source("a")])
        (path,) = store.layout.shards.iterdir()
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = {group.column(k).path_in_schema: group.column(k).total_compressed_size for k in range(group.num_columns)}
    # 8 bytes of bits per row, and the repetition levels that any list in Parquet has, instead of 128 bytes
    assert columns["embedding.list.element"] / 4000 < 8 * 2.2
    assert is_signs(read_shard(path).vectors)


@pytest.mark.parametrize("codes", ["binary:64", "signs:16"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "empty"])
def test_damaged_codes_are_found_and_made_again(tmp_path: Path, codes: str, damage: str) -> None:
    vectors = clustered(np.random.default_rng(0), 600, DIMENSION)
    rows = with_vectors(sample_rows("a", 600), signs_of(vectors) if codes.startswith("signs") else vectors)
    with new_store(tmp_path / "a", codes=codes) as store:
        store.commit(rows, [source("a")])
        expected = store.search(QUERY, k=40)
    (path,) = (tmp_path / "a" / "index").glob(f"*/{CODES}")
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :]
        path.write_bytes({"cut": data[:-9], "flip": flipped, "empty": b""}[damage])
    report = verify(tmp_path / "a")
    assert [Path(found.file).name for found in report.damages] == [CODES]
    with ArchiveStore.open(tmp_path / "a") as store:  # a reader makes it again in memory
        assert store.search(QUERY, k=40) == expected
    from geoglot.archive.verify import repair

    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        repair(store)
        assert store.search(QUERY, k=40) == expected
    assert verify(tmp_path / "a").ok


def test_removal_and_compaction_keep_the_codes(tmp_path: Path) -> None:
    with new_store(tmp_path / "a", codes="signs:16") as store:
        for name in "ab":
            vectors = signs_of(sample_rows(name, 300).vectors)
            store.commit(with_vectors(sample_rows(name, 300), vectors), [source(name)])
        store.remove(["/images/a"])
        left = store.search(QUERY, k=500, collapse=False)
        assert {hit.source for hit in left} == {"/images/b"}
        compact(store, 0.0)
        assert store.search(QUERY, k=500, collapse=False) == left
        assert all(record.coding == store.coding for record in index.read_manifest(store.layout))
    assert verify(tmp_path / "a").ok


def test_an_index_of_another_coding_is_made_again(tmp_path: Path) -> None:
    with new_store(tmp_path / "a", codes="binary:64") as store:
        store.commit(sample_rows("a", 300), [source("a")])
        expected = store.search(QUERY, k=20)
        # as an older program would leave it: the index holds 8-bit codes, the identity card says binary
        index.update(store.layout, store.snapshot(), store.filesystem, Coding())
    manifest = json.loads((tmp_path / "a" / "index" / "manifest.json").read_text())
    assert all("coding" not in record for record in manifest["content"]["segments"])
    with ArchiveStore.open(tmp_path / "a") as store:
        assert store.search(QUERY, k=20) == expected
    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        store.update_index()
        assert [record.coding for record in index.read_manifest(store.layout)] == [Coding("binary", 64)]
        assert store.search(QUERY, k=20) == expected


def test_an_archive_without_codes_in_its_card_opens_as_before(tmp_path: Path) -> None:
    from geoglot.archive.layout import sealed_json

    with new_store(tmp_path / "a") as store:
        store.commit(sample_rows("a", 300), [source("a")])
        expected = store.search(QUERY, k=20)
    layout = Layout(tmp_path / "a")
    card = json.loads(layout.identity.read_text())["content"]
    assert card["format"] == 1
    layout.identity.write_bytes(sealed_json({k: v for k, v in card.items() if k not in ("codes", "bundle_folder")}))
    assert read_identity(layout).codes == "float16"
    assert verify(tmp_path / "a").ok
    with ArchiveStore.open(tmp_path / "a") as store:
        assert store.search(QUERY, k=20) == expected


def test_the_card_of_a_coded_archive_is_restored_from_the_catalogue(tmp_path: Path) -> None:
    with new_store(tmp_path / "a", codes="binary:64", bundle_folder="/bundles/mine") as store:
        store.commit(sample_rows("a", 30), [source("a")])
        card = store.identity
    assert card.format == 2
    (tmp_path / "a" / "archive.json").unlink()
    with ArchiveStore.open(tmp_path / "a", read_only=False) as store:
        assert store.identity == card
    assert read_identity(Layout(tmp_path / "a")) == card


@pytest.mark.parametrize("codes", ["binary:100", "binary:0", "binary:-8", "binary:x", "binary:", "binary:9999999",
                                   "signs", "signs:8x", "float32", "float16:8", "", "binary:²"])  # fmt: skip
def test_codings_that_make_no_sense_leave_nothing_behind(tmp_path: Path, codes: str) -> None:
    with pytest.raises(UsageError, match="multiple of 8"):
        new_store(tmp_path / "a", codes=codes)
    assert not (tmp_path / "a").exists()


def test_signs_need_one_bit_per_value(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not fit embeddings of length 16"):
        new_store(tmp_path / "a", codes="signs:64")


def test_the_rotation_is_the_same_for_ever() -> None:
    # Frozen: the codes of existing archives depend on it.
    np.testing.assert_allclose(rotation(4, 8)[0, :3], ROTATION_4_8, atol=1e-6)
    assert rotation(256, 512).shape == (256, 512)


ROTATION_4_8 = [-0.4845863878726959, 0.13200226426124573, 0.8621327877044678]


def test_more_candidates_recall_more_and_all_recall_all(tmp_path: Path) -> None:
    """Clusters of up to 1,100 look-alikes in 5,000 rows of 64 values: 256 bits alone tell them apart badly."""
    random = np.random.default_rng(5)
    vectors = clustered(random, 5000, 64)
    rows = with_vectors(sample_rows("a", 5000, dimension=64), vectors)
    found = dict.fromkeys((10, 100, 1000, 5000), 0)
    with new_store(tmp_path / "a", 64, codes="binary:256") as store:
        store.commit(rows, [source("a")])
        for number in range(30):
            query = unit(vectors[number * 7] + 0.05 * random.standard_normal(64))
            best = {rows.ids[r].tobytes().hex() for r in np.argsort(-(rows.vectors.astype(np.float32) @ query))[:10]}
            for candidates in found:
                hits = store.search(query, k=10, collapse=False, exact=True, candidates=candidates)
                found[candidates] += len({hit.id for hit in hits} & best)
    assert list(found.values()) == sorted(found.values())
    assert found[1000] >= 0.95 * 300
    assert found[5000] == 300


def test_a_segment_without_rows_answers_with_nothing() -> None:
    rows = sample_rows("a", 3).take(np.zeros(0, np.int64))
    segment = build(rows, [], coding=Coding("binary", 16))
    assert [part.tolist() for part in segment.nearest_codes(QUERY, 5, None)] == [[], []]


def test_damage_to_a_row_shows_before_a_hit_is_shown(tmp_path: Path) -> None:
    with new_store(tmp_path / "a", codes="binary:64") as store:
        store.commit(sample_rows("a", 200), [source("a")])
        expected = store.search(QUERY, k=20)
    (path,) = (tmp_path / "a" / "index").glob("*/vectors.npy")
    data = bytearray(path.read_bytes())
    for place in range(200, len(data), 32):
        data[place] ^= 1
    path.write_bytes(bytes(data))
    with ArchiveStore.open(tmp_path / "a") as store:
        (segment,) = store.searcher.segments
        with pytest.raises(ArchiveError, match="does not fit its checksum"):
            segment.check_rows(np.arange(200))
        assert store.search(QUERY, k=20) == expected
