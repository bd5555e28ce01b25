"""The programs that score the embedded CLIPs and draw sheets of their world."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

import score
import sheet
import train
from dreamlab.clip import load_clip
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.probe import TILES, WHOLE, as_floats, probe_scenes
from dreamlab.picturebook.world import OBJECTS, thing_in

BEGIN, END = "<!-- scores:begin -->", "<!-- scores:end -->"


class ColourReader:
    """Finds the object by the mean red of a picture: each has its own, whatever its shape."""

    device = torch.device("cpu")

    def encode_image(self, images):
        return self._row(images[:, 0].mean((1, 2)) * 100)

    def encode_text(self, texts):
        names = [thing_in(text) for text in texts]
        numbers = [OBJECTS.index(name) if name else 60 for name in names]
        return self._row(torch.tensor(numbers, dtype=torch.float32))

    @staticmethod
    def _row(angle):
        angle = angle / 100 * torch.pi / 2
        return torch.stack([angle.cos(), angle.sin()], -1)


@pytest.fixture(scope="module")
def reds():
    """A colour reader's questions about each object, and the pictures in which it finds it."""
    scenes = probe_scenes(1)
    names = [OBJECTS.index(scene.items[0].object) for scene in scenes]
    level = torch.tensor(names, dtype=torch.float32) / 100
    pictures = level.view(-1, 1, 1, 1).expand(-1, 3, 16, 16).clone()
    return *score.questions(ColourReader(), scenes), pictures


def test_an_adversary_goes_no_further_than_allowed_and_succeeds(reds):
    choices, right, pictures = reds
    clip = ColourReader()
    # A step to the next object is .01 in 256 values of red: a length of .16, and half of it tips.
    for epsilon, found in ((0.0, 1.0), (0.06, 1.0), (0.12, 0.0)):
        changed = score.attacked(clip, pictures, choices, right, epsilon)
        assert changed.min() >= 0 and changed.max() <= 1
        assert (changed - pictures).flatten(1).norm(dim=1).max() <= epsilon + 1e-5
        share = score.recognition(clip, choices, right, {"x": changed})["x"]
        assert share == pytest.approx(found, abs=0.09), epsilon
        robustness = score.robustness(clip, choices, right, pictures, epsilon)
        assert robustness["among 25, attacked"] == share


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
    assert [sum(row.count("|") == n for row in rows) for n in (8, 4)] == [4, 10]
    tiles = [f"{side}-px tiles" for side in TILES]
    for way in (WHOLE, *tiles, score.RANDOM_ROW, score.HELD_OUT_ROW):
        assert f"| {way} | " in first
    assert all(row in printed for row in rows)
    verdicts = [line[0] for line in printed.split("\n") if line[:1] in "✓✗" and line]
    assert len(verdicts) == sum(map(len, score.BARS.values())) + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epsilon", "-1"], "0 or more"),
        (["tiny", "--write"], "both embedded models"),
        (["--write"], "scores:begin"),
    ],
)
def test_bad_options_are_refused_before_anything_is_drawn(marked, arguments, words, capsys):
    marked[1].write_text("no marks", "utf-8")
    with pytest.raises(SystemExit):
        score.main(arguments)
    assert words in capsys.readouterr().err


# A little below what the model card says; the bars that the models were made for are in `score`.
BARS = {
    "picturebook": {
        "object": 0.7, "colour": 0.95, "background": 0.98, "texture": 0.8, "R@1 among 100": 0.8,
    },
    "picturebook-judge": {
        "object": 0.9, "colour": 0.95, "background": 0.98, "texture": 0.9, "R@1 among 100": 0.97,
    },
}  # fmt: skip


@pytest.mark.slow
def test_the_embedded_models_know_their_world():
    scenes = score.test_scenes(100)
    pictures = as_floats(np.stack([np.asarray(draw(scene, 96)) for scene in scenes]))
    for name in train.SHIPPED:
        result = score.knowledge(load_clip(name, device="cpu"), scenes, pictures)
        for question, bar in BARS[name].items():
            assert result[question] >= bar, (name, question, result)


# --- sheets ---------------------------------------------------------------------------------------

SMALL = ["--scenes", "3", "--size", "16"]


def test_sheets_of_scenes_and_designs(tmp_path, capsys):
    pages, file = [], tmp_path / "sheet.png"
    for extra in ([], ["--style", "random"], ["--style", "held-out"], ["--designs"]):
        sheet.main([str(file), *SMALL, "--columns", "2", *extra])
        pages.append(np.asarray(Image.open(file)))
    assert pages[0].shape == (2 * 58 + 6, 2 * 22 + 6, 3)
    assert pages[3].shape == (13 * 58 + 6, 8 * 22 + 6, 3)  # 25 objects of 4 designs, 2 a row
    assert all((one != two).any() for one, two in pairwise(pages[:3]))
    with pytest.raises(SystemExit):
        sheet.main([str(tmp_path / "sheet.gif")])
    assert "must end in .png or .jpg" in capsys.readouterr().err
