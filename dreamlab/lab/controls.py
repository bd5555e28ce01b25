"""The controls of the live lab: which there are, how they look, what they say.

One table, `CONTROLS`, gives each its words and the knob of the recipe that it turns; the ranges are
those of `Recipe.knobs()`. A control never acts by itself: the loop reads it once per step.
"""

import dataclasses
import io
from collections.abc import Callable, Collection, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from dreamlab.figures.settings import start_of
from dreamlab.figures.static import shorten, whole_letters
from dreamlab.support.loading import EMBEDDED
from dreamlab.support.picture import open_picture

RATIOS = [float(f"{m}e{e}") for e in range(-3, 3) for m in ("1", "1.5", "2", "3", "5", "7")]
NUMBERS = {
    "tv": [0.0, *(x for x in RATIOS if x <= 100)],
    "negative_weight": [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0],
    "learning_rate": [x for x in RATIOS if x <= 0.5],
    "noise": [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5],
    "keep": [0.0, *(x for x in RATIOS if 0.01 <= x <= 100)],
    "views": [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
    "steps": [10, 20, 40, 60, 100, 150, 200, 300, 500, 1000, 2000, 5000],
}
"""What each slider offers: equal ratios, since a weight's order of magnitude is what matters."""
OCTAVES = {
    "1: full size only": (1.0,),
    "2: ½, 1": (0.5, 1.0),
    "3: ¼, ½, 1": (0.25, 0.5, 1.0),
    "3: ½, ¾, 1": (0.5, 0.75, 1.0),
    "4: ¼, ½, ¾, 1": (0.25, 0.5, 0.75, 1.0),
}
UPLOAD_LIMIT = (
    "A file of more than 10 MB (1 MB on Colab) is lost on its way without a word: make it smaller, "
    "or put it beside the notebook and write Dream(…, start='its name')."
)
STARTS = {"grey": "grey", "noise": "noise", "a photo": "photo", "my own picture": "upload"}


@dataclasses.dataclass(frozen=True)
class Control:
    """One thing to set: its place in the panel, its words, and the knob of the recipe it turns."""

    label: str
    tip: str
    knob: str = ""  # the recipe's field; "" for what is an argument of `Dream`
    live: bool = True  # acts within a step or two; else from the next Start
    argument: str = ""  # the argument of `Dream`, where it is one

    @property
    def setting(self) -> str:
        """The name by which code knows it."""
        return self.knob or self.argument


CONTROLS = {
    "prompt": Control(
        "prompt",
        "What the dream should show. Acts from the next Start.",
        live=False,
        argument="prompt",
    ),
    "negative": Control(
        "not",
        "What the dream should stay away from. Acts from the next Start.",
        live=False,
        argument="negative_prompt",
    ),
    "tv": Control(
        "λ smoothness",
        "λ, the weight of total variation: 0 leaves the noise, too much leaves only flat colour.",
        "tv_weight",
    ),
    "masked": Control(
        "spare the edges",
        "Masked total variation: smooth where the picture is flat or noisy, spare the edges.",
        "tv_kind",
    ),
    "clamp": Control(
        "keep in range",
        "After each step, cut the pixels back to what a screen can show: [0, 1].",
        "clamp",
    ),
    "learning_rate": Control(
        "learning rate", "How far a pixel moves in one step, at the start.", "learning_rate"
    ),
    "views": Control(
        "views", "How many random crops CLIP looks at in each step: more is slower.", "views"
    ),
    "noise": Control(
        "view noise", "How much noise is added to each view before CLIP sees it.", "view_noise"
    ),
    "negative_weight": Control(
        "push away", "How strongly the unwanted prompt pushes.", "negative_weight"
    ),
    "start": Control(
        "start from",
        "The picture before the first step. Acts from the next Start.",
        live=False,
        argument="start",
    ),
    "keep": Control(
        "keep the start", "How strongly the start picture is kept. 0: not at all.", "keep_start"
    ),
    "octaves": Control(
        "octaves", "From small to large: the sizes the dream goes through.", "octaves", live=False
    ),
    "steps": Control("steps", "How many steps a whole run has.", "steps", live=False),
    "seed": Control(
        "seed",
        "The same seed gives the same picture, another seed another one.",
        live=False,
        argument="seed",
    ),
    "judge": Control("judge", "Draw what a second CLIP thinks, which never guided the picture."),
}
ARGUMENTS = {name: c.argument for name, c in CONTROLS.items() if c.argument}


class Controls:
    """The controls for one dream.

    Args:
        dream: gives the first values.
        shown: names of controls; those that do not fit this dream are left out.
        compared: settings that a comparison holds fixed, which have no control.
        post: has the kernel's main loop do something; callbacks may come from another thread.
        note: shows a message about something, or "" to take it away.
    """

    def __init__(
        self,
        dream: Any,
        shown: Sequence[str],
        compared: Collection[str],
        post: Callable[[Callable[[], None]], None],
        note: Callable[[str, str], None],
    ) -> None:
        self._dream, self._shown, self._post, self._note = dream, shown, post, note
        self._plain_kind = "squared"  # the unmasked sibling of the masked kind
        if dream.recipe.tv_kind != "masked":
            self._plain_kind = dream.recipe.tv_kind
        self.inputs: dict[str, Any] = {}
        self.prompt_rows: list[widgets.Widget] = []
        self.upload: widgets.FileUpload | None = None
        for name in shown:
            if name != "judge" and CONTROLS[name].setting not in compared and self._fits(name):
                self.inputs[name] = getattr(self, f"_make_{name}", self._make_slider)(name)
        self._first = {name: widget.value for name, widget in self.inputs.items()}
        self.check_words()

    @property
    def live(self) -> list[str]:
        """The names of those that act while the dream runs."""
        return [name for name in self.inputs if CONTROLS[name].live]

    @property
    def later(self) -> list[str]:
        """The names of those that act from the next Start."""
        return [name for name in self.inputs if not CONTROLS[name].live]

    def reset(self) -> None:
        """Put every control back to its first value."""
        for name, value in self._first.items():
            self.inputs[name].value = value

    def untouched(self) -> bool:
        """Whether those that act from the next Start still have their first values."""
        return all(self.inputs[name].value == self._first[name] for name in self.later)

    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the controls say, as arguments of `Dream` and as knobs of a `Recipe`."""
        arguments, knobs = {}, {}
        for name in self.inputs:
            into = knobs if CONTROLS[name].knob else arguments
            into[CONTROLS[name].setting] = self.value(name)
        return arguments, knobs

    def columns(self) -> list[widgets.Widget]:
        """Two headed grids, of those that act at once and those that act later."""
        grids = []
        for head, names in (("acts at once", self.live), ("from the next Start", self.later)):
            rows = [self.inputs[name] for name in names if name not in ("prompt", "negative")]
            if "start" in names:
                rows.append(self._place)
            if rows:
                columns = "repeat(auto-fill, minmax(270px, 1fr))"
                layout = {"grid_template_columns": columns, "width": "100%"}
                layout["align_items"] = "center"
                title = widgets.HTML(f'<div class="dl-head">{head}</div>')
                grid = widgets.GridBox(rows, layout=layout)
                grids.append(widgets.VBox([title, grid], layout={"width": "100%"}))
        return grids

    def _fits(self, name: str) -> bool:
        """Whether this dream has what the control is about (a batch has several prompts)."""
        dream = self._dream
        if name in ("prompt", "negative"):
            texts = {"prompt": dream.prompts, "negative": dream.negative_prompts}[name]
            return not dream.batched and isinstance(texts[0], str)
        if name == "negative_weight":
            return "negative" in self._shown or any(dream.negative_prompts)
        return name != "seed" or not dream.batched

    def _dressed(self, widget: Any, name: str, **layout: str) -> Any:
        """The widget with its label, tooltip and width, for ipywidgets 7 and 8."""
        widget.description = CONTROLS[name].label
        widget.style.description_width = "104px"
        tip = "tooltip" if widget.has_trait("tooltip") else "description_tooltip"
        setattr(widget, tip, CONTROLS[name].tip)
        for trait, value in ({"width": "auto"} | layout).items():
            setattr(widget.layout, trait, value)
        return widget

    def _make_slider(self, name: str) -> Any:
        """A slider over round numbers, in equal ratios where the knob asks for it."""
        present = getattr(self._dream.recipe, CONTROLS[name].knob)
        slider = widgets.SelectionSlider(options=_options(NUMBERS[name], present), value=present)
        return self._dressed(slider, name)

    def _make_masked(self, name: str) -> Any:
        masked = self._dream.recipe.tv_kind == "masked"
        return self._dressed(widgets.Checkbox(value=masked, indent=True), name)

    def _make_clamp(self, name: str) -> Any:
        return self._dressed(widgets.Checkbox(value=self._dream.recipe.clamp, indent=True), name)

    def _make_octaves(self, name: str) -> Any:
        present = self._dream.recipe.octaves
        options = list(OCTAVES.items())
        if present not in OCTAVES.values():
            options.append((f"{len(present)}: {', '.join(f'{x:g}' for x in present)}", present))
        return self._dressed(widgets.Dropdown(options=options, value=present), name)

    def _make_seed(self, name: str) -> Any:
        field = widgets.BoundedIntText(value=self._dream.seeds[0], min=0, max=2**32 - 1)
        return self._dressed(field, name)

    def _make_start(self, name: str) -> Any:
        began = start_of(self._dream)
        self._starts = dict(STARTS)
        if not isinstance(began, str):
            self._starts["the given picture"] = "given"
        chooser = widgets.Dropdown(
            options=list(self._starts.items()), value=began if isinstance(began, str) else "given"
        )
        self._place = widgets.Box(layout={"visibility": "hidden", "margin": "2px 2px 2px 110px"})
        self._offer_upload()

        def show_upload(choice: str) -> None:
            self._place.layout.visibility = "visible" if choice == "upload" else "hidden"
            self._note("upload", UPLOAD_LIMIT if choice == "upload" else "")

        chooser.observe(lambda change: self._post(lambda: show_upload(change["new"])), "value")
        return self._dressed(chooser, name)

    def _offer_upload(self) -> None:
        """A fresh button: one that has sent a picture cannot tell whether the next one came."""
        if self.upload is not None:
            close_widget(self.upload)
        self.upload = widgets.FileUpload(
            accept="image/*",
            multiple=False,
            description="choose a picture",
            layout={"width": "200px"},
        )
        self.upload.observe(lambda _: self._post(self._take_upload), "value")
        self._place.children = (self.upload,)

    def _take_upload(self) -> None:
        """A picture has come: look at it, and make it one of the choices, under its own name."""
        sent = _uploaded(self.upload.value)
        if sent is None:
            return
        name, content = sent
        self._offer_upload()
        try:
            cover = self._dream.recipe.canvas
            self._own = open_picture(io.BytesIO(content), shorten(name, 60), cover=cover)
        except ValueError as error:
            self._note("upload", f"<b>{escape(str(error))}</b>")
            return
        chooser = self.inputs["start"]
        chooser.options = [*self._starts.items(), (shorten(name, 30), "own")]
        chooser.value = "own"

    def _make_prompt(self, name: str) -> Any:
        text = widgets.Text(
            value=whole_letters(self._dream.prompts[0]),
            placeholder="what you want to see",
            continuous_update=True,
        )
        self._dressed(text, name, width="auto")
        text.observe(lambda _: self._post(self.check_words), "value")
        self.prompt_rows.append(text)
        if self._dream.clip.name in EMBEDDED:
            self.prompt_rows.append(self._make_builder(text))
        return text

    def _make_negative(self, name: str) -> Any:
        text = widgets.Text(
            value=whole_letters(self._dream.negative_prompts[0]),
            placeholder="what you do not want to see",
            continuous_update=True,
        )
        text.observe(lambda _: self._post(self.check_words), "value")
        self.prompt_rows.append(self._dressed(text, name, width="auto"))
        return text

    def _make_builder(self, text: widgets.Text) -> widgets.Widget:
        """Menus of the words that the embedded model knows; what they say goes into the text."""
        from dreamlab.picturebook import world

        menus = {
            "count": ("how many", world.COUNTS),
            "colour": ("colour", world.COLOURS),
            "texture": ("texture", world.TEXTURES),
            "name": ("thing", world.OBJECTS),
            "background": ("where", tuple(world.BACKGROUNDS)),
        }
        chosen = {}
        for key, (label, words) in menus.items():
            chosen[key] = widgets.Dropdown(
                options=[(f"{label} …", ""), *((word, word) for word in words)],
                layout={"width": "128px"},
            )
            tip = "tooltip" if chosen[key].has_trait("tooltip") else "description_tooltip"
            setattr(chosen[key], tip, f"Build the prompt from words that the model knows: {label}.")

        def build() -> None:
            words = {key: menu.value for key, menu in chosen.items()}
            background = words.pop("background")
            where = world.BACKGROUNDS.get(background, "")
            what = ""
            if any(words.values()):
                name, count = words.pop("name") or "thing", words.pop("count") or "one"
                what = world.describe(name, count=count, **words)
            if what or where:
                text.value = f"{what} {where}".strip()

        for menu in chosen.values():
            menu.observe(lambda _: self._post(build), "value")
        label = widgets.HTML("or from", layout={"width": "108px"})  # in line with the prompt's
        label.add_class("dl-label")
        return widgets.HBox([label, *chosen.values()], layout={"flex_flow": "row wrap"})

    def value(self, name: str) -> Any:
        """What a control says, as the recipe or `Dream` wants it."""
        value = self.inputs[name].value
        if name == "masked":
            return "masked" if value else self._plain_kind
        if name == "start":
            return self._start_picture(value)
        return value

    def set_value(self, name: str, value: Any) -> None:
        """Make a control say this, after code has turned the knob."""
        widget = self.inputs[name]
        if name == "masked":
            self._plain_kind = self._plain_kind if value == "masked" else value
            value = value == "masked"
        elif isinstance(widget, widgets.SelectionSlider):
            options = _options([option for _, option in widget.options], value)
            if len(options) != len(widget.options):
                widget.options = options
        widget.value = value

    def _start_picture(self, choice: str) -> Any:
        if choice == "given":
            return self._dream.start
        if choice in ("grey", "noise"):
            return choice
        if choice == "own":
            return self._own
        if choice == "photo":
            from matplotlib.cbook import get_sample_data

            # Rear Admiral Grace Hopper, official portrait, public domain; comes with matplotlib.
            return get_sample_data("grace_hopper.jpg", asfileobj=False)
        raise ValueError(f"no picture has come yet: choose one, then press Start. {UPLOAD_LIMIT}")

    def check_words(self) -> None:
        """Name the words that an embedded model never saw."""
        texts = [self.inputs[name].value for name in ("prompt", "negative") if name in self.inputs]
        clip = self._dream.clip
        unknown = [
            word for text in texts for word in (clip.unknown_words(text) if text.strip() else ())
        ]
        words = ", ".join(f"“{escape(word)}”" for word in dict.fromkeys(unknown))
        self._note("words", f"<b>{escape(clip.name)} does not know {words}.</b>" if unknown else "")


def close_widget(widget: widgets.Widget) -> None:
    """Close a widget and all that it is made of: its children, its layout, its style.

    ipywidgets keeps each of them alive until it is closed, and closes none with another.
    """
    for name in widget.keys:
        value = getattr(widget, name, None)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, widgets.Widget):
                close_widget(part)
    widget.close()


def label_of(setting: str) -> str:
    """The panel's word for a field of the recipe or an argument of `Dream`."""
    for control in CONTROLS.values():
        if control.setting == setting:
            return control.label
    return setting.replace("_", " ")


def said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(said, value)) + ")"
    return str(value) if isinstance(value, (str, int)) else "given"


def _options(values: Sequence[Any], present: Any) -> list[tuple[str, Any]]:
    return [(said(value), value) for value in sorted({*values, present})]


def _uploaded(value: Any) -> tuple[str, bytes] | None:
    """Name and content of the file in a FileUpload: a dict in ipywidgets 7, a tuple in 8."""
    if isinstance(value, dict):
        files = [(name, file["content"]) for name, file in value.items()]
    else:
        files = [(file["name"], file["content"]) for file in value]
    return (files[-1][0], bytes(files[-1][1])) if files else None
