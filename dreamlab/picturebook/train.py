"""Training the two embedded CLIPs on the picture-book world.

    python -m dreamlab.picturebook.train                    # both, one after the other
    python -m dreamlab.picturebook.train picturebook-judge  # one of them

Scenes are painted once, kept at 80 px and seen through a new random crop, blur, light and noise at
every step. Three losses, because we drew the scenes and know all about them:

* the CLIP loss (Radford et al. 2021): pictures and captions of one batch must find each other;
* attribute loss: each picture must find its object, colour, texture, count and background among the
  zero-shot prompts of `world.ATTRIBUTES`. A batch is easily sorted by colour and background alone,
  so without this loss the shapes are learned last;
* token loss (vision transformer only, after Jiang et al. 2021, "All Tokens Matter"): every patch
  says which thing it belongs to. Its linear head is thrown away after training.

Batch `n` depends on the seed and on `n` alone, so an interrupted training that is started again
ends with the weights of an uninterrupted one. The two models share no scene and no seed.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from .draw import draw_with_labels
from .world import ATTRIBUTES, Scene, caption, scene_number

KEPT = 80  # side of a kept painting, px
LABELS = 20  # side of a kept label map
CAPTIONS = 8  # captions written per scene
IMAGE = 64  # side of what the models see, px
CONTEXT = 24  # tokens per caption
MEAN, STD = 0.5, 0.25
# Weights of the attribute loss: shapes are learned last, colours and backgrounds in no time.
HARD = {"object": 3.0, "colour": 1.0, "texture": 1.5, "count": 1.0, "background": 0.5}
MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Plan:
    """All that decides what a model becomes."""

    vision_cfg: dict[str, Any]
    seed: int
    steps: int
    scenes: int = 60_000
    batch: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 200
    embed_dim: int = 128
    text_cfg: dict[str, Any] = field(
        default_factory=lambda: {"context_length": CONTEXT, "width": 96, "heads": 3, "layers": 2}
    )


PLANS: dict[str, Plan] = {
    "picturebook": Plan(
        {
            "image_size": IMAGE,
            "patch_size": 8,
            "width": 128,
            "layers": 4,
            "head_width": 32,
            "pool_type": "avg",
        },
        seed=11,
        steps=7200,
    ),
    "picturebook-judge": Plan(
        {"image_size": IMAGE, "layers": [1, 1, 1, 1], "width": 24, "head_width": 48},
        seed=22,
        steps=7500,
        learning_rate=1e-3,
    ),
}


# --- the paintings --------------------------------------------------------------------------------


def _paint(job: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    seed, index = job
    scene = scene_number(seed, index)
    picture, labels = draw_with_labels(scene, KEPT)
    rng = np.random.default_rng([seed, index, 1])
    words = [caption(scene, rng) for _ in range(CAPTIONS - 2)] + [caption(scene)] * 2
    small = labels.resize((LABELS, LABELS), 0)
    return np.asarray(picture), np.asarray(small), words, attributes(scene)


def attributes(scene: Scene) -> list[int]:
    """Index of the background, then object, colour, texture, count of both items; −1 for none."""
    names = {kind: list(values) for kind, values in ATTRIBUTES.items()}
    numbers = [names["background"].index(scene.background)]
    for slot in range(2):
        if slot >= len(scene.items):
            numbers += [-1] * 4
            continue
        item = scene.items[slot]
        for kind in ("object", "colour", "texture", "count"):
            value = getattr(item, kind)
            numbers.append(names[kind].index(value) if value else -1)
    return numbers


@functools.cache
def vocabulary() -> np.ndarray:
    """The ids of CLIP's tokenizer that captions of this world use, ascending."""
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    rng = np.random.default_rng(0)
    texts = {text for values in ATTRIBUTES.values() for text in values.values()}
    texts |= {caption(scene_number(0, i), rng) for i in range(4000)}
    return np.unique(tokenizer(sorted(texts)).numpy())


def tokens(texts: list[str]) -> Tensor:
    """Captions as rows of compact token numbers, (n, CONTEXT)."""
    ids = open_clip.SimpleTokenizer(context_length=CONTEXT)(texts).numpy()
    compact = np.searchsorted(vocabulary(), ids)
    if not np.array_equal(vocabulary()[compact.clip(max=len(vocabulary()) - 1)], ids):
        raise ValueError("a caption uses a word that no scene of the world produces")
    return torch.from_numpy(compact)


