"""How well the embedded CLIPs know the picture-book world, and by what.

    python tools/picturebook/score.py          # both: tables, and what of it is good enough
    python tools/picturebook/score.py --write  # … put into README and the model card
    python tools/picturebook/score.py local-dir:build/new --as judge

Scenes come from series that no training draws.

*What they know.* Zero-shot: the picture must find the right one among the prompts of
`world.ATTRIBUTES`; a scene with two kinds of things has two right objects, so object, colour,
texture and count are asked only where one kind of thing stands. Retrieval: the picture must find
its own full caption among 1,000 (all of them different).

*By what they know it.* Which thing is it, among 25 captions that are equal in all else (`probe`)?
Asked of whole drawings, of the same in tiles, of drawings in other hands, and of the dreamer also
under an adversary, who changes the picture so that it looks like another thing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamlab.clip import Clip, load_clip
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.hands import BOOK, UNSEEN, Hand, random_hand
from dreamlab.picturebook.probe import TEST_SEED, WHOLE, as_floats, in_pieces, probe_scenes
from dreamlab.picturebook.world import (
    ATTRIBUTES,
    OBJECTS,
    Scene,
    caption,
    scene_number,
    thing_in,
    variants,
)
from dreamlab.support.console import exit_on_user_error, print_plainly
from dreamlab.support.readme import README, check_readme, put_into_readme
from train import MODELS, PLANS

RETRIEVAL = 1000
AT_ONCE = 100  # pictures encoded at a time
ATTACKED = 200  # pictures that the adversary changes
STEPS = 8  # of the adversary


def test_scenes(n: int = 2000) -> list[Scene]:
    """The first `n` scenes of the test series, each caption once."""
    seen: dict[str, Scene] = {}
    index = 0
    while len(seen) < n:
        scene = scene_number(TEST_SEED, index)
        seen.setdefault(caption(scene), scene)
        index += 1
    return list(seen.values())


# --- what they know -------------------------------------------------------------------------------


@torch.inference_mode()
def score(clip: Clip, scenes: list[Scene], pictures: Tensor) -> dict[str, float]:
    """Share of right answers, 0 to 1, by question.

    Args:
        clip: the model to ask.
        scenes: what the pictures show.
        pictures: (n, 3, h, w) in [0, 1].
    """
    image = _encode_images(clip, pictures)
    alone = [i for i, scene in enumerate(scenes) if len(scene.items) == 1]
    result = {}
    for kind, prompts in ATTRIBUTES.items():
        names = list(prompts)
        text = clip.encode_text(list(prompts.values()))
        best = (image @ text.T).argmax(-1).tolist()
        if kind == "background":
            right = [names[best[i]] == scene.background for i, scene in enumerate(scenes)]
        else:
            asked = [(i, getattr(scenes[i].items[0], kind)) for i in alone]
            right = [names[best[i]] == value for i, value in asked if value]
        result[kind] = float(np.mean(right))
    pool = slice(0, min(RETRIEVAL, len(scenes)))
    text = torch.cat([clip.encode_text([caption(scene)]) for scene in scenes[pool]])
    found = (image[pool] @ text.T).argmax(-1).cpu()
    result[f"R@1 among {len(text)}"] = float((found == torch.arange(len(text))).float().mean())
    return result


def _encode_images(clip: Clip, pictures: Tensor) -> Tensor:
    return torch.cat([clip.encode_image(part) for part in pictures.split(AT_ONCE)])


# --- by what they know it -------------------------------------------------------------------------

HANDS = "hands of the training"
KEPT = "hand kept from it"


@dataclass(frozen=True)
class Question:
    """Which thing is it? Asked of n scenes of one thing each.

    Attributes:
        own: (n, d), what a CLIP makes of the full captions, unit rows.
        variants: (n, 25, d), of the captions that differ from it in the thing alone.
        right: (n,), which of the 25 is right.
    """

    own: Tensor
    variants: Tensor
    right: Tensor

    @classmethod
    def put_to(cls, clip: Clip, scenes: Sequence[Scene]) -> Question:
        captions = [caption(scene) for scene in scenes]
        asked = [list(variants(words).values()) for words in captions]
        texts = list(dict.fromkeys(text for choices in asked for text in choices))
        row = dict(zip(texts, clip.encode_text(texts), strict=True))
        choices = torch.stack([torch.stack([row[text] for text in some]) for some in asked])
        right = torch.tensor([OBJECTS.index(thing_in(words)) for words in captions])
        right = right.to(choices.device)
        return cls(choices[torch.arange(len(right)), right], choices, right)


@torch.inference_mode()
def shape(clip: Clip, question: Question, pictures: dict[str, Tensor]) -> dict[str, float]:
    """How often the thing is found, and how like its caption a picture is, for some ways to draw.

    Args:
        clip: the model to ask.
        question: as put to this model.
        pictures: by name (n, 3, h, w) in [0, 1], several ways to show the n scenes.

    Returns:
        For each name the share found, and under "cosine, " + name the mean cosine.
    """
    result = {}
    for name, seen in pictures.items():
        image = _encode_images(clip, seen)
        found = (question.variants @ image[..., None])[..., 0].argmax(1) == question.right
        result[name] = float(found.float().mean())
        result[f"cosine, {name}"] = float((image * question.own).sum(1).mean())
    return result


def attacked(
    clip: Clip, pictures: Tensor, choices: Tensor, right: Tensor, epsilon: float, steps: int = STEPS
) -> Tensor:
    """Pictures changed so that another choice is preferred to the right one.

    Projected gradient descent (Madry et al. 2018) on the lead of the right choice over the best
    wrong one.

    Args:
        clip: whose gradient is followed.
        pictures: (n, 3, h, w) in [0, 1].
        choices: (n, k, d), unit rows.
        right: (n,), which choice is right.
        epsilon: longest change, as an L2 norm over all values of a picture.
        steps: how many gradients; each moves by 2.5 ε / steps.

    Returns:
        Pictures of the same shape in [0, 1].
    """
    own = F.one_hot(right, choices.shape[1]).bool()
    change = torch.zeros_like(pictures)
    for _ in range(steps):
        moved = (pictures + change).requires_grad_()
        cosines = (choices @ clip.encode_image(moved)[..., None])[..., 0]
        lead = cosines[own] - cosines.masked_fill(own, -2).amax(1)
        (gradient,) = torch.autograd.grad(lead.sum(), moved)
        push = F.normalize(gradient.flatten(1), dim=1).view_as(change)
        change = change - 2.5 * epsilon / steps * push
        length = change.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
        change = change * (epsilon / length).clamp(max=1)
        change = (pictures + change).clamp(0, 1) - pictures  # no longer than before
    return pictures + change


def withstood(clip: Clip, question: Question, pictures: Tensor, epsilon: float) -> dict[str, float]:
    """Share of things still found when an adversary aims at just that answer.

    Args:
        clip: the model to ask and to fool.
        question: as put to this model.
        pictures: (n, 3, h, w) in [0, 1].
        epsilon: how far the adversary may go, see `attacked`.

    Returns:
        "object": among the prompts of `world.ATTRIBUTES`; "among 25": all else equal.
    """
    short = clip.encode_text(list(ATTRIBUTES["object"].values()))
    result = {}
    for name, choices in (
        ("object", short.expand(len(pictures), -1, -1)),
        ("among 25", question.variants),
    ):
        hits = []
        for part in torch.arange(len(pictures)).split(AT_ONCE):
            seen, right = pictures[part].to(clip.device), question.right[part]
            fooled = attacked(clip, seen, choices[part], right, epsilon)
            with torch.no_grad():
                cosines = (choices[part] @ clip.encode_image(fooled)[..., None])[..., 0]
            hits.append(cosines.argmax(1) == right)
        result[name] = float(torch.cat(hits).float().mean())
    return result


# --- all of it ------------------------------------------------------------------------------------


def _drawn(job: tuple[Scene, Hand]) -> np.ndarray:
    return np.asarray(draw(job[0], 96, job[1]))


@dataclass(frozen=True)
class Pictures:
    """What models are scored on: scenes of all kinds, and probes of one thing in several ways."""

    scenes: list[Scene]
    drawings: Tensor
    probes: list[Scene]
    ways: dict[str, Tensor]

    @classmethod
    def drawn(cls, scenes: int, frames: int) -> Pictures:
        """So many scenes, and 25 probes in each of so many frames."""
        every, probes = test_scenes(scenes), probe_scenes(frames)
        rng = np.random.default_rng([TEST_SEED, 4])
        jobs = [(scene, BOOK) for scene in every + probes]
        jobs += [(scene, random_hand(rng)) for scene in probes]
        jobs += [(scene, UNSEEN) for scene in probes]
        with ProcessPoolExecutor() as pool:
            drawn = as_floats(np.stack(list(pool.map(_drawn, jobs, chunksize=50))))
        sizes = [len(every)] + [len(probes)] * 3
        drawings, book, random, unseen = drawn.split(sizes)
        return cls(every, drawings, probes, in_pieces(book) | {HANDS: random, KEPT: unseen})


def scores(
    clip: Clip, pictures: Pictures, *, epsilon: float | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """What this model knows, and by what: `score`'s and `shape`'s answers.

    With `epsilon` the second also has what it knows under an adversary (`withstood`).
    """
    question = Question.put_to(clip, pictures.probes)
    by_what = shape(clip, question, pictures.ways)
    if epsilon is not None:
        # Each 25 probes are all the things.
        probes = pictures.ways[WHOLE][:ATTACKED]
        stood = withstood(clip, question, probes, epsilon)
        by_what |= {f"{key}, attacked": share for key, share in stood.items()}
    return score(clip, pictures.scenes, pictures.drawings), by_what


def tables(results: dict[str, tuple[dict[str, float], dict[str, float]]], epsilon: float) -> str:
    """What `scores` gave for each model, as two Markdown tables."""
    known = {name: known for name, (known, _) in results.items()}
    columns = list(next(iter(known.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, result in known.items():
        lines.append(f"| {name} | " + " | ".join(f"{result[c]:.1%}" for c in columns) + " |")

    lines += ["", f"| which thing, of {len(OBJECTS)}? | " + " | ".join(results) + " |"]
    lines += ["|---" * (len(results) + 1) + "|"]
    by_what = [result for _, result in results.values()]
    ways = dict.fromkeys(way for result in by_what for way in result if ", " not in way)
    for way in ways:
        cells = [f"{result[way]:.1%} ({result[f'cosine, {way}']:.2f})" for result in by_what]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    for question in ("object", "among 25"):
        key = f"{question}, attacked"
        if any(key in result for result in by_what):
            cells = [f"{result[key]:.1%}" if key in result else "" for result in by_what]
            label = f"whole, {question}, under an adversary of length {epsilon:g}"
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


EIGHT = "8-px tiles"
BARS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "judge": (
        (WHOLE, "at least", 0.97),
        ("16-px tiles", "at most", 0.20),
        (EIGHT, "at most", 0.08),
        (KEPT, "at least", 0.80),
        ("colour", "at least", 0.981),
        ("texture", "at least", 0.854),
        ("count", "at least", 0.945),
        ("background", "at least", 1.0),
    ),
    "dreamer": (
        ("object", "at least", 0.85),
        ("colour", "at least", 0.95),
        ("object, attacked", "at least", 0.70),
    ),
}
"""Of the judge's answers on colour, texture, count and background: what the first judge gave, which
was trained without a thought of shape."""
RATIO = 1 / 3  # of the whole drawing's cosine that the judge may leave to 8-px tiles


def bars(role: str, known: dict[str, float], by_what: dict[str, float]) -> list[tuple[str, bool]]:
    """What a dreamer or a judge must reach: (a sentence, whether it does)."""
    result = known | by_what
    said = []
    for key, way, bar in BARS[role]:
        value = round(result[key], 3)  # as it is printed
        reached = value >= bar if way == "at least" else value <= bar
        label = f"which thing, {key}:" if f"cosine, {key}" in result else key
        said.append((f"{label} {result[key]:.1%} is {way} {100 * bar:.4g}%", reached))
    if role == "judge":
        ratio = result[f"cosine, {EIGHT}"] / result[f"cosine, {WHOLE}"]
        said.append((f"cosine of {EIGHT} is {ratio:.2f} of the whole's, below ⅓", ratio < RATIO))
    return said


# --- files ----------------------------------------------------------------------------------------

FILES = (README, MODELS / "README.md")
PART = "scores"


def check_files(files: Sequence[Path]) -> None:
    """Raise before minutes of scoring if there is nowhere to write to."""
    for file in files:
        check_readme(file, PART)


def write_files(text: str, files: Sequence[Path]) -> None:
    """Put the tables between the marks of README and of the model card."""
    check_files(files)
    for file in files:
        put_into_readme(file, PART, text)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python tools/picturebook/score.py",
        description="Score models on scenes that no training saw.",
    )
    parser.add_argument("names", nargs="*", default=list(PLANS), help="names for load_clip")
    parser.add_argument(
        "--as",
        dest="role",
        choices=list(BARS),
        help="what they must reach; judge for a name that ends in judge, else dreamer",
    )
    parser.add_argument("--scenes", type=int, default=2000, help="of all kinds (%(default)s)")
    parser.add_argument(
        "--frames",
        type=int,
        default=20,
        help="colours, textures, backgrounds in which each thing is shown alone (%(default)s)",
    )
    parser.add_argument(
        "--epsilon",
        type=float,
        default=PLANS["picturebook"].adversary or 1.0,
        help="length of the dreamer's adversary, L2 over values of 64 px (%(default)s)",
    )
    parser.add_argument("--device", help="cpu, cuda, mps …; the best there is unless given")
    parser.add_argument("--write", action="store_true", help="put the tables into README and card")
    print_plainly()
    options = parser.parse_args(arguments)
    if options.scenes < 2 or options.frames < 1:
        parser.error("--scenes is at least 2, --frames at least 1")
    if not 0 <= options.epsilon < 100:
        parser.error(f"--epsilon is a length, 0 or more, got {options.epsilon}")
    if options.write and options.names != list(PLANS):
        parser.error(f"--write is for both embedded models, {' and '.join(PLANS)}")
    with exit_on_user_error(parser):
        if options.write:
            check_files(FILES)
        # First, because it is quick and says at once if a model cannot be loaded.
        clips = {name: load_clip(name, device=options.device) for name in options.names}
        pictures = Pictures.drawn(options.scenes, options.frames)
        roles, results = {}, {}
        for name, clip in clips.items():
            roles[name] = options.role or ("judge" if name.endswith("judge") else "dreamer")
            epsilon = options.epsilon if roles[name] == "dreamer" else None
            results[name] = scores(clip, pictures, epsilon=epsilon)
        text = tables(results, options.epsilon)
        print(text)
        for name, result in results.items():
            print(f"\n{name}, as the {roles[name]}:")
            for sentence, reached in bars(roles[name], *result):
                print("✓" if reached else "✗", sentence)
        if options.write:
            write_files(text, FILES)
            print("\nwritten to " + " and ".join(map(str, FILES)))


if __name__ == "__main__":
    main()
