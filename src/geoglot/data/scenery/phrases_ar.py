"""Arabic wordings of facts.

Verbs come first, in the singular, and agree in gender with what follows: a plural of things counts as feminine. Numbers
from three to ten take the gender opposite to the noun's singular; two is the dual, whose ending shows the case and which
loses its nun before a second noun.
"""

from __future__ import annotations

from typing import NamedTuple

from geoglot.data.scenery.relations import Fact, Group


class _Noun(NamedTuple):
    one: str
    two: str
    two_after: str
    more: str
    the_more: str
    feminine: bool = False


_THINGS: dict[str, _Noun] = {
    "plane": _Noun("طائرة", "طائرتان", "طائرتين", "طائرات", "الطائرات", True),
    "stadium": _Noun("استاد", "استادان", "استادين", "استادات", "الاستادات"),
    "storage tank": _Noun("خزان", "خزانان", "خزانين", "خزانات", "الخزانات"),
    "tennis court": _Noun("ملعب تنس", "ملعبا تنس", "ملعبي تنس", "ملاعب تنس", "ملاعب التنس"),
    "baseball diamond": _Noun("ملعب بيسبول", "ملعبا بيسبول", "ملعبي بيسبول", "ملاعب بيسبول", "ملاعب البيسبول"),
    "football field": _Noun("ملعب كرة قدم", "ملعبا كرة قدم", "ملعبي كرة قدم", "ملاعب كرة قدم", "ملاعب كرة القدم"),
    "bridge": _Noun("جسر", "جسران", "جسرين", "جسور", "الجسور"),
    "ship": _Noun("سفينة", "سفينتان", "سفينتين", "سفن", "السفن", True),
    "boat": _Noun("قارب", "قاربان", "قاربين", "قوارب", "القوارب"),
    "playground": _Noun("ساحة ألعاب", "ساحتا ألعاب", "ساحتي ألعاب", "ساحات ألعاب", "ساحات الألعاب", True),
    "roundabout": _Noun("دوار", "دواران", "دوارين", "دوارات", "الدوارات"),
    "runway": _Noun("مدرج طائرات", "مدرجا طائرات", "مدرجي طائرات", "مدارج طائرات", "مدارج الطائرات"),
    "terminal": _Noun("مبنى ركاب", "مبنيا ركاب", "مبنيي ركاب", "مباني ركاب", "مباني الركاب"),
    "pier": _Noun("رصيف بحري", "رصيفان بحريان", "رصيفين بحريين", "أرصفة بحرية", "الأرصفة البحرية"),
    "swimming pool": _Noun("مسبح", "مسبحان", "مسبحين", "مسابح", "المسابح"),
    "industrial building": _Noun("مبنى صناعي", "مبنيان صناعيان", "مبنيين صناعيين", "مبان صناعية", "المباني الصناعية"),
    "container": _Noun("حاوية", "حاويتان", "حاويتين", "حاويات", "الحاويات", True),
    "building": _Noun("مبنى", "مبنيان", "مبنيين", "مبان", "المباني"),
    "house": _Noun("منزل", "منزلان", "منزلين", "منازل", "المنازل"),
    "car": _Noun("سيارة", "سيارتان", "سيارتين", "سيارات", "السيارات", True),
    "tree": _Noun("شجرة", "شجرتان", "شجرتين", "أشجار", "الأشجار", True),
}
_PLACES: dict[str, tuple[str, bool]] = {
    "river": ("نهر", False),
    "lake": ("بحيرة", True),
    "sea": ("البحر", False),
    "beach": ("شاطئ", False),
    "forest": ("غابة", True),
    "meadow": ("مرج", False),
    "farmland": ("أرض زراعية", True),
    "bare land": ("أرض جرداء", True),
    "desert": ("صحراء", True),
    "road": ("طريق", False),
    "motorway": ("طريق سريع", False),
    "railway": ("سكة حديد", True),
    "car park": ("موقف سيارات", False),
    "park": ("حديقة", True),
    "quay": ("رصيف ميناء", False),
    "apron": ("ساحة وقوف طائرات", True),
    "garden": ("حديقة منزلية", True),
    "pavement": ("ساحة مرصوفة", True),
    "dense residential": ("منطقة سكنية كثيفة", True),
    "residential": ("منطقة سكنية", True),
    "town": ("منطقة عمرانية", True),
    "industrial area": ("منطقة صناعية", True),
}
_FOR_MASCULINE = ("", "", "", "ثلاثة", "أربعة", "خمسة", "ستة", "سبعة", "ثمانية", "تسعة", "عشرة")
_FOR_FEMININE = ("", "", "", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع", "عشر")


def group(what: Group, *, after: bool = False) -> str:
    """A noun phrase with its number told; ``after`` a preposition the dual ends differently.

    Example:
        >>> group(Group("tennis court", 2)), group(Group("plane", 3)), group(Group("house", 3))
        ('ملعبا تنس', 'ثلاث طائرات', 'ثلاثة منازل')
    """
    if what.noun in _PLACES:
        return _PLACES[what.noun][0]
    noun = _THINGS[what.noun]
    if what.told == "bare":
        return noun.the_more
    if what.count == 1:
        return noun.one
    if what.count == 2:
        return noun.two_after if after else noun.two
    match what.told:
        case "many":
            # The adjective of a plural of things is feminine singular.
            return f"{noun.more} كثيرة"
        case "several":
            return f"عدة {noun.more}"
        case "some":
            return f"بعض {noun.the_more}"
    return f"{(_FOR_FEMININE if noun.feminine else _FOR_MASCULINE)[what.count]} {noun.more}"


def _feminine(what: Group) -> bool:
    """Whether the verb before a group is feminine."""
    if what.noun in _PLACES:
        return _PLACES[what.noun][1]
    if what.told == "some" and what.count > 2:
        # "Some" is a masculine noun of its own, but usage follows the plural after it.
        return True
    return what.count > 2 or _THINGS[what.noun].feminine


def _surrounded(what: Group, plural: bool) -> str:
    if plural:
        return "محاطة"
    feminine = _feminine(what) if what.noun in _PLACES else _THINGS[what.noun].feminine
    if what.count == 2:
        return "محاطتان" if feminine else "محاطان"
    return "محاطة" if feminine else "محاط"


def sentences(fact: Fact) -> list[str]:
    """All wordings of a fact; every one says the same.

    Example:
        >>> sentences(Fact("parked", Group("plane", 9, "many"), Group("terminal")))[0]
        'تقف طائرات كثيرة بجانب مبنى ركاب'
    """
    subject = group(fact.subject)
    if fact.second is not None:
        subject = f"{subject} و{group(fact.second)}"
    feminine = _feminine(fact.subject)
    prefix = "ت" if feminine else "ي"
    exist, lie, stand, dock = f"{prefix}وجد", f"{prefix}قع", f"{prefix}قف", f"{prefix}رسو"
    other = group(fact.other, after=True) if fact.other is not None else ""
    noun = fact.other.noun if fact.other is not None else ""
    match fact.kind:
        case "exist":
            return [f"{exist} {subject}", f"{exist} {subject} في هذه الصورة", f"هناك {subject} في الصورة"]
        case "near":
            return [f"{lie} {subject} بالقرب من {other}", f"{exist} {subject} قرب {other}"]
        case "beside":
            return [f"{lie} {subject} بجانب {other}", f"{exist} {subject} بجوار {other}"]
        case "parked":
            where = "في" if noun in ("car park", "apron") else "بجانب"
            return [f"{stand} {subject} {where} {other}", f"{exist} {subject} {where} {other}"]
        case "moored":
            return [f"{dock} {subject} عند {other}", f"{dock} {subject} بجانب {other}"]
        case "in":
            return [f"{exist} {subject} في {other}", f"هناك {subject} في {other}"]
        case "on":
            return [f"{exist} {subject} على {other}", f"هناك {subject} على {other}"]
        case "around":
            return [f"{exist} {subject} حول {other}", f"هناك {subject} حول {other}"]
        case "surrounded":
            plural = fact.subject.count > 2
            return [f"{subject} {_surrounded(fact.subject, plural)} ب{other}", f"تحيط {other} ب{group(fact.subject, after=True)}"]
        case "cross":
            return [f"{prefix}مر {subject} فوق {other}", f"{prefix}عبر {subject} فوق {other}"]
        case "through":
            return [f"{prefix}مر {subject} عبر {other}", f"{_exist_other(fact)} {other} على جانبي {subject}"]
        case "land" if fact.subject.told == "most":
            return [f"معظم الصورة {subject}", f"{prefix}غطي {subject} معظم هذه المنطقة"]
        case "land":
            return [f"جزء من الصورة {subject}", f"{'تظهر' if feminine else 'يظهر'} {subject} في جزء من الصورة"]
        case "closeup":
            return [f"منظر قريب {_to(group(fact.subject, after=True))}"]
    raise ValueError(fact.kind)


def _exist_other(fact: Fact) -> str:
    """*There is*, agreeing with the other thing of a fact."""
    return "توجد" if fact.other is not None and _feminine(fact.other) else "يوجد"


def _to(phrase: str) -> str:
    """A phrase after the preposition *li*, which swallows the article's alif.

    Example:
        >>> _to("البحر"), _to("نهر")
        ('للبحر', 'لنهر')
    """
    return f"لل{phrase[2:]}" if phrase.startswith("ال") else f"ل{phrase}"
