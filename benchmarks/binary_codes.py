"""Binary codes of the shipped model on every RSICD image: recall at 10 against exact float16, and bytes per tile.

    GEOGLOT_DATA=... python benchmarks/binary_codes.py --out results/bench/binary_codes.json

All 10,921 images (train, val and test) are the archive; the queries are captions of the test split, a quarter of them
in each language. What is measured is the archive's own search, filters and collapse left out, one query at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
from numpy.typing import NDArray

from geoglot.archive.entries import Source
from geoglot.archive.rows import rows_of
from geoglot.archive.segment import CODES
from geoglot.archive.store import ArchiveStore
from geoglot.core.records import Tile, Window
from geoglot.core.runs import environment, write_json
from geoglot.data.captioned import load_dataset
from geoglot.data.translations import load_translations
from geoglot.engine.prediction import read_square
from geoglot.models.bundle import Bundle, load_bundle

K = 10
BITS = (64, 128, 256)
CANDIDATES = (50, 100, 200, 500, 1000)
LANGUAGES = ("en", "ar", "fr", "it")


def encode_all(bundle: Bundle) -> NDArray[np.float32]:
    """Vectors of all images of the three splits, in order."""
    dataset = load_dataset("rsicd")
    paths = [record.path for split in ("train", "val", "test") for record in dataset.records(split, None)]
    parts = []
    for start in range(0, len(paths), 256):
        pixels = np.stack([read_square(path, bundle.side) for path in paths[start : start + 256]])
        parts.append(bundle.encode_images(pixels))
    return np.concatenate(parts)


def queries(bundle: Bundle, count: int) -> NDArray[np.float32]:
    """Vectors of distinct test captions, as many in each language."""
    table, random = load_translations(None), np.random.default_rng(0)
    captions = sorted({text for record in load_dataset("rsicd").records("test", None) for text in record.captions})
    chosen = [captions[number] for number in random.choice(len(captions), count, replace=False)]
    texts = [table.translate(text, LANGUAGES[n % len(LANGUAGES)]) or text for n, text in enumerate(chosen)]
    return bundle.encode_texts(texts)


def build(folder: Path, bundle: Bundle, vectors: NDArray[np.float32], codes: str) -> ArchiveStore:
    """An archive of these vectors, through its own writer."""
    identity = {"bundle_id": bundle.id, "bundle_sha256": bundle.sha256, "dimension": bundle.dimension}
    with ArchiveStore.create(folder, codes=codes, **identity) as store:
        content = sha256(b"rsicd").hexdigest()
        tiles = [Tile(window=Window(256 * number, 0, 256, 256)) for number in range(len(vectors))]
        rows = rows_of(content, "/rsicd", tiles, vectors, bundle_sha256=bundle.sha256, preprocessing=1)
        source = Source(path="/rsicd", size=1, modified_ns=1, content=content, state="done")
        store.commit(rows, [source])
    return ArchiveStore.open(folder)


def measured(
    search: Callable[[NDArray[np.float32]], list[Any]],
    asked: NDArray[np.float32],
    exact: NDArray[np.int64],
) -> dict[str, float]:
    """Recall at 10 against the exact answer, and the time of a query."""
    search(asked[0])
    found, spent = 0, []
    for query, best in zip(asked, exact, strict=True):
        begun = time.perf_counter()
        hits = search(query)
        spent.append(time.perf_counter() - begun)
        found += len({hit.tile.window.column // 256 for hit in hits} & set(best.tolist()))
    return {"recall_at_10": round(found / exact.size, 4), "ms_p50": round(1e3 * statistics.median(spent), 2)}


def sizes(store: ArchiveStore, count: int) -> dict[str, float]:
    """Bytes per tile: what the first stage scans, the whole index, and the shards."""
    every = [path for path in store.layout.index.rglob("*") if path.is_file()]
    vectors = sum(path.stat().st_size for path in every if path.name == "vectors.npy")
    return {
        "scanned": round(sum(path.stat().st_size for path in every if path.name == CODES) / count, 1),
        "float16_vectors_in_index": round(vectors / count, 1),
        "index": round(sum(path.stat().st_size for path in every) / count, 1),
        "shards": round(sum(path.stat().st_size for path in store.layout.shards.iterdir()) / count, 1),
    }


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--vectors", type=Path, help="file where the images' vectors are kept between runs")
    parser.add_argument("--out", type=Path, default=Path("results/bench/binary_codes.json"))
    options = parser.parse_args()
    bundle = load_bundle("compact")
    if options.vectors is not None and options.vectors.is_file():
        vectors = np.load(options.vectors, allow_pickle=False)
    else:
        vectors = encode_all(bundle)
        if options.vectors is not None:
            np.save(options.vectors, vectors, allow_pickle=False)
    asked = queries(bundle, options.queries)
    scores = asked @ vectors.astype(np.float16).astype(np.float32).T
    exact = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for codes in ("float16", *(f"binary:{bits}" for bits in BITS)):
            store = build(Path(folder) / codes.replace(":", "-"), bundle, vectors, codes)
            with store:
                row: dict[str, Any] = {"bytes_per_tile": sizes(store, len(vectors))}
                row["first_stage"] = measured(lambda q: store.search(q, k=K, collapse=False), asked, exact)  # noqa: B023
                if codes != "float16":
                    row["exact_re_rank"] = {
                        str(many): measured(
                            lambda q, m=many: store.search(q, k=K, collapse=False, exact=True, candidates=m),  # type: ignore[misc]  # noqa: B023
                            asked,
                            exact,
                        )
                        for many in CANDIDATES
                    }
                table[codes] = row
                print(codes, row, flush=True)
    result = {
        "what": "recall at 10 against exact float16 scores, and bytes per tile; ms of one search, one at a time",
        "images": len(vectors),
        "queries": len(asked),
        "languages": list(LANGUAGES),
        "codes": table,
        "bundle": {"id": bundle.id, "sha256": bundle.sha256},
        "threads": os.environ["OMP_NUM_THREADS"],
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "environment": environment(),
    }
    write_json(options.out, result)


if __name__ == "__main__":
    main()
