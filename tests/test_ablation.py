"""The ablation: a ladder of single ideas, fair captions, and one command from start to README."""

import io
import json
import re
from dataclasses import replace
from itertools import combinations, islice, pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.dream import Dream, unit_rms
from dreamlab.measure import ablation
from dreamlab.measure import ladder as ladder_module
from dreamlab.measure.ablation import (
    DRAWN,
    LADDER,
    Ablation,
    bars,
    is_true,
    run,
    save_sheet,
    scenes,
)
from dreamlab.measure.judge import Estimate
from dreamlab.measure.ladder import CLIP_GRADIENT, ORDERS, build_ladder, clip_gradient
from dreamlab.measure.sweep import Sweep
from dreamlab.picturebook.world import BACKGROUNDS, caption, compose
from dreamlab.recipe import Recipe

# What each rung may change of the one before: the knobs of its one idea.
IDEAS = {
    "+ gradient steps": {"optimizer", "learning_rate"},
    "+ views": {"views", "view_mix", "view_noise"},
    "+ TV": {"tv_weight"},
    "masked TV": {"tv_kind", "tv_weight"},
    "+ clamp": {"clamp"},
    "+ octaves": {"octaves"},
    "full": {
        "normalize_gradient",
        "tv_weight",
        "final_learning_rate",
        "final_view_mix",
        "final_view_noise",
    },
}
DRAWINGS = [DRAWN, "… in 16-px tiles", "… in 8-px tiles"]
BY_ADAM = replace(Recipe(), optimizer="adam", learning_rate=Recipe.raw().learning_rate)
BY_GRADIENT = replace(Recipe(), optimizer="gradient", learning_rate=0.1, final_view_noise=0.02)


def changed(before: Recipe, after: Recipe) -> set[str]:
    return {knob for knob in Recipe.knobs() if getattr(before, knob) != getattr(after, knob)}


# --- the ladder -------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [Recipe(), BY_ADAM, BY_GRADIENT])
@pytest.mark.parametrize("order", list(ORDERS))
def test_each_rung_adds_one_idea_of_the_default_recipe(order, full, monkeypatch):
    monkeypatch.setattr(ladder_module, "FULL", full)
    ladder = build_ladder(order, 5.0)
    steps = ["+ gradient steps"] if full.optimizer == "gradient" else []
    assert list(ladder) == ["raw", *steps, *ORDERS[order], "full"]
    for (_, before), (name, after) in pairwise(ladder.items()):
        assert changed(before, after), name
        assert changed(before, after) <= IDEAS[name], name
    assert ladder["raw"] == Recipe.raw()
    assert ladder["full"] == full
    assert ladder["+ TV"].tv_kind in ("l1", "isotropic")
    assert ladder["masked TV"].tv_kind == "masked"
    assert ladder["masked TV"].tv_weight == pytest.approx(5 * full.tv_weight)


def test_an_idea_that_the_default_recipe_does_without_has_no_rung(monkeypatch):
    monkeypatch.setattr(ladder_module, "FULL", replace(Recipe(), octaves=(1.0,)))
    assert "+ octaves" not in build_ladder()
    assert list(build_ladder("views-last"))[-2:] == ["+ views", "full"]


def test_the_orders_hold_the_same_ideas():
    assert {frozenset(names) for names in ORDERS.values()} == {frozenset(ORDERS["course"])}
    assert build_ladder("course") == LADDER
    with pytest.raises(ValueError, match="course, views-last, got 'random'"):
        build_ladder("random")


@pytest.mark.slow
def test_the_size_of_clips_gradient_is_about_what_the_ladder_assumes():
    """New weights need it measured again: without it, rungs lose their balance of CLIP and TV."""
    recipe = replace(Recipe(), steps=60)
    clip = load_clip("picturebook", device="cpu")
    size = clip_gradient(clip, ["a red heart in the sky", "a tree in the snow"], recipe)
    assert 0.5 < size / CLIP_GRADIENT < 2


