"""What a step leaves: its record, and the state from which the next one goes on.

Both are values. A step changes neither, it makes new ones, so that a dream can be interrupted at
any moment, stored, and taken back to the last step whose numbers were all finite. What comes back
from a file is checked as a whole, and refused with the entry that is wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from dreamlab.adam import Adam
from dreamlab.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Step:
    """What one step did. The losses wait on the device until they are asked for.

    `clip_loss`, `tv_loss` and `loss` are means over the images of the dream, `clip_losses`,
    `tv_losses` and `losses` lists with one number for each. They were measured on the picture
    *before* the step's update, and `loss` is the weighted sum that the recipe minimises.
    """

    step: int  # steps done, this one included: 1 … steps
    steps: int  # of the whole run
    octave: int  # index into recipe.octaves: 0, 1, …
    size: tuple[int, int]  # height and width of this octave's canvas
    learning_rate: float
    measured: Tensor  # (3, b): loss, clip_loss and tv_loss of every image
    recipe: Recipe  # the knobs as they were

    @cached_property
    def _numbers(self) -> list[list[float]]:
        return self.measured.tolist()

    @property
    def losses(self) -> list[float]:
        return self._numbers[0]

    @property
    def clip_losses(self) -> list[float]:
        return self._numbers[1]

    @property
    def tv_losses(self) -> list[float]:
        return self._numbers[2]

    @property
    def loss(self) -> float:
        return _mean(self.losses)

    @property
    def clip_loss(self) -> float:
        return _mean(self.clip_losses)

    @property
    def tv_loss(self) -> float:
        return _mean(self.tv_losses)

    def to_dict(self) -> dict[str, Any]:
        """The record as plain values and a tensor of its own."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"measured": self.measured.clone(), "recipe": asdict(self.recipe)}

    @classmethod
    def from_dict(cls, saved: Any, device: torch.device, *, images: int) -> "Step":
        """What `to_dict` gave, of a dream with so many images; else ValueError, as for a state."""
        size = entry(saved, "size", tuple)
        require(len(size) == 2 and all(type(side) is int and side > 0 for side in size), "size")
        rate = entry(saved, "learning_rate", float)
        require(rate >= 0, "learning_rate")
        return cls(
            step=whole_entry(saved, "step"),
            steps=whole_entry(saved, "steps"),
            octave=whole_entry(saved, "octave"),
            size=size,
            learning_rate=rate,
            measured=tensor_entry(saved, "measured", (3, images)).to(device, copy=True),
            recipe=Recipe.from_dict(entry(saved, "recipe", dict)),
        )


