"""The benchmark's report: tables, JSON, a plot and README, from set numbers; and one whole run."""

import json
from dataclasses import asdict

import pytest
import torch
from PIL import Image

from dreamlab.measure import bench, report
from dreamlab.measure.judge import mean, share
from dreamlab.measure.timing import machine
from dreamlab.recipe import Recipe
from dreamlab.support.readme import marks

BEGIN, END = marks(report.PART)
RATIO = {"ratio": 1.06, "low": 1.04, "high": 1.09, "pairs": 30}
RESULTS = {
    "machine": machine(torch.device("cpu")) | {"processor": "A fine one", "cores": 64},
    "step": [
        {
            "model": "tiny",
            "canvas": [128, 96],
            "views": 8,
            "bare_s": 0.04,
            "step_s": 0.0424,
            **RATIO,
        }
    ],
    "arithmetic": [
        {"way": "bfloat16", "error": 0.01, "first_s": 2.0, "worth": False, **RATIO},
        {"way": "magic", "error": 1e-7, "first_s": 200.0, "worth": True, **RATIO},
    ],
    "batches": [
        {"threads": threads, "pictures": pictures, "picture_s": 0.05, **RATIO}
        for threads in (1, 2)
        for pictures in (1, 4)
    ],
    "canvases": [
        {
            "canvas": [1024, 768],
            "octaves": [[256, 192], [1024, 768]],
            "step_s": [0.05, 0.2],
            "dream_s": 19.0,
            "steps": 150,
            "before_gb": 0.8,
            "peak_gb": 1.25,
        }
    ],
    "peers": [
        {"model": "tiny", "loop": "dreamlab", "views_per_s": 200.0},
        {"model": "tiny", "loop": "theirs", "views_per_s": 100.0, **RATIO},
    ],
    "worth": [
        {
            "views": [views, 8],
            "patches": patches,
            "picture_s": 4.0 + patches,
            "judge": asdict(mean([0.5, 0.6])),
            "gain": asdict(mean([0.02, 0.04])),
            "top1": asdict(share([1, 0])),
            "object": asdict(share([0, 0])),
        }
        for views, patches in ((8, 1.0), (8, 0.5), (2, 1.0))
    ],
}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("step", ["tiny", "128 × 96", "40 ms", "42 ms", "1.06 [1.04, 1.09]"]),
        ("arithmetic", ["bfloat16", "1e-02", "2.0 s", "no", "magic", "3 min", "yes"]),
        ("batches", ["| 2 | 4 | 50 ms | 1.06"]),
        ("canvases", ["1024 × 768", "50 ms, 200 ms", "19.0 s (150 steps)", "0.80 GB", "1.25 GB"]),
        ("peers", ["| dreamlab | tiny | 200 |  |", "| theirs | tiny | 100 | 1.06"]),
        ("worth", ["| 2, 8 | 5.0 s | 0.55 [", "8, 8, half the patches", "0.030", "50 % [9, 91]"]),
    ],
)
def test_a_table_has_what_was_measured(part, words):
    text = report.TABLES[part](RESULTS[part])
    for word in words:
        assert word in text
    assert len({line.count("|") for line in text.split("\n")}) == 1, "as many cells in every row"


def test_the_sentence_about_the_machine():
    assert "A fine one" in report.say_machine(RESULTS["machine"])
    silent = RESULTS["machine"] | {"load": None, "memory_gb": None, "accelerator": "A GPU"}
    assert "A GPU" in report.say_machine(silent) and "load" not in report.say_machine(silent)


def test_json_holds_everything():
    assert json.loads(report.as_json(RESULTS)) == RESULTS


def test_parts_of_another_run_are_kept_if_the_machine_is_the_same(tmp_path):
    path = tmp_path / "bench.json"
    here = RESULTS["machine"] | {"load": 3.0}
    new = {"machine": here, "step": []}
    assert report.with_kept(new, path) == new
    path.write_text(report.as_json(RESULTS), "utf-8")
    assert report.with_kept(new, path) == RESULTS | new
    other = {"machine": here | {"processor": "Another"}, "step": []}
    assert report.with_kept(other, path) == other


