"""The model in training: a CLIP, and what its training needs and does not save with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from augment import IMAGE, uniform, visible_attributes, with_margin
from data import Batch, vocabulary, zero_shot_prompts
from dreamlab.dream import unit_rms
from losses import Heads, attribute_loss, contrastive_loss, token_loss

if TYPE_CHECKING:
    from precision import Precision

MEAN, STD = 0.5, 0.25  # by which the models normalise pictures


@dataclass(frozen=True)
class Plan:
    """All that decides what a model becomes."""

    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    embed_dim: int
    seed: int
    steps: int
    batch: int
    scenes: int
    many_styles: bool  # in which scenes are painted; else the picture book's own
    gradient: bool  # train the gradient (the dreamer) or the shape (the judge)
    learning_rate: float
    cooling: float  # of the steps, at the end, with a falling learning rate
    warmup: int = 100  # steps
    weight_decay: float = 0.05
    patches: float = 1.0  # share of the patches that the dreamer sees of a picture
    all_patches: float = 0.0  # of the steps, at the end, when it sees them all
    persistent: float = 0.0  # share of the dreamer's batch that are persistent samples
    emphasis: float = 0.0  # how far captions are pushed towards their object in the end
    start: str = ""  # the model that it begins with; random weights if empty
    settings: int = 0  # of canonical scenes (`canonical`), each painted with every object
    stay: float = 15 / 16  # chance of a persistent sample to be there in the next step
    climb: tuple[float, float] = (0.02, 0.1)  # RMS of a sample's step, values in [0, 1]

    def learning_rate_at(self, step: int) -> float:
        """Warm up, stay, and fall to zero over the last part of the steps."""
        left = (self.steps - step) / (self.cooling * self.steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, left)


class PatchSelection(nn.Module):
    """Hides a part of the patches, so that a step is as much cheaper (FLIP: Li et al. 2023).

    Patches of objects are kept twice as readily as those of a background. Stands where open_clip
    would drop patches at random, and remembers in `order` which it kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.order: Tensor | None = None

    def draw(self, objects: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """Draw the patches to keep, for pictures whose objects are (b, 1, 64, 64).

        Returns:
            Which pixels are seen, (b, 1, 64, 64), 0 or 1.
        """
        owned = F.avg_pool2d(objects, IMAGE // 8).flatten(1)  # (b, 64)
        # The keys of weighted sampling without replacement (Efraimidis and Spirakis 2006).
        keys = uniform(0, 1, owned.shape, generator, owned).log() / (1 + owned)
        self.order = keys.topk(round(share * owned.shape[1]), dim=1).indices.sort(1).values
        seen = torch.zeros_like(owned).scatter_(1, self.order, 1.0)
        return F.interpolate(seen.view(-1, 1, 8, 8), scale_factor=IMAGE // 8, mode="nearest")

    def forward(self, tokens: Tensor) -> Tensor:
        if self.order is None:
            return tokens
        kept = self.order[..., None].expand(-1, -1, tokens.shape[-1])
        return torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, kept)], 1)


class PersistentSamples:
    """Pictures that climb the model's own gradient while it learns, each towards its drawing.

    A gradient that was right at every corrupted drawing still leads astray, step by step, to
    pictures that no corruption makes: too large, too bright. So it is also trained where it leads
    (DAgger: Ross et al. 2011; persistent chains: Tieleman 2008), at no cost, since the gradient is
    at hand.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows: dict[str, Tensor] = {}

    def renew(self, fresh: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """Replace by chance some rows by fresh ones, each (n, …); returns all rows."""
        stay = torch.rand(len(fresh["picture"]), generator=generator) < self.plan.stay
        for name, rows in fresh.items():
            keep = stay.to(rows.device).view(-1, *[1] * (rows.ndim - 1))
            self.rows[name] = torch.where(keep, self.rows.get(name, rows), rows)
        return self.rows

    def climb(self, gradient: Tensor, generator: torch.Generator) -> None:
        """A step along the gradient (n, 3, h, w), of random length, as in a dream's recipe."""
        if not len(gradient):
            return
        length = uniform(*self.plan.climb, (len(gradient), 1, 1, 1), generator, gradient)
        self.rows["picture"] = (self.rows["picture"] + length * unit_rms(gradient)).clamp(0, 1)


class Trainee(nn.Module):
    """A CLIP with the compact vocabulary and random weights, and what its training needs."""

    def __init__(self, plan: Plan, precision: Precision) -> None:
        super().__init__()
        self.plan, self.precision = plan, precision
        self.selection, self.samples = PatchSelection(), PersistentSamples(plan)
        vision = {**plan.vision_cfg, "output_tokens": plan.gradient}
        text = {**plan.text_cfg, "vocab_size": len(vocabulary())}
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.clip = CLIP(plan.embed_dim, vision, text)
            torch.manual_seed(plan.seed + 1)
            self.heads = Heads(plan.vision_cfg["width"] if plan.gradient else None)
        if plan.gradient:
            self.clip.visual.patch_dropout = self.selection
        else:  # convolutions like their channels last
            self.clip = self.clip.to(memory_format=torch.channels_last)
        self.register_buffer("prompts", zero_shot_prompts(), persistent=False)

    def image(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """Unit rows (b, d) for pictures (b, 3, 64, 64), and the tokens of the patches seen."""
        if not self.plan.gradient:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        # On a CPU the fused bfloat16 attention is slower than its plain formula at 65 tokens, and
        # it has no second derivative.
        with self.precision.autocast(), sdpa_kernel(SDPBackend.MATH):
            seen = self.clip.visual((pictures - MEAN) / STD)
        features, tokens = seen if isinstance(seen, tuple) else (seen, None)
        return F.normalize(features.float(), dim=-1), tokens

    def text(self, *tokens: Tensor) -> tuple[Tensor, ...]:
        """Unit rows for each batch of tokens, read in one go."""
        with self.precision.autocast(), sdpa_kernel(SDPBackend.MATH):
            features = self.clip.encode_text(torch.cat(tokens))
        return F.normalize(features.float(), dim=-1).split([len(some) for some in tokens])

    @property
    def scale(self) -> Tensor:
        return self.clip.logit_scale.exp().clamp(max=100)


def reading_losses(
    model: Trainee,
    batch: Batch,
    image: Tensor,
    patches: Tensor,
    text: Tensor,
    prompts: Tensor,
    masks: Tensor,
    kept: Tensor,
    seen: Tensor | float = 1.0,
) -> dict[str, Tensor]:
    """CLIP loss and attributes of corrupted pictures: what the dreamer still reads of them.

    Args:
        model: whose heads, scale and selection of patches are used.
        batch: the paintings, n or more; the first n are read.
        image, patches, text: rows of the n pictures, tokens of their patches, their captions.
        prompts: rows of the zero-shot prompts.
        masks: (n, 3, 64, 64), of background, first and second item.
        kept, seen: (n, 1, 64, 64), how much of each pixel corruption left, and whether its patch
            is seen.
    """
    n = len(image)
    attributes = visible_attributes(batch.attributes[:n], with_margin(masks), kept * seen)
    shares = F.avg_pool2d(masks * kept, IMAGE // 8).flatten(2).transpose(1, 2)
    if model.selection.order is not None:
        shares = shares.gather(1, model.selection.order[:n, :, None].expand(-1, -1, 3))
    logits = model.heads.token(patches.float())
    return {
        "clip": contrastive_loss(image, text, batch.tokens[:n], model.scale),
        "attribute": 3 * attribute_loss(model.heads.logits(image @ prompts.T), attributes),
        "token": 1.5 * token_loss(logits, shares, attributes),
    }
