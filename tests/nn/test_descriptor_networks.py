"""Networks of the CNN descriptors: values recorded from the reference, weights that load, and those that do not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.methods.descriptors import backbone, googlenet, netvlad, resnet50, vgg16
from geoglot.nn.backbone import build_backbone
from geoglot.nn.googlenet import GoogLeNet
from geoglot.nn.network_descriptor import NetworkDescriptor, read_weights, with_weights
from geoglot.nn.resnet import ResNet
from geoglot.nn.vgg import VGG16

WIDTHS = (4, 4, 8, 8, 8)
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def filled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights everywhere: cos(0.37 i^2 + place among the sorted names), scaled as such layers are."""
    found = {}
    names = sorted(name for name in state if not name.endswith("num_batches_tracked"))
    for place, name in enumerate(names):
        tensor = state[name]
        index = torch.arange(tensor.numel(), dtype=torch.float64) % 10007
        values = torch.cos(0.37 * index**2 + place)
        if name.endswith("running_var"):
            values = 1 + values / 2
        elif tensor.ndim > 1:
            values = values * (2 / tensor[0].numel()) ** 0.5
        elif "bn" in name and name.endswith("weight"):
            values = 1 + values / 4
        else:
            values = values / 10
        found[name] = values.reshape(tensor.shape).float()
    return found


def pixels() -> Tensor:
    index = torch.arange(2 * 3 * 64 * 64, dtype=torch.float64) % 10007
    return torch.cos(0.37 * index**2).reshape(2, 3, 64, 64).float()


