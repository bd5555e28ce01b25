"""The plots of the chapters: what they draw, and the alternative text of each."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.figures import plots, static

RED = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).expand(3, 8, 8)
BLUE = Image.new("RGB", (8, 8), (0, 0, 255))


def drawn(plot: plots.Plot) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(plot.to_png())).convert("RGB")).astype(int)


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels - colour).max(-1) < 8).mean())


PLOTS = {
    "pictures": lambda alt: plots.pictures([RED, BLUE], ["red", "blue"], alt=alt),
    "matrix": lambda alt: plots.matrix(torch.eye(2), [RED, BLUE], ["red", "blue"], alt=alt),
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


def test_pictures_shows_every_picture_and_all_of_its_title():
    title = "a title that is far too long to stand on one line above a small picture"
    plot = plots.pictures([RED, BLUE, RED], [title, "blue", "red"], alt="x", columns=2)
    pixels = drawn(plot)
    assert share(pixels, (255, 0, 0)) == pytest.approx(2 * share(pixels, (0, 0, 255)), rel=0.1)
    assert plot.axes[0].get_title().replace("\n", " ") == title


def test_matrix_frames_the_chosen_sentence_and_its_thumbnails_stand_upright():
    half = np.zeros((8, 8, 3))
    half[:4, :, 0], half[4:, :, 1] = 1, 1  # red above green
    values = torch.tensor([[0.1, 0.9, 0.0], [-0.5, 0.2, 0.31]])
    plot = plots.matrix(values, [half, BLUE], ["a", "b", "c"], alt="x")
    (axes,) = plot.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == [".10", ".90", ".00", "−.50", ".20", ".31"]
    assert [round(frame.get_x() + 0.42) for frame in axes.patches] == [1, 2]
    pixels = drawn(plot)
    assert share(pixels, (0, 0, 255)) > 0.005
    red, green = (
        np.nonzero((np.abs(pixels - colour).max(-1) < 8).any(1))[0].mean()
        for colour in ((255, 0, 0), (0, 255, 0))
    )
    assert red < green


def test_curves_names_everything():
    plot = plots.curves(
        {"a": [3, 2, 1], "b": ([0, 2], [1, 1])},
        levels={"goal": 0.5},
        picture=RED,
        title="the title",
        xlabel="step",
        ylabel="loss",
        alt="x",
    )
    axes = plot.axes[1]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("the title", "step", "loss")
    assert [text.get_text() for text in plot.legends[0].get_texts()] == ["a", "b"]
    assert axes.texts[0].get_text() == "goal"
    a, b, _goal = axes.lines
    assert list(b.get_xdata()) == [0, 2]
    assert a.get_linestyle() != b.get_linestyle()  # told apart in grey as well
    assert share(drawn(plot), (255, 0, 0)) > 0.05


def test_histograms_share_their_axes_and_count_every_value():
    wild = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    plot = plots.histograms({"calm": RED, "wild": wild}, alt="x")
    calm, wilder = plot.axes
    assert [axes.get_title() for axes in plot.axes] == ["calm", "wild"]
    assert calm.get_xlim() == wilder.get_xlim() and calm.get_ylim() == wilder.get_ylim()
    assert calm.get_xlim()[0] < wild.min() and calm.get_xlim()[1] > wild.max()
    for axes in plot.axes:
        channels = axes.patches[:3]
        assert [patch.get_data().values.sum() for patch in channels] == pytest.approx([1] * 3)
        assert len({patch.get_linestyle() for patch in channels}) == 3  # not by colour alone
    red, green, _blue = (patch.get_data() for patch in calm.patches[:3])
    assert red.edges[red.values.argmax()] <= 1 <= red.edges[red.values.argmax() + 1]
    assert green.edges[green.values.argmax()] <= 0 <= green.edges[green.values.argmax() + 1]


@pytest.mark.parametrize(
    ("plot", "says"),
    [
        (lambda: plots.pictures([RED, BLUE], ["red"], alt="x"), "2 pictures and 1 titles"),
        (lambda: plots.pictures([], [], alt="x"), "0 pictures"),
        (lambda: plots.matrix(torch.eye(2), [RED], ["a", "b"], alt="x"), r"but .* \(2, 2\)"),
        (lambda: plots.histograms({}, alt="x"), "are wanted, got"),
        (lambda: plots.histograms({"grey": torch.zeros(1, 8, 8)}, alt="x"), "are wanted, got"),
    ],
)
def test_what_cannot_be_plotted_is_refused(plot, says):
    with pytest.raises(ValueError, match=says):
        plot()
