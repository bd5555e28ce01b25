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

EMBEDDED = ("picturebook", "picturebook-plain", "picturebook-judge")
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
        folder = user_path(identifier)
        if missing := _missing_in(folder):
            if asked in EMBEDDED:
                missing += "; it belongs to this package, which is incomplete: install it again"
            raise FileNotFoundError(f"cannot load {asked!r}: {missing}")
        return f"local-dir:{folder}", None

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


def _missing_in(folder: Path) -> str:
    """Which of its two files a model's folder lacks, in words."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not (folder / "open_clip_config.json").is_file():
        return f"{folder} has no open_clip_config.json"
    files = list(folder.iterdir())
    if not any(file.suffix in (".safetensors", ".bin", ".pth") for file in files):
        return f"{folder} has no weights, such as open_clip_model.safetensors"
    odd = [file.name for file in files if not (file.is_file() or file.is_dir())]
    return f"{odd[0]!r} in {folder} is no ordinary file" if odd else ""


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


FOREIGN = "its weights are of another architecture than its configuration"
PROBLEMS = {  # a word in open_clip's error, and what it means
    "trust_remote_code": "it brings program code of its own, which is never run here",
    "tokenizer": "its tokenizer's files (tokenizer.json and its like) are missing or broken",
    # Foreign weights fail in load_state_dict, or before it over SigLIP's bias or the width.
    "loading state_dict": FOREIGN,
    "no attribute 'ndim'": FOREIGN,
    "width changed": FOREIGN,
    "": "its weights or its configuration are corrupt, incomplete or not a CLIP's",
}


def _build(source: str, pretrained: str | None) -> tuple[torch.nn.Module, Callable]:
    """Let open_clip make the tokenizer and the model; its errors are translated."""
    try:
        if source.startswith(("hf-hub:", "local-dir:")):
            _refuse_code(open_clip.get_model_config(source), source)
        with _nothing_run():
            tokenizer = open_clip.get_tokenizer(source)  # small, so it may fail before the download
            # In create_model, which would download as well, a failure would look like any other.
            if source.startswith("hf-hub:"):
                open_clip.pretrained.download_pretrained_from_hf(source.removeprefix("hf-hub:"))
            elif _is_tag(source, pretrained):
                open_clip.download_pretrained(open_clip.get_pretrained_cfg(source, pretrained))
            model = open_clip.create_model(source, pretrained, require_pretrained=True)
    except (OSError, _WithCode):
        raise
    except ImportError as error:
        raise ImportError(
            f"{source} needs a package that is not installed ({error}): "
            "pip install transformers sentencepiece"
        ) from error
    except Exception as error:  # a broken file fails in a dozen ways, from KeyError to EOFError
        problem = next(PROBLEMS[sign] for sign in PROBLEMS if sign in str(error))
        reason = f"{type(error).__name__}: {textwrap.shorten(str(error), 300)}"
        weights = f" with {pretrained!r}" if pretrained else ""
        raise ValueError(f"cannot load {source!r}{weights}: {problem} ({reason})") from error
    if not all(values.isfinite().all() for values in model.state_dict().values()):
        raise ValueError(f"cannot load {source!r}: its weights are corrupt, some are not finite")
    return model, tokenizer


class _WithCode(ValueError):
    """A model that asks for code of its own to be run."""


def _refuse_code(config: Any, source: str) -> None:
    """Raise if a configuration asks, at any depth, for anything but an architecture known here."""
    if isinstance(config, list):
        for value in config:
            _refuse_code(value, source)
    if not isinstance(config, dict):
        return
    tokenizer = config.get("tokenizer_kwargs") or {}
    asked = {f"{key}={config[key]!r}" for key in CODE if config.get(key) not in (False, None)}
    asked |= {
        f"{name!r} of its tokenizer"
        for name, value in tokenizer.items()
        if name not in TOKENIZER_SETTINGS and value not in (False, None)
    }
    if ":" in str(config.get("timm_model_name")):
        asked.add(f"timm_model_name={config['timm_model_name']!r}")
    if asked:
        raise _WithCode(
            f"cannot load {source!r}: its configuration asks for {', '.join(sorted(asked))}, which "
            "could run program code that came with it; ask its author for a plain open_clip model"
        )
    _refuse_code(list(config.values()), source)


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


def _not_downloaded(
    source: str, pretrained: str | None, repository: str, online: bool, error: OSError
) -> OSError:
    constants = huggingface_hub.constants
    tried = f"could not get {constants.ENDPOINT}/{repository}"
    if online and "timed out" not in str(error):
        return FileNotFoundError(
            f"{tried}: the hub answers, but does not give the files ({error}); check the name, "
            "and whether the repository is open to all and holds an open_clip model"
        )
    why = (
        f"the hub answers, but then sends nothing ({error}); your network may block the computers "
        "that its large files come from"
        if online
        else "no answer from the hub (no network, or HF_HUB_OFFLINE is set)"
    )
    call = f"load_clip({source!r}, {pretrained!r})" if pretrained else f"load_clip({source!r})"
    return ConnectionError(
        f"{tried}, nor is it in the cache: {why}. The embedded model needs no network: "
        f"load_clip('picturebook'). To have this one without a network, call {call} once where "
        f"there is one: its files stay in {constants.HF_HUB_CACHE}, which you may also copy from "
        "another computer"
    )


def quoted(words: Iterable[str]) -> str:
    return ", ".join(repr(word) for word in words)
