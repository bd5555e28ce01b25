"""Training the two embedded CLIPs on the picture-book world.

    python tools/picturebook/train.py                    # both, one after the other
    python tools/picturebook/train.py picturebook-judge  # one of them

Scenes are painted once, kept at 80 px and seen anew at every step. What the two are trained for is
in `objectives`: both learn the CLIP loss and their attributes; the dreamer, which a dream descends,
learns a gradient that points from a spoiled picture to the drawing, and keeps its answers under an
adversary, and in the end its captions learn to emphasise the thing (`emphasis`); the judge, which
only looks, learns the things of many hands by their shape.

Batch `n` depends on the seed and on `n` alone, so an interrupted training that is started again
ends with the weights of an uninterrupted one on the same kind of processor. The two models share
no scene and no seed.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import pickle
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from data import (
    CAPTIONS,
    CONTEXT,
    FALSE,
    check_fingerprint,
    fingerprint,
    paintings,
    vocabulary,
    zero_shot_prompts,
)
from dreamlab.dream import unit_rms
from dreamlab.support.console import exit_on_user_error, print_plainly
from dreamlab.support.files import write_atomically
from dreamlab.support.loading import EMBEDDED_FOLDER as MODELS
from dreamlab.support.precision import Precision, choose_precision
from emphasis import emphasize
from losses import (
    Heads,
    alignment_loss,
    attribute_loss,
    contrastive_loss,
    shape_loss,
    token_loss,
)
from spoil import fools, spoil

IMAGE = 64  # side of what the models see, px
MEAN, STD = 0.5, 0.25
KEEP_EVERY = 60.0  # seconds between two checkpoints
WEIGHTS = "open_clip_model.safetensors"


@dataclass(frozen=True)
class Plan:
    """All that decides what a model becomes."""

    vision_cfg: dict[str, Any]
    seed: int
    steps: int
    batch: int
    gradient: bool  # train the gradient (the dreamer) or the shape (the judge)
    scenes: int
    many_hands: bool
    learning_rate: float
    weight_decay: float = 0.05
    warmup: int = 100
    cooling: float = 0.35  # of the steps, at the end, with a falling learning rate
    embed_dim: int = 128
    text_cfg: dict[str, Any] = field(
        default_factory=lambda: {"context_length": CONTEXT, "width": 96, "heads": 3, "layers": 2}
    )
    noise: float = 0.3  # largest deviation on spoiled pictures
    align: float = 6.0  # weight of the alignment loss
    adversary: float = 0.0  # L2 length of the training adversary, in values of [0, 1] at 64 px
    seen: float = 1.0  # share of the patches that the dreamer sees of a picture
    all_seen: float = 0.15  # of the steps, at the end, when it sees them all
    dreamt: float = 0.0  # share of the batch that are dreams under way
    emphasis: float = 0.0  # how far captions are pushed towards their thing in the end
    tuned: bool = False  # begin with the embedded model's weights, not with random ones

    def learning_rate_at(self, step: int) -> float:
        """Warm up, stay, and fall to zero over the last part of the steps."""
        left = (self.steps - step) / (self.cooling * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)


PLANS: dict[str, Plan] = {
    "picturebook": Plan(
        {
            "image_size": IMAGE,
            "patch_size": 8,
            "width": 192,
            "layers": 4,
            "head_width": 48,
            "pool_type": "avg",
        },
        seed=11,
        steps=14_000,
        batch=64,
        gradient=True,
        scenes=60_000,
        many_hands=False,
        learning_rate=1.2e-3,
        cooling=0.25,
        embed_dim=160,
        text_cfg={"context_length": CONTEXT, "width": 160, "heads": 5, "layers": 2},
        seen=0.5,
        all_seen=0.03,
        dreamt=0.34,
        emphasis=3.0,
    ),
    "picturebook-judge": Plan(
        {"image_size": IMAGE, "layers": [1, 1, 1, 1], "width": 24, "head_width": 48},
        seed=22,
        steps=9000,
        batch=128,
        gradient=False,
        scenes=60_000,
        many_hands=True,
        learning_rate=1.2e-3,
    ),
}


# --- what the models see --------------------------------------------------------------------------


@dataclass
class Batch:
    """One step's scenes: paintings, who owns their pixels, words and attributes."""

    pictures: Tensor  # (b, 3, 80, 80) in [0, 1]
    owners: Tensor  # (b, 3, 20, 20): background, first and second kind of thing
    words: Tensor  # (b, CONTEXT), a caption of each
    complete: Tensor  # (b, CONTEXT), its complete caption
    false: Tensor  # (b, FALSE, CONTEXT), the same words about other things
    numbers: Tensor  # (b, 9) attributes


