"""Films of any length as mp4, encoded frame by frame. Needs PyAV, the extra ``[film]``."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import IO

from PIL import Image

from dreamlab.figures.saving import as_image
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.picture import Picture
from dreamlab.support.words import require_within

LARGEST = 8192  # pixels of a side


def save_video(
    frames: Iterable[Picture], path: str | Path, *, fps: float = 30.0, side: int | None = None
) -> Path:
    """Write frames (pictures of any kind) as they come into an H.264 film; returns the path.

        save_video((dream.image for step in dream), "dream.mp4", fps=24)

    An interrupt or an error while the frames are made ends the film: it is kept so far, and raised.
    `fps` is at least .01; `side` is the longer side in pixels, at most 8192, made even; default:
    the first frame's, if it has no more.

    Raises:
        ImportError: PyAV is not installed.
        TypeError, ValueError: no frame, one that is no picture, or an unusable path or number.
    """
    path = user_path(path)
    if path.suffix.lower() != ".mp4":
        raise ValueError(f"a film is an .mp4 file, not {path.name!r}")
    require_within("fps", fps, 0.01, 1000)
    if side is not None:
        require_within("side, in pixels,", side, 16, LARGEST)
    try:
        import av  # noqa: F401
    except ImportError:
        raise ImportError('films need PyAV: pip install "dreamlab[film]"') from None
    frames = map(as_image, frames)
    first = next(frames, None)
    if first is None:
        raise ValueError("the film is empty: no frame came")
    scale = (side or min(max(first.size), LARGEST)) / max(first.size)
    size = tuple(max(2, 2 * int(length * scale / 2)) for length in first.size)
    errors: list[BaseException] = []

    def until_error() -> Iterable[Image.Image]:
        try:
            yield from chain([first], frames)
        except (Exception, KeyboardInterrupt) as error:
            errors.append(error)

    write_atomically(path, lambda file: _encode(file, until_error(), size, fps))
    if errors:
        raise errors[0]
    return path


def _encode(
    file: IO[bytes], frames: Iterable[Image.Image], size: tuple[int, int], fps: float
) -> None:
    import av

    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"crf": "18"}  # little loss: noise is to be seen as noise
        for frame in frames:
            if frame.size != size:
                frame = frame.resize(size, Image.Resampling.BICUBIC)
            container.mux(stream.encode(av.VideoFrame.from_image(frame)))
        container.mux(stream.encode())
