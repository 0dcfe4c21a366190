"""The page of a captioning run: one HTML file, no script, no address outside of it; what is missing is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoglot.api.printable import in_html
from geoglot.api.reports.captioning_pictures import attention_section, captions_section, languages_section
from geoglot.api.reports.captioning_run import SPLIT, agreement, attribute_tables
from geoglot.api.reports.curves import Validated, line_of, training_section
from geoglot.api.reports.parts import (
    described,
    folded,
    framed_page,
    machine_words,
    named,
    none,
    pairs,
    runs_described,
    soft,
    software_words,
    table,
)

if TYPE_CHECKING:
    from geoglot.api.plots import Line
    from geoglot.api.reports.captioning import CaptioningReport
    from geoglot.api.reports.captioning_run import CaptioningRun

COLUMNS = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
    "meteor": "METEOR 1.5",
    "sm": "Sm",
    "meteor_exact_stem": "exact and stem",
}


def page(report: CaptioningReport) -> str:
    """The page as text."""
    run = report.runs[0]
    return framed_page(
        title=f"Captioning report: {run.name}",
        facts=_facts(report),
        lead=protocol(report),
        missing=report.missing,
        sections={
            "numbers": ("Numbers", numbers_section(report)),
            "curves": ("Training", curves_section(report)),
            "captions": ("Captions", captions_section(report)),
            "attention": ("Where it looked", attention_section(report)),
            "attributes": ("Attributes", attributes_section(report)),
            "languages": ("Languages side by side", languages_section(report)),
            "runs": ("The runs", runs_described(report, report.runs, [_described(one) for one in report.runs])),
        },
        styles=["captioning.css"],
    )


def protocol(report: CaptioningReport) -> str:
    """How the run was measured, in words."""
    run = report.runs[0]
    counts = [f"{len(said):,} of {dataset} in {language}" for (dataset, language), said in run.said.items()]
    beam = int(run.summary.get("beam", 1))
    way = "word by word, the most probable one each time" if beam == 1 else f"by a beam of {beam}"
    epoch = run.summary.get("best_epoch", "unknown")
    return (
        f"One sentence for every {SPLIT} image: {'; '.join(counts) or 'none'}. Written {way}; the width of "
        f"the beam and the epoch (number {epoch}) were chosen on the validation images, never on "
        "these. Words are split in the Penn Treebank way, lower case, without punctuation. CIDEr-D takes the "
        "frequencies of words from the references of the measured images, so numbers of two datasets do not compare."
    )


def numbers_section(report: CaptioningReport) -> str:
    """All measures of all runs, a table per dataset and language."""
    parts: list[str] = []
    reasons: dict[str, list[str]] = {}
    shown = {key: name for key, name in COLUMNS.items() if _anywhere(report, key)}
    for key in report.runs[0].said:
        found = {number: one for (number, other), one in report.measured.items() if other == key}
        if not found:
            parts.append(none(f"{key[0]}, {key[1]}: no image has both a caption and references, so no number."))
            continue
        rows = []
        for number, one in found.items():
            figures = one.figures()
            cells = ["" if figures[name] is None else f"{figures[name]:.4f}" for name in shown]
            rows.append([named(report, report.runs[number]), *cells, f"{len(one.measures.images):,}"])
        for one in found.values():
            if one.meteor is None and key[0] not in reasons.setdefault(one.left_out, []):
                reasons[one.left_out].append(key[0])
        caption = f"{key[0]}, {SPLIT} images, captions in {key[1]}"
        parts.append(table(["run", *shown.values(), "images"], rows, caption=caption, own=0))
    told = (
        "All from 0 to 1, CIDEr-D from 0 to 10. BLEU over the whole corpus with the closest reference length; ROUGE-L "
        "with beta 1.2. Sm is the mean of BLEU-4, METEOR 1.5, ROUGE-L and CIDEr-D. Exact and stem: our own alignment "
        "of equal and, in English, equally stemmed words; it is not METEOR and is not part of Sm."
    )
    causes = "; ".join(f"{', '.join(datasets)}: {reason}" for reason, datasets in reasons.items())
    why = f"Without METEOR 1.5 and so without Sm: {causes}." if reasons else ""
    return "".join(parts) + (none(why) if why else "") + soft(told)


def _anywhere(report: CaptioningReport, name: str) -> bool:
    """Whether a measure was taken of any run; a column of nothing is left out."""
    return any(one.figures()[name] is not None for one in report.measured.values())


def curves_section(report: CaptioningReport) -> str:
    """Training loss and validation CIDEr-D by epoch, all runs in each plot."""
    alone = len(report.compared) == 1
    losses: list[Line] = []
    cider: list[Line] = []
    for number, run in enumerate(report.compared):
        for name, curve in run.losses.items():
            if curve and (alone or name == "total"):
                style = len(losses) if alone else number
                losses.append(line_of(curve, f"{run.name}, {name}", style=style, dashed=name != "total"))
        for language, curve in run.cider.items():
            if curve and (alone or not language):
                style = len(cider) if alone else number
                cider.append(line_of(curve, f"{run.name}, {language or 'mean'}", style=style, dashed=bool(language)))
    what = Validated(
        name="CIDEr-D",
        identity="cider-plot",
        title="CIDEr-D of the validation images by epoch",
        per="caption",
        curves=[run.cider for run in report.compared],
    )
    return training_section(report, report.compared, losses, cider, what)


def attributes_section(report: CaptioningReport) -> str:
    """Precision and recall of the attributes, all together and one by one."""
    rows, single = [], ""
    for dataset in report.runs[0].datasets:
        for run in report.runs:
            for kind, (given, labels) in attribute_tables(run, dataset, report.references).items():
                found = agreement(given, labels)
                cells = [f"{value:.4f}" for value in (found.precision, found.recall, found.f1, found.macro_f1)]
                means = [f"{float((given >= 0.5).sum(1).mean()):.2f}", f"{float(labels.sum(1).mean()):.2f}"]
                rows.append([named(report, run), in_html(dataset), kind, *cells, *means])
                if run is report.runs[0] and kind == "probable":
                    single += _one_by_one(run, dataset, report)
    if not rows:
        return none("No run here predicts attributes, or the references are not at hand.")
    head = ["run", "dataset", "attributes", "precision", "recall", "F1", "macro F1", "predicted", "named"]
    told = (
        "Named: the attribute stands in one of the English references of the image. Probable: predicted with a "
        "probability of at least one half. Sampled: what guided the sentence. Precision and recall count all "
        "attributes of all test images together; macro F1 is the mean of every attribute's own. The last two columns: "
        "how many of an image, on average."
    )
    return table(head, rows, texts=(1, 2)) + soft(told) + single


def _one_by_one(run: CaptioningRun, dataset: str, report: CaptioningReport) -> str:
    given, labels = attribute_tables(run, dataset, report.references)["probable"]
    seen = given >= 0.5
    rows = []
    for column, word in enumerate(run.attributes.words):
        predicted, named_ = int(seen[:, column].sum()), int(labels[:, column].sum())
        right = int((seen[:, column] & (labels[:, column] > 0)).sum())
        precision = f"{right / predicted:.3f}" if predicted else "none predicted"
        recall = f"{right / named_:.3f}" if named_ else "none named"
        rows.append((-named_, [in_html(word), f"{named_:,}", f"{predicted:,}", f"{right:,}", precision, recall]))
    rows.sort(key=lambda row: row[0])
    head = ["attribute", "named", "predicted", "right", "precision", "recall"]
    return folded(table(head, [cells for _, cells in rows], caption=f"{run.name}, {dataset}, the most frequent first"))


def _facts(report: CaptioningReport) -> dict[str, str]:
    run = report.runs[0]
    figures: dict[str, str] = {}
    for (number, (dataset, language)), found in report.measured.items():
        if number == 0 and not figures:
            values = found.figures()
            shown = {COLUMNS[name]: value for name, value in values.items() if name != "meteor_exact_stem"}
            figures = {name: f"{value:.4f}" for name, value in shown.items() if value is not None}
            figures["Measured on"] = f"{dataset}, {language}, {len(found.measures.images):,} images"
    return figures | {
        "Method": str(run.recipe.get("method", "unknown")),
        "Backbone": f"{run.recipe.get('backbone', 'unknown')}, {run.recipe.get('side', '?')} px",
        "Languages": ", ".join(run.languages),
    }


def _described(run: CaptioningRun) -> dict[str, str]:
    recipe, summary = run.recipe, run.summary
    about = run.sizes.get("backbone_about") or {}
    learnt = about.get("trained_on")
    return described(
        {
            "method": recipe.get("method"),
            "settings": pairs(recipe.get("config") or {}) or "as the method has them",
            "backbone": f"{recipe.get('backbone')}, weights {recipe.get('backbone_weights') or 'random'}, frozen",
            "backbone trained on": ", ".join(learnt) if isinstance(learnt, list) else learnt,
            "data": f"{', '.join(recipe.get('datasets') or ())}, {recipe.get('side')} px",
            "languages": ", ".join(run.languages),
            "vocabulary": pairs({"words": run.sizes.get("vocabulary"), "attributes": run.sizes.get("attributes")}),
            "training": pairs(
                {
                    name.replace("_", " "): recipe.get(name)
                    for name in ("epochs", "batch", "captions", "optimiser", "learning_rate", "schedule", "clip")
                }
            ),
            "beam": summary.get("beam"),
            "best epoch": summary.get("best_epoch"),
            "parameters": f"{summary['parameters']:,}" if isinstance(summary.get("parameters"), int) else None,
            "training seconds": summary.get("training_seconds"),
            "seed": recipe.get("seed"),
            "machine": machine_words(run.machine),
            "software": software_words(run.machine),
            "commit": run.machine.get("commit"),
        }
    )
