"""Position words in four languages: the same sentence gives the same rules, and what is no such word stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.core.position import ParsedPhrase, PositionRule
from geoglot.text.position_lexicon import lexicon, split
from geoglot.text.position_words import parse_phrase

NORTH, NORTH_EAST = ("compass", 0, 1), ("compass", 1, 1)
LEFT, TOP_LEFT, RIGHT = ("image", -1, 0), ("image", -1, 1), ("image", 1, 0)


def rules(text: str, language: str) -> list[tuple[object, ...]]:
    """Kind, and what is set of the rest, with the anchor's core."""
    return [
        (
            rule.kind,
            *(part for part in (rule.direction, rule.size, rule.anchor and rule.anchor.core) if part),
            rule.count,
        )
        for rule in parse_phrase(text, language).rules
    ]


SAME = {
    "the largest building": (
        [("size", "largest", 1)],
        {
            "en": ["the largest building", "largest building", "the biggest building"],
            "fr": ["le plus grand bâtiment", "le bâtiment le plus grand", "la plus grande maison"],
            "it": ["l'edificio più grande", "il più grande edificio", "la casa più grande"],
            "ar": ["أكبر مبنى", "المبنى الأكبر"],
        },
    ),
    "the three largest buildings": (
        [("size", "largest", 3)],
        {
            "en": ["the three largest buildings", "three largest buildings", "3 biggest buildings"],
            "fr": ["les trois plus grands bâtiments", "les trois bâtiments les plus grands", "3 plus grandes maisons"],
            "it": ["i tre edifici più grandi", "le tre case più grandi", "i 3 edifici più grandi"],
            "ar": ["أكبر ثلاثة مبان", "المباني الثلاثة الأكبر", "أكبر ٣ مبان"],
        },
    ),
    "the smallest": (
        [("size", "smallest", 1)],
        {
            "en": ["the smallest pool"],
            "fr": ["la plus petite piscine", "la piscine la plus petite"],
            "it": ["la piscina più piccola"],
            "ar": ["أصغر مسبح"],
        },
    ),
    "the longest": (
        [("size", "longest", 1)],
        {
            "en": ["the longest road"],
            "fr": ["la plus longue route", "la route la plus longue"],
            "it": ["la strada più lunga"],
            "ar": ["أطول طريق"],
        },
    ),
    "in the north": (
        [("part", NORTH, None)],
        {
            "en": ["buildings in the north", "northern buildings", "the buildings in the northern part of the image"],
            "fr": ["les bâtiments au nord", "bâtiments dans la partie nord de l'image", "les bâtiments du nord"],
            "it": ["gli edifici a nord", "edifici nella parte nord dell'immagine", "edifici settentrionali"],
            "ar": ["المباني في الشمال", "المباني الشمالية", "المباني شمال الصورة", "المباني في الجزء الشمالي"],
        },
    ),
    "the north-eastern one": (
        [("outermost", NORTH_EAST, 1)],
        {
            "en": ["the north-eastern building", "the northeastern building", "the northeasternmost building"],
            "fr": ["le bâtiment du nord-est", "le bâtiment le plus au nord-est"],
            "it": ["l'edificio più a nord-est", "l'edificio nord-orientale", "l'edificio nordorientale"],
            "ar": ["المبنى الشمالي الشرقي"],
        },
    ),
    "the northernmost": (
        [("outermost", NORTH, 1)],
        {
            "en": ["the northernmost building", "the building furthest north", "the northern building"],
            "fr": ["le bâtiment le plus au nord", "le bâtiment septentrional", "la maison la plus au nord"],
            "it": ["l'edificio più a nord", "l'edificio settentrionale", "la casa più a nord"],
            "ar": ["المبنى في أقصى الشمال", "المبنى الشمالي"],
        },
    ),
    "top left": (
        [("part", TOP_LEFT, None)],
        {
            "en": [
                "the house in the top left corner",
                "house in the upper left",
                "the house at the top left of the image",
            ],
            "fr": ["la maison en haut à gauche", "la maison dans le coin supérieur gauche de l'image"],
            "it": ["la casa in alto a sinistra", "la casa nell'angolo superiore sinistro dell'immagine"],
            "ar": ["المنزل في أعلى اليسار", "المنزل في الزاوية العلوية اليسرى"],
        },
    ),
    "on the right": (
        [("part", RIGHT, None)],
        {
            "en": ["pools on the right", "the pools at the right side", "pools on the right-hand side of the picture"],
            "fr": ["les piscines à droite", "les piscines sur le côté droite"],
            "it": ["le piscine a destra", "le piscine sulla destra"],
            "ar": ["المسابح على اليمين"],
        },
    ),
    "next to the river": (
        [("near", "RIVER", None)],
        {
            "en": [
                "buildings next to the river",
                "buildings near a river",
                "buildings by the river",
                "buildings close to the river",
            ],
            "fr": [
                "les bâtiments à côté de la rivière",
                "des bâtiments près d'une rivière",
                "bâtiments au bord de la rivière",
            ],
            "it": ["gli edifici vicino al fiume", "edifici accanto al fiume", "edifici vicini a un fiume"],
            "ar": ["المباني بجانب النهر", "المباني بالقرب من النهر", "المباني قرب النهر", "المباني المجاورة للنهر"],
        },
    ),
    "along the road": (
        [("along", "ROAD", None)],
        {
            "en": ["buildings along the road", "buildings alongside the road"],
            "fr": ["bâtiments le long de la route", "les bâtiments qui longent la route"],
            "it": ["edifici lungo la strada", "gli edifici lungo le strade"],
            "ar": ["المباني على طول الطريق"],
        },
    ),
    "surrounded": (
        [("surrounded", "TREES", None)],
        {
            "en": ["houses surrounded by trees"],
            "fr": ["maisons entourées d'arbres", "les maisons entourées par des arbres"],
            "it": ["case circondate da alberi", "le case circondate dagli alberi"],
            "ar": ["المنازل المحاطة بالأشجار", "منازل محاطة بأشجار"],
        },
    ),
    "north of the river": (
        [("toward", NORTH, "RIVER", None)],
        {
            "en": ["buildings north of the river", "the buildings to the north of the river"],
            "fr": ["les bâtiments au nord de la rivière"],
            "it": ["gli edifici a nord del fiume"],
            "ar": ["المباني شمال النهر", "المباني إلى الشمال من النهر"],
        },
    ),
    "left of the road": (
        [("toward", LEFT, "ROAD", None)],
        {
            "en": ["the house to the left of the road", "house on the left side of the road"],
            "fr": ["la maison à gauche de la route"],
            "it": ["la casa a sinistra della strada"],
            "ar": ["المنزل إلى يسار الطريق", "المنزل يسار الطريق"],
        },
    ),
    "in the middle": (
        [("part", None)],
        {
            "en": ["trees in the middle", "central buildings", "buildings in the centre of the image"],
            "fr": ["les arbres au milieu", "les bâtiments au centre de l'image"],
            "it": ["gli alberi al centro", "edifici centrali"],
            "ar": ["الأشجار في الوسط", "المباني في وسط الصورة"],
        },
    ),
    "inside": (
        [("inside", "LAKE", None)],
        {
            "en": ["trees in the lake", "trees in the middle of the lake", "boats on the lake"],
            "fr": ["les bateaux sur le lac", "les arbres au milieu du lac"],
            "it": ["le barche sul lago", "alberi al centro del lago"],
            "ar": ["قوارب في البحيرة", "أشجار في وسط البحيرة"],
        },
    ),
    "far": (
        [("far", "ROAD", None)],
        {
            "en": ["houses far from the road", "houses away from roads"],
            "fr": ["les maisons loin de la route", "maisons éloignées des routes"],
            "it": ["case lontane dalla strada"],
            "ar": ["منازل بعيدة عن الطريق"],
        },
    ),
    "both": (
        [("near", "RIVER", None), ("size", "largest", 2)],
        {
            "en": ["the two largest buildings next to the river"],
            "fr": ["les deux plus grands bâtiments à côté de la rivière"],
            "it": ["i due edifici più grandi vicino al fiume"],
            "ar": ["أكبر اثنين مبان بجانب النهر"],
        },
    ),
}
ANCHORS = {
    "RIVER": {"river", "riviere", "fiume", "النهر", "rivière"},
    "ROAD": {"road", "roads", "route", "routes", "strada", "strade", "الطريق"},
    "TREES": {"trees", "arbres", "alberi", "الأشجار", "أشجار"},
    "LAKE": {"lake", "lac", "lago", "البحيرة"},
}
NOUNS = {
    *("building buildings house houses pool pools road trees boats piscine piscines piscina".split()),
    *("bâtiment bâtiments maison maisons route arbres bateaux edificio edifici casa case strada alberi barche".split()),
    *("مبنى المبنى مبان المباني مسبح المسابح طريق المنزل المنازل منازل الأشجار أشجار قوارب".split()),
}


