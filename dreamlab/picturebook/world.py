"""The picture-book world: what can be in a scene, how it is composed and described."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

OBJECTS: tuple[str, ...] = (
    "apple", "ball", "balloon", "bird", "boat", "butterfly", "castle", "cloud", "comet", "eye",
    "face", "fish", "flower", "heart", "house", "kite", "moon", "mushroom", "planet", "rainbow",
    "rocket", "spiral", "star", "tree", "umbrella",
)  # fmt: skip
COLOURS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey",
)  # fmt: skip
TEXTURES: tuple[str, ...] = ("plain", "striped", "spotted", "checkered")
COUNTS: tuple[str, ...] = ("one", "two", "three", "many")
BACKGROUNDS: dict[str, str] = {
    "sky": "in the sky",
    "clouds": "in the clouds",
    "night": "at night",
    "space": "in space",
    "sunset": "at sunset",
    "meadow": "on a meadow",
    "sea": "on the sea",
    "desert": "in the desert",
    "snow": "in the snow",
    "mountains": "in the mountains",
    "city": "in the city",
    "plain": "on a plain background",
}
"""Each background and the words that a caption uses for it."""
MANY = (5, 6, 7)  # what the caption word "many" may stand for
PLURALS = {"butterfly": "butterflies", "fish": "fish"}


@dataclass(frozen=True)
class Place:
    """Where one thing stands: centre and radius as fractions of the picture, angle in radians."""

    x: float
    y: float
    radius: float
    angle: float
    mirrored: bool


def shuffled(values: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    """All values in random order, again and again."""
    while True:
        yield from (str(value) for value in rng.permutation(values))


@dataclass(frozen=True)
class Item:
    """One kind of thing, once per entry of `places`; the colour "" is a rainbow's, all of them."""

    object: str
    colour: str
    texture: str = "plain"
    places: tuple[Place, ...] = ()

    @property
    def count(self) -> str:
        """The count as a caption says it: "one", "two", "three" or "many"."""
        return COUNTS[min(len(self.places), len(COUNTS)) - 1]


@dataclass(frozen=True)
class Scene:
    """A background, zero to two kinds of things, and the seed of every brush stroke."""

    background: str
    items: tuple[Item, ...]
    seed: int


def _check(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} {value!r} is not in this world; choose from {', '.join(allowed)}")


def _place(rng: np.random.Generator, radii: Sequence[float]) -> list[Place]:
    """Places for discs of these radii that keep apart as well as a few hundred darts allow."""
    best: list[tuple[float, float]] = []
    best_gap = -math.inf
    for _ in range(60):
        spots: list[tuple[float, float]] = []
        gap = math.inf
        for i, r in enumerate(radii):
            # A close-up (radius above .42) may run over the frame a little; the rest stays inside.
            low, high = (r, 1 - r) if r < 0.42 else (0.42, 0.58)
            x, y = rng.uniform(low, high), rng.uniform(low, high)
            for (px, py), pr in zip(spots, radii[:i], strict=True):
                gap = min(gap, math.hypot(x - px, y - py) / (r + pr))
            spots.append((x, y))
        if gap > best_gap:
            best, best_gap = spots, gap
        if gap >= 1.0:
            break
    angles = ((float(rng.normal(0, 0.12)), bool(rng.random() < 0.5)) for _ in radii)
    return [Place(*spot, r, *turn) for spot, r, turn in zip(best, radii, angles, strict=True)]


