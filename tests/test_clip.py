"""`load_clip` and `Clip`: every architecture, every way in, every message."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import torch
import torch.nn.functional as F
from conftest import TINY_VIT, create_clip_folder
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from dreamlab.clip import Clip, load_clip, resize, tokens_first
from dreamlab.support.loading import EMBEDDED, EMBEDDED_FOLDER

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"


@pytest.fixture(params=["vit", "resnet", "siglip"])
def folder(request, tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir) -> Path:
    return {"vit": tiny_clip_dir, "resnet": tiny_resnet_dir, "siglip": tiny_siglip_dir}[
        request.param
    ]


@pytest.fixture
def clip(folder) -> Clip:
    return load_clip(f"local-dir:{folder}", device="cpu")


@pytest.fixture
def clip_copy(tiny_clip_dir, tmp_path) -> Path:
    """A copy of the tiny ViT's folder, to be broken."""
    return Path(shutil.copytree(tiny_clip_dir, tmp_path / "copy"))


@pytest.fixture(scope="session")
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
    return load_clip(
        f"local-dir:{create_clip_folder(folder, TINY_VIT, edit=forget_all_other_words)}",
        device="cpu",
    )


def photo(side: int, seed: int = 0) -> Image.Image:
    pixels = torch.randint(0, 256, (side, side, 3), generator=torch.Generator().manual_seed(seed))
    return Image.fromarray(pixels.byte().numpy())


# What comes out -------------------------------------------------------------------------------