def paintings(plan: Plan, folder: Path, workers: int) -> dict[str, np.ndarray]:
    """The plan's pictures (n, 80, 80, 3), labels, tokens and attributes; painted once."""
    folder = folder / f"scenes-{plan.seed}-{plan.scenes}"
    names = ("pictures", "labels", "tokens", "attributes")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        n = plan.scenes
        shapes = ((n, KEPT, KEPT, 3), (n, LABELS, LABELS), (n, CAPTIONS, CONTEXT), (n, 9))
        kinds = (np.uint8, np.uint8, np.int16, np.int8)
        arrays = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
            for name, kind, shape in zip(names, kinds, shapes, strict=True)
        ]
        words: list[str] = []
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            jobs = ((plan.seed, index) for index in range(n))
            painted = pool.imap(_paint, jobs, chunksize=64)
            for index, (picture, labels, texts, numbers) in enumerate(
                tqdm(painted, "painting scenes", n)
            ):
                arrays[0][index], arrays[1][index], arrays[3][index] = picture, labels, numbers
                words += texts
        arrays[2][:] = tokens(words).view(n, CAPTIONS, CONTEXT).numpy()
        for array in arrays:
            array.flush()
        (folder / "done").touch()
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


# --- what the model sees of them ------------------------------------------------------------------


def harshness(progress: float) -> float:
    """How strong noise, blur and crops are: full for 60 % of the training, then falling to 25 %.

    Harsh looks make gradients kinder to dream with; calm ones at the end teach the small things.
    """
    return 1 - 0.75 * max(0.0, progress - 0.6) / 0.4


