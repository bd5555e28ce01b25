"""Training the embedded CLIPs: what is painted, what models see, what they learn, what is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from precision import Precision
from safetensors.torch import load_file

import augment
import canonical
import data
import emphasis
import losses
import model
import score
import train
from captions import ATTRIBUTES, random_caption
from dreamlab.clip import load_clip
from dreamlab.picturebook.styles import BOOK
from dreamlab.picturebook.world import Scene, caption, compose, scene_number
from dreamlab.support.loading import EMBEDDED_FOLDER

TEXT = {"context_length": data.CONTEXT, "width": 32, "heads": 1, "layers": 1}
SMALL = {"steps": 4, "scenes": 24, "batch": 8, "warmup": 1, "text_cfg": TEXT, "embed_dim": 32}
VIT = {"width": 32, "layers": 1, "head_width": 32}
DREAMER = dataclasses.replace(
    train.PLANS["picturebook"],
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
    DREAMER, embed_dim=48, batch=12, settings=2, start="first", persistent=1 / 3, patches=1.0
)
KIND = {False: data.BOOK_ONLY, True: data.STYLES}
PLANS = pytest.mark.parametrize("plan", [DREAMER, JUDGE], ids=["dreamer", "judge"])
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


def _generator(seed=1):
    return torch.Generator().manual_seed(seed)


# --- words and paintings --------------------------------------------------------------------------


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
    assert data.false_captions(Scene("sky", (), 0), np.random.default_rng(0)) == []
    names = [list(values) for values in ATTRIBUTES.values()]
    background, *items = data.attributes(scene)
    words = [names[i % 4][n] for i, n in enumerate(items)]
    assert names[4][background] == "sky"
    assert words == ["heart", "red", "striped", "two", "star", "blue", "plain", "one"]
    assert data.attributes(compose("sea"))[1:] == [-1] * 8


def test_paintings_are_kept_and_those_of_another_painter_refused(folder, monkeypatch):
    assert data.style_of(1, 1, data.BOOK_ONLY) == BOOK
    assert 0.18 < np.mean([data.style_of(22, i, data.STYLES) == BOOK for i in range(400)]) < 0.34
    monkeypatch.setattr(data, "_painted", None)  # paints no more
    first, _ = data.paintings(DREAMER.seed, 24, data.BOOK_ONLY, folder, 1)
    assert first["pictures"].shape == (24, 80, 80, 3) and np.std(first["pictures"]) > 20
    with pytest.raises(ValueError, match=r"scenes-11-24.*another kind, painter.*delete it"):
        data.paintings(DREAMER.seed, 24, data.STYLES, folder, 1)
    monkeypatch.setattr(data, "vocabulary", lambda: np.arange(200))
    with pytest.raises(ValueError, match="another vocabulary"):
        data.paintings(DREAMER.seed, 24, data.BOOK_ONLY, folder, 1)


# --- what models see ------------------------------------------------------------------------------


def test_windows_are_reproducible_and_masks_follow_them(painted):
    batch, _ = _batch(JUDGE, painted)
    views, first = augment.augment(batch, _generator(), 0.0)
    again, _ = augment.augment(batch, _generator(), 0.0)
    assert torch.equal(views, again) and views.shape == (8, 3, 64, 64)
    # The mask is cut out as the picture is: painted into the picture, it comes along.
    batch.pictures = F.interpolate(batch.masks[:, 1:2], size=(80, 80)).repeat(1, 3, 1, 1)
    views, first = augment.augment(batch, _generator(), 0.0)
    pairs = [(v.mean(0).flatten(), f.flatten()) for v, f in zip(views, first, strict=True)]
    assert np.median([np.corrcoef(v, f)[0, 1] for v, f in pairs if f.sum() > 40]) > 0.9


def test_what_a_corrupted_picture_no_longer_shows_is_not_asked():
    attributes = torch.tensor([[2, 1, 1, 1, 0, -1, -1, -1, -1]]).repeat(3, 1)
    objects, kept = torch.zeros(3, 1, 64, 64), torch.ones(3, 1, 64, 64)
    objects[..., 16:48, 16:48] = 1
    kept[1, :, 16:48, 16:48] = 0  # the object is gone
    kept[2] = 0  # all is gone
    left = augment.visible_attributes(attributes, objects, kept).tolist()
    assert left == [attributes[0].tolist(), [2, *[-1] * 8], [-1] * 9]


def test_negatives_keep_colours_and_lose_the_shape():
    pictures, masks = torch.zeros(8, 3, 64, 64), torch.zeros(8, 1, 64, 64)
    pictures[:, 0, 20:52, 8:40], masks[..., 20:52, 8:40] = 1, 1
    negatives = augment.shapeless_negatives(pictures, masks, _generator())
    assert negatives.shape == pictures.shape and not negatives[:, 1:].any()
    assert (negatives[5, 0] == 1).all()  # its texture alone
    others = [0, 1, 2, 3, 4, 6, 7]
    assert (negatives[others, 0].mean((1, 2)) - 0.25).abs().max() < 0.05
    assert ((negatives - pictures)[others].abs().mean((1, 2, 3)) > 0.01).all()


# --- what models learn ----------------------------------------------------------------------------


def test_alignment_counts_direction_and_not_length():
    wanted, objects = torch.randn(4, 3, 64, 64, generator=_generator()), torch.ones(4, 1, 64, 64)
    loss = losses.alignment_loss
    assert loss(1e-3 * wanted, wanted, objects).item() == pytest.approx(0, abs=1e-5)
    assert loss(-wanted, wanted, objects).item() == pytest.approx(6, abs=1e-4)
    # An object that is wrong costs more than as much of the background, and no object nothing.
    wrong, small = wanted.clone(), torch.zeros(4, 1, 64, 64)
    wrong[..., :16, :16] *= -1
    small[..., :16, :16] = 1
    assert loss(wrong, wanted, small) > loss(wrong, wanted, objects) + 1
    assert loss(wrong, wanted, 0 * small).isfinite()


def test_shape_loss_wants_drawings_found_and_negatives_nowhere():
    right, false = torch.eye(8)[:4], torch.eye(8)[4:].repeat(4, 1, 1)[:, :2]
    logits, scale = torch.zeros(4, sum(losses.SIZES.values())), torch.tensor(10.0)
    sure = logits.clone()
    sure[:, 3] = 9
    ideal = losses.shape_loss(right, -right, right, false, logits, scale)
    assert ideal < losses.shape_loss(right, right, right, false, logits, scale)
    assert ideal < losses.shape_loss(false[:, 0], -right, right, false, logits, scale)
    assert ideal < losses.shape_loss(right, -right, right, false, sure, scale)


def test_captions_must_prefer_their_pictures_to_negatives():
    text, tokens, scale = torch.eye(8)[:4], torch.arange(4)[:, None], torch.tensor(10.0)
    loss = losses.contrastive_loss
    plain = loss(text, text, tokens, scale)
    harmless, rivals = (loss(torch.cat([text, x]), text, tokens, scale) for x in (-text, text))
    assert harmless < plain + 1e-3 < rivals - 0.3
    # Equal captions are right for each other: their pictures are not told apart.
    twins, same = text[[0, 0, 1, 2]], tokens[[0, 0, 1, 2]]
    assert loss(twins, twins, same, scale) < loss(twins, twins, tokens, scale) + 1e-6


def test_captions_learn_to_emphasise_their_object_and_pictures_stay():
    texts = F.normalize(torch.randn(2, 5, 8, generator=_generator()) + 3, dim=-1)
    assert torch.allclose(emphasis.emphasized(texts, 0), texts, atol=1e-6)
    pushed = emphasis.emphasized(texts, 3)
    assert (pushed @ pushed.mT).mean() < (texts @ texts.mT).mean() - 0.05

    clip = model.Trainee(DREAMER, FLOAT32).clip.eval()
    words = data.tokens([f"a red {name} in the sky" for name in ("heart", "kite", "fish")])
    after = emphasis.emphasize(clip, 3.0, seed=1, steps=15)
    same = after.visual.state_dict()
    assert all(torch.equal(v, same[k]) for k, v in clip.visual.state_dict().items())
    rows = [c.encode_text(words, normalize=True) for c in (clip, after)]
    assert (rows[1] @ rows[1].T).mean() < (rows[0] @ rows[0].T).mean() - 0.005


def test_hidden_patches_have_no_part_in_the_answer():
    trainee = model.Trainee(DREAMER, FLOAT32)
    objects = torch.zeros(64, 1, 64, 64)
    objects[:, :, :32] = 1  # the upper half is an object
    seen = trainee.selection.draw(objects, 0.5, _generator(0))
    assert (seen.flatten(1).mean(1) == 0.5).all() and not torch.equal(seen[0], seen[1])
    assert 0.55 < seen[:, :, :32].mean() < 0.75  # without preference one half

    seen = trainee.selection.draw(objects[:4], 0.5, _generator(1))
    pictures = torch.rand(4, 3, 64, 64, generator=_generator(2)).requires_grad_()
    image, patches = trainee.image(pictures)
    assert patches.shape == (4, 32, 32)
    image[:, 0].sum().backward()
    assert (pictures.grad.abs().sum(1, keepdim=True) > 0).eq(seen > 0).float().mean() > 0.99
    moved = torch.where(seen > 0, pictures.detach(), torch.rand_like(pictures))
    assert torch.equal(trainee.image(moved)[0], image)

    assert trainee.selection.draw(objects[:4], 1.0, _generator(0)).min() == 1
    everything, _ = trainee.image(moved)
    trainee.selection.order = None
    torch.testing.assert_close(trainee.image(moved)[0], everything)  # the plain model


def test_persistent_samples_climb_and_are_renewed_by_chance():
    samples = model.PersistentSamples(DREAMER)
    fresh = {"picture": torch.full((400, 3, 8, 8), 0.5), "tokens": torch.zeros(400, 2)}
    samples.renew(fresh, _generator(0))
    gradient = torch.randn(400, 3, 8, 8, generator=_generator(1))
    samples.climb(gradient, _generator(2))
    moved = samples.rows["picture"] - 0.5
    length = moved.square().mean((1, 2, 3)).sqrt()
    low, high = DREAMER.climb
    assert low <= length.min() and length.max() <= high * 1.001
    assert F.cosine_similarity(moved.flatten(1), gradient.flatten(1)).min() > 0.99
    other = {"picture": torch.zeros(400, 3, 8, 8), "tokens": torch.ones(400, 2)}
    rows = samples.renew(other, _generator(3))
    new = rows["tokens"][:, 0] == 1
    assert 0 < new.float().mean() < 0.15, "about one in sixteen"
    assert (rows["picture"][new] == 0).all() and (rows["picture"][~new] != 0).any()


@PLANS
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
    assert (np.delete(attributes, 1, 2) == np.delete(attributes, 1, 2)[:, :1]).all(), (
        "all else equal"
    )
    out = folder / "models"
    train.train("first", folder, dataclasses.replace(DREAMER, steps=1), out=out, **HOW)
    trainee = model.Trainee(SECOND, FLOAT32)
    train.begin(trainee, out / "first")
    assert not trainee.clip.visual.proj[:, 32:].any() and trainee.clip.text_projection[:, 32:].any()

    settings, history = canonical.Settings.of(rows), []
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=3e-3)
    batch, _ = _batch(DREAMER, folder, 2)
    for step in (0, 0, 0, 0, 0, 0, 0, 0):
        losses = canonical.canonical_losses(trainee, batch, settings, _generator(), step)
        history.append(losses)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert all(history[-1][name] < history[0][name] for name in ("align", "grey", "difference"))
    train.train("second", folder, SECOND, out=out, **HOW)
    assert (
        load_clip(f"local-dir:{out / 'second'}", device="cpu").encode_text("a red star").shape[1]
        == 48
    )
    with pytest.raises(ValueError, match="train absent first"):
        train.begin(trainee, out / "absent")


# --- what is kept ---------------------------------------------------------------------------------


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
    assert len(calls) == 4  # nothing done twice
    whole, parts = (
        load_file(out / name / "open_clip_model.safetensors") for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)

    config = json.loads((out / "whole/open_clip_config.json").read_text())
    assert config["model_cfg"]["vision_cfg"] == DREAMER.vision_cfg
    clip = load_clip(f"local-dir:{out / 'whole'}", device="cpu")
    assert clip.unknown_words("a red giraffe in the sky") == ["giraffe"]
    # The mean of the weights is saved, matrices in half precision.
    mean = torch.load(folder / "whole.pt", weights_only=True)["mean"]
    assert whole["text_projection"].dtype == torch.float16
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
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(FloatingPointError, match=r"step 3 gave a loss of nan.*judge\.pt"):
        train.train("judge", folder, JUDGE, out=folder / "models", **HOW)
    assert signal.getsignal(signal.SIGINT) is before  # Ctrl-C is given back
    kept = torch.load(folder / "judge.pt", weights_only=True)
    assert kept["step"] == 2
    assert all(v.isfinite().all() for v in kept["model"].values())
    train.train("judge", folder, JUDGE, out=folder / "models", **HOW)
    assert (folder / "models/judge").is_dir()


def test_arithmetic_is_measured_once_and_kept(folder, monkeypatch):
    measured = []

    def choose(run, *, device):
        measured.append(run())
        return Precision("bfloat16", 1, str(device))

    monkeypatch.setattr(train, "choose_precision", choose)
    for _ in range(2):
        train.train("judge", folder, ONE_STEP, device="cpu", workers=1, out=folder)
    kept = torch.load(folder / "judge.pt", weights_only=True)
    assert len(measured) == 1 and kept["precision"]["dtype"] == "bfloat16"
    other = dataclasses.replace(ONE_STEP, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"judge\.pt was made with another plan.*delete it"):
        train.train("judge", folder, other, out=folder, **HOW)


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
    "a weight is missing": edited("model", **{"clip.logit_scale": None}),
    "a weight has another shape": edited("model", **{"clip.logit_scale": torch.zeros(7)}),
    "the mean is empty": lambda kept: kept["mean"].clear(),
    "the mean is no number": edited("mean", **{"logit_scale": torch.tensor(float("nan"))}),
    "the optimizer has no groups": edited("optimizer", param_groups=[]),
    "the optimizer has no moments": edited("optimizer", state={}),
    "moments of another shape": lambda kept: kept["optimizer"]["state"][0].update(
        exp_avg=torch.zeros(3)
    ),
    "a step past the end": lambda kept: kept.update(step=99),
    "a step of a word": lambda kept: kept.update(step="1"),
    "untrained weights at the last step": lambda kept: kept["optimizer"]["state"].clear(),
    "no such arithmetic": edited("precision", dtype="int3"),
    "a part is missing": lambda kept: kept.pop("mean") and None,
    "a tensor": lambda kept: torch.zeros(3),
    "a list": lambda kept: [kept],
}


@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_a_broken_checkpoint_is_refused_by_name(trained, folder, spoil):
    kept = torch.load(trained / "judge.pt", weights_only=True)
    instead = spoil(kept)
    torch.save(kept if instead is None else instead, folder / "judge.pt")
    with pytest.raises(ValueError, match=r"judge\.pt is broken \(.*delete it"):
        train.train("judge", folder, ONE_STEP, out=folder / "models", **HOW)
    assert not (folder / "models").exists()


@pytest.mark.parametrize("content", [b"", b"[1]", b"\x93NUMPY nonsense", slice(-9)])
@pytest.mark.parametrize("name", ["judge.pt", "scenes-22-24/done", "scenes-22-24/labels.npy"])
def test_a_file_that_is_no_such_file_is_refused_by_name(trained, folder, name, content):
    whole = (trained / name).read_bytes()
    (folder / name).write_bytes(whole[content] if isinstance(content, slice) else content)
    with pytest.raises(ValueError, match=rf"{name.split('/')[0]} is broken \(.*delete it"):
        train.train("judge", folder, ONE_STEP, out=folder / "models", **HOW)


@pytest.mark.parametrize(("name", "value"), [("labels", 3), ("tokens", 30_000), ("attributes", 25)])
def test_paintings_out_of_range_are_refused_by_name(folder, name, value):
    file = folder / f"scenes-22-24/{name}.npy"
    rows = np.load(file)
    rows[5, 2] = value
    np.save(file, rows)
    with pytest.raises(ValueError, match=rf"scenes-22-24 is broken \({name}.*out of range.*delete"):
        data.paintings(JUDGE.seed, 24, data.STYLES, folder, 1)


@pytest.mark.skipif(os.name == "nt", reason="files of limited size are of other systems")
def test_a_full_disk_is_named_and_leaves_the_last_checkpoint(trained, folder, tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    shutil.copy(trained / "judge.pt", folder)
    kept = (folder / "judge.pt").read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"24 paintings could not be written.*scenes-3-24.*GB"):
            data.paintings(3, 24, False, tmp_path, 1)
        with pytest.raises(OSError, match=r"judge\.pt could not be written.*nothing.*changed"):
            train.train("judge", folder, ONE_STEP, out=folder, **HOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (folder / "judge.pt").read_bytes() == kept


def test_a_mistyped_option_is_answered_in_a_sentence(capsys, monkeypatch):
    for arguments, words in (
        (["nobody"], "no plan for 'nobody'"),
        (["--workers", "0"], "--workers"),
    ):
        monkeypatch.setattr("sys.argv", ["train.py", *arguments])
        with pytest.raises(SystemExit) as stop:
            train.main()
        assert stop.value.code == 2 and words in capsys.readouterr().err


def test_the_embedded_models_share_nothing_and_are_those_of_the_plans():
    dreamer, judge = train.PLANS["picturebook"], train.PLANS["picturebook-judge"]
    assert len({dreamer.seed, judge.seed, score.TEST_SEED}) == 3
    first, other = ({caption(scene_number(p.seed, i)) for i in range(50)} for p in (dreamer, judge))
    assert len(first & other) < 10
    for name in train.SHIPPED:
        plan = train.PLANS[name]
        config = json.loads((EMBEDDED_FOLDER / name / "open_clip_config.json").read_text())
        assert config["model_cfg"]["vision_cfg"] == plan.vision_cfg
        assert plan.text_cfg.items() <= config["model_cfg"]["text_cfg"].items()
        clip = load_clip(name, device="cpu")
        words = {text for values in ATTRIBUTES.values() for text in values.values()}
        assert clip.unknown_words(" ".join(sorted(words))) == []
        assert clip.unknown_words("giraffe") == ["giraffe"]
