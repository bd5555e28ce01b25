"""Load an open_clip model by name, or raise an error that says what to do.

open_clip does the loading. It takes some mistakes in silence (a name without weights becomes a
random model) and reports others as a list of five hundred missing keys. So names, tags, folders and
the network are checked first.

A model may come from anybody, and nothing that comes with it is run: weights are read as numbers,
and a configuration that asks for program code of its own is refused.
"""

import difflib
import os
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import huggingface_hub
import open_clip
import torch

from dreamlab.support.files import user_path

EMBEDDED = ("picturebook", "picturebook-judge")
EMBEDDED_FOLDER = Path(__file__).parents[1] / "picturebook" / "models"

# What a configuration may not ask for, at any depth, and what it may tell its tokenizer.
CODE = ("auto_map", "code_revision", "trust_remote_code")
TOKENIZER_SETTINGS = ("clean", "language", "reduction_mask", "strip_sep_token", "use_fast")


def pick_device(device: str | torch.device | None) -> torch.device:
    """Return the device asked for, or for None the best there is; ValueError if it is not here."""
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"device {str(device)!r} cannot be used on this computer ({error}); "
            "leave it out to take the best there is"
        ) from error


def find_model(name: str, pretrained: str | None) -> tuple[str, str | None]:
    """Return what open_clip calls this model, or say what is wrong with its name or tag."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a model is a text, got {name!r}; a folder is 'local-dir:…'")
    asked = name
    if name in EMBEDDED:
        name = f"local-dir:{EMBEDDED_FOLDER / name}"
    schema, identifier = open_clip.factory.parse_model_name(name)
    if schema and pretrained:
        raise ValueError(f"{asked!r} has weights of its own: leave out pretrained={pretrained!r}")
    if schema == "hf-hub":
        return name, None
    if schema == "local-dir":
        return f"local-dir:{_check_folder(user_path(identifier), asked)}", None

    name = name.replace("/", "-")  # OpenAI writes ViT-B/32
    models = {known.lower(): known for known in [*EMBEDDED, *open_clip.list_models()]}
    if name not in models.values():
        near = difflib.get_close_matches(name.lower(), models, n=5, cutoff=0.5)
        hints = f"; nearest names: {quoted(models[match] for match in near)}" if near else ""
        if user_path(asked).is_dir():
            hints += f"; a folder is loaded as 'local-dir:{asked}'"
        elif "/" in asked:
            hints += f"; a repository of the Hugging Face hub is loaded as 'hf-hub:{asked}'"
        raise ValueError(f"unknown model {asked!r}{hints} (all: open_clip.list_models())")

    tags = open_clip.list_pretrained_tags_by_model(name)
    choice = f"its tags are {quoted(tags)}" if tags else "open_clip has no tags for it"
    if pretrained is None:
        raise ValueError(f"{name} needs weights: give a tag or a file ({choice})")
    if not _is_tag(name, pretrained):
        file = user_path(pretrained)
        if not file.is_file():
            raise ValueError(f"{name} has no tag {pretrained!r} ({choice}), nor is that a file")
        return name, str(file)
    # OpenAI and some others trained with x·sigmoid(1.702x) in place of GELU. Their weights load
    # without complaint into a model with the other activation, and encode something else.
    quick = f"{name}-quickgelu"
    if _is_tag(quick, pretrained) and quick in models.values():
        warnings.warn(f"{pretrained!r} was trained with QuickGELU: loading {quick!r}", stacklevel=3)
        name = quick
    return name, pretrained


def _check_folder(folder: Path, asked: str) -> Path:
    """Return a model's folder, or say which of its two files is missing."""
    if not folder.is_dir():
        missing = f"there is no folder {folder}"
    elif not (folder / "open_clip_config.json").is_file():
        missing = f"{folder} has no open_clip_config.json"
    elif not any(file.suffix in (".safetensors", ".bin", ".pth") for file in folder.iterdir()):
        missing = f"{folder} has no weights, such as open_clip_model.safetensors"
    elif odd := [file.name for file in folder.iterdir() if not (file.is_file() or file.is_dir())]:
        missing = f"{odd[0]!r} in {folder} is no ordinary file"
    else:
        return folder
    if asked in EMBEDDED:
        missing += "; it belongs to this package, which is incomplete: install it again"
    raise FileNotFoundError(f"cannot load {asked!r}: {missing}")


