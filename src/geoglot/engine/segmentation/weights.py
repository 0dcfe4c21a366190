"""What a segmentation method starts from: weights of its picture network and of its words, from files or by name.

Both are optional. A method says what it has: ``trunk.swin`` takes published Swin transformers, ``backbone`` any
backbone of the gallery, ``text`` published encoders of words. Nothing here opens a pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint, composition
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.tokenizers import AnyTokenizer, tokenizer_class
from geoglot.nn.backbone import Backbone
from geoglot.nn.bert import Bert, bert_weights
from geoglot.nn.segmenter import Segmenter
from geoglot.nn.swin import Swin, swin_weights

BY_TIMM: Final = "timm:"
"""Before a name of timm, whose weights are fetched when they are first asked for."""
BY_HUB: Final = "hub:"
"""Before a repository of the Hugging Face hub with ``model.safetensors``."""
TEXT_FILE: Final = "model.safetensors"


def start_from_weights(model: Segmenter, recipe: SegmentationRecipe) -> dict[str, Any]:
    """Give a method the weights that its recipe names.

    Returns:
        For the record beside a number: name, source and digest of each part; ``None`` for one that learns from nothing.

    Raises:
        UsageError: The method has no such part, or a package is not installed.
        DataError: A file is absent, damaged or does not fit.
    """
    return {
        "picture": None if recipe.backbone_weights is None else _start_picture(model, recipe.backbone_weights),
        "text": None if recipe.text_weights is None else _start_text(model, recipe.text_weights),
    }


def _start_picture(model: Segmenter, source: str) -> dict[str, str]:
    swin, backbone = _part(model, Swin), _part(model, Backbone)
    if swin is not None:
        tensors = swin_weights(_tensors(source, prefix="trunk.swin."), depths=swin.sizes.depths)
        _fit(swin, tensors, source)
        return _told(source, swin)
    if backbone is None:
        raise UsageError(source, cause="has no network to go to in this method", remedy="leave --backbone-weights out")
    name = str(getattr(getattr(model, "config", None), "backbone", "compact"))
    tensors = composition.load_backbone(name, source).state_dict()
    _fit(backbone, tensors, source)
    return _told(source, backbone)


def _start_text(model: Segmenter, source: str) -> dict[str, str]:
    text = _part(model, Bert)
    if text is None:
        cause = "is for a published encoder of words, and the method has its own"
        raise UsageError(source, cause=cause, remedy="leave it out, or add --set text=bert")
    if source.startswith(BY_HUB):
        path = hub_file(source.removeprefix(BY_HUB), TEXT_FILE)
    else:
        path = Path(source) / TEXT_FILE if Path(source).is_dir() else Path(source)
    tensors = bert_weights(checkpoint.load(path))
    _fit(text, tensors, source)
    return _told(source, text)


def published_tokenizer(recipe: SegmentationRecipe) -> AnyTokenizer:
    """The tokenizer that lies beside the weights of a published encoder of words.

    Raises:
        UsageError: The recipe names no such weights.
        BundleError: The file is missing or is another one.
    """
    kind: Any = tokenizer_class(recipe.tokenizer)
    name = "vocab.txt" if recipe.tokenizer == "bert" else "tokenizer.json"
    source = recipe.text_weights
    if source is None:
        remedy = f"give --text-weights, a folder with {TEXT_FILE} and {name}"
        raise UsageError(
            f"tokenizer = {recipe.tokenizer}", cause="comes with weights, and none are named", remedy=remedy
        )
    if source.startswith(BY_HUB):
        path = hub_file(source.removeprefix(BY_HUB), name)
    else:
        path = (Path(source) if Path(source).is_dir() else Path(source).parent) / name
    read = kind.from_vocabulary if recipe.tokenizer == "bert" else kind.load
    found: AnyTokenizer = read(path, max_length=recipe.max_length)
    return found


def hub_file(repository: str, name: str) -> Path:
    """A file of a repository of the Hugging Face hub, fetched once and kept in the user's cache.

    Raises:
        UsageError: The package is not installed.
        DataError: The file cannot be had.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        remedy = "install the extra 'pretrained', or give a local file"
        raise UsageError(repository, cause="needs huggingface_hub, which is not installed", remedy=remedy) from error
    try:
        return Path(hf_hub_download(repository, name))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        cause = f"cannot be fetched ({type(error).__name__})"
        raise DataError(f"{repository}/{name}", cause=cause, remedy="go online, or give a local file") from error


def _tensors(source: str, *, prefix: str) -> dict[str, Tensor]:
    """Tensors of a name, file or run; of a run of ours, those of the part."""
    if source.startswith(BY_TIMM):
        try:
            import timm
        except ImportError as error:
            remedy = "install the extra 'pretrained', or give a local file"
            raise UsageError(source, cause="needs timm, which is not installed", remedy=remedy) from error
        try:
            return dict(timm.create_model(source.removeprefix(BY_TIMM), pretrained=True).state_dict())
        except (RuntimeError, OSError) as error:
            cause = f"cannot be had ({type(error).__name__})"
            raise DataError(source, cause=cause, remedy="go online, or give a local file") from error
    tensors = checkpoint.load(_file(Path(source)))
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return own or tensors


def _file(path: Path) -> Path:
    """A file, or that of a run."""
    if not path.is_dir():
        return path
    trained = path / "backbone.safetensors"
    return trained if trained.is_file() else path / composition.CHECKPOINT


def _part(model: nn.Module, kind: type[Any]) -> Any:
    return next((part for part in model.modules() if isinstance(part, kind)), None)


def _fit(part: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load published weights; output norms of stages, which no classifier has, may keep their own first values.

    Tables of relative positions and of places are those of the window and length they were trained with.

    Raises:
        DataError: A weight is missing, left over or of another shape; it is named.
    """
    wanted = part.state_dict()
    free = {name for name in wanted if name.startswith("norm") and name[4:5].isdigit()}
    for name, tensor in wanted.items():
        found = tensors.get(name)
        if found is None and name in free:
            continue
        if found is None or found.shape != tensor.shape:
            shape = "is absent" if found is None else f"has shape {tuple(found.shape)}, not {tuple(tensor.shape)}"
            raise DataError(source, cause=f"does not fit: {name} {shape}", remedy="give weights of these sizes")
    left = next((name for name in tensors if name not in wanted), None)
    if left is not None:
        raise DataError(source, cause=f"does not fit: {left} is of no use here", remedy="give weights of these sizes")
    part.load_state_dict({**wanted, **dict(tensors)})


def _told(source: str, part: nn.Module) -> dict[str, str]:
    named = source.startswith((BY_TIMM, BY_HUB))
    return {"source": source if named else Path(source).name, "sha256": composition.weights_digest(part)}
