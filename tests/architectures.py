"""Dream two steps with created weights of every architecture that open_clip lists, or say why not.

    python tests/architectures.py                     all of them, the smallest embeddings first
    python tests/architectures.py --gigabytes 4       skip what needs more memory than that
    python tests/architectures.py --seconds 1200      start none after so long
    python tests/architectures.py --write             … and write docs/architectures.md, row by row
    python tests/architectures.py ViT-B-32 RN50       only these

With --write, the same command goes on after a stop: what stands in the table is not tried again,
unless it is named, or open_clip has another version.

Weights that nobody trained, so this is about shapes, gradients and layouts, and nothing is
downloaded. Where an architecture's tokenizer would be, a stand-in gives it tokens that it has. Each
runs in a process of its own: one that dies is a row of the table, too.
"""

import argparse
import os
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before its client is imported

import open_clip
import torch

from dreamlab.clip import Clip
from dreamlab.dream import Dream
from dreamlab.recipe import Recipe
from dreamlab.support.files import write_atomically

TABLE = Path(__file__).parents[1] / "docs" / "architectures.md"
HEAD = (
    "| architecture | image, px | million weights | tokens | two steps |\n|---|---:|---:|---|---|\n"
)
ABOUT = """# Architectures

Two steps of a dream with created weights, by `python tests/architectures.py --write`: does the
gradient reach the pixels, through every kind of encoder that open_clip {version} lists? Of its
{all} architectures, {dream} dream, {fail} fail, {untried} cannot be tried without a network or in
so little memory, and {left} are still to be tried. *Tokens* are from the architecture's own
tokenizer, or from a stand-in where that would have to be downloaded.

"""


class StandIn:
    """A tokenizer in place of one that would be downloaded: CLIP's, within a vocabulary."""

    def __init__(self, context_length: int, vocabulary: int) -> None:
        self.context_length, self.vocabulary = context_length, vocabulary
        self._clip = open_clip.SimpleTokenizer(context_length=context_length)

    def __call__(self, texts: list[str], context_length: int | None = None) -> torch.Tensor:
        return self._clip(texts, context_length or self.context_length) % self.vocabulary


def dream_twice(name: str) -> dict[str, object]:
    """The row of an architecture: what it is, and whether its two steps changed the pixels."""
    text = open_clip.get_model_config(name)["text_cfg"]
    if "hf_model_name" in text:  # open_clip asks a model hub for the layout of this encoder
        return {"said": f"not tried: its text encoder is laid out by {text['hf_model_name']}"}
    torch.manual_seed(0)
    model = open_clip.create_model(name, pretrained_text=False)
    try:
        tokenizer, tokens = open_clip.get_tokenizer(name), "its own"
    except Exception:
        tokenizer, tokens = StandIn(text["context_length"], text["vocab_size"]), "stand-in"
    clip = Clip(name, model, tokenizer, "cpu")
    recipe = Recipe(size=32, steps=2, views=1, octaves=(1.0,))
    dream = Dream(clip, "a red heart", recipe=recipe)
    dream.run()
    assert dream.pixels.isfinite().all() and not dream.pixels.equal(dream.start)
    weights = sum(parameter.numel() for parameter in model.parameters())
    return {"px": clip.image_size, "weights": weights / 1e6, "tokens": tokens, "said": "dreams"}


def attempt(name: str, gigabytes: float, into: Connection) -> None:
    """In a process of its own: send the row, or the reason why there is none."""
    if sys.platform == "linux":
        import resource

        room = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (room + int(gigabytes * 2**30),) * 2)
    try:
        row = dream_twice(name)
    except Exception as error:
        words = " ".join(str(error).split())
        memory = isinstance(error, MemoryError) or "allocate memory" in words
        said = f"not tried: needs more than {gigabytes:g} GB" if memory else f"no: {words[:160]}"
        row = {"said": said}
    into.send(row)


def line(name: str, row: dict[str, object]) -> str:
    """The row of the table."""
    weights = f"{row['weights']:.0f}" if "weights" in row else "–"
    cells = name, row.get("px", "–"), weights, row.get("tokens", "–"), row["said"]
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


def stored() -> dict[str, str]:
    """The table's lines by the architecture's name; none of another version of open_clip."""
    text = TABLE.read_text("utf-8") if TABLE.is_file() else ""
    rows = text.partition(HEAD)[2] if f"open_clip {open_clip.__version__} " in text else ""
    return {row.split()[1]: row for row in rows.splitlines()}


def store(lines: dict[str, str], count: int) -> None:
    said = {"dream": "| dreams", "fail": "| no:", "untried": "| not tried"}
    numbers = {key: sum(word in row for row in lines.values()) for key, word in said.items()}
    numbers |= {"all": count, "left": count - len(lines)}
    text = ABOUT.format(version=open_clip.__version__, **numbers) + HEAD
    rows = (f"{lines[name]}\n" for name in sorted(lines, key=str.lower))
    write_atomically(TABLE, text + "".join(rows))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of architectures (all)")
    parser.add_argument("--gigabytes", type=float, default=6, help="of memory for each (6)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start none later")
    parser.add_argument("--write", action="store_true", help="write docs/architectures.md")
    options = parser.parse_args()
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    names = sorted(configs, key=lambda name: configs[name]["embed_dim"])
    lines = stored() if options.write else {}
    names = options.names or [name for name in names if name not in lines]
    context = get_context("fork" if hasattr(os, "fork") else "spawn")  # imports once
    began, tried = time.monotonic(), {}
    for name in names:
        if time.monotonic() - began > options.seconds:
            break
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=attempt, args=(name, options.gigabytes, theirs))
        process.start()
        theirs.close()
        try:
            row = ours.recv()
        except EOFError:
            row = {"said": "no: its process died"}
        process.join()
        tried[name] = lines[name] = line(name, row)
        print(tried[name], flush=True)
        if options.write:
            store(lines, len(configs))
    print(f"{len(tried)} of {len(configs)} tried, {len(names) - len(tried)} left")
    return any("| no:" in row for row in tried.values())


if __name__ == "__main__":
    sys.exit(main())
