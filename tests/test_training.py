"""Training the embedded CLIPs: what is painted, what models see, what they learn, what is kept."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from conftest import CONFIG, WEIGHTS
from precision import Precision
from safetensors.torch import load_file

import canonical
import data
import model
import score
import train
from captions import ATTRIBUTES, random_caption
from dreamlab.clip import load_clip
from dreamlab.picturebook.world import caption, compose, scene_number
from dreamlab.support.loading import EMBEDDED_FOLDER

TEXT = {"context_length": data.CONTEXT, "width": 32, "heads": 1, "layers": 1}
SMALL = {"steps": 4, "scenes": 24, "batch": 8, "warmup": 1, "text_cfg": TEXT, "embed_dim": 32}
VIT = {"width": 32, "layers": 1, "head_width": 32}
DREAMER = dataclasses.replace(
    train.PLANS[train.FIRST],
    vision_cfg=train.PLANS["picturebook"].vision_cfg | VIT,
    emphasis=0.0,
    **SMALL,
)
JUDGE = dataclasses.replace(
    train.PLANS["picturebook-judge"],
    vision_cfg=train.PLANS["picturebook-judge"].vision_cfg | {"width": 8, "head_width": 16},
    **SMALL,
)
ONE_STEP = dataclasses.replace(JUDGE, steps=1)
SECOND = dataclasses.replace(
    DREAMER, embed_dim=48, batch=16, settings=2, start="first", persistent=1 / 3, patches=1.0
)
KIND = {False: data.BOOK_ONLY, True: data.STYLES}

FLOAT32 = Precision("float32", 1)
HOW = {"device": "cpu", "workers": 1, "precision": FLOAT32}

# Small models gain nothing from more threads, and wait for each other where cores are busy.
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """A folder with the paintings of both plans."""
    folder = tmp_path_factory.mktemp("paintings")
    for plan in (DREAMER, JUDGE):
        data.paintings(plan.seed, plan.scenes, KIND[plan.many_styles], folder, 1)
    return folder


@pytest.fixture
def folder(painted, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(painted, tmp_path / "build")


def _batch(plan, painted, size=8):
    folder = painted / f"scenes-{plan.seed}-{plan.scenes}"
    arrays = {name: np.load(folder / f"{name}.npy") for name in data.ARRAYS}
    device = torch.device("cpu")
    return data.load_batch(arrays, plan.seed, 0, size, device, prefer_single=plan.gradient)


def test_every_caption_fits_the_compact_vocabulary():
    rng = np.random.default_rng(1)
    rows = data.tokens([random_caption(scene_number(77, i), rng) for i in range(300)])
    assert rows.max() == len(data.vocabulary()) - 1  # the end token stays the largest
    assert (rows.argmax(-1) < data.CONTEXT - 1).all()  # nothing is cut
    with pytest.raises(ValueError, match="no scene"):
        data.tokens(["a giraffe"])


def test_false_captions_and_attributes():
    scene = compose("sky", [("heart", "red", "striped", 2), ("star", "blue", "plain", 1)])
    false = data.false_captions(scene, np.random.default_rng(0))
    assert len(set(false)) == data.FALSE
    for text in false:
        assert text.endswith(" and a blue star in the sky") and text.startswith("two red striped ")
        assert "heart" not in text and "two red striped stars" not in text
    names = [list(values) for values in ATTRIBUTES.values()]
    background, *items = data.attributes(scene)
    words = [names[i % 4][n] for i, n in enumerate(items)]
    assert names[4][background] == "sky"
    assert words == ["heart", "red", "striped", "two", "star", "blue", "plain", "one"]


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_paintings_are_kept_and_those_of_another_painter_refused(folder, monkeypatch):
    monkeypatch.setattr(data, "_painted", None)  # paints no more
    first, _ = data.paintings(DREAMER.seed, 24, data.BOOK_ONLY, folder, 1)
    assert first["pictures"].shape == (24, 80, 80, 3) and np.std(first["pictures"]) > 20
    with pytest.raises(ValueError, match=r"scenes-11-24.*another kind, painter.*delete it"):
        data.paintings(DREAMER.seed, 24, data.STYLES, folder, 1)
    np.save(folder / "scenes-11-24" / "labels.npy", np.full((24, 20, 20), 7, np.uint8))
    with pytest.raises(ValueError, match=r"labels\.npy holds numbers out of range.*delete it"):
        data.paintings(DREAMER.seed, 24, data.BOOK_ONLY, folder, 1)
    monkeypatch.setattr(data, "_write_paintings", full_disk)
    with pytest.raises(OSError, match=r"could not be written .*make room"):
        data.paintings(7, 24, data.BOOK_ONLY, folder, 1)


@pytest.mark.parametrize("plan", [DREAMER, JUDGE], ids=["dreamer", "judge"])
def test_steps_lower_every_loss(plan, painted):
    trainee = model.Trainee(plan, FLOAT32)
    step = train.dreamer_losses if plan.gradient else train.judge_losses
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    history = []
    for _ in range(21):  # the same batch again and again can be learned by heart
        history.append(step(trainee, *_batch(plan, painted), 0.0))
        optimizer.zero_grad()
        sum(history[-1].values()).backward()
        optimizer.step()
    assert len(history[0]) >= 3
    assert all(history[-1][name] < value for name, value in history[0].items()), history[-1]


def test_the_second_stage_widens_a_model_and_draws_from_grey(folder):
    rows, _ = data.paintings(SECOND.seed, 50, data.CANONICAL, folder, 1)
    attributes = rows["attributes"].reshape(2, 25, 9)
    assert (attributes[..., 1] == np.arange(25)).all(), "every object once in a setting"
    others = np.delete(attributes, 1, 2)
    assert (others == others[:, :1]).all(), "all else equal"
    train.train("first", folder, dataclasses.replace(DREAMER, steps=1), out=folder, **HOW)
    trainee = model.Trainee(SECOND, FLOAT32)
    train.begin(trainee, folder / "first")
    assert not trainee.clip.visual.proj[:, 32:].any() and trainee.clip.text_projection[:, 32:].any()

    settings, history = canonical.Settings.of(rows), []
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    batch, _ = _batch(DREAMER, folder, 2)
    for _ in range(8):
        dice = torch.Generator().manual_seed(1)
        history.append(canonical.canonical_losses(trainee, batch, settings, dice, 0))
        optimizer.zero_grad()
        sum(history[-1].values()).backward()
        optimizer.step()
    assert all(history[-1][name] < history[0][name] for name in ("align", "grey", "difference"))
    for _ in range(2):  # the second time from its checkpoint
        train.train("second", folder, SECOND, out=folder, **HOW)
    assert load_clip(f"local-dir:{folder / 'second'}", device="cpu").embed_dim == 48
    with pytest.raises(ValueError, match="train absent first"):
        train.begin(trainee, folder / "absent")


def test_an_interrupted_training_ends_with_the_same_weights(folder, monkeypatch):
    out, calls, load = folder / "models", [], train.load_batch
    train.train("whole", folder, DREAMER, out=out, **HOW)

    def interrupting(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return load(*args, **options)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(train, "load_batch", interrupting)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 2"):
        train.train("parts", folder, DREAMER, out=out, **HOW)
    assert signal.getsignal(signal.SIGINT) is before and not (out / "parts").exists()
    train.train("parts", folder, DREAMER, out=out, **HOW)
    assert len(calls) == 4, "nothing done twice"
    whole, parts = (load_file(out / name / WEIGHTS) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    # The mean of the weights is saved, matrices in half precision.
    mean = torch.load(folder / "whole.pt", weights_only=True)["mean"]
    torch.testing.assert_close(whole["text_projection"], mean["text_projection"].half())
    assert (whole["token_embedding.weight"].any(1)).sum() == len(data.vocabulary())


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_step(folder, monkeypatch):
    load, calls = train.load_batch, []

    def poisoned(*args, **options):
        calls.append(1)
        batch, generator = load(*args, **options)
        batch.pictures = batch.pictures * (float("nan") if len(calls) == 3 else 1)
        return batch, generator

    monkeypatch.setattr(train, "load_batch", poisoned)
    monkeypatch.setattr(train, "KEEP_EVERY", 0.0)
    with pytest.raises(FloatingPointError, match=r"step 3 gave a loss of nan.*judge\.pt"):
        train.train("judge", folder, JUDGE, out=folder / "models", **HOW)
    kept = torch.load(folder / "judge.pt", weights_only=True)
    assert kept["step"] == 2
    assert all(v.isfinite().all() for v in kept["model"].values())


@pytest.fixture(scope="module")
def trained(painted, tmp_path_factory):
    """A folder with a checkpoint after the one step of a plan."""
    folder = shutil.copytree(painted, tmp_path_factory.mktemp("trained") / "build")
    train.train("judge", folder, ONE_STEP, out=folder, **HOW)
    return folder


def edited(part, **values):
    """Spoils a checkpoint by other values in one of its parts; None takes one out."""

    def edit(kept):
        kept[part] = {k: v for k, v in (kept[part] | values).items() if v is not None}

    return edit


BROKEN = {
    "a weight has another shape": edited("model", **{"clip.logit_scale": torch.zeros(7)}),
    "the mean is no number": edited("mean", **{"logit_scale": torch.tensor(float("nan"))}),
    "the optimizer has no groups": edited("optimizer", param_groups=[]),
    "a step past the end": lambda kept: kept.update(step=99),
    "a list": lambda kept: [kept],
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_broken_checkpoint_is_refused_by_name(trained, folder, spoil):
    kept = torch.load(trained / "judge.pt", weights_only=True)
    instead = spoil(kept)
    torch.save(kept if instead is None else instead, folder / "judge.pt")
    with pytest.raises(ValueError, match=r"judge\.pt is broken \(.*delete it"):
        train.train("judge", folder, ONE_STEP, out=folder / "models", **HOW)


def test_a_checkpoint_of_another_plan_is_refused_by_name(trained, folder):
    shutil.copy(trained / "judge.pt", folder)
    other = dataclasses.replace(ONE_STEP, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"judge\.pt was made with another plan.*delete it"):
        train.train("judge", folder, other, out=folder, **HOW)


def test_the_embedded_models_share_nothing_and_are_those_of_the_plans():
    seeds = [plan.seed for plan in train.PLANS.values()]
    assert len({*seeds, score.TEST_SEED}) == 4
    first, _, other = ({caption(scene_number(seed, i)) for i in range(50)} for seed in seeds)
    assert len(first & other) < 10
    words = {text for values in ATTRIBUTES.values() for text in values.values()}
    for name in train.SHIPPED:
        plan = train.PLANS[name]
        config = json.loads((EMBEDDED_FOLDER / name / CONFIG).read_text())
        assert config["model_cfg"]["vision_cfg"] == plan.vision_cfg
        assert config["model_cfg"]["embed_dim"] == plan.embed_dim
        assert plan.text_cfg.items() <= config["model_cfg"]["text_cfg"].items()
        assert load_clip(name, device="cpu").unknown_words(" ".join(sorted(words))) == []
