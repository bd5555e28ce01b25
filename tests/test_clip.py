"""`load_clip` and `Clip`: every architecture, every way to name a model, every error."""

import argparse
import copy
import json
import math
import os
import shutil
import sys
import warnings
from functools import partial
from pathlib import Path
from unittest.mock import patch

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from conftest import HALF, TINY_VIT, create_clip_folder
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from dreamlab.clip import Clip, load_clip, tokens_first
from dreamlab.dream import Dream
from dreamlab.judge import Judge
from dreamlab.support.loading import EMBEDDED, pick_device

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"


@pytest.fixture(scope="module", params=["vit", "resnet", "siglip"])
def folder(request, tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir) -> Path:
    return {"vit": tiny_clip_dir, "resnet": tiny_resnet_dir, "siglip": tiny_siglip_dir}[
        request.param
    ]


@pytest.fixture(scope="module")
def clip(folder) -> Clip:
    return load_clip(f"local-dir:{folder}", device="cpu")


@pytest.fixture
def clip_copy(tiny_clip_dir, tmp_path) -> Path:
    """A copy of the tiny ViT's folder, to be broken."""
    return Path(shutil.copytree(tiny_clip_dir, tmp_path / "copy"))


@pytest.fixture(scope="module")
def narrow_clip(tmp_path_factory) -> Clip:
    """Like an embedded model: only the words of a few captions have an embedding."""
    tokenizer = open_clip.SimpleTokenizer(context_length=24)
    seen = tokenizer(["a red striped heart in the sky, two yellow stars", ""]).unique()

    def forget_all_other_words(model: torch.nn.Module) -> None:
        rows = model.token_embedding.weight
        kept = rows[seen].clone()
        rows.zero_()
        rows[seen] = kept

    folder = tmp_path_factory.mktemp("clips") / "narrow"
    create_clip_folder(folder, TINY_VIT, edit=forget_all_other_words)
    return load_clip(f"local-dir:{folder}", device="cpu")


# What comes out -------------------------------------------------------------------------------


def test_images_and_prompts_are_encoded_as_open_clip_itself_does(folder, clip):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    side = clip.image_size
    pixels = torch.randint(0, 256, (side, side, 3), dtype=torch.uint8)
    prompts = ["A red heart, in the sky!", "two dogs"]
    with torch.no_grad():
        image = preprocess(Image.fromarray(pixels.numpy()))[None]
        image = model.eval().encode_image(image, normalize=True)
        text = model.encode_text(tokenizer(prompts), normalize=True)
    ours = clip.encode_image(pixels.movedim(-1, 0)[None] / 255)
    torch.testing.assert_close(ours, image, atol=1e-5, rtol=0)
    torch.testing.assert_close(clip.encode_text(prompts), text)
    assert text.shape == (2, clip.embed_dim) and clip.encode_text("x").shape == (1, clip.embed_dim)
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(1))


def test_gradient_reaches_the_pixels_and_no_parameter(clip):
    images = torch.rand(2, 3, 40, 40, dtype=torch.float64, requires_grad=True)
    features = clip.encode_image(images)
    (features @ clip.encode_text("a red heart").T).sum().backward()
    assert images.grad.isfinite().all() and images.grad.dtype == images.dtype
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    assert all(not p.requires_grad and p.grad is None for p in clip.model.parameters())
    # A ResNet in training mode would change its batch statistics, and with them the answer.
    assert not clip.model.training and clip.encode_image(images).equal(features)