def test_images_are_encoded_as_open_clip_itself_does(folder, clip):
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    picture = photo(clip.image_size)
    with torch.no_grad():
        theirs = model.eval().encode_image(preprocess(picture)[None], normalize=True)
    ours = clip.encode_image(
        torch.tensor(list(picture.tobytes())).view(1, *picture.size, 3).permute(0, 3, 1, 2) / 255
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_prompts_are_encoded_as_open_clip_itself_does(folder, clip):
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    prompts = ["A red heart, in the sky!", "two dogs"]
    with torch.no_grad():
        theirs = model.encode_text(tokenizer(prompts), normalize=True)
    torch.testing.assert_close(clip.encode_text(prompts), theirs)


def test_shapes_and_unit_length(clip):
    images = torch.rand(3, 3, clip.image_size, clip.image_size)
    features = clip.encode_image(images)
    texts = clip.encode_text(["a heart", "a star"])
    assert features.shape == (3, clip.embed_dim)
    assert texts.shape == (2, clip.embed_dim)
    assert clip.encode_text("a heart").shape == (1, clip.embed_dim)
    assert clip.encode_text(("a heart", "a star")).equal(texts)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(texts.norm(dim=1), torch.ones(2))


def test_architectures_have_their_own_sizes_and_normalisation(
    tiny_clip, tiny_resnet_dir, tiny_siglip_dir
):
    resnet = load_clip(f"local-dir:{tiny_resnet_dir}")
    siglip = load_clip(f"local-dir:{tiny_siglip_dir}")
    assert [c.image_size for c in (tiny_clip, resnet, siglip)] == [32, 64, 48]
    assert [c.embed_dim for c in (tiny_clip, resnet, siglip)] == [64, 48, 64]
    assert [c.tokenizer.context_length for c in (tiny_clip, resnet, siglip)] == [24, 24, 16]
    # The SigLIP's tokenizer drops punctuation, the others read it.
    assert siglip.encode_text("a heart").equal(siglip.encode_text("A heart!?"))
    assert not tiny_clip.encode_text("a heart").equal(tiny_clip.encode_text("A heart!?"))


def test_normalisation_matters(tiny_clip_dir, tiny_clip, tmp_path):
    """The same weights with another mean and std see another image."""
    other = shutil.copytree(tiny_clip_dir, tmp_path / "other")
    config = json.loads((other / CONFIG).read_text())
    config["preprocess_cfg"] = {"mean": [0.5] * 3, "std": [0.1] * 3}
    (other / CONFIG).write_text(json.dumps(config))
    images = torch.rand(1, 3, 32, 32)
    normalised = (images - tiny_clip._mean) / tiny_clip._std * 0.1 + 0.5
    other_clip = load_clip(f"local-dir:{other}")
    assert not torch.allclose(tiny_clip.encode_image(images), other_clip.encode_image(images))
    torch.testing.assert_close(tiny_clip.encode_image(images), other_clip.encode_image(normalised))


def test_name_and_repr_identify_the_model(tiny_clip, tiny_clip_dir):
    assert tiny_clip.name == f"local-dir:{tiny_clip_dir}"
    assert repr(tiny_clip) == f"Clip('{tiny_clip.name}': 32 px, 64 dimensions, cpu)"


# Gradients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["own", 40])
def test_gradient_reaches_the_pixels_and_no_parameter(clip, side):
    side = clip.image_size if side == "own" else side
    images = torch.rand(2, 3, side, side, requires_grad=True)
    similarity = clip.encode_image(images) @ clip.encode_text("a red heart").T
    similarity.sum().backward()
    assert images.grad.isfinite().all()
    assert (images.grad.abs().amax(dim=(1, 2, 3)) > 0).all()
    assert not clip.model.training
    assert all(not p.requires_grad and p.grad is None for p in clip.model.parameters())
    assert not clip.encode_text("a red heart").requires_grad


def test_encoding_leaves_the_model_as_it_is(clip):
    """A ResNet in training mode would change its batch statistics, and with them the answer."""
    before = {name: value.clone() for name, value in clip.model.state_dict().items()}
    images = torch.rand(2, 3, 64, 64)
    first = clip.encode_image(images)
    assert clip.encode_image(images).equal(first)
    assert all(value.equal(before[name]) for name, value in clip.model.state_dict().items())


class Products(TorchDispatchMode):
    """Counts the products of many small matrices within."""

    small = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.small += function is torch.ops.aten.bmm.default
        return function(*args, **(kwargs or {}))


def test_a_vision_transformer_is_multiplied_in_large_products(tiny_clip_dir):
    """Frozen weights, laid out as open_clip does, mean one product for each token."""
    clip = load_clip(f"local-dir:{tiny_clip_dir}", device="cpu")
    images = torch.rand(2, 3, clip.image_size, clip.image_size, requires_grad=True)

    def passes():
        with Products() as products:
            features = clip.encode_image(images)
            (gradient,) = torch.autograd.grad(features[:, 0].sum(), images)
        return products.small, gradient

    ours, gradient = passes()
    tokens_first(clip.model, False)
    theirs, same = passes()
    assert ours == 0 < theirs
    torch.testing.assert_close(gradient, same)


def test_a_dtype_of_its_own_is_accepted(tiny_clip):
    images = torch.rand(1, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    features = tiny_clip.encode_image(images)
    features.sum().backward()
    assert features.dtype == torch.float32
    assert images.grad.dtype == torch.float64


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="GPU")),
        pytest.param(
            "mps", marks=pytest.mark.skipif(not torch.backends.mps.is_available(), reason="MPS")
        ),
    ],
)
def test_an_accelerator_gives_what_the_cpu_gives(folder, clip, device):
    there = load_clip(f"local-dir:{folder}", device=device)
    assert load_clip(f"local-dir:{folder}").device.type == device
    assert there.device.type == device
    images = torch.rand(2, 3, 40, 40)
    moved = images.to(device).requires_grad_()
    features = there.encode_image(moved)
    assert features.device.type == device
    torch.testing.assert_close(features.cpu(), clip.encode_image(images), atol=2e-3, rtol=0)
    torch.testing.assert_close(there.encode_image(images), features)
    text = there.encode_text("a heart")
    torch.testing.assert_close(text.cpu(), clip.encode_text("a heart"), atol=2e-3, rtol=0)
    (features @ text.T).sum().backward()
    assert moved.grad.abs().max() > 0


# Resizing -------------------------------------------------------------------------------------


