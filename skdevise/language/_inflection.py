"""Singular and plural of English nouns, as guesses that a table of terms confirms."""

import re

# Nouns whose plural no rule gives. The last word counts: "snow goose", "policeman".
_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "louse": "lice",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "tooth": "teeth",
    "calf": "calves",
    "dwarf": "dwarves",
    "elf": "elves",
    "half": "halves",
    "hoof": "hooves",
    "knife": "knives",
    "leaf": "leaves",
    "life": "lives",
    "loaf": "loaves",
    "scarf": "scarves",
    "sheaf": "sheaves",
    "shelf": "shelves",
    "thief": "thieves",
    "wharf": "wharves",
    "wife": "wives",
    "wolf": "wolves",
    "woman": "women",
}
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
# Nouns in -s that are no plurals, and would be found as another word.
_UNCHANGED = {"glasses", "lens", "means", "news", "pants", "series", "species"}
_HISSING = ("s", "x", "z", "ch", "sh")
_COMPOUND_MAN = re.compile(r"\w{3,}m[ae]n")


def other_numbers(term):
    """Guess the plural and the singular of a term, the likelier guess first.

    They are guesses: a caller keeps one that is a known term.

    Parameters
    ----------
    term : str
        In lower case; its last word is the one that changes.

    Returns
    -------
    list of str

    Examples
    --------
    >>> other_numbers("grey wolves")
    ['grey wolf']
    >>> other_numbers("berry")
    ['berries', 'berrys']
    """
    before, blank, word = term.rpartition(" ")
    if len(word) < 3 or not (word.isascii() and word.isalpha()) or word in _UNCHANGED:
        return []
    return [before + blank + other for other in _singulars(word) + _plurals(word)]


def _singulars(word):
    if word in _SINGULAR:
        return [_SINGULAR[word]]
    if _COMPOUND_MAN.fullmatch(word) and word.endswith("men"):
        return [word[:-2] + "an"]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return []
    if word.endswith("ies"):
        return [word[:-3] + "y", word[:-1]]
    if word.endswith("es") and word[:-2].endswith((*_HISSING, "o")):
        return [word[:-2], word[:-1]]
    return [word[:-1]]


def _plurals(word):
    if word in _IRREGULAR:
        return [_IRREGULAR[word]]
    if word in _SINGULAR:
        return []
    if _COMPOUND_MAN.fullmatch(word) and word.endswith("man"):
        return [word[:-2] + "en", word + "s"]
    if word.endswith("y") and word[-2] not in "aeiou":
        return [word[:-1] + "ies", word + "s"]
    if word.endswith(_HISSING):
        return [word + "es"]
    if word.endswith("o"):
        return [word + "es", word + "s"]
    return [word + "s"]
