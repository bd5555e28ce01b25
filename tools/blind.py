"""The blind test: does somebody who never saw the captions see what is there?

    python tools/blind.py make outputs/blind            # a sheet, an answer sheet, a key
    python tools/blind.py score outputs/blind           # of the answers in answers.csv
    python tools/blind.py make outputs/drawn --drawings # … with drawings, to compare

`make` dreams one picture of each thing and puts them on a sheet with numbers and without words.
Viewers get that sheet and the answer sheet with the list of names, and nothing else. What they say
goes into `answers.csv`, a line for each viewer and number; a second guess is welcome. `score` says
how many each named, and how many one names by guessing.
"""

import argparse
import csv
import difflib
import io
import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from course_files import exit_on_user_error, write_atomically
from matplotlib.figure import Figure
from PIL import Image

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream
from dreamlab.judge import Judge, mean, share
from dreamlab.measure.blind import choose
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import OBJECTS, Scene, caption, thing_in
from dreamlab.recipe import Recipe
from dreamlab.support.console import print_plainly

A4 = (8.27, 11.69)  # inches
GOAL = 0.6  # the share that viewers should name
KEY, ANSWERS = "key.csv", "answers.csv"


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


@dataclass(frozen=True)
class Guess:
    """What a viewer said of a number: the name of a thing, or "" for nothing."""

    viewer: str
    number: int
    answer: str
    second: str = ""


COLUMNS = [field.name for field in fields(Guess)]


def dream_all(clip: Clip, scenes: Sequence[Scene], recipe: Recipe) -> list[Image.Image]:
    """A dream of each scene's caption, with the scene's seed, all in one run."""
    dream = Dream(clip, list(map(caption, scenes)), seed=[s.seed for s in scenes], recipe=recipe)
    dream.run(progress=True)
    return dream.images


# --- the sheets -----------------------------------------------------------------------------------


def picture_page(title: str, images: Sequence[Image.Image], labels: Sequence[str]) -> Figure:
    """All pictures on one page, a label below each."""
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=A4, layout="constrained")
    figure.suptitle(title, fontsize=13)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in grid:
        axes.axis("off")
    for axes, image, words in zip(grid, images, labels, strict=False):
        axes.imshow(image, interpolation="lanczos")
        size = 13 if len(words) < 4 else 6.5
        place = {"ha": "center", "va": "top", "transform": axes.transAxes}
        label = axes.text(0.5, -0.03, words, size=size, **place)
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
    for suffix, options in ((".png", {"dpi": 150}), (".pdf", {"metadata": {"CreationDate": None}})):
        buffer = io.BytesIO()
        page.savefig(buffer, format=suffix[1:], **options)
        write_atomically(stem.with_suffix(suffix), buffer.getvalue())


def save(folder: Path, key: Sequence[Picture], images: Sequence[Image.Image], title: str) -> None:
    """Write sheet, answer sheet, key and an empty table of answers into a folder."""
    save_page(picture_page(title, images, [str(p.number) for p in key]), folder / "sheet")
    save_page(answer_page(len(key)), folder / "answer-sheet")
    words = [f"{p.number} · {p.thing}\n{textwrap.fill(p.caption, 26)}" for p in key]
    save_page(picture_page(f"{title} (key)", images, words), folder / "key")
    save_csv(folder / ANSWERS, [asdict(Guess("viewer 1", p.number, "")) for p in key])
    save_csv(folder / KEY, map(asdict, key))  # last: the folder is complete when it has a key


def save_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows, text = list(rows), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


# --- the answers ----------------------------------------------------------------------------------


