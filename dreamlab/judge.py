"""Measures of a picture: a second CLIP's opinion, and numbers that need no CLIP."""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch

from dreamlab.clip import Clip, load_clip
from dreamlab.picturebook.probe import drawn, in_pieces, probe_scenes
from dreamlab.picturebook.world import OBJECTS, caption, thing_in, variants
from dreamlab.prompts import Prompt, Rows, checked_prompts, encoder_name, is_list
from dreamlab.support.picture import read_picture
from dreamlab.support.surroundings import undisturbed

Images = Any
"""A tensor (n, 3, h, w) or (3, h, w), a PIL image, an array, a path, a `Dream`, or a list."""
BATCH = 64  # images that a CLIP encodes at a time, for the sake of memory
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue (Rec. 709)
LUMA = (0.299, 0.587, 0.114)  # Rec. 601, as in Pillow's mode "L"
# Where `spectrum_slope` fits: from 4 cycles per short side, below which the window leaks, to 0.4
# cycles per pixel, above which cameras and resizing have cut off.
BAND = (4.0, 0.4)
RINGS_PER_OCTAVE = 3
SMALLEST = 32  # px; less leaves too few rings


def as_tensors(images: Images) -> list[torch.Tensor]:
    """Pictures as tensors (k, 3, h, w), one for each picture or batch; a `Dream`'s are raw."""
    if isinstance(images, (list, tuple)):
        tensors = [tensor for image in images for tensor in as_tensors(image)]
        if not tensors:
            raise ValueError("no picture to look at: give at least one")
        return tensors
    return [read_picture(getattr(images, "pixels", images))]


def _with_prompts(images: Images, prompts: Any) -> tuple[list[torch.Tensor], list[Prompt]]:
    """The pictures as tensors, and a prompt for each: those given, or else those of the dreams."""
    tensors = as_tensors(images)
    count = sum(map(len, tensors))
    if prompts is None:
        dreams = images if isinstance(images, (list, tuple)) else [images]
        if not all(hasattr(dream, "prompts") for dream in dreams):
            raise ValueError("which prompts? Only a Dream knows its own: give prompts=…")
        prompts = [prompt for dream in dreams for prompt in dream.prompts]
    return tensors, checked_prompts("prompts", prompts, count)


def _each_once(prompts: Sequence[Prompt]) -> list[Prompt]:
    once: list[Prompt] = []
    for prompt in prompts:  # a mixture has no hash
        if prompt not in once:
            once.append(prompt)
    return once


@undisturbed(gradients=False)
def spectrum_slope(images: Images, finest: float | None = None) -> torch.Tensor:
    """The slope of each picture's power spectrum, (n,): how fast fine detail fades.

    Power falls with the frequency f like f^slope. White noise has 0, photographs −1.6 to −3.0
    (Field 1987; Torralba and Oliva 2003); steeper means blurred. Of the luminance, less its mean,
    under a Hann window: mean power in rings of equal ratio, a straight line through its logarithm
    over `BAND`, or up to `finest` cycles per short side. NaN for a single flat colour.

    Raises:
        ValueError: `finest` below 8, or a short side below 32 px.
    """
    least = 2 * BAND[0]
    if finest is not None and not finest >= least:
        raise ValueError(f"finest is in cycles per short side, at least {least:g}, got {finest}")
    tensors = as_tensors(images)
    if (side := min(min(tensor.shape[-2:]) for tensor in tensors)) < SMALLEST:
        raise ValueError(f"a spectrum needs a short side of at least {SMALLEST} px, got {side}")
    return torch.cat([_slope(tensor, finest) for tensor in tensors])


def _slope(images: torch.Tensor, finest: float | None) -> torch.Tensor:
    """The slopes of a batch; NaN if its pictures are too small."""
    height, width = images.shape[-2:]
    if min(height, width) < SMALLEST:
        return torch.full((len(images),), math.nan)
    frequency, rings = _rings(height, width, finest)
    rings_power = _power(images, LUMINANCE).flatten(1) @ rings.T
    x = frequency.log() - frequency.log().mean()
    slope = (rings_power.log() @ x) / x.square().sum()
    flat = rings_power.amin(1) < 1e-16  # what rounding leaves of a flat picture
    return slope.masked_fill(flat, math.nan).float()


