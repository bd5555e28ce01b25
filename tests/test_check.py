"""What all checks have in common: a sentence for every answer, no error, no praise by mistake."""

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
from chapters import NOTEBOOKS, answers

from dreamlab.course import check
from dreamlab.course.check.verdict import STUMBLED
from dreamlab.picturebook.world import Item, Place, Scene

NAMES = [name for name in check.__all__ if name != "Verdict"]
SOLUTIONS = answers("solution")
LOSSES = ["isotropic_variation", "pull_and_push", "range_penalty"]  # whose gradient is asked for
SOLVED = [name for name in NAMES if name != "kept_photo"]  # which is slow
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


def test_a_cell_that_grades_fails_with_the_sentence():
    """As CLASSROOM.md says it, for nbgrader."""
    text = (NOTEBOOKS[0].parent / "CLASSROOM.md").read_text("utf-8")
    (cell,) = re.findall(r"^```python\n(verdict = .*?)```", text, re.MULTILINE | re.DOTALL)
    exec(cell, {"check": check, "my_cosine": SOLUTIONS["cosine"]})
    with pytest.raises(AssertionError, match="Not yet: that is the dot product"):
        exec(cell, {"check": check, "my_cosine": lambda u, v: u @ v})


def test_what_an_answer_does_to_the_gradient_ends_with_the_check():
    def silencing(x):
        torch.set_grad_enabled(False)
        return (x - x.clamp(0, 1)).square().sum()

    assert "lost its gradient" in check.range_penalty(silencing).sentence
    assert torch.is_grad_enabled()


BFLOAT = functools.partial(torch.autocast, "cpu", torch.bfloat16)


@pytest.mark.parametrize("setting", [torch.inference_mode, lambda: torch.device("meta"), BFLOAT])
def test_settings_of_the_program_are_not_the_answers_fault(setting):
    with setting():
        for name in ("cosine", "halved", "range_penalty", "readable", "sentence_and_seed"):
            assert ask(name, SOLUTIONS[name]), name
            assert not ask(name, lambda *values: 0), name


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


class Hostile:
    """Raises whatever is asked of it."""

    def fail(self, *_):
        raise RuntimeError("no")

    __repr__ = __str__ = __eq__ = __len__ = __iter__ = __float__ = __bool__ = __array__ = fail
    __hash__ = __getattr__ = __call__ = fail


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
    (raising(SystemExit("enough")), "stopped with SystemExit: enough"),
    (raising(Unspeakable()), "stopped with Unspeakable"),
    (raising(ValueError("long " * 500)), "…"),
    (endless, "stopped with RecursionError"),
    (7, "give the function itself"),
]


@every_check
def test_no_answer_gets_a_sentence_instead_of_an_error(name):
    for answer, words in NONE_YET:
        verdict = ask(name, answer, words)
        assert not verdict and words in verdict.sentence
        assert repr(verdict) == f"○ Not yet: {verdict.sentence}"


def test_the_stop_button_is_no_wrong_answer():
    with pytest.raises(KeyboardInterrupt):
        check.cosine(raising(KeyboardInterrupt()))


ODD = [math.nan, math.inf, 0.0, 1.0, -1.0, 0.5, 1e-40, 3e38]
LARGE = 10**400  # no float is as large
SINGULAR = [  # made anew for each check: some can be read only once
    *(lambda value=value: value for value in ("a", b"a", True, math.nan, LARGE, Fraction(1, 3))),
    *(lambda text=text: Decimal(text) for text in ("1e999999", "sNaN")),
    *(lambda value=value: value for value in (1j, [], [[1.0], [1.0, 2.0]], {"a": 1}, {1, 2})),
    *(lambda value=value: value for value in (range(10**12), int, np.array(["a"]))),
    lambda: iter([torch.ones(2), "a"]),
    itertools.count,
    lambda: itertools.repeat(("full", 1)),
    lambda: torch.tensor(math.nan, requires_grad=True),
    lambda: torch.zeros(0, 3),
    lambda: torch.ones(2, 3, dtype=torch.complex64),
    lambda: torch.ones(3, device="meta"),
    lambda: torch.eye(3).to_sparse(),
]
FITTING = [  # what has the right shape where that is the shape of what was given, or is a loss
    torch.full_like,
    lambda x, fill: fill * x,
    lambda x, fill: fill + x,
    lambda x, fill: fill + 0 * x.sum(),
    lambda x, fill: (x.square() + fill).sqrt().sum(),
]
NOWHERE = (Place(math.nan, 0.5, 0.1, 0, False),)
BROKEN = (Item("star", "yellow", places=NOWHERE * 3), Item("moon", "white", places=NOWHERE))
HOSTILE = [
    Hostile(),
    MagicMock(),
    *(lambda *values, of=of: of(Hostile()) for of in (lambda x: x, lambda x: [x])),
    lambda *values: {"seed": Hostile(), "error": Hostile()},
    lambda *values: MagicMock(),
    lambda *values: Scene("night", (Hostile(),), 0),
    lambda *values: Scene("nowhere", (), 0),
    lambda *values: Scene("night", BROKEN, values[0]),
    lambda *values: {"seed": torch.ones(2), "judge": math.nan, "error": torch.ones(2)},
]


