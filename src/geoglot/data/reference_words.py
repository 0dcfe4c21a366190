"""The nouns and relations of referring phrases in English, Arabic, French and Italian: words only, no rules.

A noun is written ``singular|plural|with the article|gender``. What is not counted has no plural, and its article form
is a singular. ``{}`` in a relation stands for a participle (or an Arabic verb) that agrees with the noun.
"""

from __future__ import annotations

from typing import Final

NOUN_FORMS: Final[dict[str, tuple[str, str, str, str]]] = {
    "water": (
        "water||the water|m",
        "مياه||المياه|f",
        "eau||l'eau|f",
        "acqua||l'acqua|f",
    ),
    "bare land": (
        "bare land||the bare land|m",
        "أرض جرداء|أراض جرداء|الأراضي الجرداء|f",
        "terrain nu|terrains nus|les terrains nus|m",
        "terreno nudo|terreni nudi|i terreni nudi|m",
    ),
    "road": (
        "road|roads|the roads|m",
        "طريق|طرق|الطرق|m",
        "route|routes|les routes|f",
        "strada|strade|le strade|f",
    ),
    "paved road": (
        "paved road|paved roads|the paved roads|m",
        "طريق معبد|طرق معبدة|الطرق المعبدة|m",
        "route revêtue|routes revêtues|les routes revêtues|f",
        "strada asfaltata|strade asfaltate|le strade asfaltate|f",
    ),
    "unpaved road": (
        "unpaved road|unpaved roads|the unpaved roads|m",
        "طريق غير معبد|طرق غير معبدة|الطرق غير المعبدة|m",
        "route non revêtue|routes non revêtues|les routes non revêtues|f",
        "strada sterrata|strade sterrate|le strade sterrate|f",
    ),
    "vehicle": (
        "vehicle|vehicles|the vehicles|m",
        "مركبة|مركبات|المركبات|f",
        "véhicule|véhicules|les véhicules|m",
        "veicolo|veicoli|i veicoli|m",
    ),
    "light-duty vehicle": (
        "light-duty vehicle|light-duty vehicles|the light-duty vehicles|m",
        "مركبة خفيفة|مركبات خفيفة|المركبات الخفيفة|f",
        "véhicule léger|véhicules légers|les véhicules légers|m",
        "veicolo leggero|veicoli leggeri|i veicoli leggeri|m",
    ),
    "heavy-duty vehicle": (
        "heavy-duty vehicle|heavy-duty vehicles|the heavy-duty vehicles|m",
        "مركبة ثقيلة|مركبات ثقيلة|المركبات الثقيلة|f",
        "véhicule lourd|véhicules lourds|les véhicules lourds|m",
        "veicolo pesante|veicoli pesanti|i veicoli pesanti|m",
    ),
    "car": (
        "car|cars|the cars|m",
        "سيارة|سيارات|السيارات|f",
        "voiture|voitures|les voitures|f",
        "automobile|automobili|le automobili|f",
    ),
    "van": (
        "van|vans|the vans|m",
        "سيارة فان|سيارات فان|سيارات الفان|f",
        "camionnette|camionnettes|les camionnettes|f",
        "furgone|furgoni|i furgoni|m",
    ),
    "building": (
        "building|buildings|the buildings|m",
        "مبنى|مبان|المباني|m",
        "bâtiment|bâtiments|les bâtiments|m",
        "edificio|edifici|gli edifici|m",
    ),
    "truck": (
        "truck|trucks|the trucks|m",
        "شاحنة|شاحنات|الشاحنات|f",
        "camion|camions|les camions|m",
        "camion|camion|i camion|m",
    ),
    "long truck": (
        "long truck|long trucks|the long trucks|m",
        "شاحنة طويلة|شاحنات طويلة|الشاحنات الطويلة|f",
        "camion long|camions longs|les camions longs|m",
        "camion lungo|camion lunghi|i camion lunghi|m",
    ),
    "trailer": (
        "trailer|trailers|the trailers|m",
        "مقطورة|مقطورات|المقطورات|f",
        "remorque|remorques|les remorques|f",
        "rimorchio|rimorchi|i rimorchi|m",
    ),
    "bus": (
        "bus|buses|the buses|m",
        "حافلة|حافلات|الحافلات|f",
        "bus|bus|les bus|m",
        "autobus|autobus|gli autobus|m",
    ),
    "road marking": (
        "road marking|road markings|the road markings|m",
        "علامة طريق|علامات طريق|علامات الطريق|f",
        "marquage routier|marquages routiers|les marquages routiers|m",
        "segnaletica orizzontale||la segnaletica orizzontale|f",
    ),
    "bikeway": (
        "bikeway|bikeways|the bikeways|m",
        "مسار دراجات|مسارات دراجات|مسارات الدراجات|m",
        "piste cyclable|pistes cyclables|les pistes cyclables|f",
        "pista ciclabile|piste ciclabili|le piste ciclabili|f",
    ),
    "sidewalk": (
        "sidewalk|sidewalks|the sidewalks|m",
        "رصيف|أرصفة|الأرصفة|m",
        "trottoir|trottoirs|les trottoirs|m",
        "marciapiede|marciapiedi|i marciapiedi|m",
    ),
    "tree": (
        "tree|trees|the trees|m",
        "شجرة|أشجار|الأشجار|f",
        "arbre|arbres|les arbres|m",
        "albero|alberi|gli alberi|m",
    ),
    "vegetation": (
        "vegetation||the vegetation|m",
        "غطاء نباتي||الغطاء النباتي|m",
        "végétation||la végétation|f",
        "vegetazione||la vegetazione|f",
    ),
    "low vegetation": (
        "low vegetation||the low vegetation|m",
        "غطاء نباتي منخفض||الغطاء النباتي المنخفض|m",
        "végétation basse||la végétation basse|f",
        "vegetazione bassa||la vegetazione bassa|f",
    ),
    "impervious surface": (
        "impervious surface|impervious surfaces|the impervious surfaces|m",
        "سطح غير منفذ|أسطح غير منفذة|الأسطح غير المنفذة|m",
        "surface imperméable|surfaces imperméables|les surfaces imperméables|f",
        "superficie impermeabile|superfici impermeabili|le superfici impermeabili|f",
    ),
    "parking area": (
        "parking area|parking areas|the parking areas|m",
        "موقف سيارات|مواقف سيارات|مواقف السيارات|m",
        "aire de stationnement|aires de stationnement|les aires de stationnement|f",
        "area di parcheggio|aree di parcheggio|le aree di parcheggio|f",
    ),
    "house": (
        "house|houses|the houses|m",
        "منزل|منازل|المنازل|m",
        "maison|maisons|les maisons|f",
        "casa|case|le case|f",
    ),
    "industrial building": (
        "industrial building|industrial buildings|the industrial buildings|m",
        "مبنى صناعي|مبان صناعية|المباني الصناعية|m",
        "bâtiment industriel|bâtiments industriels|les bâtiments industriels|m",
        "edificio industriale|edifici industriali|gli edifici industriali|m",
    ),
    "forest": (
        "forest|forests|the forests|m",
        "غابة|غابات|الغابات|f",
        "forêt|forêts|les forêts|f",
        "foresta|foreste|le foreste|f",
    ),
    "meadow": (
        "meadow|meadows|the meadows|m",
        "مرج|مروج|المروج|m",
        "prairie|prairies|les prairies|f",
        "prato|prati|i prati|m",
    ),
    "farmland": (
        "farmland||the farmland|m",
        "أرض زراعية|أراض زراعية|الأراضي الزراعية|f",
        "terre agricole|terres agricoles|les terres agricoles|f",
        "terreno agricolo|terreni agricoli|i terreni agricoli|m",
    ),
    "beach": (
        "beach|beaches|the beaches|m",
        "شاطئ|شواطئ|الشواطئ|m",
        "plage|plages|les plages|f",
        "spiaggia|spiagge|le spiagge|f",
    ),
    "river": (
        "river|rivers|the rivers|m",
        "نهر|أنهار|الأنهار|m",
        "rivière|rivières|les rivières|f",
        "fiume|fiumi|i fiumi|m",
    ),
    "lake": (
        "lake|lakes|the lakes|m",
        "بحيرة|بحيرات|البحيرات|f",
        "lac|lacs|les lacs|m",
        "lago|laghi|i laghi|m",
    ),
    "sea": (
        "sea||the sea|m",
        "بحر||البحر|m",
        "mer||la mer|f",
        "mare||il mare|m",
    ),
    "motorway": (
        "motorway|motorways|the motorways|m",
        "طريق سريع|طرق سريعة|الطرق السريعة|m",
        "autoroute|autoroutes|les autoroutes|f",
        "autostrada|autostrade|le autostrade|f",
    ),
    "roundabout": (
        "roundabout|roundabouts|the roundabouts|m",
        "دوار|دوارات|الدوارات|m",
        "rond-point|ronds-points|les ronds-points|m",
        "rotonda|rotonde|le rotonde|f",
    ),
    "railway": (
        "railway|railways|the railways|m",
        "سكة حديدية|سكك حديدية|السكك الحديدية|f",
        "voie ferrée|voies ferrées|les voies ferrées|f",
        "ferrovia|ferrovie|le ferrovie|f",
    ),
    "bridge": (
        "bridge|bridges|the bridges|m",
        "جسر|جسور|الجسور|m",
        "pont|ponts|les ponts|m",
        "ponte|ponti|i ponti|m",
    ),
    "plane": (
        "plane|planes|the planes|m",
        "طائرة|طائرات|الطائرات|f",
        "avion|avions|les avions|m",
        "aereo|aerei|gli aerei|m",
    ),
    "ship": (
        "ship|ships|the ships|m",
        "سفينة|سفن|السفن|f",
        "navire|navires|les navires|m",
        "nave|navi|le navi|f",
    ),
    "boat": (
        "boat|boats|the boats|m",
        "قارب|قوارب|القوارب|m",
        "bateau|bateaux|les bateaux|m",
        "barca|barche|le barche|f",
    ),
    "container": (
        "container|containers|the containers|m",
        "حاوية|حاويات|الحاويات|f",
        "conteneur|conteneurs|les conteneurs|m",
        "container|container|i container|m",
    ),
    "storage tank": (
        "storage tank|storage tanks|the storage tanks|m",
        "خزان|خزانات|الخزانات|m",
        "réservoir de stockage|réservoirs de stockage|les réservoirs de stockage|m",
        "serbatoio di stoccaggio|serbatoi di stoccaggio|i serbatoi di stoccaggio|m",
    ),
    "swimming pool": (
        "swimming pool|swimming pools|the swimming pools|m",
        "مسبح|مسابح|المسابح|m",
        "piscine|piscines|les piscines|f",
        "piscina|piscine|le piscine|f",
    ),
    "tennis court": (
        "tennis court|tennis courts|the tennis courts|m",
        "ملعب تنس|ملاعب تنس|ملاعب التنس|m",
        "court de tennis|courts de tennis|les courts de tennis|m",
        "campo da tennis|campi da tennis|i campi da tennis|m",
    ),
    "football field": (
        "football field|football fields|the football fields|m",
        "ملعب كرة قدم|ملاعب كرة قدم|ملاعب كرة القدم|m",
        "terrain de football|terrains de football|les terrains de football|m",
        "campo da calcio|campi da calcio|i campi da calcio|m",
    ),
    "baseball diamond": (
        "baseball diamond|baseball diamonds|the baseball diamonds|m",
        "ملعب بيسبول|ملاعب بيسبول|ملاعب البيسبول|m",
        "terrain de baseball|terrains de baseball|les terrains de baseball|m",
        "campo da baseball|campi da baseball|i campi da baseball|m",
    ),
    "stadium": (
        "stadium|stadiums|the stadiums|m",
        "استاد|استادات|الاستادات|m",
        "stade|stades|les stades|m",
        "stadio|stadi|gli stadi|m",
    ),
    "playground": (
        "playground|playgrounds|the playgrounds|m",
        "ساحة ألعاب|ساحات ألعاب|ساحات الألعاب|f",
        "aire de jeux|aires de jeux|les aires de jeux|f",
        "parco giochi|parchi giochi|i parchi giochi|m",
    ),
    "runway": (
        "runway|runways|the runways|m",
        "مدرج طائرات|مدارج طائرات|مدارج الطائرات|m",
        "piste d'atterrissage|pistes d'atterrissage|les pistes d'atterrissage|f",
        "pista di atterraggio|piste di atterraggio|le piste di atterraggio|f",
    ),
    "pier": (
        "pier|piers|the piers|m",
        "رصيف بحري|أرصفة بحرية|الأرصفة البحرية|m",
        "jetée|jetées|les jetées|f",
        "molo|moli|i moli|m",
    ),
}
"""By category (attribute and noun): its forms in English, Arabic, French, Italian."""

