"""A model bundle that really encodes, small enough to build in a test: it knows colours, in four languages.

An image's vector is its mean colour, a text's vector the sum of the colours it names; both towers are ONNX networks
in a bundle of the shipped format, so everything from the bundle loader on is the real thing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DIMENSION = 32
SIDE = 32
COLOURS = {
    "red": (220, 20, 20),
    "green": (20, 200, 20),
    "blue": (20, 20, 220),
    "yellow": (220, 220, 20),
    "white": (245, 245, 245),
    "black": (10, 10, 10),
}
NAMES = {
    "red": ("red", "أحمر", "rouge", "rosso"),
    "green": ("green", "أخضر", "vert", "verde"),
    "blue": ("blue", "أزرق", "bleu", "blu"),
    "yellow": ("yellow", "أصفر", "jaune", "giallo"),
    "white": ("white", "أبيض", "blanc", "bianco"),
    "black": ("black", "أسود", "noir", "nero"),
}


def _basis() -> np.ndarray:
    """(3, D): three orthonormal rows, one per colour channel."""
    rows, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, 3)))
    return rows.T.astype(np.float32)


def _write_image_tower(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Sub", ["mean", "middle"], ["centred"]),
        helper.make_node("MatMul", ["centred", "basis"], ["raw"]),
        helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=-1, p=2),
    ]
    constants = [
        numpy_helper.from_array(np.float32(127.4), "middle"),
        numpy_helper.from_array(_basis(), "basis"),
    ]
    inputs = [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", SIDE, SIDE, 3])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSION])]
    _save(onnx, helper.make_graph(nodes, "image", inputs, outputs, constants), path)


def _write_text_tower(path: Path, table: np.ndarray) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Gather", ["table", "tokens"], ["rows"], axis=0),
        helper.make_node("ReduceSum", ["rows", "along"], ["raw"], keepdims=0),
        helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=-1, p=2),
    ]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "along")]
    inputs = [helper.make_tensor_value_info("tokens", TensorProto.INT64, ["n", "length"])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSION])]
    _save(onnx, helper.make_graph(nodes, "text", inputs, outputs, constants), path)


def _save(onnx: object, graph: object, path: Path) -> None:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the bundle."""
    from geoglot.text.tokenizer import Tokenizer

    folder = tmp_path_factory.mktemp("bundle")
    words = [word for several in NAMES.values() for word in several]
    tokenizer = Tokenizer.train([f"{word} field" for word in words] * 4, vocabulary_size=2000)
    table = np.random.default_rng(1).normal(scale=0.02, size=(tokenizer.size, DIMENSION)).astype(np.float32)
    table[0] = 0
    for colour, several in NAMES.items():
        direction = (np.array(COLOURS[colour], np.float32) - 127.4) @ _basis()
        for word in several:
            ids = tokenizer.encode([word])[0]
            assert len(ids) == 1, f"{word} is not one token"
            table[ids[0]] = direction / np.linalg.norm(direction)
    tokenizer.save(folder / "tokenizer.json")
    _write_image_tower(folder / "image.onnx")
    _write_text_tower(folder / "text.onnx", table)
    ids = [int(tokenizer.encode([word])[0][0]) for word in words]
    np.save(folder / "neutral.npy", table[ids].astype(np.float16), allow_pickle=False)
    names = ("image.onnx", "text.onnx", "tokenizer.json", "neutral.npy")
    contents = {name: (folder / name).read_bytes() for name in names}
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()}
    manifest = {
        "format": 1,
        "id": "colours-1",
        "dimension": DIMENSION,
        "side": SIDE,
        "languages": ["en", "ar", "fr", "it"],
        "max_length": 32,
        "preprocessing": 1,
        # Four of the ten best rows show a colour that is there (evidence 2 - 1/3 each), the others fit another colour
        # better (2/3 - 1); of a colour that is not there all ten do.
        "confidence": {"text": {"likely": 0.3, "uncertain": 0.0}, "picture": {"likely": 0.5, "uncertain": 0.4}},
        "card": {"licence": "Apache-2.0"},
        "files": files,
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def colour_matcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a matcher: pictures are of the same kind when their mean colours are near.

    The logit of a pair is 5 - (|r - r'| + |g - g'| + |b - b'|) / 10 of its mean colours, so 5 for equal ones. A
    probability is 1 / (1 + exp(-(2 logit + 1))).
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("matcher")
    value = helper.make_tensor_value_info
    mean = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["left"], axes=[1, 2], keepdims=0),
        helper.make_node("Add", ["left", "one"], ["right"]),
    ]
    inputs = [value("pixels", TensorProto.UINT8, ["n", 40, 40, 3])]
    sides = [value(name, TensorProto.FLOAT, ["n", 3]) for name in ("left", "right")]
    one = numpy_helper.from_array(np.float32([10 / 3] * 3), "one")
    _save(onnx, helper.make_graph(mean, "image", inputs, sides, [one]), folder / "image.onnx")
    distance = [
        helper.make_node("Sub", ["left", "right"], ["gap"]),
        helper.make_node("Add", ["gap", "one"], ["plain"]),
        helper.make_node("Abs", ["plain"], ["size"]),
        helper.make_node("ReduceSum", ["size", "along"], ["sum"], keepdims=0),
        helper.make_node("Div", ["sum", "ten"], ["tenths"]),
        helper.make_node("Sub", ["five", "tenths"], ["logits"]),
    ]
    constants = [
        one,
        numpy_helper.from_array(np.array([1]), "along"),
        numpy_helper.from_array(np.float32(10), "ten"),
        numpy_helper.from_array(np.float32(5), "five"),
    ]
    pairs = [value(name, TensorProto.FLOAT, ["p", 3]) for name in ("left", "right")]
    logits = [value("logits", TensorProto.FLOAT, ["p"])]
    _save(onnx, helper.make_graph(distance, "similarity", pairs, logits, constants), folder / "similarity.onnx")
    contents = {name: (folder / name).read_bytes() for name in ("image.onnx", "similarity.onnx")}
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()}
    manifest = {
        "format": 2,
        "kind": "matcher",
        "id": "colour-matcher-1",
        "method": "colours",
        "side": 40,
        "calibration": {"scale": 2.0, "offset": 1.0, "same": 0.9, "different": 0.2},
        "card": {"licence": "Apache-2.0"},
        "files": files,
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six photos of one colour each and one georeferenced scene of 4 x 4 coloured fields of 64 px."""
    import rasterio
    from rasterio import Affine

    folder = tmp_path_factory.mktemp("painted")
    noise = np.random.default_rng(2)
    for name, colour in COLOURS.items():
        pixels = np.clip(np.array(colour) + noise.integers(-9, 10, (48, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    fields = [*COLOURS.values(), *list(COLOURS.values())[:4], *COLOURS.values()]
    scene = np.zeros((3, 256, 256), np.uint8)
    for number, colour in enumerate(fields):
        row, column = divmod(number, 4)
        scene[:, row * 64 : row * 64 + 64, column * 64 : column * 64 + 64] = np.array(colour)[:, None, None]
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(folder / "scene.tif", "w", **profile, transform=transform, photometric="RGB") as file:
        file.write(scene)
    return folder
