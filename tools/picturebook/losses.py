"""What the two embedded CLIPs are trained for, each loss a few lines.

Both learn the CLIP loss and, because we drew the scenes and know all about them, their attributes.
The dreamer also learns *gradients that draw*: at a spoiled picture, the gradient of the cosine with
the right caption must point at the drawing. The judge also learns what has *no shape*: tiles,
scrambles and textures belong to no thing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamlab.picturebook.world import ATTRIBUTES

# Weights of the attribute loss: shapes are learned last, colours and backgrounds in no time.
HARD = {"object": 3.0, "colour": 1.0, "texture": 1.5, "count": 1.0, "background": 0.5}
SIZES = {kind: len(values) for kind, values in ATTRIBUTES.items()}
# What a token is asked: who owns it (a background or a thing), its colour, its texture.
TOKEN_SIZES = (SIZES["background"] + SIZES["object"], SIZES["colour"], SIZES["texture"])
NOTHING = 0.1  # the cosine with its caption that a picture without shape may keep


class Heads(nn.Module):
    """What training needs and the model does not keep.

    Args:
        width: of a vision transformer's tokens, to ask each of them; None asks none.
    """

    def __init__(self, width: int | None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.5))  # log temperature of the attribute loss
        self.token = nn.Linear(width, sum(TOKEN_SIZES)) if width else None

    def logits(self, cosines: Tensor) -> Tensor:
        """Cosines with the zero-shot prompts, at their learned temperature."""
        return self.scale.exp() * cosines


def contrastive_loss(image: Tensor, text: Tensor, words: Tensor, scale: Tensor) -> Tensor:
    """The CLIP loss (Radford et al. 2021): pictures and captions of a batch must find each other.

    Equal captions are right answers for each other's pictures. More pictures than captions may be
    given: the later ones belong to none, and every caption must prefer its own to them.

    Args:
        image, text: (b or more, d) and (b, d), unit rows.
        words: (b, n) token numbers, to tell equal captions.
        scale: the inverse temperature.
    """
    b = len(text)
    logits = scale * image @ text.T
    same = (words[:, None] == words[None]).all(-1).float()
    target = same / same.sum(-1, keepdim=True)
    find_text = -(target * logits[:b].log_softmax(-1)).sum(-1).mean()
    find_image = -(target * logits.T.log_softmax(-1)[:, :b]).sum(-1).mean()
    return (find_text + find_image) / 2


def attribute_loss(logits: Tensor, numbers: Tensor) -> Tensor:
    """Cross-entropy among the zero-shot prompts of each attribute; two items share the mass.

    A batch is easily sorted by colour and background alone, so without this loss shapes come last.

    Args:
        logits: (b, prompts), in the order of `world.ATTRIBUTES`.
        numbers: (b, 9), as `scenes.attributes` gives them.
    """
    loss = logits.new_zeros(())
    start = 0
    for place, (kind, size) in enumerate(SIZES.items()):
        columns = numbers[:, :1] if kind == "background" else numbers[:, [1 + place, 5 + place]]
        hit = F.one_hot(columns + 1, size + 1)[..., 1:].sum(1).float()
        weight = hit.sum(1).clamp(max=1)
        target = hit / hit.sum(1, keepdim=True).clamp(min=1)
        entropy = -(target * logits[:, start : start + size].log_softmax(-1)).sum(-1)
        loss = loss + HARD[kind] * (entropy * weight).sum() / weight.sum().clamp(min=1)
        start += size
    return loss


def token_loss(logits: Tensor, shares: Tensor, numbers: Tensor) -> Tensor:
    """Each patch says whose it is, and that thing's colour and texture (after Jiang et al. 2021).

    Args:
        logits: (b, n, sum(TOKEN_SIZES)), one row for each patch.
        shares: (b, n, 3), how much of a patch the background and both kinds of things own.
        numbers: (b, 9), as `scenes.attributes` gives them.
    """
    owner, colour, texture = logits.split(TOKEN_SIZES, -1)

    def targets(place: int, size: int, offset: int = 0) -> Tensor:
        columns = numbers[:, [1 + place, 5 + place]]
        known = F.one_hot(columns.clamp(min=0) + offset, size).float()
        known = known * (columns >= 0).float()[..., None]  # (b, 2, size)
        return shares[..., 1:] @ known

    ground = F.one_hot(numbers[:, 0].clamp(min=0), TOKEN_SIZES[0]).float()[:, None]
    wanted = ground * shares[..., :1] + targets(0, TOKEN_SIZES[0], SIZES["background"])
    loss = -(wanted * owner.log_softmax(-1)).sum(-1).mean()
    for place, answer in ((1, colour), (2, texture)):
        wanted = targets(place, answer.shape[-1])
        # Divided by the covered share: a small thing in a wide view must still be looked at.
        loss = loss - (wanted * answer.log_softmax(-1)).sum() / wanted.sum().clamp(min=1)
    return loss


def alignment_loss(gradient: Tensor, wanted: Tensor, things: Tensor) -> Tensor:
    """How far the gradient points away from the drawing, 0 to 8: one minus cosines, added up.

    The score of a distribution, ∇ log p(picture | caption), points from a noisy picture to what it
    was on average (denoising score matching: Vincent 2011). The cosine of a CLIP is trained to be
    such a log p, up to its size (energies trained that way: Salimans and Ho 2021). Directions only
    are compared: of the whole picture, of where things stand (a small heart counts like a large
    sky), and of two bands of detail, which the whole, being mostly large areas, leaves out.

    Args:
        gradient, wanted: (b, 3, n, n), the gradient of the cosine and drawing minus picture.
        things: (b, 1, n, n), the share of things in each pixel.
    """

    def away(a: Tensor, b: Tensor) -> Tensor:
        return 1 - F.cosine_similarity(a.flatten(1), b.flatten(1))

    seen = (things.flatten(1).sum(1) > 4).float()
    loss = away(gradient, wanted).mean()
    loss = loss + (seen * away(gradient * things, wanted * things)).sum() / seen.sum().clamp(min=1)
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
    whole: Tensor,
    fool: Tensor,
    right: Tensor,
    false: Tensor,
    fool_logits: Tensor,
    scale: Tensor,
) -> Tensor:
    """Which thing it is must be answered by its shape, and by nothing else.

    A drawing must prefer its caption to the same words about other things. What has the same
    colours and textures and no shape must look like no caption, no more like the right than like a
    false one, and name no object.

    Args:
        whole, fool: (k, d), drawings and shapeless pictures made of them.
        right, false: (k, d) and (k, f, d), complete captions, true and about other things.
        fool_logits: (k, prompts) of the fools, in the order of `world.ATTRIBUTES`.
        scale: the inverse temperature.
    """
    choices = torch.cat([right[:, None], false], 1)
    cosines = (choices @ whole[..., None])[..., 0]
    first = torch.zeros(len(whole), dtype=torch.long, device=whole.device)
    found = F.cross_entropy(scale * cosines, first)
    fooled = (choices @ fool[..., None])[..., 0]
    near = (fooled - NOTHING).clamp(min=0).square().mean()
    tells = (fooled - fooled.mean(1, keepdim=True)).square().mean()
    named = -fool_logits[:, : SIZES["object"]].log_softmax(-1).mean()
    return found + 20 * near + 20 * tells + named