@given(height=st.integers(1, 90), width=st.integers(1, 90), size=st.sampled_from([16, 32, 48]))
@settings(deadline=None, max_examples=40)
def test_resize_equals_antialiased_bicubic_interpolation(height, width, size):
    generator = torch.Generator().manual_seed(height * 100 + width)
    images = torch.rand(2, 3, height, width, generator=generator)
    expected = F.interpolate(images, (size, size), mode="bicubic", antialias=True)
    torch.testing.assert_close(resize(images, size), expected, atol=1e-5, rtol=0)


def test_resize_leaves_the_right_size_alone():
    images = torch.rand(1, 3, 32, 32)
    assert resize(images, 32) is images


def test_resize_has_the_right_gradient():
    images = torch.rand(1, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resize(x, 4), images, eps=1e-4, atol=1e-6)


def test_resize_takes_away_detail_that_the_model_cannot_see():
    """A fine checkerboard becomes grey, where picking pixels would keep it black or white."""
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    checkers = ((rows + columns) % 2).float().expand(1, 3, 96, 96)
    inside = resize(checkers, 32)[..., 4:-4, 4:-4]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.5), atol=0.05, rtol=0)


def test_resize_first_used_in_inference_mode_still_has_a_gradient(tiny_clip):
    images = torch.rand(1, 3, 57, 39)  # a size that no other test resizes
    with torch.inference_mode():
        tiny_clip.encode_image(images)
    images.requires_grad_()
    tiny_clip.encode_image(images).sum().backward()
    assert images.grad.abs().max() > 0


# Images that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), TypeError, "uint8.*/ 255"),
        (photo(8), TypeError, "got Image"),
        (torch.zeros(3, 8, 8), ValueError, r"\(3, 8, 8\).*image\[None\]"),
        (torch.zeros(1, 4, 8, 8), ValueError, r"\(1, 4, 8, 8\)"),
        (torch.zeros(1, 8, 8, 3), ValueError, r"\(n, 3, height, width\)"),
        (torch.zeros(0, 3, 8, 8), ValueError, r"\(0, 3, 8, 8\)"),
    ],
)
def test_images_that_are_none(tiny_clip, images, error, says):
    with pytest.raises(error, match=says):
        tiny_clip.encode_image(images)


# Prompts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", "   \n", ["a heart", ""]])
def test_an_empty_prompt_is_refused(clip, prompt):
    with pytest.raises(ValueError, match="is empty"):
        clip.encode_text(prompt)


def test_a_prompt_that_the_tokenizer_empties_is_refused(tiny_siglip_dir):
    with pytest.raises(ValueError, match="'!!!' is empty"):
        load_clip(f"local-dir:{tiny_siglip_dir}").encode_text("!!!")


def test_prompts_that_are_none(tiny_clip):
    with pytest.raises(ValueError, match="no prompt"):
        tiny_clip.encode_text([])
    with pytest.raises(TypeError, match="must be text, got int: 3"):
        tiny_clip.encode_text(["a heart", 3])
    with pytest.raises(TypeError, match="got NoneType"):
        tiny_clip.encode_text([None])


def test_a_prompt_that_just_fits_is_not_warned_about(clip):
    places = clip.tokenizer.context_length - 2  # one each for the start and the end of the text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip.encode_text(" ".join(["star"] * places))


@pytest.mark.parametrize("more", [1, 2, 50])
def test_an_over_long_prompt_warns_with_the_words_cut_off(clip, more):
    places = clip.tokenizer.context_length - 2
    start, rest = ["star"] * places, ["heart"] * (more - 1) + ["moon"]
    with pytest.warns(UserWarning, match="too long") as record:
        features = clip.encode_text(" ".join(start + rest))
    assert len(record) == 1
    assert str(record[0].message).endswith(f"cut off: {' '.join(rest)!r}")
    assert record[0].filename == __file__
    assert features.equal(clip.encode_text(" ".join(start)))


