"""What the embedded CLIPs are trained for: each loss a function of what the model answered.

Both learn the CLIP loss and, since we drew the scenes and know all about them, their attributes.
The dreamer also learns *gradients that draw*: at a corrupted picture, the gradient of the cosine
with the right caption must point at the drawing. The judge also learns *shape*: tiles, warps and
textures of an object must look like no object.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from captions import ATTRIBUTES

# Weights of the attribute loss: shapes are learned last, colours and backgrounds at once.
WEIGHTS = {"object": 3.0, "colour": 1.0, "texture": 1.5, "count": 1.0, "background": 0.5}
SIZES = {kind: len(values) for kind, values in ATTRIBUTES.items()}
# What a patch token is asked: its owner (a background or an object), its colour, its texture.
TOKEN_SIZES = (SIZES["background"] + SIZES["object"], SIZES["colour"], SIZES["texture"])
SHAPELESS_COSINE = 0.1  # with its caption, which a picture without shape may keep


class Heads(nn.Module):
    """Parameters that only the losses need; they are not saved with the model.

    Args:
        width: of a vision transformer's tokens; None for a model without a token loss.
    """

    def __init__(self, width: int | None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.5))  # log inverse temperature of the attributes
        self.token = nn.Linear(width, sum(TOKEN_SIZES)) if width else None

    def logits(self, cosines: Tensor) -> Tensor:
        """Logits of cosines with the zero-shot prompts."""
        return self.scale.exp() * cosines


def contrastive_loss(image: Tensor, text: Tensor, tokens: Tensor, scale: Tensor) -> Tensor:
    """The CLIP loss (Radford et al. 2021): pictures and captions of a batch must find each other.

    Equal captions are right answers for each other's pictures. More pictures than captions may be
    given: the later ones belong to none, and every caption must prefer its own to them.

    Args:
        image, text: (b or more, d) and (b, d), unit rows.
        tokens: (b, n), to tell equal captions.
        scale: the inverse temperature.
    """
    b = len(text)
    logits = scale * image @ text.T
    same = (tokens[:, None] == tokens[None]).all(-1).float()
    target = same / same.sum(-1, keepdim=True)
    find_text = -(target * logits[:b].log_softmax(-1)).sum(-1).mean()
    find_image = -(target * logits.T.log_softmax(-1)[:, :b]).sum(-1).mean()
    return (find_text + find_image) / 2


def attribute_loss(logits: Tensor, attributes: Tensor) -> Tensor:
    """Cross-entropy among the zero-shot prompts of each attribute; two items share the mass.

    A batch is easily sorted by colour and background alone, so without this loss shapes come last.

    Args:
        logits: (b, prompts), in the order of `captions.ATTRIBUTES`.
        attributes: (b, 9), see `data.attributes`.
    """
    loss = logits.new_zeros(())
    start = 0
    for place, (kind, size) in enumerate(SIZES.items()):
        wanted = (
            attributes[:, :1] if kind == "background" else attributes[:, [1 + place, 5 + place]]
        )
        hit = F.one_hot(wanted + 1, size + 1)[..., 1:].sum(1).float()
        weight = hit.sum(1).clamp(max=1)
        target = hit / hit.sum(1, keepdim=True).clamp(min=1)
        entropy = -(target * logits[:, start : start + size].log_softmax(-1)).sum(-1)
        loss = loss + WEIGHTS[kind] * (entropy * weight).sum() / weight.sum().clamp(min=1)
        start += size
    return loss


def token_loss(logits: Tensor, shares: Tensor, attributes: Tensor) -> Tensor:
    """Cross-entropy of each patch's owner, and of its colour and texture (after Jiang et al. 2021).

    Args:
        logits: (b, n, sum(TOKEN_SIZES)), one row for each patch.
        shares: (b, n, 3), how much of a patch background, first and second item own.
        attributes: (b, 9), see `data.attributes`.
    """
    owner, colour, texture = logits.split(TOKEN_SIZES, -1)

    def targets(place: int, size: int, offset: int = 0) -> Tensor:
        wanted = attributes[:, [1 + place, 5 + place]]
        known = F.one_hot(wanted.clamp(min=0) + offset, size).float()
        known = known * (wanted >= 0).float()[..., None]  # (b, 2, size)
        return shares[..., 1:] @ known

    ground = F.one_hot(attributes[:, 0].clamp(min=0), TOKEN_SIZES[0]).float()[:, None]
    wanted = ground * shares[..., :1] + targets(0, TOKEN_SIZES[0], SIZES["background"])
    loss = -(wanted * owner.log_softmax(-1)).sum(-1).mean()
    for place, answer in ((1, colour), (2, texture)):
        wanted = targets(place, answer.shape[-1])
        # Divided by the covered share: a small object in a wide view must still be looked at.
        loss = loss - (wanted * answer.log_softmax(-1)).sum() / wanted.sum().clamp(min=1)
    return loss


def alignment_loss(gradient: Tensor, wanted: Tensor, objects: Tensor) -> Tensor:
    """How far the gradient points away from the drawing: a sum of one minus cosines, 0 to 6.

    The score of a distribution, ∇ log p(picture | caption), points from a noisy picture to what it
    was on average (denoising score matching: Vincent 2011). The cosine of a CLIP is trained to be
    such a log p, up to its size (energies trained that way: Salimans and Ho 2021). Directions only
    are compared: of the whole picture, of where objects stand (a small heart counts like a large
    sky), and of two bands of detail, which the whole, being mostly large areas, leaves out.

    Args:
        gradient, wanted: (b, 3, n, n), the gradient of the cosine and drawing minus picture.
        objects: (b, 1, n, n), the share of objects in each pixel.
    """

    def away(a: Tensor, b: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(a.flatten(1), b.flatten(1))

    seen = (objects.flatten(1).sum(1) > 4).float()
    loss = away(gradient, wanted).mean()
    there = away(gradient * objects, wanted * objects)
    loss = loss + (seen * there).sum() / seen.sum().clamp(min=1)
    for a, b in list(zip(_bands(gradient, 3), _bands(wanted, 3), strict=True))[1:]:
        loss = loss + away(a, b).mean() / 2
    return loss


def _bands(images: Tensor, how_many: int) -> list[Tensor]:
    """What each halving of the size takes away, finest first (a Laplacian pyramid of boxes)."""
    bands = []
    for _ in range(how_many):
        half = F.avg_pool2d(images, 2)
        bands.append(images - F.interpolate(half, scale_factor=2, mode="nearest"))
        images = half
    return bands


def shape_loss(
    drawing: Tensor,
    negative: Tensor,
    right: Tensor,
    false: Tensor,
    negative_logits: Tensor,
    scale: Tensor,
) -> Tensor:
    """Which object it is must be answered by its shape, and by nothing else.

    A drawing must prefer its caption to the same words about other objects. What has the same
    colours and textures and no shape must look like no caption, no more like the right than like a
    false one, and name no object.

    Args:
        drawing, negative: (k, d), drawings and shapeless negatives made of them, unit rows.
        right, false: (k, d) and (k, f, d), complete captions, true and about other objects.
        negative_logits: (k, prompts) of the negatives, in the order of `captions.ATTRIBUTES`.
        scale: the inverse temperature.
    """
    choices = torch.cat([right[:, None], false], 1)
    cosines = (choices @ drawing[..., None])[..., 0]
    first = torch.zeros(len(drawing), dtype=torch.long, device=drawing.device)
    found = F.cross_entropy(scale * cosines, first)
    shapeless = (choices @ negative[..., None])[..., 0]
    near = (shapeless - SHAPELESS_COSINE).clamp(min=0).square().mean()
    tells = (shapeless - shapeless.mean(1, keepdim=True)).square().mean()
    named = -negative_logits[:, : SIZES["object"]].log_softmax(-1).mean()
    return found + 20 * near + 20 * tells + named
