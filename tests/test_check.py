"""What all checks have in common: they answer in a sentence, and never raise."""

import pytest
import torch

from dreamlab.course import check


def first_argument_doubled_in_place(x, *rest):
    if not isinstance(x, torch.Tensor):
        pytest.skip("takes no tensor")
    x *= 2
    return x


ANY_CHECK = [getattr(check, name) for name in check.__all__ if name != "Verdict"]


@pytest.mark.parametrize("checked", ANY_CHECK)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *values: None, "returns nothing yet"),
        (lambda *values: ..., "returns nothing yet"),
        (lambda: 1, "stopped with TypeError"),
        (lambda *values: 1 / 0, "stopped with ZeroDivisionError: division by zero"),
        (first_argument_doubled_in_place, "changes the tensor it was given"),
        (7, "give the function itself"),
    ],
)
def test_no_answer_gets_a_sentence_instead_of_an_error(checked, answer, words):
    verdict = checked(answer)
    assert not verdict
    assert words in verdict.sentence
    assert repr(verdict) == f"○ Not yet: {verdict.sentence}"


@pytest.mark.parametrize("checked", ANY_CHECK)
def test_checks_say_what_they_take(checked):
    assert checked.__doc__.startswith("Check `answer(")
    assert checked.__annotations__["return"] is check.Verdict
