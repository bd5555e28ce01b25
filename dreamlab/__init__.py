"""See a sentence turn into a picture: an image, found by gradient descent on its pixels with CLIP.

The method: each module here is one idea, and a chapter of the course derives it. What surrounds it
stands in folders. Who may import whom::

    support ← method ← picturebook ← figures, judge ← measure, lab, course

What stands further right may import what stands further left, never the other way round; two that
share a place do not import each other. The method imports neither ipywidgets nor matplotlib.
"""

from __future__ import annotations  # `dreamlab.course.machine` speaks to older Pythons, too

from importlib import import_module
from typing import Any

from .support.version import __version__ as __version__

_HOME = {
    "Clip": "clip", "Dream": "dream", "Judge": "judge", "Panel": "lab.panel", "Recipe": "recipe",
    "Step": "state", "clip_loss": "losses", "compare": "lab.panel", "detail_mask": "mask",
    "load_clip": "clip", "load_dream": "figures.saving", "masked_total_variation": "losses",
    "save_png": "figures.saving", "sweep": "measure.sweep", "total_variation": "losses",
}  # fmt: skip
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name's module when the name is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'dreamlab' has no attribute {name!r}")
    value = getattr(import_module(f"dreamlab.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
