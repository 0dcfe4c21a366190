"""How a person would ask for each scene class, in four languages: a name and a short description.

Used to measure whether an archive can tell that it has no such place. The phrases are our own, not captions of the
datasets. Both datasets share the wording where a class means the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Phrases = Mapping[str, tuple[str, ...]]


def _ask(en: tuple[str, str], ar: tuple[str, str], fr: tuple[str, str], it: tuple[str, str]) -> Phrases:
    return MappingProxyType({"en": en, "ar": ar, "fr": fr, "it": it})


_BASEBALL = _ask(
    ("a baseball field", "a fan shaped baseball diamond on grass"),
    ("ملعب بيسبول", "ملعب بيسبول على شكل مروحة فوق العشب"),
    ("un terrain de baseball", "un terrain de baseball en éventail sur l'herbe"),
    ("un campo da baseball", "un campo da baseball a ventaglio sull'erba"),
)
_BEACH = _ask(
    ("a beach", "waves reaching a sandy beach"),
    ("شاطئ", "أمواج تصل إلى شاطئ رملي"),
    ("une plage", "des vagues sur une plage de sable"),
    ("una spiaggia", "onde su una spiaggia di sabbia"),
)
_DENSE_RESIDENTIAL = _ask(
    ("a dense residential area", "many houses packed closely together"),
    ("منطقة سكنية كثيفة", "منازل كثيرة متلاصقة"),
    ("une zone résidentielle dense", "de nombreuses maisons serrées les unes contre les autres"),
    ("una zona residenziale densa", "molte case molto vicine tra loro"),
)
_MEDIUM_RESIDENTIAL = _ask(
    ("a medium residential area", "rows of houses with gardens and trees between them"),
    ("منطقة سكنية متوسطة الكثافة", "صفوف من المنازل بينها حدائق وأشجار"),
    ("une zone résidentielle moyenne", "des rangées de maisons séparées par des jardins et des arbres"),
    ("una zona residenziale media", "file di case con giardini e alberi in mezzo"),
)
_SPARSE_RESIDENTIAL = _ask(
    ("a sparse residential area", "a single house standing among trees"),
    ("منطقة سكنية متفرقة", "منزل وحيد بين الأشجار"),
    ("une zone résidentielle clairsemée", "une maison isolée parmi les arbres"),
    ("una zona residenziale sparsa", "una casa isolata tra gli alberi"),
)
_FOREST = _ask(
    ("a forest", "a dense green forest"),
    ("غابة", "غابة خضراء كثيفة"),
    ("une forêt", "une forêt verte et dense"),
    ("una foresta", "una foresta verde e fitta"),
)
_PARKING = _ask(
    ("a parking lot", "many cars parked in a parking lot"),
    ("موقف سيارات", "سيارات كثيرة متوقفة في موقف سيارات"),
    ("un parking", "de nombreuses voitures garées sur un parking"),
    ("un parcheggio", "molte auto ferme in un parcheggio"),
)
_PORT = _ask(
    ("a port with boats", "many boats moored in a harbor"),
    ("ميناء فيه قوارب", "قوارب كثيرة راسية في الميناء"),
    ("un port avec des bateaux", "de nombreux bateaux amarrés dans un port"),
    ("un porto con barche", "molte barche ormeggiate in un porto"),
)
_RIVER = _ask(
    ("a river", "a winding river with trees on its banks"),
    ("نهر", "نهر متعرج على ضفتيه أشجار"),
    ("une rivière", "une rivière sinueuse bordée d'arbres"),
    ("un fiume", "un fiume tortuoso con alberi sulle rive"),
)
_STORAGE_TANKS = _ask(
    ("storage tanks", "several round white storage tanks"),
    ("خزانات تخزين", "عدة خزانات تخزين بيضاء دائرية"),
    ("réservoirs de stockage", "plusieurs réservoirs de stockage ronds et blancs"),
    ("serbatoi di stoccaggio", "diversi serbatoi di stoccaggio rotondi e bianchi"),
)
_FARMLAND = _ask(
    ("farmland", "cultivated fields of crops"),
    ("أرض زراعية", "حقول مزروعة بالمحاصيل"),
    ("des terres agricoles", "des champs cultivés"),
    ("terreni agricoli", "campi coltivati"),
)

_RSICD: dict[str, Phrases] = {
    "airport": _ask(
        ("an airport", "planes parked beside an airport terminal"),
        ("مطار", "طائرات متوقفة بجانب مبنى المطار"),
        ("un aéroport", "des avions garés près du terminal d'un aéroport"),
        ("un aeroporto", "aerei parcheggiati accanto al terminal di un aeroporto"),
    ),
    "bareland": _ask(
        ("bare land", "bare brown soil without any plants"),
        ("أرض جرداء", "تربة بنية جرداء بلا نباتات"),
        ("un terrain nu", "un sol brun et nu sans végétation"),
        ("terreno nudo", "suolo marrone e spoglio senza piante"),
    ),
    "baseballfield": _BASEBALL,
    "beach": _BEACH,
    "bridge": _ask(
        ("a bridge", "a bridge over a river"),
        ("جسر", "جسر فوق نهر"),
        ("un pont", "un pont au-dessus d'une rivière"),
        ("un ponte", "un ponte sopra un fiume"),
    ),
    "center": _ask(
        ("a center building", "a large center building with an unusual round roof"),
        ("مبنى مركزي", "مبنى مركزي كبير له سقف دائري غير مألوف"),
        ("un bâtiment central", "un grand bâtiment central au toit rond inhabituel"),
        ("un edificio centrale", "un grande edificio centrale con un insolito tetto rotondo"),
    ),
    "church": _ask(
        ("a church", "a church with a cross shaped roof"),
        ("كنيسة", "كنيسة سقفها على شكل صليب"),
        ("une église", "une église au toit en forme de croix"),
        ("una chiesa", "una chiesa con il tetto a forma di croce"),
    ),
    "commercial": _ask(
        ("a commercial area", "tall office buildings in a commercial area"),
        ("منطقة تجارية", "مبان مكتبية عالية في منطقة تجارية"),
        ("une zone commerciale", "de grands immeubles de bureaux dans une zone commerciale"),
        ("una zona commerciale", "alti edifici per uffici in una zona commerciale"),
    ),
    "denseresidential": _DENSE_RESIDENTIAL,
    "desert": _ask(
        ("a desert", "yellow sand dunes in a desert"),
        ("صحراء", "كثبان رملية صفراء في الصحراء"),
        ("un désert", "des dunes de sable jaune dans un désert"),
        ("un deserto", "dune di sabbia gialla in un deserto"),
    ),
    "farmland": _FARMLAND,
    "forest": _FOREST,
    "industrial": _ask(
        ("an industrial area", "factories and warehouses with large roofs"),
        ("منطقة صناعية", "مصانع ومستودعات ذات أسقف كبيرة"),
        ("une zone industrielle", "des usines et des entrepôts aux grands toits"),
        ("una zona industriale", "fabbriche e magazzini con grandi tetti"),
    ),
    "meadow": _ask(
        ("a meadow", "a smooth green meadow"),
        ("مرج", "مرج أخضر منبسط"),
        ("une prairie", "une prairie verte et uniforme"),
        ("un prato", "un prato verde e uniforme"),
    ),
    "mediumresidential": _MEDIUM_RESIDENTIAL,
    "mountain": _ask(
        ("a mountain", "a rugged mountain range with ridges"),
        ("جبل", "سلسلة جبال وعرة ذات قمم"),
        ("une montagne", "une chaîne de montagnes escarpées"),
        ("una montagna", "una catena di montagne ripide"),
    ),
    "park": _ask(
        ("a park", "a park with trees, paths and a pond"),
        ("حديقة عامة", "حديقة عامة فيها أشجار وممرات وبركة"),
        ("un parc", "un parc avec des arbres, des allées et un étang"),
        ("un parco", "un parco con alberi, vialetti e uno stagno"),
    ),
    "parking": _PARKING,
    "playfields": _ask(
        ("sports fields", "a playground with several sports fields beside buildings"),
        ("ملاعب رياضية", "ساحة فيها عدة ملاعب رياضية بجانب مبان"),
        ("des terrains de sport", "plusieurs terrains de sport à côté de bâtiments"),
        ("campi sportivi", "diversi campi sportivi accanto a edifici"),
    ),
    "playground": _ask(
        ("a playground", "a football field with a running track around it"),
        ("ملعب", "ملعب كرة قدم حوله مضمار للجري"),
        ("un terrain de jeux", "un terrain de football entouré d'une piste de course"),
        ("un campo da gioco", "un campo da calcio con una pista di atletica intorno"),
    ),
    "pond": _ask(
        ("a pond", "a pond of dark green water"),
        ("بركة", "بركة ماؤها أخضر داكن"),
        ("un étang", "un étang à l'eau vert foncé"),
        ("uno stagno", "uno stagno di acqua verde scuro"),
    ),
    "port": _PORT,
    "railwaystation": _ask(
        ("a railway station", "many railway tracks leading to a station"),
        ("محطة قطار", "سكك حديدية كثيرة تؤدي إلى محطة"),
        ("une gare", "de nombreuses voies ferrées menant à une gare"),
        ("una stazione ferroviaria", "molti binari che portano a una stazione"),
    ),
    "resort": _ask(
        ("a resort", "a holiday resort with swimming pools"),
        ("منتجع", "منتجع سياحي فيه مسابح"),
        ("une station balnéaire", "un complexe de vacances avec des piscines"),
        ("un resort", "un villaggio turistico con piscine"),
    ),
    "river": _RIVER,
    "school": _ask(
        ("a school", "school buildings with a playground"),
        ("مدرسة", "مباني مدرسة معها ملعب"),
        ("une école", "des bâtiments scolaires avec une cour"),
        ("una scuola", "edifici scolastici con un campo da gioco"),
    ),
    "sparseresidential": _SPARSE_RESIDENTIAL,
    "square": _ask(
        ("a city square", "an open square surrounded by buildings"),
        ("ساحة", "ساحة مفتوحة تحيط بها المباني"),
        ("une place", "une place ouverte entourée de bâtiments"),
        ("una piazza", "una piazza aperta circondata da edifici"),
    ),
    "stadium": _ask(
        ("a stadium", "an oval stadium with stands"),
        ("استاد رياضي", "استاد بيضوي له مدرجات"),
        ("un stade", "un stade ovale avec des tribunes"),
        ("uno stadio", "uno stadio ovale con le tribune"),
    ),
    "storagetanks": _STORAGE_TANKS,
    "viaduct": _ask(
        ("a viaduct", "a viaduct with roads crossing on several levels"),
        ("جسر طرق معلق", "تقاطع طرق علوية متعدد المستويات"),
        ("un viaduc", "un viaduc où des routes se croisent sur plusieurs niveaux"),
        ("un viadotto", "un viadotto con strade che si incrociano su più livelli"),
    ),
}

_UCM: dict[str, Phrases] = {
    "agricultural": _FARMLAND,
    "airplane": _ask(
        ("an airplane", "airplanes parked at an airport"),
        ("طائرة", "طائرات متوقفة في المطار"),
        ("un avion", "des avions garés dans un aéroport"),
        ("un aereo", "aerei parcheggiati in un aeroporto"),
    ),
    "baseballdiamond": _BASEBALL,
    "beach": _BEACH,
    "buildings": _ask(
        ("buildings", "large buildings in a city"),
        ("مبان", "مبان كبيرة في مدينة"),
        ("des bâtiments", "de grands bâtiments dans une ville"),
        ("edifici", "grandi edifici in una città"),
    ),
    "chaparral": _ask(
        ("chaparral", "dry shrubs scattered over sandy ground"),
        ("شجيرات جافة", "شجيرات متناثرة فوق أرض رملية"),
        ("un maquis", "des buissons secs dispersés sur un sol sableux"),
        ("macchia di arbusti", "arbusti secchi sparsi su un terreno sabbioso"),
    ),
    "denseresidential": _DENSE_RESIDENTIAL,
    "forest": _FOREST,
    "freeway": _ask(
        ("a freeway", "a straight freeway with several lanes and cars"),
        ("طريق سريع", "طريق سريع مستقيم متعدد المسارات عليه سيارات"),
        ("une autoroute", "une autoroute droite à plusieurs voies avec des voitures"),
        ("un'autostrada", "un'autostrada diritta a più corsie con auto"),
    ),
    "golfcourse": _ask(
        ("a golf course", "a golf course with sand bunkers on green turf"),
        ("ملعب غولف", "ملعب غولف أخضر فيه حفر رملية"),
        ("un terrain de golf", "un terrain de golf avec des bunkers de sable"),
        ("un campo da golf", "un campo da golf con buche di sabbia"),
    ),
    "harbor": _PORT,
    "intersection": _ask(
        ("a road intersection", "two roads crossing each other at right angles"),
        ("تقاطع طرق", "طريقان يتقاطعان بزاوية قائمة"),
        ("un carrefour", "deux routes qui se croisent à angle droit"),
        ("un incrocio", "due strade che si incrociano ad angolo retto"),
    ),
    "mediumresidential": _MEDIUM_RESIDENTIAL,
    "mobilehomepark": _ask(
        ("a mobile home park", "mobile homes lined up in rows"),
        ("حديقة منازل متنقلة", "منازل متنقلة مصطفة في صفوف"),
        ("un parc de maisons mobiles", "des maisons mobiles alignées en rangées"),
        ("un parco di case mobili", "case mobili allineate in file"),
    ),
    "overpass": _ask(
        ("an overpass", "an overpass carrying one road over another"),
        ("جسر علوي", "جسر علوي يمر فيه طريق فوق طريق آخر"),
        ("un pont routier", "un pont routier où une route passe au-dessus d'une autre"),
        ("un cavalcavia", "un cavalcavia con una strada che passa sopra un'altra"),
    ),
    "parkinglot": _PARKING,
    "river": _RIVER,
    "runway": _ask(
        ("a runway", "an airport runway with white markings"),
        ("مدرج طائرات", "مدرج مطار عليه علامات بيضاء"),
        ("une piste d'atterrissage", "une piste d'aéroport avec des marques blanches"),
        ("una pista di atterraggio", "una pista di aeroporto con segni bianchi"),
    ),
    "sparseresidential": _SPARSE_RESIDENTIAL,
    "storagetanks": _STORAGE_TANKS,
    "tenniscourt": _ask(
        ("a tennis court", "tennis courts side by side"),
        ("ملعب تنس", "ملاعب تنس متجاورة"),
        ("un court de tennis", "des courts de tennis côte à côte"),
        ("un campo da tennis", "campi da tennis uno accanto all'altro"),
    ),
}

CATEGORY_PHRASES: Mapping[str, Mapping[str, Phrases]] = MappingProxyType(
    {"rsicd": MappingProxyType(_RSICD), "ucm": MappingProxyType(_UCM)}
)

# Classes of one dataset that a person would call by the same words and whose pictures show the same thing: with one
# of them taken out, the other still answers the query, and rightly so.
SAME_PLACES: Mapping[str, tuple[frozenset[str], ...]] = MappingProxyType(
    {"rsicd": (frozenset({"playground", "playfields"}),), "ucm": ()}
)
