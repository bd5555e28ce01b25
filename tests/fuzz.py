"""Throw broken files at the two readers of strangers' files, led by what lines they reach.

    pip install -e ".[fuzz]"
    python tests/fuzz.py picture                   a minute of pictures
    python tests/fuzz.py settings --seconds 3600   an hour of what pictures say of themselves

Atheris changes bytes, and goes on from those changes that reach a new line of the reader, of Pillow
or of Python's JSON. A reader may answer with what it promises or with a ValueError of one sentence;
at anything else the run stops and leaves the bytes in `build/fuzz`. Once that is repaired, they go
into `tests/seeds/READER`, where `tests/test_fuzz.py` finds them whenever the tests run.
"""

import argparse
import base64
import importlib.util
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from random import Random

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
SLOWEST = 20  # seconds for one input
PIXELS = 500_000  # twice this is a bomb here, so that no input is slow because it is large
MEMORY = 4096  # MB


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
    from dreamlab.figures.settings import FORMAT, Settings, parsed
    from dreamlab.recipe import Recipe

    try:
        made = Settings.from_dict(parsed(content.decode("utf-8", "replace")))
    except ValueError as error:
        check_sentence(error)
        return False
    count = len(made.seeds)
    assert 0 <= made.index < count == len(made.prompts) == len(made.negative_prompts)
    start = made.start
    if not isinstance(start, str):
        assert len(start) in (1, count) and start.shape[1] == 3
        start = json.loads(content.decode("utf-8", "replace"))["start"]
    again = asdict(made) | {"format": FORMAT, "recipe": asdict(made.recipe), "start": start}
    again = Settings.from_dict(parsed(json.dumps(again)))
    assert repr(again.recipe) == repr(made.recipe) and again.recipe == Recipe(**asdict(made.recipe))
    assert repr(again.prompts) == repr(made.prompts) and again.changes == made.changes
    return True


def check_sentence(error: ValueError) -> None:
    text = str(error)
    assert text and len(text) < 1000, f"no sentence: {text[:2000]!r}"
    assert not isinstance(error, UnicodeError), "an error of Python's own"


READERS: dict[str, Callable[[bytes], bool]] = {"picture": read_picture, "settings": read_settings}


# --- where it begins --------------------------------------------------------------------------


def first_pictures() -> dict[str, bytes]:
    """A small picture of every kind that Pillow writes and reads."""
    from PIL import Image

    Image.init()
    picture = Image.linear_gradient("L").resize((9, 7)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for kind in sorted(set(Image.SAVE) & set(Image.OPEN) - {"EPS", "PDF"}):
        for mode in ("RGB", "RGBA", "P", "L", "1"):
            buffer = io.BytesIO()
            options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of kinds that Pillow will give up
                    picture.convert(mode).save(buffer, kind, **options)
            except (OSError, ValueError, KeyError, AttributeError):  # a mode that it has not
                continue
            if 0 < len(buffer.getvalue()) <= LARGEST:
                found[f"{kind}-{mode}"] = buffer.getvalue()
    return found


def first_settings() -> dict[str, bytes]:
    """Settings as dreams have them, and one of another format."""
    from PIL import Image

    from dreamlab.recipe import Recipe

    plain = {
        "format": 1,
        "prompts": ["a heart"],
        "negative_prompts": [""],
        "seeds": [3],
        "batched": False,
        "index": 0,
        "start": "grey",
        "recipe": asdict(Recipe()),
        "changes": [[3, "tv_weight", 0.5], [4, "octaves", [0.5, 1.0]], [5, "size", [32, 48]]],
        "steps_done": 60,
        "clip": "picturebook",
    }
    two = {"prompts": [{"a heart": 2, "b": 0.5}, "c"], "negative_prompts": ["d", {"e": 1}]}
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, "PNG")
    pixel = base64.b64encode(buffer.getvalue()).decode()
    variants = {
        "plain": {},
        "batch": two | {"seeds": [1, 2], "batched": True, "index": 1, "start": "noise"},
        "picture": {"start": [pixel]},
        "short": {"recipe": {}, "changes": []},
        "large": {"start": "too large"},
        "format": {"format": 2, "versions": {"dreamlab": "9"}},
        "broken": {"prompts": ["\ud83d"]},
    }
    return {name: json.dumps(plain | new).encode() for name, new in variants.items()}


