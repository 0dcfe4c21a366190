"""RefSegRS in its published layout: 4,420 triplets of 512 x 512 pixels, cut from SkyScapes.

Paper: "RRSIS: Referring Remote Sensing Image Segmentation" (Yuan, Mou, Hua, Zhu), section III. One file per triplet in
``images`` and ``masks``, and one line ``<id> <phrase>`` per triplet in ``output_phrase_{train,val,test}.txt``.
"""

from __future__ import annotations

from pathlib import Path

from geoglot.core.errors import DataError
from geoglot.data.captioned import SPLITS, SUBSET
from geoglot.data.location import dataset_folder
from geoglot.data.reference_phrases import parse_phrase
from geoglot.data.reference_rules import SKYSCAPES
from geoglot.data.referring import Referral, ReferringDataset

NAME = "refsegrs"
LICENCE = "as its authors say; the imagery is SkyScapes', which DLR gives out for research"
SOURCE = "https://huggingface.co/datasets/JessicaYuan/RefSegRS"
TRIPLETS = {"train": 2172, "val": 431, "test": 1817}
SUFFIXES = (".tif", ".tiff", ".png", ".jpg")
_LAYOUT = "images/<id>.tif, masks/<id>.tif and output_phrase_{train,val,test}.txt"


def load(root: str | Path | None = None) -> ReferringDataset:
    """The dataset below a data folder.

    Raises:
        DataError: It is absent, not in its layout, or not whole (a file named ``SUBSET`` says that a part is meant).
    """
    folder = dataset_folder(NAME, root, expected=f"get it from {SOURCE}; its layout is {_LAYOUT}")
    dataset = read_folder(folder, name=NAME)
    if not (folder / SUBSET).exists():
        for split, expected in TRIPLETS.items():
            found = len(dataset.splits[split])
            if found != expected:
                cause = f"lists {found:,} triplets, not {expected:,}"
                remedy = (
                    f"get it again from {SOURCE}, or, if a part is meant, put a file named {SUBSET} into its folder"
                )
                raise DataError(folder / f"output_phrase_{split}.txt", cause=cause, remedy=remedy)
    return dataset


def read_folder(folder: Path, *, name: str) -> ReferringDataset:
    """Triplets of any folder in this layout; splits without a list are empty.

    Raises:
        DataError: There is no list at all, a line holds no phrase, an identifier comes twice, or a file is absent.
    """
    lists = {split: folder / f"output_phrase_{split}.txt" for split in SPLITS}
    if not any(path.is_file() for path in lists.values()):
        raise DataError(folder, cause="holds no output_phrase_<split>.txt", remedy=f"its layout is {_LAYOUT}")
    files = {part: _files(folder / part) for part in ("images", "masks")}
    splits: dict[str, list[Referral]] = {split: [] for split in SPLITS}
    seen: set[str] = set()
    for split, path in lists.items():
        lines = path.read_text(encoding="utf-8-sig").splitlines() if path.is_file() else []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            identifier, _, phrase = line.strip().partition(" ")
            fault = "holds no phrase" if not phrase.strip() else "comes a second time" if identifier in seen else ""
            absent = [part for part in files if identifier not in files[part]]
            fault = fault or (f"has no file in {absent[0]}" if absent else "")
            if fault:
                raise DataError(f"{path}, line {number}, {identifier}", cause=fault, remedy=f"get it from {SOURCE}")
            seen.add(identifier)
            said = parse_phrase(phrase)
            splits[split].append(
                Referral(
                    id=identifier,
                    scene=identifier,
                    image=files["images"][identifier],
                    mask=files["masks"][identifier],
                    phrases={"en": " ".join(phrase.split())},
                    categories=tuple(name for name in (said.category, _reference(said.relation)) if name),
                    template=said.template,
                )
            )
    return ReferringDataset(name=name, folder=folder, splits=splits)


def _reference(relation: str) -> str:
    """What a relation is to."""
    return next((rule.reference for rule in SKYSCAPES.relations if rule.name == relation), "")


def _files(folder: Path) -> dict[str, Path]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in found if path.suffix.lower() in SUFFIXES}
