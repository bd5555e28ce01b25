"""Load an open_clip model by name, or raise an error that says what to do.

open_clip takes some mistakes in silence, so names, tags, folders and the network are checked first.
Nothing that comes with a model is run: weights are read as numbers, and a configuration that asks
for program code is refused. What a file does not say of its training is asked for, not guessed.
"""

import difflib
import json
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import huggingface_hub
import open_clip
import torch
from torch import Tensor

from dreamlab.support.files import user_path
from dreamlab.support.weights import Unusable, read_weights

EMBEDDED = ("picturebook", "picturebook-plain", "picturebook-judge")
EMBEDDED_FOLDER = Path(__file__).parents[1] / "picturebook" / "models"
CONFIG = "open_clip_config.json"
Statistics = dict[str, Sequence[float]]  # "mean" and "std" of the pixels
Loaded = tuple[str, torch.nn.Module, Callable]  # name for open_clip, model on the CPU, tokenizer
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
        words = f"device {str(device)!r} cannot be used on this computer ({error})"
        raise ValueError(f"{words}; leave it out to take the best there is") from error


def find_model(name: str, pretrained: str | None) -> tuple[str, str | None]:
    """Return what open_clip calls this model, or say what is wrong with its name or tag."""
    pretrained = str(pretrained) if isinstance(pretrained, Path) else pretrained
    if not isinstance(name, str) or not isinstance(pretrained, str | None):
        words = f"name and tag of a model are texts, got {name!r} and {pretrained!r}"
        raise TypeError(f"{words}; a folder is 'local-dir:…'")
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
    tagged = open_clip.get_pretrained_cfg(name, pretrained)
    return _with_activation(name, pretrained, [tagged], depth=5), pretrained


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


def load_model(source: str, pretrained: str | None, statistics: Statistics) -> Loaded:
    """Load what `find_model` found; downloads what is missing."""
    repository = _repository(source, pretrained)
    if repository is None:
        return _build(source, pretrained, statistics)
    with _hub(repository) as online:
        try:
            return _build(source, pretrained, statistics)
        except OSError as error:
            raise _not_downloaded(source, pretrained, repository, online, error) from error


def _repository(source: str, pretrained: str | None) -> str | None:
    """The repository of the hub that loading this asks first; None if all of it is here."""
    if source.startswith("local-dir:"):
        return None
    if source.startswith("hf-hub:"):
        return source.removeprefix("hf-hub:")
    if _is_tag(source, pretrained):
        return open_clip.get_pretrained_cfg(source, pretrained)["hf_hub"].rstrip("/")
    # Weights in a file may still need a tokenizer or a text tower of the transformers package.
    text = open_clip.get_model_config(source)["text_cfg"]
    return text.get("hf_tokenizer_name") or text.get("hf_model_name")


def _is_tag(model: str, pretrained: str | None) -> bool:
    return pretrained is not None and open_clip.is_pretrained_cfg(model, pretrained)


FOREIGN = "its weights are of another architecture than its configuration"
PROBLEMS = {  # a word in open_clip's error, and what it means
    "trust_remote_code": "it brings program code of its own, which is never run here",
    "tokenizer": "its tokenizer's files (tokenizer.json and its like) are missing or broken",
    # Foreign weights fail in load_state_dict, or before it over SigLIP's bias or the width.
    **dict.fromkeys(("loading state_dict", "no attribute 'ndim'", "width changed"), FOREIGN),
    "": "its weights or its configuration are corrupt, incomplete or not a CLIP's",
}


