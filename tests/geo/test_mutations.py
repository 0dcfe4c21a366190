"""Damaged files among sound ones: every file is answered, no answer is a crash, the sound ones are read."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from mutations import KINDS, mutate, write_mutants, write_seeds

from geoglot.core.errors import SourceError
from geoglot.geo.decoder import Decoder, ReadOptions, SourceInfo, TileBatch


def run(folder: Path, count: int, *, seed: int) -> None:
    mutants = write_mutants(folder / "bad", count, seed=seed)
    sound = write_seeds(folder / "good")
    paths = [mutant.path for mutant in mutants]
    for number, path in enumerate(sound):
        paths.insert(number * len(paths) // len(sound), path)
    errors, infos, tiles = {}, {}, {}
    slowest = 0.0
    with Decoder(ReadOptions(side=64)) as decoder:
        started = time.monotonic()
        for path, item in decoder.read_many(paths):
            if isinstance(item, SourceError):
                errors[path] = item
            elif isinstance(item, SourceInfo):
                infos[path] = item
            else:
                tiles[path] = tiles.get(path, 0) + len(item.tiles)
                assert item.pixels.shape == (len(item.tiles), 64, 64, 3)
            slowest = max(slowest, time.monotonic() - started)
            started = time.monotonic()
    assert set(paths) == set(errors) | set(infos)
    assert not set(sound) & set(errors)
    assert {tiles[path] for path in sound if path.suffix in (".tif", ".jp2")} == {4}
    assert {tiles[path] for path in sound if path.suffix not in (".tif", ".jp2")} == {1}
    crashes = [error for error in errors.values() if "crashed" in error.cause or "progress" in error.cause]
    assert not crashes
    assert all(error.cause and error.remedy and error.subject for error in errors.values())
    truncated = {mutant.path for mutant in mutants if mutant.kind == "truncate"}
    assert truncated <= set(errors)
    assert slowest < 30


def test_150_damaged_files(tmp_path):
    run(tmp_path, 165, seed=0)


@pytest.mark.slow
def test_1500_damaged_files(tmp_path):
    run(tmp_path, 1500, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutation_changes_the_file_and_repeats(kind):
    data = bytes(range(256)) * 20
    damaged = mutate(data, kind, np.random.default_rng(3))
    assert damaged != data
    assert damaged == mutate(data, kind, np.random.default_rng(3))


def test_every_cut_of_a_photo_and_of_a_scene_is_noticed(tmp_path):
    """Each seed cut at 12 places, the last ones close to its end: an error, never grey pixels."""
    paths = []
    for source in write_seeds(tmp_path / "seeds"):
        data = source.read_bytes()
        for share in (*np.linspace(0.02, 0.98, 10), 0.995, 0.999):
            paths.append(tmp_path / f"{share:.3f}-{source.name}")
            paths[-1].write_bytes(data[: int(len(data) * share)])
    with Decoder(ReadOptions(side=32)) as decoder:
        answered = dict(decoder.read_many(paths))
    not_noticed = [path.name for path in paths if not isinstance(answered[path], SourceError)]
    assert not_noticed == []


def test_batches_are_well_formed_whatever_comes(tmp_path):
    with Decoder(ReadOptions(side=64)) as decoder:
        for _, item in decoder.read_many([m.path for m in write_mutants(tmp_path / "bad", 55, seed=9)]):
            if isinstance(item, TileBatch):
                assert item.pixels.dtype == np.uint8
                for tile in item.tiles:
                    assert tile.bounds is None or (abs(tile.bounds.south) <= 90 and abs(tile.bounds.west) <= 180)