@dataclass(frozen=True)
class State:
    """All that a dream is between two steps."""

    step: int  # steps done
    octave: int
    base: Tensor  # the start I₀
    deltas: tuple[Tensor, ...]  # what each finished octave added
    pixels: Tensor  # (b, 3, h, w), the canvas of this octave
    adam: Adam
    finite_steps: Tensor  # how many steps left only finite numbers, counted on the device

    @classmethod
    def first(cls, base: Tensor, pixels: Tensor) -> "State":
        """Before the first step: the start, and the same at the size of the first canvas."""
        finite_steps = torch.zeros((), dtype=torch.int64, device=pixels.device)
        return cls(0, 0, base, (), pixels, Adam.zeros_like(pixels), finite_steps)

    def after(self, pixels: Tensor, adam: Adam, measured: Tensor) -> "State":
        """One step further, or where we were if a number is not finite: decided on the device.

        A sum is finite only if all its terms are. After a step that was not finite none
        counts, until the host has noticed (`last_finite`).
        """
        total = pixels.sum() + adam.square.sum() + measured.sum()
        good = torch.isfinite(total) & (self.finite_steps == self.step)

        def keep(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(good, new, old, out=new)  # new is this step's own

        mean, square = keep(adam.mean, self.adam.mean), keep(adam.square, self.adam.square)
        return replace(
            self,
            step=self.step + 1,
            pixels=keep(pixels, self.pixels),
            adam=Adam(mean, square, adam.steps),
            finite_steps=self.finite_steps + good,
        )

    def last_finite(self) -> "State":
        """Where the last step ended that left only finite numbers; waits for the device."""
        steps = int(self.finite_steps)
        if steps == self.step:
            return self
        return replace(self, step=steps, adam=replace(self.adam, steps=steps))

    def to_dict(self) -> dict[str, Any]:
        """The state as plain values and tensors of its own."""
        return {
            "step": self.step,
            "octave": self.octave,
            "base": self.base.clone(),
            "deltas": [delta.clone() for delta in self.deltas],
            "pixels": self.pixels.clone(),
            "adam": {"mean": self.adam.mean.clone(), "square": self.adam.square.clone()},
        }

    @classmethod
    def from_dict(cls, saved: Any, device: torch.device, *, images: int) -> "State":
        """What `to_dict` gave, of a dream with so many images; other entries are ignored.

        Raises:
            ValueError: it is no such state, with the entry that is wrong.
        """
        step, octave = whole_entry(saved, "step"), whole_entry(saved, "octave")
        base = tensor_entry(saved, "base", (images, 3, None, None))
        require(bool(((base >= 0) & (base <= 1)).all()), "base")
        deltas = entry(saved, "deltas", list)
        deltas = [tensor_entry({"deltas": d}, "deltas", (images, 3, None, None)) for d in deltas]
        require(len(deltas) <= step, "deltas")  # the canvas changes before a step, if at all
        pixels = tensor_entry(saved, "pixels", (images, 3, None, None))
        adam = entry(saved, "adam", dict)
        mean, square = (
            tensor_entry(adam, name, tuple(pixels.shape)) for name in ("mean", "square")
        )
        require(bool((square >= 0).all()), "square")

        def here(tensor: Tensor) -> Tensor:
            return tensor.to(device, copy=True)

        return cls(
            step=step,
            octave=octave,
            base=here(base),
            deltas=tuple(map(here, deltas)),
            pixels=here(pixels),
            adam=Adam(here(mean), here(square), step),
            finite_steps=torch.tensor(step, device=device),
        )


def turned_knobs(history: Sequence[Step]) -> list[tuple[int, str, Any]]:
    """(step, knob, value) of every knob that was turned between two steps, after which step."""
    return [
        (before.step, name, value)
        for before, after in pairwise(history)
        if after.recipe is not before.recipe
        for name, value in asdict(after.recipe).items()
        if value != getattr(before.recipe, name)
    ]


# --- what comes from a file -----------------------------------------------------------------------


def require(condition: bool, name: str, words: str = "is not what a dream stores there") -> None:
    if not condition:
        raise ValueError(f"this is not what a dream stores, or it is damaged: {name!r} {words}")


def entry(saved: Any, name: str, kind: type) -> Any:
    """The entry of this name, if it is of this very kind (True is no number here)."""
    require(isinstance(saved, Mapping), name, "is looked for in something that has no entries")
    require(name in saved, name, "is missing")
    require(type(saved[name]) is kind, name, f"is a {type(saved[name]).__name__}")
    return saved[name]


def tensor_entry(saved: Any, name: str, shape: tuple[int | None, ...]) -> Tensor:
    """A tensor of finite numbers in float32 and of this shape; None fits any length above 0."""
    tensor = entry(saved, name, Tensor)
    fits = len(tensor.shape) == len(shape) and all(
        side == wanted or (wanted is None and side > 0)
        for side, wanted in zip(tensor.shape, shape, strict=True)
    )
    require(fits, name, f"has the shape {tuple(tensor.shape)}")
    plain = tensor.dtype == torch.float32 and tensor.layout == torch.strided
    require(plain and not tensor.is_meta, name, f"is a tensor of {tensor.dtype}, {tensor.layout}")
    require(bool(tensor.isfinite().all()), name, "has numbers that are NaN or infinite")
    return tensor.detach()


def whole_entry(saved: Any, name: str, most: int = 2**63 - 1) -> int:
    number = entry(saved, name, int)
    require(0 <= number <= most, name, f"is {number}, and not from 0 to {most}")
    return number


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