def test_the_size_of_a_gradient_is_what_normalisation_divides_by(tiny_clip, monkeypatch):
    seen = []

    def spying(gradient):
        seen.append(gradient.square().mean((1, 2, 3)).sqrt())
        return unit_rms(gradient)

    monkeypatch.setattr("dreamlab.dream.unit_rms", spying)
    recipe = Recipe(size=32, steps=30, views=4, octaves=(1.0,), optimizer="adam")
    measured = clip_gradient(tiny_clip, ["a heart", "a tree"], recipe, every=3)
    assert measured == pytest.approx(torch.cat(seen).median().item(), rel=0.3)


def test_all_rungs_with_windows_spend_the_same_views():
    names = list(LADDER)
    first = names.index("+ views")
    assert {LADDER[name].views for name in names[:first]} == {1}
    assert {LADDER[name].views for name in names[first:]} == {Recipe().views}
    assert len({recipe.steps for recipe in LADDER.values()}) == 1


# --- the captions -----------------------------------------------------------------------------


def test_captions_are_the_same_for_a_seed_and_differ_between_seeds():
    first, again, other = (list(islice(scenes(seed), 30)) for seed in (0, 0, 1))
    assert first == again
    assert first[:4] == other[:4]  # the worked examples
    assert first[4:] != other[4:]


@pytest.mark.parametrize("seed", [0, 1])
def test_captions_are_varied_and_only_one_is_right_for_a_scene(seed):
    chosen = list(islice(scenes(seed), 100))
    assert len({caption(scene) for scene in chosen}) == 100
    for a, b in combinations(chosen, 2):
        assert not is_true(a, b)
        assert not is_true(b, a)
    dreamt = chosen[: ablation.PROMPTS]
    assert {scene.background for scene in dreamt} == set(BACKGROUNDS)
    assert len({item.object for scene in dreamt for item in scene.items}) >= 20
    assert sum(len(scene.items) == 2 for scene in dreamt) >= 8
    assert sum(scene.items[0].texture != "plain" for scene in dreamt) >= 8
    assert sum(len(scene.items[0].places) > 1 for scene in dreamt) >= 5


def test_what_a_caption_leaves_out_is_still_true():
    plain = compose("sky", [("heart", "red", "plain", 1)])
    striped = compose("sky", [("heart", "red", "striped", 1)])
    more = compose("sky", [("star", "blue", "plain", 1), ("heart", "red", "striped", 1)])
    assert is_true(plain, striped)  # "a red heart in the sky"
    assert not is_true(striped, plain)
    assert is_true(striped, more)
    assert not is_true(more, striped)
    assert is_true(compose("sky"), plain)  # "nothing in the sky" says less than it seems to
    for other in (
        compose("sea", [("heart", "red", "plain", 1)]),
        compose("sky", [("heart", "blue", "plain", 1)]),
        compose("sky", [("star", "red", "plain", 1)]),
        compose("sky", [("heart", "red", "plain", 2)]),
    ):
        assert not is_true(plain, other)


# --- from start to README ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def names(tiny_clip_dir, tiny_resnet_dir):
    return {"clip": f"local-dir:{tiny_clip_dir}", "judge": f"local-dir:{tiny_resnet_dir}"}


@pytest.fixture
def readme(tmp_path, monkeypatch):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- ablation:begin -->\nold\n<!-- ablation:end -->\nafter\n", "utf-8")
    monkeypatch.setattr(ablation, "README", path)
    return path