def test_a_word_cut_in_the_middle_counts_as_cut(tiny_clip):
    assert len(tiny_clip.tokenizer.encode("floccinaucinihilipilification")) > 3
    prompt = " ".join(["star"] * 20) + " floccinaucinihilipilification moon"
    with pytest.warns(UserWarning, match="cut off: 'floccinaucinihilipilification moon'"):
        tiny_clip.encode_text(prompt)


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

    fits = 4 if padded_with_end else 5
    other = Clip.__new__(Clip)
    other.__dict__.update(tiny_clip.__dict__, tokenizer=OtherTokenizer())
    for n in range(1, 9):
        short, long = (other._filled_places(["star " * n], length) for length in (5, 6))
        assert (short == long) == (n <= fits)
    assert other._say_cut("a b c " + "d " * (fits - 3) + "e f").endswith("cut off: 'e f'")


def test_unknown_words_are_those_without_an_embedding(narrow_clip):
    assert narrow_clip.unknown_words("a red heart in the sky, two yellow stars") == []
    assert narrow_clip.unknown_words("A giraffe on the red piano, a giraffe!") == [
        "giraffe",
        "on",
        "piano",
    ]
    assert narrow_clip.unknown_words("red-striped “heart”; 'sky' (two)… heart & stars?") == []
    assert narrow_clip.unknown_words("♥ in the sky") == ["♥"]
    assert narrow_clip.unknown_words("") == []


def test_unknown_words_are_warned_about_by_word(narrow_clip):
    with pytest.warns(UserWarning, match="does not know 'giraffe', 'piano'") as record:
        features = narrow_clip.encode_text(["a red heart", "a red giraffe, the piano"])
    assert len(record) == 1
    assert record[0].filename == __file__
    assert features.shape == (2, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        narrow_clip.encode_text("a red heart in the sky")


def test_an_ordinary_model_knows_every_word(clip):
    assert clip.unknown_words("a giraffe plays the bandoneon ♥") == []


def test_the_text_tower_can_be_dropped(folder):
    clip = load_clip(f"local-dir:{folder}", device="cpu")
    before = sum(p.numel() for p in clip.model.parameters())
    images = torch.rand(1, 3, 32, 32)
    features = clip.encode_image(images)
    clip.free_text()
    assert sum(p.numel() for p in clip.model.parameters()) < before / 2
    assert clip.encode_image(images).equal(features)
    with pytest.raises(RuntimeError, match="load the model again"):
        clip.encode_text("a heart")


# Names, tags, devices -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("vit b32", "'ViT-B-32'"),
        ("ViT-L-41", "'ViT-L-14'"),
        ("picture-book", "'picturebook'"),
        ("Picturebook", "'picturebook'"),
    ],
)
def test_an_unknown_model_offers_the_nearest_names(name, nearest):
    with pytest.raises(ValueError, match=rf"unknown model '{name}'; nearest names:.*{nearest}"):
        load_clip(name, "openai")


def test_an_unknown_model_may_be_a_folder_or_a_repository(tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"'local-dir:{tmp_path}'")):
        load_clip(str(tmp_path))
    with pytest.raises(ValueError, match="'hf-hub:someone/some-clip'"):
        load_clip("someone/some-clip")
    with pytest.raises(TypeError, match="local-dir"):
        load_clip(tmp_path)


def test_an_unknown_tag_lists_the_tags():
    with pytest.raises(ValueError, match=r"ViT-B-32 has no tag 'opnai'.*'openai'.*'laion2b_e16'"):
        load_clip("ViT-B-32", "opnai")
    with pytest.raises(ValueError, match=r"ViT-B-32 needs weights.*'openai'"):
        load_clip("ViT-B/32")
    with pytest.raises(ValueError, match=r"ViT-S-16 needs weights.*no tags"):
        load_clip("ViT-S-16")


def test_names_that_bring_their_weights_take_no_tag(tiny_clip_dir):
    for name in ("picturebook", "hf-hub:someone/some-clip", f"local-dir:{tiny_clip_dir}"):
        with pytest.raises(ValueError, match="leave out pretrained='openai'"):
            load_clip(name, "openai")


def test_an_unusable_device_is_named(tiny_clip_dir):
    with pytest.raises(ValueError, match="'abacus' cannot be used"):
        load_clip(f"local-dir:{tiny_clip_dir}", device="abacus")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(tiny_clip_dir):
    with pytest.raises(ValueError, match="'cuda' cannot be used on this computer"):
        load_clip(f"local-dir:{tiny_clip_dir}", device="cuda")