def test_the_plot_has_a_panel_for_each_part_and_says_so():
    drawn = report.plot(RESULTS)
    assert [axes.get_title() for axes in drawn.axes] == [
        "step ÷ passes through CLIP",
        "one run ÷ single runs",
        "seconds of a step",
        "time of the loop ÷ ours",
        "worth of fewer views or patches",
    ]
    assert "a step beside the passes" in drawn.description
    (bar,) = drawn.axes[0].patches
    assert bar.get_width() == 1.06
    assert len(report.plot({"peers": RESULTS["peers"]}).axes) == 1


def test_readme_gets_the_ratios_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    report.write_readme(RESULTS, readme)
    text = readme.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert (
        "| a step with tiny, 8 views | its passes through CLIP | 1.06 [1.04, 1.09] | 30 |" in text
    )
    assert "| theirs with tiny | our step with as many views | 1.06" in text
    assert "1.25 GB" in text and "A fine one" in text
    with Image.open(tmp_path / report.PICTURE) as image:
        assert image.format == "PNG"
    assert json.loads((tmp_path / "docs" / "bench.json").read_text("utf-8")) == RESULTS


@pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}" * 2])
def test_a_readme_without_marks_is_known_before_anything_is_measured(
    tmp_path, text, monkeypatch, capsys
):
    readme = tmp_path / "README.md"
    monkeypatch.setattr(bench, "README", readme)
    for words in ("--write is for a clone", "bench:begin"):
        with pytest.raises(SystemExit):
            bench.main(["--write"])
        assert words in capsys.readouterr().err
        readme.write_text(text, "utf-8")
    assert readme.read_text("utf-8") == text


def test_one_command_prints_and_keeps_all(
    tiny_clip_dir, tiny_resnet_dir, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        bench, "Recipe", lambda **knobs: Recipe(**{"steps": 3, "views": 2, "size": 32} | knobs)
    )
    names = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_resnet_dir}"]
    parts = ["--only", "step", "arithmetic", "batches", "peers", "top1"]
    monkeypatch.setattr(bench, "batches", lambda clip, recipe, **_: RESULTS["batches"])
    monkeypatch.setattr(bench, "time_to_top1", lambda *_: [])
    few = [
        "--created",
        "ViT-S-32-alt",
        "--device",
        "cpu",
        "--pairs",
        "1",
        "--seconds",
        "1",
        "--prompts",
        "1",
    ]
    bench.main([*names, *parts, *few, "--out", str(tmp_path / "new")])
    printed = capsys.readouterr().out
    for words in (
        "On cpu: ",
        "local-dir:",
        "| ViT-S-32-alt, created",
        "channels last",
        "aphantasia",
        "among 61 captions",
    ):
        assert words in printed
    kept = json.loads((tmp_path / "new" / "bench.json").read_text("utf-8"))
    assert set(kept) == {"machine", "chosen", "step", "arithmetic", "batches", "peers", "top1"}
    assert "float32" in kept["chosen"] and kept["machine"]["torch"] == torch.__version__
    with Image.open(tmp_path / "new" / "bench.png") as image:
        assert image.width > 3 * image.height


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--threads", "0"], "--threads: a whole number of at least 1 is wanted, got '0'"),
        (["--pairs", "0"], "--pairs: a whole number of at least 1 is wanted"),
        (["--prompts", "-1"], "--prompts: a whole number of at least 1 is wanted"),
        (["--canvas", "large"], "--canvas: a canvas like 1024x768 is wanted, got 'large'"),
        (["--only", "everything"], "invalid choice: 'everything'"),
        (["--clip", "picturebok"], "unknown model 'picturebok'; nearest names: 'picturebook'"),
        (["--judge", "local-dir:nowhere"], "there is no folder nowhere"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--created", "ViT-X"], "unknown model 'ViT-X'"),
    ],
    ids=" ".join,
)
def test_what_is_mistyped_is_answered_in_a_sentence(options, words, capsys):
    with pytest.raises(SystemExit) as end:
        bench.main(options)
    assert end.value.code != 0 and words in capsys.readouterr().err


def test_threads_are_set(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(bench.torch, "set_num_threads", asked.append)
    monkeypatch.setattr(bench, "measured", lambda options, say, keep: {"machine": {}})
    bench.main(["--threads", "2", "--out", str(tmp_path)])
    assert asked == [2]
