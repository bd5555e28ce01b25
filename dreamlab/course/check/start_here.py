"""Checks of chapter 0: a sentence that can be read, how pictures differ, a scene composed."""

import warnings
from collections.abc import Callable
from functools import lru_cache

import torch

from dreamlab.clip import Clip, load_clip
from dreamlab.picturebook import world
from dreamlab.picturebook.draw import draw

from .verdict import NotYet, Table, ask, ask_number, brief, raise_first, said, same, table, what

THINGS = ("castle", "fish", "umbrella")
WORDS = 4
PAGE = world.compose("night", [("star", "yellow", "plain", 3), ("moon", "white", "plain", 1)])


@lru_cache(maxsize=1)
def embedded_clip() -> Clip:
    """The embedded CLIP, loaded once."""
    return load_clip("picturebook")


@table([(thing,) for thing in THINGS])
def readable(answer: Callable, thing: str) -> Table:
    """Check `answer(thing)`: at least four words about a thing that the embedded CLIP knows."""
    clip, sentence = embedded_clip(), ask(answer, thing)
    if not isinstance(sentence, str):
        raise NotYet(f"a sentence is a text in quotes, and this is {what(sentence)}")
    words = set("".join(c if c.isalpha() else " " for c in sentence.lower()).split())
    unknown = ", ".join(map(brief, clip.unknown_words(sentence)[:5]))
    hint = ", whatever thing it is given" if words & set(THINGS) else ""
    missing = not words & {thing, world.PLURALS.get(thing, f"{thing}s")}
    text, count = brief(sentence), len(sentence.split())
    problems = {
        f"about {thing!r} it says nothing; an empty text cannot be dreamt": not words,
        f"in {text} it does not know {unknown}; use words of the captions above": bool(unknown),
        f"asked about {thing!r}, it says {text}{hint}; the thing is missing": missing,
        f"{text} has {count} words of {WORDS}; add a colour, a number, a place": count < WORDS,
    }
    raise_first(problems)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        clip.encode_text(sentence)
    if heard:  # the CLIP does not read it to its end
        raise NotYet(brief(heard[0].message).removeprefix("UserWarning"))
    praise = f"the CLIP knows every word of {sentence!r}; in the panel you can dream it."
    return sentence, {praise: True}


@table([("a", "b"), ("b", "a"), ("black", "white"), ("white", "black"), ("a", "a")])
def difference(answer: Callable, one: str, two: str) -> Table:
    """Check `answer(a, b)`: the mean absolute difference of two pictures (3, h, w) in [0, 1]."""
    a, b = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    pictures = {"a": a, "b": b, "black": torch.zeros(3, 4, 4), "white": torch.ones(3, 4, 4)}
    one, two = pictures[one], pictures[two]
    apart = one - two
    size, squares, mean = apart.abs(), apart.square().mean(), apart.mean()
    value, share = ask_number(answer, one, two), (one != two).float().mean()
    wanted = float(size.mean())
    return value, {
        "the same picture has difference 0, black and white have 1.": wanted,
        "the size is right, but a difference is never negative here": -wanted,
        "positive and negative differences cancel; take .abs() before the mean": [mean, -mean],
        "that is the sum, which grows with the size of the pictures; take the mean": size.sum(),
        "that is the largest difference; the mean of all of them is asked for": size.max(),
        "that is the mean of the squares, in which small differences hardly count": squares,
        "that is the root of the mean square; here every difference counts once": squares**0.5,
        "that is the share of values that differ; ask how far they are apart": share,
        "that is in steps of a screen, 0 to 255; the pictures are in [0, 1]": 255 * wanted,
        f"for values that are {wanted:.3f} apart on average it returns {value:.3f}": True,
    }


@table()
def scene(answer: Callable) -> Table:
    """Check `answer(seed)`: a `Scene` of three yellow stars and a white moon at night."""
    wanted, seen = world.caption(PAGE), []
    for seed in (1, 2):
        page = ask(answer, seed)
        if not isinstance(page, world.Scene):
            raise NotYet(f"a scene comes from compose(…), and this is {what(page)}")
        try:
            found = world.caption(page)
            draw(page, size=16)
        except Exception as error:
            words = f"a scene that cannot be drawn ({said(error)}); let compose(…) make it"
            raise NotYet(words) from error
        if found != wanted:
            raise NotYet(f"its caption reads {found!r}: {_wrong(page)}")
        seen.append(page)
    raise_first({"every seed gives the same page; hand it on, compose(…, seed=seed)": same(*seen)})
    return f"{wanted}, in another place for every seed."


def _wrong(page: world.Scene) -> str:
    """The first thing that is wrong with a scene, in words."""
    if page.background != PAGE.background:
        return f"the background should be {PAGE.background!r}"
    wanted = {item.object: item for item in PAGE.items}
    for item in page.items:
        if item.object not in wanted:
            return f"nobody asked for a {item.object}"
        for name in ("colour", "texture", "count"):
            have, want = getattr(item, name), getattr(wanted[item.object], name)
            if have != want:
                return f"{name} of {item.object!r}: {have!r}, and {want!r} is asked for"
    if missing := wanted.keys() - {item.object for item in page.items}:
        return f"there is no {' and no '.join(sorted(missing))} in it"
    return "the things are in another order"
