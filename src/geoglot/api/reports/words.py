"""The few fixed words of the report, in the four languages, so that a sheet reads in the language of its query."""

from __future__ import annotations

from geoglot.core.records import Band

LANGUAGE_NAMES = {"en": "English", "ar": "العربية", "fr": "Français", "it": "Italiano"}

WORDS: dict[str, dict[str, str]] = {
    "en": {
        Band.LIKELY: "Likely",
        Band.UNCERTAIN: "Uncertain",
        Band.BACKGROUND: "Background",
        "likely_count": "{n} likely of {all}",
        "none": "No likely match",
        "uncertain_why": "Those called uncertain may be it or may not: look before you trust them.",
        "none_why": "These are only the nearest places, no better than chance finds.",
        "empty": "Nothing in the archive passes the filters.",
        "score": "Similarity",
        "window": "Window",
        "window_value": "column {column}, row {row} · {width}×{height} px",
        "place": "Place",
        "unlocated": "not located",
        "time": "Taken",
        "resolution": "Resolution",
        "metres": "{gsd} m per pixel",
        "merged": "stands for {n} overlapping tiles",
        "map": "Where the hits are",
        "no_picture": "picture not available",
        "like": "like",
        "unlike": "unlike",
        "command": "As a command",
    },
    "fr": {
        Band.LIKELY: "Probable",
        Band.UNCERTAIN: "Incertain",
        Band.BACKGROUND: "Arrière-plan",
        "likely_count": "{n} probables sur {all}",
        "none": "Aucune correspondance probable",
        "uncertain_why": "Les lieux incertains le sont peut-être, ou pas : à vérifier.",
        "none_why": "Ce ne sont que les lieux les plus proches, pas mieux que le hasard.",
        "empty": "Rien dans l’archive ne passe les filtres.",
        "score": "Similarité",
        "window": "Fenêtre",
        "window_value": "colonne {column}, ligne {row} · {width}×{height} px",
        "place": "Lieu",
        "unlocated": "non localisé",
        "time": "Prise de vue",
        "resolution": "Résolution",
        "metres": "{gsd} m par pixel",
        "merged": "représente {n} tuiles qui se recouvrent",
        "map": "Où se trouvent les résultats",
        "no_picture": "image non disponible",
        "like": "comme",
        "unlike": "pas comme",
        "command": "En commande",
    },
    "it": {
        Band.LIKELY: "Probabile",
        Band.UNCERTAIN: "Incerto",
        Band.BACKGROUND: "Sfondo",
        "likely_count": "{n} probabili su {all}",
        "none": "Nessuna corrispondenza probabile",
        "uncertain_why": "I luoghi incerti forse lo sono, forse no: da verificare.",
        "none_why": "Sono soltanto i luoghi più vicini, non migliori del caso.",
        "empty": "Niente nell’archivio supera i filtri.",
        "score": "Somiglianza",
        "window": "Finestra",
        "window_value": "colonna {column}, riga {row} · {width}×{height} px",
        "place": "Luogo",
        "unlocated": "non localizzato",
        "time": "Ripresa",
        "resolution": "Risoluzione",
        "metres": "{gsd} m per pixel",
        "merged": "rappresenta {n} riquadri sovrapposti",
        "map": "Dove sono i risultati",
        "no_picture": "immagine non disponibile",
        "like": "come",
        "unlike": "non come",
        "command": "Come comando",
    },
    "ar": {
        Band.LIKELY: "مرجّح",
        Band.UNCERTAIN: "غير مؤكد",
        Band.BACKGROUND: "خلفية",
        "likely_count": "{n} مرجّحة من {all}",
        "none": "لا توجد نتيجة مرجّحة",
        "uncertain_why": "الأماكن غير المؤكدة قد تكون هي وقد لا تكون: تحقّق قبل أن تثق بها.",
        "none_why": "هذه أقرب الأماكن فحسب، وليست أفضل من المصادفة.",
        "empty": "لا شيء في الأرشيف يجتاز المرشّحات.",
        "score": "التشابه",
        "window": "النافذة",
        "window_value": "العمود {column}، الصف {row} · {width}×{height} بكسل",
        "place": "المكان",
        "unlocated": "غير محدّد الموقع",
        "time": "تاريخ الالتقاط",
        "resolution": "الدقة",
        "metres": "{gsd} متر لكل بكسل",
        "merged": "تمثّل {n} بلاطات متداخلة",
        "map": "أين تقع النتائج",
        "no_picture": "الصورة غير متاحة",
        "like": "مثل",
        "unlike": "ليس مثل",
        "command": "كأمر",
    },
}


def words_of(language: str | None) -> dict[str, str]:
    """The fixed words in a language; English where the language is not known.

    Example:
        >>> words_of("it")["place"], words_of(None)["place"]
        ('Luogo', 'Place')
    """
    return WORDS.get(language or "en", WORDS["en"])