class SmallProducts(TorchDispatchMode):
    """Counts the products of many small matrices within."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.bmm.default
        return function(*args, **(kwargs or {}))


def test_a_vision_transformer_is_multiplied_in_large_products(tiny_clip_dir):
    """Frozen weights, laid out as open_clip does, mean one product for each token."""
    clip = load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")
    images = torch.rand(2, 3, clip.image_size, clip.image_size, requires_grad=True)
    counts, gradients = [], []
    for first in (True, False):
        tokens_first(clip.model, first)
        with SmallProducts() as products:
            features = clip.encode_image(images)
            gradients += torch.autograd.grad(features[:, 0].sum(), images)
        counts.append(products.count)
    assert counts[0] == 0 < counts[1]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_an_accelerator_gives_what_the_cpu_gives(folder, clip, device):
    if not {"cuda": torch.cuda, "mps": torch.backends.mps}[device].is_available():
        pytest.skip(f"no {device}")
    there = load_clip(f"local-dir:{folder}", device=device)
    images = torch.rand(2, 3, 40, 40)
    moved = images.to(device).requires_grad_()
    features, text = there.encode_image(moved), there.encode_text("a heart")
    assert features.device.type == text.device.type == device
    torch.testing.assert_close(features.cpu(), clip.encode_image(images), atol=2e-3, rtol=0)
    torch.testing.assert_close(there.encode_image(images), features)
    torch.testing.assert_close(text.cpu(), clip.encode_text("a heart"), atol=2e-3, rtol=0)
    (features @ text.T).sum().backward()
    assert moved.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), TypeError, "uint8.*/ 255"),
        (Image.new("RGB", (8, 8)), TypeError, "got Image"),
        (torch.zeros(3, 8, 8), ValueError, r"\(3, 8, 8\).*image\[None\]"),
        (torch.zeros(1, 8, 8, 3), ValueError, r"\(1, 8, 8, 3\)"),
        (torch.zeros(0, 3, 8, 8), ValueError, r"\(0, 3, 8, 8\)"),
    ],
)
def test_images_that_are_none(tiny_clip, images, error, says):
    with pytest.raises(error, match=says):
        tiny_clip.encode_image(images)


# Prompts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "error", "says"),
    [
        ("", ValueError, "is empty"),
        (["a heart", ""], ValueError, "is empty"),
        ([], ValueError, "no prompt"),
        (["a heart", 3], TypeError, "got int: 3"),
    ],
)
def test_prompts_that_are_none(clip, prompt, error, says):
    with pytest.raises(error, match=says):
        clip.encode_text(prompt)


@pytest.mark.parametrize("more", [0, 1, 9])
def test_a_prompt_that_is_too_long_warns_with_the_words_cut_off(clip, more):
    places = clip.tokenizer.context_length - 2  # one each for the start and the end of the text
    start, rest = ["star"] * places, [*["heart"] * more, "moon"][-more:] if more else []
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        features = clip.encode_text(" ".join(start + rest))
    assert [str(w.message).partition("cut off: ")[2] for w in record] == (
        [repr(" ".join(rest))] if more else []
    )
    assert all(w.filename == __file__ for w in record)
    assert features.equal(clip.encode_text(" ".join(start)))


@pytest.mark.parametrize("padded_with_end", [False, True])
def test_the_cut_is_found_with_other_tokenizers(tiny_clip, padded_with_end):
    """T5's (SigLIP) has no start, and pads with what ends a text; others have no end."""

    class OtherTokenizer:
        context_length = 5

        def __call__(self, texts, context_length=5):
            rows = torch.ones(len(texts), context_length, dtype=torch.long)
            for row, text in zip(rows, texts, strict=True):
                words = torch.tensor([10 + len(word) for word in text.split()])
                words = words[: context_length - padded_with_end]
                row[: len(words)] = words
            return rows

    other = Clip.__new__(Clip)
    other.__dict__.update(tiny_clip.__dict__, tokenizer=OtherTokenizer())
    fits = 4 if padded_with_end else 5
    assert [other._fits("star " * n) for n in range(1, 9)] == [n <= fits for n in range(1, 9)]
    assert other._say_cut("a b c " + "d " * (fits - 3) + "e f").endswith("cut off: 'e f'")


