"""Tables of image matching: ours for the results page, and the residual-dyad paper's with ours below each row.

A cell without a measured figure stays empty. A published cell that cannot be, or hardly, says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from geoglot.data.published_matching import (
    FIGURES,
    FIVE_FOLDS,
    PRECISIONS,
    SHARES,
    TABLE_I,
    TABLE_II,
    TABLE_III,
    TABLE_IV,
    AblationRow,
    ComparisonRow,
)

Row = dict[str, str]
Record = Mapping[str, Any]

AUTOENCODERS: Final = {"dyad": "ResDyadAE", "residual": "ResAE"}
DISCRIMINATORS: Final = {"dyad": "ResDyadDML", "residual": "ResDML"}
NAMES: Final = {
    "backbone": "our backbone",
    "dense_sift": "Dense SIFT (VLAD)",
    "googlenet": "GoogleNet",
    "hog": "HoG",
    "lbp_rgb": "LBP-RGB",
    "netvlad": "NetVLAD",
    "normalised_softmax": "normalised softmax",
    "resnet50": "ResNet-50",
    "siamese": "Siamese",
    "vgg16": "VGG-16",
}
"""Of descriptors and methods, as the paper prints them where it has them."""
BESIDE: Final = {"ResNet-50": "SatResNet-50"}
"""Printed rows of other weights that ours stand below."""
FISHER: Final = "Dense SIFT (FV)"
SHARE: Final = 0.8
GALLERIES: Final = ("all", "test")
LEFT_OUT: Final = "left out"
"""Of the query, in all our rows; the paper does not say whether it is searched."""
DETAILS: Final = ("gallery", "query", "side px", "runs")


def matching_rows(records: Sequence[Record]) -> list[Row]:
    """One row per record and gallery, the query left out.

    Args:
        records: Records of the task ``matching``.
    """
    rows = []
    for record in sorted(records, key=lambda r: (r["dataset"], -_best(r), title_of(r))):
        for gallery in record["galleries"]:
            figures = record["galleries"][gallery]["query_left_out"]
            leak = record["protocol"]["leak"].get(gallery)
            row = {
                "dataset": record["dataset"],
                "features and comparison": title_of(record),
                "learned without labels from": ", ".join(record["model"]["without_labels"]),
                "share trained on": f"{record['protocol']['share']:g}",
                "folds": str(len(record["protocol"]["folds"]) or ""),
                **_details(record, gallery),
                "clean": "no" if leak else "yes",
                "mAP": _value(figures["mAP"], interval=True),
                "mAP, ties against": _value(figures["mAP_pessimistic"]),
                "ANMRR": _value(figures["ANMRR"], decimals=3),
                "ANMRR MPEG-7": _value(figures["ANMRR_MPEG7"], decimals=3),
            }
            rows.append(row | {name: _value(figures[name]) for name in PRECISIONS})
            rows += _together_rows(record, gallery, row)
    return rows


def _together_rows(record: Record, gallery: str, row: Row) -> list[Row]:
    """The row of several seeds whose scores are averaged, where there are several."""
    if not record.get("together"):
        return []
    figures = record["together"][gallery]["query_left_out"]
    own = {
        "features and comparison": f"{title_of(record)}, scores of {len(record['runs'])} runs averaged",
        "runs": "1",
        "mAP": _value(figures["mAP"], interval=True),
        "mAP, ties against": _value(figures["mAP_pessimistic"]),
        "ANMRR": _value(figures["ANMRR"], decimals=3),
        "ANMRR MPEG-7": _value(figures["ANMRR_MPEG7"], decimals=3),
        **{name: _value(figures[name]) for name in PRECISIONS},
    }
    return [row | own]


def title_of(record: Record) -> str:
    """Features and how they are compared.

    Example:
        >>> model = {"id": "residual_dyad", "descriptor": None, "metric": "learned"}
        >>> title_of({"model": model, "configuration": {"config": {"discriminator": "residual"}}})
        'ResDyadAE-ResDML'
        >>> title_of({"model": {**model, "descriptor": "hog", "metric": "cosine"}, "configuration": {"config": {}}})
        'HoG, cosine'
    """
    model = record["model"]
    dyad = model["id"] == "residual_dyad"
    features = features_of(record)
    if model["metric"] != "learned":
        return f"{features}, {model['metric']}"
    if dyad and model["descriptor"] is None:
        return f"{features}-{_discriminator(record)}"
    if model["descriptor"] is None:
        return features
    return f"{features}, {_discriminator(record) if dyad else model['id']}"


def features_of(record: Record) -> str:
    """Name of the features, as the paper prints it where it has them."""
    model, settings = record["model"], record["configuration"]
    descriptor = model["descriptor"]
    if descriptor == "dense_sift" and (settings.get("descriptor_config") or {}).get("aggregation") == "fisher":
        return FISHER
    if descriptor is not None:
        return NAMES.get(descriptor, str(descriptor))
    if model["id"] == "residual_dyad":
        return AUTOENCODERS[settings["config"].get("autoencoder", "dyad")]
    return NAMES.get(model["id"], str(model["id"]))


def learned_from(record: Record) -> str:
    """Which rows of table I an autoencoder belongs to; other pictures stand in for those of GTCrossView.

    Example:
        >>> learned_from({"model": {"without_labels": ["rsicd", "train"]}})
        'Fine Tuned'
    """
    data = record["model"]["without_labels"]
    if not data:
        return ""
    own, others = "train" in data, any(name != "train" for name in data)
    return "Fine Tuned" if own and others else "LandUse" if own else "GTCrossView"


def residual_dyad_tables(records: Sequence[Record]) -> dict[str, list[Row]]:
    """Tables I to IV, the five folds and the shares of figure 10, each printed row above ours.

    Args:
        records: Records of the task ``matching``.
    """
    whole = [r for r in records if not r["protocol"]["folds"] and r["protocol"]["share"] == SHARE]
    uc_merced = [r for r in whole if r["dataset"] == "ucm"]
    scenes = [r for r in whole if r["dataset"] == "satscene"]
    return {
        "Table I: with and without residual-dyad, UC Merced": [row for r in TABLE_I for row in _ablation(r, uc_merced)],
        "Table II: mAP by Euclidean distance and learned, UC Merced": _metrics(uc_merced),
        "Table III: UC Merced": _comparison(TABLE_III, uc_merced),
        "Table IV: SatScene": _comparison(TABLE_IV, scenes),
        "Five folds, UC Merced": _folds([r for r in records if r["dataset"] == "ucm" and r["protocol"]["folds"]]),
        "Figure 10: shares of UC Merced that train": _shares(records),
    }


def _ablation(printed: AblationRow, records: Sequence[Record]) -> list[Row]:
    head = {"autoencoder": printed.autoencoder, "learned from": printed.learned_from}
    names = ("ResDML", "ResDyadDML")

    def cells(values: Mapping[str, tuple[str, str]]) -> Row:
        return {
            f"{name} {figure}": values.get(name, ("", ""))[place]
            for name in names
            for place, figure in enumerate(("ANMRR", "mAP"))
        }

    theirs = dict(zip(names, (printed.residual, printed.dyad), strict=True))
    shown = {name: (f"{anmrr:.2f}", f"{value:.2f}") for name, (anmrr, value) in theirs.items()}
    rows = [{**head, "row": "published", **_no_details("all", "256"), **cells(shown)}]
    ours = [
        r
        for r in records
        if (r["model"]["id"], r["model"]["descriptor"], r["model"]["metric"]) == ("residual_dyad", None, "learned")
        and (features_of(r), learned_from(r)) == (printed.autoencoder, printed.learned_from)
    ]
    # Cells of one side and one start stand in one row: the two discriminators of one autoencoder.
    kinds = list(dict.fromkeys((_start_words(r), _side(r)) for r in ours))
    for start, side in kinds:
        same = {_discriminator(r): r for r in ours if (_start_words(r), _side(r)) == (start, side)}
        for gallery in GALLERIES:
            found = {
                name: (
                    _value(_reading(record, gallery).get("ANMRR"), decimals=3),
                    _value(_reading(record, gallery).get("mAP")),
                )
                for name, record in same.items()
            }
            runs = "/".join(str(len(same[name]["runs"])) for name in names if name in same)
            details = {"gallery": gallery, "query": LEFT_OUT, "side px": side, "runs": runs}
            rows.append({**head, "row": f"ours, {start}", **details, **cells(found)})
    return rows if kinds else [*rows, {**head, "row": "ours", **_no_details(), **cells({})}]


def _metrics(records: Sequence[Record]) -> list[Row]:
    rows = []
    for printed in TABLE_II:
        head = {"features": printed.features}
        cells = {"Euclidean mAP": f"{printed.euclidean:.2f}", "learned mAP": f"{printed.learned:.2f}"}
        rows.append({**head, "row": "published", **_no_details("all", "256"), **cells})
        rows += _metric_rows(head, [r for r in records if _beside(r) == printed.features])
    others = [r for r in records if _beside(r) not in {printed.features for printed in TABLE_II}]
    for name in dict.fromkeys(features_of(r) for r in others):
        rows += _metric_rows({"features": name}, [r for r in others if features_of(r) == name])
    return rows


def _metric_rows(head: Row, records: Sequence[Record]) -> list[Row]:
    """Both comparisons of the same features in one row, by gallery."""
    rows = []
    compared = [r for r in records if r["model"]["metric"] in ("euclidean", "learned")]
    kinds = list(dict.fromkeys((_start_words(r), _side(r)) for r in compared))
    for start, side in kinds:
        same = [r for r in compared if (_start_words(r), _side(r)) == (start, side)]
        distance = [r for r in same if r["model"]["metric"] == "euclidean"]
        learned = [r for r in same if r["model"]["metric"] == "learned"]
        # One row per trained comparison; the distance, which needs none, is repeated beside each.
        comparisons: list[Record | None] = [*learned] or [None]
        for comparison in comparisons:
            shown = [*distance[:1], *([comparison] if comparison is not None else [])]
            titles = [title_of(comparison)] if comparison is not None else [title_of(r) for r in distance[:1]]
            words = [word for word in (start, *titles) if word]
            for gallery in GALLERIES:
                runs = "/".join(str(len(r["runs"])) for r in shown)
                details = {"gallery": gallery, "query": LEFT_OUT, "side px": side, "runs": runs}
                cells = {
                    "Euclidean mAP": _value(_reading(distance[0], gallery).get("mAP")) if distance else "",
                    "learned mAP": "" if comparison is None else _value(_reading(comparison, gallery).get("mAP")),
                }
                rows.append({**head, "row": ", ".join(["ours", *words]), **details, **cells})
    empty = {"Euclidean mAP": "", "learned mAP": ""}
    return rows or [{**head, "row": "ours", **_no_details(), **empty}]


def _comparison(printed: Sequence[ComparisonRow], records: Sequence[Record]) -> list[Row]:
    """Printed rows with ours below; then what was measured here and is not printed."""
    rows: list[Row] = []
    shown: list[Record] = []
    for theirs in printed:
        head = {"method": theirs.title}
        rows.append({**head, "row": "published", **_no_details("all", "256"), **_published_cells(theirs)})
        # Printed rows of descriptors are by Euclidean distance.
        ours = [
            r
            for r in records
            if title_of(r) == theirs.title or (_beside(r) == theirs.title and r["model"]["metric"] == "euclidean")
        ]
        shown += ours
        rows += _comparison_rows(head, ours) or [{**head, "row": "ours", **_no_details(), **dict.fromkeys(FIGURES, "")}]
    for record in records:
        if not any(record is other for other in shown):
            rows += _comparison_rows({"method": title_of(record)}, [record])
    return rows


def _comparison_rows(head: Row, records: Iterable[Record]) -> list[Row]:
    rows = []
    for record in records:
        for gallery in record["galleries"]:
            rows.append({**head, "row": _ours(record), **_details(record, gallery), **_our_cells(record, gallery)})
            if record.get("together"):
                figures = record["together"][gallery]["query_left_out"]
                cells = {n: _value(figures.get(n), decimals=3 if n == "ANMRR" else 2) for n in FIGURES}
                averaged = {"row": f"{_ours(record)}, scores averaged", **_details(record, gallery)}
                rows.append({**head, **averaged, **cells})
    return rows


def _folds(records: Sequence[Record]) -> list[Row]:
    title = TABLE_III[-1].title
    cells = {name: f"{mean:.4g} ± {spread:g}" for name, (mean, spread) in FIVE_FOLDS.items()}
    empty = dict.fromkeys(FIGURES, "")
    rows = [{"method": title, "row": "published", **_no_details("all", "256"), **empty, **cells}]
    for record in records:
        rows += _comparison_rows({"method": title_of(record)}, [record])
    return rows if records else [*rows, {"method": title, "row": "ours", **_no_details(), **empty}]


def _shares(records: Sequence[Record]) -> list[Row]:
    """The figure prints no numbers: our rows alone."""
    rows = []
    for share in SHARES:
        ours = [
            r
            for r in records
            if r["dataset"] == "ucm"
            and not r["protocol"]["folds"]
            and abs(r["protocol"]["share"] - share) < 1e-9
            # At the usual share only what was trained at another one, too.
            and any(_kind(r) == _kind(other) for other in records if other["protocol"]["share"] != SHARE)
        ]
        head = {"share": f"{share:g}"}
        empty = {"method": "", "row": "ours", **_no_details(), **dict.fromkeys(FIGURES, "")}
        found = [{**head, **row} for r in ours for row in _comparison_rows({"method": title_of(r)}, [r])]
        rows += found or [{**head, **empty}]
    return rows


def _kind(record: Record) -> tuple[str, str, str]:
    return title_of(record), _start_words(record), _side(record)


def _published_cells(row: ComparisonRow) -> Row:
    cells = {}
    for name, value in row.cells.items():
        text = "" if value is None else f"{value:.3f}" if name == "ANMRR" else f"{value:.2f}"
        verdict = row.verdict(name)
        cells[name] = f"{text} ({verdict})" if verdict else text
    return cells


def _our_cells(record: Record, gallery: str) -> Row:
    figures = _reading(record, gallery)
    return {name: _value(figures.get(name), decimals=3 if name == "ANMRR" else 2) for name in FIGURES}


def _reading(record: Record, gallery: str) -> Mapping[str, Any]:
    """Figures with the query left out; empty where that gallery was not searched."""
    readings: Mapping[str, Any] = record["galleries"].get(gallery, {})
    found: Mapping[str, Any] = readings.get("query_left_out", {})
    return found


def _details(record: Record, gallery: str) -> Row:
    return {"gallery": gallery, "query": LEFT_OUT, "side px": _side(record), "runs": str(len(record["runs"]))}


def _no_details(gallery: str = "", side: str = "") -> Row:
    return {"gallery": gallery, "query": "not said" if gallery else "", "side px": side, "runs": ""}


def _side(record: Record) -> str:
    return str(record["configuration"].get("side") or "")


def _discriminator(record: Record) -> str:
    return DISCRIMINATORS[record["configuration"]["config"].get("discriminator", "dyad")]


def _start_words(record: Record) -> str:
    """What it learned from without labels; a descriptor has none of its own."""
    if record["model"]["descriptor"] is not None:
        return ""
    return " then ".join(record["model"]["without_labels"])


def _ours(record: Record) -> str:
    return ", ".join(word for word in ("ours", _start_words(record), title_of(record)) if word)


def _beside(record: Record) -> str:
    """The features' printed row."""
    name = features_of(record)
    return BESIDE.get(name, name)


def _best(record: Record) -> float:
    gallery = GALLERIES[1] if GALLERIES[1] in record["galleries"] else GALLERIES[0]
    return float(_reading(record, gallery)["mAP"]["value"])


def _value(cell: Mapping[str, Any] | None, *, decimals: int = 2, interval: bool = False) -> str:
    """A figure; the deviation over several runs behind it, else the interval where that is asked for."""
    if not cell:
        return ""
    text = f"{cell['value']:.{decimals}f}"
    if cell["spread"] is not None:
        return f"{text} ± {cell['spread']:.{decimals}f}"
    low, high = cell["interval"]
    return f"{text} ({low:.{decimals}f} to {high:.{decimals}f})" if interval else text
