"""How well the embedded CLIPs know the picture-book world, and by what.

    python tools/picturebook/score.py          # both: tables, and which bars are reached
    python tools/picturebook/score.py --write  # … put into README and the model card
    python tools/picturebook/score.py local-dir:build/new --as judge

Scenes come from series that no training draws.

*What they know.* Zero-shot: the picture must find the right one among the prompts of
`captions.ATTRIBUTES`; a scene with two kinds of objects has two right answers, so object, colour,
texture and count are asked only where one kind stands. Retrieval: the picture must find its own
full caption among 1,000 (all of them different).

*By what they know it.* Which object is it, among 25 captions that are equal in all else (`probe`)?
Asked of whole drawings, of the same in tiles, of drawings in other styles, and of the dreamer also
under an adversary, who changes the picture so that it looks like another object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from captions import ATTRIBUTES
from dreamlab.clip import Clip, load_clip
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.probe import TEST_SEED, WHOLE, as_floats, in_pieces, probe_scenes
from dreamlab.picturebook.styles import BOOK, HELD_OUT, Style
from dreamlab.picturebook.world import (
    OBJECTS,
    Scene,
    caption,
    scene_number,
    thing_in,
    variants,
)
from dreamlab.support.console import print_plainly
from dreamlab.support.loading import EMBEDDED_FOLDER
from random_styles import random_style
from train import SHIPPED

sys.path.append(str(Path(__file__).parents[1]))
from course_files import README, check_block, exit_on_user_error, put_block, whole

RETRIEVAL = 1000
BATCH = 100  # pictures or captions encoded at a time
ATTACKED = 200  # pictures that the adversary changes
RANDOM_ROW, HELD_OUT_ROW = "styles of the training", "held-out style"
TILES_8 = "8-px tiles"
FILES = (README, EMBEDDED_FOLDER / "README.md")
PART = "scores"
Scores = dict[str, float]  # share of right answers, 0 to 1, by question


# --- what they are asked --------------------------------------------------------------------------


def test_scenes(n: int = 2000) -> list[Scene]:
    """The first `n` scenes of the test series, each caption once."""
    seen: dict[str, Scene] = {}
    index = 0
    while len(seen) < n:
        scene = scene_number(TEST_SEED, index)
        seen.setdefault(caption(scene), scene)
        index += 1
    return list(seen.values())


def _draw(job: tuple[Scene, Style]) -> np.ndarray:
    return np.asarray(draw(job[0], 96, job[1]))


@dataclass(frozen=True)
class Pictures:
    """What models are scored on: scenes of all kinds, and probes of one object in several ways."""

    scenes: list[Scene]
    drawings: Tensor  # (n, 3, 96, 96) in [0, 1]
    probes: list[Scene]
    ways: dict[str, Tensor]  # by name, pictures of the probes

    @classmethod
    def drawn(cls, scenes: int, frames: int) -> Pictures:
        """So many scenes, and 25 probes in each of so many frames."""
        every, probes = test_scenes(scenes), probe_scenes(frames)
        rng = np.random.default_rng([TEST_SEED, 4])
        jobs = [(scene, BOOK) for scene in every + probes]
        jobs += [(scene, random_style(rng)) for scene in probes]
        jobs += [(scene, HELD_OUT) for scene in probes]
        with ProcessPoolExecutor() as pool:
            drawn = as_floats(np.stack(list(pool.map(_draw, jobs, chunksize=50))))
        sizes = [len(every)] + [len(probes)] * 3
        drawings, book, random, held_out = drawn.split(sizes)
        ways = in_pieces(book) | {RANDOM_ROW: random, HELD_OUT_ROW: held_out}
        return cls(every, drawings, probes, ways)


def questions(clip: Clip, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    """Which object is it? Asked of n scenes of one object each.

    Returns:
        Features (n, 25, d) of the captions that differ in the object alone, unit rows, and which of
        the 25 is right, (n,).
    """
    captions = [caption(scene) for scene in scenes]
    asked = [list(variants(text).values()) for text in captions]
    texts = list(dict.fromkeys(text for choices in asked for text in choices))
    rows = dict(zip(texts, clip.encode_text(texts), strict=True))
    choices = torch.stack([torch.stack([rows[text] for text in some]) for some in asked])
    right = torch.tensor([OBJECTS.index(thing_in(text)) for text in captions])
    return choices, right.to(choices.device)


# --- what they answer -----------------------------------------------------------------------------


def _encode_images(clip: Clip, pictures: Tensor) -> Tensor:
    return torch.cat([clip.encode_image(part) for part in pictures.split(BATCH)])


@torch.inference_mode()
def knowledge(clip: Clip, scenes: list[Scene], pictures: Tensor) -> Scores:
    """What it knows of pictures (n, 3, h, w) in [0, 1] of these scenes."""
    image = _encode_images(clip, pictures)
    single = [i for i, scene in enumerate(scenes) if len(scene.items) == 1]
    result = {}
    for kind, prompts in ATTRIBUTES.items():
        names = list(prompts)
        best = (image @ clip.encode_text(list(prompts.values())).T).argmax(-1).tolist()
        if kind == "background":
            right = [names[best[i]] == scene.background for i, scene in enumerate(scenes)]
        else:
            asked = [(i, getattr(scenes[i].items[0], kind)) for i in single]
            right = [names[best[i]] == value for i, value in asked if value]
        result[kind] = float(np.mean(right))
    texts = [caption(scene) for scene in scenes[:RETRIEVAL]]
    parts = [texts[begin : begin + BATCH] for begin in range(0, len(texts), BATCH)]
    text = torch.cat([clip.encode_text(part) for part in parts])
    found = (image[: len(text)] @ text.T).argmax(-1).cpu()
    result[f"R@1 among {len(text)}"] = float((found == torch.arange(len(text))).float().mean())
    return result


@torch.inference_mode()
def recognition(clip: Clip, choices: Tensor, right: Tensor, ways: dict[str, Tensor]) -> Scores:
    """How often it finds the object in each way to show the n probes, see `questions`.

    Under "cosine, " + way stands the mean cosine with the right caption.
    """
    result = {}
    for way, pictures in ways.items():
        cosines = (choices @ _encode_images(clip, pictures)[..., None])[..., 0]
        result[way] = float((cosines.argmax(1) == right).float().mean())
        result[f"cosine, {way}"] = float(cosines.gather(1, right[:, None]).mean())
    return result


def attacked(
    clip: Clip, pictures: Tensor, choices: Tensor, right: Tensor, epsilon: float, steps: int = 8
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


def robustness(
    clip: Clip, choices: Tensor, right: Tensor, pictures: Tensor, epsilon: float
) -> Scores:
    """How often it finds the object when an adversary aims at just that answer (`attacked`).

    "object, attacked": among the prompts of `captions.ATTRIBUTES`; "among 25, attacked": `choices`.
    """
    short = clip.encode_text(list(ATTRIBUTES["object"].values())).expand(len(pictures), -1, -1)
    result = {}
    for name, answers in (("object", short), ("among 25", choices)):
        hits = []
        for part in torch.arange(len(pictures)).split(BATCH):
            seen = pictures[part].to(clip.device)
            changed = attacked(clip, seen, answers[part], right[part], epsilon)
            with torch.no_grad():
                cosines = (answers[part] @ clip.encode_image(changed)[..., None])[..., 0]
            hits.append(cosines.argmax(1) == right[part])
        result[f"{name}, attacked"] = float(torch.cat(hits).float().mean())
    return result


def scores(clip: Clip, pictures: Pictures, epsilon: float | None = None) -> tuple[Scores, Scores]:
    """What this model knows, and by what; with `epsilon` also under an adversary."""
    choices, right = questions(clip, pictures.probes)
    by_what = recognition(clip, choices, right, pictures.ways)
    if epsilon is not None:
        some = pictures.ways[WHOLE][:ATTACKED]  # each 25 probes are all the objects
        by_what |= robustness(clip, choices[: len(some)], right[: len(some)], some, epsilon)
    return knowledge(clip, pictures.scenes, pictures.drawings), by_what


# --- tables and bars ------------------------------------------------------------------------------


def tables(results: dict[str, tuple[Scores, Scores]], epsilon: float) -> str:
    """What `scores` gave for each model, as two Markdown tables."""

    def row(*cells: str) -> str:
        return f"| {' | '.join(cells)} |"

    columns = list(next(iter(results.values()))[0])
    lines = [row("model", *columns), "|---" * (len(columns) + 1) + "|"]
    for name, (known, _) in results.items():
        lines.append(row(name, *(f"{known[column]:.1%}" for column in columns)))

    lines += ["", row(f"which thing, of {len(OBJECTS)}?", *results)]
    lines += ["|---" * (len(results) + 1) + "|"]
    by_what = [result for _, result in results.values()]
    for way in (key.removeprefix("cosine, ") for key in by_what[0] if key.startswith("cosine")):
        cells = [f"{each[way]:.1%} ({each[f'cosine, {way}']:.2f})" for each in by_what]
        lines.append(row(way, *cells))
    for question in ("object", "among 25"):
        key = f"{question}, attacked"
        if any(key in each for each in by_what):
            label = f"whole, {question}, under an adversary of length {epsilon:g}"
            cells = [f"{each[key]:.1%}" if key in each else "" for each in by_what]
            lines.append(row(label, *cells))
    return "\n".join(lines)


BARS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "judge": (
        (WHOLE, "at least", 0.97),
        ("16-px tiles", "at most", 0.20),
        (TILES_8, "at most", 0.08),
        (HELD_OUT_ROW, "at least", 0.80),
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
"""What a model is made to reach. Of the judge's colour, texture, count and background: what the
first judge gave, which was trained without a thought of shape."""
RATIO = 1 / 3  # of the whole drawing's cosine that the judge may leave to 8-px tiles


def bars(role: str, result: Scores) -> list[tuple[str, bool]]:
    """What a dreamer or a judge must reach: (a sentence, whether it does)."""
    said = []
    for key, way, bar in BARS[role]:
        value = round(result[key], 3)  # as it is printed
        reached = value >= bar if way == "at least" else value <= bar
        label = f"which thing, {key}:" if f"cosine, {key}" in result else key
        said.append((f"{label} {result[key]:.1%} is {way} {100 * bar:.4g}%", reached))
    if role == "judge":
        ratio = result[f"cosine, {TILES_8}"] / result[f"cosine, {WHOLE}"]
        said.append((f"cosine of {TILES_8} is {ratio:.2f} of the whole's, below ⅓", ratio < RATIO))
    return said


# --- the command line -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the models, print tables and bars, write the tables if asked to."""
    parser = argparse.ArgumentParser(description="Score models on scenes that no training saw.")
    add = parser.add_argument
    add("names", nargs="*", default=list(SHIPPED), help="names for load_clip")
    words = "which bars; judge for a name that ends in judge, else dreamer"
    add("--as", dest="role", choices=list(BARS), help=words)
    add("--scenes", type=whole(2), default=2000, help="of all kinds (%(default)s)")
    words = "colours, textures, backgrounds in which each object is shown alone (%(default)s)"
    add("--frames", type=whole(1), default=20, help=words)
    words = "length of the dreamer's adversary, L2 over values of 64 px (%(default)s)"
    add("--epsilon", type=float, default=1.0, help=words)
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    add("--write", action="store_true", help="put the tables into README and model card")
    print_plainly()
    options = parser.parse_args(arguments)
    if not 0 <= options.epsilon < 100:
        parser.error(f"--epsilon is a length, 0 or more, got {options.epsilon}")
    if options.write and options.names != list(SHIPPED):
        parser.error(f"--write is for both embedded models, {' and '.join(SHIPPED)}")
    with exit_on_user_error(parser):
        for file in FILES if options.write else ():
            check_block(file, PART)
        # First, because it is quick and says at once if a model cannot be loaded.
        clips = {name: load_clip(name, device=options.device) for name in options.names}
        pictures = Pictures.drawn(options.scenes, options.frames)
        roles, results = {}, {}
        for name, clip in clips.items():
            roles[name] = options.role or ("judge" if name.endswith("judge") else "dreamer")
            epsilon = options.epsilon if roles[name] == "dreamer" else None
            results[name] = scores(clip, pictures, epsilon)
        text = tables(results, options.epsilon)
        print(text)
        for name, (known, by_what) in results.items():
            print(f"\n{name}, as the {roles[name]}:")
            for sentence, reached in bars(roles[name], known | by_what):
                print("✓" if reached else "✗", sentence)
        for file in FILES if options.write else ():
            put_block(file, PART, text)
            print(f"written to {file}")


if __name__ == "__main__":
    main()
