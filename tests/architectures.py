"""Dream two steps with created weights of every architecture that open_clip lists, or say why not.

    python tests/architectures.py                     all of them, the smallest embeddings first
    python tests/architectures.py --gigabytes 4       skip what needs more memory than that
    python tests/architectures.py --seconds 1200      start none after so long
    python tests/architectures.py --write             … and write docs/architectures.md
    python tests/architectures.py ViT-B-32 RN50       only these

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

TABLE = Path(__file__).parents[1] / "docs" / "architectures.md"
ABOUT = """# Architectures

Two steps of a dream with created weights (`python tests/architectures.py --write`): does the
gradient reach the pixels, through every kind of encoder that open_clip {version} lists? {ran} of
{all} were tried, {passed} of these dream.

| architecture | image, px | million weights | tokens | two steps |
|---|---|---|---|---|
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
    except MemoryError:
        row = {"said": f"not tried: needs more than {gigabytes:g} GB"}
    except Exception as error:
        words = " ".join(str(error).split())
        memory = "allocate memory" in words
        row = {"said": f"more than {gigabytes:g} GB" if memory else f"no: {words[:160]}"}
    into.send(row)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of architectures (all)")
    parser.add_argument("--gigabytes", type=float, default=6, help="of memory for each (6)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start none later")
    parser.add_argument("--write", action="store_true", help="write docs/architectures.md")
    options = parser.parse_args()
    configs = {name: open_clip.get_model_config(name) for name in open_clip.list_models()}
    names = options.names or sorted(configs, key=lambda name: configs[name]["embed_dim"])
    context = get_context("fork" if hasattr(os, "fork") else "spawn")  # imports once
    began, rows = time.monotonic(), {}
    for name in names:
        if time.monotonic() - began > options.seconds:
            break
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=attempt, args=(name, options.gigabytes, theirs))
        process.start()
        theirs.close()
        try:
            rows[name] = ours.recv()
        except EOFError:
            rows[name] = {"said": "no: its process died"}
        process.join()
        print(f"{name}: {rows[name]}", flush=True)
    passed = sum(row["said"] == "dreams" for row in rows.values())
    print(f"{len(rows)} of {len(configs)} tried, {passed} dream")
    if options.write:
        about = ABOUT.format(
            version=open_clip.__version__, ran=len(rows), all=len(configs), passed=passed
        )
        cells = "| {} | {} | {} | {} | {} |\n"
        lines = (
            cells.format(
                name,
                row.get("px", "–"),
                f"{row['weights']:.0f}" if "weights" in row else "–",
                row.get("tokens", "–"),
                row["said"].replace("|", "\\|"),
            )
            for name, row in rows.items()
        )
        TABLE.write_text(about + "".join(lines), "utf-8")
    return any(row["said"].startswith("no:") for row in rows.values())


if __name__ == "__main__":
    sys.exit(main())
