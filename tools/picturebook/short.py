"""Train the dreamer in a given time, on a machine that is there for a short while.

    python tools/picturebook/short.py --minutes 12 --out outputs/short  # a borrowed GPU
    python tools/picturebook/short.py --minutes 6 --device cpu --settings 11 --emphasis 0  # a trial

Paints on all cores, measures how long a step takes, trains the second stage of the dreamer for what
is left, scores it, makes a sheet for viewers (`tools/blind.py`) and measures the speed of dreams
(`tools/bench.py`). Everything is in the folder at the end: the model, a log of each part, the
sheet. Start with the model of another folder by `--start`; without it, the embedded one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from dreamlab.support.console import print_plainly
from dreamlab.support.cores import usable_cores
from dreamlab.support.loading import EMBEDDED_FOLDER
from train import PLANS, train

TOOLS = Path(__file__).parents[1]
sys.path.append(str(TOOLS))
from course_files import exit_on_user_error, whole  # noqa: E402

SHARE = 0.55  # of the time that is left after painting, for training
TRIAL = 12  # steps by which the time of a step is measured, after as many to warm up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--minutes", type=float, default=12, help="for all of it (%(default)s)")
    add("--out", type=Path, default=Path("outputs/short"), help="(%(default)s)")
    add("--folder", type=Path, default=Path("build/picturebook"), help="paintings (%(default)s)")
    add("--start", type=Path, default=EMBEDDED_FOLDER / "picturebook", help="a model folder")
    add("--batch", type=whole(10), help="pictures of a step; 60 on a CPU, 960 on a GPU")
    add("--settings", type=whole(1), default=PLANS["picturebook"].settings, help="(%(default)s)")
    add("--scenes", type=whole(100), default=PLANS["picturebook"].scenes, help="(%(default)s)")
    add("--rate", type=float, default=PLANS["picturebook"].learning_rate, help="(%(default)s)")
    add("--emphasis", type=float, default=PLANS["picturebook"].emphasis, help="(%(default)s)")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    print_plainly()
    options = parser.parse_args()
    began = time.monotonic()
    trials = {f"trial-{steps}": steps for steps in (TRIAL, 2 * TRIAL)}
    out = options.out
    out.mkdir(parents=True, exist_ok=True)

    def left() -> float:
        return 60 * options.minutes - (time.monotonic() - began)

    with exit_on_user_error(parser):
        # Those of an earlier run would not be trained again, and so not measured.
        for name in (*trials, "short"):
            (options.folder / f"{name}.pt").unlink(missing_ok=True)
        shutil.copytree(options.start, options.folder / "start", dirs_exist_ok=True)
        batch = options.batch or (60 if options.device == "cpu" else 960)
        plan = replace(
            PLANS["picturebook"],
            start="start",
            batch=batch,
            settings=options.settings,
            scenes=options.scenes,
            learning_rate=options.rate,
            emphasis=options.emphasis,
        )
        where = {"device": options.device, "workers": usable_cores(), "out": out}
        times = []
        for name, steps in trials.items():  # the first one paints and warms up as well
            asked = time.monotonic()
            train(name, options.folder, replace(plan, steps=steps, emphasis=0.0), **where)
            times.append(time.monotonic() - asked)
            print(f"{steps} steps: {times[-1]:.1f} s, {left():.0f} s left", flush=True)
        seconds = times[1] / (2 * TRIAL)
        steps = max(2 * TRIAL, int(SHARE * left() / seconds))
        print(f"{seconds:.3f} s a step: {steps} steps of {batch}", flush=True)
        train("short", options.folder, replace(plan, steps=steps), **where)
    for name in trials:
        shutil.rmtree(out / name)
    model = f"local-dir:{out / 'short'}"
    device = ["--device", options.device]
    for name, *command in (
        ("blind", "blind.py", "make", out / "blind", "--clip", model, *device),
        ("score", "picturebook/score.py", model, "--as", "dreamer", "--scenes", "500", *device),
        ("bench", "bench.py", "--only", "step", "--pairs", "8", "--out", out / "bench", *device),
    ):
        if left() < 20:
            print(f"no time left for {name}")
            continue
        with (out / f"{name}.log").open("w") as log:
            words = [sys.executable, str(TOOLS / command[0]), *map(str, command[1:])]
            try:
                done = subprocess.run(words, stdout=log, stderr=log, timeout=left(), check=False)
                print(f"{name}: exit status {done.returncode}, {left():.0f} s left", flush=True)
            except subprocess.TimeoutExpired:
                print(f"{name}: not finished in time", flush=True)


if __name__ == "__main__":
    main()
