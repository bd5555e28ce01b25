"""The blind test: does somebody who never saw the captions see what is there?

    python -m dreamlab.measure.blind make outputs/blind            # a sheet, an answer sheet, a key
    python -m dreamlab.measure.blind score outputs/blind           # of the answers in answers.csv
    python -m dreamlab.measure.blind make outputs/drawn --drawings # … with drawings, to compare

`make` dreams one picture of each thing and puts them on a sheet with numbers and without words.
Viewers get that sheet and the answer sheet with the list of names, and nothing else. What they say
goes into `answers.csv`, a line for each viewer and number; a second guess is welcome. `score` says
how many each named, and how many one names by guessing.
"""

import argparse
import ast
import csv
import difflib
import io
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from tqdm import tqdm

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream
from dreamlab.measure.judge import Judge, mean, share
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    Scene,
    caption,
    compose,
    thing_in,
)
from dreamlab.recipe import Recipe
from dreamlab.support.console import print_plainly
from dreamlab.support.files import write_atomically

MOST = 50  # pictures that still fit on a page
GOAL = 0.6  # the share that viewers should name
KEY, ANSWERS = "key.csv", "answers.csv"
COLUMNS = ("viewer", "number", "answer", "second")

# --- the pictures ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A line of the key: what number `number` on the sheet shows.

    `judge` is what the judge says to "which thing is it?", given the rest of the caption.
    """

    number: int
    thing: str
    caption: str
    seed: int
    judge: str = ""


def choose(count: int = len(OBJECTS), seed: int = 0) -> list[Scene]:
    """Scenes of one thing each, in random order: every thing once before any comes again.

    Raises:
        ValueError: count is not 1 to 50.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"a sheet holds 1 to {MOST} pictures, got {count}")
    rng = np.random.default_rng([7, seed])

    def in_turn(values: Sequence[str]) -> list[str]:
        rounds = [rng.permutation(values) for _ in range(math.ceil(count / len(values)))]
        return [str(value) for value in np.concatenate(rounds)][:count]

    attributes = zip(in_turn(OBJECTS), in_turn(COLOURS), in_turn(tuple(BACKGROUNDS)), strict=True)
    return [
        compose(background, [(thing, colour, "plain", 1)], seed=int(rng.integers(2**31)))
        for thing, colour, background in attributes
    ]


def dream_all(
    clip: Clip,
    scenes: Sequence[Scene],
    recipe: Recipe | None = None,
    *,
    batch: int = len(OBJECTS),
    progress: bool = False,
) -> list[Image.Image]:
    """A dream of each scene's caption, with the scene's seed, `batch` of them in one run."""
    recipe = recipe or Recipe()
    images = []
    with tqdm(
        total=len(scenes) * recipe.steps, desc="dreaming", unit="step", disable=not progress
    ) as bar:
        for start in range(0, len(scenes), batch):
            part = scenes[start : start + batch]
            seeds = [scene.seed for scene in part]
            dream = Dream(clip, [caption(scene) for scene in part], seed=seeds, recipe=recipe)
            for _ in dream:
                bar.update(len(part))
            images += dream.images
    return images


def make_key(
    scenes: Sequence[Scene], images: Sequence[Image.Image], judge: Judge | None = None
) -> list[Picture]:
    """What each number shows, and what the judge sees there."""
    captions = [caption(scene) for scene in scenes]
    answers = judge.things(list(images), captions) if judge else [None] * len(scenes)
    return [
        Picture(number, scene.items[0].object, text, scene.seed, answer.said if answer else "")
        for number, (scene, text, answer) in enumerate(
            zip(scenes, captions, answers, strict=True), start=1
        )
    ]


# --- the pages ------------------------------------------------------------------------------------

A4 = (8.27, 11.69)  # inches


