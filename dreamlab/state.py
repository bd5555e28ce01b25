"""What a step leaves: its record, and the state from which the next one goes on.

Both are values. A step changes neither, it makes new ones, so that a dream can be interrupted at
any moment, stored, and taken back to the last step that was sound.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from dreamlab.adam import Adam


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
        return values | {"measured": self.measured.clone()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], device: torch.device) -> "Step":
        return cls(**saved | {"measured": saved["measured"].to(device, copy=True)})


@dataclass(frozen=True)
class State:
    """All that a dream is between two steps."""

    step: int  # steps done
    octave: int
    base: Tensor  # the start I₀
    deltas: tuple[Tensor, ...]  # what each finished octave added
    pixels: Tensor  # (b, 3, h, w), the canvas of this octave
    adam: Adam
    sound: Tensor  # how many steps left only finite numbers, counted on the device

    @classmethod
    def first(cls, base: Tensor, pixels: Tensor) -> "State":
        """Before the first step: the start, and the same at the size of the first canvas."""
        sound = torch.zeros((), dtype=torch.int64, device=pixels.device)
        return cls(0, 0, base, (), pixels, Adam.zeros_like(pixels), sound)

    def after(self, pixels: Tensor, adam: Adam, measured: Tensor) -> "State":
        """One step further, or where we were if a number is not finite: decided on the device.

        A sum is finite only if all its terms are. Once a step was not sound, none after it counts,
        until the host has noticed (`last_sound`).
        """
        total = pixels.sum() + adam.square.sum() + measured.sum()
        good = torch.isfinite(total) & (self.sound == self.step)

        def keep(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(good, new, old)

        mean, square = keep(adam.mean, self.adam.mean), keep(adam.square, self.adam.square)
        return replace(
            self,
            step=self.step + 1,
            pixels=keep(pixels, self.pixels),
            adam=Adam(mean, square, adam.steps),
            sound=self.sound + good,
        )

    def last_sound(self) -> "State":
        """Where the last step ended that left only finite numbers; waits for the device."""
        sound = int(self.sound)
        if sound == self.step:
            return self
        return replace(self, step=sound, adam=replace(self.adam, steps=sound))

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
    def from_dict(cls, saved: Mapping[str, Any], device: torch.device) -> "State":
        """What `to_dict` gave, on this device; other entries are ignored."""

        def here(tensor: Tensor) -> Tensor:
            return tensor.to(device, copy=True)

        step = saved["step"]
        return cls(
            step=step,
            octave=saved["octave"],
            base=here(saved["base"]),
            deltas=tuple(map(here, saved["deltas"])),
            pixels=here(saved["pixels"]),
            adam=Adam(here(saved["adam"]["mean"]), here(saved["adam"]["square"]), step),
            sound=torch.tensor(step, device=device),
        )


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)