def look(
    pictures: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    device: torch.device,
    harsh: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """A random look at each painting: crop, tilt, mirror, light, blur, noise.

    Args:
        pictures: (b, 3, 80, 80) in [0, 1].
        labels: (b, 20, 20), 0 background, 1 and 2 the items.
        generator: all randomness, on the CPU.
        device: where the views are made.
        harsh: strength of noise and blur and share of small crops, 0 to 1.

    Returns:
        The views (b, 3, 64, 64), not clipped, and the share of each owner in each of their 8 × 8
        patches, (b, 3, 8, 8).
    """
    b = len(pictures)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        drawn = torch.rand(b, *shape, generator=generator).to(device)
        return low + (high - low) * drawn

    def chance(p: float, *shape: int) -> Tensor:
        return (uniform(0, 1, *shape) < p).float()

    # Mostly the whole scene, sometimes a part of it: dreams are looked at through cutouts.
    side = torch.where(chance(1 - 0.3 * harsh) > 0, uniform(0.8, 1.0), uniform(0.5, 0.8))
    stretch, tilt = uniform(-0.08, 0.08).exp(), uniform(-0.15, 0.15)
    mirror = 1 - 2 * chance(0.5)
    cos, sin = side * tilt.cos(), side * tilt.sin()
    shift = uniform(-1, 1, 2) * (1 - side)[:, None]
    matrix = torch.stack(
        [
            torch.stack([cos * mirror * stretch, -sin, shift[:, 0]], -1),
            torch.stack([sin * mirror * stretch, cos, shift[:, 1]], -1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, [b, 3, IMAGE, IMAGE], align_corners=False)
    views = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    owners = F.one_hot(labels.long(), 3).permute(0, 3, 1, 2).float()
    coarse = F.affine_grid(matrix, [b, 3, 16, 16], align_corners=False)
    owners = F.grid_sample(owners, coarse, padding_mode="reflection", align_corners=False)

    soft = F.avg_pool2d(F.pad(views, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.interpolate(F.avg_pool2d(views, 4), scale_factor=4, mode="bilinear")
    blur, heavy = uniform(0, 1, 1, 1, 1) * chance(0.4, 1, 1, 1), chance(0.12 * harsh, 1, 1, 1)
    views = torch.lerp(torch.lerp(views, soft, blur), softer, heavy)
    views = (views - 0.5) * uniform(0.75, 1.2, 1, 1, 1) + 0.5 + uniform(-0.1, 0.1, 1, 1, 1)
    views = views * uniform(0.93, 1.07, 3, 1, 1)

    def noise(size: int) -> Tensor:
        return torch.randn(b, 3, size, size, generator=generator).to(device)

    # Fine noise, and coarse noise whose blotches a blur does not remove.
    fine = noise(IMAGE) * uniform(0, 0.3 * harsh, 1, 1, 1) * chance(0.7, 1, 1, 1)
    coarse_noise = F.interpolate(noise(16), size=(IMAGE, IMAGE), mode="bilinear")
    coarse_noise = coarse_noise * uniform(0, 0.2 * harsh, 1, 1, 1) * chance(0.3, 1, 1, 1)
    return views + fine + coarse_noise, F.avg_pool2d(owners, 2)


class Heads(nn.Module):
    """Parts of the loss that training needs and the model does not keep."""

    def __init__(self, width: int | None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.5))  # log temperature of the attribute loss
        self.sizes = {kind: len(values) for kind, values in ATTRIBUTES.items()}
        owners = self.sizes["background"] + self.sizes["object"]
        # Per token: owner, colour, texture.
        self.token = (
            nn.Linear(width, owners + self.sizes["colour"] + self.sizes["texture"])
            if width
            else None
        )

    def attribute_loss(self, image: Tensor, prompts: Tensor, numbers: Tensor) -> Tensor:
        """Cross-entropy among the zero-shot prompts of each attribute; two items share the mass."""
        logits = self.scale.exp() * image @ prompts.T
        loss = image.new_zeros(())
        start = 0
        for place, (kind, size) in enumerate(self.sizes.items()):
            columns = numbers[:, :1] if kind == "background" else numbers[:, [1 + place, 5 + place]]
            hit = F.one_hot(columns + 1, size + 1)[..., 1:].sum(1).float()
            weight = hit.sum(1).clamp(max=1)
            target = hit / hit.sum(1, keepdim=True).clamp(min=1)
            entropy = -(target * logits[:, start : start + size].log_softmax(-1)).sum(-1)
            loss = loss + HARD[kind] * (entropy * weight).sum() / weight.sum().clamp(min=1)
            start += size
        return loss

    def token_loss(self, features: Tensor, owners: Tensor, numbers: Tensor) -> Tensor:
        """Cross-entropy of each patch's owner, and of its colour and texture where it has one."""
        assert self.token is not None
        shares = owners.flatten(2).transpose(1, 2)  # (b, 64, 3)
        sizes = [self.sizes[k] for k in ("colour", "texture")]
        split = [self.sizes["background"] + self.sizes["object"], *sizes]
        owner, colour, texture = self.token(features.float()).split(split, -1)

        def targets(place: int, size: int, offset: int = 0) -> Tensor:
            columns = numbers[:, [1 + place, 5 + place]]
            known = F.one_hot(columns.clamp(min=0) + offset, size).float()
            known = known * (columns >= 0).float()[..., None]  # (b, 2, size)
            return shares[..., 1:] @ known

        backgrounds = self.sizes["background"]
        ground = F.one_hot(numbers[:, 0], split[0]).float()[:, None] * shares[..., :1]
        wanted = ground + targets(0, split[0], backgrounds)
        loss = -(wanted * owner.log_softmax(-1)).sum(-1).mean()
        for place, logits in ((1, colour), (2, texture)):
            wanted = targets(place, logits.shape[-1])
            # Divided by the covered share: a small thing in a wide view must still be looked at.
            loss = loss - (wanted * logits.log_softmax(-1)).sum() / wanted.sum().clamp(min=1)
        return loss


def contrastive_loss(image: Tensor, text: Tensor, words: Tensor, scale: Tensor) -> Tensor:
    """The CLIP loss; equal captions in one batch are right answers for each other's pictures."""
    logits = scale * image @ text.T
    same = (words[:, None] == words[None]).all(-1).float()
    target = same / same.sum(-1, keepdim=True)
    return -sum((target * side.log_softmax(-1)).sum(-1).mean() for side in (logits, logits.T)) / 2


# --- the loop -------------------------------------------------------------------------------------


def build(plan: Plan) -> CLIP:
    """The model with the compact vocabulary, weights drawn from the plan's seed."""
    text = {**plan.text_cfg, "vocab_size": len(vocabulary())}
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        return CLIP(plan.embed_dim, {**plan.vision_cfg, "output_tokens": True}, text)


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
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "open_clip_model.safetensors")
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
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")


def train(name: str, folder: Path, plan: Plan, *, device: str, workers: int, out: Path) -> None:
    """Train one model to the end of its plan, from its checkpoint if there is one."""
    place = torch.device(device)
    data = paintings(plan, folder, workers)
    model = build(plan).to(place)
    transformer = not isinstance(plan.vision_cfg["layers"], list)
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed + 1)
        heads = Heads(plan.vision_cfg["width"] if transformer else None).to(place)
    prompts = tokens([t for values in ATTRIBUTES.values() for t in values.values()]).to(place)

    weights = [*model.parameters(), *heads.parameters()]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98), eps=1e-6)
    checkpoint = folder / f"{name}.pt"
    start = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, map_location=place, weights_only=True)
        model.load_state_dict(kept["model"])
        heads.load_state_dict(kept["heads"])
        optimizer.load_state_dict(kept["optimizer"])
        start = kept["step"]
        print(f"{name}: going on from step {start} of {checkpoint}")

    def keep(step: int) -> None:
        parts = {"model": model, "heads": heads, "optimizer": optimizer}
        state = {key: part.state_dict() for key, part in parts.items()} | {"step": step}
        fresh = checkpoint.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, checkpoint)  # a reader, or a crash, never meets half a file

    # Ctrl-C is answered between two steps, when the checkpoint is whole.
    interrupted = []
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
    model.train()
    last_kept = time.monotonic()
    bar = tqdm(range(start, plan.steps), name, plan.steps, initial=start)
    for step in bar:
        rng = np.random.default_rng([plan.seed, 2, step])
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        chosen = np.sort(rng.choice(plan.scenes, plan.batch, replace=False))
        pictures = torch.from_numpy(data["pictures"][chosen]).to(place).permute(0, 3, 1, 2) / 255
        labels = torch.from_numpy(data["labels"][chosen]).to(place)
        which = rng.integers(CAPTIONS, size=plan.batch)
        words = torch.from_numpy(data["tokens"][chosen, which].astype(np.int64)).to(place)
        numbers = torch.from_numpy(data["attributes"][chosen].astype(np.int64)).to(place)
        progress = step / plan.steps
        views, owners = look(pictures, labels, generator, place, harshness(progress))

        rate = plan.learning_rate * min(1, (step + 1) / plan.warmup)
        for group in optimizer.param_groups:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * progress))
        # On a CPU the fused bfloat16 attention is slower than its plain formula at 65 tokens.
        with torch.autocast(place.type, torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            seen = model.visual((views - MEAN) / STD)
            pooled, patches = seen if transformer else (seen, None)
            text = model.encode_text(torch.cat([words, prompts]))
        image, text = F.normalize(pooled.float(), dim=-1), F.normalize(text.float(), dim=-1)
        scale = model.logit_scale.exp().clamp(max=100)
        clip = contrastive_loss(image, text[: plan.batch], words, scale)
        attribute = heads.attribute_loss(image, text[plan.batch :], numbers)
        loss = clip + attribute
        if transformer:
            loss = loss + heads.token_loss(patches, owners, numbers)

        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if step % 20 == 0:
            bar.set_postfix(clip=f"{clip.item():.2f}", attribute=f"{attribute.item():.2f}")
        if interrupted or time.monotonic() - last_kept > 60:
            keep(step + 1)
            last_kept = time.monotonic()
        if interrupted:
            break
    signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt(f"{name} stopped after step {step + 1}; start again to go on")
    keep(plan.steps)
    save(copy.deepcopy(model).eval(), plan, out / name)
    print(f"{name}: saved to {out / name}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded CLIPs (resumes by itself).")
    parser.add_argument("names", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}")
    parser.add_argument("--folder", type=Path, default=Path("build/picturebook"))
    parser.add_argument("--out", type=Path, default=MODELS, help="where the model folders go")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="of torch; all cores unless given")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="painters")
    args = parser.parse_args()
    for name in args.names:
        if name not in PLANS:
            parser.error(f"no plan for {name!r}; there are {', '.join(PLANS)}")
    if args.threads:
        torch.set_num_threads(args.threads)
    for name in args.names:
        train(
            name, args.folder, PLANS[name], device=args.device, workers=args.workers, out=args.out
        )


if __name__ == "__main__":
    main()