@pytest.mark.parametrize(
    ("meaning", "language", "text"),
    [(meaning, language, text) for meaning, (_, said) in SAME.items() for language in said for text in said[language]],
)
def test_one_meaning_in_four_languages(meaning: str, language: str, text: str) -> None:
    expected = SAME[meaning][0]
    found = rules(text, language)
    assert len(found) == len(expected), found
    for one, other in zip(found, expected, strict=True):
        for part, wanted in zip(one, other, strict=True):
            if wanted in ANCHORS:
                assert part in ANCHORS[str(wanted)]
            else:
                assert part == wanted
    assert parse_phrase(text, language).core in NOUNS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("storage tanks", "en"),
        ("low vegetation", "en"),
        ("many white planes", "en"),
        ("bare land with some trees", "en"),
        ("the largest", "en"),
        ("in the north", "en"),
        ("a house with a left", "fr"),
        ("végétation basse", "fr"),
        ("une route droite", "fr"),
        ("le bâtiment est haut", "fr"),
        ("vegetazione bassa", "it"),
        ("ملاعب تنس", "ar"),
        ("غطاء نباتي منخفض", "ar"),
        ("", "en"),
        ("!?", "en"),
    ],
)
def test_other_words_stay_as_they_are(text: str, language: str) -> None:
    parsed = parse_phrase(text, language)
    assert parsed == ParsedPhrase(text=text, core=text.strip())


