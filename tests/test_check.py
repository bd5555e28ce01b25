"""What all checks have in common: they answer in a sentence, never raise, never praise by mistake.

Each check is given whatever somebody's first try may return, at random and by a table, and its own
right solution with one thing spoilt, or in an unusual form. What is right and wrong for one check
alone is tested with the other answers to its exercise.
"""

import functools
import itertools
import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import NOTEBOOKS, answers
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlab.course import check
from dreamlab.course.check.verdict import STUMBLED, NotYet, compare, near
from dreamlab.picturebook.world import Item, Place, Scene

NAMES = [name for name in check.__all__ if name != "Verdict"]
SOLUTIONS = answers("solution")
LOSSES = ["isotropic_variation", "pull_and_push", "range_penalty"]  # whose gradient is asked for
SOLVED = [name for name in NAMES if name in SOLUTIONS and name != "kept_photo"]  # which is slow
WORDS = {"readable", "scene", "sentence_and_seed", "favourite", "left_to_do"}
NUMERIC = [name for name in SOLVED if name not in {*LOSSES, *WORDS}]

every_check = pytest.mark.parametrize("name", NAMES)
every_solution = pytest.mark.parametrize("name", SOLVED)


@pytest.fixture(autouse=True, scope="module")
def limited_memory():
    """A check that reads an endless answer to its end fails here, before the memory is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def ask(name: str, answer: object, about: object = "") -> check.Verdict:
    """A check's verdict, not the one of last resort; `about` says whose it is if that fails."""
    verdict = getattr(check, name)(answer)
    assert isinstance(verdict, check.Verdict), about
    assert STUMBLED not in verdict.sentence, (about, verdict)
    assert len(verdict.sentence) < 1000, about
    return verdict


def first_tensor(values: tuple) -> torch.Tensor:
    """The first tensor that an answer was given, or another one."""
    return next((value for value in values if isinstance(value, torch.Tensor)), torch.ones(3, 4))


@every_check
def test_every_check_has_an_exercise_and_says_what_it_takes(name):
    checked = getattr(check, name)
    assert checked.__doc__.startswith("Check `answer(")
    assert checked.__annotations__["return"] is check.Verdict
    assert name in SOLUTIONS and name in answers("exercise")


def test_a_table_of_mistakes():
    mistakes = {"a sum": 6.0, "a sign": [-2.0, -6.0], "too much": False, "another": True}
    for right in (2.0, [1.0, 2.0005], True):
        compare(2.0, right, mistakes)
    for found, words in ((6.0, "a sum"), (-6.0, "a sign"), (5.0, "another")):
        with pytest.raises(NotYet, match=words):
            compare(found, 2.0, mistakes)


def test_nothing_is_near_to_infinity():
    assert near(1.0, 1.0005) and not near(1.0, 1.01)
    assert not any(near(a, b) for a in (math.inf, -math.inf, math.nan) for b in (1.0, math.inf))


# --- answers that are none ------------------------------------------------------------------------


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def raising(error: BaseException) -> Callable:
    def answer(*values):
        raise error

    return answer


def endless(*values):
    return endless(*values)


NONE_YET = [
    (lambda *values: None, "returns nothing yet"),
    (lambda *values: ..., "returns nothing yet"),
    (lambda: 1, "stopped with TypeError"),
    (lambda *values: 1 / 0, "stopped with ZeroDivisionError"),
    (raising(StopIteration()), "answer stopped with StopIteration"),
    (raising(SystemExit("enough")), "stopped with SystemExit: enough"),
    (raising(Unspeakable()), "stopped with Unspeakable"),
    (raising(ValueError("long " * 500)), "…"),
    (endless, "stopped with RecursionError"),
    (7, "give the function itself"),
    (None, "give the function itself"),
]


@every_check
def test_no_answer_gets_a_sentence_instead_of_an_error(name):
    for answer, words in NONE_YET:
        verdict = ask(name, answer, words)
        assert not verdict and words in verdict.sentence
        assert repr(verdict) == f"○ Not yet: {verdict.sentence}"


