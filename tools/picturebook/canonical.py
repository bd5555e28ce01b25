"""The dreamer's second stage: from grey, a gradient that draws the outline of one object.

A corrupted drawing still shows what it was, so the first stage can point at the drawing and hardly
look at the caption. A dream begins at grey, where the caption alone says what to draw. Here the
pictures are grey, or dreams that began there, and the object stands upright in the middle: 25
outlines to learn in place of 25 in every pose. Each grey picture gets several captions that differ
in the object alone, and the *difference* of their gradients must point at the difference of their
drawings: this is what tells a star from a heart. A dream soon shows a blob, the mean of what it
could become; so most of these pictures show the mean of several drawings, from which the caption's
own must be carved. And no dream may please more than its drawing. Few other pictures are read as
before, in every pose, so that the model still knows them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from augment import (
    IMAGE,
    clean_windows,
    corrupt,
    normal,
    random_placement,
    sample_windows,
    uniform,
    view_noise,
    window_matrices,
    with_margin,
)
from data import CAPTIONS, Batch, as_tensors, single_object
from dreamlab.picturebook.world import OBJECTS
from losses import alignment_loss
from model import Trainee, reading_losses

DARK, DARK_WEIGHT = 0.35, 3.0
"""Settings whose edge is darker than this are drawn that many times as often: from grey it is as
far to them as to light ones, and they are few."""
CHOICES = 5  # captions for one grey picture
MEANS, MIXED = 0.6, (2, 3, 5, 25)  # share of the grey pictures that show a mean, and of how many
ALIGN, DIFFERENCE, READ, CONTRAST = 6.0, 6.0, 0.3, 10.0  # weights of the losses
MARGIN = 0.05  # by which the cosine of a drawing must exceed that of a dream of it


@dataclass(frozen=True)
class Settings:
    """Paintings of `data.canonical_scene`: n settings, each with every object.

    Attributes:
        data: arrays of `data.paintings`; rows 25 n to 25 n + 24 differ in the object alone.
        likely: (n,), how probable each setting is.
    """

    data: dict[str, np.ndarray]
    likely: np.ndarray

    @classmethod
    def of(cls, data: dict[str, np.ndarray]) -> Settings:
        first = data["pictures"][:: len(OBJECTS)]
        edge = np.concatenate([first[:, :4], first[:, -4:]], 1).mean((1, 2, 3)) / 255
        likely = np.where(edge < DARK, DARK_WEIGHT, 1.0)
        return cls(data, likely / likely.sum())

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """The first rows of n settings, (n,)."""
        return len(OBJECTS) * rng.choice(len(self.likely), n, p=self.likely)

    def load(self, rows: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures (b, 3, 64, 64) in [0, 1], masks (b, 3, 64, 64), complete captions (b, n)."""
        rows = rows.ravel()
        pictures, masks = as_tensors(self.data, rows, device)
        tokens = self.data["tokens"][rows, CAPTIONS - 1].astype(np.int64)
        return (
            F.interpolate(pictures, size=IMAGE, mode="bilinear", antialias=True),
            F.interpolate(masks, size=IMAGE),
            torch.from_numpy(tokens).to(device),
        )


