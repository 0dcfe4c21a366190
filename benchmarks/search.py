"""Search at 100,000 and 1,000,000 rows: the archive beside plain FAISS flat and LanceDB, same rows, same filters.

    python benchmarks/search.py --sizes 100000 1000000 --output results/bench/search.json

Rows are clustered unit vectors of 256 values; look-alikes lie side by side on the map, so that filters are correlated
with queries, as they are in any real archive. Each engine answers in a process of its own, so that memory is its own.
Recall is against exact scores of the stored float16 vectors within the same filter.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
from numpy.typing import NDArray

from geoglot.core.runs import write_json

DIMENSION = 256
K = 10
SHARES = {"none": 1.0, "bbox 10 %": 0.1, "bbox 1 %": 0.01}
ROWS_PER_COMMIT = 10_000
Answer = Callable[[NDArray[np.float32], tuple[float, float, float, float] | None], list[int]]


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of unit length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def make_rows(folder: Path, count: int) -> None:
    """Vectors (N, D) float16 and longitudes (N,), as files that every engine's process maps."""
    generator = np.random.default_rng(1)
    clusters = 2000
    centres = unit(generator.standard_normal((clusters, DIMENSION)) + 1.5 * generator.standard_normal(DIMENSION))
    weights = 1 / np.arange(1, clusters + 1) ** 0.7
    chosen = generator.choice(clusters, count, p=weights / weights.sum())
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (count, DIMENSION))
    for start in range(0, count, 50_000):
        part = chosen[start : start + 50_000]
        spread = generator.uniform(0.2, 0.8, (len(part), 1)) / np.sqrt(DIMENSION)
        vectors[start : start + 50_000] = unit(
            centres[part] + spread * generator.standard_normal((len(part), DIMENSION))
        )
    vectors.flush()
    home = generator.uniform(-179, 179, clusters)  # a kind of place has a home, and strays
    west = np.clip(home[chosen] + generator.normal(0, 8, count), -179.9, 179.8)
    np.save(folder / "west.npy", west)


