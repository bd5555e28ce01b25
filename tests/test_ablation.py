"""The ablation: a ladder of single ideas, fair captions, and one command from start to README."""

import json
import re
from dataclasses import replace
from itertools import combinations, islice, pairwise

import ablation as tool
import numpy as np
import pytest
from ablation import gradient_alignment, grain_share
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.judge import Estimate, Judge
from dreamlab.measure.ablation import (
    DRAWN,
    PROMPTS,
    Ablation,
    is_true,
    scenes,
)
from dreamlab.measure.ladder import CLIP_GRADIENT, FULL, ORDERS, WITHOUT_VIEWS, build_ladder
from dreamlab.measure.sweep import Sweep
from dreamlab.picturebook.world import BACKGROUNDS, caption, compose
from dreamlab.recipe import ORDINARY, Recipe

LADDER = list(build_ladder())
CLIMBED = list(build_ladder(full=Recipe(**ORDINARY)))  # by an ordinary CLIP
BLURRED = [f"{rung}, blurred by {n} px" for rung in ("+ views", "full") for n in (2, 3, 4)]
DRAWINGS = [DRAWN, "… in 16-px tiles", "… in 8-px tiles"]

# --- the ladder -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["course", "views-last"])
def test_each_rung_adds_one_idea_of_the_default_recipe(order):
    ladder = build_ladder(order, 5.0)
    assert list(ladder) == ["raw", *ORDERS[order], "full"]
    assert sorted(ladder) == sorted(LADDER), "the same ideas in any order"
    changed = [
        {knob for knob in Recipe.knobs() if getattr(before, knob) != getattr(after, knob)}
        for before, after in pairwise(ladder.values())
    ]
    assert all(changed)
    for one, other in combinations(changed[:-1], 2):
        assert one & other <= {"tv_weight"}, "each knob belongs to one idea"
    assert ladder["raw"] == Recipe.raw() and ladder["full"] == Recipe()
    assert ladder["masked TV"].tv_weight == pytest.approx(5 * FULL.tv_weight)
    with pytest.raises(ValueError, match=r"course, views-last.*got 'random'"):
        build_ladder("random")


def test_a_ladder_leads_to_any_recipe():
    full = Recipe(**ORDINARY, size=64)
    ladder = build_ladder("course-all", 7.0, full)
    assert "+ gradient steps" not in ladder and ladder["full"] == full, "raw has Adam's steps"
    assert {recipe.size for recipe in ladder.values()} == {64}
    assert replace(ladder["+ schedule"], normalize_gradient=True, tv_weight=3) == full
    assert replace(ladder[WITHOUT_VIEWS], views=4, view_mix=(0.2, 0.7, 0.1), view_noise=0.1) == full


@pytest.mark.slow
def test_the_size_of_clips_gradient_is_about_what_the_ladder_assumes():
    """New weights need it measured again: without it, rungs lose their balance of CLIP and TV."""
    clip = load_clip("picturebook", device="cpu")
    size = tool.clip_gradient(
        clip, ["a red heart in the sky", "a tree in the snow"], Recipe(steps=20)
    )
    assert 0.5 < size / CLIP_GRADIENT < 2


# --- the captions -----------------------------------------------------------------------------


def test_captions_are_varied_and_only_one_is_right_for_a_scene():
    chosen = list(islice(scenes(), 100))
    assert chosen == list(islice(scenes(), 100)) != list(islice(scenes(1), 100))
    assert len({caption(scene) for scene in chosen}) == 100
    for a, b in combinations(chosen, 2):
        assert not is_true(a, b) and not is_true(b, a)
    dreamt = chosen[:PROMPTS]
    assert {scene.background for scene in dreamt} == set(BACKGROUNDS)
    assert len({item.object for scene in dreamt for item in scene.items}) >= 20
    assert sum(len(scene.items) == 2 for scene in dreamt) >= 8
    assert sum(scene.items[0].texture != "plain" for scene in dreamt) >= 8
    assert sum(len(scene.items[0].places) > 1 for scene in dreamt) >= 5


def test_what_a_caption_leaves_out_is_still_true():
    plain = compose("sky", [("heart", "red", "plain", 1)])
    striped = compose("sky", [("heart", "red", "striped", 1)])
    more = compose("sky", [("star", "blue", "plain", 1), ("heart", "red", "striped", 1)])
    assert is_true(plain, striped) and not is_true(striped, plain)  # "a red heart in the sky"
    assert is_true(striped, more) and not is_true(more, striped)
    for where, colour, count in (("sea", "red", 1), ("sky", "blue", 1), ("sky", "red", 2)):
        assert not is_true(plain, compose(where, [("heart", colour, "plain", count)]))


