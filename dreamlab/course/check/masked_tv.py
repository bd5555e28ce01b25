"""Checks of chapter 5: equal mean weight, a calmer mask, κ; and of appendix B: coherence."""

from collections.abc import Callable

import torch
from torch import Generator

from dreamlab.mask import detail_mask

from .verdict import Table, alike, ask_number, ask_tensor, compare, raise_first, table


@table([()], seed=1)
def coherence(answer: Callable, generator: Generator) -> Table:
    """Check `answer(xx, yy, xy)`: μ₁ − μ₂ of the matrices [[xx, xy], [xy, yy]], tensors (h, w)."""
    right, down = torch.randn(2, 6, 4, 5, generator=generator)
    xx, yy, xy = ((a * b).mean(0) for a, b in ((right, right), (down, down), (right, down)))
    found = ask_tensor(answer, xx, yy, xy, shape=xx.shape)
    apart, both, cross = (xx - yy).square(), xx + yy, xy.square()
    root = (apart + 4 * cross).sqrt()
    first, second = (both + root) / 2, (both - root) / 2
    at = f"for xx = {xx[0, 0]:.2f}, yy = {yy[0, 0]:.2f}, xy = {xy[0, 0]:.2f}"
    mistakes = {
        "the sign is the wrong way round: μ₁ is the greater one": -root,
        "that is the square of the difference; take the root": root.square(),
        "that is half of the difference": root / 2,
        "that is μ₁ alone; subtract μ₂": first,
        "that is μ₂ alone; it should be subtracted from μ₁": second,
        "that is the sum μ₁ + μ₂, all the change there is; the difference is wanted": both,
        "that is μ₁ · μ₂; the difference is wanted": first * second,
        "that leaves out xy, so it does not see a diagonal edge": apart.sqrt(),
        "that leaves out xy, and has a sign: it does not see a diagonal edge": xx - yy,
        "under the root, xy² counts four times": (apart + cross).sqrt(),
        "under the root, xy² counts four times, not twice": (apart + 2 * cross).sqrt(),
        "that is the share (μ₁ − μ₂) / (μ₁ + μ₂); the difference itself is wanted": root / both,
        f"{at} it gives {found[0, 0]:.2f}, and {root[0, 0]:.2f} is due": True,
    }
    compare(found, root, mistakes)
    nothing = torch.zeros(1, 2)
    none = ask_tensor(answer, nothing, nothing, nothing, shape=nothing.shape)
    is_0 = alike(none, nothing, atol=2e-3)
    return none, {
        "it is 0 where all directions are alike, and large where one stands out.": is_0,
        "where nothing changes at all, the difference should be 0": True,
    }


@table([(3,), (1,)], seed=2)
def equal_weight(answer: Callable, generator: Generator, count: int) -> Table:
    """Check `answer(masks)`: masks (n, 1, h, w), each brought to the mean 1 by a factor."""
    each = {"dim": (1, 2, 3), "keepdim": True}
    masks = torch.rand(count, 1, 6, 8, generator=generator)
    masks = masks.pow(torch.linspace(0.5, 4, count).view(-1, 1, 1, 1)) * 0.9 + 0.05
    found, means = ask_tensor(answer, masks, shape=masks.shape), masks.mean(**each)
    now = found.mean((1, 2, 3))
    due, by_all, even = masks / means, masks / masks.mean(), alike(now, torch.ones(count))
    by_greatest = [masks / masks.amax(**each), masks / masks.max()]
    by_sum = [masks / masks.sum(**each), masks / masks.sum()]
    listed = ", ".join(f"{mean:.2f}" for mean in now.tolist())
    return found, {
        "each picture is smoothed with the same mean weight, and only the place differs.": due,
        "the mean of all is 1, but not that of each: one would be smoothed more": by_all,
        "now the greatest weight is 1; it is the mean that should be": by_greatest,
        "now the sum is 1; it is the mean that should be": by_sum,
        "multiplied instead of divided by the mean": masks * means,
        "the mean is 1 by adding; multiply, or an edge is spared less": masks + 1 - means,
        "the masks are as they were": masks,
        "the means are 1, but the masks are no longer what they were, times a factor": even,
        f"the means should be 1 each, and are {listed}": True,
    }


EDGE = 20  # the first bright column


@table([(0.04,)], seed=3)
def calm_mask(answer: Callable, generator: Generator, kappa: float) -> Table:
    """Check `answer(image, kappa)`: 1 / (1 + |∇|² / κ²) of the *blurred* image (1, h, w)."""
    flat = torch.full((1, 40, 40), 0.5)
    noise = flat + 0.25 * torch.randn(1, 40, 40, generator=generator)
    edge = flat + 0.25 - 0.5 * (torch.arange(40) < EDGE)
    cards = (flat, noise, edge)
    found = torch.stack([ask_tensor(answer, card, kappa, shape=card.shape) for card in cards])
    on_flat, on_noise, on_edge = found[..., 10:-10, 8:-8]
    noisy, at_edge = on_noise.mean(), on_edge[..., EDGE - 9 : EDGE - 7].mean()
    trust, even = (alike(on_flat, torch.full_like(on_flat, value)) for value in (0.0, 1.0))
    strange = found.min() < 0 or found.max() > 1 + 1e-6
    problems = {
        "flat regions get 0: that is the trust; the smoothing weight is 1 there": trust,
        f"a flat card gets {on_flat.mean():.2f} on average; nothing changes there: 1": not even,
        "a weight is between 0 and 1; some of yours are not": strange,
        f"noise gets {noisy:.2f}, still spared; blur before you take differences": noisy < 0.4,
        f"the edge gets {at_edge:.2f}; it should be spared. How wide is the blur?": at_edge > 0.5,
    }
    raise_first(problems)
    wider = ask_tensor(answer, edge, 2 * kappa, shape=edge.shape)[..., 10:-10, EDGE - 4 : EDGE + 4]
    narrow = on_edge[..., EDGE - 12 : EDGE - 4]
    clear, felt = (narrow > 0.02) & (narrow < 0.9), wider.mean() > narrow.mean() + 0.02
    # κ²(1 / M − 1) is |∇|², the same one at either κ.
    first, second = (1 / mask[clear].clamp(min=1e-9) - 1 for mask in (narrow, wider))
    as_asked = clear.any() and alike(first, 4 * second, rtol=0.05, atol=1e-4 / kappa**2)
    return wider, {
        "noise is blurred away before it can look like an edge.": None,
        "with a greater κ the edge should be spared less; κ has no such effect here": not felt,
        "it is by another rule than 1 / (1 + |∇|² / κ²); are |∇| and κ squared?": not as_asked,
    }


@table([(0.5,), (0.1,), (0.25,), (0.8,)])
def kappa_for(answer: Callable, height: float) -> Table:
    """Check `answer(height)`: the κ for which `detail_mask` gives an edge of this height ½."""
    kappa = ask_number(answer, height)
    low = f"for a height of {height} it gives κ = {kappa:.3g}; κ is above 0"
    raise_first({low: not 0 < kappa < 10})
    card = torch.full((1, 64, 64), 0.5 - height / 2)
    card[..., 32:] += height
    weight = float(detail_mask(card, kappa=kappa)[0, 32, 31:33].mean())
    size = "too small" if weight < 0.5 else "too large"
    hint = "" if height == 0.5 else "; does it grow with the height, and as fast?"
    says = f"an edge of height {height} gets M = {weight:.2f} with your κ = {kappa:.4f}"
    return kappa, {
        "κ grows as the height does, and half the weight is where it should be.": None,
        f"{says}, which is {size}{hint}": not 0.45 <= weight <= 0.55,
    }