def _build(source: str, pretrained: str | None, statistics: Statistics) -> Loaded:
    """Let open_clip make the tokenizer and the model; its errors are translated."""

    def read(file: str, **_: Any) -> dict[str, Tensor]:
        return {n: value for n, value in (weights or read_weights(file)).items() if n not in MARKS}

    try:
        with ExitStack() as stack:
            with suppress(ImportError):
                from transformers import dynamic_module_utils as foreign

                # It refuses a repository's code instead of asking at the keyboard.
                stack.enter_context(patch.object(foreign, "TIME_OUT_REMOTE_CODE", 0, create=True))
            known, sizes, weights = _as_trained(source, pretrained)
            statistics = _asked(source, pretrained, known, statistics)
            source = _with_activation(source, pretrained, known)
            # The tokenizer is small, so it may fail before the download.
            length = sizes.get("force_context_length")
            length = {"context_length": length} if length else {}
            tokenizer = open_clip.get_tokenizer(source, **length)
            # In create_model, which would download as well, a failure would look like any other.
            if source.startswith("hf-hub:"):
                open_clip.pretrained.download_pretrained_from_hf(source.removeprefix("hf-hub:"))
            elif _is_tag(source, pretrained):
                open_clip.download_pretrained(open_clip.get_pretrained_cfg(source, pretrained))
            stack.enter_context(patch.object(open_clip.factory, "load_state_dict", read))
            options = {"require_pretrained": True, "force_preprocess_cfg": statistics, **sizes}
            model = open_clip.create_model(source, pretrained, **options)
    except (OSError, Unusable):
        raise
    except ImportError as error:
        words = f"{source} needs a package that is not installed ({error})"
        raise ImportError(f"{words}: pip install transformers sentencepiece") from error
    except Exception as error:  # a broken file fails in a dozen ways, from KeyError to EOFError
        problem = next(PROBLEMS[sign] for sign in PROBLEMS if sign in str(error))
        reason = f"{type(error).__name__}: {textwrap.shorten(str(error), 300)}"
        tag = f" with {pretrained!r}" if pretrained else ""
        raise ValueError(f"cannot load {source!r}{tag}: {problem} ({reason})") from error
    if not all(values.isfinite().all() for values in model.state_dict().values()):
        raise ValueError(f"cannot load {source!r}: its weights are corrupt, some are not finite")
    return source, model, tokenizer


MARKS = ("input_resolution", "context_length", "vocab_size")  # beside the weights in OpenAI's files


def _as_trained(
    source: str, pretrained: str | None
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Tensor] | None]:
    """Settings with which it may have been trained, other sizes, and a file's weights."""
    if source.startswith(("hf-hub:", "local-dir:")):
        schema, place = open_clip.factory.parse_model_name(source)
        file = Path(place) / CONFIG
        if schema == "hf-hub":
            file = open_clip.pretrained.download_pretrained_from_hf(place, filename=CONFIG)
        config = json.loads(Path(file).read_text("utf-8"))
        _refuse_code(config.get("model_cfg", config), source)
        return [config.get("preprocess_cfg") or {}], {}, None
    if _is_tag(source, pretrained):
        return [open_clip.get_pretrained_cfg(source, pretrained)], {}, None
    # open_clip reads SigLIP's original arrays by itself.
    weights = None if Path(pretrained).suffix == ".npz" else read_weights(pretrained)
    architecture = open_clip.get_model_config(source)
    sizes = _other_sizes(architecture, weights or {})
    beside = Path(pretrained).with_name(CONFIG)
    if beside.is_file():
        config = json.loads(beside.read_text("utf-8"))
        if config["model_cfg"]["embed_dim"] == architecture["embed_dim"]:
            quick = config["model_cfg"].get("quick_gelu", False)
            return [{**config.get("preprocess_cfg", {}), "quick_gelu": quick}], sizes, weights
    tags = open_clip.list_pretrained_tags_by_model(source)
    known = [open_clip.get_pretrained_cfg(source, tag) for tag in tags]
    if weights and MARKS[0] in weights:
        known = [config for config in known if config.get("quick_gelu")]
    return known, sizes, weights


def _asked(
    source: str, pretrained: str | None, known: list[dict[str, Any]], given: Statistics
) -> Statistics:
    """Mean and standard deviation: those given, or else those that are known, if these agree."""
    choices = [{name: settings.get(name) for name in ("mean", "std")} for settings in known]
    merged = [choice | given for choice in choices or [{"mean": None, "std": None}]]
    if all(choice == merged[0] for choice in merged) and None not in merged[0].values():
        return merged[0]
    if source.startswith(("hf-hub:", "local-dir:")):
        call, why = repr(source), f"its {CONFIG} has no preprocess_cfg that says it"
    else:
        call = f"{source!r}, {pretrained!r}"
        tags = "the tags of {} differ in it" if known else "open_clip has no tags of {}"
        why = f"no {CONFIG} lies beside it, and {tags.format(source)}"
    raise Unusable(
        f"cannot load {pretrained or source!r} without the mean and the standard deviation of the "
        f"pixels with which it was trained ({why}): load_clip({call}, mean=(r, g, b), std=(r, g, "
        f"b)). Those of open_clip's own trainer are mean={open_clip.OPENAI_DATASET_MEAN}, "
        f"std={open_clip.OPENAI_DATASET_STD}"
    )


