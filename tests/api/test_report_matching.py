"""The page of a matching run: right numbers, right pictures, harmless, and honest about what is missing."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_datasets import write_fake
from matching_runs import STAGES, epochs_of, images_of, write_run
from page_reader import Reader

import geoglot as gg
from geoglot.api.reports.matching_pictures import mosaic, score_text
from geoglot.api.reports.matching_run import chosen_queries, first_places, load_matching_run, measure
from geoglot.cli import main as program
from geoglot.core.errors import DataError, UsageError
from geoglot.engine.matching.predictions import FILE, MatchingPredictions, load_predictions

TAGS = set(
    "html head meta title style body header main section nav footer div span h1 h2 h3 h4 p ol ul li dl dt dd a "
    "figure figcaption img details summary table caption thead tbody tr th td svg g path rect text polyline".split()
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets")
    write_fake(folder, "ucm")
    return folder


@pytest.fixture(scope="module")
def dyad(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "dyad", *images_of(root), noise=0.5)


@pytest.fixture(scope="module")
def residual(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("others") / "residual"
    return write_run(folder, *images_of(root), noise=1.5, seed=3, config={"autoencoder": "residual"})


def check_harmless(page: str) -> Reader:
    """No script, no handler, no address outside the page, nothing but our own tags, every anchor there."""
    reader = Reader(page)
    assert set(reader.tags) <= TAGS, set(reader.tags) - TAGS
    assert reader.comments == []
    anchors = {value for _, name, value in reader.attributes if name == "id"}
    assert len(anchors) == sum(name == "id" for _, name, _ in reader.attributes)
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name)
        assert "url(" not in value or tag == "style"
        if name == "href":
            assert value[0] == "#", value
            assert value[1:] in anchors, value
        if name == "src":
            assert re.fullmatch(r"data:image/(jpeg|png);base64,[A-Za-z0-9+/=]+", value), (tag, value)
        if name == "aria-labelledby":
            assert value in anchors
        if tag == "img" and name == "alt":
            assert value
    assert "http:" not in page
    assert "https:" not in page
    policy = next(value for tag, name, value in reader.attributes if tag == "meta" and value.startswith("default-src"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return reader


def naive(said: MatchingPredictions, gallery: str) -> dict[str, Any]:
    """All measures by plain loops, the query itself left out of its ranking."""
    precisions, ranks, by_class, at5 = [], [], {}, []
    for query, row in enumerate(said.query_rows.tolist()):
        found = []
        for column, other in enumerate(said.gallery_rows.tolist()):
            if other != row and (gallery == "all" or said.splits[other] == "test"):
                found.append(
                    (-float(said.scores[query, column]), column, said.categories[other] == said.categories[row])
                )
        right = [hit for _, _, hit in sorted(found)]
        places = [place for place, hit in enumerate(right, 1) if hit]
        total = len(places)
        precision = sum(number / place for number, place in enumerate(places, 1)) / total
        reach = 2 * total
        mean = sum(place if place <= reach else 1.25 * reach for place in places) / total
        precisions.append(precision)
        ranks.append((mean - 0.5 * (1 + total)) / (1.25 * reach - 0.5 * (1 + total)))
        by_class.setdefault(said.category_names[said.categories[row]], []).append(precision)
        at5.append(sum(right[:5]) / 5)
    return {
        "mAP": 100 * statistics.fmean(precisions),
        "ANMRR": statistics.fmean(ranks),
        "classes": {name: 100 * statistics.fmean(values) for name, values in by_class.items()},
        "P@5": 100 * statistics.fmean(at5),
    }


def test_the_numbers_are_those_of_plain_loops_on_the_page_and_in_the_records(
    dyad: Path, residual: Path, root: Path
) -> None:
    report = gg.matching_report(dyad, against=[residual], root=root)
    page = report.page()
    records = report.as_records()
    assert [(one["run"], one["gallery"]) for one in records] == [
        ("dyad", "test"), ("dyad", "all"), ("residual", "test"), ("residual", "all"),
    ]  # fmt: skip
    rows = [row for row in re.findall(r"<tr[^>]*>.*?</tr>", page) if "MPEG" not in row]
    for record, folder in zip(records, [dyad, dyad, residual, residual], strict=True):
        wanted = naive(load_predictions(folder), record["gallery"])
        assert record["mAP"] == pytest.approx(wanted["mAP"], abs=1e-4)
        assert record["ANMRR"] == pytest.approx(wanted["ANMRR"], abs=1e-6)
        assert record["P@5"] == pytest.approx(wanted["P@5"], abs=1e-4)
        cells = f"<td>{wanted['mAP']:.2f}</td><td>{wanted['ANMRR']:.4f}</td>"
        assert any(f"{record['run']}</th>{cells}" in row for row in rows), record
    for name in load_predictions(dyad).category_names:
        cells = [
            naive(load_predictions(run), gallery)["classes"][name]
            for run in (dyad, residual)
            for gallery in ("test", "all")
        ]
        assert f'<th scope="row">{name}</th>' + "".join(f"<td>{cell:.2f}</td>" for cell in cells) in page


def test_the_page_is_one_harmless_file(dyad: Path, residual: Path, root: Path, tmp_path: Path) -> None:
    for gallery in ("test", "all"):
        written = gg.matching_report(dyad, against=[residual], gallery=gallery, root=root).save(tmp_path / "a.html")
        reader = check_harmless(written.read_text(encoding="utf-8"))
        words = " ".join(reader.words)
        assert "Matching report: dyad" in words
        assert "12 test images of ucm ask" in words
        assert ("Images that training may have seen" in words) == (gallery == "all")
        assert reader.tags.count("img") > 100


def test_sheets_mark_right_and_wrong_as_the_classes_say(dyad: Path, root: Path) -> None:
    report = gg.matching_report(dyad, root=root)
    said = report.runs[0].predictions
    page = report.page()
    found = chosen_queries(report.runs[0].measured["test"])
    right = wrong = 0
    for picks in found.values():
        assert [words for words, _ in picks] == ["best", "median", "worst"]
        for _, query in picks:
            row = said.query_rows[query]
            columns = first_places(said, query, "test")
            assert len(columns) == 10
            hits = said.gallery_rows[columns]
            assert row not in hits
            assert set(said.splits[hits]) == {"test"}
            right += int((said.categories[hits] == said.categories[row]).sum())
            wrong += int((said.categories[hits] != said.categories[row]).sum())
    assert page.count('<li class="tile right">') == right == page.count(">✓</span>")
    assert page.count('<li class="tile wrong">') == wrong == page.count(">✗</span>")


def test_the_first_places_of_all_images_hold_training_images_and_not_the_query(dyad: Path) -> None:
    said = load_predictions(dyad)
    columns = first_places(said, 0, "all")
    hits = said.gallery_rows[columns]
    assert said.query_rows[0] not in hits
    best = np.sort(np.delete(said.scores[0], said.query_rows[0]))[::-1][:10]
    assert said.scores[0, columns].tolist() == best.tolist()


def test_best_median_and_worst_are_chosen_by_precision_and_order(dyad: Path) -> None:
    measured = measure(load_predictions(dyad), "test")
    assert measured is not None

    def chosen(classes: list[int], precisions: list[float]) -> dict[int, list[tuple[str, int]]]:
        count = len(classes)
        invented = replace(
            measured,
            categories=np.array(classes),
            relevant=np.ones(count, np.int64),
            average_precision=np.array(precisions),
        )
        return chosen_queries(invented)

    # Of five the third is the median, of four the second; of equal ones the first comes first.
    assert chosen([4] * 5, [0.1, 0.9, 0.5, 0.3, 0.7]) == {4: [("best", 1), ("median", 2), ("worst", 0)]}
    assert chosen([0] * 4, [0.5, 0.5, 0.5, 0.5]) == {0: [("best", 0), ("median", 1), ("worst", 3)]}
    assert chosen([0, 1, 1], [0.2, 0.3, 0.4]) == {0: [("best", 0)], 1: [("best", 2), ("worst", 1)]}


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'onmouseover='alert(1)",
    "</style></title><script>",
    "]]>--><!--",
    "a\x1b[2J\u202egnp",
    "&lt;b&gt;",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str, tmp_path: Path) -> None:
    items = [f"{name}{number}" for number in range(6)]
    folder = tmp_path / name.replace("/", "_")
    write_run(folder, items, [name, "b"] * 3, dataset=name, method=name, config={name: name}, initial=name)
    report = gg.matching_report(folder, root=tmp_path)
    page = report.page()
    reader = check_harmless(page)
    assert "\x1b" not in page
    assert "\u202e" not in page
    if name == HOSTILE[0]:
        assert name in " ".join(reader.words)


def test_missing_images_are_said_and_named(dyad: Path, tmp_path: Path) -> None:
    report = gg.matching_report(dyad, root=tmp_path)
    words = " ".join(check_harmless(report.page()).words)
    assert "the images of ucm are not at hand" in words
    assert "dyad could not be looked into: the images are not at hand." in words
    assert report.thumbnails == {}
    assert report.as_records()[0]["mAP"] > 0


def test_a_missing_checkpoint_is_said_where_pictures_would_be(dyad: Path, root: Path) -> None:
    words = " ".join(Reader(gg.matching_report(dyad, root=root).page()).words)
    assert "dyad could not be looked into: it is not finished." in words


def test_a_descriptor_run_says_that_it_has_no_encoder(root: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "hog", *images_of(root), descriptor="hog", metric="euclidean", stages=(), epochs=[])
    words = " ".join(check_harmless(gg.matching_report(folder, root=root).page()).words)
    assert "hog has no encoder: its features come from the descriptor hog." in words
    assert "hog reports no losses: nothing was trained" in words
    assert "The number is the Euclidean distance." in words
    assert "none: nothing was trained" in words


def test_losses_are_plotted_by_stage_and_their_lack_is_said(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    folder = write_run(tmp_path / "silent", *items, epochs=epochs_of(validation=False))
    page = gg.matching_report(folder, root=tmp_path).page()
    assert "silent reports no validation loss of Reconstruction, images of rsicd." in page
    assert "silent reports no validation loss of Pairs, training images of ucm." in page
    # Losses 1, 1/2, 1/3, 1/4 of four epochs.
    assert "<td>4</td><td>1</td><td>0.25</td><td>none</td><td></td>" in page
    (folder / "metrics.jsonl").unlink()
    assert "silent reports no losses" in gg.matching_report(folder, root=tmp_path).page()


def test_losses_of_the_run_it_started_from_come_first(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    write_run(tmp_path / "first", *items, epochs=epochs_of()[:4])
    folder = write_run(tmp_path / "second", *items, initial="elsewhere/first", epochs=epochs_of()[4:])
    assert [losses.stage for losses in load_matching_run(folder).losses] == [
        "Reconstruction, images of rsicd",
        "Pairs, training images of ucm",
    ]
    write_run(tmp_path / "loop", *items, initial="loop", epochs=epochs_of()[:4])
    assert len(load_matching_run(tmp_path / "loop").losses) == 1


def test_an_epoch_that_was_trained_again_counts_once(root: Path, tmp_path: Path) -> None:
    lines = [*epochs_of()[:2], {**epochs_of()[1], "loss_total": 7.0}]
    [losses] = load_matching_run(write_run(tmp_path / "a", *images_of(root), epochs=lines)).losses
    assert losses.train == ((1, 1.0), (2, 7.0))


def test_one_class_is_enough(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "one", [f"i{n}" for n in range(6)], ["sea"] * 6)
    report = gg.matching_report(folder, root=tmp_path)
    words = " ".join(check_harmless(report.page()).words)
    assert "No class is taken for another." in words
    assert {one["mAP"] for one in report.as_records()} == {100.0}


def test_a_gallery_without_answers_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "lonely", ["a0", "a1", "b0", "b1"], ["a", "a", "b", "b"])
    path = folder / FILE
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["splits"] = np.array(["test", "train", "test", "train"])
    arrays["query_rows"], arrays["scores"] = np.array([0, 2]), arrays["scores"][[0, 2]]
    np.savez(path, **arrays)
    report = gg.matching_report(folder, root=tmp_path)
    words = " ".join(check_harmless(report.page()).words)
    assert "Gallery: test images: no two of them share a class, so nothing can be found." in words
    assert [one["gallery"] for one in report.as_records()] == ["all"]
    check_harmless(gg.matching_report(folder, gallery="all", root=tmp_path).page())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(bad: float, dyad: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dyad, tmp_path / "bad")
    with np.load(folder / FILE) as stored:
        arrays = dict(stored)
    arrays["scores"][3, 5] = bad
    np.savez(folder / FILE, **arrays)
    with pytest.raises(DataError, match="score that is no number"):
        gg.matching_report(folder)


@pytest.mark.parametrize("text", ['{"stage": 1, "epoch": 1, "loss_total": NaN}', "no record", "[1]", '{"epoch": 1}'])
def test_damaged_losses_are_refused(text: str, dyad: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(dyad, tmp_path / "bad")
    (folder / "metrics.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"metrics\.jsonl"):
        gg.matching_report(folder)


def test_runs_that_cannot_be_compared_are_refused(dyad: Path, root: Path, tmp_path: Path) -> None:
    items, categories = images_of(root)
    other = write_run(tmp_path / "other", items, categories, dataset="rsicd")
    fewer = write_run(tmp_path / "fewer", items[1:], categories[1:])
    for against, said in ((other, "was measured on rsicd"), (fewer, "other images"), (dyad, "is named twice")):
        with pytest.raises(UsageError, match=said):
            gg.matching_report(dyad, against=[against])
    with pytest.raises(DataError, match="is not a finished run"):
        gg.matching_report(tmp_path)
    (tmp_path / "recipe.json").write_text('{"method": "scan"}')
    with pytest.raises(DataError, match="is not a run of matching"):
        gg.matching_report(tmp_path)
    with pytest.raises(UsageError, match="is not known"):
        gg.matching_report(dyad, gallery="train")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="shows nothing"):
        gg.matching_report(dyad, classes=0)


def test_shares_folds_and_seeds_are_summed_up(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    shares = [
        write_run(tmp_path / f"share{n}", *items, share=share, test=1 - share) for n, share in enumerate((0.5, 0.3))
    ]
    seeds = [write_run(tmp_path / f"seed{n}", *items, share=0.5, seed=n) for n in (1, 2)]
    folds = [write_run(tmp_path / f"fold{n}", *items, fold=n, seed=n) for n in (0, 1)]
    report = gg.matching_report(shares[0], against=[shares[1], *seeds, *folds], root=tmp_path)
    page = report.page()
    check_harmless(page)
    figures = {(one["run"], one["gallery"]): one["mAP"] for one in report.as_records()}
    same = [figures[name, "test"] for name in ("share0", "seed1", "seed2")]
    # Mean and deviation of a sample, by hand: the root of the sum of squares over n - 1.
    mean = sum(same) / 3
    deviation = (sum((value - mean) ** 2 for value in same) / 2) ** 0.5
    assert f'<th scope="row">50%</th><td>3</td><td>{mean:.2f} ± {deviation:.2f}</td>' in page
    assert f'<th scope="row">30%</th><td>1</td><td>{figures["share1", "test"]:.2f}</td>' in page
    first, second = figures["fold0", "test"], figures["fold1", "test"]
    assert f"<td>{(first + second) / 2:.2f} ± {abs(first - second) / 2**0.5:.2f}</td>" in page
    assert len(report.compared) == 1
    assert "5 runs are in tables only" in page
    alone = gg.matching_report(shares[0], root=tmp_path).page()
    assert "No two runs on this page are one setting" in alone


def test_runs_that_started_from_other_runs_are_other_settings(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    for name, stages in {"own": STAGES[:1], "other": (replace(STAGES[0], data=("train",)),)}.items():
        write_run(tmp_path / name, *items, stages=stages, epochs=epochs_of()[:4])
    for fold in (0, 1):
        write_run(tmp_path / f"start{fold}", *items, stages=STAGES[:1], fold=fold, epochs=epochs_of()[:4])
    starts = ("own", "other", "start0", "start1", "gone", "lost")
    runs = [write_run(tmp_path / f"from-{name}", *items, stages=STAGES[1:], initial=name) for name in starts]
    settings = [load_matching_run(run).setting for run in runs]
    assert settings[0] == settings[2] == settings[3]
    assert len(set(settings)) == 4


def test_no_folder_of_the_machine_is_told(root: Path, tmp_path: Path) -> None:
    initial = write_run(tmp_path / "first", *images_of(root))
    config = {"backbone": str(tmp_path / "backbone")}
    folder = write_run(tmp_path / "run", *images_of(root), initial=str(initial), config=config)
    for place in (root, tmp_path):
        page = gg.matching_report(folder, root=place).page()
        assert str(tmp_path) not in page
        assert "backbone backbone" in page


def test_what_training_saw_is_said(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    for stages, metric, said in [
        (STAGES, "learned", "12 of the 24 gallery images were trained or validated on, with their classes"),
        (STAGES[:1], "euclidean", "training has seen none of them"),
    ]:
        folder = write_run(tmp_path / metric, *items, stages=stages, metric=metric)
        assert said in gg.matching_report(folder, root=tmp_path).page()


def test_runs_of_one_name_are_told_apart(root: Path, tmp_path: Path) -> None:
    items = images_of(root)
    folders = [write_run(tmp_path / parent / "run", *items, seed=n, noise=n + 1) for n, parent in enumerate("ab")]
    report = gg.matching_report(folders[0], against=[folders[1]], root=tmp_path)
    assert [run.name for run in report.runs] == ["a/run", "b/run"]


def test_dark_maps_are_hatched_and_others_are_not() -> None:
    latent = np.ones((2, 8, 8), np.float32)
    latent[1] = 0
    shown = mosaic(latent, np.array([False, True]), 1.0)
    colours = [len(np.unique(part.reshape(-1, 3), axis=0)) for part in np.array_split(shown, 2, axis=1)]
    # The bright half has its colour and white lines; the dark half has night blue and hatching in place of it.
    assert colours == [2, 3]
    assert mosaic(np.zeros((1024, 1, 1), np.float32), np.ones(1024, bool), 0.0).shape[1] >= 900


def test_a_learned_score_is_shown_as_a_probability(dyad: Path) -> None:
    run = load_matching_run(dyad)
    # 1 / (1 + exp(-2)) = 0.881
    assert [score_text(run, score) for score in (0.0, 2.0, 1e9, -1e9)] == ["0.500", "0.881", "1.000", "0.000"]
    assert score_text(replace(run, recipe={"metric": "euclidean"}), -12.34) == "12.3"
    assert score_text(replace(run, recipe={"metric": "cosine"}), 0.5) == "0.500"


def test_the_command_writes_the_page_and_lists_the_numbers(
    dyad: Path, residual: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(dyad, tmp_path / "dyad")
    common = ["--data-root", str(root), "-q"]
    assert program.main(["report", "matching", str(run), "--against", str(residual), *common]) == 0
    told = capsys.readouterr()
    expected = gg.matching_report(run, against=[residual], root=root)
    assert [json.loads(line) for line in told.out.splitlines()] == expected.as_records()
    assert f"wrote {run / 'report.html'}" in told.err
    assert (run / "report.html").read_text(encoding="utf-8") == expected.page()
    out = ["--out", str(tmp_path / "a.html"), "--gallery", "all", "--classes", "1"]
    assert program.main(["report", "matching", str(run), *out, *common, "--format", "table"]) == 0
    assert "mAP" in capsys.readouterr().out
    assert "3 more classes are not shown." in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_errors_of_the_command_are_one_line_each(
    dyad: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, said in [
        (["matchin", str(dyad)], 2, "did you mean 'matching'?"),
        (["matching", str(tmp_path / "none")], 1, "is not a finished run"),
        (["matching", str(dyad), "--against", str(dyad)], 2, "is named twice"),
        (["matching", str(dyad), "--classes", "0"], 2, "shows nothing"),
    ]:
        assert program.main(["report", *arguments, "-q"]) == code, arguments
        told = capsys.readouterr()
        assert told.out == ""
        assert said in told.err, told.err
        assert len(told.err.strip().splitlines()) == 1, told.err


def test_a_trained_run_shows_what_its_encoder_makes(root: Path, tmp_path: Path) -> None:
    from geoglot.engine.matching.recipe import MatchingRecipe, Stage
    from geoglot.engine.matching.running import run_matching

    stages = (Stage(kind="reconstruction", epochs=1), Stage(kind="pairs", epochs=1))
    sizes = {"widths": (4, 8, 8, 16), "discriminator_widths": (8, 12, 6)}
    recipe = MatchingRecipe(method="residual_dyad", config=sizes, dataset="ucm", share=0.5, side=64, stages=stages)
    run_matching(recipe, tmp_path / "runs" / "real", data_root=root, cache=tmp_path / "cache")
    report = gg.matching_report(tmp_path / "runs" / "real", root=root)
    [found] = report.encoders.values()
    assert found.restored is not None
    assert found.restored.shape == (4, 64, 64, 3)
    page = report.page()
    words = " ".join(check_harmless(page).words)
    assert f"MSE {found.errors[0]:.5f}" in words
    assert f"{len(found.dark)} of 2 x 2" in words
    assert found.counted == 12
    assert len(report.shown_items) == 4 == page.count(", restored by real: MSE")
    assert page.count("Feature maps of real") == 2
