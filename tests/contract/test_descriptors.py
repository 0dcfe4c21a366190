"""What every descriptor must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from geoglot.core import registry
from geoglot.core.descriptor import Descriptor
from geoglot.core.errors import DataError
from geoglot.core.method import MethodCard

PACKAGE = "geoglot.methods.descriptors"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")


@dataclass(frozen=True)
class Case:
    """A file and one of its small configurations."""

    module: ModuleType
    changes: dict[str, Any]

    def new(self) -> Descriptor:
        model: Descriptor = self.module.Model(self.module.Config(**{**self.module.SMALL, **self.changes}))
        return model


def cases() -> list[Any]:
    found = []
    for name in registry.names(PACKAGE):
        module = registry.load(PACKAGE, name)
        for variant, changes in getattr(module, "SMALL_VARIANTS", {"": {}}).items():
            found.append(pytest.param(Case(module, changes), id=f"{name} {variant}".strip()))
    return found


@pytest.fixture(params=cases())
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


def pictures(seed: int, count: int = 6) -> list[NDArray[np.uint8]]:
    """Smooth stripes of many directions with some noise; every picture has another size."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        height, width = random.integers(40, 90, 2)
        rows, columns = np.mgrid[:height, :width]
        tilt, length = random.uniform(0, np.pi), random.uniform(4, 20)
        wave = np.sin((np.cos(tilt) * rows + np.sin(tilt) * columns) * 2 * np.pi / length)
        colours = random.uniform(30, 100, 3)
        noise = random.normal(0, 8, (height, width, 3))
        found.append(np.clip(128 + wave[..., None] * colours + noise, 0, 255).astype(np.uint8))
    return found


@pytest.fixture
def model(case: Case) -> Descriptor:
    found = case.new()
    found.fit(pictures(0, 12))
    return found


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind == "descriptor"
    for variant in method.METHOD.variants:
        assert method.paper_parameters(variant) >= 0


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line]
    assert arrows
    for name in arrows:
        assert name.split(".")[-1] in defined or name.startswith("nn."), name


def test_rows_have_the_length_that_was_told(model: Descriptor) -> None:
    rows = model.describe(pictures(1))
    assert rows.dtype == np.float32
    assert rows.shape == (6, model.dimension)
    assert len(np.unique(rows, axis=0)) == 6
    assert model.describe([]).shape == (0, model.dimension)


def test_pictures_without_structure_have_finite_rows(model: Descriptor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    flat = [np.full((64, 64, 3), value, np.uint8) for value in (0, 127, 255)]
    assert np.isfinite(model.describe([*flat, noise])).all()


def test_extreme_sizes_are_taken(model: Descriptor) -> None:
    shapes = (1, 1), (1, 200), (200, 1), (64, 64), (3, 500)
    rows = model.describe([np.full((*shape, 3), 90, np.uint8) for shape in shapes])
    # One flat colour looks the same at any size.
    np.testing.assert_allclose(rows, np.broadcast_to(rows[:1], rows.shape), atol=1e-5)


def test_views_are_taken_as_their_copies(model: Descriptor) -> None:
    turned = [picture[::-1, ::-1] for picture in pictures(1)]
    np.testing.assert_array_equal(model.describe(turned), model.describe([turn.copy() for turn in turned]))


def test_the_same_fit_gives_the_same_rows(case: Case, model: Descriptor) -> None:
    again = case.new()
    again.fit(pictures(0, 12))
    np.testing.assert_array_equal(again.describe(pictures(1)), model.describe(pictures(1)))


def test_a_row_depends_on_its_own_picture_alone(model: Descriptor) -> None:
    given = pictures(1)
    together = model.describe(given)
    alone = np.concatenate([model.describe([picture]) for picture in given])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.describe(given[::-1]), together[::-1], rtol=1e-4, atol=1e-5)


def test_fit_looks_at_nothing_but_its_pictures(case: Case, model: Descriptor) -> None:
    before = {name: array.copy() for name, array in model.state().items()}
    given = pictures(2)
    kept = [picture.copy() for picture in given]
    model.describe(given)
    assert all(np.array_equal(a, b) for a, b in zip(given, kept, strict=True))
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])
    # A second fit forgets the first.
    other = case.new()
    other.fit(pictures(2, 12))
    model.fit(pictures(2, 12))
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, other.state()[name])


def test_state_goes_to_another_descriptor(case: Case, model: Descriptor) -> None:
    state = model.state()
    assert all(isinstance(array, np.ndarray) and array.dtype != object for array in state.values())
    other = case.new()
    other.load(state)
    np.testing.assert_array_equal(other.describe(pictures(1)), model.describe(pictures(1)))
    with pytest.raises(DataError, match="stranger"):
        case.new().load({**state, "stranger": np.zeros(3, np.float32)})
    for name in state:
        with pytest.raises(DataError, match=name):
            case.new().load({other: array for other, array in state.items() if other != name})
        with pytest.raises(DataError, match=name):
            case.new().load({**state, name: np.zeros((1, 1, 1, 1), np.float32)})


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(model: Descriptor, wrong: NDArray[np.generic]) -> None:
    with pytest.raises(DataError, match="picture 1"):
        model.describe([pictures(0, 1)[0], wrong])