def load_model(source: str, pretrained: str | None) -> tuple[torch.nn.Module, Callable]:
    """Return the model, on the CPU, and its tokenizer; what is not here is downloaded first."""
    repository = _repository(source, pretrained)
    if repository is None:
        return _build(source, pretrained)
    with _hub(repository) as online:
        try:
            return _build(source, pretrained)
        except OSError as error:
            raise _not_downloaded(source, pretrained, repository, online, error) from error


def _repository(source: str, pretrained: str | None) -> str | None:
    """The repository of the hub that loading this asks first; None if all of it is here."""
    if source.startswith("hf-hub:"):
        return source.removeprefix("hf-hub:")
    if _is_tag(source, pretrained):
        return open_clip.get_pretrained_cfg(source, pretrained)["hf_hub"].rstrip("/")
    # Weights in a file may still need a tokenizer or a text tower of the transformers package.
    try:
        text = open_clip.get_model_config(source)["text_cfg"]
        tokenizer = None if source.startswith("local-dir:") else text.get("hf_tokenizer_name")
        return tokenizer or text.get("hf_model_name")
    except Exception:  # a broken configuration: `_build` says how
        return None


def _is_tag(model: str, pretrained: str | None) -> bool:
    return pretrained is not None and open_clip.is_pretrained_cfg(model, pretrained)


def _build(source: str, pretrained: str | None) -> tuple[torch.nn.Module, Callable]:
    """Let open_clip make the tokenizer and the model; its errors are translated."""
    try:
        if source.startswith(("hf-hub:", "local-dir:")):
            _refuse_code(open_clip.get_model_config(source), source)
        with _nothing_run():
            tokenizer = open_clip.get_tokenizer(source)  # small, so it may fail before the download
            _download(source, pretrained)
            model = open_clip.create_model(source, pretrained, require_pretrained=True)
    except (OSError, _WithCode):
        raise
    except ImportError as error:
        raise ImportError(
            f"{source} needs a package that is not installed ({error}): "
            "pip install transformers sentencepiece"
        ) from error
    except Exception as error:  # a broken file fails in a dozen ways, from KeyError to EOFError
        reason = f"{type(error).__name__}: {textwrap.shorten(str(error), 300)}"
        # Foreign weights fail in load_state_dict, or before it over SigLIP's bias or the width.
        signs = ("loading state_dict", "no attribute 'ndim'", "width changed")
        if "trust_remote_code" in str(error):
            problem = "it brings program code of its own, which is never run here"
        elif "tokenizer" in str(error):
            problem = "its tokenizer's files (tokenizer.json and its like) are missing or broken"
        elif any(sign in str(error) for sign in signs):
            problem = "its weights are of another architecture than its configuration"
        else:
            problem = "its weights or its configuration are corrupt, incomplete or not a CLIP's"
        weights = f" with {pretrained!r}" if pretrained else ""
        raise ValueError(f"cannot load {source!r}{weights}: {problem} ({reason})") from error
    if not all(values.isfinite().all() for values in model.state_dict().values()):
        raise ValueError(f"cannot load {source!r}: its weights are corrupt, some are not finite")
    return model, tokenizer


class _WithCode(ValueError):
    """A model that asks for code of its own to be run."""