def fitting(make: Callable, fill: float, *values):
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    return make((tensors or [torch.ones(3, 4)])[0], fill)


@every_check
def test_something_else_gets_a_sentence(name):
    for number, single in enumerate(SINGULAR):
        assert not ask(name, lambda *values, single=single: single(), f"number {number}")
    cases = [*itertools.product(FITTING, (math.nan, 0.5)), *((torch.full_like, x) for x in ODD)]
    for number, case in enumerate(cases):
        assert not ask(name, functools.partial(fitting, *case), f"fitting {number}")
    for number, answer in enumerate(HOSTILE):
        verdict = getattr(check, name)(answer)
        assert isinstance(verdict, check.Verdict) and not verdict, f"hostile {number}"


def but_one(value: float) -> Callable:
    """Changes the last of a result's numbers."""

    def change(result: object) -> torch.Tensor:
        result = torch.as_tensor(result).clone().double()
        result.view(-1)[-1] = value
        return result

    return change


SPOILS = {
    "one NaN": but_one(math.nan),
    "one infinity": but_one(math.inf),
    "negated": lambda result: -result,
    "ten per cent more": lambda result: 1.1 * result,
    "a tenth more": lambda result: 0.1 + result,
    "as text": lambda result: str(result),
    "complex": lambda result: result + 0j,
    "doubled": lambda result: torch.stack([torch.as_tensor(result)] * 2),
    "in a set": lambda result: {result},
}
FREE = {  # said to be free in the exercise; half the weight of κ is meant to a twentieth
    "ten per cent more": {"variation_gradient", "pull_and_push", "range_penalty", "kappa_for"},
    "a tenth more": {"pull_and_push"},
    "as text": {"readable"},  # it is one
}


@every_solution
def test_a_spoilt_solution_is_not_right(name):
    for spoil, change in SPOILS.items():
        verdict = ask(name, lambda *values, change=change: change(SOLUTIONS[name](*values)), spoil)
        assert bool(verdict) == (name in FREE.get(spoil, ())), (spoil, verdict)


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
        result = SOLUTIONS[name](*values)
        taken.extend(value for value in values if isinstance(value, torch.Tensor | list))
        for value in taken:
            value.reverse() if isinstance(value, list) else value.detach().mul_(2)
        return result

    verdict = ask(name, answer)
    assert "it was given; let it make a new one" in verdict.sentence if taken else verdict


def backward_inside(solution: Callable, *values):
    loss = solution(*values)
    loss.backward()
    return loss


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        (backward_inside, "leave .backward() to whoever asks for it"),
        (lambda loss, x, *rest: loss(x.detach(), *rest), "lost its gradient"),
        (lambda loss, *values: float(loss(*values).detach()), "lost its gradient"),
        (lambda loss, x, *rest: loss(x.detach().requires_grad_(), *rest), "not reach the image"),
        (lambda loss, *values: loss(*values) + 0j, "one number is wanted"),
        (lambda loss, *values: loss(*values) / 0, "division by zero"),
        (lambda loss, x, *rest: loss(x, *rest) + (0 * x).sqrt().sum(), "NaN"),
    ],
)
def test_a_loss_without_a_gradient_is_told_why(name, spoilt, words):
    verdict = ask(name, functools.partial(spoilt, SOLUTIONS[name]))
    assert not verdict and words in verdict.sentence, verdict


WRAPS = [functools.partial, torch.enable_grad(), lambda f: lambda *values, unused=0: f(*values)]

CARRIERS = {
    "float64": lambda result: torch.as_tensor(result).double(),
    "numpy": lambda result: np.asarray(result),
    "with a gradient": lambda result: torch.as_tensor(result).double().requires_grad_(),
    "sparse": lambda result: torch.as_tensor(result).to_sparse(),
    "inference": torch.inference_mode()(lambda result: torch.as_tensor(result) * 1),
    "numbers": lambda result: torch.as_tensor(result).tolist(),
    "lazy rows": lambda result: iter(result) if torch.as_tensor(result).ndim else float(result),
}
FORMS = {  # of a loss
    "float64": lambda loss: loss.double(),
    "one by one": lambda loss: loss.reshape(1, 1),
}


@every_solution
def test_any_callable_and_carrier_of_numbers_can_be_right(name):
    for number, wrap in enumerate(WRAPS):
        assert ask(name, wrap(SOLUTIONS[name]), f"number {number}")
    carriers = CARRIERS if name in NUMERIC else FORMS if name in LOSSES else {}
    for carrier, carry in carriers.items():
        verdict = ask(name, lambda *values, carry=carry: carry(SOLUTIONS[name](*values)), carrier)
        assert verdict, (carrier, verdict)