def read_key(path: Path) -> list[Picture]:
    """The key that `save` wrote.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no key.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {path}: give the folder that `make` wrote")
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        key = [Picture(**row | {n: int(row[n]) for n in ("number", "seed")}) for row in rows]
        numbers = [picture.number for picture in key]
        if not key or numbers != list(range(1, len(key) + 1)):
            raise ValueError("its numbers are not 1, 2, 3, …")
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is no key of a blind test: {error}") from error
    return key


def read_answers(path: Path, count: int) -> list[Guess]:
    """The answers in a CSV file with the columns viewer, number, answer and, if you like, second.

    Separated by commas, semicolons or tabs. A name may have an article or stand in the plural; an
    empty answer says that nothing was seen.

    Args:
        path: of the table.
        count: how many pictures the sheet has; each viewer must have a line for every one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: says all that is wrong with the table, line by line.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no {path}: a table with the columns {', '.join(COLUMNS)}")
    lines = read_text(path).splitlines() or [""]
    csv.field_size_limit(max(131_072, *map(len, lines)))  # what lies in the file may be read
    table = csv.DictReader(lines, delimiter=max(",;\t", key=lines[0].count))
    table.fieldnames = [name.strip().lower() for name in table.fieldnames or []]
    if missing := [name for name in COLUMNS[:3] if name not in table.fieldnames]:
        raise ValueError(
            f"{path} lacks the columns {', '.join(missing)}: its first line is "
            f"{lines[0][:200]!r}, and should be {','.join(COLUMNS)!r}"
        )
    guesses: list[Guess] = []
    problems: list[str] = []
    for row in table:
        cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
        if not any(cells.values()):
            continue
        try:
            guesses.append(read_guess(cells, count))
        except ValueError as error:
            problems.append(f"line {table.line_num}: {error}")
    for viewer in {} if problems else dict.fromkeys(guess.viewer for guess in guesses):
        numbers = Counter(guess.number for guess in guesses if guess.viewer == viewer)
        problems += [f"{viewer} answers twice to {n}" for n in sorted(numbers) if numbers[n] > 1]
        if left := [str(n) for n in range(1, count + 1) if n not in numbers]:
            problems.append(
                f"{viewer} has no line for {', '.join(left)}: leave the answer empty where nothing "
                "was seen"
            )
    if problems:
        more = f"\n… and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise ValueError(f"{path}:\n" + "\n".join(problems[:12]) + more)
    if not any(guess.answer for guess in guesses):
        raise ValueError(f"{path} holds no answer: fill in the column answer")
    return guesses


