"""Italian wordings of facts."""

from __future__ import annotations

from typing import NamedTuple

from geoglot.data.scenery.relations import Fact, Group


class _Noun(NamedTuple):
    one: str
    more: str
    feminine: bool = False


_THINGS: dict[str, _Noun] = {
    "plane": _Noun("un aereo", "aerei"),
    "stadium": _Noun("uno stadio", "stadi"),
    "storage tank": _Noun("un serbatoio di stoccaggio", "serbatoi di stoccaggio"),
    "tennis court": _Noun("un campo da tennis", "campi da tennis"),
    "baseball diamond": _Noun("un campo da baseball", "campi da baseball"),
    "football field": _Noun("un campo da calcio", "campi da calcio"),
    "bridge": _Noun("un ponte", "ponti"),
    "ship": _Noun("una nave", "navi", True),
    "boat": _Noun("una barca", "barche", True),
    "playground": _Noun("un parco giochi", "parchi giochi"),
    "roundabout": _Noun("una rotonda", "rotonde", True),
    "runway": _Noun("una pista di atterraggio", "piste di atterraggio", True),
    "terminal": _Noun("un terminal", "terminal"),
    "pier": _Noun("un molo", "moli"),
    "swimming pool": _Noun("una piscina", "piscine", True),
    "industrial building": _Noun("un edificio industriale", "edifici industriali"),
    "container": _Noun("un container", "container"),
    "building": _Noun("un edificio", "edifici"),
    "house": _Noun("una casa", "case", True),
    "car": _Noun("un'auto", "auto", True),
    "tree": _Noun("un albero", "alberi"),
}
_PLACES: dict[str, _Noun] = {
    "river": _Noun("un fiume", ""),
    "lake": _Noun("un lago", ""),
    "sea": _Noun("il mare", ""),
    "beach": _Noun("una spiaggia", "", True),
    "forest": _Noun("una foresta", "", True),
    "meadow": _Noun("un prato", ""),
    "farmland": _Noun("un terreno agricolo", ""),
    "bare land": _Noun("un terreno nudo", ""),
    "desert": _Noun("un deserto", ""),
    "road": _Noun("una strada", "", True),
    "motorway": _Noun("un'autostrada", "", True),
    "railway": _Noun("una ferrovia", "", True),
    "car park": _Noun("un parcheggio", ""),
    "park": _Noun("un parco", ""),
    "quay": _Noun("una banchina", "", True),
    "apron": _Noun("un piazzale aeroportuale", ""),
    "garden": _Noun("un giardino", ""),
    "pavement": _Noun("una superficie lastricata", "", True),
    "dense residential": _Noun("una zona residenziale densa", "", True),
    "residential": _Noun("una zona residenziale", "", True),
    "town": _Noun("una zona urbana", "", True),
    "industrial area": _Noun("una zona industriale", "", True),
}
_NUMBERS = ("", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci")


def group(what: Group) -> str:
    """A noun phrase with its number told.

    Example:
        >>> group(Group("house", 9, "many")), group(Group("tree", 4, "several")), group(Group("car"))
        ('molte case', 'diversi alberi', "un'auto")
    """
    if what.noun in _PLACES:
        return _PLACES[what.noun].one
    noun = _THINGS[what.noun]
    if what.told == "bare":
        return noun.more
    if what.count == 1:
        return noun.one
    told = {"many": ("molti", "molte"), "several": ("diversi", "diverse"), "some": ("alcuni", "alcune")}
    number = told[what.told][noun.feminine] if what.told in told else _NUMBERS[what.count]
    return f"{number} {noun.more}"


def joined(preposition: str, phrase: str) -> str:
    """A phrase after *a*, *da*, *di*, *in* or *su*, contracted with the definite article.

    Example:
        >>> joined("a", "il mare"), joined("da", "molti alberi"), joined("su", "una strada"), joined("di", "il mare")
        ('al mare', 'da molti alberi', 'su una strada', 'del mare')
    """
    stems = {"a": "a", "da": "da", "di": "de", "in": "ne", "su": "su"}
    if phrase.startswith("il "):
        return f"{stems[preposition]}l {phrase.removeprefix('il ')}"
    return f"{preposition} {phrase}"


def _feminine(what: Group) -> bool:
    return (_PLACES.get(what.noun) or _THINGS[what.noun]).feminine


def sentences(fact: Fact) -> list[str]:
    """All wordings of a fact; every one says the same.

    Example:
        >>> sentences(Fact("beside", Group("beach"), Group("sea")))[0]
        'una spiaggia è accanto al mare'
    """
    subject = group(fact.subject)
    plural = fact.subject.count > 1 or fact.second is not None
    feminine = _feminine(fact.subject)
    if fact.second is not None:
        subject = f"{subject} e {group(fact.second)}"
        # A masculine noun among the subjects makes the participle masculine.
        feminine = feminine and _feminine(fact.second)
    be = "sono" if plural else "è"
    there = "ci sono" if plural else "c'è"
    find = "si trovano" if plural else "si trova"
    ending = ("e" if feminine else "i") if plural else ("a" if feminine else "o")
    other = group(fact.other) if fact.other is not None else ""
    on = {"apron": "su", "car park": "in"}.get(fact.other.noun if fact.other else "", "")
    match fact.kind:
        case "exist":
            seen = "si vedono" if plural else "si vede"
            return [f"{there} {subject}", f"{seen} {subject}", f"in questa foto {seen} {subject}"]
        case "near":
            close = {"o": "vicino", "a": "vicina", "i": "vicini", "e": "vicine"}[ending]
            return [f"{subject} {be} {close} {joined('a', other)}", f"{subject} {find} vicino {joined('a', other)}"]
        case "beside":
            return [f"{subject} {be} accanto {joined('a', other)}", f"{subject} {find} accanto {joined('a', other)}"]
        case "parked":
            place = joined(on, other) if on else f"accanto {joined('a', other)}"
            return [f"{subject} {be} parcheggiat{ending} {place}", f"{subject} {find} {place}"]
        case "moored":
            return [
                f"{subject} {be} ormeggiat{ending} {joined('a', other)}",
                f"{subject} {be} ormeggiat{ending} accanto {joined('a', other)}",
            ]
        case "in":
            place = "in mare" if other == "il mare" else f"in {other}"
            return [f"{subject} {be} {place}", f"{there} {subject} {place}"]
        case "on":
            return [f"{subject} {be} su {other}", f"{there} {subject} su {other}"]
        case "around":
            return [f"{subject} {be} intorno {joined('a', other)}", f"{there} {subject} intorno {joined('a', other)}"]
        case "surrounded":
            by = f"circondat{ending} {joined('da', other)}"
            return [f"{subject} {be} {by}", f"{there} {subject} {by}"]
        case "cross":
            verb, over = ("attraversano", "passano") if plural else ("attraversa", "passa")
            return [f"{subject} {verb} {other}", f"{subject} {over} sopra {other}"]
        case "through":
            return [f"{subject} attraversa {other}", f"c'è {other} su entrambi i lati {joined('di', subject)}"]
        case "land" if fact.subject.told == "most":
            return [f"la maggior parte della foto è {subject}", f"{subject} copre la maggior parte dell'area"]
        case "land":
            return [f"una parte della foto è {subject}", f"si vede {subject} in una parte della foto"]
        case "closeup":
            return [f"una vista ravvicinata {joined('di', subject)}"]
    raise ValueError(fact.kind)
