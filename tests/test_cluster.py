"""Sweeps on a real Dask cluster: pictures and rows of the serial run, whoever dies in between."""

import os
import signal
import sys
import warnings
from dataclasses import replace
from threading import Timer

import pytest
from distributed import Client, LocalCluster
from test_folder import equal
from tqdm import tqdm

from dreamlab.measure import workers
from dreamlab.measure.sweep import Sweep, sweep
from dreamlab.recipe import Recipe

RECIPE = Recipe(size=32, steps=4, octaves=(0.5, 1.0), views=2)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arguments(tiny_clip_dir, tiny_resnet_dir):
    return {
        "prompts": ["a red heart", "two stars at night"],
        "recipes": {"plain": replace(RECIPE, tv_weight=0.0), "full": RECIPE},
        "seeds": (3, 4, 5),
        "clip": f"local-dir:{tiny_clip_dir}",
        "judge": f"local-dir:{tiny_resnet_dir}",
        "device": "cpu",
        "batch": 2,
    }


@pytest.fixture(scope="module")
def serial(one_thread, arguments) -> Sweep:
    return sweep(**arguments)


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


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

        monkeypatch.setattr(sys.modules["dreamlab.measure.sweep"], "tqdm", Bar)
        return calls

    return arrange


def test_killed_workers_cost_nothing(arguments, serial, client, when_one_is_done, capsys):
    pids = client.run(os.getpid).values()
    killed = when_one_is_done(lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the cluster has no workers")  # until they are replaced
        result = sweep(executor=client.get_executor(), progress=True, **arguments)
    assert killed and equal(result, serial)
    assert not set(pids) & set(client.run(os.getpid).values())


def test_an_interrupt_keeps_what_the_workers_have_done(arguments, serial, when_one_is_done, client):
    when_one_is_done(lambda: signal.raise_signal(signal.SIGINT))
    # So many that the workers cannot be done with all of them before the interrupt is heard.
    many = arguments | {"seeds": tuple(range(3, 103))}
    with pytest.warns(UserWarning, match="interrupted: .* dreams were not dreamt"):
        result = sweep(executor=client.get_executor(), **many)
    done = [row for row in result.rows if not row["error"]]
    assert len(done) >= arguments["batch"]
    assert {row["error"] for row in result.failures} == {"interrupted"}
    assert equal(sweep(executor=client.get_executor(), **arguments), serial), "as it was"


def test_a_cluster_without_workers_says_that_it_waits(arguments, serial, monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 1)
    options = {"n_workers": 0, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(processes=False, **options) as cluster, Client(cluster) as client:
        Timer(4, cluster.scale, [1]).start()
        with pytest.warns(UserWarning, match="no workers") as caught:
            result = sweep(executor=client.get_executor(), **arguments)
    assert len(caught) == 1
    assert equal(result, serial)
