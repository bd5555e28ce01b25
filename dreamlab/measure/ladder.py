"""The ladder of the ablation: from the raw loss to the default recipe, one idea at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from dreamlab.clip import Clip
from dreamlab.dream import Dream
from dreamlab.recipe import Recipe
from dreamlab.views import add_noise, draw_deviations, draw_windows, look

CLIP_GRADIENT = 1.2
"""RMS of CLIP's gradient by which normalisation divides, with the embedded model: `clip_gradient`.
A rung that does not normalise needs its weight of total variation times this for the same balance.
"""
MATCHED = 1 / 6
"""Weight of the absolute total variation to that of the masked one, for about as much smoothing (by
the slope of the spectrum, on captions of another seed). An absolute step and a squared one have no
common unit."""

FULL = Recipe()

ORDERS: dict[str, tuple[str, ...]] = {
    "course": ("+ views", "+ TV", "masked TV", "+ clamp", "+ octaves"),
    "views-last": ("+ TV", "masked TV", "+ clamp", "+ octaves", "+ views"),
}
"""What comes between *raw* and *full*: as the course has it, and with the strongest part last."""


def build_ladder(order: str = "course", gradient: float = CLIP_GRADIENT) -> dict[str, Recipe]:
    """Recipes from the raw loss to the default recipe, each the one before and one idea more.

    Every idea takes its values from the default recipe. The last rung, *full*, adds what steers a
    run: what falls towards its end, and gradients brought to one size. Raw looks at the whole image
    once a step. It steps by Adam; if the default recipe does not, that is an idea of its own, and
    the first: so every other is measured with the steps that it is meant for. An idea that the
    default recipe does without has no rung.

    Args:
        order: a key of `ORDERS`.
        gradient: RMS of the dreamer's gradient, see `clip_gradient`.
    """
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}, got {order!r}")

    def from_full(*knobs: str) -> dict[str, Any]:
        return {knob: getattr(FULL, knob) for knob in knobs}

    masked = FULL.tv_weight * gradient
    ideas = {
        "+ gradient steps": from_full("optimizer", "learning_rate"),
        "+ views": from_full("views", "view_mix", "view_noise"),
        "+ TV": {"tv_kind": "l1", "tv_weight": round(MATCHED * masked, 3)},
        "masked TV": {"tv_kind": FULL.tv_kind, "tv_weight": round(masked, 3)},
        "+ clamp": from_full("clamp"),
        "+ octaves": from_full("octaves"),
    }
    ladder = {"raw": Recipe.raw()}
    first = () if FULL.optimizer == ladder["raw"].optimizer else ("+ gradient steps",)
    for name in (*first, *ORDERS[order]):
        before = list(ladder.values())[-1]
        after = replace(before, **ideas[name])
        if after != before:
            ladder[name] = after
    return ladder | {"full": FULL}


LADDER: dict[str, Recipe] = build_ladder()
"""The ladder in the course's own order, for the embedded model."""


def clip_gradient(
    clip: Clip, prompts: Sequence[str], recipe: Recipe | None = None, every: int = 10
) -> float:
    """The size of CLIP's gradient: median RMS over a dream, of what one pixel feels.

    Args:
        clip: who dreams.
        prompts: of the dreams.
        recipe: how to dream; the default recipe unless given.
        every: how many steps lie between two looks; the last step is looked at as well.
    """
    recipe = recipe or FULL
    dream = Dream(clip, list(prompts), recipe=recipe)
    text = clip.encode_text(prompts)[:, None]
    sizes = []
    for step in dream:
        if step.step % every and not dream.done:
            continue
        pixels = dream.pixels.detach().requires_grad_()
        chance, noise = (
            [torch.Generator(where).manual_seed(step.step + i) for i in range(len(prompts))]
            for where in ("cpu", clip.device)
        )
        windows = draw_windows(pixels.shape[-2:], recipe.views, recipe.view_mix, chance)
        deviations = draw_deviations(recipe.views, recipe.view_noise, chance)
        views = add_noise(look(pixels, windows, clip.image_size), deviations, noise)
        rows = clip.encode_image(views.flatten(0, 1)).unflatten(0, (len(prompts), recipe.views))
        (gradient,) = torch.autograd.grad((rows * text).sum(2).mean(1).sum(), pixels)
        sizes.append(gradient.square().mean((1, 2, 3)).sqrt() * pixels[0].numel())
    return float(torch.cat(sizes).median())
