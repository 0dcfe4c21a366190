"""The words for places, sizes, counts and neighbours in four languages, as plain tables.

Phrases are separated by ``|`` and written as people write them; they are normalised when they are read. A direction is
``compass`` or ``image`` with steps to the right (east) and upwards (north), each -1, 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from geoglot.core.position import Direction
from geoglot.text.normalise import normalise

_COMPASS: Final = {
    "n": (0, 1),
    "ne": (1, 1),
    "e": (1, 0),
    "se": (1, -1),
    "s": (0, -1),
    "sw": (-1, -1),
    "w": (-1, 0),
    "nw": (-1, 1),
}
_IMAGE: Final = {
    "top": (0, 1),
    "top right": (1, 1),
    "right": (1, 0),
    "bottom right": (1, -1),
    "bottom": (0, -1),
    "bottom left": (-1, -1),
    "left": (-1, 0),
    "top left": (-1, 1),
}


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The words of one language.

    Attributes:
        articles: Words that may stand before a noun and say nothing; they are left out at the beginning.
        directions: By direction its words, as they follow a preposition.
        adjectives: By direction the words that may stand beside a noun by themselves.
        extremes: By direction words that mean the outermost by themselves ("northernmost").
        most: What makes a direction the outermost one ("furthest").
        within: Prepositions of a part of the picture ("in the").
        parts: Words for such a part ("corner", "half").
        picture: What may follow it ("of the image").
        of: What follows a direction when something else is meant to lie there ("of", as in "north of the river").
        toward: By direction words that a noun may follow without any such word.
        centre: "in the middle", ready as it is; followed by `of` and a noun it is inside that.
        central: The adjective.
        sizes: By kind (``largest``, ``smallest``, ``longest``, ``shortest``) its superlatives.
        numbers: From 2 on.
        ordinals: From 2 on ("second").
        relations: By kind (``near``, ``along``, ``inside``, ``surrounded``, ``far``) its words; a noun follows.
        fillers: Words that are left hanging when what follows is taken away ("situated", "that are").
        singular: Articles of one thing.
        plural: Articles and words of several things.
    """

    articles: str
    directions: dict[str, str]
    adjectives: dict[str, str]
    extremes: dict[str, str] = field(default_factory=dict)
    most: str = ""
    within: str = ""
    parts: str = ""
    picture: str = ""
    of: str = ""
    toward: dict[str, str] = field(default_factory=dict)
    centre: str = ""
    central: str = ""
    sizes: dict[str, str] = field(default_factory=dict)
    numbers: str = ""
    ordinals: str = ""
    relations: dict[str, str] = field(default_factory=dict)
    fillers: str = ""
    singular: str = ""
    plural: str = ""


def _english() -> Lexicon:
    stems = {"n": "north", "s": "south", "e": "east", "w": "west"}
    words = {key: f"{stem}|{stem}ern" for key, stem in stems.items()}
    ends = {key: f"{stem}ernmost|{stem}most" for key, stem in stems.items()}
    for both in ("ne", "se", "sw", "nw"):
        up, side = stems[both[0]], stems[both[1]]
        words[both] = f"{up} {side}|{up} {side}ern|{up}{side}|{up}{side}ern|{up}ern {side}ern"
        ends[both] = f"{up} {side}ernmost|{up}{side}ernmost"
    image = {
        "top": "top|upper",
        "bottom": "bottom|lower",
        "left": "left|left hand",
        "right": "right|right hand",
        "top left": "top left|upper left|top left hand|upper left hand",
        "top right": "top right|upper right|top right hand|upper right hand",
        "bottom left": "bottom left|lower left|bottom left hand|lower left hand",
        "bottom right": "bottom right|lower right|bottom right hand|lower right hand",
    }
    return Lexicon(
        articles="the|a|an|all|all the|some|any|that|those|these",
        directions={**words, **image},
        adjectives={**words, **image},
        extremes={
            **ends,
            "top": "topmost|uppermost",
            "bottom": "bottommost|lowermost",
            "left": "leftmost",
            "right": "rightmost",
        },
        most="most|furthest|farthest|furthest to the|farthest to the|furthest towards the",
        within="in the|at the|on the|to the|towards the|toward the|in the very|at|in|from the",
        parts="part|side|half|corner|quarter|edge|end|area|third|portion|border",
        picture="of the image|of the scene|of the picture|of the photo|of the map|of the tile|of the area",
        of="of|from",
        centre="in the middle|in the centre|in the center|at the centre|at the center|at the middle",
        central="central|middle|centremost|centermost",
        sizes={
            "largest": "largest|biggest|greatest",
            "smallest": "smallest|tiniest|littlest",
            "longest": "longest",
            "shortest": "shortest",
        },
        numbers="two|three|four|five|six|seven|eight|nine|ten",
        ordinals="second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth",
        relations={
            "near": "next to|beside|near|near to|close to|by|adjacent to|alongside of|at the side of|bordering|"
            "right by|right next to|right beside|just next to|directly next to|very near|very close to|on the bank of",
            "along": "along|along with|alongside|lining",
            "surrounded": "surrounded by|enclosed by|encircled by",
            "inside": "inside|inside of|within|in the|in a|in an|on the|on a|on an|on top of|upon",
            "far": "far from|away from|far away from",
        },
        fillers="located|situated|found|lying|standing|parked|driving|moving|running|that|which|are|is|lies|lie",
        singular="the one|a|an|one|that",
        plural="all|all the|some|those|these|several|many",
    )