def _power(images: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """The power (n, h, w) of each wave of the grey pictures, less their mean, in a Hann window."""
    images = images.clamp(0, 1).cpu().double()
    grey = torch.einsum("c,nchw->nhw", torch.tensor(weights).double(), images)
    down, across = (torch.hann_window(n, False, dtype=torch.float64) for n in images.shape[-2:])
    window = down[:, None] * across
    grey = grey - (grey * window).sum((1, 2), keepdim=True) / window.sum()
    return torch.fft.fft2(grey * window).abs().square()


@lru_cache(maxsize=16)
def _rings(height: int, width: int, finest: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Each ring's middle frequency (r,), and the weights (r, h·w) that average power over it."""
    side = min(height, width)
    low, high = BAND[0] / side, min(BAND[1], (finest or side) / side)
    down, across = (torch.fft.fftfreq(n).double() for n in (height, width))
    radius = torch.hypot(down[:, None], across).flatten()
    count = max(2, round(RINGS_PER_OCTAVE * math.log2(high / low)))
    edges = low * (high / low) ** (torch.arange(count + 1).double() / count)
    inside = (radius >= edges[:-1, None]) & (radius < edges[1:, None])
    weights = inside.double() / inside.sum(1, keepdim=True)
    return (weights @ radius.clamp(min=low).log()).exp(), weights


@undisturbed(gradients=False)
def grain_share(images: Images, finest: float) -> torch.Tensor:
    """The grain of each picture, (n,): its share of energy in waves finer than `finest` / 2.

    `finest` is in cycles per short side: 32 for a CLIP that sees it at 64 px. 0 for a flat colour.
    """
    shares = []
    for tensor in as_tensors(images):
        side, power = min(tensor.shape[-2:]), _power(tensor, LUMA)
        down, across = (side * torch.fft.fftfreq(n) for n in tensor.shape[-2:])
        fine = torch.hypot(down[:, None], across) > finest / 2
        shares.append(power[:, fine].sum(1) / power.sum((1, 2)).clamp(min=1e-9))
    return torch.cat(shares).float()


@undisturbed(gradients=False)
def out_of_range_share(images: Images) -> torch.Tensor:
    """The share of each picture's pixels that no screen shows, (n,): a channel outside [0, 1]."""
    return torch.cat([((x < 0) | (x > 1)).any(1).float().mean((1, 2)) for x in as_tensors(images)])


@undisturbed(gradients=False)
def image_features(clip: Clip, images: Images) -> torch.Tensor:
    """Unit rows (n, d) of the pictures as they are, in range or not."""
    parts = [part for tensor in as_tensors(images) for part in tensor.split(BATCH)]
    return torch.cat(list(map(clip.encode_image, parts)))


@dataclass(frozen=True)
class Answer:
    """A judge's answer to "which thing is it?"."""

    rank: int  # how many of the 25 things it prefers to the right one: 0 is right
    said: str  # the thing that it names, one of `dreamlab.picturebook.world.OBJECTS`


@dataclass(frozen=True)
class Baseline:
    """A judge's scores of drawings that are shown in a certain way, to compare dreams with."""

    what: str  # how they are shown: "whole", "16-px tiles" and so on
    cosine: "Estimate"  # with their captions, the mean
    found: "Estimate"  # share of things that it names right among 25

    def __str__(self) -> str:
        return f"{self.what}: thing named {self.found:.0%}, cosine {self.cosine:.2f}"


class Judge:
    """A CLIP that took no part in making the pictures, and what it thinks of them.

    Pictures are tensors (n, 3, h, w), PIL images, paths, a `Dream`, or a list of such, seen cut off
    at 0 and 1; `prompts` one for all or one for each, of any kind, or None for those of the dreams.
    `baselines` says how far to trust it; `things` asks for the thing alone.
    """

    def __init__(self, clip: Clip | None = None) -> None:
        """Judge with `clip`, or with the embedded "picturebook-judge"."""
        clip = load_clip("picturebook-judge") if clip is None else clip
        encoder_name(clip)  # raises for what is none
        self.clip = clip
        self._rows: dict[tuple, torch.Tensor] = {}  # by prompt, or by several sentences

    @undisturbed(gradients=False)
    def similarity(self, images: Images, prompts: str | Sequence[str]) -> torch.Tensor:
        """Return the cosine of each of n pictures with each of m prompts, (n, m) in [−1, 1]."""
        tensors = [tensor.clamp(0, 1) for tensor in as_tensors(images)]
        prompts = checked_prompts("prompts", prompts, len(prompts) if is_list(prompts) else 1)
        return (image_features(self.clip, tensors) @ self._encode(prompts).T).cpu()

    @undisturbed(gradients=False)
    def score(self, images: Images, prompts: str | Sequence[str] | None = None) -> torch.Tensor:
        """Return the cosine of each of n pictures with its own prompt, (n,) in [−1, 1]."""
        tensors, prompts = _with_prompts(images, prompts)
        names = _each_once(prompts)
        own = torch.tensor([names.index(prompt) for prompt in prompts])
        return self.similarity(tensors, names).gather(1, own[:, None])[:, 0]

    @undisturbed(gradients=False)
    def rank(
        self, images: Images, prompts: Any = None, distractors: Sequence[Any] = ()
    ) -> torch.Tensor:
        """Count the captions that the judge prefers to the right one, for each of n pictures.

        Wrong captions are `distractors` and the other pictures' prompts; an equal cosine counts as
        preferred. R-precision with R = 1 (Xu et al. 2018, "AttnGAN"; with CLIP: Park et al. 2021)
        is the share of rank 0; chance is 1 / captions.
        """
        tensors, prompts = _with_prompts(images, prompts)
        if distractors:
            distractors = checked_prompts("distractors", distractors, len(distractors))
        captions = _each_once([*prompts, *distractors])
        if len(captions) < 2:
            raise ValueError("a rank needs wrong captions to compare with: give distractors=[…]")
        cosines = self.similarity(tensors, captions)
        own = torch.tensor([captions.index(prompt) for prompt in prompts])[:, None]
        return (cosines >= cosines.gather(1, own)).sum(1) - 1

    @undisturbed(gradients=False)
    def things(self, images: Images, prompts: Any = None) -> list[Answer | None]:
        """Ask "which thing is it?" of each of n pictures: 25 things, and all else as in its prompt.

        None where the prompt names no thing of the picture-book world (of several, the first is
        asked) or the judge does not know that (`knows_things`).
        """
        tensors, prompts = _with_prompts(images, prompts)
        answers: list[Answer | None] = [None] * len(prompts)
        texts = {i: p for i, p in enumerate(prompts) if self.knows_things and isinstance(p, str)}
        asked = {i: choices for i, text in texts.items() if (choices := variants(text))}
        if asked:
            features = image_features(self.clip, [tensor.clamp(0, 1) for tensor in tensors])
        for i, choices in asked.items():
            names = list(choices)
            cosines = self._encode_together(tuple(choices.values())) @ features[i]
            right = cosines[names.index(thing_in(prompts[i]))]
            answers[i] = Answer(int((cosines >= right).sum()) - 1, names[int(cosines.argmax())])
        return answers

    @cached_property
    def knows_things(self) -> bool:
        """Whether it was trained on the picture-book world: knows all its things, and no more."""
        unknown_words = getattr(self.clip, "unknown_words", lambda prompt: [])
        return unknown_words(" ".join([*OBJECTS, "photograph"])) == ["photograph"]

    @cached_property
    @undisturbed(gradients=False)
    def baselines(self) -> tuple[Baseline, ...]:
        """Its scores of 50 drawings at 64 px, whole and in tiles; () if of another world."""
        if not self.knows_things:
            return ()
        scenes = probe_scenes(frames=5, things=10)
        captions = [caption(scene) for scene in scenes]
        baselines = []
        for what, pictures in in_pieces(drawn(scenes)).items():
            found = share(answer.rank == 0 for answer in self.things(pictures, captions))
            baselines.append(Baseline(what, mean(self.score(pictures, captions)), found))
        return tuple(baselines)

    def _encode(self, prompts: Sequence[Prompt]) -> torch.Tensor:
        """Rows (m, d), each prompt encoded alone: in a batch its last bit may differ."""

        def row(prompt: Prompt) -> torch.Tensor:
            if isinstance(prompt, str):
                return self._encode_together((prompt,))
            last = prompt[-1][1] if isinstance(prompt, list) else prompt
            key = tuple(last.items()) if isinstance(last, dict) else (last,)
            if key not in self._rows:
                with undisturbed():
                    self._rows[key] = Rows(self.clip, [last]).at(0)
            return self._rows[key]

        return torch.cat(list(map(row, prompts)))

    def _encode_together(self, prompts: tuple[str, ...]) -> torch.Tensor:
        """Unit rows (m, d), encoded once, since a live judge is asked again and again."""
        if prompts not in self._rows:
            self._rows[prompts] = self.clip.encode_text(prompts)
        return self._rows[prompts]


@undisturbed(gradients=False)
def measure(
    images: Images,
    prompts: Any = None,
    *,
    clip: Clip,
    judge: Judge | None = None,
    distractors: Sequence[Any] = (),
) -> list[dict[str, float | str]]:
    """All that this module measures of n pictures, a dictionary of numbers for each.

    - `dreamer`: cosine with its prompt by `clip`, which made them, of the pixels as they are
    - `judge`, `rank`: by the judge; left out without one, the rank also without a wrong caption
    - `slope`: `spectrum_slope` of what `clip` sees of the whole picture; NaN if it is too small
    - `out_of_range`: see `out_of_range_share`
    - `object_rank`, `said`: see `Judge.things`; left out where there is no answer
    """
    tensors, prompts = _with_prompts(images, prompts)
    dreamer = (image_features(clip, tensors) * Rows(clip, prompts).at(sys.maxsize)).sum(1)
    columns = {"dreamer": dreamer}
    if judge is not None:
        columns["judge"] = judge.score(tensors, prompts)
        if len(_each_once([*prompts, *distractors])) > 1:
            columns["rank"] = judge.rank(tensors, prompts, distractors)
    finest = BAND[1] * clip.image_size
    columns["slope"] = torch.cat([_slope(x, finest) for x in tensors])
    columns["out_of_range"] = out_of_range_share(tensors)
    answers = [None] * len(prompts) if judge is None else judge.things(tensors, prompts)
    rows = [
        {name: column[i].item() for name, column in columns.items()} for i in range(len(answers))
    ]
    for row, answer in zip(rows, answers, strict=True):
        row |= {"object_rank": answer.rank, "said": answer.said} if answer else {}
    return rows


@dataclass(frozen=True)
class Estimate:
    """A value of `count` pictures with its 95 % interval; ".2f" writes "0.47 [0.42, 0.52]"."""

    value: float
    low: float
    high: float
    count: int

    def __format__(self, spec: str) -> str:
        if math.isnan(self.value):
            return "–"
        value, low, high = (format(x, spec) for x in (self.value, self.low, self.high))
        if spec.endswith("%"):
            value, low, high = value[:-1] + " %", low[:-1], high[:-1]
        return value if math.isnan(self.low) else f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self, ".3g")


def share(hits: Iterable[bool]) -> Estimate:
    """The share of hits with Wilson's score interval (Wilson 1927), inside [0, 1]."""
    hits = [bool(hit) for hit in hits]
    n = len(hits)
    if not n:
        raise ValueError("a share needs at least one try")
    p, z = sum(hits) / n, 1.959964
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    # Rounding must not put a share of 0 or 1 outside.
    return Estimate(p, min(p, max(0.0, middle - reach)), max(p, min(1.0, middle + reach)), n)


def mean(values: Iterable[float], *, resamples: int = 4000) -> Estimate:
    """The mean with a seeded bootstrap interval (Efron 1979) of 95 %; NaN for a single value."""
    values = np.array([float(value) for value in values])
    if not len(values):
        raise ValueError("a mean needs at least one value")
    if len(values) == 1 or np.isnan(values).any():
        return Estimate(float(values.mean()), math.nan, math.nan, len(values))
    chosen = np.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[chosen].mean(1), (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high), len(values))
