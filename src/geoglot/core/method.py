"""What a file of the gallery says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["two-tower", "scorer", "hasher", "captioner", "segmenter", "matcher", "descriptor"]
Fidelity = Literal["full", "partial"]


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """A method's name plate; every file of the gallery has one, called ``METHOD``.

    Attributes:
        title: The method's name as the paper writes it.
        paper: Authors, title, where, year.
        kind: ``two-tower`` (both sides have a vector: can be indexed), ``scorer`` (a score needs both sides:
            re-ranks), ``hasher`` (binary codes), and the kinds of the other tasks.
        variants: Readings of the method, the default first.
        fidelity: ``partial`` marks a reconstruction from a paper that leaves sizes or losses open.
        counted: What the parameter count covers, in a few words.
    """

    title: str
    paper: str
    kind: Kind
    variants: tuple[str, ...] = ("paper",)
    fidelity: Fidelity = "full"
    counted: str = "all parameters"
