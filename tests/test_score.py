"""The programs that score the embedded CLIPs and draw sheets of their world."""

from __future__ import annotations

import numpy as np
import pytest

import score
import train
from dreamlab.clip import load_clip
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.probe import TILES, WHOLE, as_floats

BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"


@pytest.fixture
def marked(tmp_path, monkeypatch):
    files = tmp_path / "README.md", tmp_path / "card.md"
    for file in files:
        file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    monkeypatch.setattr(score, "FILES", files)
    return files


def test_one_command_prints_tables_and_bars_and_writes_them(
    marked, monkeypatch, capsys, tiny_clip, tiny_resnet_dir
):
    resnet = load_clip(f"local-dir:{tiny_resnet_dir}", device="cpu")
    models = {"picturebook": tiny_clip, "picturebook-judge": resnet}
    monkeypatch.setattr(score, "load_clip", lambda name, device: models[name])
    score.main(["--scenes", "12", "--frames", "1", "--write", "--epsilon", "0.5"])
    printed = capsys.readouterr().out
    first, second = (file.read_text("utf-8") for file in marked)
    assert first == second and "old" not in first
    assert first.startswith(f"before\n{BEGIN}\n| model | object |")
    assert first.endswith(f"{END}\nafter\n")
    rows = [line for line in first.split("\n") if line.startswith("|")]
    tiles = [f"{side}-px tiles" for side in TILES]
    for way in (WHOLE, *tiles, score.RANDOM_ROW, score.HELD_OUT_ROW):
        assert f"| {way} | " in first
    assert all(row in printed for row in rows)


BARS = {  # a little below what the model card says
    "picturebook": {"object": 0.7, "colour": 0.95, "background": 0.98, "texture": 0.8},
    "picturebook-judge": {"object": 0.9, "colour": 0.95, "background": 0.98, "texture": 0.9},
}


@pytest.mark.slow
def test_the_embedded_models_know_their_world():
    scenes = score.test_scenes(100)
    pictures = as_floats(np.stack([np.asarray(draw(scene, 96)) for scene in scenes]))
    for name in train.SHIPPED:
        result = score.knowledge(load_clip(name, device="cpu"), scenes, pictures)
        for question, bar in BARS[name].items():
            assert result[question] >= bar, (name, question, result)
