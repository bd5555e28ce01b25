"""Sweeps beyond one process, on real ones: this computer's, and those of a Dask cluster.

Pictures and rows are the serial run's, bit for bit, whoever dies in between.
"""

import os
import re
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from multiprocessing import active_children

import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster
from tqdm import tqdm

from dreamlab.measure.sweep import Sweep, sweep
from dreamlab.recipe import Recipe

MODULE = sys.modules["dreamlab.measure.sweep"]
RECIPE = Recipe(size=32, steps=60, octaves=(0.5, 1.0), views=2)
RECIPES = {"plain": replace(RECIPE, tv_weight=0.0), "full": RECIPE}
PROMPTS = ["a red heart", "two stars at night", "a castle"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments(tiny_clip_dir, tiny_resnet_dir):
    return {
        "prompts": PROMPTS,
        "recipes": RECIPES,
        "seeds": (3, 4),
        "clip": f"local-dir:{tiny_clip_dir}",
        "judge": f"local-dir:{tiny_resnet_dir}",
        "device": "cpu",
        "batch": 2,
    }


@pytest.fixture(scope="module")
def serial(arguments) -> Sweep:
    # As many threads as a worker has: a sum in two parts differs in its last bit.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield sweep(**arguments)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def equal(one: Sweep, two: Sweep) -> bool:
    return one.rows == two.rows and all(
        np.array_equal(np.asarray(mine), np.asarray(theirs))
        for mine, theirs in zip(one.images, two.images, strict=True)
    )


@pytest.fixture
def when_one_is_done(monkeypatch):
    """Takes a function that is called when the first job is finished and others are not."""

    def arrange(function):
        calls = []

        class Bar(tqdm):
            def update(self, n=1):
                super().update(n)
                if not calls:
                    assert self.n < self.total
                    calls.append(function)
                    function()

        monkeypatch.setattr(MODULE, "tqdm", Bar)
        return calls

    return arrange


def test_killed_workers_of_dask_cost_nothing(arguments, serial, client, when_one_is_done, capsys):
    workers = client.run(os.getpid).values()
    killed = when_one_is_done(lambda: [os.kill(pid, signal.SIGKILL) for pid in workers])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sweep(executor=client.get_executor(), progress=True, **arguments)
    assert killed
    assert equal(result, serial)
    said = capsys.readouterr().err
    assert re.search(r"\d%\|.*\d\d:\d\d<\d\d:\d\d", said), said
    assert not set(workers) & set(client.run(os.getpid).values())


def test_killed_processes_cost_nothing(arguments, serial, when_one_is_done):
    killed = when_one_is_done(lambda: [child.kill() for child in active_children()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = sweep(executor=2, **arguments)
    assert killed
    assert equal(result, serial)


def test_an_interrupt_keeps_what_the_workers_have_done(arguments, serial, when_one_is_done, client):
    when_one_is_done(lambda: signal.raise_signal(signal.SIGINT))
    # So many that the workers cannot be done with all of them before the interrupt is heard.
    many = arguments | {"seeds": tuple(range(3, 203))}
    with pytest.warns(UserWarning, match="interrupted: .* dreams were not dreamt"):
        result = sweep(executor=client.get_executor(), **many)
    done = [row for row in result.rows if not row["error"]]
    assert len(done) >= arguments["batch"]
    assert all(row in serial.rows for row in done if row["seed"] in arguments["seeds"])
    assert {row["error"] for row in result.failures} == {"interrupted"}
    # The cluster is as it was.
    assert equal(sweep(executor=client.get_executor(), **arguments), serial)


def test_a_scheduler_that_goes_away_leaves_what_is_done(
    arguments, serial, when_one_is_done, tmp_path
):
    where = tmp_path / "scheduler.json"

    def start(program: str, *options: str) -> subprocess.Popen:
        words = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard"]
        words += ["--scheduler-file", where, *options]
        return subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=tmp_path)

    scheduler = start("scheduler", "--port", "0", "--host", "127.0.0.1")
    worker = start("worker", "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
    try:
        with Client(scheduler_file=str(where), timeout=60) as client:
            client.wait_for_workers(1)
            when_one_is_done(scheduler.kill)
            with pytest.warns(UserWarning, match=r"the workers are gone .*: \d+ dreams were not"):
                result = sweep(executor=client.get_executor(), **arguments)
    finally:
        for program in (scheduler, worker):
            program.kill()
            program.wait()
    done = [row for row in result.rows if not row["error"]]
    assert done and result.failures
    assert all(row in serial.rows for row in done)
    assert "connection" in result.failures[0]["error"]