@pytest.mark.parametrize("gpu", ["cuda", "mps", None])
def test_the_device_is_chosen_by_itself(monkeypatch, gpu):
    from dreamlab.support.loading import pick_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: gpu == "mps")
    assert pick_device(None).type == (gpu or "cpu")


# Folders and files ----------------------------------------------------------------------------


def test_a_missing_folder_config_or_weights(clip_copy, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere"):
        load_clip(f"local-dir:{tmp_path / 'nowhere'}")
    (clip_copy / WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match="has no weights"):
        load_clip(f"local-dir:{clip_copy}")
    (clip_copy / CONFIG).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no open_clip_config.json"):
        load_clip(f"local-dir:{clip_copy}")


def test_a_folder_may_be_given_from_home(tiny_clip_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(tiny_clip_dir.parent))
    monkeypatch.setenv("USERPROFILE", str(tiny_clip_dir.parent))
    assert load_clip(f"local-dir:~/{tiny_clip_dir.name}").image_size == 32


def test_a_missing_embedded_model_says_to_install_again(monkeypatch, tmp_path):
    monkeypatch.setattr("dreamlab.support.loading.EMBEDDED_FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"cannot load 'picturebook'.*install it again"):
        load_clip()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "truncated",
    ],
)
def test_corrupt_weights(clip_copy, content):
    if content == "truncated":
        content = (clip_copy / WEIGHTS).read_bytes()[:1_000_000]
    (clip_copy / WEIGHTS).write_bytes(content)
    with pytest.raises(ValueError, match=r"weights .* are corrupt.*SafetensorError"):
        load_clip(f"local-dir:{clip_copy}")


@pytest.mark.parametrize("content", [b"", b"junk" * 100, [1, 2], {}])
def test_corrupt_weights_in_pytorchs_format(clip_copy, content):
    (clip_copy / WEIGHTS).unlink()
    file = clip_copy / "open_clip_pytorch_model.bin"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(ValueError, match=r"weights .* are corrupt"):
        load_clip(f"local-dir:{clip_copy}")


def test_weights_that_are_not_finite(clip_copy):
    weights = load_file(clip_copy / WEIGHTS)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, clip_copy / WEIGHTS)
    with pytest.raises(ValueError, match="weights are corrupt, some are not finite"):
        load_clip(f"local-dir:{clip_copy}")


@pytest.mark.parametrize("config", ["{", "{}", '{"model_cfg": {"flux": 1}}'])
def test_a_corrupt_configuration(clip_copy, config):
    (clip_copy / CONFIG).write_text(config)
    with pytest.raises(ValueError, match="configuration are corrupt"):
        load_clip(f"local-dir:{clip_copy}")


def test_weights_of_another_architecture(tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir, tmp_path):
    folders = [tiny_clip_dir, tiny_resnet_dir, tiny_siglip_dir]
    for config_from in folders:
        for weights_from in folders:
            if config_from == weights_from:
                continue
            mixed = tmp_path / f"{config_from.name}-with-{weights_from.name}"
            mixed.mkdir()
            shutil.copy(config_from / CONFIG, mixed)
            shutil.copy(weights_from / WEIGHTS, mixed)
            with pytest.raises(ValueError, match="another architecture") as caught:
                load_clip(f"local-dir:{mixed}")
            assert len(str(caught.value)) < 1000  # not the list of every key


def test_a_missing_package_is_named(clip_copy):
    """transformers is no dependency; tokenizers such as SigLIP's need it."""
    config = json.loads((clip_copy / CONFIG).read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "some/tokenizer"
    (clip_copy / CONFIG).write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)  # as if it were not installed
        with pytest.raises(ImportError, match="pip install transformers"):
            load_clip(f"local-dir:{clip_copy}")