def make_queries(folder: Path, count: int) -> list[dict[str, Any]]:
    """Queries near rows, boxes of an exact share of the rows around a row or anywhere, and the exact answers."""
    generator = np.random.default_rng(2)
    vectors, west = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "west.npy")
    ordered = np.sort(west)
    cells = []
    for name, share in SHARES.items():
        for number in range(count):
            row = int(generator.integers(len(vectors)))
            query = unit(
                vectors[row].astype(np.float32) + 0.5 / np.sqrt(DIMENSION) * generator.standard_normal(DIMENSION)
            )
            box = None
            if share < 1:
                wanted = int(share * len(west))
                at = int(np.searchsorted(ordered, west[row])) if number % 2 else int(generator.integers(len(west)))
                first = min(max(at - wanted // 2, 0), len(west) - wanted)
                box = (float(ordered[first]), -1.0, float(ordered[first + wanted - 1]), 1.0)
            cells.append({"filter": name, "query": query, "box": box})
    matrix = np.stack([cell["query"] for cell in cells])
    best: list[NDArray[Any]] = [np.zeros((2, 0)) for _ in cells]
    for start in range(0, len(vectors), 50_000):
        piece, places = vectors[start : start + 50_000].astype(np.float32), west[start : start + 50_000]
        scores = matrix @ piece.T
        for number, cell in enumerate(cells):
            mine = scores[number]
            if cell["box"] is not None:
                mine = np.where((places + 0.001 >= cell["box"][0]) & (places <= cell["box"][2]), mine, -np.inf)
            top = np.argpartition(mine, -K)[-K:]
            both = np.concatenate([best[number], [mine[top], top + start]], axis=1)
            best[number] = both[:, np.argsort(-both[0])[:K]]
    for cell, (scores, rows) in zip(cells, best, strict=True):
        cell["exact"] = [int(row) for score, row in zip(scores, rows, strict=True) if np.isfinite(score)]
    return cells


def build_archive(folder: Path, *, bundle_id: str = "bench", bundle_sha256: str = "00" * 32) -> dict[str, float]:
    """The archive through its own writer: shards, catalogue, index; then 10,000 rows more."""
    import shapely

    from geoglot.archive.entries import Source
    from geoglot.archive.rows import rows_of
    from geoglot.archive.store import ArchiveStore
    from geoglot.core.records import Bounds, Tile, Window

    vectors, west = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "west.npy")

    def rows(start: int, end: int, name: str) -> tuple[Any, Source]:
        shapes = shapely.to_wkb(shapely.box(west[start:end], 0, west[start:end] + 0.001, 0.001))
        tiles = [
            Tile(
                window=Window(300 * (number % 3000), 300 * (number // 3000), 256, 256),
                footprint=bytes(shape),
                bounds=Bounds(float(x), 0.0, float(x) + 0.001, 0.001),
                gsd_m=0.5,
            )
            for number, (x, shape) in enumerate(zip(west[start:end], shapes, strict=True), start)
        ]
        content = sha256(name.encode()).hexdigest()
        source = Source(path=f"/scenes/{name}.tif", size=1, modified_ns=1, content=content, state="done")
        made = rows_of(
            content,
            source.path,
            tiles,
            np.asarray(vectors[start:end], np.float32),
            bundle_sha256=bundle_sha256,
            preprocessing=1,
        )
        return made, source

    started = time.perf_counter()
    commits = []
    store = ArchiveStore.create(
        folder / "archive", bundle_id=bundle_id, bundle_sha256=bundle_sha256, dimension=DIMENSION
    )
    with store:
        for start in range(0, len(vectors), ROWS_PER_COMMIT):
            made, source = rows(start, min(start + ROWS_PER_COMMIT, len(vectors)), f"{start}")
            begun = time.perf_counter()
            store.commit(made, [source])
            commits.append(time.perf_counter() - begun)
    return {
        "build_s": time.perf_counter() - started,
        "append_10000_p50_s": float(np.median(commits)),
        "append_10000_p95_s": float(np.quantile(commits, 0.95)),
        "append_10000_worst_s": max(commits),
    }


def open_archive(folder: Path) -> Answer:
    """Search the archive; a row's number is told from its window."""
    from geoglot.archive.filter import Filter
    from geoglot.archive.store import ArchiveStore
    from geoglot.core.records import Bounds

    store = ArchiveStore.open(folder / "archive")

    def answer(query: NDArray[np.float32], box: tuple[float, float, float, float] | None) -> list[int]:
        condition = None if box is None else Filter.from_options(bbox=Bounds(*box))
        hits = store.search(query, k=K, filter=condition, collapse=False)
        return [hit.tile.window.row // 300 * 3000 + hit.tile.window.column // 300 for hit in hits]

    return answer


def build_flat(folder: Path) -> dict[str, float]:
    """FAISS flat, float32."""
    import faiss

    started = time.perf_counter()
    index = faiss.IndexFlatIP(DIMENSION)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    for start in range(0, len(vectors) - ROWS_PER_COMMIT, 50_000):
        index.add(vectors[start : min(start + 50_000, len(vectors) - ROWS_PER_COMMIT)].astype(np.float32))
    (folder / "flat").mkdir()
    begun = time.perf_counter()
    index.add(vectors[len(vectors) - ROWS_PER_COMMIT :].astype(np.float32))
    faiss.write_index(index, str(folder / "flat" / "flat.faiss"))
    now = time.perf_counter()
    return {"build_s": now - started, "append_10000_p50_s": now - begun}


def open_flat(folder: Path) -> Answer:
    """FAISS flat with a bitmap as selector, computed from the same column."""
    import faiss

    index = faiss.read_index(str(folder / "flat" / "flat.faiss"))
    west = np.load(folder / "west.npy")

    def answer(query: NDArray[np.float32], box: tuple[float, float, float, float] | None) -> list[int]:
        if box is None:
            return [int(row) for row in index.search(query[None], K)[1][0]]
        bits = np.packbits((west + 0.001 >= box[0]) & (west <= box[2]), bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        return [int(row) for row in index.search(query[None], K, params=parameters)[1][0] if row >= 0]

    return answer


def build_lance(folder: Path) -> dict[str, float]:
    """LanceDB with its IVF_PQ index and a scalar index on the place."""
    import lancedb
    import pyarrow as pa

    vectors, west = np.load(folder / "vectors.npy", mmap_mode="r"), np.load(folder / "west.npy")

    def table(start: int, end: int) -> pa.Table:
        flat = pa.array(np.asarray(vectors[start:end], np.float32).reshape(-1))
        columns = {
            "number": pa.array(np.arange(start, end)),
            "west": pa.array(west[start:end]),
            "east": pa.array(west[start:end] + 0.001),
            "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
        }
        return pa.table(columns)

    started = time.perf_counter()
    database = lancedb.connect(str(folder / "lance"))
    last = len(vectors) - ROWS_PER_COMMIT
    rows = database.create_table("rows", table(0, min(50_000, last)))
    for start in range(50_000, last, 50_000):
        rows.add(table(start, min(start + 50_000, last)))
    begun = time.perf_counter()
    rows.add(table(last, len(vectors)))
    append = time.perf_counter() - begun
    partitions = max(1, int(np.sqrt(len(vectors))))
    rows.create_index(
        metric="dot", vector_column_name="vector", num_partitions=partitions, num_sub_vectors=DIMENSION // 8
    )
    rows.create_scalar_index("west")
    return {"build_s": time.perf_counter() - started, "append_10000_p50_s": append}


def open_lance(folder: Path) -> Answer:
    """LanceDB, 20 probes, refined ten-fold, filter before the search."""
    import lancedb

    rows = lancedb.connect(str(folder / "lance")).open_table("rows")

    def answer(query: NDArray[np.float32], box: tuple[float, float, float, float] | None) -> list[int]:
        search = rows.search(query).metric("dot").nprobes(20).refine_factor(10).limit(K).select(["number", "_distance"])
        if box is not None:
            search = search.where(f"east >= {box[0]!r} AND west <= {box[2]!r}", prefilter=True)
        return [int(row) for row in search.to_arrow()["number"].to_pylist()]

    return answer


ENGINES = {
    "geoglot": (build_archive, open_archive, "archive", "faiss-cpu"),
    "FAISS flat, float32": (build_flat, open_flat, "flat", "faiss-cpu"),
    "LanceDB, IVF_PQ": (build_lance, open_lance, "lance", "lancedb"),
}


def memory_mb() -> dict[str, float]:
    """Resident memory: of its own, and of mapped files that the system may drop at any time."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {f"{name}_mb": int(lines[field].split()[0]) / 1024 for name, field in _FIELDS.items()}


_FIELDS = {"memory_own": "RssAnon", "memory_mapped": "RssFile", "memory_peak": "VmHWM"}


def build(name: str, folder: Path, pipe: Any) -> None:
    """In a process of its own: make an engine's files."""
    pipe.send(ENGINES[name][0](folder))


def ask(name: str, folder: Path, cells: list[dict[str, Any]], pipe: Any) -> None:
    """In a process of its own: answer all queries."""
    started = time.perf_counter()
    answer = ENGINES[name][1](folder)
    answer(cells[0]["query"], None)
    report: dict[str, Any] = {"open_and_first_search_s": time.perf_counter() - started}
    for cell in cells[:: max(1, len(cells) // 12)]:
        answer(cell["query"], cell["box"])
    table = {}
    for share in SHARES:
        spent, found, wanted = [], 0, 0
        for cell in cells:
            if cell["filter"] == share:
                begun = time.perf_counter()
                rows = answer(cell["query"], cell["box"])
                spent.append(time.perf_counter() - begun)
                found += len(set(rows) & set(cell["exact"]))
                wanted += len(cell["exact"])
        table[share] = {
            "p50_ms": round(1e3 * float(np.median(spent)), 3),
            "p95_ms": round(1e3 * float(np.quantile(spent, 0.95)), 3),
            "recall_at_10": round(found / wanted, 5),
            "queries": len(spent),
        }
    pipe.send({**report, **memory_mb(), "cells": table})


def apart(function: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    """Run something in a fresh process and take what it sends."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=function, args=(*arguments, sender))
    process.start()
    sender.close()
    try:
        result: dict[str, Any] = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} {arguments[0]} failed") from None
    finally:
        process.join()
    return result


def disk_mb(folder: Path) -> float:
    """Size of a folder's files."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = {}
    for name in ("geoglot", "numpy", "faiss-cpu", "pyarrow", "lancedb"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "processor": lines[0].split(":")[1].strip() if lines else platform.processor(),
        "cores": os.cpu_count(),
        "load_average_before": os.getloadavg(),
        "threads": os.environ["OMP_NUM_THREADS"],
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def main() -> None:
    """Measure; the JSON file is written anew after each engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100, help="per filter")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--folder", type=Path, help="where to build (default: a temporary folder)")
    parser.add_argument("--output", type=Path, default=Path("results/bench/search.json"))
    options = parser.parse_args()
    result: dict[str, Any] = {
        "task": __doc__.splitlines()[0],
        "k": K,
        "dimension": DIMENSION,
        "machine": machine(),
        "sizes": {},
    }
    for size in options.sizes:
        folder = Path(tempfile.mkdtemp(prefix="geoglot-bench-", dir=options.folder))
        try:
            make_rows(folder, size)
            cells = make_queries(folder, options.queries)
            engines = {}
            for name in options.engines:
                if result["machine"]["versions"][ENGINES[name][3]] == "not installed":
                    engines[name] = {"skipped": f"{ENGINES[name][3]} is not installed"}
                    continue
                built = {key: round(value, 3) for key, value in apart(build, name, folder).items()}
                asked = apart(ask, name, folder, cells)
                engines[name] = {**built, "disk_mb": disk_mb(folder / ENGINES[name][2]), **asked}
                print(size, name, json.dumps(engines[name]), flush=True)
                result["sizes"][str(size)] = engines
                write_json(options.output, result)  # an engine that takes hours costs nothing already measured
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