@torch.no_grad()
def test_googlenet_as_the_reference() -> None:
    # torchvision 0.28.0 (torch 2.13.0): GoogLeNet(num_classes=3, aux_logits=False, transform_input=False), fc replaced
    # by the identity. Its fc.bias and fc.weight come last in the sorted names, so ours have the same places.
    network = GoogLeNet().eval()
    state = dict(network.state_dict())
    reference = filled({**state, "fc.weight": torch.zeros(3, 1024), "fc.bias": torch.zeros(3)})
    network.load_state_dict({name: tensor for name, tensor in reference.items() if name in state}, strict=False)
    found = network(pixels())
    first = [0.0, 0.0, 0.11408, 0.0056, 0.09938, 0.01306, 0.07612, 0.0]
    second = [0.0, 0.0431, 0.2522, 0.05046, 0.0, 0.0, 0.1052, 0.0]
    torch.testing.assert_close(found[0, ::128], torch.tensor(first), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found[1, 7::128], torch.tensor(second), atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_vgg_as_the_reference() -> None:
    # torchvision 0.28.0: VGG of make_layers with these widths, classifier 392 -> 64 -> 64 -> 3, cut after 5 parts.
    network = VGG16(WIDTHS, 64).eval()
    state = dict(network.state_dict())
    reference = filled({**state, "classifier.6.weight": torch.zeros(3, 64), "classifier.6.bias": torch.zeros(3)})
    network.load_state_dict({name: tensor for name, tensor in reference.items() if name in state})
    found = network(pixels())
    first = [0.0, 0.06711, 0.01708, 0.0, 0.01181, 0.0, 0.16978, 0.08993]
    second = [0.07516, 0.0, 0.0, 0.0, 0.0, 0.0459, 0.0, 0.0]
    torch.testing.assert_close(found[0, ::8], torch.tensor(first), atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(found[1, 3::8], torch.tensor(second), atol=2e-5, rtol=1e-4)
    maps = [0.01036, 0.03892, 0.01055, -0.04637, 0.05245, -0.17349, 0.12317, 0.10957]
    torch.testing.assert_close(network.last_maps(pixels())[0, :, 1, 2], torch.tensor(maps), atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_resnet_as_the_reference() -> None:
    # torchvision 0.28.0: resnet50(num_classes=3), fc replaced by the identity.
    network = ResNet("resnet50").eval()
    state = dict(network.state_dict())
    reference = filled({**state, "fc.weight": torch.zeros(3, 2048), "fc.bias": torch.zeros(3)})
    network.load_state_dict({name: tensor for name, tensor in reference.items() if name in state}, strict=False)
    found = resnet50.pooled(network, pixels())
    expected = [1.44552, 0.17177, 0.36296, 0.07386, 0.13024, 0.14721, 0.05969, 0.15328]
    torch.testing.assert_close(found[0, ::256], torch.tensor(expected), atol=2e-5, rtol=1e-4)


def weights_of(network: nn.Module, beyond: dict[str, Tensor] | None = None) -> dict[str, Tensor]:
    return {**filled(dict(network.state_dict())), **(beyond or {})}


CLASSIFIER = {"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3)}


@pytest.mark.parametrize(
    ("method", "tensors", "sizes"),
    [
        (googlenet, weights_of(GoogLeNet(8), {**CLASSIFIER, "aux1.fc1.bias": torch.zeros(2)}), {"shrink": 8}),
        (
            vgg16,
            weights_of(VGG16(WIDTHS, 12), {"classifier.6.weight": torch.zeros(3, 12)}),
            {"widths": WIDTHS, "hidden": 12},
        ),
        (resnet50, weights_of(ResNet("resnet18"), CLASSIFIER), {"network": "resnet18"}),
    ],
    ids=["googlenet", "vgg16", "resnet50"],
)
def test_a_file_of_weights_is_used(tmp_path: Path, method: Any, tensors: dict[str, Tensor], sizes: Any) -> None:
    file = tmp_path / "weights.safetensors"
    save_file(tensors, file)
    model = method.Model(method.Config(weights=str(file), side=64, **sizes))
    again = method.Model(method.Config(weights=str(file), side=64, **sizes))
    untrained = method.Model(method.Config(weights="untrained", side=64, **sizes))
    row = model.describe([PICTURE])
    np.testing.assert_array_equal(row, again.describe([PICTURE]))
    assert not np.allclose(row, untrained.describe([PICTURE]))
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith(("conv1", "features.0"))}
    save_file(lacking, file)
    with pytest.raises(DataError, match=r"no tensor '(conv1|features\.0)"):
        method.Model(method.Config(weights=str(file), side=64, **sizes))
    save_file({**tensors, "stranger.weight": torch.zeros(2)}, file)
    with pytest.raises(DataError, match=r"stranger\.weight"):
        method.Model(method.Config(weights=str(file), side=64, **sizes))


def test_vgg_of_timm_is_the_same(tmp_path: Path) -> None:
    ours = weights_of(VGG16(WIDTHS, 12))
    names = {"classifier.0.": ("pre_logits.fc1.", (12, 8, 7, 7)), "classifier.3.": ("pre_logits.fc2.", (12, 12, 1, 1))}
    theirs = {"head.fc.weight": torch.zeros(3, 12)}
    for name, tensor in ours.items():
        for old, (new, shape) in names.items():
            if name.startswith(old):
                name, tensor = name.replace(old, new), tensor.reshape(shape) if tensor.ndim == 2 else tensor
        theirs[name] = tensor
    rows = []
    for place, tensors in enumerate((ours, theirs)):
        file = tmp_path / f"{place}.safetensors"
        save_file(tensors, file)
        model = vgg16.Model(vgg16.Config(weights=str(file), side=48, widths=WIDTHS, hidden=12))
        rows.append(model.describe([PICTURE]))
    np.testing.assert_array_equal(*rows)


def test_colours_are_normalised_as_in_training() -> None:
    seen = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return images.mean((2, 3))

    model = NetworkDescriptor(network, dimension=3, side=2, mean=(0.5, 0.25, 0), deviation=(0.5, 0.25, 1))
    picture = np.broadcast_to(np.array([255, 0, 51], np.uint8), (2, 2, 3))
    # (1 - .5) / .5, (0 - .25) / .25, 51 / 255
    np.testing.assert_allclose(model.describe([picture]), [[1, -1, 0.2]], rtol=1e-6)
    assert seen[0].shape == (1, 3, 2, 2)


def test_sources_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not given") as caught:
        googlenet.Model()
    assert "convert-checkpoint" in caught.value.remedy
    (tmp_path / "a.pth").write_bytes(b"pickle")
    with pytest.raises(DataError, match="never loaded"):
        read_weights(str(tmp_path / "a.pth"))
    (tmp_path / "a.safetensors").write_bytes(b"cut")
    for name in ("a.safetensors", "none.safetensors"):
        with pytest.raises(DataError, match="not a readable checkpoint"):
            read_weights(str(tmp_path / name))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for method in (vgg16, resnet50, netvlad):
        with pytest.raises(UsageError, match="huggingface_hub, which is not installed"):
            method.Model()


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*_: object) -> str:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(DataError, match="cannot be downloaded"):
        resnet50.Model()


def test_untrained_leaves_the_seed_of_others_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with_weights(lambda: nn.Linear(2, 2), "untrained")
    assert torch.equal(torch.rand(1), expected)


def run_folder(folder: Path, tensors: dict[str, Tensor], recipe: str) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "checkpoint.safetensors")
    (folder / "recipe.json").write_text(recipe)
    return folder


def test_backbone_of_a_run(tmp_path: Path) -> None:
    network = build_backbone("compact", channels=(4, 4, 4, 6))
    state = filled(dict(network.state_dict()))
    tensors = {name.replace("network.network.", "image.network."): tensor for name, tensor in state.items()}
    others = {"text.weight": torch.zeros(2), "image.projection.weight": torch.zeros(2)}
    recipe = '{"method": "compact", "config": {"channels": [4, 4, 4, 6]}}'
    run = run_folder(tmp_path / "run", {**tensors, **others}, recipe)
    model = backbone.Model(backbone.Config(source=str(run), side=64))
    network.load_state_dict(state, strict=False)
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = network.eval()(image)[-1].mean((2, 3))
    np.testing.assert_allclose(model.describe([picture]), expected, rtol=1e-5, atol=1e-6)
    assert model.dimension == 6
    other = run_folder(tmp_path / "other", tensors, '{"method": "scan", "config": {}}')
    with pytest.raises(DataError, match="run of scan"):
        backbone.Model(backbone.Config(source=str(other)))
    damaged = run_folder(tmp_path / "damaged", tensors, "{")
    with pytest.raises(DataError, match=r"recipe\.json"):
        backbone.Model(backbone.Config(source=str(damaged)))


def test_backbone_of_the_shipped_bundle() -> None:
    from geoglot.geo.resample import to_square
    from geoglot.models.bundle import load_bundle

    bundle = load_bundle("compact")
    expected = bundle.encode_images(to_square(PICTURE, bundle.side)[None])
    model = backbone.Model()
    np.testing.assert_allclose(model.describe([PICTURE]), expected, atol=1e-6)
    assert model.dimension == 256
    with pytest.raises(UsageError, match="side 64"):
        backbone.Model(backbone.Config(side=64))
    with pytest.raises(UsageError, match="neither a bundle nor a run"):
        backbone.Model(backbone.Config(source="compacd"))


def test_net_vlad_is_vlad_of_soft_shares() -> None:
    random = np.random.default_rng(1)
    local, words = (random.normal(size=shape).astype(np.float32) for shape in ((7, 3), (4, 3)))
    assignment, bias = netvlad.assignment_of(words, 0.7)
    expected = np.zeros((4, 3))
    for x in local:
        shares = np.array([np.exp(-0.7 * ((x - c) ** 2).sum()) for c in words])
        for k in range(4):
            expected[k] += shares[k] / shares.sum() * (x - words[k])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(netvlad.net_vlad(local, words, assignment, bias), expected.ravel(), atol=1e-5)


def test_net_vlad_keeps_as_many_numbers_as_the_pictures_allow() -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 48, 3), dtype=np.uint8) for _ in range(8)]
    model = netvlad.Model(netvlad.Config(**netvlad.SMALL))
    with pytest.raises(UsageError, match="no projection"):
        model.describe(pictures)
    with pytest.raises(DataError, match="too few"):
        model.fit(pictures[:1])
    model.fit(pictures)
    assert model.dimension == 7
    rows = model.describe(pictures)
    assert rows.shape == (8, 7)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    other = netvlad.Model(netvlad.Config(**netvlad.SMALL))
    other.load(model.state())
    assert other.dimension == 7


def test_net_vlad_takes_a_given_layer(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (48, 48, 3), dtype=np.uint8) for _ in range(5)]
    layer = {"words": torch.rand(3, 8), "assignment": torch.rand(3, 8), "bias": torch.rand(3)}
    save_file(layer, tmp_path / "layer.safetensors")
    changes = {**netvlad.SMALL, "clusters": str(tmp_path / "layer.safetensors")}
    model = netvlad.Model(netvlad.Config(**changes))
    model.fit(pictures)
    for name, tensor in layer.items():
        np.testing.assert_array_equal(model.state()[name], tensor)
    with pytest.raises(DataError, match="words"):
        netvlad.Model(netvlad.Config(**{**changes, "words": 4})).fit(pictures)
