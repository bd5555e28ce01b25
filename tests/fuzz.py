"""Throw broken files at the two readers of strangers' files, led by what lines they reach.

    pip install -e ".[fuzz]"
    python tests/fuzz.py picture                   a minute of pictures
    python tests/fuzz.py settings --seconds 3600   an hour of what pictures say of themselves

Atheris changes bytes, and goes on from those changes that reach a new line of the reader, of Pillow
or of Python's JSON. A reader may answer with what it promises or with a ValueError of one sentence;
at anything else the run stops and leaves the bytes in `build/fuzz`. Once that is repaired, they go
into `tests/seeds/READER`, where it begins and where `tests/test_fuzz.py` finds them.
"""

import argparse
import importlib.util
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = Path(__file__).resolve().parent / "seeds"
LIBRARIES = ("PIL", "base64", "json")
OURS = (
    "dreamlab.support.picture",
    "dreamlab.prompts",
    "dreamlab.recipe",
    "dreamlab.figures.settings",
)
LARGEST = 4096  # bytes of an input
PIXELS = 500_000  # twice this is a bomb here, so that no input is slow because it is large
LIMITS = {"max_len": LARGEST, "timeout": 20, "rss_limit_mb": 4096}  # of libFuzzer


def read_picture(content: bytes) -> bool:
    """Whether it was taken for a picture; AssertionError if the answer is none that may be."""
    from dreamlab.support.picture import open_picture

    try:
        image = open_picture(io.BytesIO(content), "it", cover=(64, 64))
    except ValueError as error:
        check_sentence(error)
        return False
    assert image.mode == "RGB" and not image.info and min(image.size) > 0
    assert len(image.tobytes()) == 3 * image.width * image.height
    return True


def read_settings(content: bytes) -> bool:
    """Whether they were taken; what is taken can be used, and would be taken again."""
    from dreamlab.figures.settings import FORMAT, parsed
    from dreamlab.prompts import CHANGEABLE, plain
    from dreamlab.recipe import Recipe

    text = content.decode("utf-8", "replace")
    try:
        made = parsed(text)[1]
    except ValueError as error:
        check_sentence(error)
        return False
    count = len(made.seeds)
    assert 0 <= made.index < count == len(made.prompts) == len(made.negative_prompts)
    start = made.start
    if not isinstance(start, str):
        assert len(start) in (1, count) and start.shape[1] == 3
        start = json.loads(text)["start"]
    again = {
        **asdict(made),
        "format": FORMAT,
        "recipe": asdict(made.recipe),
        "start": start,
        "clip": json.loads(text)["clip"],
        **{name: list(map(plain, getattr(made, name))) for name in ("prompts", "negative_prompts")},
        "changes": [
            [step, knob, list(map(plain, value)) if knob in CHANGEABLE else value]
            for step, knob, value in made.changes
        ],
    }
    again = parsed(json.dumps(again))[1]
    assert repr(again.recipe) == repr(made.recipe) and again.recipe == Recipe(**asdict(made.recipe))
    assert repr(again.prompts) == repr(made.prompts) and again.changes == made.changes
    return True


def check_sentence(error: ValueError) -> None:
    text = str(error)
    assert text and len(text) < 1000, f"no sentence: {text[:2000]!r}"
    assert not isinstance(error, UnicodeError), "an error of Python's own"


READERS: dict[str, Callable[[bytes], bool]] = {"picture": read_picture, "settings": read_settings}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        parser.exit(1, 'Atheris is not installed: pip install -e ".[fuzz]"\n')
    import atheris

    import dreamlab.figures.settings  # noqa: F401 - what is large is imported before, as it is

    for name in list(sys.modules):
        if name in OURS or name.split(".")[0] in LIBRARIES:
            del sys.modules[name]
    with atheris.instrument_imports(include=[*LIBRARIES, *OURS]):
        for name in (*OURS, "PIL.ImageCms"):
            importlib.import_module(name)
        from PIL import Image

        Image.init()  # imports all that reads a kind of file
    Image.MAX_IMAGE_PIXELS = PIXELS
    found = ROOT / "build" / "fuzz"
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as new:
        prefix = f"{found}/{options.reader}-"
        limits = LIMITS | {"max_total_time": options.seconds, "artifact_prefix": prefix}
        flags = [f"-{name}={value}" for name, value in limits.items()]
        command = [sys.argv[0], *flags, new, str(SEEDS / options.reader)]
        atheris.Setup(command, lambda content: READERS[options.reader](content) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