def test_a_cell_that_grades_fails_with_the_sentence():
    """As CLASSROOM.md says it, for nbgrader."""
    text = (NOTEBOOKS[0].parent / "CLASSROOM.md").read_text("utf-8")
    (cell,) = re.findall(r"^```python\n(verdict = .*?)```", text, re.MULTILINE | re.DOTALL)
    exec(cell, {"check": check, "my_cosine": SOLUTIONS["cosine"]})
    with pytest.raises(AssertionError, match="Not yet: that is the dot product"):
        exec(cell, {"check": check, "my_cosine": lambda u, v: u @ v})


def test_the_stop_button_is_no_wrong_answer():
    with pytest.raises(KeyboardInterrupt):
        check.cosine(raising(KeyboardInterrupt()))


def test_what_an_answer_does_to_the_gradient_ends_with_the_check():
    def silencing(x):
        torch.set_grad_enabled(False)
        return (x - x.clamp(0, 1)).square().sum()

    assert "lost its gradient" in check.range_penalty(silencing).sentence
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    "setting",
    [
        torch.inference_mode,
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", torch.bfloat16),
    ],
)
def test_settings_of_the_program_are_not_the_answers_fault(setting):
    with setting():
        for name in ("cosine", "halved", "range_penalty", "readable", "sentence_and_seed"):
            assert ask(name, SOLUTIONS[name]), name
            assert not ask(name, lambda *values: 0), name


# --- answers that are something else --------------------------------------------------------------

ODD = [math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0, 0.5, 1e-40, 3e38]
KINDS = [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]
KINDS += [torch.complex64]

words = st.text("a0-é∞\n", max_size=5)  # all of Unicode costs ten seconds and finds no more
numbers = st.sampled_from(ODD) | st.floats() | st.integers() | st.fractions() | st.decimals()
scalars = numbers | st.complex_numbers() | st.booleans() | words | st.binary(max_size=5)
shapes = st.lists(st.integers(0, 4), max_size=4)


@st.composite
def tensors(draw) -> torch.Tensor:
    value, kind = draw(st.sampled_from(ODD)), draw(st.sampled_from(KINDS))
    if not (kind.is_floating_point and kind.itemsize > 2):
        value = draw(st.integers(0, 1))
    return torch.full(draw(shapes), value, dtype=kind, requires_grad=kind == torch.float32)


class Hostile:
    """Raises whatever is asked of it."""

    def fail(self, *_):
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __len__ = __iter__ = __float__ = __bool__ = __array__ = fail
    __hash__ = __getattr__ = __call__ = fail


def broken_scene(seed: object) -> Scene:
    def item(thing: str, colour: str, count: int) -> Item:
        return Item(thing, colour, places=(Place(math.nan, 0.5, 0.1, 0, False),) * count)

    return Scene("night", (item("star", "yellow", 3), item("moon", "white", 1)), seed)


SINGULAR = [  # made anew for each check: some can be read only once
    lambda: "a",
    lambda: b"a",
    lambda: True,
    lambda: math.nan,
    lambda: math.inf,
    lambda: 10**400,  # no float is as large
    lambda: Decimal("1e999999"),
    lambda: Decimal("sNaN"),
    lambda: Fraction(1, 3),
    lambda: 1j,
    lambda: [],
    lambda: [[1.0], [1.0, 2.0]],
    lambda: ({}, iter([])),
    lambda: {"a": 1},
    lambda: {1, 2},
    lambda: iter([torch.ones(2), "a"]),
    lambda: itertools.count(),
    lambda: itertools.repeat(("full", 1)),
    lambda: range(10**12),
    lambda: int,
    lambda: torch,
    lambda: torch.tensor(math.nan, requires_grad=True),
    lambda: torch.zeros(0, 3),
    lambda: torch.ones(2, 3, dtype=torch.complex64),
    lambda: torch.ones(3, device="meta"),
    lambda: torch.eye(3).to_sparse(),
    lambda: np.array(["a"]),
    lambda: np.full((2, 2), np.inf),
]


def filled(values: tuple, fill: float) -> torch.Tensor:
    return torch.full_like(first_tensor(values), fill)


