"""Training the two embedded CLIPs on the picture-book world.

    python tools/picturebook/train.py                    # all, one after the other
    python tools/picturebook/train.py picturebook-judge  # one of them

The dreamer has two stages, of which the second begins with the weights of the first.

Scenes are painted once (`data`) and seen in another window at every step (`augment`). Both models
learn the CLIP loss and attributes; the dreamer, whose gradient a dream follows, learns a gradient
that points from a corrupted picture to the drawing, and in the end its captions emphasise the
object (`emphasis`); the judge, which only looks, learns the objects of many styles by their shape.

Batch `n` depends on the seed and on `n` alone, so an interrupted training that is started again
ends with the weights of an uninterrupted one on the same kind of processor. The two models share
no scene and no seed.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from tqdm import tqdm

from augment import (
    IMAGE,
    augment,
    clean_windows,
    corrupt,
    shapeless_negatives,
    view_noise,
    with_margin,
)
from canonical import Settings, canonical_losses
from data import (
    BOOK_ONLY,
    CANONICAL,
    CONTEXT,
    FALSE,
    STYLES,
    Batch,
    check_fingerprint,
    load_batch,
    paintings,
    refuse_broken,
    single_object,
    vocabulary,
)
from dreamlab.picturebook.world import OBJECTS
from dreamlab.support.console import print_plainly
from dreamlab.support.files import write_atomically
from dreamlab.support.loading import EMBEDDED_FOLDER
from emphasis import emphasize
from losses import alignment_loss, attribute_loss, contrastive_loss, shape_loss
from model import MEAN, STD, Plan, Trainee, reading_losses

sys.path.append(str(Path(__file__).parents[1]))
from course_files import exit_on_user_error, whole
from precision import Precision, choose_precision

KEEP_EVERY = 60.0  # seconds between two checkpoints


# --- plans ----------------------------------------------------------------------------------------

DREAMER = {
    "vision_cfg": {
        "image_size": IMAGE,
        "patch_size": 8,
        "width": 192,
        "layers": 4,
        "head_width": 48,
        "pool_type": "avg",
    },
    "text_cfg": {"context_length": CONTEXT, "width": 160, "heads": 5, "layers": 2},
    "many_styles": False,
    "gradient": True,
}
SHIPPED = ("picturebook", "picturebook-judge")
FIRST = "picturebook-first"  # stage of the dreamer, with which the shipped one begins
PLANS: dict[str, Plan] = {
    FIRST: Plan(
        **DREAMER,
        embed_dim=160,
        seed=11,
        steps=14_000,
        batch=64,
        scenes=60_000,
        learning_rate=1.2e-3,
        cooling=0.25,
        patches=0.5,
        all_patches=0.03,
        persistent=0.34,
        emphasis=3.0,
    ),
    "picturebook": Plan(
        **DREAMER,
        embed_dim=512,
        seed=12,
        steps=4000,
        batch=60,
        scenes=12_000,
        learning_rate=1e-3,
        cooling=0.5,
        persistent=1 / 3,
        start=FIRST,
        settings=1188,
        stay=39 / 40,
        climb=(0.02, 0.05),
        emphasis=0.5,
    ),
    "picturebook-judge": Plan(
        vision_cfg={"image_size": IMAGE, "layers": [1, 1, 1, 1], "width": 24, "head_width": 48},
        text_cfg={"context_length": CONTEXT, "width": 96, "heads": 3, "layers": 2},
        embed_dim=128,
        seed=22,
        steps=9000,
        batch=128,
        scenes=60_000,
        many_styles=True,
        gradient=False,
        learning_rate=1.2e-3,
        cooling=0.35,
    ),
}


# --- one step's losses ----------------------------------------------------------------------------


def dreamer_losses(
    model: Trainee, batch: Batch, generator: torch.Generator, progress: float
) -> dict[str, Tensor]:
    """CLIP loss and attributes of corrupted pictures, and where the gradient points."""
    plan, b = model.plan, len(batch.tokens)
    clean, masks = clean_windows(batch, generator)
    corrupted, kept = corrupt(clean, generator)
    fresh = {"clean": clean, "masks": masks, "picture": corrupted, "tokens": batch.tokens}
    own = b - round(plan.persistent * b)  # the others are persistent samples
    samples = model.samples.renew({k: v[own:] for k, v in fresh.items()}, generator)
    clean, masks, tokens = (
        torch.cat([fresh[k][:own], samples[k]]) for k in ("clean", "masks", "tokens")
    )
    pictures = torch.cat([corrupted[:own], view_noise(samples["picture"], generator)])

    share = plan.patches if progress < 1 - plan.all_patches else 1.0
    seen = model.selection.draw(1 - masks[:, :1], share, generator)
    image, patches = model.image(pictures.requires_grad_())
    text, prompts = model.text(tokens, model.prompts)
    cosines = (image * text).sum(-1)
    (gradient,) = torch.autograd.grad(cosines.sum(), pictures, create_graph=True)
    model.samples.climb(gradient[own:].detach(), generator)

    # Words first: a gradient that is aligned before the words mean anything draws no objects.
    align = 6 * (0.3 + 0.7 * min(1.0, 3 * progress))
    # Nobody knows what a persistent sample shows, so the other losses leave it out.
    first = (image[:own], patches[:own], text[:own], prompts, masks[:own], kept[:own], seen[:own])
    return {
        "align": align
        * alignment_loss(gradient, (clean - pictures.detach()) * seen, with_margin(masks)),
        **reading_losses(model, batch, *first),
    }


def judge_losses(
    model: Trainee, batch: Batch, generator: torch.Generator, progress: float
) -> dict[str, Tensor]:
    """CLIP loss and attributes of many styles, and that no shape is no object."""
    b = len(batch.tokens)
    strength = 1 - 0.75 * max(0.0, progress - 0.6) / 0.4  # full for 60 %, then falling to 25 %
    views, first = augment(batch, generator, strength)
    # Negatives are made of one object that stands there once: its tiles hold no whole object.
    single = single_object(batch.attributes).nonzero()[: b // 4, 0]
    negatives = shapeless_negatives(views[single], first[single], generator)
    image, _ = model.image(torch.cat([views, negatives]))
    which = torch.randint(FALSE - 1, (), generator=generator)
    false = batch.false[single, which : which + 2]
    text, prompts, right, wrong = model.text(
        batch.tokens, model.prompts, batch.complete[single], false.flatten(0, 1)
    )
    wrong = wrong.view(len(single), 2, -1)
    logits = model.heads.logits(image @ prompts.T)
    return {
        "clip": contrastive_loss(image, text, batch.tokens, model.scale),
        "attribute": attribute_loss(logits[:b], batch.attributes),
        "shape": shape_loss(image[single], image[b:], right, wrong, logits[b:], model.scale),
    }


# --- files ----------------------------------------------------------------------------------------


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
    write_atomically(folder / "open_clip_model.safetensors", serialize(state))
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
    write_atomically(folder / "open_clip_config.json", json.dumps(config, indent=2) + "\n")


def read_checkpoint(file: Path, wanted: dict, device: torch.device) -> dict[str, Any]:
    """What an interrupted training left behind; `restore` looks into it.

    Raises:
        ValueError: it is broken, or of another plan, vocabulary or painter.
    """
    parts = ("model", "optimizer", "mean", "samples", "step", "precision")
    with refuse_broken(file):
        kept = torch.load(file, map_location=device, weights_only=True)
        if not isinstance(kept, dict):
            raise TypeError("it is no dictionary")
        found = dict(json.loads(kept["fingerprint"]))
        state = {name: kept[name] for name in parts}
        state["precision"] = Precision(**state["precision"])
    check_fingerprint(found, wanted, file)
    return state


def restore(state: dict[str, Any], model: Trainee, optimizer: torch.optim.Optimizer) -> None:
    """Bring model, samples and optimizer to where a checkpoint of `read_checkpoint` was.

    Raises:
        ValueError: anything in it does not fit the plan, or its parts do not fit each other.
    """
    plan, step, moments = model.plan, state["step"], state["optimizer"]["state"]
    if type(step) is not int or not 0 <= step <= plan.steps:
        raise ValueError(f"its step is {step!r}, and the plan has {plan.steps}")
    taken = max((int(kept["step"]) for kept in moments.values()), default=0)
    if taken != step:
        raise ValueError(f"it says step {step}, and its optimizer took {taken}")
    check_tensors("model", state["model"], model.state_dict())
    check_tensors("mean", state["mean"], model.clip.state_dict())
    groups = optimizer.state_dict()["param_groups"]
    if [g["params"] for g in state["optimizer"]["param_groups"]] != [g["params"] for g in groups]:
        raise ValueError("its optimizer has other groups of weights")
    weights = dict(enumerate(w for group in optimizer.param_groups for w in group["params"]))
    for index, kept in moments.items():
        pair = {name: kept[name] for name in ("exp_avg", "exp_avg_sq")}
        check_tensors("optimizer", pair, dict.fromkeys(pair, weights[index]))
    if plan.gradient and step:
        rows = round(plan.persistent * plan.batch)
        picture = model.prompts.new_zeros(rows, 3, IMAGE, IMAGE, dtype=torch.float32)
        words = model.prompts.new_zeros(rows, CONTEXT)
        samples = {"clean": picture, "masks": picture, "picture": picture, "tokens": words}
        check_tensors("samples", state["samples"], samples)
        tokens = state["samples"]["tokens"]
        if ((tokens < 0) | (tokens >= len(vocabulary()))).any():
            raise ValueError("samples: tokens out of range")
        model.samples.rows = state["samples"]
    model.load_state_dict(state["model"])
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def check_tensors(name: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Raise ValueError unless `found` holds finite tensors just like those of `wanted`."""
    if others := sorted(found.keys() ^ wanted.keys()):
        raise ValueError(f"{name}: missing or unknown are {', '.join(others[:3])}")
    for key, like in wanted.items():
        if (found[key].shape, found[key].dtype) != (like.shape, like.dtype):
            raise ValueError(f"{name}: {key} is {tuple(found[key].shape)}, not {tuple(like.shape)}")
        if not found[key].isfinite().all():
            raise ValueError(f"{name}: {key} is not finite")