def picture_page(title: str, images: Sequence[Image.Image], labels: Sequence[str]) -> Figure:
    """All pictures on one page, a label below each."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=A4, layout="constrained")
    figure.suptitle(title, fontsize=13)
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if number < len(images):
            axes.imshow(images[number], interpolation="lanczos")
            size = 13 if len(labels[number]) < 4 else 6.5
            label = axes.text(
                0.5,
                -0.03,
                labels[number],
                size=size,
                ha="center",
                va="top",
                transform=axes.transAxes,
            )
            label.set_in_layout(False)  # long words must not make the pictures small
    return figure


def answer_page(count: int) -> Figure:
    """The list of names, and a line for each number."""
    figure = Figure(figsize=A4)
    figure.text(0.08, 0.95, "Which thing do you see?", fontsize=16)
    figure.text(0.62, 0.95, "Viewer: _____________________", fontsize=11)
    words = (
        "Each numbered picture shows one thing of this list. Write down which; guess if you must,\n"
        "leave it out if you see nothing. A second guess is welcome."
    )
    figure.text(0.08, 0.905, words, fontsize=10)
    for i, name in enumerate(sorted(OBJECTS)):
        column, row = divmod(i, 5)
        figure.text(0.1 + 0.17 * column, 0.87 - 0.02 * row, name, fontsize=11)
    halves = math.ceil(count / 2)
    for x in (0.08, 0.54):
        figure.text(x + 0.05, 0.745, "I see a …", fontsize=9, color="0.4")
        figure.text(x + 0.24, 0.745, "or else a …", fontsize=9, color="0.4")
    for i in range(count):
        column, row = divmod(i, halves)
        x, y = 0.08 + 0.46 * column, 0.715 - 0.66 * row / max(halves, 13)
        figure.text(x, y, f"{i + 1:>2}", fontsize=12)
        figure.text(x + 0.05, y, "__________________   ______________", fontsize=9, color="0.6")
    return figure


def save_page(page: Figure, stem: Path) -> None:
    """Write a page as PNG and as PDF."""
    png, pdf = stem.with_suffix(".png"), stem.with_suffix(".pdf")
    write_atomically(png, lambda file: page.savefig(file, format="png", dpi=150))
    undated = {"CreationDate": None}
    write_atomically(pdf, lambda file: page.savefig(file, format="pdf", metadata=undated))


def save(folder: Path, key: Sequence[Picture], images: Sequence[Image.Image], title: str) -> None:
    """Write sheet, answer sheet, key and an empty table of answers into a folder.

    Raises:
        FileExistsError: there is a key already, which viewers may be answering to.
    """
    check_folder(folder)
    numbers = [str(picture.number) for picture in key]
    save_page(picture_page(title, images, numbers), folder / "sheet")
    save_page(answer_page(len(key)), folder / "answer-sheet")
    words = [f"{p.number} · {p.thing}\n{textwrap.fill(p.caption, 26)}" for p in key]
    save_page(picture_page(f"{title} (key)", images, words), folder / "key")
    rows = [dict(zip(COLUMNS, ("viewer 1", p.number, "", ""), strict=True)) for p in key]
    write_atomically(folder / ANSWERS, _as_csv(COLUMNS, rows))
    # Last: the folder is complete when it has a key.
    write_atomically(folder / KEY, _as_csv(list(asdict(key[0])), map(asdict, key)))


def check_folder(folder: Path) -> None:
    """Raise if there is a key in it already."""
    if (folder / KEY).exists():
        raise FileExistsError(
            f"{folder} holds a blind test already: name another folder, or delete it"
        )


def _as_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# --- the answers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guess:
    """What a viewer said of a number: the name of a thing, or "" for nothing."""

    viewer: str
    number: int
    answer: str
    second: str = ""


def read_key(file: Path) -> list[Picture]:
    """The key that `save` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no key.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no {file}: give the folder that `make` wrote")
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
        key = [Picture(**row | {n: int(row[n]) for n in ("number", "seed")}) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is no key of a blind test: {error}") from error
    if [picture.number for picture in key] != list(range(1, len(key) + 1)) or not key:
        raise ValueError(f"{file} is no key of a blind test: its numbers are not 1, 2, 3, …")
    return key


def read_answers(file: Path, count: int) -> list[Guess]:
    """The answers in a CSV file with the columns viewer, number, answer and, if you like, second.

    Separated by commas, semicolons or tabs. A name may have an article or stand in the plural; an
    empty answer says that nothing was seen.

    Args:
        file: the table.
        count: how many pictures the sheet has; each viewer must have a line for every one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: says all that is wrong with the table, line by line.
    """
    if not file.is_file():
        raise FileNotFoundError(f"no {file}: a table with the columns {', '.join(COLUMNS)}")
    lines = file.read_text("utf-8-sig").splitlines()
    if not any(line.strip() for line in lines):
        raise ValueError(f"{file} is empty: it needs the columns {', '.join(COLUMNS)}")
    separator = max(",;\t", key=lines[0].count)
    table = csv.DictReader(lines, delimiter=separator)
    table.fieldnames = [name.strip().lower() for name in table.fieldnames or []]
    if missing := [name for name in COLUMNS[:3] if name not in table.fieldnames]:
        raise ValueError(
            f"{file} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its first "
            f"line is {lines[0]!r}, and should be {','.join(COLUMNS)!r}"
        )
    guesses: list[Guess] = []
    problems: list[str] = []
    for row in table:
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if not any(cells.values()):
            continue
        try:
            guesses.append(_guess(cells, count))
        except ValueError as error:
            problems.append(f"line {table.line_num}: {error}")
    problems += _incomplete(guesses, count) if not problems else []
    if problems:
        more = f"\n… and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise ValueError(f"{file}:\n" + "\n".join(problems[:12]) + more)
    if not any(guess.answer for guess in guesses):
        raise ValueError(f"{file} holds no answer: fill in the column answer")
    return guesses


def _guess(cells: dict[str, str], count: int) -> Guess:
    if not cells["viewer"]:
        raise ValueError("who? The viewer is missing")
    if not cells["number"].isdecimal() or not 1 <= int(cells["number"]) <= count:
        raise ValueError(f"number is one of 1 to {count}, got {cells['number']!r}")
    names = [_named(cells[column]) for column in ("answer", "second")]
    return Guess(cells["viewer"], int(cells["number"]), *names)


def _named(text: str) -> str:
    words = text.lower().split()
    if words and words[0] in ("a", "an", "the"):
        words = words[1:]
    if not words or not any(letter.isalpha() for letter in text):  # "?", "-"
        return ""
    name = thing_in(words[0]) if len(words) == 1 else None
    if name is None:
        near = difflib.get_close_matches(words[-1], OBJECTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(OBJECTS))}"
        raise ValueError(f"{text!r} is not in the list of things; {hint}")
    return name


