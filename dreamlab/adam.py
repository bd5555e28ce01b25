"""Adam, in five lines that can be read, saved and resized (Kingma and Ba 2015)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamlab.support.resample import linear, resize

BETAS = (0.9, 0.99)  # .99 instead of the usual .999: a dream has 60 steps, not 60,000
EPSILON = 1e-8


@dataclass(frozen=True)
class Adam:
    """The memory of Adam for one tensor, as a value: means of the gradient and of its square."""

    mean: Tensor
    square: Tensor
    steps: int = 0

    @classmethod
    def zeros_like(cls, pixels: Tensor) -> "Adam":
        return cls(torch.zeros_like(pixels), torch.zeros_like(pixels))

    def update(self, gradient: Tensor) -> "Adam":
        """Remember one more gradient."""
        mean = self.mean.lerp(gradient, 1 - BETAS[0])
        return Adam(mean, self.square.lerp(gradient.square(), 1 - BETAS[1]), self.steps + 1)

    def direction(self) -> Tensor:
        """Where to go downhill *from*, about ±1 in every pixel: subtract learning_rate × this."""
        mean = self.mean / (1 - BETAS[0] ** self.steps)
        square = self.square / (1 - BETAS[1] ** self.steps)
        return mean.div_(square.sqrt_().add_(EPSILON))  # in place: both are large and nobody else's

    def resized(self, size: tuple[int, int]) -> "Adam":
        """The same for a canvas (h, w); the square linearly, as bicubic could get negative."""
        return Adam(resize(self.mean, size), resize(self.square, size, linear), self.steps)