def begin(model: Trainee, folder: Path) -> None:
    """Give a model the weights that `save` wrote, of an embedding that is no larger.

    New dimensions of the embedding begin at zero for pictures and at random for texts.

    Raises:
        ValueError: there are none, or they do not fit.
    """
    file = folder / "open_clip_model.safetensors"
    if not file.exists():
        raise ValueError(f"{file} is not there: train {folder.name} first")
    with refuse_broken(file):
        weights = {key: value.float() for key, value in load_file(file).items()}
        words = torch.from_numpy(vocabulary())
        weights["token_embedding.weight"] = weights["token_embedding.weight"][words]
        more = model.plan.embed_dim - weights["visual.proj"].shape[1]
        text = weights["text_projection"]
        generator = torch.Generator().manual_seed(model.plan.seed)
        random = 0.5 * text.std() * torch.randn(len(text), more, generator=generator)
        weights["text_projection"] = torch.cat([text, random], 1)
        weights["visual.proj"] = F.pad(weights["visual.proj"], (0, more))
        model.clip.load_state_dict(weights)


# --- the loop -------------------------------------------------------------------------------------


@contextmanager
def _interrupts() -> Iterator[list[bool]]:
    """Ctrl-C is answered between two steps, when all is whole: the list is then no longer empty."""
    interrupted: list[bool] = []
    before = signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def train(
    name: str,
    folder: Path,
    plan: Plan,
    *,
    device: str,
    workers: int,
    out: Path,
    precision: Precision | None = None,
) -> None:
    """Train one model to the end of its plan, from its checkpoint if there is one.

    Args:
        name: what the model and its checkpoint are called.
        folder: paintings, checkpoints, and the model that the plan begins with.
        plan: what to train.
        device: where.
        workers: processes that paint.
        out: the model folder appears in it.
        precision: arithmetic and threads; the checkpoint's, or measured, if None.

    Raises:
        ValueError: paintings or a checkpoint are broken or of another world or plan.
        OSError: they could not be written. The last checkpoint is kept.
        FloatingPointError: a loss is not finite. The last checkpoint is kept.
        KeyboardInterrupt: after the checkpoint was written.
    """
    place = torch.device(device)
    kind = STYLES if plan.many_styles else BOOK_ONLY
    data, painted = paintings(plan.seed, plan.scenes, kind, folder, workers)
    if plan.settings:
        rows = len(OBJECTS) * plan.settings
        settings = Settings.of(paintings(plan.seed, rows, CANONICAL, folder, workers)[0])
    # Through JSON and back: a tuple and a list are the same plan.
    wanted = json.loads(json.dumps({"plan": asdict(plan)} | painted))
    checkpoint = folder / f"{name}.pt"
    state = read_checkpoint(checkpoint, wanted, place) if checkpoint.exists() else None

    def losses_at(model: Trainee, step: int) -> dict[str, Tensor]:
        # Of 60 pictures of the second stage 10 are read.
        size = plan.batch // 6 if plan.settings else plan.batch
        batch, generator = load_batch(
            data, plan.seed, step, size, place, prefer_single=plan.gradient
        )
        if plan.settings:
            return canonical_losses(model, batch, settings, generator, step)
        losses = dreamer_losses if plan.gradient else judge_losses
        return losses(model, batch, generator, step / plan.steps)

    if precision is None and state is not None and state["precision"].device == str(place):
        precision = state["precision"]
    elif precision is None:  # measured on a model that is thrown away
        probe = Trainee(plan, Precision("float32", 1, place.type)).to(place)
        precision = choose_precision(
            lambda: sum(losses_at(probe, 0).values()).backward(), device=place
        )
    print(f"{name}: {precision}")
    torch.set_num_threads(min(precision.threads, torch.get_num_threads()))

    model = Trainee(plan, precision).to(place)
    if plan.start and state is None:
        begin(model, folder / plan.start)
    clip, weights = model.clip, list(model.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": plan.weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.98), eps=1e-6)
    mean = {k: v.detach().clone() for k, v in clip.state_dict().items()}  # what is saved at the end
    step = 0
    if state is not None:
        with refuse_broken(checkpoint):
            restore(state, model, optimizer)
        mean, step = state["mean"], state["step"]
        print(f"{name}: going on from step {step} of {checkpoint}")

    def keep() -> None:
        content = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "mean": mean,
            "samples": model.samples.rows,
            "step": step,
            "precision": asdict(precision),
            "fingerprint": json.dumps(wanted),
        }
        buffer = io.BytesIO()  # so that a full disk is the system's error, not PyTorch's
        torch.save(content, buffer)
        write_atomically(checkpoint, buffer.getvalue())

    keep()
    last_kept = time.monotonic()
    bar = tqdm(total=plan.steps, desc=name, initial=step)
    with _interrupts() as interrupted:
        while step < plan.steps:
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate_at(step)
            losses = losses_at(model, step)
            loss = sum(losses.values())
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(weights, 1.0)
            if not (loss.isfinite() and norm.isfinite()):
                raise FloatingPointError(
                    f"{name}: step {step + 1} gave a loss of {loss.item()} and a gradient of "
                    f"{norm.item()}; {checkpoint} holds a step before. Start again to go on from "
                    "there, or lower the plan's learning rate"
                )
            optimizer.step()
            # A young mean forgets fast, or the first random weights would stay in it for long.
            fade = min(0.999, (1 + step) / (10 + step))
            for key, value in clip.state_dict().items():
                if value.is_floating_point():
                    mean[key].lerp_(value, 1 - fade)
                else:
                    mean[key].copy_(value)
            step += 1
            bar.update()
            if step % 20 == 0:
                bar.set_postfix({key: f"{value.item():.2f}" for key, value in losses.items()})
            if interrupted or step == plan.steps or time.monotonic() - last_kept > KEEP_EVERY:
                keep()
                last_kept = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt(f"{name} stopped after step {step}; start again to go on")
    bar.close()

    trained = copy.deepcopy(clip)
    trained.load_state_dict(mean)
    if plan.gradient:
        trained.visual.patch_dropout = nn.Identity()
    trained.eval()
    if plan.emphasis:
        trained = emphasize(trained, plan.emphasis, plan.seed)
    save(trained, plan, out / name)
    print(f"{name}: saved to {out / name}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the embedded CLIPs (resumes by itself).")
    parser.add_argument("names", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}")
    parser.add_argument("--folder", type=Path, default=Path("build/picturebook"))
    parser.add_argument("--out", type=Path, default=EMBEDDED_FOLDER, help="for the model folders")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=whole(1), help="of torch, at most; all cores by default")
    parser.add_argument("--workers", type=whole(1), default=os.cpu_count() or 1, help="painters")
    print_plainly()
    options = parser.parse_args()
    for name in options.names:
        if name not in PLANS:
            parser.error(f"no plan for {name!r}; there are {', '.join(PLANS)}")
    if options.threads:
        torch.set_num_threads(options.threads)
    where = {"device": options.device, "workers": options.workers}
    with exit_on_user_error(parser):
        for name in options.names:
            out = options.out if name in SHIPPED else options.folder
            train(name, options.folder, PLANS[name], out=out, **where)


if __name__ == "__main__":
    main()