def load_batch(
    data: dict[str, np.ndarray], plan: Plan, step: int, device: torch.device
) -> tuple[Batch, torch.Generator]:
    """The scenes of a step and the generator of all its randomness."""
    rng = np.random.default_rng([plan.seed, 2, step])
    likely = np.ones(plan.scenes)
    if plan.gradient:  # what stands alone can be seen close up
        numbers = data["attributes"][: plan.scenes]
        likely += alone(numbers) * (3 + 6 * (numbers[:, 3] == 0))
    chosen = rng.choice(plan.scenes, plan.batch, replace=False, p=likely / likely.sum())
    chosen.sort()
    rng.shuffle(chosen)
    which = rng.integers(CAPTIONS, size=plan.batch)
    which[: plan.batch // 2] = CAPTIONS - 1  # half of the captions are complete
    texts = torch.from_numpy(data["tokens"][chosen].astype(np.int64)).to(device)
    labels = torch.from_numpy(data["labels"][chosen]).to(device)
    batch = Batch(
        torch.from_numpy(data["pictures"][chosen]).to(device).permute(0, 3, 1, 2) / 255,
        F.one_hot(labels.long(), 3).permute(0, 3, 1, 2).float(),
        texts[torch.arange(plan.batch), torch.from_numpy(which)],
        texts[:, CAPTIONS - 1],
        texts[:, CAPTIONS:],
        torch.from_numpy(data["attributes"][chosen].astype(np.int64)).to(device),
    )
    return batch, torch.Generator().manual_seed(plan.seed * 1_000_003 + step)


def _uniform(
    low: float, high: float, shape: tuple[int, ...], generator: torch.Generator, like: Tensor
) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator).to(like.device)


def anywhere(sides: Tensor, generator: torch.Generator, like: Tensor) -> tuple[Tensor, Tensor]:
    """For windows of these sides: 1 or −1 where mirrored, (b,), and centres inside, (b, 2)."""
    mirror = 1 - 2 * (_uniform(0, 1, sides.shape, generator, like) < 0.5).float()
    middle = _uniform(-1, 1, (len(sides), 2), generator, like) * (1 - sides)[:, None]
    return mirror, middle


def window(sides: Tensor, tilt: Tensor, mirror: Tensor, middle: Tensor) -> Tensor:
    """Affine maps (b, 2, 3) to windows of these sides and centres, tilted, mirrored or not."""
    cos, sin = sides * tilt.cos(), sides * tilt.sin()
    rows = (
        torch.stack([cos * mirror, -sin, middle[:, 0]], -1),
        torch.stack([sin * mirror, cos, middle[:, 1]], -1),
    )
    return torch.stack(rows, 1)