@pytest.mark.parametrize("prompt", ["红色的心" * 40, "a star " * 50_000, "star " + "x" * 200_000])
def test_what_is_cut_off_is_found_in_any_script_and_not_printed_in_full(tiny_clip, prompt):
    with pytest.warns(UserWarning, match="cut off") as record:
        features = tiny_clip.encode_text(prompt)
    lost = str(record[0].message).partition("cut off: ")[2].strip("'…")
    assert 100 < len(lost) <= 200 and lost in prompt
    assert features.equal(tiny_clip.encode_text(prompt[:300])), "the rest is not read"


def test_unknown_words_are_those_without_an_embedding(narrow_clip, tiny_clip):
    for prompt, unknown in {
        "a red heart in the sky, two yellow stars": [],
        "A giraffe on the red piano, a giraffe!": ["giraffe", "on", "piano"],
        "red-striped “heart”; 'sky' (two)… heart & stars?": [],
        "♥ in the sky": ["♥"],
        "": [],
    }.items():
        assert narrow_clip.unknown_words(prompt) == unknown
        assert tiny_clip.unknown_words(prompt) == [], "an ordinary model has every word"
    many = narrow_clip.unknown_words(" ".join(f"\u200b{n:b}" for n in range(20_000)) + "x" * 10**5)
    assert 0 < len(many) <= 1000 and max(map(len, many)) <= 32
    with pytest.warns(UserWarning, match="does not know 'giraffe', 'piano'") as record:
        narrow_clip.encode_text(["a red heart", "a red giraffe, the piano"])
    assert [w.filename for w in record] == [__file__]


# A model of one's own --------------------------------------------------------------------------


def test_models_and_tokenizers_that_do_not_fit_are_refused(tiny_clip, tiny_clip_dir):
    whole = load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")
    make = partial(Clip, "mine", device="cpu")
    other = open_clip.SimpleTokenizer(context_length=77)
    for tokenizer in (other, lambda texts: {"input_ids": texts}, None):
        with pytest.raises(TypeError, match=r"open_clip.get_tokenizer\(name\)"):
            make(tiny_clip.model, tokenizer)
    with pytest.raises(TypeError, match="one of open_clip's"):
        make(torch.nn.Linear(2, 2), other)
    with pytest.raises(TypeError, match=r"Clip\(name, model, tokenizer"):
        Dream(whole.model, "a heart")
    with pytest.raises(TypeError, match="load_clip"):
        Judge(whole.model)
    whole._words = 1000
    with pytest.raises(ValueError, match="belongs to another model"):
        whole.encode_text("a heart")
    whole.model.half()
    for encode in (
        lambda: whole.encode_image(torch.zeros(1, 3, 32, 32)),
        lambda: make(whole.model, whole.tokenizer),
    ):
        with pytest.raises(TypeError, match=r"model.float\(\)"):
            encode()


# Names, tags, devices -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("vit b32", "openai"), ValueError, "unknown model.*nearest names:.*'ViT-B-32'"),
        (("Picturebook",), ValueError, "nearest names:.*'picturebook'"),
        (("/",), ValueError, "'local-dir:/'"),
        (("someone/some-clip",), ValueError, "'hf-hub:someone/some-clip'"),
        ((Path("/"),), TypeError, "local-dir"),
        (("ViT-B-32", "opnai"), ValueError, r"no tag 'opnai'.*'openai'.*'laion2b_e16'"),
        (("ViT-B/32",), ValueError, "needs weights.*'openai'"),
        (("ViT-S-16",), ValueError, "needs weights.*no tags"),
        (("picturebook", "openai"), ValueError, "leave out pretrained='openai'"),
        (("hf-hub:someone/some-clip", "openai"), ValueError, "leave out pretrained"),
        (("local-dir:/nowhere",), FileNotFoundError, "there is no folder .*nowhere"),
    ],
)
def test_a_wrong_name_or_tag_is_refused_with_what_to_give(arguments, error, says):
    with pytest.raises(error, match=says):
        load_clip(*arguments)


