"""English wordings of facts."""

from __future__ import annotations

from geoglot.data.scenery.relations import Fact, Group

_THINGS: dict[str, tuple[str, str]] = {
    "plane": ("a plane", "planes"),
    "stadium": ("a stadium", "stadiums"),
    "storage tank": ("a storage tank", "storage tanks"),
    "tennis court": ("a tennis court", "tennis courts"),
    "baseball diamond": ("a baseball diamond", "baseball diamonds"),
    "football field": ("a football field", "football fields"),
    "bridge": ("a bridge", "bridges"),
    "ship": ("a ship", "ships"),
    "boat": ("a boat", "boats"),
    "playground": ("a playground", "playgrounds"),
    "roundabout": ("a roundabout", "roundabouts"),
    "runway": ("a runway", "runways"),
    "terminal": ("a terminal", "terminals"),
    "pier": ("a pier", "piers"),
    "swimming pool": ("a swimming pool", "swimming pools"),
    "industrial building": ("an industrial building", "industrial buildings"),
    "container": ("a container", "containers"),
    "building": ("a building", "buildings"),
    "house": ("a house", "houses"),
    "car": ("a car", "cars"),
    "tree": ("a tree", "trees"),
}
_PLACES: dict[str, str] = {
    "river": "a river",
    "lake": "a lake",
    "sea": "the sea",
    "beach": "a beach",
    "forest": "a forest",
    "meadow": "a meadow",
    "farmland": "farmland",
    "bare land": "bare land",
    "desert": "a desert",
    "road": "a road",
    "motorway": "a motorway",
    "railway": "a railway",
    "car park": "a car park",
    "park": "a park",
    "quay": "a quay",
    "apron": "an airport apron",
    "garden": "a garden",
    "pavement": "a paved area",
    "dense residential": "a dense residential area",
    "residential": "a residential area",
    "town": "a built-up area",
    "industrial area": "an industrial area",
}
_NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def group(what: Group) -> str:
    """A noun phrase with its number told.

    Example:
        >>> group(Group("plane", 2)), group(Group("plane", 9, "many")), group(Group("river"))
        ('two planes', 'many planes', 'a river')
    """
    if what.noun in _PLACES:
        return _PLACES[what.noun]
    one, more = _THINGS[what.noun]
    if what.told == "bare":
        return more
    if what.count == 1:
        return one
    return f"{_NUMBERS[what.count] if what.told == 'exact' else what.told} {more}"


def sentences(fact: Fact) -> list[str]:
    """All wordings of a fact; every one says the same.

    Example:
        >>> sentences(Fact("parked", Group("plane", 9, "many"), Group("terminal")))[0]
        'many planes are parked beside a terminal'
    """
    subject = group(fact.subject)
    plural = fact.subject.count > 1 or fact.second is not None
    if fact.second is not None:
        subject = f"{subject} and {group(fact.second)}"
    be = "are" if plural else "is"
    s = "" if plural else "s"
    other = group(fact.other) if fact.other is not None else ""
    flat = fact.other is not None and fact.other.noun in ("car park", "apron")
    where = {"car park": "in", "apron": "on"}.get(fact.other.noun if fact.other else "", "beside")
    match fact.kind:
        case "exist":
            return [f"there {be} {subject}", f"{subject} can be seen", f"we can see {subject} in this picture"]
        case "near":
            return [f"{subject} {be} near {other}", f"{subject} {be} close to {other}"]
        case "beside":
            return [f"{subject} {be} beside {other}", f"{subject} {be} next to {other}"]
        case "parked":
            return [f"{subject} {be} parked {where} {other}", f"{subject} {be} {where if flat else 'next to'} {other}"]
        case "moored":
            return [f"{subject} {be} moored at {other}", f"{subject} {be} docked beside {other}"]
        case "in":
            return [f"{subject} {be} in {other}", f"there {be} {subject} in {other}"]
        case "on":
            return [f"{subject} {be} on {other}", f"there {be} {subject} on {other}"]
        case "around":
            return [f"{subject} {be} around {other}", f"there {be} {subject} around {other}"]
        case "surrounded":
            return [f"{subject} {be} surrounded by {other}", f"there {be} {subject} surrounded by {other}"]
        case "cross":
            return [f"{subject} {be} over {other}", f"{subject} cross{'' if plural else 'es'} {other}"]
        case "through":
            return [f"{subject} run{s} through {other}", f"there is {other} on both sides of {subject}"]
        case "land" if fact.subject.told == "most":
            return [f"most of the picture is {subject}", f"{subject} covers most of this area"]
        case "land":
            return [f"part of the picture is {subject}", f"{subject} can be seen in part of the picture"]
        case "closeup":
            return [f"a close view of {subject}"]
    raise ValueError(fact.kind)