def _french() -> Lexicon:
    words = {
        "n": "nord",
        "s": "sud",
        "e": "est",
        "w": "ouest",
        "ne": "nord est|nordest",
        "se": "sud est|sudest",
        "sw": "sud ouest|sudouest",
        "nw": "nord ouest|nordouest",
    }
    learned = {"n": "septentrional", "s": "méridional", "e": "oriental", "w": "occidental"}
    agreeing = {key: "|".join(f"{w}{end}" for end in ("", "e", "es", "s")) for key, w in learned.items()}
    agreeing = {key: f"{some}|{learned[key][:-1]}ux" for key, some in agreeing.items()}
    compass = {key: f"{some}|{agreeing[key]}" if key in agreeing else some for key, some in words.items()}
    beside = {
        key: "|".join(f"{before} {each}" for each in some.split("|") for before in ("du", "de l", "du côté", "côté"))
        for key, some in words.items()
    }
    adjectives = {
        key: "|".join(part for part in (agreeing.get(key, ""), beside[key], "" if key == "e" else some) if part)
        for key, some in words.items()
    }
    most = ("le plus", "la plus", "les plus", "plus")
    upper = "supérieur|supérieure|supérieurs|supérieures"
    lower = "inférieur|inférieure|inférieurs|inférieures"
    image = {
        "top": f"haut|{upper}",
        "bottom": f"bas|{lower}",
        "left": "gauche",
        "right": "droite",
        "top left": f"haut à gauche|haut gauche|{_pairs(upper, 'gauche')}",
        "top right": f"haut à droite|haut droite|haut droit|{_pairs(upper, 'droite|droit')}",
        "bottom left": f"bas à gauche|bas gauche|{_pairs(lower, 'gauche')}",
        "bottom right": f"bas à droite|bas droite|bas droit|{_pairs(lower, 'droite|droit')}",
    }
    return Lexicon(
        articles="le|la|les|l|un|une|des|tous les|toutes les|ce|cette|ces|du",
        directions={**compass, **image},
        adjectives={
            **adjectives,
            "top": f"du haut|{upper}",
            "bottom": f"du bas|{lower}",
            "left": "de gauche|gauche",
            "right": "de droite",
            "top left": f"en haut à gauche|{_pairs(upper, 'gauche')}",
            "top right": f"en haut à droite|{_pairs(upper, 'droite|droit')}",
            "bottom left": f"en bas à gauche|{_pairs(lower, 'gauche')}",
            "bottom right": f"en bas à droite|{_pairs(lower, 'droite|droit')}",
        },
        extremes={
            key: "|".join(f"{plus} {each}" for plus in most for each in agreeing[key].split("|")) for key in agreeing
        },
        most="|".join(f"{plus} {to}" for plus in (*most, "tout") for to in ("au", "à l", "à", "en")),
        within="au|à l|à|en|dans le|dans l|dans la|sur la|sur le|vers le|vers l|sur le côté|à la",
        parts="partie|coin|côté|moitié|quart|bord|angle|extrémité|zone|tiers|part",
        picture="de l image|de la scène|de la photo|de la carte|de la zone|de l image satellite|du cliché",
        of="de|du|de la|de l|des|d",
        centre="au milieu|au centre|en plein milieu|en plein centre|dans le centre|dans la partie centrale",
        central="central|centrale|centraux|centrales|du milieu|du centre",
        sizes={
            "largest": _french_most("grand|grande|grands|grandes|gros|grosse|grosses|vaste|vastes|étendu|étendue"),
            "smallest": _french_most("petit|petite|petits|petites"),
            "longest": _french_most("long|longue|longs|longues"),
            "shortest": _french_most("court|courte|courts|courtes"),
        },
        numbers="deux|trois|quatre|cinq|six|sept|huit|neuf|dix",
        ordinals="deuxième|troisième|quatrième|cinquième|sixième|septième|huitième|neuvième|dixième",
        relations={
            "near": _french_of(
                "à côté|près|proche|proches|à proximité|auprès|au bord|aux abords|voisin|voisine|voisins"
            )
            + "|contre le|contre la|contre l",
            "along": _french_of("le long|en bordure") + "|longeant|bordant|qui longe|qui longent|qui borde|qui bordent",
            "surrounded": "|".join(
                f"{word} {by}"
                for word in ("entouré", "entourée", "entourés", "entourées")
                for by in (
                    "par des",
                    "par les",
                    "par le",
                    "par la",
                    "par l",
                    "par un",
                    "par une",
                    "par",
                    "de",
                    "des",
                    "d",
                )
            ),
            "inside": "à l intérieur de la|à l intérieur de l|à l intérieur du|à l intérieur de|à l intérieur des|"
            "dans le|dans la|dans l|dans les|dans un|dans une|sur le|sur la|sur l|sur les|sur un|sur une",
            "far": _french_of("loin|éloigné|éloignée|éloignés|éloignées"),
        },
        fillers="situé|située|situés|situées|se|trouve|trouvent|qui|est|sont|garé|garée|garés|garées|roulant|placé",
        singular="le|la|l|un|une|ce|cette",
        plural="les|des|tous les|toutes les|ces|plusieurs",
    )