def test_the_device_is_chosen_by_itself_or_refused(monkeypatch):
    with pytest.raises(ValueError, match="'abacus' cannot be used"):
        load_clip(device="abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda' cannot be used on this computer"):
            load_clip(device="cuda")
    for gpu in ("cuda", "mps", None):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu == "cuda")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda gpu=gpu: gpu == "mps")
        assert pick_device(None).type == (gpu or "cpu")


# Folders and files ----------------------------------------------------------------------------


def not_finite(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, folder / WEIGHTS)


def in_pytorchs_format(content: object):
    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        torch.save(content, folder / "open_clip_pytorch_model.bin")

    return change


def set_preprocess(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["preprocess_cfg"] |= changes
    (folder / CONFIG).write_text(json.dumps(config))


def set_text(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    config["model_cfg"]["text_cfg"] |= changes
    (folder / CONFIG).write_text(json.dumps(config))


BROKEN = {  # what is done to a model's folder, and what is said
    "no weights": (lambda f: (f / WEIGHTS).unlink(), FileNotFoundError, "has no weights"),
    "no config": (lambda f: (f / CONFIG).unlink(), FileNotFoundError, f"has no {CONFIG}"),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), ValueError, "weights .*corrupt"),
    "half": (lambda f: os.truncate(f / WEIGHTS, 1_000_000), ValueError, "weights .*corrupt"),
    "a list": (in_pytorchs_format([1, 2]), ValueError, "no weights in .*a list"),
    "no mean": (lambda f: set_preprocess(f, mean=None), ValueError, r"without the mean.*mean=\("),
    "two means": (
        lambda f: set_preprocess(f, mean=[0.5, 0.5]),
        ValueError,
        "the mean .* 3 numbers",
    ),
    "no spread": (lambda f: set_preprocess(f, std=[0, 1, 1]), ValueError, "3 numbers.* above 0"),
    "odd spread": (
        lambda f: set_preprocess(f, std=[1, "x", 1]),
        ValueError,
        "deviation .*3 numbers",
    ),
    "NaN as spread": (lambda f: set_preprocess(f, std=[1, math.nan, 1]), ValueError, "above 0"),
    "hub": (lambda f: set_text(f, hf_model_name="a/tower"), ValueError, "'a/tower' is on the"),
    "NaN": (not_finite, ValueError, "not finite"),
    "config": (lambda f: (f / CONFIG).write_text("{"), ValueError, "configuration .*corrupt"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_refused(clip_copy, kind):
    change, error, says = BROKEN[kind]
    change(clip_copy)
    with pytest.raises(error, match=says):
        load_clip(f"local-dir:{clip_copy}")


def test_weights_of_another_architecture(tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir, tmp_path):
    folders = [tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir]
    for config_from, weights_from in zip(folders, folders[1:] + folders[:1], strict=True):
        shutil.copy(config_from / CONFIG, tmp_path)
        shutil.copy(weights_from / WEIGHTS, tmp_path)
        with pytest.raises(ValueError, match="another architecture") as caught:
            load_clip(f"local-dir:{tmp_path}")
        assert len(str(caught.value)) < 1000  # not the list of every key


def test_a_missing_package_or_tokenizer_is_named(clip_copy, monkeypatch):
    """transformers is no dependency; tokenizers such as SigLIP's need it."""
    set_text(clip_copy, hf_tokenizer_name="some/tokenizer")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)  # as if it were not installed
        with pytest.raises(ImportError, match="pip install transformers"):
            load_clip(f"local-dir:{clip_copy}")

    def get_tokenizer(name):
        raise ValueError("Couldn't instantiate the backend tokenizer")

    monkeypatch.setattr(open_clip, "get_tokenizer", get_tokenizer)
    with pytest.raises(ValueError, match=r"its tokenizer's files .* are missing or broken"):
        load_clip(f"local-dir:{clip_copy}")


# A name with weights: open_clip's registry and the hub -------------------------------------------


@pytest.fixture
def registered(tiny_clip_dir, monkeypatch, tmp_path):
    """Two tiny architectures as if open_clip knew them, with the tags of weights on the hub."""
    config = json.loads((tiny_clip_dir / CONFIG).read_text())["model_cfg"]
    for name, quick_gelu in (("Tiny-8", False), ("Tiny-8-quickgelu", True)):
        (tmp_path / f"{name}.json").write_text(json.dumps(config | {"quick_gelu": quick_gelu}))
    factory, pretrained = open_clip.factory, open_clip.pretrained
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", [*factory._MODEL_CONFIG_PATHS, tmp_path])
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    factory._rescan_model_configs()
    tags = {
        "plain": pretrained._pcfg(hf_hub="someone/tiny/"),
        "quick": pretrained._pcfg(hf_hub="someone/tiny-quick/", quick_gelu=True),
    }
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-8", tags)
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny-8-quickgelu", {"quick": tags["quick"]})
    return "Tiny-8"


@pytest.fixture
def hub(tiny_clip_dir, monkeypatch):
    """A hub that answers, and has the tiny ViT in every repository whose name has "tiny"."""
    asked = []

    class Session:
        def head(self, url, timeout):
            assert timeout <= 10 and "/someone/" in url

    def download(repo_id, filename, **_):
        asked.append((repo_id, filename))
        if "silent" in repo_id:
            raise OSError(f"Failed to download file ({filename}). Last error: timed out")
        if "tiny" not in repo_id:
            raise huggingface_hub.errors.EntryNotFoundError(f"404: no {filename} in {repo_id}")
        return str(tiny_clip_dir / filename)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", download)
    return asked


def test_a_name_with_a_tag_or_a_file_and_a_repository(registered, hub, tiny_clip, tiny_clip_dir):
    images = torch.rand(1, 3, 32, 32)
    for arguments in (
        (registered, "plain"),
        ("hf-hub:someone/tiny-clip",),
        (registered, str(tiny_clip_dir / WEIGHTS)),
    ):
        clip = load_clip(*arguments, device="cpu")
        assert clip.name == ":".join(arguments)
        assert clip.encode_image(images).equal(tiny_clip.encode_image(images))
    assert ("someone/tiny", WEIGHTS) in hub
    assert {name for where, name in hub if where == "someone/tiny-clip"} == {CONFIG, WEIGHTS}


def test_weights_trained_with_quick_gelu_get_quick_gelu(registered, hub):
    """open_clip would load them into the other activation, which encodes something else."""
    with pytest.warns(UserWarning, match="QuickGELU: loading 'Tiny-8-quickgelu'") as record:
        clip = load_clip(registered, "quick", device="cpu")
    assert [w.filename for w in record] == [__file__]
    assert clip.name == "Tiny-8-quickgelu:quick"
    kinds = {type(module).__name__ for module in clip.model.modules()}
    assert "QuickGELU" in kinds and "GELU" not in kinds
    # The rule that this relies on holds for everything that the installed open_clip offers.
    for name, tag in open_clip.list_pretrained():
        trained = open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)
        if trained and not open_clip.get_model_config(name).get("quick_gelu", False):
            assert open_clip.get_model_config(f"{name}-quickgelu")["quick_gelu"], (name, tag)
            assert open_clip.is_pretrained_cfg(f"{name}-quickgelu", tag), (name, tag)


