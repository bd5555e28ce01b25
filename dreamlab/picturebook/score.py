"""How well the embedded CLIPs know the picture-book world.

    python -m dreamlab.picturebook.score

Scenes come from a series that no training draws. Zero-shot: the picture must find the right one
among the prompts of `world.ATTRIBUTES`; a scene with two kinds of things has two right objects, so
object, colour, texture and count are asked only where one kind of thing stands. Retrieval: the
picture must find its own full caption among 1,000 (all of them different).
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch

from ..clip import Clip, load_clip
from .draw import draw
from .train import PLANS
from .world import ATTRIBUTES, Scene, caption, scene_number

TEST_SEED = 900
RETRIEVAL = 1000


def test_scenes(n: int = 2000) -> list[Scene]:
    """The first `n` scenes of the test series, each caption once."""
    seen: dict[str, Scene] = {}
    index = 0
    while len(seen) < n:
        scene = scene_number(TEST_SEED, index)
        seen.setdefault(caption(scene), scene)
        index += 1
    return list(seen.values())


def _pixels(scene: Scene) -> np.ndarray:
    return np.asarray(draw(scene, 96))


@torch.inference_mode()
def score(clip: Clip, scenes: list[Scene], pictures: torch.Tensor) -> dict[str, float]:
    """Share of right answers, 0 to 1, by question.

    Args:
        clip: the model to ask.
        scenes: what the pictures show.
        pictures: (n, 3, h, w) in [0, 1].
    """
    image = torch.cat([clip.encode_image(part) for part in pictures.split(100)])
    alone = [i for i, scene in enumerate(scenes) if len(scene.items) == 1]
    result = {}
    for kind, prompts in ATTRIBUTES.items():
        names = list(prompts)
        text = clip.encode_text(list(prompts.values()))
        best = (image @ text.T).argmax(-1).tolist()
        if kind == "background":
            right = [names[best[i]] == scene.background for i, scene in enumerate(scenes)]
        else:
            asked = [(i, getattr(scenes[i].items[0], kind)) for i in alone]
            right = [names[best[i]] == value for i, value in asked if value]
        result[kind] = float(np.mean(right))
    pool = slice(0, min(RETRIEVAL, len(scenes)))
    text = torch.cat([clip.encode_text([caption(scene)]) for scene in scenes[pool]])
    found = (image[pool] @ text.T).argmax(-1)
    result[f"R@1 among {len(text)}"] = float((found == torch.arange(len(text))).float().mean())
    return result


def table(names: list[str], n: int = 2000) -> str:
    """The score table of these models on `n` test scenes, as Markdown."""
    scenes = test_scenes(n)
    with ProcessPoolExecutor() as pool:
        drawn = np.stack(list(pool.map(_pixels, scenes, chunksize=50)))
    pictures = torch.from_numpy(drawn).permute(0, 3, 1, 2) / 255
    rows = {name: score(load_clip(name), scenes, pictures) for name in names}
    columns = list(next(iter(rows.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, result in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{result[c]:.1%}" for c in columns) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Score models on scenes that no training saw.")
    parser.add_argument("names", nargs="*", default=list(PLANS), help="names for load_clip")
    parser.add_argument("--scenes", type=int, default=2000)
    args = parser.parse_args()
    print(table(args.names, args.scenes))


if __name__ == "__main__":
    main()
