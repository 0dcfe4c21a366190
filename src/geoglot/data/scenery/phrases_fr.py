"""French wordings of facts."""

from __future__ import annotations

from typing import NamedTuple

from geoglot.data.scenery.relations import Fact, Group


class _Noun(NamedTuple):
    one: str
    more: str
    feminine: bool = False


_THINGS: dict[str, _Noun] = {
    "plane": _Noun("un avion", "avions"),
    "stadium": _Noun("un stade", "stades"),
    "storage tank": _Noun("un réservoir de stockage", "réservoirs de stockage"),
    "tennis court": _Noun("un court de tennis", "courts de tennis"),
    "baseball diamond": _Noun("un terrain de baseball", "terrains de baseball"),
    "football field": _Noun("un terrain de football", "terrains de football"),
    "bridge": _Noun("un pont", "ponts"),
    "ship": _Noun("un navire", "navires"),
    "boat": _Noun("un bateau", "bateaux"),
    "playground": _Noun("une aire de jeux", "aires de jeux", True),
    "roundabout": _Noun("un rond-point", "ronds-points"),
    "runway": _Noun("une piste d'atterrissage", "pistes d'atterrissage", True),
    "terminal": _Noun("une aérogare", "aérogares", True),
    "pier": _Noun("une jetée", "jetées", True),
    "swimming pool": _Noun("une piscine", "piscines", True),
    "industrial building": _Noun("un bâtiment industriel", "bâtiments industriels"),
    "container": _Noun("un conteneur", "conteneurs"),
    "building": _Noun("un immeuble", "immeubles"),
    "house": _Noun("une maison", "maisons", True),
    "car": _Noun("une voiture", "voitures", True),
    "tree": _Noun("un arbre", "arbres"),
}
_PLACES: dict[str, _Noun] = {
    "river": _Noun("une rivière", "", True),
    "lake": _Noun("un lac", ""),
    "sea": _Noun("la mer", "", True),
    "beach": _Noun("une plage", "", True),
    "forest": _Noun("une forêt", "", True),
    "meadow": _Noun("une prairie", "", True),
    "farmland": _Noun("un terrain agricole", ""),
    "bare land": _Noun("un terrain nu", ""),
    "desert": _Noun("un désert", ""),
    "road": _Noun("une route", "", True),
    "motorway": _Noun("une autoroute", "", True),
    "railway": _Noun("une voie ferrée", "", True),
    "car park": _Noun("un parking", ""),
    "park": _Noun("un parc", ""),
    "quay": _Noun("un quai", ""),
    "apron": _Noun("une aire de stationnement d'aéroport", "", True),
    "garden": _Noun("un jardin", ""),
    "pavement": _Noun("une surface pavée", "", True),
    "dense residential": _Noun("une zone résidentielle dense", "", True),
    "residential": _Noun("une zone résidentielle", "", True),
    "town": _Noun("une zone urbaine", "", True),
    "industrial area": _Noun("une zone industrielle", "", True),
}
_NUMBERS = ("", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix")


def group(what: Group) -> str:
    """A noun phrase with its number told.

    Example:
        >>> group(Group("house", 9, "many")), group(Group("tree", 4, "some")), group(Group("plane", 3))
        ('de nombreuses maisons', 'quelques arbres', 'trois avions')
    """
    if what.noun in _PLACES:
        return _PLACES[what.noun].one
    noun = _THINGS[what.noun]
    if what.told == "bare":
        return f"des {noun.more}"
    if what.count == 1:
        return noun.one
    many = "de nombreuses" if noun.feminine else "de nombreux"
    number = {"many": many, "several": "plusieurs", "some": "quelques"}.get(what.told) or _NUMBERS[what.count]
    return f"{number} {noun.more}"


def of(phrase: str) -> str:
    """A phrase after the preposition *de*, with elision and contraction.

    Example:
        >>> of("un lac"), of("la mer"), of("des arbres"), of("de nombreux arbres"), of("trois avions")
        ("d'un lac", 'de la mer', "d'arbres", 'de nombreux arbres', 'de trois avions')
    """
    if phrase.startswith("des "):
        phrase = phrase.removeprefix("des ")
    elif phrase.startswith("de "):
        return phrase
    return f"d'{phrase}" if phrase[0] in "aeiouéêhAEIOU" else f"de {phrase}"


def _feminine(what: Group) -> bool:
    return (_PLACES.get(what.noun) or _THINGS[what.noun]).feminine


def sentences(fact: Fact) -> list[str]:
    """All wordings of a fact; every one says the same.

    Example:
        >>> sentences(Fact("surrounded", Group("house", 3), Group("tree", 9, "bare")))[0]
        "trois maisons sont entourées d'arbres"
    """
    subject = group(fact.subject)
    plural = fact.subject.count > 1 or fact.second is not None
    feminine = _feminine(fact.subject)
    if fact.second is not None:
        subject = f"{subject} et {group(fact.second)}"
        # A masculine noun among the subjects makes the participle masculine.
        feminine = feminine and _feminine(fact.second)
    be = "sont" if plural else "est"
    find = "se trouvent" if plural else "se trouve"
    ending = ("e" if feminine else "") + ("s" if plural else "")
    other = group(fact.other) if fact.other is not None else ""
    on = {"apron": "sur", "car park": "dans"}.get(fact.other.noun if fact.other else "", "")
    match fact.kind:
        case "exist":
            return [f"il y a {subject}", f"on voit {subject}", f"on peut voir {subject} sur cette image"]
        case "near":
            return [f"{subject} {be} près {of(other)}", f"{subject} {find} à proximité {of(other)}"]
        case "beside":
            return [f"{subject} {be} à côté {of(other)}", f"{subject} {find} à côté {of(other)}"]
        case "parked":
            place = f"{on} {other}" if on else f"à côté {of(other)}"
            return [f"{subject} {be} stationné{ending} {place}", f"{subject} {find} {place}"]
        case "moored":
            return [f"{subject} {be} amarré{ending} à {other}", f"{subject} {find} à quai près {of(other)}"][:1] + [
                f"{subject} {be} amarré{ending} le long {of(other)}"
            ]
        case "in":
            preposition = "en mer" if other == "la mer" else f"dans {other}"
            return [f"{subject} {be} {preposition}", f"il y a {subject} {preposition}"]
        case "on":
            return [f"{subject} {be} sur {other}", f"il y a {subject} sur {other}"]
        case "around":
            return [f"{subject} {be} autour {of(other)}", f"il y a {subject} autour {of(other)}"]
        case "surrounded":
            return [f"{subject} {be} entouré{ending} {of(other)}", f"on voit {subject} entouré{ending} {of(other)}"]
        case "cross":
            over = "enjambent" if plural else "enjambe"
            return [f"{subject} {over} {other}", f"{subject} {'passent' if plural else 'passe'} au-dessus {of(other)}"]
        case "through":
            return [f"{subject} traverse {other}", f"il y a {other} des deux côtés {of(subject)}"]
        case "land" if fact.subject.told == "most":
            return [f"la majeure partie de l'image est {subject}", f"{subject} couvre la plus grande partie de la zone"]
        case "land":
            return [f"une partie de l'image est {subject}", f"on voit {subject} sur une partie de l'image"]
        case "closeup":
            return [f"une vue rapprochée {of(subject)}"]
    raise ValueError(fact.kind)
