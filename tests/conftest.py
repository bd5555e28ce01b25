"""Small CLIP models with random, seeded weights: real open_clip folders, without a download."""

import gc
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

import dreamlab.clip
from dreamlab.support.cores import usable_cores

# Under `-n` the workers share the cores, and so do the kernels and processes that tests start.
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if WORKERS > 1:
    threads = max(1, usable_cores() // WORKERS)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)

# A shell lets programs in the background ignore Ctrl-C, and tests of it would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Width 64 and one layer make the text tower quick; the vocabulary is CLIP's own, since the
# tokenizer is.
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}

TINY_VIT = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 64, "head_width": 32, "layers": 2},
    "text_cfg": TEXT,
}

TINY_RESNET = {  # layers in a list mean a ModifiedResNet, as in RN50
    "embed_dim": 48,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": TEXT,
}

TINY_SIGLIP = {  # a timm image tower, a text tower of its own class, another cleaning of the text
    "embed_dim": 64,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 48,
        "timm_model_name": "test_vit",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "none",
    },
    "text_cfg": TEXT
    | {
        "context_length": 16,
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}

WEIGHTS, CONFIG = "open_clip_model.safetensors", "open_clip_config.json"
OPENAI = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}
HALF = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}


def create_clip_folder(
    folder: Path,
    model_cfg: dict,
    preprocess_cfg: dict | None = None,
    *,
    seed: int = 0,
    edit: Callable[[torch.nn.Module], None] | None = None,
) -> Path:
    """Save a model with random weights, changed by `edit`, as an open_clip `local-dir:` folder."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg or OPENAI}
    (folder / CONFIG).write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}")
    if edit is not None:
        with torch.no_grad():
            edit(model)
    save_file(model.state_dict(), folder / WEIGHTS)
    return folder


def set_config(folder: Path, **parts: dict) -> None:
    """Change parts of a model folder's configuration: set_config(folder, text_cfg={…})."""
    config = json.loads((folder / CONFIG).read_text())
    for part, entries in parts.items():
        inside = config if part in config else config["model_cfg"]
        inside.setdefault(part, {}).update(entries)
    (folder / CONFIG).write_text(json.dumps(config))


@pytest.hookimpl(optionalhook=True)  # tests/versions.py runs without pytest-xdist
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: a worker and the kernel that it drives take up to 2 GB."""
    return min(4, usable_cores())


def pytest_configure(config: pytest.Config) -> None:
    """Keep pytest-xdist (3.7 and later) from sorting files by their number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow first, or one worker gets it last and all others wait: chapters, kernels."""
    slow = {"test_panel_in_browser", "test_kernel"}
    items.sort(
        key=lambda item: (item.path.suffix == ".ipynb", item.path.stem in slow, item.path.stem),
        reverse=True,
    )


@pytest.fixture(scope="session")
def tiny_clip_dir(tmp_path_factory) -> Path:
    """The folder of a ViT: 32 px, patches of 8 px, 64 dimensions, context of 24 tokens."""
    return create_clip_folder(tmp_path_factory.mktemp("clips") / "tiny-vit", TINY_VIT)


@pytest.fixture
def clip_copy(tiny_clip_dir, tmp_path) -> Path:
    """A copy of the tiny ViT's folder, to be broken."""
    return Path(shutil.copytree(tiny_clip_dir, tmp_path / "copy"))


@pytest.fixture(scope="session")
def tiny_clip(tiny_clip_dir) -> dreamlab.clip.Clip:
    """The same ViT, loaded on the CPU."""
    return dreamlab.clip.load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")


@pytest.fixture(scope="session")
def tiny_resnet_dir(tmp_path_factory) -> Path:
    """The folder of a ModifiedResNet: 64 px, 48 dimensions."""

    def open_residual_branches(model: torch.nn.Module) -> None:
        # They start at zero, so that an untrained ResNet sees little difference between images.
        for name, weight in model.visual.named_parameters():
            if name.endswith("bn3.weight"):
                weight.fill_(1)

    folder = tmp_path_factory.mktemp("clips") / "tiny-resnet"
    return create_clip_folder(folder, TINY_RESNET, seed=1, edit=open_residual_branches)


@pytest.fixture(scope="session")
def tiny_siglip_dir(tmp_path_factory) -> Path:
    """The folder of a SigLIP-like model: a timm ViT, 48 px, mean and std .5, context of 16."""
    folder = tmp_path_factory.mktemp("clips") / "tiny-siglip"
    return create_clip_folder(folder, TINY_SIGLIP, HALF, seed=2)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread: then a job's own computing time counts, and a busy machine is no matter."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def count_tensors() -> Iterator[Callable[[], int]]:
    """A function that counts the tensors which are alive and were made since the test began."""
    gc.collect()
    gc.freeze()  # what is older is not looked at: there are a million objects of it

    def count() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    yield count
    gc.unfreeze()


class Wrapped:
    """A Clip whose `encode_image` goes through `around(images, encode)`."""

    def __init__(self, clip, around):
        self.clip, self.around = clip, around

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        return self.around(images, self.clip.encode_image)


class Operations(TorchDispatchMode):
    """Notes what PyTorch does within, and how many values the largest tensor has that is made."""

    def __init__(self):
        super().__init__()
        self.done, self.largest = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        self.done.append(function)
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.untyped_storage().nbytes() // made.itemsize)
        return made
