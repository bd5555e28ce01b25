"""The plots of the chapters: what they draw, and the alternative text of each."""

import pytest
import torch
from PIL import Image

from dreamlab.figures import plots, static

RED = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).expand(3, 8, 8)
BLUE = Image.new("RGB", (8, 8), (0, 0, 255))

PLOTS = {
    "pictures": lambda alt: plots.pictures([RED, BLUE], ["red", "blue"], alt=alt),
    "matrices": lambda alt: plots.matrices({"t": (torch.eye(2), [RED, BLUE])}, "ab", alt=alt),
    "curves": lambda alt: plots.curves({"a": [3, 2]}, title="t", xlabel="x", ylabel="y", alt=alt),
    "histograms": lambda alt: plots.histograms({"red": RED}, alt=alt),
}


@pytest.mark.parametrize("kind", PLOTS)
def test_a_plot_is_shown_as_png_with_its_alternative_text(kind):
    data, metadata = PLOTS[kind]("  Two coloured squares. ")._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == f"{static.IN_WORDS}\nTwo coloured squares."
    assert metadata["image/png"]["alt"] == "Two coloured squares."
    with pytest.raises(ValueError, match="alt is empty"):
        PLOTS[kind](" ")


@pytest.mark.parametrize(
    ("plot", "says"),
    [
        (lambda: plots.pictures([RED, BLUE], ["red"], alt="x"), "2 pictures and 1 titles"),
        (lambda: plots.pictures([], [], alt="x"), "0 pictures"),
        (lambda: plots.matrices({"t": (torch.eye(2), [RED])}, "ab", alt="x"), r"\(2, 2\)"),
        (lambda: plots.histograms({}, alt="x"), "are wanted, got"),
    ],
)
def test_what_cannot_be_plotted_is_refused(plot, says):
    with pytest.raises(ValueError, match=says):
        plot()