# --- from start to README ---------------------------------------------------------------------


@pytest.fixture
def command(tiny_clip_dir, tiny_resnet_dir, tmp_path, monkeypatch):
    """The command line with tiny models, and a README of its own."""
    readme, out = tmp_path / "README.md", tmp_path / "out"
    blocks = ("ablation", "ablation-views-last")
    marks = "".join(f"<!-- {name}:begin -->\nold\n<!-- {name}:end -->\n" for name in blocks)
    readme.write_text(f"before\n{marks}after\n", "utf-8")
    monkeypatch.setattr(tool, "README", readme)
    models = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_resnet_dir}"]
    small = ["--steps", "3", "--size", "32", "--device", "cpu", "--workers", "1"]
    return lambda *options: tool.main([*models, *small, "--out", str(out), *options])


def labels(text):
    return [line.split("|")[1].strip() for line in text.split("\n") if line.startswith("|")]


def test_one_command_makes_table_sheet_and_readme(command, tmp_path, capsys):
    command("--prompts", "2", "--write")
    printed = capsys.readouterr()
    text = (tmp_path / "README.md").read_text("utf-8")
    assert labels(text) == ["rung", "---", *CLIMBED, *BLURRED, *DRAWINGS]
    assert text.startswith("before\n<!-- ablation:begin -->\n| rung") and text.endswith("after\n")
    assert "62 captions" in text and text.count("old") == 1, "the other block is as it was"
    (link,) = re.findall(r"!\[.+\]\((.+)\)", text)
    sheet, strip = Image.open(tmp_path / link), Image.open(tmp_path / "docs" / "strip.jpg")
    assert sheet.height > sheet.width and strip.height < sheet.height / 2
    rows = json.loads((tmp_path / "out" / "rows.json").read_text("utf-8"))
    assert len(rows) == 2 * (len(CLIMBED) + len(BLURRED) + len(DRAWINGS))
    assert all(0 <= row["rank"] < 62 and 0 <= row["grain"] < 1 for row in rows)
    assert all("seconds" in row for row in rows[: 2 * len(CLIMBED) : 2]), "of the first caption"
    assert "raw: " in printed.out and "full: " in printed.out and "100%" in printed.err


def test_views_last_and_several_seeds(command, tmp_path, capsys):
    rungs = ["raw", "+ octaves", "+ views"]
    command("--prompts=2", "--seeds=2", "--order=views-last", "--rungs", *rungs, "--write")
    assert "raw: the dreamer" not in capsys.readouterr().out  # no goals without the full recipe
    _, after = (tmp_path / "README.md").read_text("utf-8").split("<!-- ablation-views-last:begin")
    assert (
        labels(after) == ["rung", "---", *rungs, *BLURRED[:3], *DRAWINGS]
        and not (tmp_path / "docs").exists()
    )
    assert "2 captions × 2 seeds" in after and "--order views-last --seeds 2`" in after
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        f"{rung}-0{number}-{seed}.png" for rung in (0, 1, 2) for number in (0, 1) for seed in (0, 1)
    }


def test_an_interrupt_keeps_what_is_done(command, tmp_path, capsys, monkeypatch):
    steps = []  # 3 of a dream, and once more to learn that it is done

    class Interrupted(Dream):
        def __next__(self):
            steps.append(self)
            if len(steps) == 12:
                raise KeyboardInterrupt
            return super().__next__()

    monkeypatch.setattr("dreamlab.measure.sweep.Dream", Interrupted)
    readme = tmp_path / "README.md"
    before, done = readme.read_text("utf-8"), 2
    with pytest.raises(SystemExit) as end, pytest.warns(UserWarning, match="interrupted"):
        command("--prompts", "1", "--write")
    assert f"{len(CLIMBED) - done} of {len(CLIMBED)} dreams are missing" in end.value.code
    assert readme.read_text("utf-8") == before
    rows = json.loads((tmp_path / "out" / "rows.json").read_text("utf-8"))
    assert [row["error"] for row in rows if row["recipe"] in CLIMBED].count("") == done
    assert len(list((tmp_path / "out").glob("*.png"))) == done
    assert f"| {DRAWN} |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "0"], "steps"),
        (["--rungs", "full", "half"], "no rung ['half']"),
        (["--clip", "picturebok"], "picturebok"),
        (["--out", __file__], "test_ablation.py"),
        (["--write"], "ablation:begin"),
    ],
)
def test_a_mistyped_option_is_answered_in_a_sentence(command, tmp_path, capsys, options, words):
    (tmp_path / "README.md").write_text("no marks", "utf-8")
    with pytest.raises(SystemExit) as end:
        command("--prompts", "1", *options)
    said = capsys.readouterr().err
    assert end.value.code in (1, 2) and words in said and "Traceback" not in said


