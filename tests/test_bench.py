"""The benchmark: like is compared with like, in turns; tables, JSON, plot and README follow."""

import json
from functools import partial

import bench
import pytest
import torch
from chapters import ROOT
from peers import PEERS

from dreamlab import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")


RESULTS = json.loads((ROOT / "docs" / "bench.json").read_text("utf-8"))


def test_jobs_take_turns_and_the_first_pairs_do_not_count():
    order = []
    first, second, prepare = (partial(order.append, letter) for letter in "ab-")
    bench.time_pairs(first, second, torch.device("cpu"), pairs=4, prepare=prepare)
    assert "".join(order) == "-ab-ba" * 3


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
    assert json.loads((tmp_path / "docs" / "bench.json").read_text("utf-8")) == RESULTS


def test_one_command_prints_and_keeps_all(tiny_clip_dir, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        bench, "Recipe", lambda **knobs: Recipe(**{"steps": 3, "views": 2, "size": 32} | knobs)
    )
    names = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_clip_dir}"]
    few = ["--created", "--device", "cpu", "--pairs", "1", "--seconds", "1", "--prompts", "1"]
    parts = ["--only", "step", "arithmetic", "peers", "worth", "top1"]
    bench.main([*names, *few, *parts, "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("On cpu: ", "channels last", "61 captions"))
    kept = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert set(kept) == {"machine", "chosen", "step", "arithmetic", "peers", "worth", "top1"}
    assert [row["loop"] for row in kept["peers"]][:2] == ["dreamlab", *PEERS][:2]
    assert (tmp_path / "bench.png").is_file()
