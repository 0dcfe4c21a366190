"""Hashing, from features to figures, on a toy dataset of four classes."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from geoglot.core.errors import DataError, UsageError
from geoglot.engine.hashing.data import (
    FeatureSet,
    HashingSplit,
    choosing_split,
    held_out_split,
    load_features,
    published_split,
    replace_captions,
    split_rows,
    standardisation,
    training_pairs,
)
from geoglot.engine.hashing.evaluation import evaluate_runs, leak, write_hashing_result
from geoglot.engine.hashing.launch import hashing_recipe
from geoglot.engine.hashing.tables import SHORT, hashing_rows
from geoglot.engine.hashing.training import (
    HashingRecipe,
    HashTrainer,
    batches,
    encode,
    load_hasher,
    prepare,
    rate_at,
    train_hasher,
)

CLASSES = 4
IMAGES = 80


def toy_features(*, seed: int = 0, languages: tuple[str, ...] = ("en", "fr")) -> FeatureSet:
    """Images and captions that point in the direction of their class, with noise; captions are all distinct."""
    generator = np.random.default_rng(seed)
    categories = np.arange(IMAGES) % CLASSES
    image_axes, text_axes = generator.normal(size=(CLASSES, 12)), generator.normal(size=(CLASSES, 10))
    images = image_axes[categories] + 0.3 * generator.normal(size=(IMAGES, 12))
    sentences = np.repeat(text_axes[categories], 5, axis=0)
    return FeatureSet(
        dataset="toy",
        source={"image": "toy", "text": "toy", "trained on": "nothing here"},
        splits=np.array(["train", "train", "train", "val", "test"] * (IMAGES // 5)),
        categories=categories,
        category_names=tuple("abcd"),
        images=images.astype(np.float32),
        image_views=(images + 0.1 * generator.normal(size=images.shape)).astype(np.float32),
        sentences={
            name: (sentences + 0.3 * generator.normal(size=sentences.shape)).astype(np.float32) for name in languages
        },
        sentence_of_caption=np.arange(5 * IMAGES).reshape(IMAGES, 5),
    )


def toy_recipe(method: str = "duch", **changes: object) -> HashingRecipe:
    settings = {"hidden": 32, "bits": 16, **({"clean_epochs": 6} if method == "chnr" else {})}
    fields = {"method": method, "dataset": "toy", "epochs": 12, "batch": 20, "learning_rate": 3e-3, "config": settings}
    return HashingRecipe(**{**fields, **({"clean_share": 0.5} if method == "chnr" else {}), **changes})


# --- the split -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "sizes"), [(2100, (1050, 210, 840)), (10921, (5460, 1092, 4369))])
def test_published_split_has_the_published_sizes(count: int, sizes: tuple[int, int, int]) -> None:
    split = published_split(count)
    assert (len(split.train), len(split.query), len(split.database)) == sizes
    assert sorted([*split.train, *split.query, *split.database]) == list(range(count))


def test_published_split_is_pythons_sample_with_seed_42() -> None:
    """Two draws from one generator: ten of twenty, then two of the ten that are left, in ascending order."""
    generator = random.Random(42)
    train = generator.sample(range(20), 10)
    rest = [row for row in range(20) if row not in train]
    query = generator.sample(rest, 2)
    split = published_split(20)
    assert split.train.tolist() == sorted(train)
    assert split.query.tolist() == sorted(query)
    assert published_split(20, seed=43).train.tolist() != split.train.tolist()


def test_choosing_split_looks_at_nothing_that_is_reported() -> None:
    outer, inner = published_split(400), choosing_split(400)
    assert (len(inner.train), len(inner.query), len(inner.database)) == (100, 20, 80)
    rows = np.concatenate([inner.train, inner.query, inner.database])
    assert sorted(rows.tolist()) == outer.train.tolist()
    features = toy_features()
    assert np.array_equal(split_rows(features, "choosing").query, choosing_split(IMAGES).query)


def test_held_out_split_asks_and_searches_test_images_only() -> None:
    features = toy_features()
    split = held_out_split(features.splits)
    assert set(features.splits[split.train]) == {"train"}
    assert set(features.splits[np.concatenate([split.query, split.database])]) == {"test"}
    assert (len(split.train), len(split.query), len(split.database)) == (48, 3, 13)
    with pytest.raises(DataError, match="0 training and 80 test images"):
        held_out_split(np.array(["test"] * 80))


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_standardised_features_have_mean_0_and_deviation_1() -> None:
    features, split = toy_features(), published_split(IMAGES)
    scaled = standardisation(features, split, "all")
    images, texts = scaled.images(features.images), scaled.texts(features.sentences["en"])
    for array in (images, texts):
        assert array.mean() == pytest.approx(0, abs=1e-5)
        assert array.std() == pytest.approx(1, abs=1e-5)
    train = standardisation(features, split, "train")
    assert train.images(features.images[split.train]).std() == pytest.approx(1, abs=1e-5)
    assert train != scaled


def test_standardisation_counts_a_caption_as_often_as_it_is_used() -> None:
    """Sentences 0 and 8; the first is carried nine times, the second once: mean 0.8, variance 0.9*0.64 + 0.1*51.84."""
    features = replace(
        toy_features(languages=("en",)),
        splits=np.array(["train", "test"]),
        categories=np.array([0, 1]),
        images=np.eye(2, dtype=np.float32),
        image_views=np.eye(2, dtype=np.float32),
        sentences={"en": np.array([[0.0], [8.0]], dtype=np.float32)},
        sentence_of_caption=np.array([[0, 0, 0, 0, 0], [0, 0, 0, 0, 1]]),
    )
    split = HashingSplit(train=np.array([0]), query=np.array([1]), database=np.array([1]))
    found = standardisation(features, split, "all")
    assert found.text_mean == pytest.approx(0.8)
    assert found.text_deviation == pytest.approx(np.sqrt(0.9 * 0.64 + 0.1 * 51.84))
    with pytest.raises(DataError, match="all equal"):
        standardisation(features, split, "train")


def test_captions_are_drawn_once_and_views_are_others() -> None:
    features, split = toy_features(), published_split(IMAGES)
    scaled = standardisation(features, split, "none")
    pairs = training_pairs(features, split, scaled)
    again = training_pairs(features, split, scaled)
    assert np.array_equal(pairs.texts, again.texts)
    english = features.sentences["en"]
    for row, image in enumerate(split.train):
        mine = english[features.sentence_of_caption[image]]
        own = np.flatnonzero((mine == pairs.texts[row]).all(1))
        view = np.flatnonzero((mine == pairs.text_views[row]).all(1))
        assert len(own) == len(view) == 1
        assert own != view
    assert not pairs.wrong.any()
    assert not pairs.clean.any()


def test_text_views_by_switch() -> None:
    features, split = toy_features(), published_split(IMAGES)
    scaled = standardisation(features, split, "none")
    same = training_pairs(features, split, scaled, text_view="none")
    assert np.array_equal(same.texts, same.text_views)
    other = training_pairs(features, split, scaled, text_view="translation")
    assert np.array_equal(other.texts, same.texts)
    french = {row.tobytes() for row in features.sentences["fr"]}
    assert all(row.tobytes() in french for row in other.text_views)
    english_only = toy_features(languages=("en",))
    with pytest.raises(DataError, match="English captions alone"):
        training_pairs(english_only, split, scaled, text_view="translation")
    with pytest.raises(UsageError, match="is no text view"):
        training_pairs(features, split, scaled, text_view="glove")  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_noise_replaces_the_share_asked_for_by_other_classes(share: float) -> None:
    count = 4000
    categories = np.arange(count) % 3
    keep = np.arange(count) < 1000
    found, wrong = replace_captions(np.arange(count), categories, share, keep=keep, seed=1)
    assert not wrong[keep].any()
    assert np.array_equal(found[~wrong], np.arange(count)[~wrong])
    assert (categories[found] != categories)[wrong].all()
    # 3,000 draws: the standard deviation of the share is at most 0.0092
    assert wrong[~keep].mean() == pytest.approx(share, abs=0.03)


def test_more_noise_replaces_all_that_less_noise_does() -> None:
    categories = np.arange(500) % 5
    keep = np.zeros(500, dtype=bool)
    few, many = (replace_captions(np.arange(500), categories, p, keep=keep, seed=0) for p in (0.1, 0.4))
    assert (many[1] | ~few[1]).all()
    assert np.array_equal(many[0][few[1]], few[0][few[1]])


def test_noise_needs_another_class_and_a_probability() -> None:
    alone = np.zeros(4, dtype=np.int64)
    found, wrong = replace_captions(np.arange(4), alone, 1.0, keep=np.zeros(4, dtype=bool), seed=0)
    assert not wrong.any()
    assert found.tolist() == [0, 1, 2, 3]
    with pytest.raises(UsageError, match="is no probability"):
        replace_captions(np.arange(4), alone, 1.5, keep=np.zeros(4, dtype=bool), seed=0)


def test_noise_spares_the_clean_pairs_and_moves_caption_and_view_together() -> None:
    features, split = toy_features(), published_split(IMAGES)
    scaled = standardisation(features, split, "none")
    pairs = training_pairs(features, split, scaled, noise=1.0, clean_share=0.25)
    assert pairs.clean.sum() == 10
    assert np.array_equal(pairs.wrong, ~pairs.clean)
    english = features.sentences["en"]
    owner = {english[s].tobytes(): image for image, row in enumerate(features.sentence_of_caption) for s in row}
    for row in range(len(split.train)):
        donor, view_donor = owner[pairs.texts[row].tobytes()], owner[pairs.text_views[row].tobytes()]
        assert donor == view_donor
        assert (features.categories[donor] != pairs.categories[row]) == pairs.wrong[row]


# --- features on disk ----------------------------------------------------------------------------------------------


def test_features_are_read_back_as_float16_kept_them(tmp_path: Path) -> None:
    features = toy_features()
    features.save(tmp_path / "toy.npz")
    again = load_features(tmp_path / "toy.npz")
    assert again.source == features.source
    assert again.category_names == features.category_names
    assert np.allclose(again.images, features.images, atol=2e-3)
    assert set(again.sentences) == {"en", "fr"}
    assert again.images.dtype == np.float32


def test_damaged_or_foreign_files_are_refused(tmp_path: Path) -> None:
    toy_features().save(tmp_path / "toy.npz")
    content = (tmp_path / "toy.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    for name in ("half.npz", "other.npz", "absent.npz"):
        with pytest.raises(DataError, match="holds no features"):
            load_features(tmp_path / name)


def test_features_that_do_not_fit_are_refused() -> None:
    features = toy_features()
    with pytest.raises(DataError, match="79 rows for 80 images"):
        replace(features, categories=features.categories[:-1])
    broken = features.images.copy()
    broken[3, 4] = np.nan
    with pytest.raises(DataError, match="NaN"):
        replace(features, images=broken)
    with pytest.raises(DataError, match="captions ask for row 399"):
        replace(features, sentences={"en": features.sentences["en"][:-1]})
    with pytest.raises(DataError, match="lack English"):
        replace(features, sentences={"fr": features.sentences["fr"]})


# --- training ------------------------------------------------------------------------------------------------------


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    data = prepare(toy_recipe("chnr"), toy_features())
    first = [b.items.tolist() for b in batches(toy_recipe(), data.pairs, 3, clean_only=False)]
    assert first == [b.items.tolist() for b in batches(toy_recipe(), data.pairs, 3, clean_only=False)]
    assert sorted(i for items in first for i in items) == list(range(40))
    assert first != [b.items.tolist() for b in batches(toy_recipe(), data.pairs, 4, clean_only=False)]
    clean = [i for b in batches(toy_recipe(), data.pairs, 3, clean_only=True) for i in b.items.tolist()]
    assert data.pairs.clean[clean].all()
    assert len(clean) == 20
    with pytest.raises(UsageError, match="too few"):
        list(batches(toy_recipe(), prepare(toy_recipe(), toy_features()).pairs, 0, clean_only=True))


def test_the_last_batch_of_one_is_left_out() -> None:
    """40 pairs by 13: 13, 13, 13 and one over, which batch normalisation cannot take."""
    data = prepare(toy_recipe(), toy_features())
    assert [len(b.items) for b in batches(toy_recipe(batch=13), data.pairs, 0, clean_only=False)] == [13, 13, 13]


def test_learning_rate_has_a_floor() -> None:
    recipe = toy_recipe(learning_rate=1e-4, falls=1, fall=0.1, least_rate=1e-6)
    assert rate_at(recipe, 0) == pytest.approx(1e-5)
    assert rate_at(recipe, 9) == 1e-6


def test_the_judges_gradient_is_its_own() -> None:
    """After a step the second network has moved by its own loss alone: leaving ``total`` out changes nothing in it."""
    data = prepare(toy_recipe(), toy_features())
    moved = []
    for whole in (True, False):
        trainer = HashTrainer(toy_recipe(), data)
        trainer.model.start_epoch(0)
        trainer.model.train()
        batch = next(batches(trainer.recipe, data.pairs, 0, clean_only=False))
        torch.manual_seed(0)
        if whole:
            trainer.step(batch)
        else:
            losses = trainer.model.losses(batch)
            losses["adversary"].backward()
            assert trainer.second_optimiser is not None
            trainer.second_optimiser.step()
        moved.append([p.detach().clone() for p in trainer.model.adversary_parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*moved, strict=True))


@pytest.mark.parametrize("method", ["duch", "chnr"])
def test_from_features_to_figures(method: str, tmp_path: Path) -> None:
    features = toy_features()
    lines: list[dict[str, float]] = []
    run = train_hasher(toy_recipe(method), features, tmp_path / "run", log=lines.append)
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 12
    record = evaluate_runs([run])
    setting = record["settings"][0]
    assert record["protocol"]["training_pairs"] == 40
    assert (record["protocol"]["query_images"], record["protocol"]["database_images"]) == (8, 32)
    assert setting["bits"] == 16
    figures = setting["figures"]
    assert (figures["image_to_text"]["queries"], figures["image_to_text"]["database"]) == (8, 160)
    assert (figures["text_to_image"]["queries"], figures["text_to_image"]["database"]) == (40, 32)
    # Four clean classes: a code that has learnt anything is far above the 0.25 to 0.45 of chance.
    for direction in ("image_to_text", "text_to_image", "image_to_image", "text_to_text"):
        assert figures[direction]["map_answers"]["20"] > 0.8, direction
    row = hashing_rows([record])[0]
    assert row["method"] == record["model"]["title"]
    path = write_hashing_result(record, tmp_path / "results")
    assert path.name == f"{method}-toy.json"
    assert json.loads(path.read_text())["settings"] == record["settings"]
    with pytest.raises(UsageError, match="already holds a run"):
        train_hasher(toy_recipe(method), features, run)


def test_a_run_repeats_itself(tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_hasher(toy_recipe("chnr", epochs=8), toy_features(), tmp_path / name)
    one, other = (np.load(tmp_path / name / "codes.npz") for name in ("a", "b"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_saved_hasher_gives_the_codes_that_were_saved(tmp_path: Path) -> None:
    features = toy_features()
    run = train_hasher(toy_recipe("duch", epochs=2, scale="train"), features, tmp_path / "run")
    model, scaled, recipe = load_hasher(run)
    assert asdict(recipe) == asdict(toy_recipe("duch", epochs=2, scale="train"))
    split = published_split(IMAGES)
    with np.load(run / "codes.npz") as codes:
        found = encode(model, scaled.images(features.images[split.query]), texts=False)
        assert np.array_equal(found, codes["query_images"])
    (run / "recipe.json").write_text(json.dumps({"method": "compact"}))
    with pytest.raises(DataError, match="not a run of a hashing method"):
        load_hasher(run)
    with pytest.raises(DataError, match="not a training run"):
        load_hasher(tmp_path / "absent")


def test_runs_that_do_not_belong_together_are_not_one_record(tmp_path: Path) -> None:
    features = toy_features()
    runs = [
        train_hasher(toy_recipe("duch", epochs=1, **changes), features, tmp_path / str(number))
        for number, changes in enumerate(({}, {"noise": 0.2}, {"split": "held-out"}))
    ]
    record = evaluate_runs(runs[1::-1])
    assert [setting["noise"] for setting in record["settings"]] == [0.0, 0.2]
    assert record["settings"][1]["wrong_captions"] > 0
    with pytest.raises(UsageError, match="differ in split"):
        evaluate_runs(runs)
    with pytest.raises(UsageError, match="are none"):
        evaluate_runs([])
    (runs[0] / "codes.npz").unlink()
    with pytest.raises(DataError, match="no finished run"):
        evaluate_runs(runs[:1])


def test_a_table_has_means_over_seeds_by_hand() -> None:
    def setting(seed: int, answers: float, noise: float = 0.0) -> dict[str, object]:
        figures = {key: {"map_answers": {"20": answers}, "map_places": {"20": answers - 0.1}} for key in SHORT}
        fixed = {"bits": 64, "variant": "paper", "hidden": 8, "epochs": 1, "learning_rate": 0.0005}
        return {**fixed, "noise": noise, "seed": seed, "figures": figures}

    record = {"model": {"title": "DUCH"}, "dataset": "toy", "protocol": {"split": "published", "leak": None}}
    # mean of 0.5, 0.6, 0.7: 0.6; deviations -0.1, 0, 0.1: squares 0.02 / 2 = 0.01, root 0.1
    settings = [setting(0, 0.5), setting(0, 0.9, noise=0.5), setting(1, 0.6), setting(2, 0.7)]
    rows = hashing_rows([{**record, "settings": settings}])
    assert [(row["noise"], row["seeds"], row["i2t"], row["rate"]) for row in rows] == [
        ("0.00", "3", "0.600 ± 0.100 (0.500)", "0.0005"),
        ("0.50", "1", "0.900 (0.800)", "0.0005"),
    ]
    # runs that differ in anything but the seed are never one row, even where no column tells them apart
    other = [{**setting(seed, 0.5), "text_view": view} for seed, view in enumerate(("caption", "translation"))]
    assert [row["seeds"] for row in hashing_rows([{**record, "settings": other}])] == ["1", "1"]


def test_leaks_are_named() -> None:
    assert leak("rsicd", "held-out", {"trained on": "rsicd train"}) is None
    assert leak("rsicd", "published", {"trained on": "ucm train, rsicd train"}) is not None
    assert leak("ucm", "published", {"trained on": "rsicd train"}) is None
    assert leak("rsicd", "choosing", {"trained on": "rsicd train"}) is not None
    assert leak("ucm", "published", {}) == "what the features were trained on is not known"


def test_recipes_of_the_papers() -> None:
    duch, chnr = hashing_recipe("duch", "rsicd", {}), hashing_recipe("chnr", "rsicd", {})
    assert (duch.epochs, duch.batch, duch.learning_rate, duch.weight_decay) == (100, 256, 1e-4, 5e-4)
    assert (duch.adversary_decay, duch.adversary_decoupled, duch.clean_share) == (1e-4, False, 0.0)
    assert (chnr.epochs, chnr.adversary_decay, chnr.adversary_decoupled, chnr.clean_share) == (150, 1e-3, True, 0.2)
    with pytest.raises(UsageError, match="no setting 'bit'"):
        hashing_recipe("duch", "ucm", {"config": {"bit": 16}})
    with pytest.raises(UsageError, match="did you mean 'duch'"):
        hashing_recipe("duhc", "ucm", {})
    with pytest.raises(UsageError, match="are of toy"):
        prepare(toy_recipe(dataset="ucm"), toy_features())