FITTING = [  # what has the right shape where that is the shape of what was given, or is a loss
    lambda values, fill: filled(values, fill)[..., 0],
    lambda values, fill: fill * first_tensor(values),
    lambda values, fill: fill + first_tensor(values),
    lambda values, fill: fill * first_tensor(values).sum(),
    lambda values, fill: fill + 0 * first_tensor(values).sum(),
    lambda values, fill: (first_tensor(values).square() + fill).sqrt().sum(),
]


@every_check
def test_something_else_gets_a_sentence(name):
    for number, make in enumerate(SINGULAR):
        assert not ask(name, lambda *values, make=make: make(), f"number {number}")
    pairs = [(filled, fill) for fill in ODD]
    pairs += [(make, fill) for make in FITTING for fill in (math.nan, math.inf, 0.5)]
    for make, fill in pairs:
        assert not ask(name, lambda *values, make=make, fill=fill: make(values, fill), fill)


HOSTILE = [
    lambda *values: Hostile(),
    lambda *values: [Hostile()],
    lambda *values: (Hostile(), Hostile()),
    lambda *values: {"seed": Hostile(), "error": Hostile()},
    lambda *values: MagicMock(),
    lambda *values: Scene("night", (Hostile(),), 0),
    lambda *values: Scene("nowhere", (), 0),
    lambda *values: {"seed": torch.ones(2), "judge": math.nan, "error": torch.ones(2)},
    lambda *values: [torch.ones(2), np.ones(2)],
    lambda *values: broken_scene(values[0]),
    Hostile(),  # not what comes back: what is called
    MagicMock(),
]


@every_check
def test_not_even_a_hostile_answer_raises_or_passes(name):
    for number, answer in enumerate(HOSTILE):
        verdict = getattr(check, name)(answer)
        assert isinstance(verdict, check.Verdict) and not verdict, f"number {number}"


def containers(inner: st.SearchStrategy) -> st.SearchStrategy:
    lists = st.lists(inner, max_size=4)
    return lists | st.tuples(inner, inner) | st.dictionaries(words, inner) | lists.map(iter)


anything = (
    st.recursive(scalars | tensors(), containers, max_leaves=5)
    | tensors().map(lambda tensor: tensor.detach().numpy())
    | st.sampled_from(SINGULAR).map(lambda make: make())
)


# One test for all: the checks share their gate, and what each does behind it is in the table above.
@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), result=anything)
def test_whatever_comes_back_gets_a_sentence(name, result):
    assert not ask(name, lambda *values: result)


# --- right answers with one thing spoilt ----------------------------------------------------------


def but_one(value: float) -> Callable:
    """Changes the last of a result's numbers."""

    def change(result: object) -> torch.Tensor:
        result = torch.as_tensor(result).clone().double()
        result.view(-1)[-1] = value
        return result

    return change


SPOILS = {
    "times NaN": lambda result: result * math.nan,
    "times infinity": lambda result: result * math.inf,
    "one NaN": but_one(math.nan),
    "one infinity": but_one(math.inf),
    "one minus infinity": but_one(-math.inf),
    "negated": lambda result: -result,
    "ten per cent more": lambda result: 1.1 * result,
    "a tenth more": lambda result: 0.1 + result,
    "as text": lambda result: str(result),
    "complex": lambda result: result + 0j,
    "doubled": lambda result: torch.stack([torch.as_tensor(result)] * 2),
    "in a set": lambda result: {result},
}
FREE = {  # said to be free in the exercise
    ("variation_gradient", "ten per cent more"),
    ("pull_and_push", "ten per cent more"),
    ("range_penalty", "ten per cent more"),
    ("pull_and_push", "a tenth more"),
    ("kappa_for", "ten per cent more"),  # half the weight, to a twentieth
    ("readable", "as text"),  # it is one
}


@every_solution
def test_a_spoilt_solution_is_not_right(name):
    for spoil, change in SPOILS.items():
        verdict = ask(name, lambda *values, change=change: change(SOLUTIONS[name](*values)), spoil)
        assert bool(verdict) == ((name, spoil) in FREE), (spoil, verdict)


