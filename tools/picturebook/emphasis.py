"""The last stage of the dreamer's training: its captions learn to emphasise the object.

What a dream follows is linear in the caption t: the gradient of the cosine with it is Jᵀt, J being
the network's derivative at the picture. A dreamer learns colours and backgrounds at once and
objects late, so a caption and the same words about another object come to lie close together, and
what both ask for drowns what tells them apart. The text tower is therefore trained to answer, in
place of t,

    t + w (t − m),  brought to unit length,

m being the mean over the same words about each of the 25 objects: classifier-free guidance (Ho and
Salimans 2022), from a sentence about any object to the one that is meant, distilled into the text
tower. The image tower stays as it is.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor
from tqdm import tqdm

from captions import random_caption
from data import tokens, zero_shot_prompts
from dreamlab.picturebook.world import OBJECTS, caption, scene_number, variants

STEPS = 110
CAPTIONS = 12  # a step, each with its 25 variants
RATE = 1e-3
KEEP = 0.3  # weight of what must not change: short captions and the zero-shot prompts


def emphasized(texts: Tensor, weight: float) -> Tensor:
    """Each of k sentences and its n variants, (k, n, d), pushed away from the mean of the n."""
    return F.normalize(texts + weight * (texts - texts.mean(1, keepdim=True)), dim=-1)


def emphasize(model: CLIP, weight: float, seed: int, steps: int = STEPS) -> CLIP:
    """A copy of a model whose complete captions emphasise the object.

    Args:
        model: with the compact vocabulary.
        weight: w above; 0 asks for no change.
        seed: of the captions.
        steps: of AdamW.
    """
    student = copy.deepcopy(model)
    # Only what takes part in reading a caption gets a gradient, so only that is changed.
    optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0)
    device, prompts = student.logit_scale.device, zero_shot_prompts()

    def loss(words: Tensor, wanted: Tensor) -> Tensor:
        return (student.encode_text(words, normalize=True) - wanted).square().sum(-1).mean()

    for step in tqdm(range(steps), "emphasising objects"):
        complete, short = _captions(seed, step)
        complete, same = complete.to(device), torch.cat([short, prompts]).to(device)
        with torch.no_grad():
            rows = model.encode_text(complete, normalize=True).unflatten(0, (CAPTIONS, -1))
            wanted = emphasized(rows, weight).flatten(0, 1)
            kept = model.encode_text(same, normalize=True)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20, (steps - step) / (0.5 * steps))
        total = loss(complete, wanted) + KEEP * loss(same, kept)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return student


def _captions(seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Tokens of complete captions with their variants, and of short captions."""
    rng = np.random.default_rng([seed, 3, step])
    complete: list[str] = []
    short: list[str] = []
    while len(complete) < CAPTIONS * len(OBJECTS):
        scene = scene_number(seed, int(rng.integers(1_000_000)))
        complete += variants(caption(scene)).values()
        short.append(random_caption(scene, rng))
    return tokens(complete), tokens(short)
