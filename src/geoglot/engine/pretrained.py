"""Weights to start from: published CLIP models by name, files and folders that the user has, or a run of ours.

Nothing here opens a pickle: a ``.pt`` is turned into safetensors once by ``geoglot convert-checkpoint``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint
from geoglot.nn.clip import resized_positions
from geoglot.nn.clip_two_tower import open_clip_layout

PICKLES: Final = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
HEAD_WIDTHS: Final = {1280: 80, 1408: 88, 1664: 104}
"""Widths of published vision towers whose heads are not 64 wide."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where a published model lies.

    Attributes:
        model: open_clip's name of the architecture.
        tag: open_clip's name of the weights; empty where open_clip does not know them.
        repository: Repository on the Hugging Face hub, for those.
        file: File in that repository.
        quick_gelu: Whether the weights were trained with QuickGELU.
    """

    model: str
    tag: str = ""
    repository: str = ""
    file: str = ""
    quick_gelu: bool | None = None


PUBLISHED: Final[Mapping[str, Published]] = {
    "openai": Published(model="ViT-B-32", tag="openai", quick_gelu=True),
    "laion": Published(model="ViT-B-32", tag="laion2b_s34b_b79k"),
    "multilingual": Published(model="xlm-roberta-base-ViT-B-32", tag="laion5b_s13b_b90k"),
    "remoteclip": Published(
        model="ViT-B-32", repository="chendelong/RemoteCLIP", file="RemoteCLIP-ViT-B-32.pt", quick_gelu=False
    ),
    "remoteclip-large": Published(
        model="ViT-L-14", repository="chendelong/RemoteCLIP", file="RemoteCLIP-ViT-L-14.pt", quick_gelu=False
    ),
    "georsclip": Published(
        model="ViT-B-32", repository="Zilun/GeoRSCLIP", file="ckpt/RS5M_ViT-B-32.pt", quick_gelu=True
    ),
    "georsclip-huge": Published(
        model="ViT-H-14", repository="Zilun/GeoRSCLIP", file="ckpt/RS5M_ViT-H-14.pt", quick_gelu=False
    ),
}
"""Short names; any other model of open_clip is asked for as MODEL:TAG."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights and what they say about the model that they fit.

    Attributes:
        source: File or name, for messages.
        tensors: ``visual.*``, ``text.*``, ``logit_scale``.
        sizes: Fields of :class:`geoglot.nn.clip.ClipConfig`. Heads are derived from published widths, QuickGELU from
            the name; neither can be read off the tensors of a file.
    """

    source: str
    tensors: Mapping[str, Tensor] = field(repr=False)
    sizes: Mapping[str, Any]


def read(source: str) -> Checkpoint:
    """Weights of a name, a ``.safetensors`` file, a folder that open_clip saved, or a run folder.

    Args:
        source: ``openai``, ``laion``, ``multilingual``, ``remoteclip``, ``georsclip`` ...; ``MODEL:TAG`` of open_clip;
            or a path.

    Raises:
        DataError: The file is absent, a pickle or damaged; or the download failed.
        UsageError: There is no such name, or open_clip is not installed.
    """
    path = Path(source)
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".safetensors" or path.suffix in PICKLES or path.is_file():
        return _read_file(path)
    return _read_published(source)


def initialise(model: nn.Module, found: Checkpoint) -> None:
    """Copy weights into a model; all of them fit, or nothing is changed.

    The table of image positions is interpolated to the model's grid, that of text positions is cut to its length. A
    model may name parameters that are its own in ``added_parameters`` (prefixes): those keep their initial values.

    Raises:
        DataError: A tensor is missing, has another shape, or has no place in the model; the first one is named.
    """
    expected = model.state_dict()
    tensors = _fitted(open_clip_layout(found.tensors), expected)
    own = tuple(getattr(model, "added_parameters", ()))
    for name, tensor in expected.items():
        if name not in tensors:
            if own and name.startswith(own):
                continue
            raise _misfit(found.source, f"has no tensor {name!r}, which the model needs as {_shape(tensor)}")
        if tensors[name].shape != tensor.shape:
            cause = f"tensor {name!r} should have the shape {_shape(tensor)}, but has {_shape(tensors[name])}"
            raise _misfit(found.source, cause)
    others = [name for name in tensors if name not in expected]
    if others:
        cause = f"holds the tensor {others[0]!r} {_shape(tensors[others[0]])}, for which the model has no place"
        raise _misfit(found.source, cause)
    model.load_state_dict(tensors, strict=not own)


def sizes_of(tensors: Mapping[str, Tensor], *, subject: str) -> dict[str, Any]:
    """What the shapes of a CLIP checkpoint say about its configuration.

    Args:
        tensors: In any of open_clip's layouts.
        subject: File or name, for messages.

    Raises:
        DataError: The tensors are not those of a CLIP with a vision transformer.
    """
    ours = open_clip_layout(tensors)
    try:
        text = _xlm_roberta_sizes(ours) if "text.proj.0.weight" in ours else _causal_text_sizes(ours)
        return {**_vision_sizes(ours), **text}
    except KeyError as error:
        name = str(error.args[0])
        kind = "CLIP with a convolutional vision side" if "visual.layer1.0.conv1.weight" in ours else "CLIP"
        cause = f"is no CLIP of two transformers: it has no tensor {name!r} (it looks like {kind})"
        if kind == "CLIP":
            cause = f"is no CLIP of two transformers: it has no tensor {name!r}"
        raise DataError(
            subject, cause=cause, remedy="give a checkpoint of a ViT model in open_clip's layout"
        ) from error


def sizes_of_open_clip(model_config: Mapping[str, Any], *, subject: str) -> dict[str, Any]:
    """A model configuration of open_clip (its ``model_cfg``) as fields of our configuration.

    Raises:
        DataError: A part of it has no counterpart here (convolutional towers, other text models).
    """
    vision, text = dict(model_config["vision_cfg"]), dict(model_config["text_cfg"])
    remedy = "choose a model with a plain vision transformer and CLIP's or XLM-R's text side"
    for part, keys in ((vision, ("timm_model_name", "ls_init_value", "attentional_pool")), (text, ("ls_init_value",))):
        for key in keys:
            if part.get(key):
                raise DataError(subject, cause=f"uses {key}, which is not supported", remedy=remedy)
    if not isinstance(vision["layers"], int):
        raise DataError(subject, cause="has a convolutional vision side", remedy=remedy)
    sizes: dict[str, Any] = {
        "dimension": model_config["embed_dim"],
        "image_size": vision.get("image_size", 224),
        "patch": vision.get("patch_size", 16),
        "vision_width": vision.get("width", 768),
        "vision_layers": vision["layers"],
        "vision_heads": vision.get("width", 768) // vision.get("head_width", 64),
        "quick_gelu": bool(model_config.get("quick_gelu", False)),
    }
    if "hf_model_name" in text:
        if "xlm-roberta" not in text["hf_model_name"] or text.get("hf_pooler_type") != "mean_pooler":
            raise DataError(subject, cause=f"has the text side {text['hf_model_name']}", remedy=remedy)
        return sizes  # the text side is told by its tensors
    return sizes | {
        "vocabulary": text.get("vocab_size", 49_408),
        "max_length": text.get("context_length", 77),
        "text_width": text.get("width", 512),
        "text_layers": text.get("layers", 12),
        "text_heads": text.get("heads", 8),
    }


def _vision_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    width, patch = tensors["visual.conv1.weight"].shape[0], tensors["visual.conv1.weight"].shape[-1]
    return {
        "image_size": math.isqrt(len(tensors["visual.positional_embedding"]) - 1) * patch,
        "patch": patch,
        "vision_width": width,
        "vision_layers": _layers(tensors, "visual.transformer.resblocks."),
        "vision_heads": width // HEAD_WIDTHS.get(width, 64),
        "dimension": tensors["visual.proj"].shape[1],
    }


def _causal_text_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    vocabulary, width = tensors["text.token_embedding.weight"].shape
    return {
        "text": "clip",
        "vocabulary": vocabulary,
        "max_length": len(tensors["text.positional_embedding"]),
        "text_width": width,
        "text_layers": _layers(tensors, "text.transformer.resblocks."),
        "text_heads": max(width // 64, 1),
    }


def _xlm_roberta_sizes(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    table = "text.transformer.embeddings."
    vocabulary, width = tensors[f"{table}word_embeddings.weight"].shape
    return {
        "text": "xlm-roberta",
        "vocabulary": vocabulary,
        "max_length": len(tensors[f"{table}position_embeddings.weight"]) - 2,
        "text_width": width,
        "text_layers": _layers(tensors, "text.transformer.encoder.layer."),
        "text_heads": max(width // 64, 1),
        "text_hidden": len(tensors["text.transformer.encoder.layer.0.intermediate.dense.weight"]),
    }


def _layers(tensors: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in tensors if name.startswith(prefix)})


def _fitted(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    image, text = "visual.positional_embedding", "text.positional_embedding"
    if image in tensors and image in expected and tensors[image].shape[1:] == expected[image].shape[1:]:
        old, new = (math.isqrt(len(table) - 1) for table in (tensors[image], expected[image]))
        tensors[image] = resized_positions(tensors[image].float(), old, new, new)
    if text in tensors and text in expected and len(tensors[text]) > len(expected[text]):
        tensors[text] = tensors[text][: len(expected[text])]
    return tensors


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))


def _misfit(source: str, cause: str) -> DataError:
    return DataError(source, cause=cause, remedy="choose the configuration that these weights were made for")


def _read_file(path: Path) -> Checkpoint:
    if path.suffix in PICKLES:
        remedy = f"convert it once: geoglot convert-checkpoint {path} {path.with_suffix('.safetensors').name}"
        raise DataError(path, cause="is a pickle, which can run code; it is never loaded", remedy=remedy)
    tensors = open_clip_layout(checkpoint.load(path))
    return Checkpoint(source=str(path), tensors=tensors, sizes=sizes_of(tensors, subject=str(path)))


def _read_folder(folder: Path) -> Checkpoint:
    run = folder / "checkpoint.safetensors"
    if run.is_file():
        return Checkpoint(source=str(run), tensors=checkpoint.load(run), sizes=_run_sizes(folder))
    weights, description = folder / "open_clip_model.safetensors", folder / "open_clip_config.json"
    if not weights.is_file():
        remedy = "give a run folder, or a folder with open_clip_model.safetensors"
        raise DataError(folder, cause="holds no checkpoint in safetensors", remedy=remedy)
    found = _read_file(weights)
    if not description.is_file():
        return found
    try:
        model_config = json.loads(description.read_text(encoding="utf-8"))["model_cfg"]
        told = sizes_of_open_clip(model_config, subject=str(folder))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            description, cause=f"is not open_clip's description ({error})", remedy="copy it again"
        ) from error
    return Checkpoint(source=found.source, tensors=found.tensors, sizes={**found.sizes, **told})


def _run_sizes(folder: Path) -> dict[str, Any]:
    try:
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(folder, cause=f"is not a training run ({error})", remedy="give a folder of a run") from error
    return dict(recipe.get("config", {}))


def _read_published(name: str) -> Checkpoint:
    model, separator, tag = name.partition(":")
    known = PUBLISHED.get(name) or Published(model=model, tag=tag)
    if name not in PUBLISHED and not separator:
        remedy = f"choose {', '.join(PUBLISHED)}, MODEL:TAG of open_clip, or give a .safetensors file"
        raise UsageError(name, cause="is neither a file nor a known model", remedy=remedy)
    try:
        import open_clip
    except ImportError as error:
        remedy = "install the extra 'pretrained', or give a local .safetensors file"
        raise UsageError(name, cause="needs open_clip, which is not installed", remedy=remedy) from error
    model_config = open_clip.get_model_config(known.model)
    if model_config is None:
        raise UsageError(name, cause=f"open_clip has no model {known.model!r}", remedy="see open_clip.list_models()")
    path, quick_gelu = _download(known, name)
    found = _read_file(path)
    told = sizes_of_open_clip(model_config, subject=name)
    told["quick_gelu"] = told["quick_gelu"] or quick_gelu
    return Checkpoint(source=name, tensors=found.tensors, sizes={**found.sizes, **told})


def _download(known: Published, name: str) -> tuple[Path, bool]:
    from open_clip import pretrained as catalogue

    remedy = "go online, or download the file elsewhere and give its path"
    try:
        if known.repository:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(known.repository, known.file)), bool(known.quick_gelu)
        entry = catalogue.get_pretrained_cfg(known.model, known.tag)
        if not entry:
            tags = ", ".join(catalogue.list_pretrained_tags_by_model(known.model))
            raise UsageError(name, cause=f"open_clip has no weights {known.tag!r}", remedy=f"choose one of {tags}")
        path = Path(catalogue.download_pretrained(entry))
    except UsageError:
        raise
    except Exception as error:
        raise DataError(name, cause=f"cannot be downloaded ({type(error).__name__}: {error})", remedy=remedy) from error
    return path, bool(entry.get("quick_gelu", False) or known.quick_gelu)