def _pairs(first: str, second: str) -> str:
    return "|".join(f"{one} {other}" for one in first.split("|") for other in second.split("|"))


def _french_most(adjectives: str) -> str:
    return "|".join(f"{before}plus {word}" for word in adjectives.split("|") for before in ("", "le ", "la ", "les "))


def _french_of(words: str) -> str:
    after = ("de la", "de l", "du", "des", "d un", "d une", "d", "de")
    return "|".join(f"{word} {of}" for word in words.split("|") for of in after)


def _italian() -> Lexicon:
    words = {
        "n": "nord",
        "s": "sud",
        "e": "est",
        "w": "ovest",
        "ne": "nord est|nordest",
        "se": "sud est|sudest",
        "sw": "sud ovest|sudovest",
        "nw": "nord ovest|nordovest",
    }
    learned = {"n": "settentrional", "s": "meridional", "e": "oriental", "w": "occidental"}
    agreeing = {key: f"{word}e|{word}i" for key, word in learned.items()}
    for both, side in (("ne", "e"), ("se", "e"), ("sw", "w"), ("nw", "w")):
        stem = "nord" if both[0] == "n" else "sud"
        agreeing[both] = f"{_pairs(stem, agreeing[side])}|" + "|".join(
            f"{stem}{word}" for word in agreeing[side].split("|")
        )
    compass = {key: f"{some}|{agreeing[key]}" for key, some in words.items()}
    upper, lower = "superiore|superiori", "inferiore|inferiori"
    left, right = "sinistra|sinistro|sinistri|sinistre", "destra|destro|destri|destre"
    image = {
        "top": f"alto|{upper}",
        "bottom": f"basso|{lower}",
        "left": left,
        "right": right,
        "top left": f"alto a sinistra|{_pairs(upper, left)}",
        "top right": f"alto a destra|{_pairs(upper, right)}",
        "bottom left": f"basso a sinistra|{_pairs(lower, left)}",
        "bottom right": f"basso a destra|{_pairs(lower, right)}",
    }
    within = "a|ad|al|all|in|nel|nell|nella|verso|verso il|sul|sulla|sull|dal lato|sul lato|a lato"
    by = {
        key: "|".join(f"{of} {each}" for each in some.split("|") for of in ("di", "del", "dell", "dal lato"))
        for key, some in {**words, "left": "sinistra", "right": "destra"}.items()
    }
    return Lexicon(
        articles="il|lo|la|l|i|gli|le|un|uno|una|dei|degli|delle|tutti i|tutte le|tutti gli|quel|quei|quelli|quelle",
        directions={**compass, **image},
        adjectives={
            **{key: f"{some}|{by[key]}" if key in by else some for key, some in {**compass, **image}.items()},
            "top": upper,
            "bottom": lower,
            "top left": f"in alto a sinistra|{_pairs(upper, left)}",
            "top right": f"in alto a destra|{_pairs(upper, right)}",
            "bottom left": f"in basso a sinistra|{_pairs(lower, left)}",
            "bottom right": f"in basso a destra|{_pairs(lower, right)}",
        },
        extremes={key: "|".join(f"più {each}" for each in some.split("|")) for key, some in agreeing.items()},
        most="più a|più ad|più in|più verso",
        within=within,
        parts="parte|angolo|lato|metà|quarto|bordo|estremità|zona|terzo|area",
        picture="dell immagine|della scena|della foto|della mappa|dell area|della fotografia",
        of="di|del|della|dell|dello|dei|degli|delle|dal|dalla|dall",
        centre="al centro|nel centro|nel mezzo|in mezzo|nella parte centrale",
        central="centrale|centrali|di mezzo|del centro",
        sizes={
            "largest": "più grande|più grandi|più grosso|più grossa|più grossi|più grosse|più esteso|più estesa|"
            "più vasto|più vasta|maggiore|maggiori",
            "smallest": "più piccolo|più piccola|più piccoli|più piccole|minore|minori",
            "longest": "più lungo|più lunga|più lunghi|più lunghe",
            "shortest": "più corto|più corta|più corti|più corte",
        },
        numbers="due|tre|quattro|cinque|sei|sette|otto|nove|dieci",
        ordinals="secondo;seconda|terzo;terza|quarto;quarta|quinto;quinta|sesto;sesta|settimo;settima|ottavo;ottava|"
        "nono;nona|decimo;decima",
        relations={
            "near": _italian_to("accanto|vicino|vicina|vicini|vicine|adiacente|adiacenti|di fianco|a fianco|presso")
            + "|presso il|presso la|presso l|presso|nei pressi del|nei pressi della|nei pressi di|sulla riva del|"
            "in riva al|in riva a",
            "along": "lungo il|lungo la|lungo l|lungo lo|lungo i|lungo le|lungo gli|lungo un|lungo una|"
            + _italian_to("ai bordi|in fila"),
            "surrounded": "|".join(
                f"{word} {by}"
                for word in ("circondato", "circondata", "circondati", "circondate")
                for by in ("da un", "da una", "da", "dal", "dalla", "dall", "dai", "dagli", "dalle", "di")
            ),
            "inside": "dentro il|dentro la|dentro l|dentro|all interno del|all interno della|all interno di|"
            "all interno dell|nel|nella|nell|nello|nei|nelle|negli|in un|in una|sul|sulla|sull|sullo|sui|sulle|sugli|"
            "su un|su una",
            "far": "lontano dal|lontano dalla|lontano dall|lontano da|lontani da|lontani dal|lontani dalla|"
            "lontane da|lontane dal|lontane dalla|lontana da|lontana dal|lontana dalla",
        },
        fillers="situato|situata|situati|situate|posto|posta|posti|poste|che|si|trova|trovano|è|sono|parcheggiato|"
        "parcheggiata|parcheggiati|parcheggiate",
        singular="il|lo|la|l|un|uno|una|quel",
        plural="i|gli|le|dei|degli|delle|tutti i|tutte le|tutti gli|quei|quelli|quelle",
    )