@every_solution
@pytest.mark.parametrize("odd", [raising(KeyError("no")), lambda *values: math.nan])
def test_being_right_the_first_time_is_not_enough(name, odd):
    calls = []

    def answer(*values):
        calls.append(values)
        return SOLUTIONS[name](*values) if len(calls) == 1 else odd(*values)

    verdict = ask(name, answer)
    assert not verdict or len(calls) == 1


@every_solution
def test_no_answer_may_change_what_it_is_given(name):
    taken = []

    def answer(*values):
        taken.extend(values)
        result = SOLUTIONS[name](*values)
        for value in values:
            if isinstance(value, torch.Tensor):
                with torch.no_grad():
                    value.mul_(2)
            elif isinstance(value, list):
                value.reverse()
        return result

    verdict = ask(name, answer)
    changeable = any(isinstance(value, torch.Tensor | list) for value in taken)
    assert bool(verdict) != changeable
    assert verdict or "it was given; let it make a new one" in verdict.sentence


def backward_inside(solution: Callable, *values):
    loss = solution(*values)
    loss.backward()
    return loss


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (backward_inside, "leave .backward() to whoever asks for it"),
        (lambda solution, x, *rest: solution(x.detach(), *rest), "lost its gradient"),
        (lambda solution, *values: float(solution(*values).detach()), "lost its gradient"),
        (torch.no_grad()(lambda solution, *values: solution(*values)), "lost its gradient"),
        (
            lambda solution, x, *rest: solution(x.detach().requires_grad_(), *rest),
            "does not reach the image",
        ),
        (lambda solution, *values: solution(*values) + 0j, "one number is wanted"),
        (lambda solution, x, *rest: solution(x, *rest) + 0 * x, "one number is wanted"),
        (lambda solution, *values: solution(*values) / 0, "division by zero"),
        (lambda solution, x, *rest: solution(x, *rest) + (0 * x).sqrt().sum(), "NaN"),
    ],
)
def test_a_loss_without_a_gradient_is_told_why(name, spoilt, words):
    verdict = ask(name, functools.partial(spoilt, SOLUTIONS[name]))
    assert not verdict and words in verdict.sentence, verdict


# --- right answers in unusual forms ---------------------------------------------------------------


class Callable_:
    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *values):
        return self.answer(*values)


WRAPS = [
    Callable_,
    functools.partial,
    lambda answer: lambda *values, unused=0, **more: answer(*values),
    lambda answer: Callable_(answer).__call__,
    lambda answer: torch.enable_grad()(answer),
]


@every_solution
def test_any_callable_can_be_right(name):
    for number, wrap in enumerate(WRAPS):
        assert ask(name, wrap(SOLUTIONS[name]), f"number {number}")


CARRIERS = {
    "float64": lambda result: torch.as_tensor(result).double(),
    "numpy": lambda result: np.asarray(result),
    "with a gradient": lambda result: torch.as_tensor(result).double().requires_grad_(),
    "strided": lambda result: torch.stack([torch.as_tensor(result)] * 2, dim=-1)[..., 0],
    "sparse": lambda result: torch.as_tensor(result).to_sparse(),
    "inference": torch.inference_mode()(lambda result: torch.as_tensor(result) * 1),
    "numbers": lambda result: torch.as_tensor(result).tolist(),
    "rows": lambda result: list(result) if torch.as_tensor(result).ndim else float(result),
    "lazy rows": lambda result: iter(result) if torch.as_tensor(result).ndim else float(result),
}
FORMS = {  # of a loss
    "float64": lambda loss: loss.double(),
    "one by one": lambda loss: loss.reshape(1, 1),
    "a copy": lambda loss: loss.clone(),
    "a gradient": lambda loss: loss.requires_grad_(),
}


@pytest.mark.parametrize("name", [*NUMERIC, *LOSSES])
def test_what_the_numbers_come_in_does_not_matter(name):
    for carrier, carry in (FORMS if name in LOSSES else CARRIERS).items():
        verdict = ask(name, lambda *values, carry=carry: carry(SOLUTIONS[name](*values)), carrier)
        assert verdict, (carrier, verdict)


def with_own_backward(image):
    """A gradient that was made by a `.backward()` of its own is as good as any."""
    image = image.clone().requires_grad_()
    (image.diff(dim=0).abs().sum() + image.diff(dim=1).abs().sum()).backward()
    return image.grad


