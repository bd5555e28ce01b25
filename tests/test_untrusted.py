"""Files that strangers hand in: models, pictures with settings, states. None of them may run
anything, go anywhere or read anything, and what is wrong with them is said in a sentence.
"""

import json
import os
import shutil
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from dreamlab.clip import load_clip

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


# --- models -----------------------------------------------------------------------------------


@pytest.fixture
def model_folder(tiny_clip_dir, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_clip_dir, tmp_path / "model"))


def set_config(folder: Path, **changes: dict) -> None:
    """Change parts of the model's configuration: set_config(folder, text_cfg={…})."""
    config = json.loads((folder / CONFIG).read_text())
    for part, entries in changes.items():
        config["model_cfg"].setdefault(part, {}).update(entries)
    (folder / CONFIG).write_text(json.dumps(config))


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
        ({"text_cfg": {"tokenizer_kwargs": {"trust_remote_code": 1}}}, "trust_remote_code"),
        ({"text_cfg": {"tokenizer_kwargs": {"trust_remote_code": "no"}}}, "trust_remote_code"),
        ({"text_cfg": {"tokenizer_kwargs": {"a": {"trust_remote_code": True}}}}, "'a' of its tok"),
        ({"text_cfg": {"tokenizer_kwargs": {"code_revision": "x"}}}, "code_revision"),
        ({"text_cfg": {"tokenizer_kwargs": {"vocab_file": "/etc/passwd"}}}, "'vocab_file' of its"),
        ({"text_cfg": {"hf_model_config": {"auto_map": {"A": "b.C"}}}}, "auto_map"),
        ({"vision_cfg": {"deep": [[{"x": [{"trust_remote_code": True}]}]]}}, "trust_remote_code"),
        ({"multimodal_cfg": {"trust_remote_code": True}}, "trust_remote_code"),
        ({"vision_cfg": {"timm_model_name": "hf-hub:anyone/model"}}, "timm_model_name"),
        ({"vision_cfg": {"timm_model_name": "local-dir:/home"}}, "timm_model_name"),
    ],
)
@pytest.mark.parametrize("tokenizer", [{}, {"hf_tokenizer_name": "x"}])
def test_a_configuration_that_asks_for_code_is_refused(
    model_folder, transformers, changes, words, tokenizer
):
    set_config(model_folder, text_cfg=tokenizer)
    set_config(model_folder, **changes)
    with pytest.raises(ValueError, match="could run program code") as refused:
        load_clip(f"local-dir:{model_folder}")
    assert words in str(refused.value) and not transformers.ran


def test_a_tokenizer_with_code_of_its_own_is_not_even_asked_about(model_folder, transformers):
    set_config(model_folder, text_cfg={"hf_tokenizer_name": "x"})
    with pytest.raises(ValueError, match="program code of its own, which is never run"):
        load_clip(f"local-dir:{model_folder}")
    assert not transformers.ran
    assert transformers.remote.TIME_OUT_REMOTE_CODE == 15, "for others it stays as it was"


def test_ordinary_settings_of_a_tokenizer_are_none_of_that(model_folder):
    set_config(model_folder, text_cfg={"tokenizer_kwargs": {"clean": "canonicalize"}})
    assert load_clip(f"local-dir:{model_folder}").embed_dim == 64


def harmful_pickle(made: Path) -> bytes:
    """Makes a folder when it is unpickled. What `weights_only` reads fails before, with the very
    error for which open_clip tries a second time: a state in two parts, fit for other picklers.
    """
    fails_where_safe = b"ccollections\nOrderedDict\n)R(N}tb0"
    return fails_where_safe + b"cos\nmkdir\n(S'%s'\ntR." % str(made).encode()


@pytest.mark.parametrize("suffix", ["bin", "pth"])
@pytest.mark.parametrize("environment", [{}, {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}])
def test_weights_are_never_unpickled(model_folder, tmp_path, monkeypatch, suffix, environment):
    """Not even where torch's default is to do so, as it was before version 2.6."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (model_folder / WEIGHTS).unlink()
    weights = model_folder / f"open_clip_pytorch_model.{suffix}"
    weights.write_bytes(harmful_pickle(tmp_path / "made"))
    with pytest.raises(ValueError, match="corrupt"):
        load_clip(f"local-dir:{model_folder}")
    assert not (tmp_path / "made").exists()
    if environment:  # the file does what it says
        with pytest.warns(UserWarning, match="weights_only"), suppress(Exception):
            torch.load(weights)
        assert (tmp_path / "made").exists()


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip")
def test_a_program_in_place_of_weights_is_refused(model_folder):
    (model_folder / WEIGHTS).unlink()
    with zipfile.ZipFile(model_folder / "open_clip_pytorch_model.bin", "w") as script:
        for name in ("constants.pkl", "data.pkl", "version"):  # what tells a TorchScript archive
            script.writestr(f"model/{name}", b"3\n" if name == "version" else b"\x80\x02).")
    with pytest.raises(ValueError, match="TorchScript"):
        load_clip(f"local-dir:{model_folder}")


def test_honest_weights_in_a_pickle_still_load(model_folder, tiny_clip):
    (model_folder / WEIGHTS).unlink()
    torch.save(tiny_clip.model.state_dict(), model_folder / "open_clip_pytorch_model.bin")
    again = load_clip(f"local-dir:{model_folder}", device="cpu")
    assert again.encode_text("a heart").equal(tiny_clip.encode_text("a heart"))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "3", '"x"', "\x00", "{" * 9, "[" * 100_000),
        *('{"model_cfg": null}', '{"model_cfg": []}'),
        '{"model_cfg": {"embed_dim": 64, "vision_cfg": 3, "text_cfg": []}}',
    ],
)
def test_a_configuration_that_is_none_is_said_to_be_broken(model_folder, text):
    (model_folder / CONFIG).write_text(text)
    with pytest.raises(ValueError, match=r"cannot load .*corrupt, incomplete or not a CLIP's"):
        load_clip(f"local-dir:{model_folder}")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "other.bin"])
def test_a_pipe_among_a_models_files_hangs_nothing(model_folder, name):
    (model_folder / name).unlink(missing_ok=True)
    os.mkfifo(model_folder / name)
    with pytest.raises(FileNotFoundError, match=r"no open_clip_config|no ordinary file"):
        load_clip(f"local-dir:{model_folder}")