def test_one_command_makes_table_sheet_and_readme(names, readme, tmp_path, capsys):
    small = ["--prompts", "2", "--steps", "3", "--size", "64", "--device", "cpu", "--workers", "1"]
    models = ["--clip", names["clip"], "--judge", names["judge"]]
    ablation.main([*small, *models, "--out", str(tmp_path / "out"), "--write"])
    printed = capsys.readouterr()
    text = readme.read_text("utf-8")

    table = [line for line in text.split("\n") if line.startswith("|")]
    labels = [line.split("|")[1].strip() for line in table]
    assert labels == ["rung", "---", *LADDER, *DRAWINGS]
    assert len({line.count("|") for line in table}) == 1
    assert "among" not in text and "62 captions" in text
    assert text.startswith("before\n<!-- ablation:begin -->\n")
    assert text.endswith("<!-- ablation:end -->\nafter\n")
    assert "old" not in text
    (link,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert (tmp_path / link).stat().st_size < 1_000_000
    sheet = Image.open(tmp_path / link)
    assert sheet.height > sheet.width  # ten rows, two columns
    strip = Image.open(tmp_path / "docs" / "strip.jpg")
    assert strip.height < sheet.height / 2  # first and last rung, and the drawings

    rows = json.loads((tmp_path / "out" / "rows.json").read_text("utf-8"))
    assert len(rows) == 2 * (len(LADDER) + len(DRAWINGS))
    assert all(0 <= row["rank"] < 62 for row in rows)
    assert len(list((tmp_path / "out").glob("*.png"))) == 2 * len(LADDER)
    for line in table:
        assert line in text
    assert "raw: " in printed.out and "full: " in printed.out
    assert "100%" in printed.err  # progress


def test_views_last_and_several_seeds(names, readme, tmp_path, capsys):
    marks = "<!-- ablation-views-last:begin -->\n<!-- ablation-views-last:end -->\n"
    readme.write_text(readme.read_text("utf-8") + marks, "utf-8")
    small = ["--prompts", "2", "--steps", "3", "--size", "32", "--device", "cpu", "--workers", "1"]
    more = ["--seeds", "2", "--order", "views-last", "--rungs", "raw", "+ octaves", "+ views"]
    models = ["--clip", names["clip"], "--judge", names["judge"]]
    ablation.main([*small, *more, *models, "--out", str(tmp_path / "out"), "--write"])
    assert "raw: the dreamer" not in capsys.readouterr().out  # no bars without the full recipe
    before, after = readme.read_text("utf-8").split("<!-- ablation-views-last:begin -->")
    assert "\nold\n" in before and not (tmp_path / "docs").exists()
    labels = [line.split("|")[1].strip() for line in after.split("\n") if line.startswith("|")]
    assert labels == ["rung", "---", "raw", "+ octaves", "+ views", *DRAWINGS]
    assert "2 captions × 2 seeds" in after and "ablation --order views-last --seeds 2`" in after
    rows = json.loads((tmp_path / "out" / "rows.json").read_text("utf-8"))
    assert len(rows) == 2 * 2 * 3 + 2 * len(DRAWINGS)
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        f"{rung}-0{number}-{seed}.png" for rung in (0, 1, 2) for number in (0, 1) for seed in (0, 1)
    }


@pytest.mark.slow
def test_the_embedded_judge_is_asked_for_things_and_for_drawings_in_tiles():
    ladder = {"full": Recipe(size=64, steps=1, octaves=(1.0,), views=1)}
    summary = run(8, ladder=ladder, device="cpu").summary()
    assert [row["recipe"] for row in summary] == ["full", *DRAWINGS]
    drawn, _, eight = summary[1:]
    assert all(row["object"].count == 8 for row in summary)
    assert drawn["object"].value > max(0.6, eight["object"].value)
    assert drawn["judge"].value > eight["judge"].value + 0.1


def test_a_missing_place_in_readme_is_found_before_any_dream(readme, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ablation, "run", None)
    readme.write_text("no markers", "utf-8")
    with pytest.raises(SystemExit):
        ablation.main(["--write", "--out", str(tmp_path)])
    assert "ablation:begin" in capsys.readouterr().err
    readme.unlink()
    with pytest.raises(SystemExit):
        ablation.main(["--write", "--out", str(tmp_path)])
    assert "clone" in capsys.readouterr().err


