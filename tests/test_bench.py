"""The benchmark's report: tables, JSON, a plot and README, from set numbers; and one whole run."""

import json

import pytest
import torch
from PIL import Image

from dreamlab.measure import bench, report
from dreamlab.measure.judge import share
from dreamlab.measure.timing import machine
from dreamlab.recipe import Recipe

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
        {"loop": "dreamlab", "views_per_s": 200.0},
        {"loop": "theirs", "views_per_s": 100.0, **RATIO},
    ],
    "worth": [
        {"views": [8, 8], "picture_s": 6.0, "top1": share([1, 1]), "object": share([1, 0])},
        {"views": [2, 8], "picture_s": 4.0, "top1": share([1, 0]), "object": share([0, 0])},
    ],
}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("step", ["tiny", "128 × 96", "40 ms", "42 ms", "1.06 [1.04, 1.09]"]),
        ("arithmetic", ["bfloat16", "1e-02", "2.0 s", "no", "magic", "3 min", "yes"]),
        ("batches", ["| 2 | 4 | 50 ms | 1.06"]),
        ("canvases", ["1024 × 768", "50 ms, 200 ms", "19.0 s (150 steps)", "0.80 GB", "1.25 GB"]),
        ("peers", ["| dreamlab | 200 |  |", "| theirs | 100 | 1.06"]),
        ("worth", ["2, 8", "4.0 s", "50 % [9, 91]"]),
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
    kept = json.loads(report.as_json(RESULTS))
    assert kept["step"] == RESULTS["step"] and kept["canvases"] == RESULTS["canvases"]
    assert kept["worth"][0]["top1"]["value"] == 1.0
    with pytest.raises(TypeError, match="Tensor has no place"):
        report.as_json({"step": torch.zeros(1)})


def test_the_plot_has_a_panel_for_each_part_and_says_so():
    drawn = report.plot(RESULTS)
    assert [axes.get_title() for axes in drawn.axes] == [
        "step ÷ passes through CLIP",
        "one run ÷ single runs",
        "seconds of a step",
        "time of the loop ÷ ours",
        "worth, by views of each octave",
    ]
    assert "a step beside the passes" in drawn.description
    (bar,) = drawn.axes[0].patches
    assert bar.get_width() == 1.06
    assert len(report.plot({"peers": RESULTS["peers"]}).axes) == 1


def test_readme_gets_the_ratios_between_its_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", "utf-8")
    report.write_readme(RESULTS, readme)
    text = readme.read_text("utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| a step with tiny, 8 views | its passes through CLIP | 1.06 [1.04, 1.09] |" in text
    assert "| theirs, as many views | our step | 1.06" in text
    assert "at most 1.25 GB" in text and "A fine one" in text
    with Image.open(tmp_path / report.PICTURE) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("text", ["", f"{report.BEGIN}\n", f"{report.END}\n{report.BEGIN}\n"])
def test_a_readme_without_marks_is_known_before_anything_is_measured(tmp_path, text, monkeypatch):
    readme = tmp_path / "README.md"
    with pytest.raises(FileNotFoundError, match="--write is for a clone"):
        report.check_readme(readme)
    readme.write_text(text, "utf-8")
    monkeypatch.setattr(bench, "README", readme)
    with pytest.raises(ValueError, match="bench:begin"):
        bench.main(["--write"])


def test_one_command_prints_and_keeps_all(
    tiny_clip_dir, tiny_resnet_dir, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        bench, "Recipe", lambda **knobs: Recipe(**{"steps": 3, "views": 2, "size": 32} | knobs)
    )
    names = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_resnet_dir}"]
    parts = ["--only", "step", "arithmetic", "batches", "peers", "top1"]
    monkeypatch.setattr(bench, "batches", lambda clip, **_: RESULTS["batches"])
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
<<<<<<< HEAD
    ("options", "words"),
    [
        (["--threads", "0"], "--threads: a whole number of at least 1 is wanted, got '0'"),
        (["--pairs", "0"], "--pairs: a whole number of at least 1 is wanted"),
        (["--prompts", "-1"], "--prompts: a whole number of at least 0 is wanted"),
        (["--clip", "picturebok"], "unknown model 'picturebok'; nearest names: 'picturebook'"),
        (["--judge", "local-dir:nowhere"], "there is no folder nowhere"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--prompts", "0", "--created", "ViT-X"], "unknown model 'ViT-X'"),
    ],
    ids=" ".join,
)
def test_what_is_mistyped_is_answered_in_a_sentence(options, words, capsys, monkeypatch):
    monkeypatch.setattr(bench, "measure_step", lambda *a, **k: bench.Cost((1.0,), (1.0,)))
    with pytest.raises(SystemExit) as end:
        bench.main(options)
    assert end.value.code != 0 and words in capsys.readouterr().err
=======
    ("arguments", "complaint"),
    [
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--pairs", "0"], "--pairs must be at least 1, got 0"),
        (["--prompts", "-1"], "--prompts must be at least 1, got -1"),
        (["--canvases", "large"], "--canvases must be like 1024x768, got large"),
        (["--only", "everything"], "invalid choice: 'everything'"),
    ],
)
def test_arguments_are_checked(capsys, arguments, complaint):
    with pytest.raises(SystemExit):
        bench.main(arguments)
    assert complaint in capsys.readouterr().err
>>>>>>> 4a905e7 (Benchmark in parts: step, arithmetic, batches, canvases, other loops, worth; JSON, a plot, README)


def test_threads_are_set(tiny_clip_dir, tiny_resnet_dir, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(bench.torch, "set_num_threads", asked.append)
    monkeypatch.setattr(bench, "measured", lambda options, say: {"machine": {}})
    bench.main(["--threads", "2", "--out", str(tmp_path)])
    assert asked == [2]