def compose(
    background: str, things: Sequence[tuple[str, str, str, int]] = (), *, seed: int = 0
) -> Scene:
    """A scene on a `background` with up to two of `(object, colour, texture, how_many)`.

    Raises:
        ValueError: a name that is not in this world, a count outside 1…7, or more than two kinds.
    """
    _check("background", background, tuple(BACKGROUNDS))
    if len(things) > 2:
        raise ValueError(f"a scene holds at most 2 kinds of things, got {len(things)}")
    for name, colour, texture, how_many in things:
        _check("object", name, OBJECTS)
        _check("texture", texture, TEXTURES)
        if (name, colour) == ("rainbow", ""):
            _check("texture of a many-coloured rainbow", texture, ("plain",))
        else:
            _check("colour", colour, COLOURS)
        if not 1 <= how_many <= MANY[-1]:
            raise ValueError(f"how_many is 1 to {MANY[-1]}, got {how_many} for {name!r}")
    rng = np.random.default_rng([1, seed])
    total = sum(thing[3] for thing in things)
    # From a wide view to a detail, log-uniform; many things must be smaller to fit.
    low, high = {1: (0.2, 0.56), 2: (0.18, 0.27), 3: (0.16, 0.22)}.get(total, (0.12, 0.16))
    scale = math.exp(rng.uniform(math.log(low), math.log(high))) if total else 0.0
    radii = [scale * rng.uniform(0.9, 1.1) for _ in range(total)]
    places = _place(rng, radii) if total else []
    free = iter(places)
    items = (Item(*thing[:3], tuple(islice(free, thing[3]))) for thing in things)
    return Scene(background, tuple(items), seed)


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene from anywhere in the world: 64 % one kind of thing, 30 % two kinds, 6 % none."""
    background = str(rng.choice(tuple(BACKGROUNDS)))
    kinds = rng.choice(3, p=(0.06, 0.64, 0.30))
    things = []
    for name in rng.choice(OBJECTS, size=kinds, replace=False):
        colour = str(rng.choice(COLOURS))
        if name == "rainbow" and rng.random() < 0.6:
            colour = ""
        texture = str(rng.choice(TEXTURES, p=(0.4, 0.2, 0.2, 0.2))) if colour else "plain"
        shares = (0.6, 0.16, 0.14, 0.1) if kinds == 1 else (0.86, 0.14, 0.0, 0.0)
        count = int(rng.choice(4, p=shares)) + 1
        things.append((str(name), colour, texture, count if count < 4 else int(rng.choice(MANY))))
    return compose(background, things, seed=int(rng.integers(2**31)))


def scene_number(seed: int, index: int) -> Scene:
    """Scene `index` of the endless series `seed`; different seeds share no generator."""
    return random_scene(np.random.default_rng([seed, index]))


def _noun(name: str, plural: bool) -> str:
    return PLURALS.get(name, name + "s") if plural else name


def _article(words: str) -> str:
    return "an" if words[0] in "aeiou" else "a"


def describe(name: str, *, colour: str = "", texture: str = "", count: str = "one") -> str:
    """The words for one kind of thing; a red star, twice, gives "two red stars"."""
    plural = count != "one"
    words = " ".join(word for word in (colour, texture, _noun(name, plural)) if word)
    return f"{count if plural else _article(words)} {words}"


def caption(scene: Scene) -> str:
    """All but plain textures: "two red striped hearts and a blue star in the sky"."""
    said = [
        describe(item.object, colour=item.colour, texture=texture, count=item.count)
        for item in scene.items
        for texture in ["" if item.texture == "plain" else item.texture]
    ]
    return f"{' and '.join(said) or 'nothing'} {BACKGROUNDS[scene.background]}"


# A background's words are read as a whole: "in the clouds" names a place, not a thing.
_FORMS = {form.lower(): name for name in OBJECTS for form in (name, _noun(name, plural=True))}
_WORDS = re.compile(
    rf"(?<![\w'-])(?:{'|'.join(map(re.escape, BACKGROUNDS.values()))}"
    rf"|(?:(?P<article>an?)(?P<gap>\s+))?(?P<noun>{'|'.join(sorted(_FORMS, key=len)[::-1])}))"
    r"(?![\w'-])",
    re.IGNORECASE,
)
_SEVERAL = re.compile(rf"\b(?:{'|'.join(COUNTS[1:])})(?:\s+\w+){{0,2}}\s+$", re.IGNORECASE)


def _naming(text: str) -> re.Match | None:
    """Where a sentence first names a thing of this world."""
    return next((found for found in _WORDS.finditer(text) if found["noun"]), None)


def thing_in(text: str) -> str | None:
    """The thing of this world that a sentence names first, one of `OBJECTS`; None for none."""
    found = _naming(text)
    return _FORMS[found["noun"].lower()] if found else None


def variants(text: str) -> dict[str, str]:
    """A text about each thing, {"apple": "a red apple …", …}; {} if it names none of this world."""
    found = _naming(text)
    if not found:
        return {}
    own, noun = thing_in(text), found["noun"].lower()
    several = bool(_SEVERAL.search(text[: found.start()]))
    plural = noun != own or (_noun(own, True) == own and several)

    def named(name: str) -> str:
        words = _noun(name, plural)
        if article := found["article"]:
            right = _article(words)
            words = (right.capitalize() if article[0].isupper() else right) + found["gap"] + words
        return text[: found.start()] + words + text[found.end() :]

    return {name: text if name == own else named(name) for name in OBJECTS}
