"""The weights in a file, read as numbers: of all else that somebody stored there nothing is made.

PyTorch's safe reader refuses a whole checkpoint for one name that it does not know, and TorchScript
archives altogether. Here each such name stands for an object that does nothing.
"""

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
    """The tensors in a file by their names in the model, on the CPU; no code in the file is run.

    Args:
        file: safetensors, or what `torch.save` or `torch.jit.save` wrote: weights alone, or under
            "state_dict" or "model"; prefixes of `torch.compile` and data parallel are taken off.

    Raises:
        Unusable: there are no weights in it, or they cannot be read without running code.
    """
    content = load_file(file) if Path(file).suffix == ".safetensors" else read_numbers(file)
    if isinstance(content, Inert):
        content = dict(_of_modules(content.state))
    for entry in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(entry), Mapping):
            content = content[entry]
    named = content.items() if isinstance(content, Mapping) else ()
    weights = {_plain(str(name)): value for name, value in named if isinstance(value, Tensor)}
    if not weights:
        raise Unusable(f"there are no weights in {file}: it holds a {type(content).__name__}")
    return weights


def read_numbers(file: str | Path) -> Any:
    """What `torch.save` or `torch.jit.save` stored, without running code of it.

    Raises:
        Unusable: it is damaged, holds objects that cannot be left out, or unpacks to more than it
            says; PyTorch itself never packs numbers.
    """
    serialization = torch.serialization
    with patch.object(serialization, "_is_torchscript_zip", lambda _: False):  # read as any other
        try:
            names = []
            if zipfile.is_zipfile(file):  # not PyTorch's format before 1.6
                with zipfile.ZipFile(file) as archive:
                    unpacked = sum(part.file_size for part in archive.infolist())
                if unpacked > 2 * Path(file).stat().st_size + 2**20:  # code may be packed
                    raise Unusable(
                        f"{file} would unpack to {unpacked:,} bytes: it is no checkpoint"
                    )
                names = serialization.get_unsafe_globals_in_checkpoint(file)
            with serialization.safe_globals([_inert(*name.rsplit(".", 1)) for name in names]):
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


def _inert(module: str, name: str) -> type:
    return type(name, (Inert,), {"__module__": module})  # the reader knows a class by these


def _of_modules(state: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of a TorchScript module and of the modules in it, by their names."""
    for name, value in state.items() if isinstance(state, Mapping) else ():
        if isinstance(value, Inert):
            yield from _of_modules(value.state, f"{prefix}{name}.")
        elif name != "attn_mask":  # every model computes it itself
            yield f"{prefix}{name}", value


def _plain(name: str) -> str:
    return re.sub(r"^(module\.)+|_orig_mod\.", "", name)
