"""Checks of chapter 0: a sentence that can be read, how pictures differ, a scene composed."""

import warnings
from collections.abc import Callable

import torch

from dreamlab.clip import Clip
from dreamlab.course.check.verdict import (
    NotYet,
    ask,
    ask_number,
    near,
    said,
    same,
    shown,
    verdict,
    what,
)
from dreamlab.measure.sweep import cached_clip
from dreamlab.picturebook import world
from dreamlab.picturebook.draw import draw

THINGS = ("castle", "fish", "umbrella")
WORDS = 4
PAGE = world.compose(
    "night", [("star", "yellow", "plain", 3), ("moon", "white", "plain", 1)], seed=0
)


@verdict
def readable(answer: Callable) -> str:
    """Check `answer(thing)`: a sentence of at least four words about a thing of the picture book,
    a word such as "castle", that holds the thing and no word that the embedded CLIP does not know.
    """
    clip = cached_clip("picturebook")
    for thing in THINGS:
        sentence = ask(answer, thing)
        if not isinstance(sentence, str):
            raise NotYet(f"a sentence is a text in quotes, and this is {what(sentence)}")
        words = _words(sentence)
        if not words:
            raise NotYet(f"about {thing!r} it says nothing; an empty text cannot be dreamt")
        if unknown := clip.unknown_words(sentence):
            raise NotYet(
                f"in {shown(sentence)} it does not know {', '.join(map(shown, unknown[:5]))}; use "
                "words of the captions above"
            )
        if not {thing, world.PLURALS.get(thing, f"{thing}s")} & set(words):
            other = [name for name in THINGS if name in words]
            hint = ", whatever thing it is given" if other else ""
            raise NotYet(
                f"asked about {thing!r}, it says {shown(sentence)}{hint}; the thing is missing"
            )
        if len(words) < WORDS:
            raise NotYet(
                f"{sentence!r} has {len(words)} words; give it a colour, a number or a place, so "
                f"that there are {WORDS}"
            )
        _hear(clip, sentence)
    return f"the CLIP knows every word of {sentence!r}; in the panel you can dream it."


def _hear(clip: Clip, sentence: str) -> None:
    """Say what the CLIP says of a sentence that it cannot read to its end."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        clip.encode_text(sentence)
    if heard:
        raise NotYet(shown(heard[0].message).removeprefix("UserWarning"))


def _words(sentence: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in sentence.lower()).split()


@verdict
def difference(answer: Callable) -> str:
    """Check `answer(a, b)`: the mean absolute difference of two pictures (3, h, w) in [0, 1]."""
    a, b = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    black, white = torch.zeros(3, 4, 4), torch.ones(3, 4, 4)
    for one, two in ((a, b), (b, a), (black, white), (white, black), (a, a)):
        value = ask_number(answer, one, two)
        apart = one - two
        wanted = float(apart.abs().mean())
        if near(value, wanted):
            continue
        if near(value, -wanted):
            raise NotYet("the size is right, but a difference is never negative here")
        if near(value, float(apart.mean())) or near(value, abs(float(apart.mean()))):
            raise NotYet(
                "positive and negative differences cancel in that mean; take .abs() before it"
            )
        if near(value, float(apart.abs().sum())):
            raise NotYet(
                "that is the sum, which grows with the size of the pictures; take the mean"
            )
        if near(value, float(apart.abs().amax())):
            raise NotYet("that is the largest difference; the mean of all of them is asked for")
        if near(value, float(apart.square().mean())):
            raise NotYet("that is the mean of the squares, in which small differences hardly count")
        if near(value, float(apart.square().mean().sqrt())):
            raise NotYet("that is the root of the mean square; here every difference counts once")
        if near(value, float((one != two).float().mean())):
            raise NotYet("that is the share of values that differ; ask how far they are apart")
        if near(value, 255 * wanted):
            raise NotYet("that is in steps of a screen, 0 to 255; the pictures are in [0, 1]")
        raise NotYet(f"for values that are {wanted:.3f} apart on average it returns {value:.3f}")
    return "the same picture has difference 0, black and white have 1."


@verdict
def scene(answer: Callable) -> str:
    """Check `answer(seed)`: a `Scene` with the caption "three yellow stars and a white moon at
    night", placed by a whole number.
    """
    wanted = world.caption(PAGE)
    seen = []
    for seed in (1, 2):
        page = ask(answer, seed)
        if not isinstance(page, world.Scene):
            raise NotYet(f"a scene comes from compose(…), and this is {what(page)}")
        try:
            found = world.caption(page)
            draw(page, size=16)
        except Exception as error:
            raise NotYet(
                f"a scene that cannot be drawn ({said(error)}); let compose(…) make it"
            ) from error
        if found != wanted:
            raise NotYet(f"its caption reads {found!r}: {_wrong(page)}")
        seen.append(page)
    if same(*seen):
        raise NotYet("every seed gives the same page; hand it on, compose(…, seed=seed)")
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
