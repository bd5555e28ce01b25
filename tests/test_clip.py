"""`load_clip` and `Clip`: every architecture, every way to name a model, every error."""

import argparse
import copy
import json
import os
import shutil
import sys
import warnings
from ast import literal_eval
from functools import partial
from pathlib import Path
from unittest.mock import patch

import huggingface_hub
import numpy as np
import open_clip
import pytest
import torch
from conftest import CONFIG, HALF, WEIGHTS, Operations, set_config
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from PIL import Image
from safetensors.torch import load_file, save_file

from dreamlab.clip import Clip, load_clip, tokens_first
from dreamlab.support.loading import EMBEDDED, pick_device


@pytest.fixture(scope="module", params=["vit", "resnet", "siglip"])
def folder(request, tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir) -> Path:
    return {"vit": tiny_clip_dir, "resnet": tiny_resnet_dir, "siglip": tiny_siglip_dir}[
        request.param
    ]


@pytest.fixture(scope="module")
def clip(folder) -> Clip:
    return load_clip(f"local-dir:{folder}", device="cpu")


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
    # In training mode a ResNet would change its batch statistics.
    assert not clip.model.training and clip.encode_image(images).equal(features)


def test_a_vision_transformer_is_multiplied_in_large_products(tiny_clip_dir):
    """Frozen weights, laid out as open_clip does, mean one product for each token."""
    clip = load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")
    images = torch.rand(2, 3, clip.image_size, clip.image_size, requires_grad=True)
    counts = []
    for first in (True, False):
        tokens_first(clip.model, first)
        with Operations() as operations:
            torch.autograd.grad(clip.encode_image(images)[:, 0].sum(), images)
        counts.append(operations.done.count(torch.ops.aten.bmm.default))
    assert counts[0] == 0 < counts[1]


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
    ("encode", "value", "error", "says"),
    [
        ("image", torch.zeros(1, 3, 8, 8, dtype=torch.uint8), TypeError, "uint8.*/ 255"),
        ("image", Image.new("RGB", (8, 8)), TypeError, "got Image"),
        ("image", torch.zeros(3, 8, 8), ValueError, r"\(3, 8, 8\).*image\[None\]"),
        ("image", torch.zeros(1, 8, 8, 3), ValueError, r"\(1, 8, 8, 3\)"),
        ("image", torch.zeros(0, 3, 8, 8), ValueError, r"\(0, 3, 8, 8\)"),
        ("text", "", ValueError, "is empty"),
        ("text", ["a heart", ""], ValueError, "is empty"),
        ("text", [], ValueError, "no prompt"),
        ("text", ["a heart", 3], TypeError, "got int: 3"),
    ],
)
def test_what_is_no_image_or_no_prompt_is_refused(tiny_clip, encode, value, error, says):
    with pytest.raises(error, match=says):
        getattr(tiny_clip, f"encode_{encode}")(value)


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


def test_of_a_prompt_without_end_a_little_is_said(clip):
    for prompt, most in (("红色的心" * 10, 40), ("heart " * 100_000, 210)):
        with pytest.warns(UserWarning, match="cut off") as record:
            clip.encode_text(prompt)
        assert 0 < len(literal_eval(str(record[0].message).partition("cut off: ")[2])) < most


def test_unknown_words_are_those_without_an_embedding(tiny_clip):
    embedded = load_clip("picturebook", device="cpu")
    for prompt, unknown in {
        "a red heart in the sky, two yellow stars": [],
        "A giraffe on the red piano, a giraffe!": ["giraffe", "piano"],
        "red-striped “heart”; 'sky' (two)… heart & stars?": [],
        "♥ in the sky": ["♥"],
        "": [],
    }.items():
        assert embedded.unknown_words(prompt) == unknown
        assert tiny_clip.unknown_words(prompt) == [], "an ordinary model has every word"
    many = embedded.unknown_words(" ".join(f"\u200b{n:b}" for n in range(20_000)) + "x" * 10**5)
    assert 0 < len(many) <= 1000 and max(map(len, many)) <= 32
    with pytest.warns(UserWarning, match="does not know 'giraffe', 'piano'") as record:
        embedded.encode_text(["a red heart", "a red giraffe, the piano"])
    assert [w.filename for w in record] == [__file__]