# A file of weights -------------------------------------------------------------------------------


def named(weights: dict, prefix: str) -> dict:
    return {f"{prefix}{name}": value for name, value in weights.items()}


class Counts(dict):  # which the safe reader cannot fill
    pass


CHECKPOINTS = {
    "open_clip's trainer": lambda w: {
        "epoch": 3,
        "state_dict": named(w, "module."),
        "optimizer": {"state": {0: {"step": torch.ones(())}}},
        "best": np.float64(0.3),
        "args": argparse.Namespace(lr=np.float32(1e-3), paths=[Path("x")]),
    },
    "compiled": lambda w: named(w, "_orig_mod."),
    "both": lambda w: {"model": named(w, "module._orig_mod.")},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_as_trainers_store_them(registered, tiny_clip, tmp_path, kind):
    file = tmp_path / "epoch_3.pt"
    torch.save(CHECKPOINTS[kind](tiny_clip.model.state_dict()), file)
    with pytest.warns(UserWarning, match="does not say whether .*QuickGELU") as record:
        clip = load_clip(registered, str(file), device="cpu")
    assert [w.filename for w in record] == [__file__]
    assert clip.encode_text("a heart").equal(tiny_clip.encode_text("a heart"))


@pytest.mark.filterwarnings("ignore")
def test_an_archive_such_as_openais_is_read_and_not_run(registered, tiny_clip, tmp_path):
    """As theirs: half precision, the input size among the weights, trained with QuickGELU."""
    model = copy.deepcopy(tiny_clip.model)
    tokens_first(model, first=False)
    model.register_buffer("input_resolution", torch.tensor(32))
    images, texts = torch.zeros(1, 3, 32, 32), torch.zeros(1, 24, dtype=torch.long)
    inputs = {"encode_image": images, "encode_text": texts}
    script = torch.jit.trace_module(model, inputs, check_trace=False).half()
    script.save(file := tmp_path / "ViT.pt")
    with patch("torch.jit.load", side_effect=AssertionError):
        clip = load_clip(registered, str(file), device="cpu")
    assert clip.name.startswith("Tiny-8-quickgelu:")
    for name, value in tiny_clip.model.state_dict().items():
        assert clip.model.state_dict()[name].equal(value.half().float())


def test_what_is_no_plain_checkpoint_is_refused_with_what_to_do(registered, tiny_clip, tmp_path):
    file = tmp_path / "x.pt"
    torch.save({"state_dict": tiny_clip.model.state_dict(), "counts": Counts(a=1)}, file)
    with pytest.raises(ValueError, match=r"torch.save\(model.state_dict\(\), path\)") as refused:
        load_clip(registered, str(file))
    assert "weights_only" not in str(refused.value)


def test_how_a_file_was_trained_is_known_or_asked_for(registered, tiny_clip, tmp_path, monkeypatch):
    weights = tiny_clip.model.state_dict()
    places = weights["visual.positional_embedding"]
    large = {"visual.positional_embedding": torch.cat([places, places[1:].repeat(8, 1)])[:37]}
    long = {"positional_embedding": weights["positional_embedding"].repeat(2, 1)}
    save_file(weights | large | long, file := tmp_path / "x.safetensors")
    given = {"mean": (0.1, 0.2, 0.3), "std": (1, 2, 3)}
    with pytest.warns(UserWarning, match="QuickGELU"):
        clip = load_clip(registered, str(file), device="cpu", **given)
    assert clip.image_size == 48, "6 × 6 patches of 8 px, and not the 32 px of this name"
    assert clip.tokenizer.context_length == 48
    assert clip._mean.flatten().tolist() == pytest.approx(given["mean"])
    assert clip._std.flatten().tolist() == list(given["std"])
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED[registered], "plain", HALF)
    with pytest.raises(ValueError, match="tags of Tiny-8 differ"):
        load_clip(registered, str(file))
    monkeypatch.delitem(open_clip.pretrained._PRETRAINED, registered)
    with pytest.raises(ValueError, match=r"no tags of Tiny-8.*load_clip\('Tiny-8', .*mean=\(r, g"):
        load_clip(registered, str(file))
    config = {"model_cfg": {"embed_dim": 64, "quick_gelu": False}, "preprocess_cfg": HALF}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert load_clip(registered, str(file), device="cpu")._std.flatten().tolist() == [0.5] * 3


