"""CLIP's byte pairs on a tiny list of merges, by hand. tests/engine/test_open_clip_parity.py has open_clip's own."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.errors import BundleError
from geoglot.text.clip_tokens import (
    ClipTokenizer,
    MultilingualTokenizer,
    byte_characters,
    cleaned,
    load_tokenizer,
)
from geoglot.text.tokenizer import Tokenizer

MERGES = "#version: 0.2\np l\npl a\npla n\nplan e\ni n\na t</w>\nplane s</w>\n"
# Ids: 256 bytes, the same 256 at the end of a word, the merges, two markers.
PL, PLA, PLAN, PLANE, IN, AT_END, PLANES_END, START, END = range(512, 521)


@pytest.fixture
def tokenizer(tmp_path: Path) -> ClipTokenizer:
    (tmp_path / "merges.txt").write_text(MERGES, encoding="utf-8")
    return ClipTokenizer.from_merges(tmp_path / "merges.txt", max_length=9)


def byte(character: str, *, last: bool = False) -> int:
    return byte_characters().index(character) + 256 * last


def test_sizes_and_first_ids(tokenizer: ClipTokenizer) -> None:
    assert tokenizer.size == 256 + 256 + 7 + 2
    assert byte("!") == 0
    assert byte("a") == ord("a") - ord("!")  # printable ASCII begins at "!"
    assert (tokenizer.start, tokenizer.end) == (START, END)


def test_splits_by_hand(tokenizer: ClipTokenizer) -> None:
    rows = tokenizer.encode(["Planes at", "plane in", "", "a1 !"])
    # "planes": p l a n e s</w> -> pl -> pla -> plan -> plane -> planes</w>; "at" -> at</w>
    assert rows[0].tolist()[:4] == [START, PLANES_END, AT_END, END]
    # "plane" ends with e</w>, which no merge joins: plan + e</w>; "in": i + n</w> is not the pair (i, n)
    assert rows[1].tolist() == [START, PLAN, byte("e", last=True), byte("i"), byte("n", last=True), END]
    assert rows[2].tolist() == [START, END, 0, 0, 0, 0]
    # a digit is a piece of its own, even next to a letter
    assert rows[3].tolist()[:5] == [START, byte("a", last=True), byte("1", last=True), byte("!", last=True), END]


def test_letters_outside_ascii_are_their_bytes(tokenizer: ClipTokenizer) -> None:
    # "é" is C3 A9 in UTF-8; both bytes are printable in Latin-1 and stand for themselves.
    assert tokenizer.encode(["É"])[0].tolist() == [START, byte("\u00c3"), byte("\u00a9", last=True), END]
    # "ب" is D8 A8.
    assert tokenizer.encode(["ب"])[0].tolist() == [START, byte("\u00d8"), byte("\u00a8", last=True), END]


def test_a_long_text_keeps_its_end(tokenizer: ClipTokenizer) -> None:
    rows = tokenizer.encode(["at " * 30])
    assert rows.dtype == np.int64
    assert rows[0].tolist() == [START, *[AT_END] * 7, END]


def test_a_typed_marker_is_text(tokenizer: ClipTokenizer) -> None:
    row = tokenizer.encode(["<end_of_text>"])[0].tolist()
    assert row.count(END) == 1
    assert row[-1] == END


def test_dropout_splits_words_and_is_taken_back(tokenizer: ClipTokenizer) -> None:
    whole = tokenizer.encode(["planes planes"])
    split = tokenizer.encode(["planes planes"], dropout=1.0)
    assert split.shape[1] > whole.shape[1]
    assert (tokenizer.encode(["planes planes"]) == whole).all()


def test_saved_and_loaded(tokenizer: ClipTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json", max_length=9)
    assert isinstance(again, ClipTokenizer)
    texts = ["Planes at É", "don't", "ب <end_of_text>"]
    assert (again.encode(texts) == tokenizer.encode(texts)).all()
    ours = Tokenizer.train(["many planes"] * 5, vocabulary_size=40)
    ours.save(tmp_path / "ours.json")
    assert isinstance(load_tokenizer(tmp_path / "ours.json", max_length=9), Tokenizer)


def test_gzip_and_plain_are_the_same(tokenizer: ClipTokenizer, tmp_path: Path) -> None:
    (tmp_path / "merges.txt.gz").write_bytes(gzip.compress(MERGES.encode()))
    packed = ClipTokenizer.from_merges(tmp_path / "merges.txt.gz", max_length=9)
    assert (packed.encode(["planes at"]) == tokenizer.encode(["planes at"])).all()


@pytest.mark.parametrize("content", [b"#version\none two three\n", b"\x1f\x8bbroken", b"#version\n\xff\xfe\n"])
def test_a_broken_list_of_merges_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "merges.txt").write_bytes(content)
    with pytest.raises(BundleError, match=r"merges\.txt"):
        ClipTokenizer.from_merges(tmp_path / "merges.txt")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none\.txt"):
        ClipTokenizer.from_merges(tmp_path / "none.txt")
    with pytest.raises(BundleError, match=r"none\.json"):
        load_tokenizer(tmp_path / "none.json", max_length=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_any_text_stands_between_its_markers(texts: list[str]) -> None:
    tokenizer = _shared()
    rows = tokenizer.encode(texts)
    assert rows.shape[1] <= 9
    for row in rows:
        length = int(np.flatnonzero(row)[-1]) + 1
        assert row[0] == START
        assert row[length - 1] == END
        assert (row == END).sum() == 1


def test_multilingual_ids_change_places(tmp_path: Path) -> None:
    tokenizer = MultilingualTokenizer(_unigram(), max_length=5)
    # <s> 0 -> 1; "a" 4, "b" 5 stay; </s> 2; padding becomes 0
    assert tokenizer.encode(["a b", "b"]).tolist() == [[1, 4, 5, 2], [1, 5, 2, 0]]
    assert tokenizer.encode(["a b a b a b"]).tolist() == [[1, 4, 5, 4, 2]]
    assert 0 not in tokenizer.encode(["<pad> a"])
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json", max_length=5)
    assert isinstance(again, MultilingualTokenizer)
    assert again.encode(["a b"]).tolist() == [[1, 4, 5, 2]]
    same = MultilingualTokenizer.load(tmp_path / "tokenizer.json", max_length=5)
    assert same.encode(["a b"]).tolist() == [[1, 4, 5, 2]]
    with pytest.raises(BundleError, match="is not CLIP's tokenizer"):
        ClipTokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(BundleError, match="into the run's folder"):
        MultilingualTokenizer.train(["a"])


def test_cleaning_leaves_arabic_alone() -> None:
    assert cleaned("طائرات  كثيرة") == "طائرات كثيرة"


def _shared() -> ClipTokenizer:
    from geoglot.text.clip_tokens import _byte_pair_backend

    merges = [tuple(line.split()) for line in MERGES.strip().split("\n")[1:]]
    return ClipTokenizer(_byte_pair_backend(merges), max_length=9)  # type: ignore[arg-type]


def _unigram():  # type: ignore[no-untyped-def]
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers, processors

    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁a", -1.0), ("▁b", -1.0)]
    backend = Backend(models.Unigram(pieces, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return backend