@pytest.mark.parametrize("at", [1, 5, 12, 28])
def test_an_interrupt_keeps_what_is_done(names, readme, tmp_path, capsys, monkeypatch, at):
    """In the first dream, in the second, in that of another rung, and in the last one."""
    steps = []

    class Interrupted(Dream):
        def __next__(self):
            steps.append(self)
            if len(steps) == at:
                raise KeyboardInterrupt
            return super().__next__()

    monkeypatch.setattr("dreamlab.measure.sweep.Dream", Interrupted)
    small = ["--prompts", "1", "--steps", "3", "--size", "64", "--device", "cpu", "--workers", "1"]
    models = ["--clip", names["clip"], "--judge", names["judge"]]
    out, before = tmp_path / "out", readme.read_text("utf-8")
    with pytest.raises(SystemExit) as end, pytest.warns(UserWarning, match="interrupted"):
        ablation.main([*small, *models, "--out", str(out), "--write"])
    done = (at - 1) // 4  # asked for a step once too often, each dream is finished
    missing = len(LADDER) - done
    assert f"{missing} of {len(LADDER)} dreams are missing" in end.value.code
    assert "README.md is as it was" in end.value.code
    assert readme.read_text("utf-8") == before
    rows = json.loads((out / "rows.json").read_text("utf-8"))
    assert [row["error"] for row in rows if row["recipe"] in LADDER].count("") == done
    assert len(list(out.glob("*.png"))) == done
    assert f"| {DRAWN} |" in capsys.readouterr().out
    assert Image.open(out / "sheet.jpg").height > 500


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_it_speaks_on_any_console(names, tmp_path, monkeypatch, encoding):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", console)
    small = ["--prompts", "1", "--steps", "3", "--size", "64", "--device", "cpu", "--workers", "1"]
    models = ["--clip", names["clip"], "--judge", names["judge"]]
    ablation.main([*small, *models, "--rungs", "raw", "full", "--out", str(tmp_path / "out")])
    console.flush()
    said = console.buffer.getvalue().decode(encoding)
    minus = "−" if encoding == "utf-8" else "-"
    assert f"photographs {minus}1.6 to {minus}3.0" in said
    assert ("✗ raw: " if encoding == "utf-8" else "NOT raw: ") in said
    assert "?" not in said
    with pytest.raises(SystemExit) as end:
        ablation.main(["--help"])
    assert end.value.code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--prompts", "0"], "--prompts: a whole number from 1 to 1000 is wanted, got '0'"),
        (["--prompts", "many"], "got 'many'"),
        (["--workers", "0"], "--workers: a whole number of at least 1 is wanted, got '0'"),
        (["--batch", "-2"], "--batch: a whole number of at least 1"),
        (["--seed", "-1"], "--seed: a whole number from 0 to 4294967295"),
        (["--seeds", "0"], "--seeds: a whole number of at least 1"),
        (["--steps", "0"], "--steps: a whole number from 1 to 1000000"),
        (["--size", "8"], "--size: a whole number from 16 to 8192"),
        (["--rungs", "full", "half"], "invalid choice: 'half'"),
        (["--clip", "picturebok"], "picturebok"),
        (["--clip", "local-dir:no-such-folder"], "no-such-folder"),
        (["--judge", "local-dir:no-such-folder"], "no-such-folder"),
        (["--device", "toaster"], "toaster"),
        (["--out", __file__], "test_ablation.py"),
        (["--seed", "4294967295", "--seeds", "2"], "from 0 to 2"),
    ],
)
def test_a_mistyped_option_is_answered_in_a_sentence(names, tmp_path, capsys, options, words):
    given = ["--clip", names["clip"], "--judge", names["judge"], "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        ablation.main([*given, "--prompts", "1", "--steps", "2", "--size", "64", *options])
    said = capsys.readouterr().err
    assert end.value.code in (1, 2) and words in said and "Traceback" not in said


@pytest.mark.slow
def test_workers_dream_the_same(names):
    # A single job, so that only one of the two processes is started.
    ladder = {"full": Recipe(size=32, steps=2, octaves=(1.0,), views=2)}
    one, two = (run(1, ladder=ladder, device="cpu", workers=workers, **names) for workers in (1, 2))
    for mine, theirs in zip(one.dreams.images, two.dreams.images, strict=True):
        assert np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompts": 0}, "prompts is .* 1 to 1000, got 0"),
        ({"workers": 0}, "workers .* got 0"),
        ({"seeds": 0}, "seeds is .* at least 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        run(**arguments)


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


def test_gain_is_taken_prompt_by_prompt():
    result = made({"raw": [0.1, 0.5, 0.9], "+ views": [0.2, 0.6, 1.0]}).summary()
    assert "gain" not in result[0]
    gain, score = result[1]["gain"], result[1]["judge"]
    assert gain.value == pytest.approx(0.1)
    assert gain.high - gain.low < 1e-9 < score.high - score.low
    assert "gain" not in result[2]  # the drawn scenes are no rung


def test_a_failed_dream_leaves_its_prompt_out_of_the_gain():
    part = made({"raw": [0.1, 0.5, 0.9], "+ views": [0.2, 0.6, 1.0]})
    part.dreams.rows[5]["error"] = "NaN"
    assert part.summary()[1]["gain"].count == 2


def test_gain_is_taken_seed_by_seed_and_counted_prompt_by_prompt():
    part = made({"raw": [0.1, 0.5], "+ views": [0.2, 0.6]})
    again = [row | {"seed": 1, "judge": row["judge"] + 0.5} for row in part.dreams.rows]
    again[3]["error"] = "NaN"  # one dream of "+ views" less
    rows = [*part.dreams.rows, *again]
    both = replace(part, dreams=Sweep(rows, part.dreams.images * 2))
    gain = both.summary()[1]["gain"]
    assert (gain.value, gain.count) == (pytest.approx(0.1), 2)


def test_bars_tell_reached_from_missed():
    def row(name, dreamer, top1, thing, slope, out):
        values = {"dreamer": dreamer, "top1": top1, "object": thing, "slope": slope}
        values["out_of_range"] = out
        return {"recipe": name} | {k: Estimate(v, v, v, 40) for k, v in values.items()}

    good = [
        row("raw", 0.98, 0.0, 0.2, -0.2, 0.4),
        row("full", 0.8, 0.95, 0.8, -2.2, 0.0),
        row(DRAWN, 0.7, 1.0, 0.9, -2.5, 0.0),
    ]
    assert [reached for _, reached in bars(good)] == [True] * 10
    bad = [
        row("raw", 0.6, 0.5, 0.21, -1.5, 0.0),
        row("full", 0.8, 0.85, 0.79, -1.2, 0.01),
        row(DRAWN, 0.7, 1.0, 0.9, -2.5, 0.0),
    ]
    assert [reached for _, reached in bars(bad)] == [False] * 10
    for one in good:
        del one["object"]
    assert [reached for _, reached in bars(good)] == [True] * 8  # a judge of another world


def test_a_sheet_of_noise_still_fits(tmp_path):
    noise = np.random.default_rng(0).integers(256, size=(1100, 1300, 3), dtype=np.uint8)
    save_sheet(Image.fromarray(noise), tmp_path / "deep" / "sheet.jpg")
    assert 300_000 < (tmp_path / "deep" / "sheet.jpg").stat().st_size < 1_000_000


def test_the_sheet_has_a_row_for_each_rung_and_the_drawings():
    part = made({"raw": [0.1, 0.5], "+ views": [0.2, 0.6]})
    one, two = part.sheet(columns=1, size=32), part.sheet(size=32)
    assert two.height == one.height
    assert two.width == one.width + 36
    assert replace(part, drawings=part.drawings).sheet(size=64).height > two.height
