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


CAPTIONER_SIDE = 40
CAPTIONER_WORDS = (
    "a",
    "field",
    "un",
    "champ",
    *[names[0] for names in NAMES.values()],
    *[n[2] for n in NAMES.values()],
)


@pytest.fixture(scope="session")
def colour_captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a captioner: "a red field", "un champ rouge", by the nearest named colour to the mean one.

    A word of the frame has the probability 1 - 4e-7 or so; that of a colour k is the softmax of
    (2 c . c_k - |c_k|^2) / 500 over the six colours, which are the attributes, too.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("captioner")
    value, node, constant = helper.make_tensor_value_info, helper.make_node, numpy_helper.from_array
    mean = [
        node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        node("ReduceMean", ["floats"], ["mean"], axes=[1, 2], keepdims=0),
        node("Unsqueeze", ["mean", "last"], ["maps"]),
    ]
    pixels = value("pixels", TensorProto.UINT8, ["n", CAPTIONER_SIDE, CAPTIONER_SIDE, 3])
    maps = value("maps", TensorProto.FLOAT, ["n", 3, 1, 1])
    graph = helper.make_graph(mean, "image", [pixels], [maps], [constant(np.array([2, 3]), "last")])
    _save(onnx, graph, folder / "image.onnx")

    colours = np.array(list(COLOURS.values()), np.float32)
    beginning = [
        node("Squeeze", ["maps", "last"], ["mean"]),
        node("MatMul", ["mean", "colours"], ["products"]),
        node("Sub", ["products", "sizes"], ["context.colour"]),
        node("Softmax", ["context.colour"], ["context.attributes"], axis=1),
        node("Identity", ["languages"], ["context.language"]),
        node("Sub", ["languages", "languages"], ["state.place"]),
    ]
    constants = [
        constant(np.array([2, 3]), "last"),
        constant(colours.T / 250, "colours"),
        constant((colours**2).sum(1) / 500, "sizes"),
    ]
    outputs = [
        value("context.colour", TensorProto.FLOAT, ["n", 6]),
        value("context.attributes", TensorProto.FLOAT, ["n", 6]),
        value("context.language", TensorProto.INT64, ["n"]),
        value("state.place", TensorProto.INT64, ["n"]),
    ]
    languages = value("languages", TensorProto.INT64, ["n"])
    graph = helper.make_graph(beginning, "start", [maps, languages], outputs, constants)
    _save(onnx, graph, folder / "start.onnx")

    words = {word: number for number, word in enumerate(CAPTIONER_WORDS, 4)}
    frames = (("a", None, "field", "</s>"), ("un", "champ", None, "</s>"))
    base = np.full((8, len(words) + 4), -18.0, np.float32)
    slots = np.zeros((2, 6, len(words) + 4), np.float32)
    open_slot = np.zeros((8, 1), np.float32)
    for language, frame in enumerate(frames):
        for place, word in enumerate(frame):
            if word is None:
                base[language * 4 + place], open_slot[language * 4 + place] = -2000.0, 1.0
                base[language * 4 + place, [words[names[2 * language]] for names in NAMES.values()]] = 0.0
            else:
                base[language * 4 + place, words.get(word, 2)] = 0.0
        for number, names in enumerate(NAMES.values()):
            slots[language, number, words[names[2 * language]]] = 1.0
    step = [
        node("Mul", ["context.language", "four"], ["first"]),
        node("Add", ["first", "state.place"], ["row"]),
        node("Gather", ["base", "row"], ["frame"], axis=0),
        node("Gather", ["open", "row"], ["is_open"], axis=0),
        node("Gather", ["slots", "context.language"], ["names"], axis=0),
        node("Unsqueeze", ["context.colour", "middle"], ["colour"]),
        node("MatMul", ["colour", "names"], ["named"]),
        node("Squeeze", ["named", "middle"], ["flat"]),
        node("Mul", ["flat", "is_open"], ["said"]),
        node("Add", ["said", "frame"], ["logits"]),
        node("LogSoftmax", ["logits"], ["log_probabilities"], axis=1),
        node("Add", ["state.place", "one"], ["next.place"]),
    ]
    constants = [
        constant(np.array(4), "four"),
        constant(np.array(1), "one"),
        constant(np.array([1]), "middle"),
        constant(base, "base"),
        constant(open_slot, "open"),
        constant(slots, "slots"),
    ]
    inputs = [
        value("context.colour", TensorProto.FLOAT, ["r", 6]),
        value("context.language", TensorProto.INT64, ["r"]),
        value("state.place", TensorProto.INT64, ["r"]),
    ]
    outputs = [
        value("log_probabilities", TensorProto.FLOAT, ["r", len(words) + 4]),
        value("next.place", TensorProto.INT64, ["r"]),
    ]
    _save(onnx, helper.make_graph(step, "step", inputs, outputs, constants), folder / "step.onnx")

    vocabulary = {"kind": "captions", "max_length": 8, "size": len(words) + 4, "words": list(CAPTIONER_WORDS)}
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    files = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()}
    manifest = {
        "format": 2,
        "kind": "captioner",
        "id": "colour-captioner-1",
        "method": "colours",
        "side": CAPTIONER_SIDE,
        "languages": ["en", "fr"],
        "max_length": 8,
        "attributes": list(COLOURS),
        "confidence": {"en": 0.5},
        "card": {"licence": "Apache-2.0"},
        "files": files,
    }
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def waves(colour: tuple[int, int, int], height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """A picture of one colour with soft waves: something is to be seen on it, and its mean is the colour."""
    down, across = np.mgrid[0:height, 0:width]
    phase = np.random.default_rng(seed).uniform(0, 6.28, 2)
    relief = 18 * np.sin(across / 7 + phase[0]) + 18 * np.sin(down / 9 + phase[1])
    return np.clip(np.array(colour)[None, None] + relief[:, :, None], 0, 255).astype(np.uint8)


@pytest.fixture
def orange(tmp_path: Path) -> Path:
    """A photo whose colour is as far from red as from yellow."""
    Image.fromarray(waves((220, 120, 20))).save(tmp_path / "orange.png")
    return tmp_path / "orange.png"


@pytest.fixture(scope="session")
def wavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three photos and one scene of 4 x 4 fields of 64 px.

    The fields of the scene, row by row: red, green, blue, red; then one plain black, one of noise, and green to the
    end of the second row; the rest are blue, the last one nodata.
    """
    import rasterio
    from rasterio import Affine

    folder = tmp_path_factory.mktemp("wavy")
    for number, name in enumerate(("red", "green", "blue")):
        Image.fromarray(waves(COLOURS[name], seed=number)).save(folder / f"{name}.png")
    names = ["red", "green", "blue", "red", "black", "noise", "green", "green", *["blue"] * 7, "nodata"]
    scene = np.zeros((3, 256, 256), np.uint8)
    for number, name in enumerate(names):
        row, column = divmod(number, 4)
        where = (slice(None), slice(row * 64, row * 64 + 64), slice(column * 64, column * 64 + 64))
        if name == "noise":
            scene[where] = np.random.default_rng(3).integers(1, 256, (3, 64, 64))
        elif name == "black":
            scene[where] = 10
        elif name != "nodata":
            scene[where] = np.maximum(waves(COLOURS[name], seed=number), 1).transpose(2, 0, 1)
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8", "crs": "EPSG:32632"}
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    target = folder / "scene.tif"
    with rasterio.open(target, "w", **profile, nodata=0, transform=transform, photometric="RGB") as file:
        file.write(scene)
    return folder
