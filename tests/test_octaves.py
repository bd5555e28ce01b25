"""Octaves: sizes, the sum Î = I₀ + Σ Δ_k, and what Adam remembers from one to the next."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamlab import Dream, Recipe
from dreamlab.adam import BETAS, Adam
from dreamlab.octaves import octave_at


@settings(deadline=None, max_examples=25)
@given(steps=st.integers(1, 400), octaves=st.integers(1, 6))
def test_octaves_come_in_order_and_share_the_steps(steps, octaves):
    order = [octave_at(step, steps, octaves) for step in range(steps)]
    assert order == sorted(order)
    assert order[-1] == octaves - 1, "the picture reaches its full size"
    shares = [order.count(k) for k in range(octaves)]
    assert max(shares) - min(shares) <= 1
    if steps >= octaves:
        assert order[0] == 0


@pytest.mark.parametrize(("done", "more"), [(2, 7), (5, 60), (6, 60)])
def test_more_steps_never_shrink_the_picture(tiny_clip, done, more):
    recipe = Recipe(size=32, steps=6, octaves=(0.25, 0.5, 1.0), views=1)
    dream = Dream(tiny_clip, "a heart", recipe=recipe)
    sizes = [next(dream).size for _ in range(done)]
    dream.recipe.steps = more
    sizes += [step.size for step in itertools.islice(dream, 3)]
    assert sizes == sorted(sizes) and len(sizes) == done + 3


def test_adam_is_adam():
    """Against torch's own, with changing learning rates."""
    target = torch.linspace(-1, 1, 3 * 4 * 5).view(1, 3, 4, 5)
    theirs = torch.zeros(1, 3, 4, 5, requires_grad=True)
    optimizer = torch.optim.Adam([theirs], lr=1, betas=BETAS)
    ours, adam = torch.zeros(1, 3, 4, 5), Adam.zeros_like(theirs.detach())
    for step in range(30):
        rate = 0.1 / (1 + step)
        optimizer.param_groups[0]["lr"] = rate
        theirs.grad = (theirs.detach() - target) ** 3
        optimizer.step()
        adam = adam.update((ours - target) ** 3)
        ours = ours - rate * adam.direction()
    assert torch.allclose(ours, theirs, atol=1e-5)
