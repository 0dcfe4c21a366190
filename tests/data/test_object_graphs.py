"""Files of object graphs: read back as written, and refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geoglot.core.errors import DataError
from geoglot.data.object_graphs import read_object_graphs


def arrays(**changed: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    plain = {
        "names": np.array(["a.jpg", "b.jpg", "c.jpg"]),
        "nodes": generator.random((3, 4, 4)),
        "adjacency": generator.random((3, 4, 4)),
    }
    return {name: value for name, value in {**plain, **changed}.items() if value is not None}


def written(folder: Path, **changed: Any) -> Path:
    path = folder / "graphs.npz"
    np.savez(path, **arrays(**changed))
    return path


def test_graphs_come_back_in_the_order_asked(tmp_path: Path) -> None:
    nodes, adjacency = read_object_graphs(written(tmp_path), nodes=4).of(["c.jpg", "a.jpg"])
    assert np.allclose(nodes, arrays()["nodes"][[2, 0]])
    assert np.allclose(adjacency, arrays()["adjacency"][[2, 0]])
    assert nodes.dtype == adjacency.dtype == np.float32


def test_an_image_without_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.jpg: has no object graph, as 1 of 2"):
        read_object_graphs(written(tmp_path), nodes=4).of(["a.jpg", "d.jpg"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nodes": None}, "no array nodes"),
        ({"adjacency": np.zeros((3, 4, 5))}, r"adjacency of shape \(3, 4, 5\)"),
        ({"nodes": np.full((3, 4, 4), np.nan)}, r"nodes\[0, 0, 0\], which is nan"),
        ({"names": np.array(["a.jpg", "b.jpg", "a.jpg"])}, r"a\.jpg twice"),
        ({"names": np.array([{"a": 1}, None, 2], dtype=object)}, "plain arrays"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_object_graphs(written(tmp_path, **changed), nodes=4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_object_graphs(tmp_path / "none.npz")
    for name, content in (("text.npz", b"no archive"), ("empty.npz", b""), ("half.npz", b"PK\x03\x04 half")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(DataError, match="plain arrays"):
            read_object_graphs(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataError, match="plain arrays"):
        read_object_graphs(tmp_path / "one.npy")
