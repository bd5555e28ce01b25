"""Files that strangers hand in: models, pictures with settings, states. None of them may run
anything, go anywhere or read anything, and what is wrong with them is said in a sentence.
"""

import base64
import copy
import io
import json
import os
import shutil
import sys
import zipfile
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from conftest import CONFIG, TINY_VIT, WEIGHTS, create_clip_folder, set_config
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.figures.saving import (
    KEY,
    checked_settings,
    load_dream,
    read_settings,
    replay,
    save_png,
)
from dreamlab.recipe import Recipe


@pytest.fixture
def transformers(monkeypatch) -> SimpleNamespace:
    """A stand-in for the package of that name, which runs a repository's code when it is told to
    or when somebody has time to answer "y".
    """
    module, remote = ModuleType("transformers"), ModuleType("transformers.dynamic_module_utils")
    remote.TIME_OUT_REMOTE_CODE = 15
    seen = SimpleNamespace(ran=False, remote=remote)

    def from_pretrained(name, trust_remote_code=None, **_):
        if trust_remote_code or (trust_remote_code is None and remote.TIME_OUT_REMOTE_CODE > 0):
            seen.ran = True
        raise ValueError("Loading it runs code: set the option `trust_remote_code=True`.")

    module.AutoTokenizer = SimpleNamespace(from_pretrained=from_pretrained)
    module.dynamic_module_utils = remote
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setitem(sys.modules, "transformers.dynamic_module_utils", remote)
    return seen


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text_cfg": {"tokenizer_kwargs": {"trust_remote_code": True}}}, "trust_remote_code"),
        ({"text_cfg": {"tokenizer_kwargs": {"code_revision": "x"}}}, "code_revision"),
        ({"text_cfg": {"tokenizer_kwargs": {"vocab_file": "/etc/passwd"}}}, "'vocab_file' of its"),
        ({"text_cfg": {"hf_model_config": {"auto_map": {"A": "b.C"}}}}, "auto_map"),
        ({"vision_cfg": {"deep": [[{"x": [{"trust_remote_code": "no"}]}]]}}, "trust_remote_code"),
        ({"vision_cfg": {"timm_model_name": "hf-hub:anyone/model"}}, "timm_model_name"),
    ],
)
def test_a_configuration_that_asks_for_code_is_refused(clip_copy, transformers, changes, words):
    set_config(clip_copy, text_cfg={"hf_tokenizer_name": "x"})
    set_config(clip_copy, **changes)
    with pytest.raises(ValueError, match="could run program code") as refused:
        load_clip(f"local-dir:{clip_copy}")
    assert words in str(refused.value) and not transformers.ran


def test_a_tokenizer_with_code_of_its_own_is_not_even_asked_about(clip_copy, transformers):
    set_config(clip_copy, text_cfg={"hf_tokenizer_name": "x"})
    with pytest.raises(ValueError, match="program code of its own, which is never run"):
        load_clip(f"local-dir:{clip_copy}")
    assert not transformers.ran
    assert transformers.remote.TIME_OUT_REMOTE_CODE == 15, "for others it stays as it was"


def harmful_pickle(made: Path) -> bytes:
    """Makes a folder when it is unpickled. What `weights_only` reads fails before, with the very
    error for which open_clip tries a second time: a state in two parts, fit for other picklers.
    """
    fails_where_safe = b"ccollections\nOrderedDict\n)R(N}tb0"
    return fails_where_safe + b"cos\nmkdir\n(S'%s'\ntR." % str(made).encode()