def _with_activation(
    source: str, pretrained: str | None, known: list[dict[str, Any]], depth: int = 6
) -> str:
    """The name of this architecture with the activation of its training, GELU or QuickGELU."""
    quick, trained = f"{source}-quickgelu", {bool(k.get("quick_gelu")) for k in known}
    if quick not in open_clip.list_models() or True not in trained:
        return source
    if trained == {True}:
        words = f"{pretrained!r} was trained with QuickGELU: loading {quick!r}"
    else:
        words = f"{pretrained} does not say whether it was trained with GELU, as {source!r} has it,"
        words += f" or with QuickGELU, as OpenAI did: for that, load {quick!r}"
    warnings.warn(words, stacklevel=depth)
    return quick if trained == {True} else source


def _other_sizes(architecture: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, int]:
    """Side of the images and length of the texts, where a file's weights are of others."""
    vision, text, sizes = architecture["vision_cfg"], architecture["text_cfg"], {}
    places, patches = (weights.get(f"visual.{n}") for n in ("positional_embedding", "conv1.weight"))
    if places is not None and patches is not None:
        grid, patch = math.isqrt(len(places) - 1), patches.shape[-1]
        height, width = open_clip.utils.to_2tuple(vision["image_size"])
        if len(places) - 1 == grid**2 != (height // patch) * (width // patch):
            sizes["force_image_size"] = grid * patch
    for name in ("positional_embedding", "text.positional_embedding"):
        if name in weights:
            length = len(weights[name]) - bool(text.get("embed_cls"))
            if length != text.get("context_length", 77):
                sizes["force_context_length"] = length
    return sizes


def _refuse_code(config: Any, source: str) -> None:
    """Raise if a configuration asks, at any depth, for anything but an architecture known here."""
    if isinstance(config, list):
        for value in config:
            _refuse_code(value, source)
    if not isinstance(config, dict):
        return
    if config.get("hf_model_name") and source.startswith("local-dir:"):
        raise Unusable(
            f"cannot load {source!r}: its text tower {config['hf_model_name']!r} is on the Hugging "
            "Face hub, which is never asked for what only a folder names; load 'hf-hub:…' instead"
        )
    tokenizer = config.get("tokenizer_kwargs") or {}
    asked = {f"{key}={config[key]!r}" for key in CODE if config.get(key) not in (False, None)}
    unknown = (name for name in tokenizer if name not in TOKENIZER_SETTINGS)
    asked |= {f"{n!r} of its tokenizer" for n in unknown if tokenizer[n] not in (False, None)}
    if ":" in str(config.get("timm_model_name")):
        asked.add(f"timm_model_name={config['timm_model_name']!r}")
    if asked:
        raise Unusable(
            f"cannot load {source!r}: its configuration asks for {', '.join(sorted(asked))}, which "
            "could run program code that came with it; ask its author for a plain open_clip model"
        )
    _refuse_code(list(config.values()), source)


@contextmanager
def _hub(repository: str) -> Iterator[bool]:
    """Ask the Hugging Face hub once whether it answers; if not, only its cache is used inside."""
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
        words = f"{tried}: the hub answers, but does not give the files ({error})"
        return FileNotFoundError(f"{words}; check the name, and whether it is open to all")
    why = "no answer from the hub (no network, or HF_HUB_OFFLINE is set)"
    if online:
        why = f"the hub answers, but then sends nothing ({error}); does your network block it?"
    call = f"load_clip({source!r}, {pretrained!r})" if pretrained else f"load_clip({source!r})"
    return ConnectionError(
        f"{tried}, nor is it in the cache: {why}. The embedded model needs no network: "
        f"load_clip('picturebook'). To have this one without, call {call} once where there is one, "
        f"or copy {constants.HF_HUB_CACHE}, where its files stay, from another computer"
    )


def quoted(words: Iterable[str]) -> str:
    return ", ".join(repr(word) for word in words)
