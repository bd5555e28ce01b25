"""The last stage of the dreamer's training: its captions learn to emphasise the thing.

What a dream follows is linear in the caption: the gradient of the cosine with t is Jᵀt, J being the
network's derivative at the picture. A dreamer learns colours and backgrounds at once and things
late, so a caption and the same words about another thing come to lie close together, and what both
of them ask for drowns what tells them apart. The text tower is therefore taught to answer, in place
of t,

    t + w (t − m),  brought to unit length,

m being the mean over the same words about each of the 25 things: the push of classifier-free
guidance (Ho and Salimans 2022), from a sentence about anything to the one that is meant, once and
for all. The image tower stays as it is.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import Tensor
from tqdm import tqdm

from data import tokens, zero_shot_prompts
from dreamlab.picturebook.world import OBJECTS, caption, scene_number, variants

STEPS = 110
CAPTIONS = 12  # a step, each with its variants
RATE = 1e-3
STAY = 0.3  # weight of what must not change: short captions and the zero-shot prompts


def emphasized(texts: Tensor, weight: float) -> Tensor:
    """Each of k sentences and its n variants, (k, n, d), pushed away from the mean of the n."""
    return F.normalize(texts + weight * (texts - texts.mean(1, keepdim=True)), dim=-1)


def emphasize(model: CLIP, weight: float, seed: int, steps: int = STEPS) -> CLIP:
    """A copy of a model with the compact vocabulary whose complete captions emphasise the thing.

    Args:
        model: what was trained.
        weight: how far captions are pushed; 0 asks for no change.
        seed: of the captions.
        steps: how long.
    """
    student = copy.deepcopy(model)
    # What takes no part in reading a caption gets no gradient, and is left alone.
    optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0)
    device = student.logit_scale.device
    prompts = zero_shot_prompts()
    for step in tqdm(range(steps), "emphasising things"):
        complete, short = _captions(seed, step)
        complete, same = complete.to(device), torch.cat([short, prompts]).to(device)
        with torch.no_grad():
            rows = model.encode_text(complete, normalize=True)
            wanted = emphasized(rows.unflatten(0, (CAPTIONS, -1)), weight).flatten(0, 1)
            kept = model.encode_text(same, normalize=True)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20, (steps - step) / (0.5 * steps))
        loss = _apart(student, complete, wanted) + STAY * _apart(student, same, kept)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return student


def _apart(model: CLIP, words: Tensor, wanted: Tensor) -> Tensor:
    return (model.encode_text(words, normalize=True) - wanted).square().sum(-1).mean()


def _captions(seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Token numbers of complete captions with their variants, and of short captions."""
    rng = np.random.default_rng([seed, 3, step])
    complete: list[str] = []
    short: list[str] = []
    while len(complete) < CAPTIONS * len(OBJECTS):
        scene = scene_number(seed, int(rng.integers(1_000_000)))
        complete += variants(caption(scene)).values()
        short.append(caption(scene, rng))
    return tokens(complete), tokens(short)