def _italian_to(words: str) -> str:
    after = ("al", "alla", "all", "allo", "ai", "agli", "alle", "ad un", "ad una", "a un", "a una", "a", "ad")
    return "|".join(f"{word} {to}" for word in words.split("|") for to in after)


def _arabic() -> Lexicon:
    nouns = {"n": "شمال", "s": "جنوب", "e": "شرق", "w": "غرب"}
    words = {key: "|".join((w, f"ال{w}", f"{w}ا", *_forms(f"{w}ي"))) for key, w in nouns.items()}
    adjectives = {key: "|".join(_forms(f"{w}ي")) for key, w in nouns.items()}
    for both in ("ne", "se", "sw", "nw"):
        up, side = nouns[both[0]], nouns[both[1]]
        pairs = "|".join(f"{a} {b}" for a, b in zip(_forms(f"{up}ي"), _forms(f"{side}ي"), strict=True))
        words[both] = f"{up} {side}|ال{up} ال{side}|ال{up} ال{side}ي|{up} {side}ي|{pairs}"
        adjectives[both] = f"{pairs}|{up} {side}"
    upper, lower = "علوي|العلوي|علوية|العلوية", "سفلي|السفلي|سفلية|السفلية"
    left, right = "أيسر|الأيسر|يسرى|اليسرى", "أيمن|الأيمن|يمنى|اليمنى"
    image = {
        "top": f"أعلى|الأعلى|{upper}",
        "bottom": f"أسفل|الأسفل|{lower}",
        "left": f"يسار|اليسار|{left}",
        "right": f"يمين|اليمين|{right}",
        "top left": f"أعلى اليسار|أعلى يسار|{_pairs(upper, left)}",
        "top right": f"أعلى اليمين|أعلى يمين|{_pairs(upper, right)}",
        "bottom left": f"أسفل اليسار|أسفل يسار|{_pairs(lower, left)}",
        "bottom right": f"أسفل اليمين|أسفل يمين|{_pairs(lower, right)}",
    }
    return Lexicon(
        articles="كل|جميع",
        directions={**words, **image},
        adjectives={
            **adjectives,
            "top": upper,
            "bottom": lower,
            "left": left,
            "right": right,
            **{key: image[key] for key in ("top left", "top right", "bottom left", "bottom right")},
        },
        most="في أقصى|أقصى|الأقصى|الأبعد|الأكثر",
        within="في|على|إلى|نحو|من جهة|في جهة|بال",
        parts="الجزء|جزء|الزاوية|زاوية|الركن|ركن|الجهة|جهة|الجانب|النصف|الطرف|المنطقة|القسم|الناحية",
        picture="من الصورة|في الصورة|الصورة|من المشهد|المشهد|من الخريطة|الخريطة",
        of="من",
        toward={
            **nouns,
            **{key: f"{nouns[key[0]]} {nouns[key[1]]}" for key in ("ne", "se", "sw", "nw")},
            "left": "يسار",
            "right": "يمين",
        },
        centre="في الوسط|في المنتصف|في المركز|في وسط|في منتصف|في مركز|وسط",
        central="مركزي|المركزي|مركزية|المركزية|الأوسط|أوسط|الوسطى",
        sizes={
            "largest": "أكبر|الأكبر|الكبرى|كبرى",
            "smallest": "أصغر|الأصغر|الصغرى|صغرى",
            "longest": "أطول|الأطول",
            "shortest": "أقصر|الأقصر",
        },
        numbers="اثنين;اثنان;اثنتين|ثلاثة;ثلاث;الثلاثة;الثلاث|أربعة;أربع;الأربعة|خمسة;خمس;الخمسة|ستة;ست;الستة|"
        "سبعة;سبع;السبعة|ثمانية;ثماني;الثمانية|تسعة;تسع;التسعة|عشرة;عشر;العشرة",
        ordinals="ثاني|ثالث|رابع|خامس|سادس|سابع|ثامن|تاسع|عاشر",
        relations={
            "near": "بجانب|بجوار|قرب|بقرب|بالقرب من|قريب من|قريبة من|القريب من|القريبة من|المجاور ل|المجاورة ل|"
            "إلى جانب|عند|على ضفة|على ضفاف|جنب",
            "along": "على طول|بمحاذاة|على امتداد|المحاذية ل|المحاذي ل",
            "surrounded": "محاط ب|محاطة ب|المحاط ب|المحاطة ب|تحيط به|تحيط بها|يحيط به|يحيط بها",
            "inside": "داخل|ضمن|في داخل|فوق|في|على",
            "far": "بعيد عن|بعيدة عن|بعيدا عن|البعيد عن|البعيدة عن",
        },
        fillers="الواقع|الواقعة|الموجود|الموجودة|التي|الذي|يسير|تسير|تقع|يقع|توجد|المتوقفة|الواقعه",
        singular="",
        plural="كل|جميع|عدة",
    )