def no_loss_without_a_value_outside(image):
    outside = image[(image < 0) | (image > 1)]
    return (outside - outside.clamp(0, 1)).abs().sum() if outside.numel() else 0.0


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("variation_gradient", with_own_backward),
        ("range_penalty", no_loss_without_a_value_outside),
        # Shares whose larger ones come first, last, or anywhere.
        ("octave_of", lambda steps, octaves: torch.div(steps * octaves, len(steps)).floor()),
        ("octave_of", lambda steps, octaves: -(-(steps + 1) * octaves // len(steps)) - 1),
        ("shift", lambda x, right, down: F.pad(x, (right, -right, down, -down))),
        ("contrast_left", lambda width, weight: np.float64(1) - weight / width),
        ("kappa_for", lambda height: torch.tensor([SOLUTIONS["kappa_for"](height)])),
        ("pull_and_push", lambda x, w, u, k: -(x @ (w - k * u).T).exp()),
        ("pull_and_push", lambda x, w, u, k: F.relu(5 - x @ (w - k * u).T)),
    ],
)
def test_a_right_answer_may_be_unusual(name, answer):
    verdict = ask(name, answer)
    assert verdict, verdict


def bilinear(image, size, **options):
    return F.interpolate(image, size, mode="bilinear", **options)


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        # 11 steps in 3 octaves became 3, 3 and 5.
        (
            "octave_of",
            lambda s, o: (s // (len(s) // o)).clamp(max=o - 1),
            "of 5 steps and 3 octaves, the octaves get 1, 1 and 3",
        ),
        ("octave_of", lambda s, o: s / 0, "infinite"),
        ("cosine", lambda u, v: math.inf, "it returns inf"),
        ("range_penalty", lambda x: (x - x.clamp(0, 1))[(x < 0) | (x > 1)].abs().mean(), "nan"),
        # A hinge was told that it looks at one of the sentences only.
        (
            "pull_and_push",
            lambda x, w, u, k: 1 - (x * w).sum() + k * F.relu((x * u).sum()),
            "where picture and unwanted sentence agree by -0.",
        ),
        (
            "pull_and_push",
            lambda x, w, u, k: F.relu(0.2 - (x * w).sum() + k * (x * u).sum()),
            "leaves where it is",
        ),
        (
            "pull_and_push",
            lambda x, w, u, k: 1 - (x * w).sum() + 3 * k * (x * u).sum(),
            "1.5 times",
        ),
        ("range_penalty", lambda x: F.relu(x.mean() - 5), "the distance of every pixel"),
        # Bilinear without antialiasing was told to do what it did.
        (
            "fine_part",
            lambda x, side: x - bilinear(bilinear(x, (side, side)), x.shape[-2:]),
            "antialias=True",
        ),
        # The largest value was right, and it was complained of.
        ("project", lambda x, low, high: x.clamp(max=high) - (x < low) * 1.0, "became -"),
        # Right values with somebody else's gradient.
        (
            "isotropic_variation",
            lambda x: x.mean() + (SOLUTIONS["isotropic_variation"](x) - x.mean()).detach(),
            "not that of this value",
        ),
        # Not squared, and near enough once.
        (
            "calm_mask",
            lambda image, kappa: 1 / (1 + (1 / SOLUTIONS["calm_mask"](image, kappa) - 1).sqrt()),
            "by another rule",
        ),
        (
            "forget_momentum",
            lambda x, m: m.masked_fill((x < 0.02) & (m > 0) | (x > 0.98) & (m < 0), 0),
            "not at a wall",
        ),
        ("readable", lambda thing: "a red star " * 20 + thing, "too long"),
        (
            "favourite",
            lambda rows: {**SOLUTIONS["favourite"](rows), "judge": math.nan},
            "none of the rows",
        ),
        (
            "cutout",
            lambda x, t, le, s, n: bilinear(
                x[..., t : t + s, le : le + s], n, antialias=True, align_corners=True
            ),
            "a pixel aside",
        ),
    ],
)
def test_once_a_wrong_verdict_or_none(name, answer, words):
    verdict = ask(name, answer)
    assert not verdict and words in verdict.sentence, verdict
