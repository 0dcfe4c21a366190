"""The local store keeps the contract, and behaves like a dictionary whatever is done to it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from contract_store import QUERY, StoreContract
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from samples import content, everything, new_store, sample_rows, source

from geoglot.archive import index
from geoglot.archive.remove import compact
from geoglot.archive.store import ArchiveStore, Store


class TestLocalStore(StoreContract):
    def make(self, folder: Path) -> Store:
        return new_store(folder / "archive")

    def reopen(self, store: Store) -> Store:
        assert isinstance(store, ArchiveStore)
        root = store.layout.root
        store.close()
        return ArchiveStore.open(root)


NAMES = [f"{folder}/{number}" for folder in "ab" for number in range(4)]


class StoreMachine(RuleBasedStateMachine):
    """Add, replace, remove, compact, reopen, against a dictionary of path -> (content, ids and vectors)."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.store = new_store(self.folder / "a")
        self.model: dict[str, str] = {}

    def rows(self, version: str) -> dict[str, bytes]:
        rows = sample_rows(version, 1 + len(version) % 5 + int(version[-1]))
        return {key.tobytes().hex(): vector.tobytes() for key, vector in zip(rows.ids, rows.vectors, strict=True)}

    @rule(name=st.sampled_from(NAMES), version=st.integers(0, 9))
    def put(self, name: str, version: int) -> None:
        """A path gets bytes; other paths may have the same ones."""
        label = f"{name[0]}-version{version}"
        rows = sample_rows(label, 1 + len(label) % 5 + int(label[-1]))
        rows = replace(rows, sources=((content(label), f"/images/{name}"),))
        self.store.commit(rows, [replace(source(name), content=content(label))])
        self.model[name] = label

    @rule(prefix=st.sampled_from([*NAMES, "a/", "b/", "*/1"]))
    def remove(self, prefix: str) -> None:
        pattern = prefix if "*" in prefix else f"/images/{prefix}"
        gone = [n for n in self.model if (n.endswith(prefix[1:]) if "*" in prefix else n.startswith(prefix))]
        assert self.store.remove([pattern]) == len(gone)
        for name in gone:
            del self.model[name]

    @rule(fraction=st.sampled_from([0.0, 0.3]))
    def compact(self, fraction: float) -> None:
        compact(self.store, fraction)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = ArchiveStore.open(self.folder / "a", read_only=False)

    @rule()
    def lose_the_index(self) -> None:
        self.store.drop_searcher()
        shutil.rmtree(self.folder / "a" / "index")
        self.store.update_index()

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        expected = {key: vector for label in set(self.model.values()) for key, vector in self.rows(label).items()}
        rows = everything(self.store)
        assert {key: vector for key, (_, vector) in rows.items()} == expected
        owners: dict[str, set[str]] = {}
        for name, label in self.model.items():
            owners.setdefault(label, set()).add(f"/images/{name}")
        for label, paths in owners.items():
            assert all(rows[key][0] == min(paths) for key in self.rows(label))
        hits = self.store.search(QUERY, k=1000, collapse=False)
        assert {hit.id for hit in hits} == expected.keys()
        assert len(self.store.background_sample()) == len(expected)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert self.store.verify().ok
            self.store.close()
            shutil.rmtree(self.folder)


TestStoreAgainstADictionary = StoreMachine.TestCase
TestStoreAgainstADictionary.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_appending_writes_only_what_is_new_and_segments_stay_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tiers of 4, 32, 256 rows: 66 commits of 4 rows are one segment of 8 x 8 x 4 = 256 rows and two of 4."""
    monkeypatch.setattr(index, "_SMALLEST_TIER", 4)
    with new_store(tmp_path / "a") as store:
        for number in range(66):
            store.commit(sample_rows(f"{number}", 4), [source(f"{number}")])
        records = index.read_manifest(store.layout)
        assert [record.rows for record in records] == [256, 4, 4]
        assert len(list(store.layout.index.iterdir())) == len(records) + 1
        store.commit(sample_rows("more", 4), [source("more")])
        assert index.read_manifest(store.layout)[:3] == records


def test_dead_space_is_given_back(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        for name in "abcd":
            store.commit(sample_rows(name, 100), [source(name)])
        kept = {key: value for key, value in everything(store).items() if value[0] in ("/images/c", "/images/d")}
        store.remove(["/images/[ab]"])
        info = store.info()
        assert (info.rows, info.deleted_rows, info.shards) == (200, 0, 2)
        assert everything(store) == kept
        assert len(list(store.layout.shards.iterdir())) == 2
        assert np.isfinite(store.background_sample()).all()