def grey(n: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """n pictures on which nothing stands: even grey or, four in ten, with dim blotches."""
    flat = like.new_full((n, 3, IMAGE, IMAGE), 0.5)
    coarse = F.interpolate(normal((n, 3, 8, 8), generator, like), size=IMAGE, mode="bicubic")
    blotches = 0.15 * coarse * uniform(0, 1, (n, 1, 1, 1), generator, like)
    return torch.where(uniform(0, 1, (n, 1, 1, 1), generator, like) < 0.6, flat, flat + blotches)


def _on_the_way(
    settings: Settings,
    first: np.ndarray,
    rng: np.random.Generator,
    generator: torch.Generator,
    like: Tensor,
) -> Tensor:
    """Pictures (n, 3, 64, 64) of n settings: grey, with a little of one object, or with a mean."""
    n, shape = len(first), (len(first), 1, 1, 1)
    many = np.where(rng.random(n) < MEANS, rng.choice(MIXED, n), 1)
    objects = [rng.choice(len(OBJECTS), k, replace=False) for k in many]
    rows = [row + some for row, some in zip(first, objects, strict=True)]
    drawings, *_ = settings.load(np.concatenate(rows), like.device)
    shown = torch.stack([some.mean(0) for some in drawings.split(many.tolist())])
    mean = torch.from_numpy(many > 1).to(like.device).view(shape)
    little = uniform(0, 0.35, shape, generator, like)
    little = little * (uniform(0, 1, shape, generator, like) < 0.5)
    keep = torch.where(mean, uniform(0.2, 1, shape, generator, like), little)
    return (1 - keep) * grey(n, generator, like) + keep * shown


def _windows(n: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """Maps (n, 2, 3) to windows of 0.8 to 1 of the side, upright and not mirrored."""
    sides = uniform(0.8, 1.0, (n,), generator, like)
    _, centres = random_placement(sides, generator, like)
    return window_matrices(sides, torch.zeros_like(sides), torch.ones_like(sides), centres)


def canonical_losses(
    model: Trainee, batch: Batch, settings: Settings, generator: torch.Generator, step: int
) -> dict[str, Tensor]:
    """Where the gradient points at grey and in dreams, by how much dreams please more than their
    drawings, and what `batch` (n pictures) still shows.

    There are as many dreams under way as the plan's persistent samples, and 0.6 n grey pictures
    with five captions each.
    """
    n, plan, place = len(batch.tokens), model.plan, batch.pictures.device
    many, few = round(plan.persistent * plan.batch), max(1, round(0.6 * n))
    rng = np.random.default_rng([plan.seed, 3, step])

    # Dreams that began at grey, each towards its drawing.
    clean, masks, tokens = settings.load(
        settings.draw(many, rng) + rng.integers(len(OBJECTS), size=many), place
    )
    fresh = {"clean": clean, "masks": masks, "picture": grey(many, generator, clean)}
    samples = model.samples.renew(fresh | {"tokens": tokens}, generator)
    windows = _windows(many, generator, clean)
    canvas = samples["picture"].detach().requires_grad_()
    views = sample_windows(canvas, windows)
    clean = sample_windows(samples["clean"], windows)
    masks = sample_windows(samples["masks"], windows)

    # Grey pictures, each for several captions.
    first = settings.draw(few, rng)
    chosen = np.stack([rng.choice(len(OBJECTS), CHOICES, replace=False) for _ in range(few)])
    drawn, drawn_masks, choices = settings.load(first[:, None] + chosen, place)
    blank = _on_the_way(settings, first, rng, generator, drawn)
    windows = _windows(few, generator, drawn)
    blank = view_noise(sample_windows(blank, windows), generator)
    blank = blank.repeat_interleave(CHOICES, 0)
    windows = windows.repeat_interleave(CHOICES, 0)
    drawn, drawn_masks = sample_windows(drawn, windows), sample_windows(drawn_masks, windows)

    # Pictures that are read.
    shown, shown_masks = clean_windows(batch, generator)
    corrupted, kept = corrupt(shown, generator)

    pictures = torch.cat([view_noise(views.detach(), generator), blank, corrupted])
    parts = [many, few * CHOICES, n]
    image, patches = model.image(pictures.requires_grad_())
    text, prompts, false = model.text(
        torch.cat([samples["tokens"], choices, batch.tokens]),
        model.prompts,
        batch.false.flatten(0, 1),
    )
    cosines = (image * text).sum(-1)
    (gradient,) = torch.autograd.grad(cosines.sum(), pictures, create_graph=True)
    of_dreams, of_grey, of_read = gradient.split(parts)
    (climb,) = torch.autograd.grad(views, canvas, of_dreams.detach())
    model.samples.climb(climb, generator)

    drawings, _ = model.image(view_noise(clean, generator))
    behind = cosines[:many] - (drawings * text[:many]).sum(-1) + MARGIN

    aims = torch.cat([clean, drawn, shown]) - pictures.detach()
    to_dreams, to_grey, to_read = aims.split(parts)
    objects = with_margin(torch.cat([masks, shown_masks]))
    drawing = alignment_loss(
        torch.cat([of_dreams, of_read]), torch.cat([to_dreams, to_read]), objects
    )

    def differences(rows: Tensor) -> Tensor:
        rows = rows.unflatten(0, (few, CHOICES))
        return (rows - rows.mean(1, keepdim=True)).flatten(0, 1)

    nowhere = torch.zeros_like(of_grey[:, :1])
    read = reading_losses(
        model, batch, image[-n:], patches[-n:], text[-n:], prompts, shown_masks, kept
    )
    # The right caption against the same words about other objects.
    answers = torch.cat([text[-n:, None], false.unflatten(0, (n, -1))], 1)
    logits = 20 * (answers @ image[-n:, :, None])[..., 0]
    complete = (batch.tokens == batch.complete).all(1) & single_object(batch.attributes)
    if complete.any():
        logits = logits[complete]
        right = torch.zeros(len(logits), dtype=torch.long, device=place)
        read["object"] = 2 * F.cross_entropy(logits, right)
    return {
        "align": ALIGN * drawing,
        "grey": ALIGN * alignment_loss(of_grey, to_grey, with_margin(drawn_masks)),
        "difference": DIFFERENCE
        * alignment_loss(differences(of_grey), differences(to_grey), nowhere),
        "contrast": CONTRAST * behind.relu().mean(),
        **{name: READ * loss for name, loss in read.items()},
    }