def through(images: Tensor, matrix: Tensor, side: int = IMAGE) -> Tensor:
    """(b, c, h, w) through affine windows, (b, c, side, side)."""
    grid = F.affine_grid(matrix, [*images.shape[:2], side, side], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def alone(numbers: Tensor | np.ndarray) -> Tensor | np.ndarray:
    """Where one thing stands and nothing else, (b,), of attributes (b, 9)."""
    return (numbers[:, 4] == 0) & (numbers[:, 5] < 0)


def close_up(owners: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows that a thing fills to 55 to 90 %: sides (b,), centres (b, 2) from −1 to 1.

    `owners` is the thing's share in each pixel, (b, n, n).
    """
    n = owners.shape[-1]
    line = torch.arange(n, device=owners.device)

    def extent(along: int) -> tuple[Tensor, Tensor]:
        there = owners.amax(along) > 0.5
        last = torch.where(there, line, -1).amax(1) + 1
        return torch.where(there, line, n).amin(1) / n, last / n

    (left, right), (top, bottom) = extent(1), extent(2)
    size = torch.maximum(right - left, bottom - top).clamp(0, 1)
    sides = (size / _uniform(0.55, 0.9, size.shape, generator, owners)).clamp(0.4, 1)
    middle = torch.stack([left + right, top + bottom], -1) - 1
    # Off the middle as far as the thing stays inside the window, and the window in the painting.
    slack = (sides - size).clamp(min=0)[:, None]
    middle = middle + slack * _uniform(-1, 1, middle.shape, generator, owners)
    room = (1 - sides)[:, None]
    return sides, middle.clamp(-room, room)


def drawings(batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the dreamer's gradient must point at: clean windows, and who owns their pixels.

    Most things that stand alone are seen close up: a shape that is large, and always about as
    large, is learned sooner. Light and colours stay as painted: a gradient that must guess them
    draws them pale.
    """
    b, like = len(batch.pictures), batch.pictures
    wide = _uniform(0, 1, (b,), generator, like) < 0.75
    sides = torch.where(
        wide, _uniform(0.85, 1, (b,), generator, like), _uniform(0.6, 0.85, (b,), generator, like)
    )
    mirror, middle = anywhere(sides, generator, like)
    closer, its_middle = close_up(batch.owners[:, 1], generator)
    near = alone(batch.numbers) & (_uniform(0, 1, (b,), generator, like) < 0.95)
    sides = torch.where(near, closer, sides)
    middle = torch.where(near[:, None], its_middle, middle)
    matrix = window(sides, torch.zeros_like(sides), mirror, middle)
    return through(like, matrix), through(batch.owners, matrix)


def still_there(numbers: Tensor, things: Tensor, kept: Tensor) -> Tensor:
    """Attributes of what a spoiled picture still shows: of things or a background gone, none."""
    numbers = numbers.clone()
    shown = (things * kept).flatten(1).sum(1) / things.flatten(1).sum(1).clamp(min=1)
    numbers[shown < 0.35, 1:] = -1
    numbers[kept.flatten(1).mean(1) < 0.25, 0] = -1
    return numbers


def harshness(progress: float) -> float:
    """How strong the judge's noise, blur and crops are: full for 60 %, then falling to 25 %."""
    return 1 - 0.75 * max(0.0, progress - 0.6) / 0.4


def look(batch: Batch, generator: torch.Generator, harsh: float = 1.0) -> tuple[Tensor, Tensor]:
    """A random look at each painting: crop, tilt, mirror, light, blur, noise.

    Args:
        batch: the paintings.
        generator: all randomness, on the CPU.
        harsh: strength of noise and blur and share of small crops, 0 to 1.

    Returns:
        The views (b, 3, 64, 64), not clipped, and the share of the first kind of thing in each
        pixel, (b, 1, 64, 64).
    """
    like = batch.pictures
    b = len(like)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return _uniform(low, high, (b, *shape), generator, like)

    def chance(p: float, *shape: int) -> Tensor:
        return (uniform(0, 1, *shape) < p).float()

    # Mostly the whole scene, sometimes a part of it: dreams are looked at through cutouts.
    side = torch.where(chance(1 - 0.25 * harsh) > 0, uniform(0.8, 1.0), uniform(0.55, 0.8))
    matrix = window(side, uniform(-0.2, 0.2), *anywhere(side, generator, like))
    views = through(like, matrix)
    first = through(batch.owners[:, 1:2], matrix)

    soft = F.avg_pool2d(F.pad(views, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.interpolate(F.avg_pool2d(views, 4), scale_factor=4, mode="bilinear")
    blur, heavy = uniform(0, 1, 1, 1, 1) * chance(0.4, 1, 1, 1), chance(0.1 * harsh, 1, 1, 1)
    views = torch.lerp(torch.lerp(views, soft, blur), softer, heavy)
    views = (views - 0.5) * uniform(0.75, 1.2, 1, 1, 1) + 0.5 + uniform(-0.1, 0.1, 1, 1, 1)
    views = views * uniform(0.93, 1.07, 3, 1, 1)

    def noise(size: int) -> Tensor:
        return torch.randn(b, 3, size, size, generator=generator).to(like.device)

    # Fine noise, and coarse noise whose blotches a blur does not remove.
    fine = noise(IMAGE) * uniform(0, 0.3 * harsh, 1, 1, 1) * chance(0.6, 1, 1, 1)
    coarse = F.interpolate(noise(16), size=(IMAGE, IMAGE), mode="bilinear")
    coarse = coarse * uniform(0, 0.2 * harsh, 1, 1, 1) * chance(0.3, 1, 1, 1)
    return views + fine + coarse, first


class Glimpse(nn.Module):
    """Hides a part of the patches, so that a step is as much cheaper (FLIP: Li et al. 2023).

    Patches of things are kept twice as readily as those of a background. Stands where open_clip
    would drop patches at random, and remembers which it kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.order: Tensor | None = None

    def choose(self, things: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Draw the patches to keep of pictures whose things are (b, 1, 64, 64).

        Returns:
            Which pixels are seen, (b, 1, 64, 64), 0 or 1.
        """
        owned = F.avg_pool2d(things, IMAGE // 8).flatten(1)  # (b, 64)
        drawn = torch.rand(owned.shape, generator=generator).to(owned.device)
        # The keys of weighted sampling without replacement (Efraimidis and Spirakis 2006).
        keys = drawn.log() / (1 + owned)
        self.order = keys.topk(round(share * owned.shape[1]), dim=1).indices.sort(1).values
        seen = torch.zeros_like(owned).scatter_(1, self.order, 1.0)
        return F.interpolate(seen.view(-1, 1, 8, 8), scale_factor=IMAGE // 8, mode="nearest")

    def forward(self, tokens: Tensor) -> Tensor:
        if self.order is None:
            return tokens
        kept = self.order[..., None].expand(-1, -1, tokens.shape[-1])
        return torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, kept)], 1)


class Dreams:
    """Pictures that climb the model's own gradient while it learns, each towards its drawing.

    A gradient that was right at every spoiled drawing still leads astray, step by step, to pictures
    that no spoiling makes: too large, too bright. So it is also trained where it leads (learning
    from one's own mistakes: Ross et al. 2011; samples that persist from step to step: Tieleman
    2008), at no cost, since the gradient is at hand.
    """

    LIVE = 15 / 16  # chance to be there in the next step
    STEPS = (0.02, 0.1)  # RMS of a step, values in [0, 1]

    def __init__(self) -> None:
        self.rows: dict[str, Tensor] = {}

    def with_new(self, new: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Put new rows in place of those that have ended; returns all of them."""
        live = torch.rand(len(new["picture"]), generator=generator) < self.LIVE
        if self.rows:
            for name, rows in new.items():
                keep = live.to(rows.device).view(-1, *[1] * (rows.ndim - 1))
                self.rows[name] = torch.where(keep, self.rows[name], rows)
        else:
            self.rows = {name: rows.clone() for name, rows in new.items()}
        return self.rows

    def climb(self, gradient: Tensor, generator: torch.Generator) -> None:
        """A step along the gradient (n, 3, h, w), of random length, as in a dream's recipe."""
        length = _uniform(*self.STEPS, (len(gradient), 1, 1, 1), generator, gradient)
        self.rows["picture"] = (self.rows["picture"] + length * unit_rms(gradient)).clamp(0, 1)


def noisy(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures as a dream's views show them: each with white noise, little or more."""
    deviation = _uniform(0, 0.2, (len(pictures), 1, 1, 1), generator, pictures)
    noise = torch.randn(pictures.shape, generator=generator).to(pictures.device)
    return pictures + deviation * noise


# --- one step's losses ----------------------------------------------------------------------------


class Student:
    """A model in training, with what it is asked."""

    def __init__(self, plan: Plan, device: torch.device, precision: Precision) -> None:
        self.plan, self.precision, self.device = plan, precision, device
        self.model = build(plan).to(device)
        if not plan.gradient:  # convolutions like their channels last
            self.model = self.model.to(memory_format=torch.channels_last)
        self.glimpse, self.dreams = Glimpse(), Dreams()
        if plan.gradient:
            self.model.visual.patch_dropout = self.glimpse
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed + 1)
            width = plan.vision_cfg["width"] if plan.gradient else None
            self.heads = Heads(width).to(device)
        self.prompts = zero_shot_prompts().to(device)

    def image(self, pictures: Tensor) -> Tensor:
        """Unit rows (b, d) for pictures (b, 3, 64, 64)."""
        return self.image_and_tokens(pictures)[0]

    def image_and_tokens(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same, and a transformer's (b, 64, width) tokens."""
        # On a CPU the fused bfloat16 attention is slower than its plain formula at 65 tokens, and
        # it has no second derivative.
        with self.precision.autocast(), sdpa_kernel(SDPBackend.MATH):
            seen = self.model.visual((pictures - MEAN) / STD)
        features, patches = seen if isinstance(seen, tuple) else (seen, None)
        return F.normalize(features.float(), dim=-1), patches

    def text(self, words: Tensor) -> Tensor:
        with self.precision.autocast(), sdpa_kernel(SDPBackend.MATH):
            features = self.model.encode_text(words)
        return F.normalize(features.float(), dim=-1)

    @property
    def scale(self) -> Tensor:
        return self.model.logit_scale.exp().clamp(max=100)

    def gradient_losses(
        self, batch: Batch, generator: torch.Generator, progress: float
    ) -> dict[str, Tensor]:
        """The dreamer's: clip and attributes of spoiled pictures, and where the gradient points."""
        plan, b = self.plan, len(batch.words)
        clean, owners = drawings(batch, generator)
        spoiled, kept = spoil(clean, plan.noise, generator)
        words, numbers = batch.words, batch.numbers
        own = b - round(plan.dreamt * b)  # the others are dreams under way
        if own < b:
            fresh = {"clean": clean, "owners": owners, "picture": spoiled, "words": words}
            dreams = self.dreams.with_new({k: v[own:] for k, v in fresh.items()}, generator)
            clean, owners, words = (
                torch.cat([fresh[k][:own], dreams[k]]) for k in ("clean", "owners", "words")
            )
            spoiled = torch.cat([spoiled[:own], noisy(dreams["picture"], generator)])
        things = F.max_pool2d(1 - owners[:, :1], 5, 1, 2)  # with a margin, outlines and all
        spoiled.requires_grad_()
        share = plan.seen if progress < 1 - plan.all_seen else 1.0
        seen = self.glimpse.choose(1 - owners[:, :1], share, generator)
        image, patches = self.image_and_tokens(spoiled)
        text, prompts = self.text(torch.cat([words, self.prompts])).split([b, len(self.prompts)])
        cosines = (image * text).sum(-1)
        (gradient,) = torch.autograd.grad(cosines.sum(), spoiled, create_graph=True)
        if own < b:
            self.dreams.climb(gradient[own:].detach(), generator)
        # Words first: a gradient that is aligned before the words mean anything draws no things.
        align = plan.align * (0.3 + 0.7 * min(1.0, 3 * progress))
        # What a dream shows nobody knows, so it answers no questions.
        kept, sight = kept[:own], seen[:own]
        numbers = still_there(numbers[:own], things[:own], kept * sight)
        shares = F.avg_pool2d(owners[:own] * kept, IMAGE // 8).flatten(2).transpose(1, 2)
        shares = shares.gather(1, self.glimpse.order[:own, :, None].expand(-1, -1, 3))
        losses = {
            "align": align * alignment_loss(gradient, (clean - spoiled.detach()) * seen, things),
            "clip": contrastive_loss(image[:own], text[:own], words[:own], self.scale),
            "attribute": 3 * attribute_loss(self.heads.logits(image[:own] @ prompts.T), numbers),
            "token": 1.5 * token_loss(self.heads.token(patches[:own].float()), shares, numbers),
        }
        if plan.adversary:
            # The gradient is at hand, so one adversarial step costs one more pass (fast adversarial
            # training: Wong et al. 2020). Its length varies, down to none.
            length = plan.adversary * torch.rand(own, generator=generator).to(self.device)
            push = F.normalize(gradient[:own].detach().flatten(1), dim=-1).view_as(spoiled[:own])
            self.glimpse.order = self.glimpse.order[:own]
            moved = self.image(spoiled[:own].detach() - length[:, None, None, None] * push)
            logits = self.heads.logits(moved @ prompts.T)
            losses["adversary"] = contrastive_loss(moved, text[:own], words[:own], self.scale)
            losses["adversary"] = losses["adversary"] + attribute_loss(logits, numbers)
        return losses

    def shape_losses(
        self, batch: Batch, generator: torch.Generator, harsh: float
    ) -> dict[str, Tensor]:
        """The judge's: clip and attributes of many hands, and that no shape is no thing."""
        b = len(batch.words)
        views, first = look(batch, generator, harsh)
        # Fools are made of one thing that stands there once: its tiles hold no whole thing.
        few = alone(batch.numbers).nonzero()[: b // 4, 0]
        pictures = torch.cat([views, fools(views[few], first[few], generator)])
        if self.device.type == "cpu":
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        image = self.image(pictures)
        which = torch.randint(FALSE - 1, (), generator=generator)
        false = batch.false[few, which : which + 2]
        texts = [batch.words, self.prompts, batch.complete[few], false.flatten(0, 1)]
        features = self.text(torch.cat(texts)).split([len(t) for t in texts])
        text, prompts, right = features[:3]
        logits = self.heads.logits(image @ prompts.T)
        return {
            "clip": contrastive_loss(image, text, batch.words, self.scale),
            "attribute": attribute_loss(logits[:b], batch.numbers),
            "shape": shape_loss(
                image[few], image[b:], right, features[3].view(len(few), 2, -1), logits[b:],
                self.scale,
            ),
        }  # fmt: skip


# --- the loop -------------------------------------------------------------------------------------


def build(plan: Plan) -> CLIP:
    """The model with the compact vocabulary, weights drawn from the plan's seed."""
    text = {**plan.text_cfg, "vocab_size": len(vocabulary())}
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        return CLIP(plan.embed_dim, {**plan.vision_cfg, "output_tokens": plan.gradient}, text)


def save(model: CLIP, plan: Plan, folder: Path) -> None:
    """Write an ordinary open_clip model folder; rows of words that no caption used are zero.

    Matrices are kept in half precision, which halves the file and costs no answer; open_clip
    brings them back to single precision when it loads them.
    """
    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    compact = state["token_embedding.weight"]
    full = torch.zeros(49408, compact.shape[1])
    full[torch.from_numpy(vocabulary())] = compact
    state["token_embedding.weight"] = full
    state = {k: v.half() if v.ndim >= 2 else v for k, v in state.items()}
    write_atomically(folder / WEIGHTS, serialize(state))
    config = {
        "model_cfg": {
            "embed_dim": plan.embed_dim,
            "vision_cfg": plan.vision_cfg,
            "text_cfg": {**plan.text_cfg, "vocab_size": 49408},
        },
        "preprocess_cfg": {
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    write_atomically(folder / "open_clip_config.json", json.dumps(config, indent=2) + "\n")


def embedded_weights(folder: Path) -> dict[str, Tensor]:
    """The weights that `save` wrote, as `build` has them.

    Raises:
        OSError: there are none.
    """
    state = load_file(folder / WEIGHTS)
    words = torch.from_numpy(vocabulary())
    state["token_embedding.weight"] = state["token_embedding.weight"][words]
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


class Run:
    """A training between two steps: student, running mean of its weights, optimiser, step."""

    def __init__(
        self,
        plan: Plan,
        device: torch.device,
        precision: Precision,
        weights: dict[str, Tensor] | None = None,
    ) -> None:
        self.plan = plan
        self.student = Student(plan, device, precision)
        if weights is not None:
            self.student.model.load_state_dict(weights)
        self.step = 0
        parts = (self.student.model, self.student.heads)
        self.weights = [weight for part in parts for weight in part.parameters()]
        groups = [
            {"params": [w for w in self.weights if w.ndim >= 2], "weight_decay": plan.weight_decay},
            {"params": [w for w in self.weights if w.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=plan.learning_rate, betas=(0.9, 0.98), eps=1e-6
        )
        self.mean = {k: v.detach().clone() for k, v in self.student.model.state_dict().items()}

    def losses(self, data: dict[str, np.ndarray], step: int) -> dict[str, Tensor]:
        batch, generator = load_batch(data, self.plan, step, self.student.device)
        if self.plan.gradient:
            return self.student.gradient_losses(batch, generator, step / self.plan.steps)
        return self.student.shape_losses(batch, generator, harshness(step / self.plan.steps))

    def advance(self, data: dict[str, np.ndarray]) -> dict[str, float]:
        """One step. Returns its losses.

        Raises:
            FloatingPointError: if they are not finite; nothing has been changed then.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate_at(self.step)
        losses = self.losses(data, self.step)
        loss = sum(losses.values())
        self.optimizer.zero_grad()
        loss.backward()
        size = nn.utils.clip_grad_norm_(self.weights, 1.0)
        if not (loss.isfinite() and size.isfinite()):
            raise FloatingPointError(
                f"step {self.step + 1} gave a loss of {loss.item()} and a gradient of {size.item()}"
            )
        self.optimizer.step()
        # Young means forget fast, or the first random weights would stay in them for long.
        fade = min(0.999, (1 + self.step) / (10 + self.step))
        for name, value in self.student.model.state_dict().items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, 1 - fade)
            else:
                self.mean[name].copy_(value)
        self.step += 1
        return {name: loss.item() for name, loss in losses.items()}

    def averaged(self) -> CLIP:
        """The model with the running mean of its weights, which is what is kept of it."""
        model = copy.deepcopy(self.student.model)
        model.load_state_dict(self.mean)
        if self.plan.gradient:
            model.visual.patch_dropout = nn.Identity()
        return model.eval()

    def state(self) -> dict[str, Any]:
        return {
            "model": self.student.model.state_dict(),
            "heads": self.student.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": self.mean,
            "step": self.step,
            "dreams": self.student.dreams.rows,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.student.model.load_state_dict(state["model"])
        self.student.heads.load_state_dict(state["heads"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, value in state["mean"].items():
            self.mean[name].copy_(value)
        self.step = state["step"]
        self.student.dreams.rows = state["dreams"]


def read_checkpoint(file: Path, wanted: dict, device: torch.device) -> dict[str, Any]:
    """What a training left behind.

    Raises:
        ValueError: if it is broken, or of another plan, vocabulary or painter.
    """
    try:
        kept = torch.load(file, map_location=device, weights_only=True)
        found = json.loads(kept["fingerprint"])
        pieces = ("model", "heads", "optimizer", "mean", "step", "dreams")
        state = {name: kept[name] for name in pieces}
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        KeyError,
        TypeError,
        pickle.UnpicklingError,
    ) as error:
        # PyTorch's own words go on to recommend loading it unsafely.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise ValueError(f"{file} is broken ({reason}): delete it to begin anew") from error
    check_fingerprint(found, wanted, file)
    return state


@contextmanager
def _interrupts() -> Iterator[list[bool]]:
    """Ctrl-C is answered between two steps, when all is whole: the list is then no longer empty."""
    interrupted: list[bool] = []
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    name: str,
    folder: Path,
    plan: Plan,
    *,
    device: str,
    workers: int,
    out: Path,
    precision: Precision | None = None,
) -> None:
    """Train one model to the end of its plan, from its checkpoint if there is one.

    Args:
        name: what the model and its checkpoint are called.
        folder: paintings and checkpoints.
        plan: what to train.
        device: where.
        workers: processes that paint.
        out: the model folder appears in it.
        precision: arithmetic and threads; measured if None.

    Raises:
        ValueError: paintings or a checkpoint are broken or of another world or plan.
        FloatingPointError: a loss is not finite. The last checkpoint is kept.
        KeyboardInterrupt: after the checkpoint was written.
    """
    place = torch.device(device)
    data = paintings(plan.seed, plan.scenes, plan.many_hands, folder, workers)
    scenes = fingerprint(plan.seed, plan.scenes, plan.many_hands)
    # Through JSON and back: a tuple and a list are the same plan.
    wanted = json.loads(json.dumps({"plan": asdict(plan)} | scenes))
    checkpoint = folder / f"{name}.pt"
    kept = read_checkpoint(checkpoint, wanted, place) if checkpoint.exists() else None
    if precision is None:
        precision = measured_precision(plan, data, place)
    print(f"{name}: {precision}")
    torch.set_num_threads(precision.threads)
    begin = plan.tuned and kept is None
    run = Run(plan, place, precision, embedded_weights(MODELS / name) if begin else None)
    if kept is not None:
        run.restore(kept)
        print(f"{name}: going on from step {run.step} of {checkpoint}")

    def keep() -> None:
        state = run.state() | {"fingerprint": json.dumps(wanted)}
        write_atomically(checkpoint, lambda file: torch.save(state, file))

    last_kept = time.monotonic()
    bar = tqdm(total=plan.steps, desc=name, initial=run.step)
    with _interrupts() as interrupted:
        while run.step < plan.steps:
            try:
                losses = run.advance(data)
            except FloatingPointError as error:
                raise FloatingPointError(
                    f"{name}: {error}; {checkpoint} holds the last good step. Start again to go on "
                    "from there, or lower the plan's learning rate"
                ) from None
            bar.update()
            if run.step % 20 == 0:
                bar.set_postfix({key: f"{value:.2f}" for key, value in losses.items()})
            if interrupted or time.monotonic() - last_kept > KEEP_EVERY:
                keep()
                last_kept = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt(
                    f"{name} stopped after step {run.step}; start again to go on"
                )
        keep()
    bar.close()
    model = run.averaged()
    if plan.emphasis:
        model = emphasize(model, plan.emphasis, plan.seed)
    save(model, plan, out / name)
    print(f"{name}: saved to {out / name}")


def measured_precision(plan: Plan, data: dict[str, np.ndarray], place: torch.device) -> Precision:
    """The arithmetic in which this processor does one step of this plan fastest."""
    run = Run(plan, place, Precision("float32", torch.get_num_threads(), place.type))

    def step() -> None:
        sum(run.losses(data, 0).values()).backward()

    return choose_precision(step, device=place)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded CLIPs (resumes by itself).")
    parser.add_argument("names", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}")
    parser.add_argument("--folder", type=Path, default=Path("build/picturebook"))
    parser.add_argument("--out", type=Path, default=MODELS, help="where the model folders go")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of torch, at most; all cores unless given")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="painters")
    print_plainly()
    args = parser.parse_args()
    for name in args.names:
        if name not in PLANS:
            parser.error(f"no plan for {name!r}; there are {', '.join(PLANS)}")
    for option in ("threads", "workers"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            parser.error(f"--{option} is at least 1, got {getattr(args, option)}")
    if args.threads:
        torch.set_num_threads(args.threads)
    with exit_on_user_error(parser):
        for name in args.names:
            train(
                name,
                args.folder,
                PLANS[name],
                device=args.device,
                workers=args.workers,
                out=args.out,
            )


if __name__ == "__main__":
    main()
