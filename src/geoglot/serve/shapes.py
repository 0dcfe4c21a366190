"""What goes in and out of the service, typed: each class is one JSON object of the interface."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, WithJsonSchema, model_validator

Identifier = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["0f3b6c9a5d1e47f28a9b0c1d2e3f4a5b"])]
SourceId = Annotated[str, Field(pattern="^[0-9a-f]{16}$", examples=["4521ee3da23ee42e"])]
Token = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Language = Literal["en", "ar", "fr", "it"]
Words = Annotated[str, Field(min_length=1, max_length=2000)]
Weight = Annotated[FiniteFloat, Field(ge=-4, le=4, description="Negative means less of this; never 0.")]
Longitude = Annotated[FiniteFloat, Field(ge=-360, le=360)]
Latitude = Annotated[FiniteFloat, Field(ge=-90, le=90)]
Box = tuple[Longitude, Latitude, Longitude, Latitude]
Bounds = Annotated[
    tuple[float, float, float, float],
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4}),
    Field(description="West, south, east, north in degrees; west > east crosses 180 degrees."),
]
"""Described as a list of four: many readers of interfaces know no tuples."""
Pixels = Annotated[
    tuple[int, int, int, int],
    WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}),
    Field(description="Column, row, width, height in full-resolution pixels."),
]
Moment = Annotated[str, Field(min_length=4, max_length=40, examples=["2021-06-30"])]


class Strict(BaseModel):
    """A request: unknown names are slips of the pen, and are said to be so."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class SavedQueryFile(Strict):
    """A saved query, as the service gave it in ``query`` or ``saved`` of an answer."""

    model_config = ConfigDict(extra="allow", frozen=True)
    format: Literal["geoglot-query"]
    version: Literal[1]


class TermIn(Strict):
    """One thing to look for: exactly one of a text, a tile, an uploaded picture, or a saved query."""

    text: Words | None = None
    item: Identifier | None = Field(default=None, description="A tile of the archive.")
    image: Token | None = Field(default=None, description="An uploaded picture, see POST /v1/images.")
    vector_of: SavedQueryFile | None = Field(default=None, description="What a saved query looked for.")
    weight: Weight = 1.0

    @model_validator(mode="after")
    def _one_of_them(self) -> TermIn:
        if sum(given is not None for given in (self.text, self.item, self.image, self.vector_of)) != 1:
            raise ValueError("give exactly one of text, item, image and vector_of")
        if self.weight == 0:
            raise ValueError("a weight of 0 says nothing")
        return self


class PolygonIn(Strict):
    """A GeoJSON Polygon in degrees."""

    type: Literal["Polygon"]
    coordinates: list[list[Annotated[list[FiniteFloat], Field(min_length=2, max_length=3)]]] = Field(
        min_length=1, max_length=1000
    )


