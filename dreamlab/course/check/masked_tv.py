"""Checks of chapter 4: how much more one direction counts, equal mean weight, a calmer slope, κ."""

from collections.abc import Callable

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, alike, ask_number, ask_tensor, verdict
from dreamlab.mask import detail_mask


@verdict
def coherence(answer: Callable) -> str:
    """Check `answer(xx, yy, xy)`: λ₁ − λ₂ of the matrices [[xx, xy], [xy, yy]], tensors (h, w)."""
    slopes = torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(1))
    right, down = slopes
    xx, yy, xy = ((a * b).mean(0) for a, b in ((right, right), (down, down), (right, down)))
    found = ask_tensor(answer, xx, yy, xy, shape=xx.shape)
    root = ((xx - yy).square() + 4 * xy.square()).sqrt()
    first, second = (xx + yy + root) / 2, (xx + yy - root) / 2
    if alike(found, root):
        # Flat: both are 0, and so is their difference. Any direction: all lies in one of them.
        nothing = torch.zeros(1, 2)
        none = ask_tensor(answer, nothing, nothing, nothing, shape=nothing.shape)
        if not alike(none, nothing, atol=2e-3):  # a small number under the root may show
            raise NotYet("where nothing changes at all, the difference should be 0")
        return "it is 0 where all directions are alike, and large where one stands out."
    usual = {
        "the sign is the wrong way round: λ₁ is the greater one": -root,
        "that is the square of the difference; take the root": root.square(),
        "that is half of the difference": root / 2,
        "that is λ₁ alone; subtract λ₂": first,
        "that is λ₂ alone; it should be subtracted from λ₁": second,
        "that is the sum λ₁ + λ₂, all the change there is; the difference is wanted": xx + yy,
        "that is λ₁ · λ₂; the difference is wanted": first * second,
        "that leaves out xy, so it does not see a diagonal edge": (xx - yy).abs(),
        "that leaves out xy, and has a sign: it does not see a diagonal edge": xx - yy,
        "under the root, xy² counts four times": ((xx - yy).square() + xy.square()).sqrt(),
        "under the root, xy² counts four times, not twice": (
            (xx - yy).square() + 2 * xy.square()
        ).sqrt(),
        "that is the share (λ₁ − λ₂) / (λ₁ + λ₂); the difference itself is wanted": root
        / (xx + yy),
    }
    for sentence, value in usual.items():
        if alike(found, value):
            raise NotYet(sentence)
    raise NotYet(
        f"for xx = {xx[0, 0]:.2f}, yy = {yy[0, 0]:.2f}, xy = {xy[0, 0]:.2f} it gives "
        f"{found[0, 0]:.2f}, and {root[0, 0]:.2f} is due"
    )


@verdict
def equal_weight(answer: Callable) -> str:
    """Check `answer(masks)`: masks (n, 1, h, w), each brought to the mean 1 by a factor."""
    generator = torch.Generator().manual_seed(2)
    for count in (3, 1):
        masks = torch.rand(count, 1, 6, 8, generator=generator)
        masks = masks.pow(torch.linspace(0.5, 4, count).view(-1, 1, 1, 1)) * 0.9 + 0.05
        found = ask_tensor(answer, masks, shape=masks.shape)
        means = masks.mean((1, 2, 3), keepdim=True)
        if alike(found, masks / means):
            continue
        if alike(found, masks / masks.mean()):
            raise NotYet(
                "the mean of all masks together is 1, but not that of each: one picture would be "
                "smoothed more strongly because of another"
            )
        if alike(found, masks / masks.amax((1, 2, 3), keepdim=True)) or alike(
            found, masks / masks.max()
        ):
            raise NotYet("now the greatest weight is 1; it is the mean that should be")
        if alike(found, masks / masks.sum((1, 2, 3), keepdim=True)) or alike(
            found, masks / masks.sum()
        ):
            raise NotYet("now the sum is 1; it is the mean that should be")
        if alike(found, masks * means):
            raise NotYet("multiplied instead of divided by the mean")
        if alike(found, masks + 1 - means):
            raise NotYet(
                "the mean is 1, but by adding: an edge is no longer spared by the same factor; "
                "multiply instead"
            )
        if alike(found, masks):
            raise NotYet("the masks are as they were")
        if alike(found.mean((1, 2, 3)), torch.ones(count)):
            raise NotYet(
                "the means are 1, but the masks are no longer what they were, times a factor"
            )
        raise NotYet(
            f"the means should be 1 each, and are "
            f"{', '.join(f'{mean:.2f}' for mean in found.mean((1, 2, 3)).tolist())}"
        )
    return "each picture is smoothed with the same mean weight, and only the place differs."