def test_models_and_tokenizers_that_do_not_fit_are_refused(tiny_clip, tiny_clip_dir):
    make = partial(Clip, "mine", device="cpu")
    other = open_clip.SimpleTokenizer(context_length=77)
    for tokenizer in (other, lambda texts: {"input_ids": texts}, None):
        with pytest.raises(TypeError, match="get_tokenizer"):
            make(tiny_clip.model, tokenizer)
    with pytest.raises(TypeError, match="open_clip"):
        make(torch.nn.Linear(2, 2), other)
    half = load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")
    half.model.half()
    with pytest.raises(TypeError, match=r"model.float\(\)"):
        half.encode_image(torch.zeros(1, 3, 32, 32))
    with pytest.raises(TypeError, match=r"model.float\(\)"):
        make(half.model, half.tokenizer)


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
        (("ViT-B-32", 3), TypeError, "tag .* and 3"),
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


def not_finite(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, folder / WEIGHTS)


def in_pytorchs_format(content: object):
    def change(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        torch.save(content, folder / "open_clip_pytorch_model.bin")

    return change


BROKEN = {  # what is done to a model's folder, and what is said
    "no weights": (lambda f: (f / WEIGHTS).unlink(), FileNotFoundError, "has no weights"),
    "no config": (lambda f: (f / CONFIG).unlink(), FileNotFoundError, f"has no {CONFIG}"),
    "half": (lambda f: os.truncate(f / WEIGHTS, 1_000_000), ValueError, "weights .*corrupt"),
    "a list": (in_pytorchs_format([1, 2]), ValueError, "no weights in .*a list"),
    "no mean": (partial(set_config, preprocess_cfg={"mean": None}), ValueError, "without the mean"),
    "two": (partial(set_config, preprocess_cfg={"mean": [0.5, 0.5]}), ValueError, "3 numbers"),
    "no spread": (partial(set_config, preprocess_cfg={"std": [0, 1, 1]}), ValueError, "above 0"),
    "odd": (partial(set_config, preprocess_cfg={"std": [1, "x", 1]}), ValueError, "3 numbers"),
    "hub": (partial(set_config, text_cfg={"hf_model_name": "a/tower"}), ValueError, "'a/tower'"),
    "NaN": (not_finite, ValueError, "not finite"),
    "config": (lambda f: (f / CONFIG).write_text("{"), ValueError, "configuration .*corrupt"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_refused(clip_copy, kind):
    change, error, says = BROKEN[kind]
    change(clip_copy)
    with pytest.raises(error, match=says):
        load_clip(f"local-dir:{clip_copy}")


def test_weights_of_another_architecture(clip_copy, tiny_resnet_dir):
    shutil.copy(tiny_resnet_dir / WEIGHTS, clip_copy)
    with pytest.raises(ValueError, match="another architecture") as caught:
        load_clip(f"local-dir:{clip_copy}")
    assert len(str(caught.value)) < 1000, "not the list of every key"


def test_a_missing_package_or_tokenizer_is_named(clip_copy, monkeypatch):
    """transformers is no dependency; tokenizers such as SigLIP's need it."""
    set_config(clip_copy, text_cfg={"hf_tokenizer_name": "some/tokenizer"})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)  # as if it were not installed
        with pytest.raises(ImportError, match="pip install transformers"):
            load_clip(f"local-dir:{clip_copy}")

    def get_tokenizer(name):
        raise ValueError("Couldn't instantiate the backend tokenizer")

    monkeypatch.setattr(open_clip, "get_tokenizer", get_tokenizer)
    with pytest.raises(ValueError, match=r"its tokenizer's files .* are missing or broken"):
        load_clip(f"local-dir:{clip_copy}")


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
        (registered, tiny_clip_dir / WEIGHTS),
    ):
        clip = load_clip(*arguments, device="cpu")
        assert clip.name == ":".join(map(str, arguments))
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


def named(model: torch.nn.Module, prefix: str) -> dict:
    return {f"{prefix}{name}": value for name, value in model.state_dict().items()}


class Counts(dict):  # which the safe reader cannot fill
    pass


CHECKPOINTS = {
    "open_clip's trainer": lambda m: {
        "epoch": 3,
        "state_dict": named(m, "module."),
        "optimizer": {"state": {0: {"step": torch.ones(())}}},
        "best": np.float64(0.3),
        "args": argparse.Namespace(lr=np.float32(1e-3), paths=[Path("x")]),
    },
    "compiled": lambda m: named(m, "_orig_mod."),
    "both": lambda m: {"model": named(m, "module._orig_mod.")},
    "both, the other way round": lambda m: {"model_state_dict": named(m, "_orig_mod.module.")},
    "the whole model": lambda m: m,
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_checkpoints_as_trainers_store_them(registered, tiny_clip, tmp_path, kind):
    file = tmp_path / "epoch_3.pt"
    torch.save(CHECKPOINTS[kind](tiny_clip.model), file)
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
    with pytest.raises(ValueError, match="differ"):
        load_clip(registered, str(file))
    monkeypatch.delitem(open_clip.pretrained._PRETRAINED, registered)
    with pytest.raises(ValueError, match=r"no tags of Tiny-8.*mean="):
        load_clip(registered, str(file))
    config = {"model_cfg": {"embed_dim": 64, "quick_gelu": False}, "preprocess_cfg": HALF}
    (tmp_path / CONFIG).write_text(json.dumps(config))
    assert load_clip(registered, str(file), device="cpu")._std.flatten().tolist() == [0.5] * 3


class Unreachable:
    """A session of the hub's client without a network."""

    def head(self, url, timeout):
        raise OSError("Name or service not known")


@pytest.fixture(params=["no network", "HF_HUB_OFFLINE"])
def no_hub(request, monkeypatch):
    """A machine that reaches no hub and has nothing in its cache."""
    offline = request.param == "HF_HUB_OFFLINE"

    def download(repo_id, filename, **_):
        # As the real one: it looks into its cache at once only when it knows that it is offline.
        assert huggingface_hub.constants.HF_HUB_OFFLINE, "would retry for most of a minute"
        raise LocalEntryNotFoundError("cannot find it in the cache") from OfflineModeIsEnabled()

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Unreachable)
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
def test_without_a_network_it_says_what_works_and_how_to_download(no_hub, arguments, repository):
    with pytest.raises(ConnectionError, match="picturebook") as caught:
        load_clip(*arguments)
    again = f"load_clip({', '.join(map(repr, arguments))})"
    for words in (repository, again, str(huggingface_hub.constants.HF_HUB_CACHE)):
        assert words in str(caught.value)


def test_a_hub_that_answers_and_does_not_give_the_files(hub):
    with pytest.raises(FileNotFoundError, match=r"the hub answers.*404.*check the name"):
        load_clip("hf-hub:someone/nothing")
    with pytest.raises(ConnectionError, match=r"then sends nothing .*load_clip\('picturebook'\)"):
        load_clip("hf-hub:someone/silent")


def test_without_a_network_the_cache_is_used(monkeypatch, tiny_clip_dir, tmp_path):
    """With the hub's real client and a cache as it lays it out."""
    commit = "0" * 40
    repository = tmp_path / "models--someone--tiny-clip"
    shutil.copytree(tiny_clip_dir, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Unreachable)
    assert load_clip("hf-hub:someone/tiny-clip").image_size == 32


def test_the_embedded_models(monkeypatch, tmp_path):
    assert load_clip(device="cpu").name == "picturebook"
    clips = [load_clip(name, device="cpu") for name in EMBEDDED]
    assert [(clip.name, clip.image_size) for clip in clips] == [(name, 64) for name in EMBEDDED]
    assert len({type(clip.model.visual) for clip in clips}) == 2, "the judge is of another kind"
    monkeypatch.setattr("dreamlab.support.loading.EMBEDDED_FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cannot load 'picturebook'.*install it again"):
        load_clip()
