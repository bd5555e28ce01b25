"""The ladder of the ablation: from the raw loss to a full recipe, one idea at a time."""

from dataclasses import replace
from typing import Any

from dreamlab.recipe import Recipe

# RMS of the gradient of "picturebook", by which normalisation divides; the weight of total
# variation is multiplied by it where nothing is normalised.
CLIP_GRADIENT = 1.4
MATCHED = 1 / 6  # weight of the absolute to the masked total variation, for as much smoothing
FULL = Recipe()
WITHOUT_VIEWS = "full without views"
ORDERS: dict[str, tuple[str, ...]] = {
    "course": ("+ views", "+ TV", "masked TV", "+ clamp", "+ octaves"),
    "views-last": ("+ TV", "masked TV", "+ clamp", "+ octaves", "+ views"),
}
"""What comes between *raw* and *full*: as the course has it, and with the windows last."""
ORDERS |= {f"{order}-all": (*ideas, "+ schedule") for order, ideas in list(ORDERS.items())}
ORDERS["course-all"] += (WITHOUT_VIEWS,)
# The same with all that falls towards the end as a rung of its own, and the full without views.


def build_ladder(
    order: str = "course", gradient: float = CLIP_GRADIENT, full: Recipe = FULL
) -> dict[str, Recipe]:
    """Recipes from the raw loss to the full recipe, each the one before and one idea more.

    All have the steps and the canvas of the full recipe; an idea that changes nothing has no rung.
    `order` is a key of `ORDERS`, else ValueError; `gradient` the dreamer's, see `CLIP_GRADIENT`.
    """
    if order not in ORDERS:
        raise ValueError(f"order is one of {', '.join(ORDERS)}, got {order!r}")
    raw = Recipe.raw(steps=full.steps, size=full.size)

    def knobs(recipe: Recipe, *names: str) -> dict[str, Any]:
        return {name: getattr(recipe, name) for name in names}

    seen, falling = ("views", "view_mix", "view_noise"), ("final_view_mix", "final_view_noise")
    masked = full.tv_weight * gradient
    ideas = {
        "+ views": knobs(full, *seen),
        "+ TV": {"tv_kind": "l1", "tv_weight": round(MATCHED * masked, 3)},
        "masked TV": {"tv_kind": full.tv_kind, "tv_weight": round(masked, 3)},
        "+ clamp": knobs(full, "clamp"),
        "+ octaves": knobs(full, "octaves"),
        "+ schedule": knobs(full, "final_learning_rate", *falling),
    }
    ladder = {"raw": raw}
    for name in ORDERS[order]:
        *_, below = ladder.values()
        if name in ideas and (rung := replace(below, **ideas[name])) != below:
            ladder[name] = rung
    ladder["full"] = full
    if WITHOUT_VIEWS in ORDERS[order]:
        ladder[WITHOUT_VIEWS] = replace(full, **knobs(raw, *seen, *falling))
    return ladder
