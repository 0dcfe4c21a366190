"""METEOR 1.5 and SPICE, by the programs of their authors, where Java and their jars are at hand.

Neither is written anew here, and nothing else is ever reported under their names: without the jars there is no value,
and a reason. The jars are those of the package pycocoevalcap, whose folder is found where it is installed, or they lie
in a folder that the environment variable ``GEOGLOT_CAPTION_JARS`` names: ``meteor-1.5.jar`` with
``data/paraphrase-en.gz``, and ``spice-1.0.jar`` with ``lib``, each also in a folder ``meteor`` or ``spice`` of its own.
SPICE further asks for Stanford CoreNLP 3.6.0 and its models in ``lib``, which the package does not carry.

Each program runs in a process of its own that is stopped after a time limit.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from geoglot.metrics.caption import Key, caption_tokens
from geoglot.text.ptb import caption_words

JARS_VARIABLE: Final = "GEOGLOT_CAPTION_JARS"
SECONDS: Final = 1800.0
"""Longest run of one program."""

_LANGUAGE = "en"
_CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


@dataclass(frozen=True, kw_only=True)
class JavaMeasure:
    """What one program said.

    Attributes:
        value: From 0 to 1, ``None`` where it was left out.
        images: One value per image in the order of the hypotheses; empty where it was left out. The value of METEOR is
            formed from the counts of all images and is not their mean.
        left_out: Why there is no value, empty where there is one.
    """

    value: float | None = None
    images: tuple[float, ...] = ()
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class JavaMeasures:
    """METEOR 1.5 and SPICE of a corpus of captions."""

    meteor: JavaMeasure
    spice: JavaMeasure

    def record(self) -> dict[str, Any]:
        """For a results file: both values, and the reasons of those that are missing."""
        both = {"meteor": self.meteor, "spice": self.spice}
        reasons = {name: measure.left_out for name, measure in both.items() if measure.value is None}
        return {**{name: measure.value for name, measure in both.items()}, "left_out": reasons}


def java_measures(
    hypotheses: Mapping[Key, str],
    references: Mapping[Key, Sequence[str]],
    *,
    language: str = "en",
    jars: Path | None = None,
    java: str = "java",
    seconds: float = SECONDS,
) -> JavaMeasures:
    """METEOR 1.5 and SPICE; a program that is absent or fails costs its value, not the evaluation.

    Args:
        hypotheses: From image to caption.
        references: From image to its captions, at least one each.
        language: Of the captions; both programs are used for English only.
        jars: Folder with the jars instead of the environment's or the package's.
        java: The program that runs them.
        seconds: Longest run of each.

    Raises:
        DataError: There is no image, the images differ, or an image has no reference.
    """
    words = [
        (" ".join(caption), [" ".join(text) for text in captions])
        for caption, captions in caption_tokens(hypotheses, references, tokenise=caption_words)
    ]
    reason = ""
    program = shutil.which(java)
    folder = jars or jar_folder()
    if language != _LANGUAGE:
        reason = f"METEOR 1.5 and SPICE are used for English captions only, these are {language}"
    elif program is None:
        reason = "Java is not installed"
    elif folder is None:
        reason = f"the jars are absent: install pycocoevalcap or set {JARS_VARIABLE}"
    if reason or program is None or folder is None:
        return JavaMeasures(meteor=JavaMeasure(left_out=reason), spice=JavaMeasure(left_out=reason))
    return JavaMeasures(meteor=_meteor(words, folder, program, seconds), spice=_spice(words, folder, program, seconds))


def jar_folder() -> Path | None:
    """The folder that the environment names, else that of the installed package, else none. Nothing is imported."""
    named = os.environ.get(JARS_VARIABLE)
    if named:
        return Path(named)
    package = importlib.util.find_spec("pycocoevalcap")
    places = list(package.submodule_search_locations or ()) if package else []
    return Path(places[0]) if places else None


def _meteor(words: Sequence[tuple[str, list[str]]], folder: Path, java: str, seconds: float) -> JavaMeasure:
    jar = _jar(folder, "meteor", "meteor-1.5.jar")
    if jar is None:
        return JavaMeasure(left_out=f"meteor-1.5.jar is not in {folder.name}")
    if not (jar.parent / "data" / "paraphrase-en.gz").is_file():
        return JavaMeasure(left_out="data/paraphrase-en.gz is not beside meteor-1.5.jar")
    command = [java, "-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]
    questions = "".join(
        f"SCORE ||| {' ||| '.join([*captions, caption])}\n" for caption, captions in _without_bars(words)
    )
    counts, reason = _asked(command, questions, jar.parent, seconds)
    if not reason and len(counts) != len(words):
        reason = f"METEOR answered {len(counts)} lines for {len(words)} captions"
    if reason:
        return JavaMeasure(left_out=reason)
    answers, reason = _asked(command, f"EVAL ||| {' ||| '.join(counts)}\n", jar.parent, seconds)
    try:
        values = [float(line) for line in answers]
    except ValueError:
        reason = reason or "METEOR answered something that is no number"
        values = []
    if not reason and len(values) != len(words) + 1:
        reason = f"METEOR answered {len(values)} values for {len(words)} captions"
    if reason:
        return JavaMeasure(left_out=reason)
    return JavaMeasure(value=values[-1], images=tuple(values[:-1]))


def _spice(words: Sequence[tuple[str, list[str]]], folder: Path, java: str, seconds: float) -> JavaMeasure:
    jar = _jar(folder, "spice", "spice-1.0.jar")
    if jar is None:
        return JavaMeasure(left_out=f"spice-1.0.jar is not in {folder.name}")
    absent = [name for name in _CORENLP if not (jar.parent / "lib" / name).is_file()]
    if absent:
        return JavaMeasure(left_out=f"{' and '.join(absent)} not in lib beside spice-1.0.jar")
    with tempfile.TemporaryDirectory() as place:
        asked, answer = Path(place) / "captions.json", Path(place) / "spice.json"
        content = [{"image_id": row, "test": text, "refs": captions} for row, (text, captions) in enumerate(words)]
        asked.write_text(json.dumps(content), encoding="utf-8")
        # Its graph library reads private fields of Java's own classes, which Java forbids from version 16 on.
        opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util", "math", "io", "net")]
        command = [java, *opened, "-Dfile.encoding=UTF-8", "-Xmx8G", "-jar", str(jar), str(asked), "-out", str(answer)]
        _, reason = _asked([*command, "-silent"], "", jar.parent, seconds)
        if reason:
            return JavaMeasure(left_out=reason)
        return _spice_values(answer, len(words))


def _spice_values(answer: Path, images: int) -> JavaMeasure:
    try:
        found = {item["image_id"]: float(item["scores"]["All"]["f"]) for item in json.loads(answer.read_text("utf-8"))}
        values = tuple(found[row] for row in range(images))
    except (OSError, ValueError, KeyError, TypeError) as error:
        return JavaMeasure(left_out=f"the answer of SPICE cannot be read ({type(error).__name__})")
    return JavaMeasure(value=sum(values) / images, images=values)


def _asked(command: Sequence[str], questions: str, folder: Path, seconds: float) -> tuple[list[str], str]:
    """The lines that a program answers, and why it did not answer."""
    name = "METEOR" if "-stdio" in command else "SPICE"
    try:
        done = subprocess.run(
            command, input=questions.encode(), capture_output=True, timeout=seconds, check=False, cwd=folder
        )
    except subprocess.TimeoutExpired:
        return [], f"{name} took longer than {seconds:.0f} seconds"
    except OSError as error:
        return [], f"{name} could not be started ({error.strerror})"
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return [], f"{name} failed with exit code {done.returncode} ({(said or ['no message'])[0][:200]})"
    return done.stdout.decode(errors="replace").splitlines(), ""


def _jar(folder: Path, name: str, file: str) -> Path | None:
    # Absolute, because the programs run in the folder of their jar.
    places = (folder.resolve() / file, folder.resolve() / name / file)
    return next((place for place in places if place.is_file()), None)


def _without_bars(words: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Captions without the mark that parts the fields of a question."""
    return [(text.replace("|", ""), [caption.replace("|", "") for caption in captions]) for text, captions in words]
