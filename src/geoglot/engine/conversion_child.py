"""The process that opens a pickled checkpoint: limited, and expendable.

Run as ``python -m geoglot.engine.conversion_child SOURCE TARGET MEMORY_BYTES SECONDS``. It answers one line of JSON:
the number of tensors written, or what is wrong.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WRAPPERS = ("state_dict", "model", "model_state_dict", "ema", "module")
"""Under which names a training state keeps its weights."""


def limit_resources(memory_bytes: int, seconds: int) -> None:
    """Bound memory and processor time; no core dumps. Does nothing where the system cannot."""
    try:
        import resource
    except ImportError:
        return
    for name, value in (("RLIMIT_CORE", 0), ("RLIMIT_AS", memory_bytes), ("RLIMIT_CPU", seconds)):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (bound, bound))
        except (OSError, ValueError):
            continue  # macOS refuses some of these limits; the parent's clock still holds


def weights_in(loaded: Any) -> dict[str, Tensor]:
    """The named tensors of what was read, at top level or in the usual wrappers.

    Example:
        >>> sorted(weights_in({"epoch": 3, "state_dict": {"a": torch.ones(1), "step": 7}}))
        ['a']
    """
    while isinstance(loaded, Mapping):
        inner = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, Mapping):
        return {}
    return {name: value for name, value in loaded.items() if isinstance(name, str) and isinstance(value, Tensor)}


def convert(source: Path, target: Path) -> dict[str, Any]:
    """Read, keep the tensors, write; the answer as a record."""
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        words = str(error).split("WeightsUnpickler error:")[-1].strip().splitlines()
        return {"cause": f"holds more than tensors and was not opened ({(words or ['?'])[0][:160]})"}
    except MemoryError:
        return {"cause": "needs more memory than a conversion may use"}
    except Exception as error:  # noqa: BLE001 (a user's file can be broken in any way; the parent reports it)
        if "memory" in str(error).lower():
            return {"cause": "needs more memory than a conversion may use"}
        return {"cause": f"is not a checkpoint of torch.save ({' '.join(str(error).split())[:160]})"}
    tensors = weights_in(loaded)
    if not tensors:
        return {"cause": "holds no named tensors"}
    from safetensors.torch import save_file

    # Tensors that share memory are written one by one: the format has no shared storage.
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, target)
    return {"tensors": len(tensors)}


if __name__ == "__main__":
    limit_resources(int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(convert(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