def _refuse_code(config: Any, source: str) -> None:
    """Raise if a model's configuration asks for anything but an architecture that is known here."""

    def refuse(what: str) -> None:
        raise _WithCode(
            f"cannot load {source!r}: its configuration asks for {what}, which could run program "
            "code that came with it; ask its author for a plain open_clip model"
        )

    for key, value in _entries(config):
        if key in CODE and value not in (False, None):
            refuse(f"{key}={value!r}")
        if key == "tokenizer_kwargs":
            for name in value:
                if name not in TOKENIZER_SETTINGS and value[name] not in (False, None):
                    refuse(f"{name!r} of its tokenizer")
        if key == "timm_model_name" and ":" in str(value):
            refuse(f"{key}={value!r}")


def _entries(config: Any) -> Iterator[tuple[str, Any]]:
    """Every key of a configuration with its value, however deep."""
    if isinstance(config, dict):
        yield from config.items()
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from _entries(value)


@contextmanager
def _nothing_run() -> Iterator[None]:
    """Within this, no library runs what a model brings, nor asks the user whether it may.

    open_clip reads weights with `weights_only=True`, and when that fails with a TypeError, a second
    time with torch's default, which the environment can make unsafe. The transformers package asks
    at the keyboard whether a repository's code may run; with no time to answer it refuses.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}))
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
        with suppress(ImportError):
            from transformers import dynamic_module_utils as foreign

            stack.enter_context(patch.object(foreign, "TIME_OUT_REMOTE_CODE", 0, create=True))
        yield


@contextmanager
def _hub(repository: str) -> Iterator[bool]:
    """Ask the Hugging Face hub once whether it answers; if not, only its cache is used inside.

    Left alone, its client asks for each file six times, most of a minute, before it looks into its
    cache or gives up; and where the hub takes the question but never answers it, for many minutes.
    """
    constants, utils = huggingface_hub.constants, huggingface_hub.utils
    # Before version 1 a session remembers the mode in which it was opened.
    forget_sessions = getattr(utils, "reset_sessions", lambda: None)
    file = f"{constants.ENDPOINT}/{repository}/resolve/main/open_clip_config.json"
    try:
        utils.get_session().head(file, timeout=5)  # any answer will do, even that there is none
        online = not constants.HF_HUB_OFFLINE
    except Exception:  # the client's own class, which differs between its versions
        online = False
    try:
        with patch.object(constants, "HF_HUB_OFFLINE", not online):
            forget_sessions()
            yield online
    finally:
        forget_sessions()


def _download(source: str, pretrained: str | None) -> None:
    """Fetch the weights into the cache, from where `open_clip.create_model` takes them.

    That would fetch them too, but a failure would look like any other.
    """
    if source.startswith("hf-hub:"):
        open_clip.pretrained.download_pretrained_from_hf(source.removeprefix("hf-hub:"))
    elif _is_tag(source, pretrained):
        open_clip.download_pretrained(open_clip.get_pretrained_cfg(source, pretrained))


def _not_downloaded(
    source: str, pretrained: str | None, repository: str, online: bool, error: OSError
) -> OSError:
    constants = huggingface_hub.constants
    tried = f"could not get {constants.ENDPOINT}/{repository}"
    call = f"load_clip({source!r}, {pretrained!r})" if pretrained else f"load_clip({source!r})"
    elsewhere = (
        "The embedded model needs no network: load_clip('picturebook'). To have this one without a "
        f"network, call {call} once where there is one: its files stay in "
        f"{constants.HF_HUB_CACHE}, which you may also copy from another computer"
    )
    if not online:
        return ConnectionError(
            f"{tried}, nor is it in the cache: no answer from the hub (no network, or "
            f"HF_HUB_OFFLINE is set). {elsewhere}"
        )
    if "timed out" in str(error):
        return ConnectionError(
            f"{tried}: the hub answers, but then sends nothing ({error}). Its large files come "
            f"from other computers, which your network may block. {elsewhere}"
        )
    return FileNotFoundError(
        f"{tried}: the hub answers, but does not give the files ({error}); check the name, "
        "and whether the repository is open to all and holds an open_clip model"
    )


def quoted(words: Iterable[str]) -> str:
    return ", ".join(repr(word) for word in words)
