"""Where a captioner looks, word by word, for the pages about a run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoglot.core.errors import DataError, UsageError
from geoglot.engine.captioning.data import Grids
from geoglot.engine.captioning.prediction import writing_of
from geoglot.engine.captioning.running import load_captioner
from geoglot.engine.run_folder import CONFIG
from geoglot.nn.decoding import write_captions


@dataclass(frozen=True, kw_only=True, eq=False)
class Looked:
    """The words of a caption and where the decoder looked for each.

    Attributes:
        words: T words, without the end.
        maps: (T, H, W) float32, each summing to one over the grid.
    """

    words: tuple[str, ...]
    maps: NDArray[np.float32]


def attention_pictures(
    run: Path,
    pictures: Sequence[Path],
    language: int = 0,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Looked]:
    """Captions of pictures with the attention of every word, written as the run writes its captions.

    Args:
        run: Folder of a finished run.
        pictures: Image files.
        language: Position of the language in the recipe.
        progress: Called with (pictures done, pictures in all).

    Raises:
        DataError: The run, its backbone or a picture cannot be read, or the backbone is not the one it trained with.
        UsageError: The method has no attention.
    """
    trained = load_captioner(run)
    with tempfile.TemporaryDirectory() as folder:
        grids = Grids(trained.recipe, Path(folder), progress=progress)
        if _backbone_sha256(run) not in (None, grids.sha256):
            cause = "looks through another backbone than it trained with"
            raise DataError(run, cause=cause, remedy="put the weights back that its recipe names")
        maps = grids.cache.pyramids(list(pictures), "pictures").take(np.arange(len(pictures)))[-1]
    languages = torch.full((len(pictures),), language, dtype=torch.int64)
    written, _ = write_captions(trained.model, maps, languages, writing_of(trained.recipe, trained.beam))
    high, wide = maps.shape[-2:]
    if written.attention is None or written.attention.shape[2] != high * wide:
        raise UsageError(run, cause="has a method without attention", remedy="give the run of a method that has it")
    found = []
    for tokens, attention in zip(written.tokens, written.attention, strict=True):
        words = [trained.vocabulary.decode([token]) for token in tokens.tolist()]
        kept = [place for place, word in enumerate(words) if word]
        looked = attention[kept].reshape(len(kept), high, wide).astype(np.float32)
        found.append(Looked(words=tuple(words[place] for place in kept), maps=looked))
    return found


def _backbone_sha256(run: Path) -> Any:
    return json.loads((run / CONFIG).read_text(encoding="utf-8")).get("backbone_sha256")
