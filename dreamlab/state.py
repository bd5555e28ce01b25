"""What a step leaves, as values: its record, and the state from which the next one goes on."""

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dreamlab.adam import Adam
from dreamlab.recipe import Recipe
from dreamlab.support.entries import entry, require, tensor_entry, whole_entry


@dataclass(frozen=True, eq=False)
class Step:
    """What one step did. The losses wait on the device until they are asked for.

    `clip_loss`, `tv_loss` and `loss` (the weighted sum) are means over the images, `clip_losses`,
    `tv_losses` and `losses` lists, of the picture *before* the step's update.
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
        step, steps, octave = (whole_entry(saved, name) for name in ("step", "steps", "octave"))
        measured = tensor_entry(saved, "measured", (3, images)).to(device, copy=True)
        recipe = Recipe.from_dict(entry(saved, "recipe", dict))
        return cls(step, steps, octave, size, rate, measured, recipe)


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
        none = torch.zeros((), dtype=torch.int64, device=pixels.device)
        return cls(0, 0, base, (), pixels, Adam.zeros_like(pixels), none)

    def after(self, pixels: Tensor, adam: Adam, measured: Tensor) -> "State":
        """One step further, or where we were if a number is not finite: decided on the device."""
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
        adam = {"mean": self.adam.mean.clone(), "square": self.adam.square.clone()}
        plain = {"step": self.step, "octave": self.octave, "adam": adam}
        deltas = [delta.clone() for delta in self.deltas]
        return {**plain, "base": self.base.clone(), "deltas": deltas, "pixels": self.pixels.clone()}

    @classmethod
    def from_dict(cls, saved: Any, device: torch.device, *, images: int) -> "State":
        """What `to_dict` gave, of a dream with so many images; else ValueError names the entry."""
        step, octave = whole_entry(saved, "step"), whole_entry(saved, "octave")
        base = tensor_entry(saved, "base", (images, 3, None, None))
        require(bool(((base >= 0) & (base <= 1)).all()), "base")
        deltas = entry(saved, "deltas", list)
        deltas = [tensor_entry({"deltas": d}, "deltas", (images, 3, None, None)) for d in deltas]
        require(len(deltas) <= step, "deltas")  # the canvas changes before a step, if at all
        apart = {delta.untyped_storage().data_ptr() for delta in deltas}
        require(len(apart) == len(deltas), "deltas", "is one tensor many times")
        pixels = tensor_entry(saved, "pixels", (images, 3, None, None))
        adam = entry(saved, "adam", dict)
        mean, square = (tensor_entry(adam, n, tuple(pixels.shape)) for n in ("mean", "square"))
        require(bool((square >= 0).all()), "square")

        base, pixels, mean, square, *deltas = (
            tensor.to(device, copy=True) for tensor in (base, pixels, mean, square, *deltas)
        )
        adam, finite = Adam(mean, square, step), torch.tensor(step, device=device)
        return cls(step, octave, base, tuple(deltas), pixels, adam, finite)


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