def _incomplete(guesses: Sequence[Guess], count: int) -> list[str]:
    problems = []
    for viewer in dict.fromkeys(guess.viewer for guess in guesses):
        numbers = Counter(guess.number for guess in guesses if guess.viewer == viewer)
        if twice := [str(n) for n in sorted(numbers) if numbers[n] > 1]:
            problems.append(f"{viewer} answers twice to {', '.join(twice)}")
        if left := [str(n) for n in range(1, count + 1) if n not in numbers]:
            problems.append(
                f"{viewer} has no line for {', '.join(left)}: leave the answer empty where "
                "nothing was seen"
            )
    return problems


def by_guessing(hits: int, count: int, chance: float) -> float:
    """How likely so many hits or more are for somebody who only guesses."""
    ways = range(hits, count + 1)
    return sum(math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in ways)


def report(key: Sequence[Picture], guesses: Sequence[Guess]) -> str:
    """What the answers show, in Markdown: a line for each viewer, all together, what was mistaken.

    The interval of a viewer is Wilson's. That of all resamples the pictures: more viewers of one
    sheet are no more pictures.
    """
    thing = {picture.number: picture.thing for picture in key}
    hits: dict[int, list[bool]] = {number: [] for number in thing}
    for guess in guesses:
        hits[guess.number].append(guess.answer == thing[guess.number])
    shares = {number: sum(right) / len(right) for number, right in hits.items()}
    every = mean(shares.values())
    luck = len(key) / len(OBJECTS)
    seconds = any(guess.second for guess in guesses)

    text = _viewers(thing, guesses, f"{every:.0%}", seconds)
    text += ["", f"Who guesses names {luck:.2g} of {len(key)}"]
    text[-1] += f" (with second guesses {2 * luck:.2g})." if seconds else "."
    if all(picture.judge for picture in key):
        found = sum(picture.judge == picture.thing for picture in key)
        text.append(f"The judge, told all but the thing, names {found} of {len(key)}.")
    mark = "✓" if every.value >= GOAL else "✗"
    text.append(f"{mark} Viewers name {_percent(every.value)}, and should {_percent(GOAL)}.")

    best = sorted((n for n in shares if shares[n]), key=shares.__getitem__, reverse=True)
    wrong = Counter((thing[g.number], g.answer) for g in guesses if g.answer != thing[g.number])
    empty = sum(number for (_, said), number in wrong.items() if not said)
    taken = [f"{a} for {b} ({n} ×)" for (a, b), n in wrong.most_common() if b]
    text.append("")
    if best:
        text.append("Named: " + ", ".join(f"{thing[n]} {_percent(shares[n])}" for n in best) + ".")
    if taken:
        text.append("Taken: " + ", ".join(taken[:12]) + (", …" if taken[12:] else "."))
    if empty:
        text.append(f"Nothing seen: {empty} of {len(guesses)} times.")
    return "\n".join(text)