FIRST: dict[str, Callable[[], dict[str, bytes]]] = {
    "picture": first_pictures,
    "settings": first_settings,
}


def words(reader: str) -> str:
    """What libFuzzer may put in as a whole: the names that settings have, and marks of files."""
    from dreamlab.recipe import Recipe

    names = ["true", "false", "null", "NaN", "1e999", "-1", "[]", "{}", "[[", "\\\\ud83d"]
    if reader == "settings":
        names += [f'\\"{knob}\\"' for knob in Recipe.knobs()]
        names += ['\\"grey\\"', '\\"noise\\"', '\\"changes\\"', '\\"index\\"', '\\"batched\\"']
        return "".join(f'"{name}"\n' for name in names)
    marks = [b"IHDR", b"iCCP", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"\xff\xda", b"II*\0", b"MM\0*"]
    quoted = ("".join(f"\\x{byte:02x}" for byte in mark) for mark in marks)
    return "".join(f'"{mark}"\n' for mark in quoted)


ODD = [None, True, False, 0, 1, -1, 2, 1.5, 1e308, 2**32, 10**19, "", " ", "x", "grey", [], {}]


def changed(content: bytes, random: Random) -> bytes | None:
    """Settings with entries exchanged, dropped, doubled or made odd; None if they are no JSON."""
    try:
        made = [json.loads(content)]
    except (ValueError, RecursionError):
        return None
    for _ in range(random.randint(1, 3)):
        places = [(made, 0)]  # every entry: what it is in, and where
        for inside, where in places:
            value = inside[where]
            if isinstance(value, dict | list):
                keys = value if isinstance(value, dict) else range(len(value))
                places += [(value, key) for key in keys]
        inside, where = random.choice(places)
        other, there = random.choice(places)
        act = random.randrange(5)
        if act == 0 and inside is not made:
            del inside[where]
        elif act == 1 and isinstance(inside, list):
            inside.insert(where, deepcopy(inside[where]))
        elif act == 2:
            inside[where] = [inside[where]]
        else:
            inside[where] = deepcopy(other[there]) if act == 3 else random.choice(ODD)
    return json.dumps(made[0]).encode()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="a folder for inputs that reach new lines")
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
    with tempfile.TemporaryDirectory() as scratch:
        begin, dictionary = Path(scratch) / "begin", Path(scratch) / "words"
        begin.mkdir()
        for name, content in FIRST[options.reader]().items():
            (begin / name).write_bytes(content)
        dictionary.write_text(words(options.reader))
        folders = [options.keep or Path(scratch) / "new", begin, SEEDS / options.reader]
        folders[0].mkdir(parents=True, exist_ok=True)
        limits = {
            "max_total_time": options.seconds,
            "max_len": LARGEST,
            "timeout": SLOWEST,
            "rss_limit_mb": MEMORY,
            "dict": dictionary,
            "artifact_prefix": f"{found}/{options.reader}-",
        }
        flags = [f"-{name}={value}" for name, value in limits.items()]

        def mutate(content: bytes, most: int, seed: int) -> bytes:
            random = Random(seed)
            new = changed(content, random) if random.random() < 0.7 else None
            return atheris.Mutate(content, most) if new is None or len(new) > most else new

        command = [sys.argv[0], *flags, *(str(folder) for folder in folders if folder.is_dir())]
        with_mutator = {"custom_mutator": mutate} if options.reader == "settings" else {}
        atheris.Setup(
            command, lambda content: READERS[options.reader](content) and None, **with_mutator
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