# --- pictures and gradients -------------------------------------------------------------------


def test_grain_is_what_a_blur_removes():
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    fine = Image.fromarray(noise)
    coarse = Image.fromarray(noise[:6, :8]).resize((128, 96), Image.Resampling.BICUBIC)
    assert grain_share(fine, 64) > 0.6 > 0.01 > grain_share(coarse, 64)
    assert grain_share(Image.new("RGB", (64, 64), "red"), 64) < 1e-9


def test_the_gradient_of_the_dreamer_draws_and_that_of_an_ordinary_clip_does_not():
    dreamer, plain = (
        load_clip(name, device="cpu") for name in ("picturebook", "picturebook-plain")
    )
    drawing, speckling = (gradient_alignment(clip, 2).value for clip in (dreamer, plain))
    assert drawing > 0.1 > 3 * abs(speckling)
    draws, reads = (Judge(clip).baselines[0].found.value for clip in (dreamer, plain))
    assert reads > 0.8 > draws, "drawings that each names rightly, of 50"


# --- numbers ----------------------------------------------------------------------------------


def made(scores: dict[str, list[float]]) -> Ablation:
    rows = [
        {"recipe": rung, "prompt": f"p{i}", "seed": 0, "error": "", "judge": value, "rank": i}
        for rung, values in scores.items()
        for i, value in enumerate(values)
    ]
    picture = Image.new("RGB", (32, 32))
    drawn = [row | {"recipe": DRAWN} for row in rows[: len(scores["raw"])]]
    return Ablation(Sweep(rows, [picture] * len(rows)), drawn, [picture] * len(drawn), 64, 60.0)


def test_gain_is_taken_prompt_by_prompt_and_seed_by_seed():
    part = made({"raw": [0.1, 0.5, 0.9], "+ views": [0.2, 0.6, 1.0]})
    raw, views, drawn = part.summary()
    assert "gain" not in raw and "gain" not in drawn, "drawn scenes are no rung"
    gain, score = views["gain"], views["judge"]
    assert gain.value == pytest.approx(0.1)
    assert gain.high - gain.low < 1e-9 < score.high - score.low
    part.dreams.rows[5]["error"] = "NaN"
    assert part.summary()[1]["gain"].count == 2, "a failed dream leaves its prompt out"
    again = [row | {"seed": 1, "judge": row["judge"] + 0.5} for row in part.dreams.rows]
    rows = [*part.dreams.rows, *again[:3], *again[4:]]  # one dream of "+ views" less
    gain = replace(part, dreams=Sweep(rows, part.dreams.images * 2)).summary()[1]["gain"]
    assert (gain.value, gain.count) == (pytest.approx(0.1), 2)


def test_goals_tell_reached_from_missed():
    def row(name, **values):
        return {"recipe": name} | {k: Estimate(v, v, v, 40) for k, v in values.items()}

    drawn = row(DRAWN, dreamer=0.7, top1=1.0, object=0.9, slope=-2.5, out_of_range=0.0)
    good = [
        row("raw", dreamer=0.98, top1=0.0, object=0.2, slope=-0.2, out_of_range=0.4),
        row("full", dreamer=0.8, top1=0.95, object=0.8, slope=-2.2, out_of_range=0.0),
        drawn,
    ]
    bad = [
        row("raw", dreamer=0.6, top1=0.5, object=0.21, slope=-1.5, out_of_range=0.0),
        row("full", dreamer=0.8, top1=0.85, object=0.79, slope=-1.2, out_of_range=0.01),
        drawn,
    ]
    assert [reached for _, reached in tool.goals(good)] == [True] * 10
    assert [reached for _, reached in tool.goals(bad)] == [False] * 10
    for one in good:
        del one["object"]
    assert [reached for _, reached in tool.goals(good)] == [True] * 8  # a judge of another world