def _viewers(
    thing: dict[int, str], guesses: Sequence[Guess], every: str, seconds: bool
) -> list[str]:
    """The lines of the table: a viewer each, and all of them."""
    heads = ["viewer", "named", "share [95 %]", "chance of so many by guessing"]
    rows = [heads, ["---"] * len(heads)]
    names = list(dict.fromkeys(guess.viewer for guess in guesses))
    for viewer in names:
        own = [guess for guess in guesses if guess.viewer == viewer]
        right = [guess.answer == thing[guess.number] for guess in own]
        luck = by_guessing(sum(right), len(own), 1 / len(OBJECTS))
        rows.append([viewer, f"{sum(right)} of {len(own)}", f"{share(right):.0%}", f"{luck:.2g}"])
    rows.append([f"all {len(names)}", "", every, ""])
    if seconds:
        either = Counter(g.viewer for g in guesses if thing[g.number] in (g.answer, g.second))
        column = ["with second guesses", "---", *(str(either[name]) for name in names), ""]
        rows = [[*row, cell] for row, cell in zip(rows, column, strict=True)]
    return ["| " + " | ".join(row) + " |" for row in rows]


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


# --- the command line -----------------------------------------------------------------------------


def recipe_from(options: argparse.Namespace) -> Recipe:
    """The default recipe with the knobs that were given.

    Raises:
        ValueError, AttributeError: of `Recipe`; or a knob is not given as name=value.
    """
    recipe = Recipe(steps=options.steps, size=options.size)
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set takes knob=value, such as tv_weight=0.3, got {text!r}")
        with suppress(ValueError, SyntaxError):  # a word stays one
            value = ast.literal_eval(value)
        setattr(recipe, name.strip(), value)
    return recipe


def make(options: argparse.Namespace) -> None:
    """The command `make`."""
    check_folder(options.folder)
    recipe, scenes = recipe_from(options), choose(options.things, options.seed)
    if options.batch < 1:
        raise ValueError(f"--batch is a number of pictures, at least 1, got {options.batch}")
    judge = Judge(load_clip(options.judge, device=options.device)) if options.judge else None
    if options.drawings:
        images = [draw(scene, max(recipe.canvas)) for scene in scenes]
    else:
        clip = load_clip(options.clip, device=options.device)
        images = dream_all(clip, scenes, recipe, batch=options.batch, progress=True)
    key = make_key(scenes, images, judge)
    save(options.folder, key, images, f"Which thing is it?  (sheet {options.seed})")
    print(f"sheet, answer sheet and key of {len(key)} pictures in {options.folder}")


def score(options: argparse.Namespace) -> None:
    """The command `score`."""
    key = read_key(options.folder / KEY)
    guesses = read_answers(options.answers or options.folder / ANSWERS, len(key))
    print(report(key, guesses))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.measure.blind", description=__doc__.split("\n")[0]
    )
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make", help="dream, and make sheet, answer sheet and key")
    maker.set_defaults(act=make)
    maker.add_argument("folder", nargs="?", type=Path, default=Path("outputs/blind"))
    maker.add_argument("--things", type=int, default=len(OBJECTS), help="pictures (%(default)s)")
    maker.add_argument("--seed", type=int, default=0, help="chooses all (%(default)s)")
    maker.add_argument("--clip", default="picturebook", help="who dreams (%(default)s)")
    maker.add_argument(
        "--judge", default="picturebook-judge", help='asked as well, "" for none (%(default)s)'
    )
    maker.add_argument("--drawings", action="store_true", help="drawn scenes instead of dreams")
    maker.add_argument("--steps", type=int, default=Recipe().steps, help="(%(default)s)")
    maker.add_argument("--size", type=int, default=Recipe().size, help="(%(default)s)")
    maker.add_argument(
        "--set", nargs="+", default=[], metavar="KNOB=VALUE", help="further knobs of the recipe"
    )
    maker.add_argument("--device", help="cpu, cuda, mps …; the best there is unless given")
    maker.add_argument("--batch", type=int, default=len(OBJECTS), help="in a run (%(default)s)")
    scorer = commands.add_parser("score", help="say how many the viewers named")
    scorer.set_defaults(act=score)
    scorer.add_argument("folder", nargs="?", type=Path, default=Path("outputs/blind"))
    scorer.add_argument(
        "--answers", type=Path, help=f"a table; {ANSWERS} of the folder if not given"
    )
    print_plainly()
    options = parser.parse_args(arguments)
    try:
        options.act(options)
    except (OSError, ValueError, AttributeError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