def test_the_neighbours_own_words_are_applied_to_it() -> None:
    parsed = parse_phrase("buildings next to the largest lake in the north", "en")
    near, part = parsed.rules
    assert (near.kind, part.kind) == ("near", "part")  # what is in the north are the buildings
    assert near.anchor is not None
    assert (near.anchor.core, [rule.kind for rule in near.anchor.rules]) == ("lake", ["size"])
    assert parsed.names == ("buildings", "lake")


def test_ranks_and_counts() -> None:
    for text, language in (
        ("the second largest building", "en"),
        ("the 2nd largest building", "en"),
        ("le deuxième plus grand bâtiment", "fr"),
        ("il secondo edificio più grande", "it"),
        ("ثاني أكبر مبنى", "ar"),
    ):
        (rule,) = parse_phrase(text, language).rules
        assert (rule.kind, rule.size, rule.rank, rule.count) == ("size", "largest", 2, 1), text
    (rule,) = parse_phrase("the largest buildings", "en").rules
    assert rule.count is None  # those that come near the largest one
    (rule,) = parse_phrase("the two northernmost houses", "en").rules
    assert (rule.kind, rule.count) == ("outermost", 2)


def test_what_is_not_counted_lies_in_a_part() -> None:
    assert rules("the northern water", "en") == [("part", NORTH, None)]
    assert rules("l'eau du nord", "fr") == [("part", NORTH, None)]


def test_accents_case_marks_and_punctuation_do_not_matter() -> None:
    assert rules("LES TROIS PLUS GRANDS BATIMENTS", "fr") == rules("les trois plus grands bâtiments.", "fr")
    assert rules("أَكْبَرُ مَبْنًى", "ar") == rules("اكبر مبنى", "ar")
    assert rules("North-Eastern building", "en") == rules("north eastern building", "en")


def test_rules_are_told_in_words() -> None:
    parsed = parse_phrase("the three largest buildings north of the river", "en")
    assert [rule.words for rule in parsed.rules] == ["north of 'river'", "the 3 largest"]
    assert PositionRule(kind="part").words == "in the middle"


WORDS = {
    language: sorted(
        {
            word
            for table in (lexicon(language).directions, lexicon(language).sizes, lexicon(language).relations)
            for phrases in table.values()
            for phrase in split(phrases)
            for word in phrase.split()
        }
    )
    for language in ("en", "ar", "fr", "it")
}


@settings(deadline=None)
@given(st.data())
def test_any_words_in_any_order_are_read_without_a_loss(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(sorted(WORDS)))
    words = data.draw(st.lists(st.sampled_from([*WORDS[language], "building", "lac", "مبنى", "3"]), max_size=9))
    text = " ".join(words)
    parsed = parse_phrase(text, language)
    assert parsed.core or not text.strip()
    assert set(parsed.core.split()) <= {*text.split()}  # nothing is invented
    assert parse_phrase(text, language) == parsed
    if not parsed.rules:
        assert parsed.core == text.strip()


@settings(deadline=None)
@given(st.text(max_size=40), st.sampled_from(["en", "ar", "fr", "it"]))
def test_any_text_is_read(text: str, language: str) -> None:
    parsed = parse_phrase(text, language)
    assert parsed.text == text
    assert bool(parsed.core) == bool(text.strip())
