"""A pickled checkpoint is converted in a child process, and a hostile one does nothing."""

from __future__ import annotations

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from geoglot.cli.main import main
from geoglot.core.errors import DataError, UsageError
from geoglot.engine.conversion import convert
from geoglot.engine.conversion_child import weights_in


class CreatesFile:
    """Unpickled in the ordinary way, this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return open, (self.path, "w")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_training_state_becomes_its_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = torch.arange(6.0)
    weights = OrderedDict(a=shared[:3], b=shared[3:], half=torch.ones(2, 2).half())
    torch.save({"epoch": 3, "state_dict": weights, "optimizer": {"lr": 0.1}}, tmp_path / "state.pt")
    assert main(["convert-checkpoint", str(tmp_path / "state.pt"), str(tmp_path / "out.safetensors")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out.safetensors")
    loaded = load_file(tmp_path / "out.safetensors")
    assert sorted(loaded) == ["a", "b", "half"]
    for name, tensor in weights.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
    assert leftovers(tmp_path) == ["out.safetensors", "state.pt"]


@pytest.mark.parametrize("kind", ["plain pickle", "torch.save", "inside the weights"])
def test_a_hostile_pickle_does_nothing(tmp_path: Path, kind: str) -> None:
    evil = CreatesFile(tmp_path / "owned")
    source = tmp_path / "evil.pt"
    if kind == "plain pickle":
        source.write_bytes(pickle.dumps(evil))
    elif kind == "torch.save":
        torch.save(evil, source)
    else:
        torch.save({"state_dict": {"a": torch.ones(1), "b": evil}}, source)
    with pytest.raises(DataError, match=r"evil\.pt"):
        convert(source, tmp_path / "out.safetensors")
    assert leftovers(tmp_path) == ["evil.pt"]
    pickle.loads(pickle.dumps(evil)).close()  # the pickle would have worked
    assert (tmp_path / "owned").exists()


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "ViT-B-32.pt"))
    with pytest.raises(DataError, match="TorchScript program") as caught:
        convert(tmp_path / "ViT-B-32.pt", tmp_path / "out.safetensors")
    assert "openai" in caught.value.remedy
    assert leftovers(tmp_path) == ["ViT-B-32.pt"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is not a checkpoint"),
        (b"\x80\x02garbage", r"was not opened|is not a checkpoint"),
        (b"PK\x03\x04 half an archive", r"was not opened|is not a checkpoint"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(DataError, match=cause):
        convert(tmp_path / "a.pt", tmp_path / "out.safetensors")
    assert leftovers(tmp_path) == ["a.pt"]


def test_memory_is_bounded(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(DataError):
        convert(tmp_path / "a.pt", tmp_path / "out.safetensors", memory_bytes=1 << 20)
    assert leftovers(tmp_path) == ["a.pt"]


def test_time_is_bounded(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(DataError, match="took longer"):
        convert(tmp_path / "a.pt", tmp_path / "out.safetensors", seconds=0.01)
    assert leftovers(tmp_path) == ["a.pt"]


def test_targets_and_sources_are_checked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pt")
    (tmp_path / "there.safetensors").touch()
    with pytest.raises(UsageError, match="exists already"):
        convert(tmp_path / "a.pt", tmp_path / "there.safetensors")
    with pytest.raises(UsageError, match=r"does not end in \.safetensors"):
        convert(tmp_path / "a.pt", tmp_path / "out.pt")
    with pytest.raises(DataError, match="is not a file"):
        convert(tmp_path / "none.pt", tmp_path / "out.safetensors")


def test_no_tensors_is_an_error(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(DataError, match="no named tensors"):
        convert(tmp_path / "a.pt", tmp_path / "out.safetensors")
    assert weights_in([torch.ones(1)]) == {}