def _forms(adjective: str) -> tuple[str, ...]:
    """Masculine and feminine, without and with the article."""
    return adjective, f"{adjective}ة", f"ال{adjective}", f"ال{adjective}ة"


def direction_named(key: str) -> Direction:
    """A direction by its key in the tables.

    Example:
        >>> direction_named("ne"), direction_named("bottom left")
        (('compass', 1, 1), ('image', -1, -1))
    """
    return ("compass", *_COMPASS[key]) if key in _COMPASS else ("image", *_IMAGE[key])


@lru_cache(maxsize=4)
def lexicon(language: str) -> Lexicon:
    """The words of a language."""
    return {"en": _english, "fr": _french, "it": _italian, "ar": _arabic}[language]()


def split(phrases: str) -> tuple[str, ...]:
    """Phrases of a table, normalised, the longest first.

    Example:
        >>> split("à côté|près")
        ('a cote', 'pres')
    """
    every = {normalise(phrase) for phrase in phrases.split("|") if phrase.strip()}
    return tuple(sorted(every, key=lambda phrase: (-len(phrase.split()), -len(phrase), phrase)))


def counted(table: str) -> dict[str, int]:
    """The words of a table of numbers (or ordinals) from 2 on; several forms of one are separated by ``;``.

    Example:
        >>> counted("due|tre;terzo")
        {'due': 2, 'tre': 3, 'terzo': 3}
    """
    groups = table.split("|")
    return {normalise(word): number for number, group in enumerate(groups, 2) for word in group.split(";")}
