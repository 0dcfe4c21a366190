"""What a phrase can point at on the ground, and how people name it in four languages.

The table teaches the segmenter its nouns: which classes of a class map a name covers, and by which English words a
caption tells that a picture shows it. Names cover one another ("water" is sea, river, lake and pool), so a pixel may
have many. Wordings are our own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

LANGUAGES = ("en", "ar", "fr", "it")


@dataclass(frozen=True, kw_only=True)
class GroundWord:
    """One name.

    Attributes:
        name: Key.
        wordings: Phrases by language, those of one language mean the same.
        caption_words: A caption that holds one of these words, or two of them side by side, speaks of it.
        rendered: Classes of the scene generator that it covers.
        surveyed: Classes of surveyed class maps (water, land, road, building, vegetation) that it covers.
        unsure: Classes of either table that may or may not be it: their pixels are left out.
        common: Whether captions often leave it out although it shows.
    """

    name: str
    wordings: Mapping[str, tuple[str, ...]]
    caption_words: tuple[str, ...] = ()
    rendered: tuple[str, ...] = ()
    surveyed: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    common: bool = False

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        if not self.caption_words:
            return None
        return re.compile(rf"\b(?:{'|'.join(re.escape(word) for word in self.caption_words)})\b")

    def in_captions(self, captions: Sequence[str]) -> bool:
        """Whether one of some English captions names it."""
        pattern = self._pattern
        return pattern is not None and any(pattern.search(caption.lower()) for caption in captions)


def _word(
    name: str,
    en: str,
    ar: str,
    fr: str,
    it: str,
    *,
    said: str = "",
    rendered: str = "",
    surveyed: str = "",
    unsure: str = "",
    common: bool = False,
) -> GroundWord:
    wordings = {
        code: tuple(part.strip() for part in text.split("|"))
        for code, text in zip(LANGUAGES, (en, ar, fr, it), strict=True)
    }

    def parts(text: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())

    return GroundWord(
        name=name,
        wordings=MappingProxyType(wordings),
        caption_words=parts(said),
        rendered=parts(rendered),
        surveyed=parts(surveyed),
        unsure=parts(unsure),
        common=common,
    )


GROUND_WORDS: tuple[GroundWord, ...] = (
    _word(
        "water",
        "water|the water",
        "ماء|مياه|الماء",
        "eau|l'eau",
        "acqua|l'acqua",
        said="water, sea, ocean, river, rivers, lake, pond, ponds, pool, pools, ripples, harbor, port",
        rendered="sea, river, lake, swimming pool",
        surveyed="water",
        common=True,
    ),
    _word(
        "sea",
        "sea|the sea|ocean",
        "بحر|البحر|محيط",
        "mer|la mer|océan",
        "mare|il mare|oceano",
        said="sea, ocean, waves",
        rendered="sea",
        unsure="water",
    ),
    _word(
        "river",
        "river|a river|rivers",
        "نهر|النهر|أنهار",
        "rivière|une rivière|fleuve",
        "fiume|un fiume|fiumi",
        said="river, rivers",
        rendered="river",
        unsure="water",
    ),
    _word(
        "lake",
        "lake|a lake|pond",
        "بحيرة|بركة",
        "lac|un lac|étang",
        "lago|un lago|stagno",
        said="lake, lakes, pond, ponds",
        rendered="lake",
        unsure="water",
    ),
    _word(
        "swimming pool",
        "swimming pool|swimming pools|a pool",
        "مسبح|مسابح|حوض سباحة",
        "piscine|piscines|une piscine",
        "piscina|piscine|una piscina",
        said="swimming, pool, pools",
        rendered="swimming pool",
        unsure="water",
    ),
    _word(
        "vegetation",
        "vegetation|plants|green area|greenery",
        "نباتات|غطاء نباتي|مساحة خضراء",
        "végétation|plantes|espace vert",
        "vegetazione|piante|area verde",
        said="green, plants, vegetation, trees, grass, forest, lawn, lawns, meadow, park",
        rendered="meadow, forest, tree, garden, park, farmland",
        surveyed="vegetation",
        common=True,
    ),
    _word(
        "trees",
        "trees|tree|a tree",
        "أشجار|شجرة|الأشجار",
        "arbres|arbre|un arbre",
        "alberi|albero|un albero",
        said="tree, trees, woods",
        rendered="tree, forest",
        unsure="vegetation, park, garden",
        common=True,
    ),
    _word(
        "forest",
        "forest|a forest|woodland",
        "غابة|الغابة|غابات",
        "forêt|une forêt|bois",
        "foresta|una foresta|bosco",
        said="forest, forests, woods",
        rendered="forest",
        unsure="vegetation, tree",
    ),
    _word(
        "grass",
        "grass|lawn|meadow|grassland",
        "عشب|مرج|مروج",
        "herbe|pelouse|prairie",
        "erba|prato|prateria",
        said="grass, lawn, lawns, meadow, meadows, grassland, turfs, turf",
        rendered="meadow",
        unsure="vegetation, garden, park, football field, baseball diamond, tree",
        common=True,
    ),
    _word(
        "farmland",
        "farmland|fields|a field|crops",
        "أرض زراعية|حقول|حقل",
        "terres agricoles|champs|un champ",
        "terreno agricolo|campi|un campo coltivato",
        said="farmland, farmlands, cropland, farm, crops",
        rendered="farmland",
        unsure="vegetation, land",
    ),
    _word(
        "land",
        "bare land|unpaved land|bare ground|open land",
        "أرض جرداء|أرض غير معبدة|أرض مكشوفة",
        "terrain nu|sol nu|terre non pavée",
        "terreno nudo|terra battuta|suolo nudo",
        said="bareland, barelands, bare, loess, desert",
        rendered="bare land, desert",
        surveyed="land",
        unsure="beach, pavement",
        common=True,
    ),
    _word(
        "desert",
        "desert|a desert|sand",
        "صحراء|الصحراء|رمال",
        "désert|un désert|sable",
        "deserto|un deserto|sabbia",
        said="desert, sand, sands",
        rendered="desert, beach",
        unsure="land, bare land",
    ),
    _word(
        "beach",
        "beach|a beach|sandy beach",
        "شاطئ|الشاطئ|شاطئ رملي",
        "plage|une plage|plage de sable",
        "spiaggia|una spiaggia|spiaggia sabbiosa",
        said="beach, beaches",
        rendered="beach",
        unsure="land, desert",
    ),
    _word(
        "road",
        "road|roads|street|streets",
        "طريق|طرق|شارع|شوارع",
        "route|routes|rue|rues",
        "strada|strade|via|vie",
        said="road, roads, street, streets, freeway, freeways, highway, intersection, overpass, viaduct",
        rendered="street, avenue, motorway, roundabout, bridge",
        surveyed="road",
        unsure="car, pavement",
        common=True,
    ),
    _word(
        "motorway",
        "motorway|highway|freeway",
        "طريق سريع|الطريق السريع",
        "autoroute|voie rapide",
        "autostrada|superstrada",
        said="freeway, freeways, highway, viaduct, overpass",
        rendered="motorway",
        unsure="road, bridge, car, avenue",
    ),
    _word(
        "pavement",
        "pavement|sidewalk|paved area",
        "رصيف مشاة|مساحة مرصوفة",
        "trottoir|surface pavée",
        "marciapiede|area pavimentata",
        rendered="pavement",
        unsure="road, land, building, vegetation",
    ),
    _word(
        "railway",
        "railway|railway line|rail tracks",
        "سكة حديد|خط سكة حديد",
        "voie ferrée|chemin de fer",
        "ferrovia|binari",
        said="railway, railways, rails",
        rendered="railway",
        unsure="road",
    ),
    _word(
        "bridge",
        "bridge|a bridge|bridges",
        "جسر|الجسر|جسور",
        "pont|un pont|ponts",
        "ponte|un ponte|ponti",
        said="bridge, bridges",
        rendered="bridge",
        unsure="road",
    ),
    _word(
        "building",
        "building|buildings|a building",
        "مبنى|مبان|المباني|بناية",
        "bâtiment|bâtiments|un bâtiment",
        "edificio|edifici|un edificio",
        said="building, buildings, house, houses, home, homes, villa, villas, church, school, factory, "
        "station, residential, industrial, commercial",
        rendered="house, building, industrial building, terminal, stadium",
        surveyed="building",
        common=True,
    ),
    _word(
        "house",
        "house|houses|homes",
        "منزل|منازل|بيوت",
        "maison|maisons|pavillons",
        "casa|case|abitazioni",
        said="house, houses, home, homes, villa, villas",
        rendered="house",
        unsure="building, industrial building",
        common=True,
    ),
    _word(
        "roof",
        "roof|roofs|rooftops",
        "سطح مبنى|أسطح المباني",
        "toit|toits|toitures",
        "tetto|tetti",
        said="roof, roofs",
        rendered="house, building, industrial building, terminal",
        surveyed="building",
        unsure="stadium",
        common=True,
    ),
    _word(
        "industrial building",
        "industrial building|factory|warehouse",
        "مبنى صناعي|مصنع|مستودع",
        "bâtiment industriel|usine|entrepôt",
        "edificio industriale|fabbrica|magazzino",
        said="factory, industrial, warehouse",
        rendered="industrial building",
        unsure="building, house",
    ),
    _word(
        "car park",
        "car park|parking lot|parking",
        "موقف سيارات|مواقف سيارات",
        "parking|parc de stationnement",
        "parcheggio|parcheggi",
        said="parking",
        rendered="car park",
        unsure="car, road, land, building",
    ),
    _word(
        "cars",
        "cars|car|vehicles",
        "سيارات|سيارة|مركبات",
        "voitures|voiture|véhicules",
        "auto|automobili|veicoli",
        said="car, cars, vehicles",
        rendered="car",
        unsure="road, land, building, vegetation",
        common=True,
    ),
    _word(
        "storage tanks",
        "storage tank|storage tanks|oil tanks",
        "خزان|خزانات|خزانات نفط",
        "réservoir|réservoirs|cuves de stockage",
        "serbatoio|serbatoi|cisterne",
        said="tank, tanks",
        rendered="storage tank",
        unsure="building",
    ),
    _word(
        "tennis court",
        "tennis court|tennis courts",
        "ملعب تنس|ملاعب تنس",
        "court de tennis|courts de tennis",
        "campo da tennis|campi da tennis",
        said="tennis",
        rendered="tennis court",
        unsure="building, road, land",
    ),
    _word(
        "baseball field",
        "baseball field|baseball diamond",
        "ملعب بيسبول|ملاعب بيسبول",
        "terrain de baseball|terrains de baseball",
        "campo da baseball|diamante da baseball",
        said="baseball, diamond",
        rendered="baseball diamond",
        unsure="vegetation, land",
    ),
    _word(
        "football field",
        "football field|football pitch|soccer field",
        "ملعب كرة قدم|ملاعب كرة قدم",
        "terrain de football|terrain de foot",
        "campo da calcio|campo di calcio",
        said="football, soccer",
        rendered="football field",
        unsure="vegetation, stadium",
    ),
    _word(
        "stadium",
        "stadium|a stadium",
        "استاد|ملعب كبير",
        "stade|un stade",
        "stadio|uno stadio",
        said="stadium",
        rendered="stadium",
        unsure="building, football field",
    ),
    _word(
        "playground",
        "playground|sports ground",
        "ساحة ألعاب|ملعب رياضي",
        "aire de jeux|terrain de sport",
        "parco giochi|campo sportivo",
        said="playground, playgrounds",
        rendered="playground",
        unsure="land, vegetation, football field",
    ),
    _word(
        "planes",
        "plane|planes|airplanes|aircraft",
        "طائرة|طائرات|الطائرات",
        "avion|avions",
        "aereo|aerei|aeroplani",
        said="plane, planes, airplane, airplanes, aircraft",
        rendered="plane",
    ),
    _word(
        "runway",
        "runway|airport runway",
        "مدرج طائرات|مدرج المطار",
        "piste d'atterrissage|piste d'aéroport",
        "pista di atterraggio|pista dell'aeroporto",
        said="runway, runways",
        rendered="runway",
        unsure="road, apron",
    ),
    _word(
        "airport terminal",
        "airport terminal|terminal building",
        "مبنى ركاب|مبنى المطار",
        "terminal|aérogare",
        "terminal|aerostazione",
        said="terminal, terminals",
        rendered="terminal",
        unsure="building",
    ),
    _word(
        "ships",
        "ship|ships|boats|boat",
        "سفينة|سفن|قوارب|قارب",
        "navire|navires|bateaux|bateau",
        "nave|navi|barche|barca",
        said="ship, ships, boat, boats",
        rendered="ship, boat",
        unsure="water",
    ),
    _word(
        "pier",
        "pier|quay|wharf|dock",
        "رصيف بحري|مرسى",
        "quai|jetée|embarcadère",
        "molo|banchina|pontile",
        said="wharf, dock, pier, quay",
        rendered="pier, quay",
        unsure="water, building",
    ),
    _word(
        "containers",
        "container|containers|shipping containers",
        "حاوية|حاويات|حاويات شحن",
        "conteneur|conteneurs",
        "container|contenitori",
        said="container, containers",
        rendered="container",
        unsure="building, land",
    ),
    _word(
        "roundabout",
        "roundabout|traffic circle",
        "دوار|ميدان دائري",
        "rond-point|giratoire",
        "rotonda|rotatoria",
        said="roundabout",
        rendered="roundabout",
        unsure="road",
    ),
    _word(
        "park",
        "park|public park|garden",
        "حديقة عامة|منتزه|حديقة",
        "parc|jardin public",
        "parco|giardino pubblico",
        said="park, parks",
        rendered="park, garden",
        unsure="vegetation, tree, meadow",
    ),
    _word(
        "mountain",
        "mountain|mountains|ridge",
        "جبل|جبال",
        "montagne|montagnes",
        "montagna|montagne",
        said="mountain, mountains, ridge",
    ),
    _word("snow", "snow|snow cover", "ثلج|ثلوج", "neige|la neige", "neve|la neve", said="snow, snows"),
    _word(
        "golf course", "golf course|bunkers", "ملعب غولف", "terrain de golf|golf", "campo da golf", said="golf, bunkers"
    ),
    _word(
        "basketball court",
        "basketball court|basketball courts",
        "ملعب كرة سلة|ملاعب كرة سلة",
        "terrain de basket|terrains de basket",
        "campo da basket|campi da basket",
        said="basketball",
    ),
)
"""All names, the most general first within a kind."""


def ground_word(name: str) -> GroundWord:
    """The entry of a name.

    Raises:
        KeyError: There is none.

    Example:
        >>> ground_word("river").wordings["fr"]
        ('rivière', 'une rivière', 'fleuve')
        >>> ground_word("river").in_captions(["Two houses by a river."])
        True
    """
    return {word.name: word for word in GROUND_WORDS}[name]
