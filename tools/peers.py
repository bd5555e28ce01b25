"""The loops of three other projects, in our own words, to be timed beside ours by `bench.py`.

What they do in a step is theirs, read on 2026-11-28 from what they publish: which numbers are
optimised, how views are cut and changed, what is added to the loss. The words are ours, the encoder
and the number of views are what the benchmark gives to all. What they do besides (showing, saving
and printing) is left out, and so are options that are off by default.

They are for timing: their pictures on a model that they were not tuned on say nothing of them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import transforms as T
from torchvision.transforms import functional as TF

from dreamlab.clip import Clip


def descent(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], None]:
    """One step of the optimizer, to be called as often as one likes."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def clip_guided_rgb(clip: Clip, prompt: str, size: int, views: int) -> Callable[[], None]:
    """Adam on pixels in [−1, 1]; crops of up to 64 pixels, each changed on its own.

    CLIPguidedRGB (Crowson and Spirin 2021, MIT licence), https://github.com/Sxela/CLIPguidedRGB,
    function `fit` of the notebook's first part.
    """
    text = clip.encode_text(prompt)
    change = T.Compose(
        [
            T.Resize(clip.image_size, antialias=False),  # as torchvision did then
            T.Lambda(lambda x: ((x + 1) / 2).clamp(0, 1)),
            T.RandomGrayscale(0.2),
            T.Lambda(lambda x: x + 0.01 * torch.randn_like(x)),
        ]
    )
    pixels = torch.rand(1, 3, size, size, device=clip.device, requires_grad=True)

    def loss() -> Tensor:
        shares = [1.0, *torch.rand(views - 1).tolist()]
        crops = []
        for share in shares:
            side = int(min(max(0.2, share) * size, 64))
            top, left = (int(torch.rand(1) * (size - side)) for _ in range(2))
            crops.append(change(pixels[..., top : top + side, left : left + side]))
        seen = torch.cat(crops)
        total = torch.zeros((), device=clip.device)
        for row, share in zip(clip.encode_image(seen), shares, strict=True):
            total = total + F.mse_loss(row[None], text).sqrt() * share / sum(shares)
        for crop in seen:  # computed even when their weights are 0, as they are by default
            over = (crop - crop.clamp(-1, 1)).square().mean()
            padded = F.pad(crop[None], (0, 1, 0, 1), "replicate")
            right = padded[..., :-1, 1:] - padded[..., :-1, :-1]
            down = padded[..., 1:, :-1] - padded[..., :-1, :-1]
            total = total + 0 * over + 0 * (right.square() + down.square()).mean()
        return total

    return descent(torch.optim.Adam([pixels], lr=1e-2), loss)


def aphantasia(clip: Clip, prompt: str, size: int, views: int) -> Callable[[], None]:
    """Adam on Fourier coefficients in decorrelated colours; each cut turned, bent and holed.

    aphantasia (Epstein 2021–2025, MIT licence), https://github.com/eps696/aphantasia, `clip_fft.py`
    with its defaults: FFT coefficients, transforms "fast", similarity "mix".
    """
    device, side_seen = clip.device, clip.image_size
    text = clip.encode_text(prompt)
    waves = torch.hypot(torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)).to(device)
    scale = size / waves.clamp(min=4 / size) ** 1.5
    colours = torch.tensor([[0.26, 0.27, 0.27], [0.09, 0.0, -0.09], [0.02, -0.05, 0.03]])
    colours[0] /= 1.8
    colours = (colours / colours.norm(dim=1).max()).to(device)
    bend, erase = T.RandomPerspective(0.33, 0.2), T.RandomErasing(0.2)
    coefficients = 0.01 * torch.randn(1, 3, *scale.shape, 2, device=device)
    coefficients.requires_grad_()

    def cut(image: Tensor) -> Tensor:
        smallest = 0.9 * size if torch.rand(1) < 0.4 else min(side_seen, size)
        side = int(smallest + torch.rand(1) * (size - smallest))
        top, left = (int(torch.rand(1) * (size - side)) for _ in range(2))
        part = image[..., top : top + side, left : left + side]
        view = F.interpolate(part, (side_seen, side_seen), mode="bicubic", align_corners=True)
        angle = float(torch.randint(-30, 30, ()))
        turned = TF.rotate(erase(bend(view)), angle, T.InterpolationMode.BILINEAR)
        return TF.center_crop(turned, [side_seen, side_seen])

    def loss() -> Tensor:
        spectrum = torch.view_as_complex(scale[..., None] * coefficients)
        image = torch.fft.irfft2(spectrum, s=(size, size), norm="ortho")
        image = torch.einsum("nchw,cd->ndhw", image / image.std(), colours).sigmoid()
        seen = clip.encode_image(torch.cat([cut(image) for _ in range(views)]))
        cosine = torch.cosine_similarity(text, seen, dim=-1)
        sphere = 2 * ((text - seen).norm(dim=-1) / 2).asin().square()
        return 0.25 * sphere.mean() - cosine.mean()

    return descent(torch.optim.Adam([coefficients], lr=0.05, betas=(0.0, 0.999)), loss)


def direct_ascent(clip: Clip, prompt: str, size: int, views: int) -> Callable[[], None]:
    """SGD on a sum of layers of all sizes, rolled, cut in the middle and noised for each view.

    Direct Ascent Synthesis (Fort and Whitaker 2025), arXiv:2502.07753 and
    https://github.com/stanislavfort/Direct_Ascent_Synthesis, as it stands in a script that builds
    on that demo, https://github.com/zer0int/CLIP-Direct-Ascent-Synthesis, function
    `generate_image`: a layer of every size from one pixel to the canvas.
    """
    text = clip.encode_text(prompt)
    sides = range(1, size + 1)
    layers = [torch.zeros(1, 3, n, n, device=clip.device, requires_grad=True) for n in sides]
    inside = min(size, clip.image_size)
    margin = (size - inside) // 2
    roll = inside // 4

    def loss() -> Tensor:
        total = torch.zeros(1, 3, size, size, device=clip.device)
        for layer in layers:
            mode = "bicubic" if layer.shape[-1] > 1 else "nearest"
            total = total + F.interpolate(layer, (size, size), mode=mode)
        image = (1 + total.tanh()) / 2
        copies = []
        for _ in range(views):
            shifts = torch.randint(-roll, roll + 1, (2,)).tolist()
            moved = image.roll(shifts, (-2, -1))
            part = moved[..., margin : margin + inside, margin : margin + inside]
            copies.append((part + 0.2 * torch.rand_like(part)).clamp(0, 1))
        return -(clip.encode_image(torch.cat(copies)) @ text.T).mean()

    return descent(torch.optim.SGD(layers, lr=0.1), loss)


PEERS = {
    "CLIPguidedRGB": clip_guided_rgb,
    "aphantasia": aphantasia,
    "Direct Ascent Synthesis": direct_ascent,
}