def test_a_tokenizer_of_the_transformers_package(clip_copy):
    """As SigLIP's: other tokens, padded with the token that ends the text."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {"</s>": 0, "<unk>": 1, "a": 2, "heart": 3, "star": 4, "moon": 5}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 0)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="</s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(clip_copy)
    config = json.loads((clip_copy / CONFIG).read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "some/tokenizer"
    (clip_copy / CONFIG).write_text(json.dumps(config))
    clip = load_clip(f"local-dir:{clip_copy}")
    assert clip.tokenizer(["a heart"])[0, :4].tolist() == [2, 3, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip.encode_text("star " * 23)
    with pytest.warns(UserWarning, match="cut off: 'moon heart'"):
        clip.encode_text("star " * 23 + "moon heart")
    with pytest.raises(ValueError, match="is empty"):
        clip.encode_text(" ")


# A name with weights: open_clip's registry ----------------------------------------------------


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
        if "tiny" not in repo_id:
            raise huggingface_hub.errors.EntryNotFoundError(f"404: no {filename} in {repo_id}")
        return str(tiny_clip_dir / filename)

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.utils, "get_session", Session)
    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", download)
    return asked


def test_a_name_with_a_tag_is_downloaded(registered, hub, tiny_clip):
    clip = load_clip(registered, "plain", device="cpu")
    assert clip.name == "Tiny-8:plain"
    assert hub[0] == ("someone/tiny", WEIGHTS)
    images = torch.rand(1, 3, 32, 32)
    assert clip.encode_image(images).equal(tiny_clip.encode_image(images))


def test_a_name_with_a_file_of_weights(registered, tiny_clip_dir, tiny_clip):
    clip = load_clip(registered, str(tiny_clip_dir / WEIGHTS), device="cpu")
    images = torch.rand(1, 3, 32, 32)
    assert clip.encode_image(images).equal(tiny_clip.encode_image(images))
    with pytest.raises(ValueError, match="another architecture"):
        load_clip("RN50", str(tiny_clip_dir / WEIGHTS))


def test_a_repository_of_the_hub(hub, tiny_clip):
    clip = load_clip("hf-hub:someone/tiny-clip", device="cpu")
    assert clip.name == "hf-hub:someone/tiny-clip"
    assert {filename for _, filename in hub} == {CONFIG, WEIGHTS}
    assert clip.encode_text("a heart").equal(tiny_clip.encode_text("a heart"))


def test_weights_trained_with_quick_gelu_get_quick_gelu(registered, hub, tiny_clip):
    """open_clip would load them into the other activation, which encodes something else."""
    with pytest.warns(UserWarning, match="QuickGELU: loading 'Tiny-8-quickgelu'") as record:
        clip = load_clip(registered, "quick", device="cpu")
    assert [w.filename for w in record] == [__file__]
    assert clip.name == "Tiny-8-quickgelu:quick"
    modules = {type(module).__name__ for module in clip.model.modules()}
    assert "QuickGELU" in modules
    assert "GELU" not in modules
    images = torch.rand(1, 3, 32, 32)
    assert not torch.allclose(clip.encode_image(images), tiny_clip.encode_image(images))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_clip("Tiny-8-quickgelu", "quick")


def test_every_tag_trained_with_quick_gelu_has_a_model_with_it():
    """The rule that `find_model` relies on, over everything that the installed open_clip offers."""
    for name, tag in open_clip.list_pretrained():
        trained = open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)
        built = open_clip.get_model_config(name).get("quick_gelu", False)
        if trained and not built:
            quick = f"{name}-quickgelu"
            assert open_clip.get_model_config(quick)["quick_gelu"], (name, tag)
            assert open_clip.is_pretrained_cfg(quick, tag), (name, tag)


# No network -----------------------------------------------------------------------------------


@pytest.fixture(params=["no network", "HF_HUB_OFFLINE", "silent"])
def no_hub(request, monkeypatch, tmp_path):
    """A machine that reaches no hub and has nothing in its cache."""
    offline = request.param == "HF_HUB_OFFLINE"

    class Session:
        def head(self, url, timeout):
            if request.param == "silent":  # the address answers, and then no more
                if url.rstrip("/") == huggingface_hub.constants.ENDPOINT:
                    return
                raise TimeoutError("timed out")
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
    says = str(caught.value)
    assert f"{huggingface_hub.constants.ENDPOINT}/{repository}" in says  # what was tried
    assert "load_clip('picturebook')" in says  # what works
    assert f"load_clip({', '.join(map(repr, arguments))})" in says  # how to download it before
    assert str(huggingface_hub.constants.HF_HUB_CACHE) in says


@pytest.mark.parametrize("setting", ["hf_tokenizer_name", "hf_model_name"])
def test_weights_in_a_file_may_still_need_the_hub(
    no_hub, monkeypatch, registered, tiny_clip_dir, setting
):
    """SigLIP's tokenizer comes from there. Its client alone would ask for 47 seconds."""

    def get_tokenizer(name):
        assert huggingface_hub.constants.HF_HUB_OFFLINE, "would retry for most of a minute"
        raise OSError("We couldn't connect")

    model = open_clip.get_model_config(registered)
    model["text_cfg"][setting] = "someone/words"
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, registered, model)
    monkeypatch.setattr(open_clip, "get_tokenizer", get_tokenizer)
    with pytest.raises(ConnectionError, match=r"someone/words, nor is it in the cache.*Tiny-8'"):
        load_clip(registered, str(tiny_clip_dir / WEIGHTS))


