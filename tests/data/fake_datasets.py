"""Small invented datasets in the stored layouts: generated pictures, invented sentences in four languages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
from PIL import Image

from geoglot.data.translations import normalised_key

THINGS = {
    "airport": ("planes", "طائرات", "avions", "aerei"),
    "beach": ("sand", "رمال", "sable", "sabbia"),
    "forest": ("trees", "أشجار", "arbres", "alberi"),
    "river": ("water", "مياه", "eau", "acqua"),
}
COLOURS = {
    "red": ("حمراء", "rouges", "rossi"),
    "green": ("خضراء", "verts", "verdi"),
    "blue": ("زرقاء", "bleus", "blu"),
}
RGB = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


# Per dataset: the published JSON, the folder of images, and the stems and suffix of its files.
PUBLISHED = {
    "rsicd": ("dataset_rsicd.json", "RSICD_images", "airport_{}", "jpg"),
    "ucm": ("dataset.json", "imgs", "{}00", "tif"),
    "rsitmd": ("dataset_RSITMD.json", "images", "airport_{}", "tif"),
    "sydney": ("dataset.json", "imgs", "{}", "tif"),
}


def write_fake(root: Path, name: str = "rsicd", *, per_category: int = 6, side: int = 40) -> Path:
    """A dataset folder with ``manifest.jsonl(.gz)`` and the translation table beside it. Deterministic."""
    folder = root / name
    (folder / "images").mkdir(parents=True)
    entries = []
    for row, category in enumerate(THINGS):
        for number in range(per_category):
            colour = list(RGB)[number % 3]
            file = f"images/{category}_{number}.png"
            _picture(row, colour, number, side).save(folder / file)
            split = "train" if number < per_category - 2 else "val" if number < per_category - 1 else "test"
            captions = _captions(category, colour, number)
            entries.append({"image": file, "cls": category, "split": split, "captions": captions})
    text = "".join(json.dumps(entry) + "\n" for entry in entries)
    if name == "rsicd":
        (folder / "manifest.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (folder / "manifest.jsonl").write_text(text)
    mark_as_subset(folder)
    write_translations(root)
    return folder


def write_published(root: Path, name: str) -> Path:
    """The same kind of dataset in the JSON layout in which it is published; RSITMD has no validation split there."""
    folder = root / name
    listing, images, stem, suffix = PUBLISHED[name]
    entries = []
    for number in range(1, 13):
        file = f"{stem.format(number)}.{suffix}"
        split = ("train", "val", "test")[number % 3]
        sentences = [{"raw": caption} for caption in _captions("airport", "red", number)]
        entries.append(
            {
                "filename": file,
                "split": "train" if name == "rsitmd" and split == "val" else split,
                "sentences": sentences,
            }
        )
        _save(_picture(number % 4, "red", number, 24), folder / images / file)
    (folder / listing).write_text(json.dumps({"images": entries}))
    mark_as_subset(folder)
    return folder


def write_precomp(root: Path, name: str, *, verified: bool = False, names_per_caption: bool = False) -> Path:
    """The same kind of dataset in the text layout: ten images to train with and four to test with.

    Args:
        root: Data folder.
        name: Of the dataset.
        verified: Write the files that tell validation images too: every fifth image.
        names_per_caption: Repeat the names for every caption in the training files as well.
    """
    folder = root / name
    _, images, stem, suffix = PUBLISHED[name]
    listed = [(f"{stem.format(number)}.{suffix}", _captions("airport", "red", number)) for number in range(1, 15)]
    for number, (file, _) in enumerate(listed):
        _save(_picture(number % 4, "red", number, 24), folder / images / file)
    train, test = listed[:10], listed[10:]
    _write_texts(folder / f"{name}_precomp", "train", "", train, repeat=names_per_caption)
    _write_texts(folder / f"{name}_precomp", "test", "", test, repeat=True)
    if verified:
        val = train[4::5]
        _write_texts(folder / f"{name}_precomp", "train", "_verify", [x for x in train if x not in val], repeat=False)
        _write_texts(folder / f"{name}_precomp", "val", "_verify", val, repeat=True)
    mark_as_subset(folder)
    return folder


def mark_as_subset(folder: Path) -> None:
    """Say that this copy is smaller than the published dataset on purpose."""
    (folder / "SUBSET").write_text("a few invented images\n")


def _write_texts(folder: Path, part: str, ending: str, listed: list[tuple[str, list[str]]], *, repeat: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = [file for file, captions in listed for _ in range(len(captions) if repeat else 1)]
    captions = [caption for _, several in listed for caption in several]
    (folder / f"{part}_filename{ending}.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / f"{part}_caps{ending}.txt").write_text("".join(f"{caption}\n" for caption in captions))


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def write_translations(root: Path) -> Path:
    rows = {}
    for category in THINGS:
        for number in range(12):
            for colour in RGB:
                for index, caption in enumerate(_captions(category, colour, number)):
                    rows[normalised_key(caption)] = _translated(category, colour, index)
    text = "en\tar\tfr\tit\n" + "".join("\t".join([key, *texts]) + "\n" for key, texts in sorted(rows.items()))
    path = root / "captions_multilingual.tsv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def _captions(category: str, colour: str, number: int) -> list[str]:
    """Five sentences; the second and third are equal, and the fourth is shared by the whole class."""
    thing = THINGS[category][0]
    return [
        f"{colour} {thing} number {number} .",
        f"there is {colour} {thing} .",
        f"there is {colour} {thing} .",
        f"Many {thing} in the picture .",
        f"{thing} beside {colour} {thing} .",
    ]


def _translated(category: str, colour: str, index: int) -> list[str]:
    things, colours = THINGS[category][1:], COLOURS[colour]
    patterns = (
        ("{t} {c}", "هناك {t} {c}", "هناك {t} {c}", "الكثير من {t}", "{t} بجانب {t} {c}"),
        ("{t} {c}", "il y a {t} {c}", "il y a {t} {c}", "beaucoup de {t}", "{t} près de {t} {c}"),
        ("{t} {c}", "c'è {t} {c}", "c'è {t} {c}", "molto {t}", "{t} accanto a {t} {c}"),
    )
    return [patterns[k][index].format(t=things[k], c=colours[k]) for k in range(3)]


def _picture(row: int, colour: str, number: int, side: int) -> Image.Image:
    generator = np.random.default_rng(row * 1000 + number)
    pixels = np.zeros((side, side, 3), dtype=np.uint8) + np.array(RGB[colour], dtype=np.uint8)
    pixels[:: row + 2] //= 2
    pixels += generator.integers(0, 30, pixels.shape, dtype=np.uint8)
    return Image.fromarray(pixels)


def write_scene_folders(root: Path, name: str = "satscene", *, classes: int = 19, per_class: int = 3) -> Path:
    """A folder per class with a few pictures, inside one folder more, as the archive of WHU-RS19 unpacks."""
    folder = root / name
    for row in range(classes):
        inner = folder / "WHU-RS19" / f"Class {row:02d}"
        for number in range(per_class):
            _save(_picture(row % 4, list(RGB)[number % 3], number, 12), inner / f"class_{row}_{number}.jpg")
        (inner / "Thumbs.db").write_bytes(b"no picture")
    return folder


def write_pictures(root: Path, name: str = "gtcrossview", *, count: int = 5) -> Path:
    """Pictures without classes, of streets and from above, in folders of their own."""
    folder = root / name
    for number in range(count):
        part = ("overhead", "street")[number % 2]
        _save(_picture(number % 4, "blue", number, 12), folder / part / f"{number}.png")
    return folder
