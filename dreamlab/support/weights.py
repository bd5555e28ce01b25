"""The weights in a file, read as numbers: each other name stands for an inert object."""

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file
from torch import Tensor


class Unusable(ValueError):
    """A model cannot be loaded, and the message says what to do."""


class Inert:
    """Takes the place of a class or function that a file names: takes anything, does nothing."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def read_weights(file: str | Path) -> dict[str, Tensor]:
    """A file's tensors by their names in the model; no code is run. `Unusable` if none is there."""
    content = load_file(file) if Path(file).suffix == ".safetensors" else read_numbers(file)
    if isinstance(content, Inert):
        content = dict(_of_modules(content.state))
    for entry in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content = content[entry]
    named = content.items() if isinstance(content, Mapping) else ()
    prefix = re.compile(r"^(module\.|_orig_mod\.)+|_orig_mod\.")  # data parallel, torch.compile
    weights = {prefix.sub("", str(n)): value for n, value in named if isinstance(value, Tensor)}
    if not weights:
        raise Unusable(f"there are no weights in {file}: it holds a {type(content).__name__}")
    return weights


def read_numbers(file: str | Path) -> Any:
    """What `torch.save` or `torch.jit.save` stored; `Unusable` if it is damaged or needs code."""
    serialization = torch.serialization
    with patch.object(serialization, "_is_torchscript_zip", lambda _: False):  # read as any other
        try:
            names = []
            if zipfile.is_zipfile(file):  # not PyTorch's format before 1.6
                with zipfile.ZipFile(file) as archive:
                    unpacked = sum(part.file_size for part in archive.infolist())
                if unpacked > 2 * Path(file).stat().st_size + 2**20:  # code may be packed
                    raise Unusable(f"{file} would unpack to {unpacked:,} bytes: no checkpoint")
                names = serialization.get_unsafe_globals_in_checkpoint(file)
            parted = [name.rsplit(".", 1) for name in names]  # the reader knows a class by these
            inert = [type(name, (Inert,), {"__module__": module}) for module, name in parted]
            with serialization.safe_globals(inert):
                return torch.load(file, map_location="cpu", weights_only=True)
        except (Unusable, OSError, MemoryError):
            raise
        # PyTorch's own sentence advises to load unsafely; older ones fill an `Inert`, in vain.
        except (UnpicklingError, TypeError, AttributeError):
            raise Unusable(
                f"{file} is no file of numbers, or holds objects beside them that cannot be read "
                "without running code: where it was made, store the weights alone, "
                "torch.save(model.state_dict(), path)"
            ) from None
        except Exception as error:
            raise Unusable(f"{file} is corrupt, or not of PyTorch ({error})") from None


def _of_modules(state: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a module, TorchScript's or as pickled, and of those in it, by their names."""
    for name, value in state.items() if isinstance(state, Mapping) else ():
        if isinstance(value, Inert):
            yield from _of_modules(value.state, f"{prefix}{name}.")
        elif name in ("_parameters", "_buffers", "_modules"):
            yield from _of_modules(value, prefix)
        elif name != "attn_mask":  # every model computes it itself
            yield f"{prefix}{name}", value
