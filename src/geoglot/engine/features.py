"""Stage maps of a frozen backbone, computed once and kept on disk.

``CACHE/<dataset>-<split>-<side>-<key>/stage<k>-{plain,mirrored}.npy``: float16 arrays (N, C, H, W) that are
memory-mapped. The key is made of the backbone's weights and of the image files. A file is there whole or not at all,
so an interrupted run leaves nothing that a later one could mistake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError, GeoglotError
from geoglot.core.runs import whole_file, write_json
from geoglot.engine.composition import weights_digest
from geoglot.engine.images import CachedPyramids
from geoglot.engine.pairs import load_pictures
from geoglot.nn.backbone import Backbone

VIEWS: Final = ("plain", "mirrored")
TOGETHER: Final = 32
LAST_STAGE: Final = (3,)

Progress = Callable[[int, int], None]


class FeatureCache:
    """Stage maps of one backbone at one side.

    Args:
        folder: Where maps are kept; made when needed.
        backbone: Evaluated as it is; it is put into evaluation mode.
        side: Pixels per side that pictures are resized to.
        stages: Which stage maps are kept, counted from 0, the finest; the others are given without pixels.
        device: Where the backbone works.
    """

    def __init__(
        self,
        folder: Path,
        backbone: Backbone,
        *,
        side: int,
        stages: Sequence[int] = LAST_STAGE,
        device: str = "cpu",
    ) -> None:
        self.folder, self.side, self.device = folder, side, device
        self.backbone = backbone.eval().to(device)
        self.stages = tuple(sorted(set(stages)))
        self.sha256 = weights_digest(backbone)

    def pyramids(
        self,
        paths: Sequence[Path],
        name: str,
        *,
        mirrored: bool = False,
        progress: Progress = lambda done, total: None,
    ) -> CachedPyramids:
        """Maps of pictures, from disk where they are there.

        Args:
            paths: The pictures.
            name: Dataset and split, for the folder's name.
            mirrored: The maps of the mirror images too.
            progress: Called with (pictures done, pictures in all) while maps are computed.

        Raises:
            DataError: A picture cannot be read.
            GeoglotError: A map is not finite.
        """
        folder = self.folder / f"{name}-{self.side}-{self._key(paths)}"
        views = VIEWS if mirrored else VIEWS[:1]
        for view in views:
            missing = [k for k in self.stages if not self._file(folder, k, view).is_file()]
            if missing:
                self._compute(folder, paths, missing, view, progress)
        loaded = [[self._open(folder, k, view, len(paths)) for k in range(4)] for view in views]
        return CachedPyramids([loaded[0]], [loaded[1]] if mirrored else None)

    def _key(self, paths: Sequence[Path]) -> str:
        """Weights and pictures in twelve letters; pictures are told by name and size."""
        digest = hashlib.sha256(self.sha256.encode())
        for path in paths:
            try:
                digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            except OSError as error:
                raise DataError(path, cause="is absent", remedy="copy the dataset again") from error
        return digest.hexdigest()[:12]

    def _file(self, folder: Path, stage: int, view: str) -> Path:
        return folder / f"stage{stage}-{view}.npy"

    @torch.no_grad()
    def _compute(
        self, folder: Path, paths: Sequence[Path], stages: Sequence[int], view: str, progress: Progress
    ) -> None:
        with ExitStack() as stack:
            temporary = {k: stack.enter_context(whole_file(self._file(folder, k, view))) for k in stages}
            arrays: dict[int, NDArray[np.float16]] = {}
            for start in range(0, len(paths), TOGETHER):
                some = paths[start : start + TOGETHER]
                maps = self._maps(some, flip=view == "mirrored")
                for k in stages:
                    found = maps[k].to(torch.float16).cpu().numpy()
                    if not np.isfinite(found).all():
                        raise GeoglotError(
                            some[0], cause=f"gives a map of stage {k} that is not finite", remedy="check the weights"
                        )
                    if k not in arrays:
                        shape = (len(paths), *found.shape[1:])
                        arrays[k] = np.lib.format.open_memmap(temporary[k], mode="w+", dtype=np.float16, shape=shape)
                    arrays[k][start : start + len(some)] = found
                progress(start + len(some), len(paths))
            for array in arrays.values():
                array.flush()  # type: ignore[attr-defined]
        write_json(folder / "about.json", self._about(len(paths)))

    def _maps(self, paths: Sequence[Path], *, flip: bool) -> tuple[torch.Tensor, ...]:
        pixels = torch.from_numpy(load_pictures(paths, self.side)).permute(0, 3, 1, 2)
        images = pixels.to(self.device).float() / 255
        stages: tuple[torch.Tensor, ...] = self.backbone(images.flip(3) if flip else images)
        return stages

    def _open(self, folder: Path, stage: int, view: str, count: int) -> NDArray[Any]:
        if stage not in self.stages:
            return np.empty((count, self.backbone.channels[stage], 0, 0), dtype=np.float16)
        path = self._file(folder, stage, view)
        try:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(path, cause=f"cannot be read ({error})", remedy="delete it; it is made again") from error
        if array.ndim != 4 or array.shape[:2] != (count, self.backbone.channels[stage]):
            raise DataError(path, cause=f"has shape {array.shape}", remedy="delete it; it is made again")
        return array

    def _about(self, count: int) -> dict[str, Any]:
        return {"backbone_sha256": self.sha256, "side": self.side, "images": count, "channels": self.backbone.channels}


def joined(parts: Sequence[CachedPyramids]) -> CachedPyramids:
    """Several splits as one, in order."""
    plain = [stages for part in parts for stages in part.plain]
    if any(part.mirrored is None for part in parts):
        return CachedPyramids(plain)
    return CachedPyramids(plain, [stages for part in parts for stages in part.mirrored or ()])