class SearchIn(Strict):
    """A question with all that narrows it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"terms": [{"text": "many planes beside the terminal"}], "k": 20},
                {
                    "terms": [{"text": "ملاعب تنس", "weight": 1}, {"text": "snow", "weight": -0.5}],
                    "within": [5.0, 43.2, 5.6, 43.6],
                    "time_from": "2021",
                },
            ]
        }
    )
    terms: list[TermIn] = Field(default_factory=list, max_length=20)
    language: Language | None = None
    within: Box | None = Field(default=None, description="West, south, east, north; west > east crosses 180 degrees.")
    polygon: PolygonIn | None = None
    time_from: Moment | None = Field(default=None, description="At or after.")
    time_to: Moment | None = Field(default=None, description="Before.")
    sources: list[SourceId] = Field(default_factory=list, max_length=200)
    gsd: tuple[Annotated[FiniteFloat, Field(ge=0)], Annotated[FiniteFloat, Field(ge=0)]] | None = Field(
        default=None, description="Least and greatest ground sample distance, metres per pixel."
    )
    words: Words | None = Field(default=None, description="Captions must say this.")
    right: list[Identifier] = Field(default_factory=list, description="Tiles that show what is wanted.")
    wrong: list[Identifier] = Field(default_factory=list, description="Tiles that do not.")
    k: int = Field(default=20, ge=1)
    offset: int = Field(default=0, ge=0)
    rerank: Literal["none", "exact", "reciprocal", "place", "dyad"] | None = None
    collapse: bool = Field(default=True, description="Overlapping tiles of one place are one hit.")


class HitOut(Shown):
    """One place that answers."""

    rank: int
    score: float
    band: Literal["likely", "uncertain", "background"]
    id: Identifier
    source: SourceId
    name: str
    window: Pixels
    level: int
    bounds: Bounds | None
    footprint: dict[str, Any] | None = Field(description="GeoJSON; null where the tile is unlocated.")
    time: str | None
    gsd_m: float | None
    merged: int = Field(description="Overlapping tiles of the same place that it stands for.")
    same_place: bool | None = None
    caption: str | None = None
    caption_language: str | None = None
    thumbnail: str


class TermOut(Shown):
    """What was understood of one term."""

    label: str
    text: str | None = None
    weight: float
    language: str | None = None
    unknown_words: list[str] = Field(default_factory=list)


class HistogramOut(Shown):
    """How scores are spread over what passes the filters."""

    edges: list[float]
    counts: list[int]
    exact: bool = Field(description="Whether every tile was counted; else a sample stands for all.")


class ThresholdsOut(Shown):
    """Least scores of hits that are likely, and at least uncertain; null where there are none."""

    likely: float | None
    uncertain: float | None


class SearchOut(Shown):
    """The answer to one question."""

    hits: list[HitOut]
    terms: list[TermOut]
    notes: list[str]
    histogram: HistogramOut
    thresholds: ThresholdsOut
    no_likely: bool
    total: int = Field(description="Tiles that pass the filters.")
    milliseconds: float
    command: str = Field(description="The equal 'geoglot search' line.")
    query: dict[str, Any] = Field(description="The question, to be saved as a file for --query.")
    saved: dict[str, Any] = Field(description="The same, settled into one vector: it needs none of the tiles.")


class ModelOut(Shown):
    """The model of the archive."""

    id: str
    languages: list[str]
    licence: str | None
    size_bytes: int
    recall: dict[str, Any] = Field(description="Measured recall in percent by language, as the model's card says.")


class ArchiveOut(Shown):
    """What the archive holds."""

    name: str
    tiles: int
    sources: int
    failed_sources: int
    bounds: Bounds | None
    located_share: float
    time_range: list[str] | None
    gsd_range: list[float] | None
    storage_bytes: dict[str, int]
    model: ModelOut
    captions: dict[str, int]
    codes: str
    created: str
    coverage: dict[str, Any] = Field(description="GeoJSON of the sources, or of cells where there are many.")
    basemap: str | None
    can_index: bool = Field(description="Whether there are folders from which more may be indexed.")
    features: list[str]


class ItemOut(Shown):
    """One tile."""

    id: Identifier
    source: SourceId
    name: str
    window: Pixels
    level: int
    bounds: Bounds | None
    footprint: dict[str, Any] | None
    time: str | None
    gsd_m: float | None
    captions: dict[str, str]
    thumbnail: str


class SourceOut(Shown):
    """One file of the archive."""

    id: SourceId
    name: str
    kind: str | None
    state: str
    tiles: int
    bytes: int
    error: str | None
    bounds: Bounds | None
    times: list[str] | None
    gsd_m: list[float] | None


class SourcesOut(Shown):
    """A page of sources."""

    sources: list[SourceOut]
    total: int
    states: dict[str, int]


class SceneOut(SourceOut):
    """One file, opened: what it says of itself."""

    width: int
    height: int
    bands: int
    dtype: str
    crs: str | None
    picture: str
    map_tiles: str | None = Field(description="Address of its map tiles; null where it is unlocated.")


class UploadOut(Shown):
    """A picture that may be searched with."""

    image: Token
    thumbnail: str
    width: int
    height: int


class HealthOut(Shown):
    """That the service is there."""

    status: Literal["ok"]
    version: str


class ProblemOut(Shown):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    remedy: str | None = None