EDGE = 20  # the first bright column


def _cards() -> tuple[Tensor, Tensor, Tensor]:
    """A flat card, one of noise and one with an edge, each (1, 40, 40)."""
    flat = torch.full((1, 40, 40), 0.5)
    noise = 0.25 * torch.randn(1, 40, 40, generator=torch.Generator().manual_seed(3))
    edge = flat.clone()
    edge[..., :EDGE] -= 0.25
    edge[..., EDGE:] += 0.25
    return flat, flat + noise, edge


@verdict
def calm_mask(answer: Callable) -> str:
    """Check `answer(image, kappa)`: 1 / (1 + slope² / κ²), the slope being that of the *blurred*
    image (1, h, w). Any blur and any way to take slopes are right that tell noise from an edge.
    """
    kappa = 0.04
    flat, noise, edge = _cards()
    found = [ask_tensor(answer, card, kappa, shape=card.shape) for card in (flat, noise, edge)]
    on_flat, on_noise, on_edge = (mask[..., 10:-10, 8:-8] for mask in found)
    at_edge = on_edge[..., EDGE - 9 : EDGE - 7].mean()
    if not alike(on_flat, torch.ones_like(on_flat)):
        if alike(on_flat, torch.zeros_like(on_flat)):
            raise NotYet("flat regions get 0: that is the trust; the smoothing weight is 1 there")
        raise NotYet(f"a flat card gets {on_flat.mean():.2f} on average; nothing changes there: 1")
    if min(mask.min() for mask in found) < 0 or max(mask.max() for mask in found) > 1 + 1e-6:
        raise NotYet("a weight is between 0 and 1; some of yours are not")
    if on_noise.mean() < 0.4:
        raise NotYet(
            f"noise gets {on_noise.mean():.2f} on average, so it is still spared; blur the image "
            "before you take its slopes"
        )
    if at_edge > 0.5:
        raise NotYet(
            f"the edge gets {at_edge:.2f}; it should be spared. Is the blur too wide, or the slope "
            "not squared, or not divided by κ²?"
        )
    wider = ask_tensor(answer, edge, 2 * kappa, shape=edge.shape)[..., 10:-10, EDGE - 4 : EDGE + 4]
    narrow = on_edge[..., EDGE - 12 : EDGE - 4]
    if not wider.mean() > narrow.mean() + 0.02:
        raise NotYet("with a greater κ the edge should be spared less; κ has no such effect here")
    # Whatever the slope is: the same one must come out of M at either κ.
    first, second = (
        k**2 * (1 / mask.clamp(min=1e-9) - 1) for k, mask in ((kappa, narrow), (2 * kappa, wider))
    )
    clear = (narrow > 0.02) & (narrow < 0.9)
    if not clear.any() or not alike(first[clear], second[clear], rtol=0.05):
        raise NotYet(
            "it spares the edge, but by another rule than 1 / (1 + slope² / κ²); are the slope and "
            "κ squared?"
        )
    return "noise is blurred away before it can look like an edge."


@verdict
def kappa_for(answer: Callable) -> str:
    """Check `answer(height)`: the κ for which `detail_mask` gives an edge of this height ½."""
    for height in (0.5, 0.1, 0.25, 0.8):
        kappa = ask_number(answer, height)
        if not 0 < kappa < 10:
            raise NotYet(f"for a height of {height} it gives κ = {kappa:.3g}; κ is a slope above 0")
        card = torch.full((1, 64, 64), 0.5 - height / 2)
        card[..., 32:] += height
        weight = float(detail_mask(card, kappa=kappa)[0, 32, 31:33].mean())
        if 0.45 <= weight <= 0.55:
            continue
        size = "too small" if weight < 0.5 else "too large"
        hint = "" if height == 0.5 else "; does it grow with the height, and as fast?"
        raise NotYet(
            f"an edge of height {height} gets M = {weight:.2f} with your κ = {kappa:.4f}, which is "
            f"{size}{hint}"
        )
    return "κ grows as the height does, and half the weight is where it should be."