def read_text(path: Path) -> str:
    """A table's text: UTF-8, or what Excel writes as "CSV" (cp1252) or "Unicode text" (UTF-16)."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def read_guess(cells: dict[str, str], count: int) -> Guess:
    """A line of the table. Raises ValueError: no viewer, no such number, no such thing."""
    if not cells["viewer"]:
        raise ValueError("the viewer is missing")
    if not cells["number"].isdecimal() or not 1 <= int(cells["number"]) <= count:
        raise ValueError(f"number is one of 1 to {count}, got {cells['number']!r}")
    names = [read_thing(cells[column]) for column in ("answer", "second")]
    return Guess(cells["viewer"], int(cells["number"]), *names)


def read_thing(text: str) -> str:
    """The name of a thing, of "a heart" or "Hearts"; "" for "", "?" or "-"."""
    words = text.lower().split()
    if words and words[0] in ("a", "an", "the"):
        words = words[1:]
    if not words or not any(letter.isalpha() for letter in text):
        return ""
    name = thing_in(words[0]) if len(words) == 1 else None
    if name is None:
        near = difflib.get_close_matches(words[-1][:40], OBJECTS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(OBJECTS))}"
        raise ValueError(f"{text[:40]!r} is not in the list of things; {hint}")
    return name


def binomial_tail(hits: int, count: int, chance: float) -> float:
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
    chance = len(key) / len(OBJECTS)

    lines = [
        "| viewer | named | share [95 %] | with second guesses | chance of so many by guessing |",
        "|---|---|---|---|---|",
    ]
    viewers = list(dict.fromkeys(guess.viewer for guess in guesses))
    for viewer in viewers:
        own = [guess for guess in guesses if guess.viewer == viewer]
        right = [guess.answer == thing[guess.number] for guess in own]
        either = sum(thing[guess.number] in (guess.answer, guess.second) for guess in own)
        luck = binomial_tail(sum(right), len(own), 1 / len(OBJECTS))
        named = f"{sum(right)} of {len(own)}"
        lines.append(f"| {viewer} | {named} | {share(right):.0%} | {either} | {luck:.2g} |")
    lines.append(f"| all {len(viewers)} |  | {every:.0%} |  |  |")
    lines.append(
        f"\nWho guesses names {chance:.2g} of {len(key)} (with second guesses {2 * chance:.2g})."
    )
    if all(picture.judge for picture in key):
        found = sum(picture.judge == picture.thing for picture in key)
        lines.append(f"The judge, told all but the thing, names {found} of {len(key)}.")
    mark = "✓" if every.value >= GOAL else "✗"
    lines.append(f"{mark} Viewers name {percent(every.value)}, and should {percent(GOAL)}.\n")

    best = sorted((n for n in shares if shares[n]), key=shares.__getitem__, reverse=True)
    wrong = Counter((thing[g.number], g.answer) for g in guesses if g.answer != thing[g.number])
    taken = [f"{a} for {b} ({n} ×)" for (a, b), n in wrong.most_common() if b]
    if best:
        lines.append("Named: " + ", ".join(f"{thing[n]} {percent(shares[n])}" for n in best) + ".")
    if taken:
        lines.append("Taken: " + ", ".join(taken[:12]) + (", …" if taken[12:] else "."))
    if empty := sum(not guess.answer for guess in guesses):
        lines.append(f"Nothing seen: {empty} of {len(guesses)} times.")
    return "\n".join(lines)


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


# --- the command line -----------------------------------------------------------------------------


def make(options: argparse.Namespace) -> None:
    """The command `make`."""
    if (options.folder / KEY).exists():  # viewers may be answering to it
        raise FileExistsError(
            f"{options.folder} holds a blind test already: name another folder, or delete it"
        )
    scenes = choose(options.things, options.seed)
    given = {"steps": options.steps, "size": options.size}
    given = {name: value for name, value in given.items() if value is not None}
    size = max(Recipe(**given).canvas)  # what is out of range is known before a model is loaded
    options.folder.mkdir(parents=True, exist_ok=True)  # and what cannot be written
    captions = [caption(scene) for scene in scenes]
    judge = Judge(load_clip(options.judge, device=options.device)) if options.judge else None
    if options.drawings:
        images = [draw(scene, size) for scene in scenes]
    else:
        clip = load_clip(options.clip, device=options.device)
        images = dream_all(clip, scenes, Recipe.suited_to(clip, **given))
    answers = judge.things(images, captions) if judge else [None] * len(scenes)
    key = [
        Picture(number, scene.items[0].object, text, scene.seed, answer.said if answer else "")
        for number, (scene, text, answer) in enumerate(
            zip(scenes, captions, answers, strict=True), start=1
        )
    ]
    save(options.folder, key, images, f"Which thing is it?  (sheet {options.seed})")
    print(f"sheet, answer sheet and key of {len(key)} pictures in {options.folder}")


def score(options: argparse.Namespace) -> None:
    """The command `score`."""
    key = read_key(options.folder / KEY)
    print(report(key, read_answers(options.answers or options.folder / ANSWERS, len(key))))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make", help="dream, and make sheet, answer sheet and key")
    scorer = commands.add_parser("score", help="say how many the viewers named")
    for command, act in ((maker, make), (scorer, score)):
        command.set_defaults(act=act)
        command.add_argument("folder", nargs="?", type=Path, default=Path("outputs/blind"))
    add = maker.add_argument
    add("--things", type=int, default=len(OBJECTS), help="pictures (%(default)s)")
    add("--seed", type=int, default=0, help="chooses all (%(default)s)")
    add("--clip", default="picturebook", help="who dreams (%(default)s)")
    add("--judge", default="picturebook-judge", help='asked as well, "" for none (%(default)s)')
    add("--drawings", action="store_true", help="drawn scenes instead of dreams")
    add("--steps", type=int, help="as the recipe unless given")
    add("--size", type=int, help="of the canvas, likewise")
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    words = f"a table; {ANSWERS} of the folder if not given"
    scorer.add_argument("--answers", type=Path, help=words)
    print_plainly()
    options = parser.parse_args(arguments)
    with exit_on_user_error(parser):
        options.act(options)


if __name__ == "__main__":
    main()
