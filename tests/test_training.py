"""Training the embedded CLIPs: what is painted, what spoils it, what is learned, what is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import data as scenes
import emphasis
import losses as objectives
import score
import spoil
import train
from dreamlab.clip import load_clip
from dreamlab.picturebook.hands import BOOK
from dreamlab.picturebook.probe import shuffle_tiles
from dreamlab.picturebook.world import ATTRIBUTES, Scene, caption, compose, scene_number
from dreamlab.support.precision import Precision

TEXT = {"context_length": scenes.CONTEXT, "width": 32, "heads": 1, "layers": 1}
SMALL = {"steps": 5, "scenes": 24, "batch": 8, "warmup": 1, "text_cfg": TEXT, "embed_dim": 32}
DREAMER = dataclasses.replace(
    train.PLANS["picturebook"],
    vision_cfg={
        "image_size": 64,
        "patch_size": 8,
        "width": 32,
        "layers": 1,
        "head_width": 32,
        "pool_type": "avg",
    },
    adversary=1.0,
    seen=0.5,
    dreamt=0.25,
    emphasis=0.0,
    **SMALL,
)
JUDGE = dataclasses.replace(
    train.PLANS["picturebook-judge"],
    vision_cfg={"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
    **SMALL,
)
HOW = {"device": "cpu", "workers": 1, "precision": Precision("float32", 1)}


# Small models gain nothing from more, and wait for each other where cores are busy.
pytestmark = pytest.mark.usefixtures("one_thread")


def _data(plan, tmp_path):
    return scenes.paintings(plan.seed, plan.scenes, plan.many_hands, tmp_path, 1)


def _weights(folder):
    return load_file(folder / "open_clip_model.safetensors")


def _generator(seed=1):
    return torch.Generator().manual_seed(seed)


# --- words and paintings --------------------------------------------------------------------------


def test_every_caption_fits_the_compact_vocabulary():
    rng = np.random.default_rng(1)
    texts = [caption(scene_number(77, i), rng) for i in range(2000)]
    rows = scenes.tokens(texts)
    assert rows.max() == len(scenes.vocabulary()) - 1  # the end token stays the largest
    ends = rows.argmax(-1)
    assert (ends < scenes.CONTEXT - 1).all()  # nothing is cut
    with pytest.raises(ValueError, match="no scene"):
        scenes.tokens(["a giraffe"])


def test_false_captions_differ_in_the_thing_alone():
    scene = compose("sky", [("heart", "red", "striped", 2), ("star", "blue", "plain", 1)])
    false = scenes.false_captions(scene, np.random.default_rng(0))
    assert len(set(false)) == scenes.FALSE
    for text in false:
        assert text.endswith(" and a blue star in the sky") and text.startswith("two red striped ")
        assert "heart" not in text and "two red striped stars" not in text
    assert scenes.false_captions(Scene("sky", (), 0), np.random.default_rng(0)) == []


def test_a_quarter_of_the_paintings_is_in_the_own_hand():
    assert scenes.hand_of(1, 1, many_hands=False) == BOOK
    own = np.mean([scenes.hand_of(22, i, many_hands=True) == BOOK for i in range(400)])
    assert 0.18 < own < 0.34


def test_paintings_are_kept_and_those_of_another_world_refused(tmp_path, monkeypatch):
    first = scenes.paintings(3, 6, False, tmp_path, 1)
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(scenes, "_painters", lambda workers: drawn.append(workers))
        again = scenes.paintings(3, 6, False, tmp_path, 1)
    assert not drawn
    assert all(np.array_equal(first[name], again[name]) for name in first)
    with pytest.raises(ValueError, match=r"scenes-3-6.*another many hands, painter.*delete it"):
        scenes.paintings(3, 6, True, tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(scenes, "vocabulary", lambda: np.arange(3))
        with pytest.raises(ValueError, match="another vocabulary"):
            scenes.paintings(3, 6, False, tmp_path, 1)


@pytest.mark.parametrize("broken", ["done", "labels.npy"])
@pytest.mark.parametrize("content", [b"", b"[]", b"\x93NUMPY nonsense"])
def test_broken_paintings_are_named(tmp_path, broken, content):
    scenes.paintings(3, 2, False, tmp_path, 1)
    (tmp_path / "scenes-3-2" / broken).write_bytes(content)
    with pytest.raises(ValueError, match=r"scenes-3-2.* is broken.*delete"):
        scenes.paintings(3, 2, False, tmp_path, 1)


# --- what spoils ----------------------------------------------------------------------------------


def test_tiles_change_places_and_nothing_else():
    pictures = torch.rand(3, 3, 64, 64, generator=_generator())
    for side in (4, 8, 16, 32):
        tiles = shuffle_tiles(pictures, side, _generator())
        assert not torch.equal(tiles, pictures)
        cut = [p.unfold(2, side, side).unfold(3, side, side) for p in (tiles, pictures)]
        sums = [c.sum((1, 4, 5)).flatten(1).sort(1).values for c in cut]
        torch.testing.assert_close(*sums)
    with pytest.raises(ValueError, match="tiles of 24 px"):
        shuffle_tiles(pictures, 24, _generator())


def test_a_scramble_keeps_colours_and_moves_what_is_near():
    pictures = torch.zeros(1, 3, 64, 64)
    pictures[..., 20:44, 20:44] = 1
    moved = spoil.scramble(pictures, 6.0, _generator())
    assert (moved - pictures).abs().mean() > 0.03
    assert abs(moved.mean() - pictures.mean()) < 0.05
    assert torch.equal(moved[..., :2, :2], pictures[..., :2, :2])  # far from any edge


def test_a_texture_is_what_the_thing_is_made_of():
    pictures, owners = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    pictures[:, 0, 30:60, 5:35], owners[..., 30:60, 5:35] = 1, 1
    texture = spoil.texture_only(pictures, owners)
    assert texture.shape == pictures.shape
    assert (texture[:, 0] == 1).all() and (texture[:, 1:] == 0).all()


def test_spoiled_pictures_are_reproducible_and_partly_whole():
    pictures = torch.rand(256, 3, 64, 64, generator=_generator())
    spoiled, kept = spoil.spoil(pictures, 0.3, _generator(2))
    assert torch.equal(spoiled, spoil.spoil(pictures, 0.3, _generator(2))[0])
    assert kept.shape == (256, 1, 64, 64) and kept.min() >= 0 and kept.max() <= 1
    whole = kept.flatten(1).min(1).values == 1
    assert 0.2 < whole.float().mean() < 0.45
    # What was kept whole differs by the noise alone, what was not by more.
    away = (spoiled - pictures).square().mean((1, 2, 3)).sqrt()
    assert away[whole].max() < 0.35
    assert away[~whole].mean() > 1.3 * away[whole].mean()


# --- what is learned ------------------------------------------------------------------------------


def test_alignment_counts_direction_and_not_length():
    wanted = torch.randn(4, 3, 64, 64, generator=_generator())
    things = torch.ones(4, 1, 64, 64)
    loss = objectives.alignment_loss
    assert loss(wanted, wanted, things).item() == pytest.approx(0, abs=1e-5)
    assert loss(1e-3 * wanted, wanted, things).item() == pytest.approx(0, abs=1e-5)
    assert loss(-wanted, wanted, things).item() == pytest.approx(6, abs=1e-4)
    # A wrong thing costs more when things are looked at, and nothing stands nowhere.
    wrong = wanted.clone()
    wrong[..., :16, :16] *= -1
    small = torch.zeros(4, 1, 64, 64)
    small[..., :16, :16] = 1
    assert loss(wrong, wanted, small) > loss(wrong, wanted, things) + 1
    assert loss(wrong, wanted, 0 * small).isfinite()


def test_shape_loss_wants_drawings_found_and_fools_nowhere():
    right, false = torch.eye(8)[:4], torch.eye(8)[4:].repeat(4, 1, 1)[:, :2]
    logits = torch.zeros(4, sum(objectives.SIZES.values()))
    scale = torch.tensor(10.0)
    ideal = objectives.shape_loss(right, -right, right, false, logits, scale)
    fooled = objectives.shape_loss(right, right, right, false, logits, scale)
    lost = objectives.shape_loss(false[:, 0], -right, right, false, logits, scale)
    sure = logits.clone()
    sure[:, 3] = 9
    named = objectives.shape_loss(right, -right, right, false, sure, scale)
    assert max(ideal - fooled, ideal - lost, ideal - named) < 0


def test_captions_must_prefer_their_pictures_to_shapeless_ones():
    text = torch.eye(8)[:4]
    words = torch.arange(4)[:, None]
    scale = torch.tensor(10.0)
    alone = objectives.contrastive_loss(text, text, words, scale)
    harmless = objectives.contrastive_loss(torch.cat([text, -text]), text, words, scale)
    rivals = objectives.contrastive_loss(torch.cat([text, text]), text, words, scale)
    assert harmless < alone + 1e-3 < rivals - 0.3
    # Equal captions are right for each other: their pictures are not told apart.
    twins = text[[0, 0, 1, 2]]
    told_apart = objectives.contrastive_loss(twins, twins, words, scale)
    assert objectives.contrastive_loss(twins, twins, words[[0, 0, 1, 2]], scale) < told_apart + 1e-6


def test_captions_are_pushed_away_from_what_they_share():
    texts = torch.nn.functional.normalize(torch.randn(2, 5, 8, generator=_generator()) + 3, dim=-1)
    assert torch.allclose(emphasis.emphasized(texts, 0), texts, atol=1e-6)
    pushed = emphasis.emphasized(texts, 3)
    assert torch.allclose(pushed.norm(dim=-1), torch.ones(2, 5))
    alike = [(rows @ rows.mT).mean() for rows in (texts, pushed)]
    assert alike[1] < alike[0] - 0.05


def test_captions_learn_to_emphasise_their_thing_and_pictures_stay():
    model = train.build(DREAMER).eval()
    words = scenes.tokens([f"a red {name} in the sky" for name in ("heart", "kite", "fish")])
    before = torch.nn.functional.normalize(model.encode_text(words), dim=-1)
    after = emphasis.emphasize(model, 3.0, seed=1, steps=25)
    same = after.visual.state_dict()
    assert all(torch.equal(v, same[k]) for k, v in model.visual.state_dict().items())
    now = torch.nn.functional.normalize(after.encode_text(words), dim=-1)
    alike = [(rows @ rows.T).mean() for rows in (before, now)]
    assert alike[1] < alike[0] - 0.01
    again = emphasis.emphasize(model, 3.0, seed=1, steps=25)
    assert torch.equal(again.encode_text(words), after.encode_text(words))


def test_a_look_is_reproducible_and_owners_follow_the_picture(tmp_path):
    data = _data(JUDGE, tmp_path)
    batch, _ = train.load_batch(data, JUDGE, 0, torch.device("cpu"))
    views, first = train.look(batch, _generator(), 0.0)
    again, _ = train.look(batch, _generator(), 0.0)
    assert torch.equal(views, again) and views.shape == (8, 3, 64, 64)
    assert first.shape == (8, 1, 64, 64) and first.min() >= 0 and first.max() <= 1
    # The map is cut out of the scene as the picture is: painted into the picture, it comes along.
    batch.pictures = torch.nn.functional.interpolate(batch.owners[:, 1:2], size=(80, 80)).repeat(
        1, 3, 1, 1
    )
    views, first = train.look(batch, _generator(), 0.0)
    seen = [
        np.corrcoef(v.mean(0).flatten(), f.flatten())[0, 1]
        for v, f in zip(views, first, strict=True)
        if f.sum() > 40
    ]
    assert np.median(seen) > 0.9


def test_what_a_spoiled_picture_no_longer_shows_is_not_asked():
    numbers = torch.tensor([[2, 1, 1, 1, 0, -1, -1, -1, -1]]).repeat(3, 1)
    things = torch.zeros(3, 1, 64, 64)
    things[..., 16:48, 16:48] = 1
    kept = torch.ones(3, 1, 64, 64)
    kept[1, :, 16:48, 16:48] = 0  # the thing is gone
    kept[2] = 0  # all is gone
    left = train.still_there(numbers, things, kept)
    assert left[0].tolist() == numbers[0].tolist()
    assert left[1].tolist() == [2, *[-1] * 8]
    assert left[2].tolist() == [-1] * 9


@pytest.mark.parametrize("plan", [DREAMER, JUDGE], ids=["dreamer", "judge"])
def test_a_step_lowers_the_losses_it_is_for(plan, tmp_path):
    data = _data(plan, tmp_path)
    plan = dataclasses.replace(plan, steps=1000, learning_rate=3e-3)
    run = train.Run(plan, torch.device("cpu"), HOW["precision"])
    data = {name: array[:] for name, array in data.items()}
    before = {k: v.item() for k, v in run.losses(data, 0).items()}
    for _ in range(30):
        run.step = 0  # the same batch again and again can be learned by heart
        run.advance(data)
    after = {k: v.item() for k, v in run.losses(data, 0).items()}
    assert after.keys() == before.keys() and len(after) >= 3
    for name in after:
        assert after[name] < before[name], (name, before, after)


def _glimpsing():
    student = train.Student(DREAMER, torch.device("cpu"), HOW["precision"])
    things = torch.zeros(64, 1, 64, 64)
    things[:, :, :32] = 1  # the upper half is a thing
    return student, things


def test_a_glimpse_sees_its_share_and_things_more_readily():
    student, things = _glimpsing()
    seen = student.glimpse.choose(things, 0.5, _generator(0))
    assert seen.shape == (64, 1, 64, 64)
    assert (seen.flatten(1).mean(1) == 0.5).all()
    upper = seen[:, :, :32].mean().item()
    assert 0.55 < upper < 0.75  # without preference one half, with nothing else one
    assert not torch.equal(seen[0], seen[1])
    assert student.glimpse.choose(things, 1.0, _generator(0)).min() == 1


def test_dreams_under_way_climb_and_end_by_chance():
    dreams = train.Dreams()
    new = {"picture": torch.full((400, 3, 8, 8), 0.5), "words": torch.zeros(400, 2)}
    dreams.with_new(new, _generator(0))
    gradient = torch.randn(400, 3, 8, 8, generator=_generator(1))
    dreams.climb(gradient, _generator(2))
    moved = dreams.rows["picture"] - 0.5
    length = moved.square().mean((1, 2, 3)).sqrt()
    low, high = train.Dreams.STEPS
    assert low <= length.min() and length.max() <= high * 1.001
    cosine = torch.nn.functional.cosine_similarity(moved.flatten(1), gradient.flatten(1))
    assert cosine.min() > 0.99
    other = {"picture": torch.zeros(400, 3, 8, 8), "words": torch.ones(400, 2)}
    rows = dreams.with_new(other, _generator(3))
    ended = rows["words"][:, 0] == 1
    assert 0 < ended.float().mean() < 0.15, "about one in sixteen"
    assert (rows["picture"][ended] == 0).all() and (rows["picture"][~ended] != 0).any()


def test_what_a_glimpse_hides_has_no_part_in_the_answer():
    student, things = _glimpsing()
    seen = student.glimpse.choose(things[:4], 0.5, _generator(1))
    pictures = torch.rand(4, 3, 64, 64, generator=_generator(2)).requires_grad_()
    image, patches = student.image_and_tokens(pictures)
    assert patches.shape == (4, 32, 32)
    image[:, 0].sum().backward()
    assert (pictures.grad.abs().sum(1, keepdim=True) > 0).eq(seen > 0).float().mean() > 0.99
    moved = torch.where(seen > 0, pictures.detach(), torch.rand_like(pictures))
    assert torch.equal(student.image(moved), image)


def test_seeing_all_is_the_plain_model():
    student, things = _glimpsing()
    pictures = torch.rand(2, 3, 64, 64, generator=_generator(3))
    student.glimpse.choose(things[:2], 1.0, _generator(4))
    seen = student.image(pictures)
    student.glimpse.order = None
    torch.testing.assert_close(student.image(pictures), seen)


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [DREAMER, JUDGE], ids=["dreamer", "judge"])
def test_an_interrupted_training_ends_with_the_same_weights(plan, tmp_path, monkeypatch):
    train.train("whole", tmp_path / "a", plan, out=tmp_path / "models", **HOW)

    load, calls = train.load_batch, []

    def interrupting(*args):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return load(*args)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(train, "load_batch", interrupting)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3"):
        train.train("parts", tmp_path / "a", plan, out=tmp_path / "models", **HOW)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "models" / "parts").exists()
    train.train("parts", tmp_path / "a", plan, out=tmp_path / "models", **HOW)
    assert len(calls) == 5  # nothing done twice

    whole, parts = _weights(tmp_path / "models/whole"), _weights(tmp_path / "models/parts")
    assert whole.keys() == parts.keys()
    for key in whole:
        assert torch.equal(whole[key], parts[key]), key

    clip = load_clip(f"local-dir:{tmp_path / 'models/parts'}", device="cpu")
    assert clip.unknown_words("a red giraffe in the sky") == ["giraffe"]
    assert clip.image_size == train.IMAGE


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_step(tmp_path, monkeypatch):
    load, calls = train.load_batch, []

    def poisoned(*args):
        calls.append(1)
        batch, generator = load(*args)
        if len(calls) == 4:
            batch.pictures = batch.pictures * float("nan")
        return batch, generator

    monkeypatch.setattr(train, "load_batch", poisoned)
    monkeypatch.setattr(train, "KEEP_EVERY", 0.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(FloatingPointError, match=r"step 4 gave a loss of nan.*judge\.pt holds"):
        train.train("judge", tmp_path, JUDGE, out=tmp_path / "models", **HOW)
    assert signal.getsignal(signal.SIGINT) is before  # Ctrl-C is given back
    kept = torch.load(tmp_path / "judge.pt", weights_only=True)
    assert kept["step"] == 3
    assert all(v.isfinite().all() for v in kept["model"].values())
    train.train("judge", tmp_path, JUDGE, out=tmp_path / "models", **HOW)
    assert (tmp_path / "models/judge").is_dir()


def test_a_checkpoint_of_another_plan_or_a_broken_one_is_named(tmp_path):
    plan = dataclasses.replace(JUDGE, steps=1)
    train.train("judge", tmp_path, plan, out=tmp_path / "models", **HOW)
    file = tmp_path / "judge.pt"
    other = dataclasses.replace(plan, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"judge\.pt was made with another plan.*delete it"):
        train.train("judge", tmp_path, other, out=tmp_path / "models", **HOW)
    whole = file.read_bytes()
    kept = torch.load(file, weights_only=True)
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"judge\.pt is broken.*delete it"):
            train.train("judge", tmp_path, plan, out=tmp_path / "models", **HOW)
    for lost in ("mean", "fingerprint"):
        torch.save({k: v for k, v in kept.items() if k != lost}, file)
        with pytest.raises(ValueError, match="is broken"):
            train.train("judge", tmp_path, plan, out=tmp_path / "models", **HOW)


def test_what_is_kept_are_mean_weights_in_an_ordinary_folder(tmp_path):
    data = _data(DREAMER, tmp_path)
    run = train.Run(DREAMER, torch.device("cpu"), HOW["precision"])
    for _ in range(3):
        run.advance(data)
    model = run.averaged()
    assert not model.training
    name = "visual.proj"
    assert not torch.equal(model.state_dict()[name], run.student.model.state_dict()[name])
    train.save(model, DREAMER, tmp_path / "model")
    config = json.loads((tmp_path / "model/open_clip_config.json").read_text())
    assert config["model_cfg"]["vision_cfg"] == DREAMER.vision_cfg
    clip = load_clip(f"local-dir:{tmp_path / 'model'}", device="cpu")
    pictures = torch.rand(2, 3, 64, 64, generator=_generator())
    with torch.no_grad():
        features = model.visual((pictures - train.MEAN) / train.STD)[0]
    ours = torch.nn.functional.normalize(features, dim=-1)
    assert (ours * clip.encode_image(pictures)).sum(-1).min() > 0.999  # half precision on disk


def test_the_rate_warms_up_stays_and_cools():
    plan = dataclasses.replace(DREAMER, steps=100, warmup=10, cooling=0.4, learning_rate=1.0)
    rates = [plan.learning_rate_at(step) for step in range(100)]
    assert rates[0] == 0.1 and rates[9:61] == [1.0] * 52
    assert all(np.diff(rates[60:]) < 0) and rates[-1] < 0.03


def test_a_tuned_model_begins_with_the_embedded_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MODELS", tmp_path / "models")
    first = train.Run(JUDGE, torch.device("cpu"), HOW["precision"])
    train.save(first.averaged(), JUDGE, tmp_path / "models" / "judge")
    begun = train.embedded_weights(tmp_path / "models" / "judge")
    for name, weight in first.student.model.state_dict().items():
        torch.testing.assert_close(begun[name], weight, atol=1e-3, rtol=1e-3)

    # A rate of nothing leaves the weights where they began, but for the means of BatchNorm.
    still = dataclasses.replace(JUDGE, seed=JUDGE.seed + 1, tuned=True, learning_rate=0.0)
    train.train("judge", tmp_path, still, out=tmp_path / "out", **HOW)
    ended = _weights(tmp_path / "out" / "judge")
    for name, weight in _weights(tmp_path / "models" / "judge").items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(ended[name], weight), name


def test_a_close_up_holds_the_whole_thing(tmp_path):
    data = _data(dataclasses.replace(DREAMER, scenes=60), tmp_path)
    plan = dataclasses.replace(DREAMER, scenes=60, batch=40)
    batch, generator = train.load_batch(data, plan, 0, torch.device("cpu"))
    owners = batch.owners[train.alone(batch.numbers), 1]
    assert len(owners) >= 10
    sides, middle = train.close_up(owners, generator)
    assert ((sides >= 0.4) & (sides <= 1)).all()
    assert (middle.abs() <= 1 - sides[:, None] + 1e-6).all(), "no window leaves its painting"
    for owner, side, (x, y) in zip(owners, sides.tolist(), middle.tolist(), strict=True):
        rows, columns = (2 * (i + 0.5) / owner.shape[-1] - 1 for i in owner.nonzero(as_tuple=True))
        assert (rows - y).abs().max() <= side and (columns - x).abs().max() <= side
        size = max((r.max() - r.min()).item() for r in (rows, columns))
        assert size / 2 / side > 0.35 or side == pytest.approx(0.4)


def test_command_line_answers_in_a_sentence(capsys, monkeypatch):
    for arguments, words in (
        (["nobody"], "no plan for 'nobody'; there are picturebook, picturebook-judge"),
        (["--threads", "0"], "--threads is at least 1, got 0"),
        (["--workers", "-2"], "--workers is at least 1, got -2"),
    ):
        monkeypatch.setattr("sys.argv", ["train", *arguments])
        with pytest.raises(SystemExit) as stop:
            train.main()
        assert stop.value.code == 2
        assert words in capsys.readouterr().err


def test_the_two_models_share_nothing():
    dreamer, judge = train.PLANS["picturebook"], train.PLANS["picturebook-judge"]
    assert dreamer.seed != judge.seed
    assert score.TEST_SEED not in (dreamer.seed, judge.seed)
    assert isinstance(judge.vision_cfg["layers"], list)  # a ResNet
    assert isinstance(dreamer.vision_cfg["layers"], int)  # a vision transformer
    first = {caption(scene_number(dreamer.seed, i)) for i in range(50)}
    other = {caption(scene_number(judge.seed, i)) for i in range(50)}
    assert len(first & other) < 10


def test_attribute_numbers_name_what_is_there():
    scene = compose("sea", [("boat", "red", "plain", 1), ("fish", "blue", "striped", 6)])
    names = [list(values) for values in ATTRIBUTES.values()]
    numbers = scenes.attributes(scene)
    assert names[4][numbers[0]] == "sea"
    assert [names[i][n] for i, n in enumerate(numbers[1:5])] == ["boat", "red", "plain", "one"]
    assert [names[i][n] for i, n in enumerate(numbers[5:])] == ["fish", "blue", "striped", "many"]
