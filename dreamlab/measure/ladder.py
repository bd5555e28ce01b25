"""The ladder of the ablation: from the raw loss to the default recipe, one idea at a time."""

from dataclasses import replace
from typing import Any

from dreamlab.recipe import Recipe

CLIP_GRADIENT = 1.2
"""RMS of CLIP's gradient by which normalisation divides, with the embedded model. A rung that does
not normalise needs its weight of total variation times this for the same balance."""
MATCHED = 1 / 6
"""Weight of the absolute total variation to that of the masked one, for about as much smoothing (by
the slope of the spectrum, on captions of another seed). An absolute step and a squared one have no
common unit."""

FULL = Recipe()

ORDERS: dict[str, tuple[str, ...]] = {
    "course": ("+ gradient steps", "+ views", "+ TV", "masked TV", "+ clamp", "+ octaves"),
    "views-last": ("+ gradient steps", "+ TV", "masked TV", "+ clamp", "+ octaves", "+ views"),
}
"""What comes between *raw* and *full*: as the course has it, and with the strongest part last. Raw
steps by Adam; the steps of the default recipe come first, so that every other idea is measured with
the steps that it is meant for."""


def build_ladder(order: str = "course", gradient: float = CLIP_GRADIENT) -> dict[str, Recipe]:
    """Recipes from the raw loss to the default recipe, each the one before and one idea more.

    Every idea takes its values from the default recipe. Raw looks at the whole image once a step.
    The last rung, *full*, adds what falls towards the end of a run, and gradients of one size.

    Args:
        order: a key of `ORDERS`.
        gradient: RMS of the dreamer's gradient, see `CLIP_GRADIENT`.
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
    recipe = Recipe.raw()
    ladder = {"raw": recipe}
    for name in ORDERS[order]:
        ladder[name] = recipe = replace(recipe, **ideas[name])
    return ladder | {"full": FULL}