def test_a_folder_without_the_tokenizer_that_it_names(monkeypatch, tiny_clip_dir):
    def get_tokenizer(name):
        raise ValueError("Couldn't instantiate the backend tokenizer")

    monkeypatch.setattr(open_clip, "get_tokenizer", get_tokenizer)
    with pytest.raises(ValueError, match=r"its tokenizer's files .* are missing or broken"):
        load_clip(f"local-dir:{tiny_clip_dir}")


def test_a_hub_that_answers_and_then_sends_nothing(hub, monkeypatch):
    def download(repo_id, filename, **_):
        raise OSError(f"Failed to download file ({filename}). Last error: timed out")

    monkeypatch.setattr(open_clip.pretrained, "hf_hub_download", download)
    with pytest.raises(ConnectionError, match=r"then sends nothing .*load_clip\('picturebook'\)"):
        load_clip("hf-hub:someone/tiny-clip")


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
    with pytest.raises(ConnectionError, match="nor is it in the cache"):
        load_clip("hf-hub:someone/other-clip")


def test_a_repository_that_is_not_there_is_not_blamed_on_the_network(hub):
    with pytest.raises(FileNotFoundError, match=r"the hub answers.*404.*check the name"):
        load_clip("hf-hub:someone/nothing")


def test_the_real_client_gives_up_soon(tmp_path):
    """In a fresh process, where the hub's address takes the question and never answers it."""
    program = """
import dreamlab.support.loading
try:
    dreamlab.support.loading.load_model("ViT-B-32", "laion2b_s34b_b79k")
except ConnectionError as error:
    print(error)
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ
            | {
                "HF_ENDPOINT": f"http://127.0.0.1:{port}",
                "HF_HUB_CACHE": str(tmp_path),
                "NO_PROXY": "127.0.0.1",
            },
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            timeout=600,
        )
        silent.setblocking(False)
        questions = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                questions += 1
    assert result.returncode == 0, result.stderr
    assert "no answer from the hub" in result.stdout
    # By itself the client asks six times for each of two files, and waits ever longer in between.
    assert questions == 1
    assert "Retry" not in result.stderr


# The models of this package -------------------------------------------------------------------


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_embedded_models_load(name):
    clip = load_clip(name, device="cpu")
    assert clip.name == name
    assert clip.image_size == 64
    assert clip.unknown_words("a red striped heart in the sky") == []
    assert clip.unknown_words("a red giraffe") == ["giraffe"]
    assert (EMBEDDED_FOLDER / name / WEIGHTS).is_file()


def test_the_embedded_models_are_loaded_by_default_and_differ():
    dreamer, judge = load_clip(device="cpu"), load_clip("picturebook-judge", device="cpu")
    assert dreamer.name == "picturebook"
    assert type(dreamer.model.visual) is not type(judge.model.visual)