# No network -----------------------------------------------------------------------------------


@pytest.fixture(params=["no network", "HF_HUB_OFFLINE"])
def no_hub(request, monkeypatch):
    """A machine that reaches no hub and has nothing in its cache."""
    offline = request.param == "HF_HUB_OFFLINE"

    class Session:
        def head(self, url, timeout):
            raise OSError("Name or service not known")

    def download(repo_id, filename, **_):
        # As the real one: it looks into its cache at once only when it knows that it is offline.
        assert huggingface_hub.constants.HF_HUB_OFFLINE, "would retry for most of a minute"
        raise LocalEntryNotFoundError("cannot find it in the cache") from OfflineModeIsEnabled()

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", download)
    yield
    assert offline == huggingface_hub.constants.HF_HUB_OFFLINE  # left as it was


@pytest.mark.parametrize(
    ("arguments", "repository"),
    [
        (("ViT-B-32", "laion2b_s34b_b79k"), "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        (("hf-hub:laion/some-clip",), "laion/some-clip"),
    ],
)
def test_without_a_network(no_hub, arguments, repository):
    with pytest.raises(ConnectionError) as caught:
        load_clip(*arguments)
    said = str(caught.value)
    assert f"{huggingface_hub.constants.ENDPOINT}/{repository}" in said  # what was tried
    assert "load_clip('picturebook')" in said  # what works
    assert f"load_clip({', '.join(map(repr, arguments))})" in said  # how to download it before
    assert str(huggingface_hub.constants.HF_HUB_CACHE) in said


def test_weights_in_a_file_may_still_need_the_hub(no_hub, monkeypatch, registered, tiny_clip_dir):
    """SigLIP's tokenizer comes from there. Its client alone would ask for 47 seconds."""

    def get_tokenizer(name):
        assert huggingface_hub.constants.HF_HUB_OFFLINE, "would retry for most of a minute"
        raise OSError("We couldn't connect")

    model = open_clip.get_model_config(registered)
    model["text_cfg"]["hf_tokenizer_name"] = "someone/words"
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, registered, model)
    monkeypatch.setattr(open_clip, "get_tokenizer", get_tokenizer)
    with pytest.raises(ConnectionError, match=r"someone/words, nor is it in the cache.*Tiny-8'"):
        load_clip(registered, str(tiny_clip_dir / WEIGHTS))