@pytest.mark.parametrize("suffix", ["bin", "pth"])
def test_weights_are_never_unpickled(clip_copy, tiny_clip, tmp_path, monkeypatch, suffix):
    """Not even where torch's default is to do so, as it was before version 2.6."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    (clip_copy / WEIGHTS).unlink()
    weights = clip_copy / f"open_clip_pytorch_model.{suffix}"
    torch.save(tiny_clip.model.state_dict(), weights)
    honest = load_clip(f"local-dir:{clip_copy}", device="cpu")
    assert honest.encode_text("a heart").equal(tiny_clip.encode_text("a heart"))
    weights.write_bytes(harmful_pickle(tmp_path / "made"))
    with pytest.raises(ValueError, match="running code"):
        load_clip(f"local-dir:{clip_copy}")
    assert not (tmp_path / "made").exists()
    with pytest.warns(UserWarning, match="weights_only"), suppress(Exception):
        torch.load(weights)
    assert (tmp_path / "made").exists(), "the file does what it says"


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "\x00", "[" * 100_000, '{"model_cfg": null}'),
        '{"model_cfg": {"embed_dim": 64, "vision_cfg": 3, "text_cfg": []}}',
    ],
)
def test_a_configuration_that_is_none_is_said_to_be_broken(clip_copy, text):
    (clip_copy / CONFIG).write_text(text)
    with pytest.raises(ValueError, match="cannot load"):
        load_clip(f"local-dir:{clip_copy}")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_pipe_among_a_models_files_hangs_nothing(clip_copy, name):
    (clip_copy / name).unlink(missing_ok=True)
    os.mkfifo(clip_copy / name)
    with pytest.raises(FileNotFoundError, match=r"no open_clip_config|no ordinary file"):
        load_clip(f"local-dir:{clip_copy}")


QUICK = Recipe(size=32, views=2, steps=4, octaves=(0.5, 1.0))


@pytest.fixture(scope="module")
def dreamt(tiny_clip, tmp_path_factory) -> SimpleNamespace:
    """A saved picture: its dream, its settings, and a folder for forgeries."""
    dream = Dream(tiny_clip, "a red heart", recipe=QUICK, seed=3)
    dream.run()
    folder = tmp_path_factory.mktemp("dreamt")
    made = read_settings(save_png(dream, folder / "honest.png"))
    return SimpleNamespace(dream=dream, made=made, folder=folder)


def forge(dreamt: SimpleNamespace, text: str | dict, kind: str = "itxt") -> Path:
    """The picture with other settings."""
    words = PngInfo()
    text = text if isinstance(text, str) else json.dumps(text)
    if kind == "itxt":
        words.add_itxt(KEY, text)
    else:
        words.add_text(KEY, text, zip=kind == "ztxt")
    path = dreamt.folder / "forged.png"
    dreamt.dream.image.save(path, pnginfo=words)
    return path


def picture_text(size: tuple[int, int] = (32, 32), kind: str = "png") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


SECRET = str(Path(__file__).resolve())  # a file of this computer
NUMBERS = [None, True, -1, 1.5, "1", [], 10**19]
HOSTILE = {
    "format": [None, True, 2, "1", 1.0],
    "prompts": [
        *(None, "a heart", [], [None], [3], [" "], [["a"]], ["a", "b"], {"0": "a"}, [{}]),
        *([{"a": -1}], [{"a": "1"}], [{"a": 0}], [{"": 1}], [{"a": 1e999}]),
    ],
    "negative_prompts": [None, "", [], [None], ["a", "b"], [{}], [{"a": -1}]],
    "seeds": [None, 3, [], ["3"], [True], [-1], [2**32], [1.0], [3, 4]],
    "batched": [None, 0, "no"],
    "index": [*NUMBERS, 1],
    "steps_done": [*NUMBERS, 5],
    "start": [
        *(None, 3, "", SECRET, "/dev/stdin", "https://example.org/x.png", "~/x.png", {}, []),
        *([None], [SECRET], ["!"], ["AAAA"], [picture_text(kind="jpeg")], [picture_text()] * 2),
        *([picture_text((9000, 9000))], [picture_text()[:40]]),
    ],
    "recipe": [
        *(None, [], "x", {"wobble": 1}, {"steps": 0}, {"steps": "4"}, {"size": 10**9}),
        *({"octaves": [2, 1]}, {"view_mix": [10**400, 1, 1]}, {"__class__": 1}),
    ],
    "changes": [
        *(None, {}, "x", [3], [[]], [[1, "tv_weight"]], [["1", "tv_weight", 1]]),
        *([[-1, "tv_weight", 1]], [[True, "tv_weight", 1]], [[1, ["x"], 1]], [[1, "wobble", 1]]),
        *([[1, "tv_weight", "x"]], [[1, "octaves", [1, [1]]]]),
    ],
    "clip": [None, 3, [], {}],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_entry_of_another_kind_or_none_is_refused(dreamt, name):
    for value in HOSTILE[name]:
        with pytest.raises(ValueError, match=r"'forged\.png': ") as refused:
            read_settings(forge(dreamt, dreamt.made | {name: value}))
        assert len(str(refused.value)) < 400
    without = {key: value for key, value in dreamt.made.items() if key != name}
    if name == "index":  # what is no batch needs none
        assert read_settings(forge(dreamt, without)) == without
    else:
        with pytest.raises(ValueError, match=name):
            read_settings(forge(dreamt, without))


@pytest.mark.parametrize("read", [read_settings, load_dream, replay, checked_settings])
def test_every_reader_checks(dreamt, read, tmp_path):
    with pytest.raises(ValueError, match="seed"):
        read(forge(dreamt, dreamt.made | {"seeds": [-1]}))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "x.png")
        with pytest.raises(ValueError, match="no ordinary file"):
            read(tmp_path / "x.png")


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{", "{}", "\xff", "[" * 100_000, '{"a":' * 100_000),
        *('{"format": ' + "9" * 5000 + "}", '{"format": NaN}', " " * 5_000_000),
        '{"format": 1, "x": [' + "0," * 1_000_000 + "0]}",
        '{"format": 99, "versions": {"dreamlab": ["x"]}}',
    ],
)
def test_a_text_that_is_no_settings_is_refused(dreamt, text):
    for kind in ("itxt", "text", "ztxt"):  # the last one unpacks to much more than the file has
        with pytest.raises(ValueError, match=r"forged\.png"):
            read_settings(forge(dreamt, text, kind))


@pytest.mark.parametrize(
    "clip",
    ["local-dir:.", "hf-hub:anyone/model", "ViT-B-32:openai", "x" * 10_000, "picturebook:x"],
)
def test_a_file_cannot_ask_for_a_model(dreamt, clip, monkeypatch):
    monkeypatch.setattr(
        "dreamlab.figures.saving.load_clip", lambda *_: pytest.fail("asked to load it")
    )
    path = forge(dreamt, dreamt.made | {"clip": clip})
    for read in (load_dream, replay):
        with pytest.raises(ValueError, match=r"load that model yourself.*clip=load_clip"):
            read(path)
        assert read(path, dreamt.dream.clip).clip is dreamt.dream.clip, "but the caller can"


def two_dreams(clip) -> Dream:
    return Dream(clip, ["a heart", {"a": 1, "b": 2}], negative_prompt="c", recipe=QUICK, seed=1)


@pytest.fixture(scope="module")
def state(tiny_clip) -> dict:
    dream = two_dreams(tiny_clip)
    for _ in range(3):
        next(dream)
    return dream.state_dict()


@pytest.fixture(scope="module")
def begun(tiny_clip) -> Dream:
    dream = two_dreams(tiny_clip)
    next(dream)
    return dream


DROP = object()


def put(state: dict, where: str, value: object) -> dict:
    """A copy of the state with another value at `where`, "history.0.size"; DROP drops it."""
    state = copy.deepcopy(state)
    *path, last = (int(name) if name.isdigit() else name for name in where.split("."))
    inner = reduce(getitem, path, state)
    if value is DROP:
        del inner[last]
    else:
        inner[last] = value(inner[last]) if callable(value) else value
    return state


TENSORS = [
    *(DROP, None, [1.0], torch.zeros(()), torch.zeros(2, 3, 0, 32), torch.zeros(2, 3, 32)),
    *(lambda x: x[:1], lambda x: x[:, 1:], lambda x: x.int(), lambda x: x.double()),
    *(lambda x: x * torch.nan, lambda x: x.to_sparse()),
]
COUNTS = [DROP, None, True, -1, 1.0, 2**70]
DAMAGED = {
    "base": [*TENSORS, lambda x: x + 2, torch.zeros(1).expand(2, 3, 10**6, 10**6)],
    "pixels": [*TENSORS, torch.zeros(1).expand(2, 3, 10**6, 10**6)],
    "adam.mean": [DROP, lambda x: x[..., 1:]],
    "adam.square": [DROP, lambda x: x - 1e9, lambda x: x[..., 1:]],
    "deltas.0": TENSORS[1:],
    "deltas": [DROP, None, {}, lambda x: [*x] * 9, lambda x: [*x] * 2],
    "adam": [DROP, None, {}],
    "step": [*COUNTS, 2, 4, 3 * 10**8],
    "octave": COUNTS,
    "recipe": [DROP, None, [], {"wobble": 1}, {"steps": 0}, {3: 4}, {"size": torch.zeros(2)}],
    "history": [
        *(DROP, None, [], [None] * 3, lambda x: x[:2], lambda x: x[::-1]),
        *(lambda x: x[:1] * 10**6, lambda x: x[:1] * 3),
    ],
    "history.1.step": COUNTS,
    "history.1.size": [DROP, None, (16,), (16, 0), (16.0, 16.0), [16, 16]],
    "history.1.learning_rate": [DROP, 1, -1.0, float("nan")],
    "history.1.measured": TENSORS[:4],
    "history.1.recipe": [DROP, {"wobble": 1}],
    "prompts": [DROP, None, "a heart", ["a heart"], [3, 4], ["a heart", {"a": torch.ones(2)}]],
    "negative_prompts": [DROP, ["d", "d"]],
    "seeds": [DROP, 1, [1], [1, 2], [True, True], [1.0, 1.0]],
    "attractors": [DROP, lambda x: x[:, :5], lambda x: -x, lambda x: x * torch.nan],
}


@pytest.mark.parametrize("where", ["", *DAMAGED])
def test_a_damaged_state_is_refused_and_nothing_is_changed(begun, state, where):
    pixels, history, recipe = begun.pixels.clone(), list(begun.history), replace(begun.recipe)
    for value in DAMAGED[where] if where else (None, [], {}):
        with pytest.raises(ValueError, match=r"dream stores|belongs to a dream|the recipe|must"):
            begun.load_state_dict(put(state, where, value) if where else value)
    assert begun.pixels.equal(pixels) and begun.history == history and begun.recipe == recipe


def test_a_file_of_a_state_is_whole_plain_and_no_larger_than_it_says(begun, state, tmp_path):
    path, made = tmp_path / "dream.pt", tmp_path / "made"
    torch.save(state, path)
    again = two_dreams(begun.clip)
    again.load_state(path)
    assert again.pixels.equal(state["pixels"])
    assert again.save_state(path) == path and len(list(tmp_path.iterdir())) == 1
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="corrupt"):
        begun.load_state(path)
    path.write_bytes(harmful_pickle(made))
    with pytest.raises(ValueError, match=r"corrupt|running code"):
        begun.load_state(path)
    assert not made.exists()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("state/data.pkl", bytes(10**7))
    with pytest.raises(ValueError, match="would unpack to"):
        begun.load_state(path)
    with pytest.raises(FileNotFoundError, match="no ordinary one"):
        begun.load_state(os.devnull)


def test_the_state_of_another_clip_is_refused_and_of_the_same_elsewhere_taken(
    tiny_clip, tiny_clip_dir, tmp_path
):
    other = create_clip_folder(tmp_path / "other", TINY_VIT, seed=9)
    moved = shutil.copytree(tiny_clip_dir, tmp_path / "moved")
    foreign, same = (
        two_dreams(load_clip(f"local-dir:{folder}", device="cpu")) for folder in (other, moved)
    )
    next(foreign)
    ours = two_dreams(tiny_clip)
    next(ours)
    with pytest.raises(ValueError, match=f"with the CLIP 'local-dir:{other}'"):
        ours.load_state_dict(foreign.state_dict())
    same.load_state_dict(ours.state_dict())
    assert len(same.history) == 1
