"""The ablation: a ladder of single ideas, fair captions, and one command from start to README."""

import json
import re
from dataclasses import replace
from itertools import combinations, islice, pairwise

import ablation as tool
import pytest
from ablation import gradient_alignment
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.measure.ablation import DRAWN, PROMPTS, Ablation, is_true, scenes
from dreamlab.measure.ladder import ORDERS, WITHOUT_VIEWS, build_ladder
from dreamlab.measure.sweep import Sweep
from dreamlab.picturebook.world import BACKGROUNDS, caption
from dreamlab.recipe import Recipe

LADDER = list(build_ladder())
BLURRED = [f"{rung}, blurred by {n} px" for rung in ("+ views", "full") for n in (2, 3, 4)]
DRAWINGS = [DRAWN, "… in 16-px tiles", "… in 8-px tiles"]


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


def test_a_ladder_leads_to_any_recipe():
    full = Recipe(size=64)
    ladder = build_ladder("course-all", 7.0, full)
    assert ladder["full"] == full and {recipe.size for recipe in ladder.values()} == {64}
    assert replace(ladder[WITHOUT_VIEWS], views=4, view_mix=(0.2, 0.7, 0.1), view_noise=0.1) == full


def test_captions_are_varied_and_only_one_is_right_for_a_scene():
    chosen = list(islice(scenes(), 100))
    assert chosen == list(islice(scenes(), 100)) != list(islice(scenes(1), 100))
    assert len({caption(scene) for scene in chosen}) == 100
    for a, b in combinations(chosen, 2):
        assert not is_true(a, b) and not is_true(b, a)
    dreamt = chosen[:PROMPTS]
    assert {scene.background for scene in dreamt} == set(BACKGROUNDS)
    assert len({item.object for scene in dreamt for item in scene.items}) >= 20


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
    assert labels(text) == ["rung", "---", *LADDER, *BLURRED, *DRAWINGS]
    assert text.startswith("before\n<!-- ablation:begin -->\n| rung") and text.endswith("after\n")
    assert text.count("old") == 1, "the other block is as it was"
    (link,) = re.findall(r"!\[.+\]\((.+)\)", text)
    sheet, strip = Image.open(tmp_path / link), Image.open(tmp_path / "docs" / "strip.jpg")
    assert sheet.height > sheet.width and strip.height < sheet.height / 2
    rows = json.loads((tmp_path / "out" / "rows.json").read_text("utf-8"))
    assert len(rows) == 2 * (len(LADDER) + len(BLURRED) + len(DRAWINGS))
    assert all(0 <= row["rank"] < 62 and 0 <= row["grain"] < 1 for row in rows)
    assert "raw: " in printed.out and "full: " in printed.out


def test_views_last_and_several_seeds(command, tmp_path, capsys):
    rungs = ["raw", "+ octaves", "+ views"]
    command("--prompts=1", "--seeds=2", "--order=views-last", "--rungs", *rungs, "--write")
    assert "raw: the dreamer" not in capsys.readouterr().out  # no goals without the full recipe
    _, after = (tmp_path / "README.md").read_text("utf-8").split("<!-- ablation-views-last:begin")
    assert labels(after) == ["rung", "---", *rungs, *BLURRED[:3], *DRAWINGS]
    assert "× 2 seeds" in after and "--order views-last --seeds 2`" in after
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        f"{rung}-00-{seed}.png" for rung in (0, 1, 2) for seed in (0, 1)
    }


def test_the_gradient_of_the_dreamer_draws_and_that_of_an_ordinary_clip_does_not():
    dreamer, plain = (
        load_clip(name, device="cpu") for name in ("picturebook", "picturebook-plain")
    )
    drawing, speckling = (gradient_alignment(clip, 2).value for clip in (dreamer, plain))
    assert drawing > 0.1 > 3 * abs(speckling)


def made(scores: dict[str, list[float]]) -> Ablation:
    rows = [
        {"recipe": rung, "prompt": f"p{i}", "seed": 0, "error": "", "judge": value, "rank": i}
        for rung, values in scores.items()
        for i, value in enumerate(values)
    ]
    picture = Image.new("RGB", (32, 32))
    drawn = [row | {"recipe": DRAWN} for row in rows[: len(scores["raw"])]]
    return Ablation(Sweep(rows, [picture] * len(rows)), drawn, [picture] * len(drawn), 64)


def test_gain_is_taken_prompt_by_prompt_and_seed_by_seed():
    part = made({"raw": [0.1, 0.5, 0.9], "+ views": [0.2, 0.6, 1.0]})
    raw, views, drawn = part.summary()
    assert "gain" not in raw and "gain" not in drawn, "drawn scenes are no rung"
    gain, score = views["gain"], views["judge"]
    assert gain.value == pytest.approx(0.1)
    assert gain.high - gain.low < 1e-9 < score.high - score.low
    part.dreams.rows[5]["error"] = "NaN"
    assert part.summary()[1]["gain"].count == 2, "a failed dream leaves its prompt out"