def test_a_hub_that_answers_and_does_not_give_the_files(hub):
    with pytest.raises(FileNotFoundError, match=r"the hub answers.*404.*check the name"):
        load_clip("hf-hub:someone/nothing")
    with pytest.raises(ConnectionError, match=r"then sends nothing .*load_clip\('picturebook'\)"):
        load_clip("hf-hub:someone/silent")


def test_without_a_network_the_cache_is_used(monkeypatch, tiny_clip_dir, tmp_path):
    """With the hub's real client and a cache as it lays it out."""

    class Session:
        def head(self, url, timeout):
            raise OSError("Name or service not known")

    commit = "0" * 40
    repository = tmp_path / "models--someone--tiny-clip"
    shutil.copytree(tiny_clip_dir, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    assert load_clip("hf-hub:someone/tiny-clip").image_size == 32


# The models of this package -------------------------------------------------------------------


def test_the_embedded_models(monkeypatch, tmp_path):
    assert load_clip(device="cpu").name == "picturebook"
    kinds = set()
    for name in EMBEDDED:
        clip = load_clip(name, device="cpu")
        kinds.add(type(clip.model.visual))
        assert clip.name == name and clip.image_size == 64
        assert clip.unknown_words("a red striped heart in the sky giraffe") == ["giraffe"]
    assert len(kinds) == 2, "the judge is of another architecture"
    monkeypatch.setattr("dreamlab.support.loading.EMBEDDED_FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cannot load 'picturebook'.*install it again"):
        load_clip()
