"""Film titles that nobody has filmed, from word lists of our own."""

from __future__ import annotations

import numpy as np


def _words(text: str) -> list[str]:
    return text.split("|")


_ADJECTIVES = _words(
    "Amber|Borrowed|Broken|Crooked|Distant|Electric|Forgotten|Gentle|Golden|Hollow|"
    "Impossible|Last|Lonely|Midnight|Naïve|Paper|Patient|Quiet|Restless|Scarlet|"
    "Second|Silent|Silver|Stolen|Tin|Unlikely|Velvet|Wandering|Winter|Yellow"
)
_NOUNS = _words(
    "Accordion|Apricot|Astronaut|Bakery|Barometer|Bicycle|Café|Captain|Cartographer|"
    "Clockmaker|Comet|Compass|Detective|Façade|Ferry|Fiancée|Garden|Harbour|Heiress|"
    "Hotel|Island|Lantern|Librarian|Lighthouse|Locksmith|Matinée|Meteor|Mountain|"
    "Neighbour|Orchard|Parade|Photograph|Pianist|Pilot|Postcard|Promise|Radio|Referee|"
    "River|Rumour|Señorita|Signal|Smörgåsbord|Stranger|Submarine|Summer|Tailor|"
    "Telegram|Thief|Tide|Train|Umbrella|Violin|Waltz|Window"
)
_PLACES = _words(
    "Åland|the Azores|Baden|Córdoba|Darwin|the Fjord|Göteborg|the Hebrides|Kraków|"
    "Kyōto|Málaga|Marseille|the Moon|Montréal|Nairobi|the North|Örebro|Quito|São Tomé|"
    "Trieste|Valparaíso|Zürich"
)
_NAMES = _words("Ada|Bruno|Chloé|Dafna|Émile|Femi|Greta|Hiro|Inés|Jürgen|Kofi|Łucja|Mina|Noor|Otto")

# {a} adjective, {n} and {m} nouns, {p} place, {w} name.  Commas and quotation marks are there on
# purpose: a reader that splits lines at commas has to fail on our sample, not on a customer's data.
_PATTERNS = (
    "The {a} {n}",
    "The {a} {n}",
    "{a} {n}",
    "{n} of {p}",
    "The {n} and the {m}",
    "A {n} in {p}",
    "{w} and the {a} {n}",
    "Goodbye, {p}",
    "{a} {n}, The",
    "{n}, {m} and {w}",
    'The {n} They Called "{w}"',
    "{w}: A {n}’s Story",
)


def titles(count: int, rng: np.random.Generator) -> list[str]:
    """Return `count` titles; they may repeat, as real ones do."""
    choices = {
        "a": _ADJECTIVES,
        "n": _NOUNS,
        "m": _NOUNS,
        "p": _PLACES,
        "w": _NAMES,
    }
    patterns = rng.integers(len(_PATTERNS), size=count)
    words = {key: rng.integers(len(of), size=count) for key, of in choices.items()}
    return [
        _PATTERNS[pattern].format(**{key: choices[key][words[key][row]] for key in choices})
        for row, pattern in enumerate(patterns)
    ]
