"""The benchmark: like is compared with like, in turns; tables, JSON, plot and README follow."""

import json
import time
from functools import partial

import bench
import pytest
import torch
from bench import PROMPT
from chapters import ROOT
from peers import PEERS
from PIL import Image

import dreamlab.dream
from dreamlab import Judge, Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
TINY = Recipe(size=32, steps=4, octaves=(0.5, 1.0), views=3)


def compute(milliseconds):
    """Keep the processor busy: sleeping would not count as computing."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


class Spy:
    """A Clip that notes what it encodes, and may take its time."""

    def __init__(self, clip, pause=0):
        self.clip, self.pause, self.batches, self.rows = clip, pause, [], []

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        self.batches.append(tuple(images.shape))
        compute(self.pause)
        self.rows.append(self.clip.encode_image(images))
        return self.rows[-1]


# --- what is timed ----------------------------------------------------------------------------


def test_jobs_take_turns_and_the_first_pairs_do_not_count():
    order = []
    first, second, prepare = (partial(order.append, letter) for letter in "ab-")
    bench.time_pairs(first, second, CPU, pairs=4, prepare=prepare)
    assert "".join(order) == "-ab-ba" * 3
    slow, quick, row = bench.time_pairs(lambda: compute(6), lambda: compute(2), CPU, pairs=4)
    assert 1.5 < row["low"] <= row["ratio"] <= row["high"] and slow > quick and row["pairs"] == 4
    *_, row = bench.time_pairs(lambda: compute(6), lambda: compute(6), CPU, pairs=99, most=0.01)
    assert row["pairs"] == bench.FEWEST, "long jobs are timed a few times only"


def test_a_step_and_the_passes_alone_encode_as_many_views_in_every_octave(tiny_clip, monkeypatch):
    spy, canvases, look = Spy(tiny_clip), [], bench.look

    def noting(pixels, *rest):
        canvases.append(tuple(pixels.shape[-2:]))
        return look(pixels, *rest)

    monkeypatch.setattr(bench, "look", noting)
    row = bench.step_cost(spy, TINY, pairs=2)
    assert spy.batches == [(3, 3, 32, 32)] * 2 * (2 + bench.WARM_UP)
    assert canvases.count((16, 16)) == canvases.count((32, 32)) == 2
    assert row["canvas"] == [32, 32] and row["views"] == 3 and row["bare_s"] > 0 < row["step_s"]


def test_one_run_of_pictures_beside_as_many_runs(tiny_clip):
    spy = Spy(tiny_clip, pause=3)  # as if a call cost the same for any number of views
    single, four = bench.batches(spy, TINY, sizes=(1, 4), pairs=2)
    assert (single["threads"], single["pictures"], four["pictures"]) == (1, 1, 4)
    assert {batch[0] for batch in spy.batches} == {3, 12}
    assert four["ratio"] < 0.6 < single["ratio"]


def test_a_canvas_is_timed_in_each_octave_with_its_memory(tiny_clip_dir):
    """Within this process; the command starts one for each canvas."""
    row = bench._canvas_cost(f"local-dir:{tiny_clip_dir}", (64, 48), "cpu", 1)
    assert row["canvas"] == [64, 48] and row["steps"] == Recipe().steps
    assert len(row["step_s"]) == len(row["octaves"]) == len(Recipe().octaves)
    assert row["peak_gb"] is None or 0 < row["before_gb"] <= row["peak_gb"]


@pytest.mark.parametrize("name", PEERS)
def test_other_loops_encode_as_many_views_and_learn(tiny_clip, name):
    """What they encode comes nearer to the sentence."""
    text, spy = tiny_clip.encode_text(PROMPT), Spy(tiny_clip)
    torch.manual_seed(0)
    step = PEERS[name](spy, PROMPT, 48, 4)
    for _ in range(12):
        step()
    assert spy.batches == [(4, 3, 32, 32)] * 12
    cosines = [(rows @ text.T).mean().item() for rows in spy.rows]
    assert sum(cosines[-5:]) > sum(cosines[:5])


# --- what seconds are worth -------------------------------------------------------------------


def test_each_octave_has_its_views_and_the_first_variant_is_compared_with(tiny_clip, monkeypatch):
    seen, draw = [], dreamlab.dream.draw_windows

    def noting(canvas, views, *rest):
        seen.append((canvas[0], views))
        return draw(canvas, views, *rest)

    monkeypatch.setattr(dreamlab.dream, "draw_windows", noting)
    rows = bench.worth(tiny_clip, Judge(), TINY, 1)
    shapes = [(3, 3), (3, 3), (1, 1), (1, 3)]
    assert seen == [pair for a, b in shapes for pair in [(16, a)] * 2 + [(32, b)] * 2]
    variants = [(tuple(row["views"]), row["patches"]) for row in rows]
    assert variants == list(zip(shapes, [1.0, 0.5, 1.0, 1.0], strict=True))
    for row in rows:
        gain = row["judge"]["value"] - rows[0]["judge"]["value"]
        assert row["gain"]["value"] == pytest.approx(gain, abs=1e-6)
        assert row["picture_s"] > 0 and row["top1"]["count"] == row["object"]["count"] == 1


# --- what is written --------------------------------------------------------------------------

RESULTS = json.loads((ROOT / "docs" / "bench.json").read_text("utf-8"))


def test_readme_has_what_the_stored_json_says(tmp_path):
    block = (ROOT / "README.md").read_text("utf-8").partition("<!-- bench:begin -->\n")[2]
    block = block.partition("<!-- bench:end -->")[0]
    image = f"![{bench.plot(RESULTS).description}](docs/bench.png)"
    assert block == f"{bench.readme_text(RESULTS)}\n\n{image}\n"
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n", "utf-8")
    bench.write_readme(RESULTS, readme)
    text = f"before\n<!-- bench:begin -->\n{block}<!-- bench:end -->\nafter\n"
    assert readme.read_text("utf-8") == text
    with Image.open(tmp_path / bench.PICTURE) as image:
        assert image.format == "PNG" and image.width > 1.5 * image.height, "two panels"
    assert json.loads((tmp_path / "docs" / "bench.json").read_text("utf-8")) == RESULTS


def test_parts_of_another_run_are_kept_if_the_machine_is_the_same(tmp_path):
    path, here = tmp_path / "bench.json", RESULTS["machine"] | {"load": 3.0}
    bench.write_json(path, RESULTS)
    new = {"machine": here, "step": []}
    assert bench.with_kept(new, path) == RESULTS | new
    other = {"machine": here | {"processor": "Another"}, "step": []}
    assert bench.with_kept(other, path) == other


def test_one_command_prints_and_keeps_all(tiny_clip_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        bench, "Recipe", lambda **knobs: Recipe(**{"steps": 3, "views": 2, "size": 32} | knobs)
    )
    names = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_clip_dir}"]
    few = ["--created", "--device", "cpu", "--pairs", "1", "--seconds", "1", "--prompts", "1"]
    parts = ["--only", "step", "arithmetic", "peers", "top1"]
    bench.main([*names, *few, *parts, "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("On cpu: ", "channels last", "61 captions"))
    kept = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert set(kept) == {"machine", "chosen", "step", "arithmetic", "peers", "top1"}
    assert [row["loop"] for row in kept["peers"]][:2] == ["dreamlab", *PEERS][:2]
    assert (tmp_path / "bench.png").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pairs", "0"], "--pairs"),
        (["--canvas", "large"], "1024x768"),
        (["--write"], "bench:begin"),
    ],
    ids=" ".join,
)
def test_bad_options_are_refused_before_anything_is_timed(
    options, words, tmp_path, capsys, monkeypatch
):
    (tmp_path / "README.md").write_text("no marks", "utf-8")
    monkeypatch.setattr(bench, "README", tmp_path / "README.md")
    monkeypatch.setattr(bench, "seconds", None)
    with pytest.raises(SystemExit) as end:
        bench.main([*options, "--out", str(tmp_path)])
    assert end.value.code != 0 and words in capsys.readouterr().err
