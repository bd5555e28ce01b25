"""See a sentence turn into a picture.

A dream is an image found by gradient descent on its pixels, with a frozen CLIP as the critic that
says how well image and sentence agree. The shortest one::

    from dreamlab import Dream, load_clip

    Dream(load_clip(), "a red striped heart in the sky").run()

Each module is one idea, and a chapter of the course derives it. The public names below are
imported on first use, so that ``import dreamlab`` costs nothing and needs no PyTorch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dreamlab.clip import Clip, load_clip
    from dreamlab.dream import Dream, Step
    from dreamlab.judge import Judge
    from dreamlab.losses import clip_loss, masked_total_variation, total_variation
    from dreamlab.mask import detail_mask
    from dreamlab.panel import Panel, compare
    from dreamlab.recipe import Recipe
    from dreamlab.saving import load_dream, save_png
    from dreamlab.sweep import sweep

__all__ = [
    "Clip",
    "Dream",
    "Judge",
    "Panel",
    "Recipe",
    "Step",
    "clip_loss",
    "compare",
    "detail_mask",
    "load_clip",
    "load_dream",
    "masked_total_variation",
    "save_png",
    "sweep",
    "total_variation",
]

_HOME = {
    "Clip": "clip",
    "Dream": "dream",
    "Judge": "judge",
    "Panel": "panel",
    "Recipe": "recipe",
    "Step": "dream",
    "clip_loss": "losses",
    "compare": "panel",
    "detail_mask": "mask",
    "load_clip": "clip",
    "load_dream": "saving",
    "masked_total_variation": "losses",
    "save_png": "saving",
    "sweep": "sweep",
    "total_variation": "losses",
}


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'dreamlab' has no attribute {name!r}")
    value = getattr(import_module(f"dreamlab.{_HOME[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps ``dreamlab.sweep`` the function: importing the module of that name would replace it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