RELATION_FORMS: Final[dict[str, tuple[str, str, str, str]]] = {
    "along the road": ("along the road", "على طول الطريق", "le long de la route", "lungo la strada"),
    "along with tree": ("along with trees", "بمحاذاة الأشجار", "{} d'arbres", "{} da alberi"),
    "by the water": ("by the water", "بجانب المياه", "au bord de l'eau", "vicino all'acqua"),
    "driving on the road": (
        "driving on the road",
        "{} على الطريق",
        "roulant sur la route",
        "in movimento sulla strada",
    ),
    "in the parking area": (
        "in the parking area",
        "في موقف السيارات",
        "sur l'aire de stationnement",
        "nell'area di parcheggio",
    ),
    "next to the building": ("next to a building", "بجانب مبنى", "à côté d'un bâtiment", "accanto a un edificio"),
    "on the road": ("on the road", "على الطريق", "sur la route", "sulla strada"),
    "surrounded by bare land": (
        "surrounded by bare land",
        "{} بأراض جرداء",
        "{} de terrains nus",
        "{} da terreni nudi",
    ),
    "surrounded by building": ("surrounded by buildings", "{} بالمباني", "{} de bâtiments", "{} da edifici"),
    "surrounded by vegetation": (
        "surrounded by vegetation",
        "{} بالغطاء النباتي",
        "{} de végétation",
        "{} da vegetazione",
    ),
    "surrounded by water": ("surrounded by water", "{} بالمياه", "{} d'eau", "{} dall'acqua"),
    "with a parking lot": ("with a parking lot", "مع موقف سيارات", "avec un parking", "con un parcheggio"),
}
"""By relation: its words in English, Arabic, French, Italian."""

PARTICIPLES: Final[dict[str, tuple[str, str, str]]] = {
    "surrounded": (
        "محاط|محاطة|المحاط|المحاطة",
        "entouré|entourée|entourés|entourées",
        "circondato|circondata|circondati|circondate",
    ),
    "along": (
        "",
        "bordé|bordée|bordés|bordées",
        "fiancheggiato|fiancheggiata|fiancheggiati|fiancheggiate",
    ),
    "driving": ("يسير|تسير|الذي يسير|التي تسير", "", ""),
}
"""By first word of the relation: Arabic without and with the article (masculine, feminine, masculine, feminine); French
and Italian masculine and feminine singular, masculine and feminine plural."""
