"""The controls of a panel: which there are, their widgets, and what their values mean.

One table, `CONTROLS`, gives each its words and the setting that it changes. A control never acts by
itself: the panel reads the values between two steps.
"""

import io
from collections.abc import Collection, Sequence
from html import escape
from typing import Any, NamedTuple

import ipywidgets as widgets

from dreamlab.figures.settings import start_of
from dreamlab.figures.static import shorten, whole_letters
from dreamlab.lab.kernel import close_widget, set_tooltip, uploaded
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
ARGUMENTS = ("prompt", "negative_prompt", "start", "seed")
"""The settings that are arguments of `Dream`; all others are knobs of `Recipe`."""


class Control(NamedTuple):
    """One thing to set."""

    label: str
    setting: str  # a knob of the recipe or one of ARGUMENTS; "" for the judge
    live: bool = True  # acts within a step or two; else from the next Start


CONTROLS = {
    "prompt": Control("prompt", "prompt", live=False),
    "negative": Control("not", "negative_prompt", live=False),
    "tv": Control("λ smoothness", "tv_weight"),
    "masked": Control("spare the edges", "tv_kind"),
    "clamp": Control("keep in range", "clamp"),
    "learning_rate": Control("learning rate", "learning_rate"),
    "views": Control("views", "views"),
    "noise": Control("view noise", "view_noise"),
    "negative_weight": Control("push away", "negative_weight"),
    "start": Control("start from", "start", live=False),
    "keep": Control("keep the start", "keep_start"),
    "octaves": Control("octaves", "octaves", live=False),
    "steps": Control("steps", "steps", live=False),
    "seed": Control("seed", "seed", live=False),
    "judge": Control("judge", ""),  # no widget: whether the judge is asked
}
TIPS = {
    "prompt": "What the dream should show. Acts from the next Start.",
    "negative": "What the dream should stay away from. Acts from the next Start.",
    "tv": "λ, the weight of total variation: 0 leaves the noise, too much leaves only flat colour.",
    "masked": "Masked total variation: smooth where the picture is flat or noisy, spare the edges.",
    "clamp": "After each step, cut the pixels back to what a screen can show: [0, 1].",
    "learning_rate": "How far a pixel moves in one step, at the start.",
    "views": "How many random crops CLIP looks at in each step: more is slower.",
    "noise": "How much noise is added to each view before CLIP sees it.",
    "negative_weight": "How strongly the unwanted prompt pushes.",
    "start": "The picture before the first step. Acts from the next Start.",
    "keep": "How strongly the start picture is kept. 0: not at all.",
    "octaves": "From small to large: the sizes the dream goes through.",
    "steps": "How many steps a whole run has.",
    "seed": "The same seed gives the same picture, another seed another one.",
}


class Controls:
    """The widgets for one dream, and what they say.

    Args:
        dream: gives the first values.
        shown: names of controls; those that do not fit this dream are left out.
        fixed: settings that a comparison holds fixed, which have no control.

    Attributes:
        inputs: the widget of each control, by its name.
        live, later: the names of those that act at once, and from the next Start.
        menus: words to build a prompt from, of an embedded model.
    """

    def __init__(self, dream: Any, shown: Sequence[str], fixed: Collection[str]) -> None:
        self._dream, self._shown = dream, shown
        # What "spare the edges" switches to when it is off.
        self._plain_kind = "squared" if dream.recipe.tv_kind == "masked" else dream.recipe.tv_kind
        self.inputs = {
            name: self._make(name)
            for name in shown
            if name != "judge" and CONTROLS[name].setting not in fixed and self._fits(name)
        }
        self.live = [name for name in self.inputs if CONTROLS[name].live]
        self.later = [name for name in self.inputs if not CONTROLS[name].live]
        self._first = {name: widget.value for name, widget in self.inputs.items()}
        self.menus = self._make_menus()
        self.upload_box = widgets.Box(
            layout={"visibility": "hidden", "margin": "2px 2px 2px 110px"}
        )
        self._offer_upload()

    # ------------------------------------------------------------------ values

    def value(self, name: str) -> Any:
        """What a control says, as the recipe or `Dream` wants it.

        Raises:
            ValueError: a picture is to be uploaded, and none has come.
        """
        value = self.inputs[name].value
        if name == "masked":
            return "masked" if value else self._plain_kind
        return self._start_picture(value) if name == "start" else value

    def set_value(self, name: str, value: Any) -> None:
        """Make a control say this, after code has turned the knob."""
        widget = self.inputs[name]
        if name == "masked":
            self._plain_kind = self._plain_kind if value == "masked" else value
            value = value == "masked"
        elif name in NUMBERS and value not in (options := [x for _, x in widget.options]):
            widget.options = _options(options, value)
        widget.value = value

    def settings(self) -> dict[str, Any]:
        """What all controls say, by the names of the settings."""
        return {CONTROLS[name].setting: self.value(name) for name in self.inputs}

    def reset(self) -> None:
        """Put every control back to its first value."""
        for name, value in self._first.items():
            self.inputs[name].value = value

    def untouched(self) -> bool:
        """Whether those that act from the next Start still have their first values."""
        return all(self.inputs[name].value == self._first[name] for name in self.later)

    def _start_picture(self, choice: str) -> Any:
        if choice == "given":
            return self._dream.start
        if choice == "own":
            return self._own
        if choice == "photo":
            from matplotlib.cbook import get_sample_data

            # Rear Admiral Grace Hopper, official portrait, public domain; comes with matplotlib.
            return get_sample_data("grace_hopper.jpg", asfileobj=False)
        if choice == "upload":
            raise ValueError(
                f"no picture has come yet: choose one, then press Start. {UPLOAD_LIMIT}"
            )
        return choice

    # ------------------------------------------------------------------ what follows a change

    def react(self, name: str) -> dict[str, str]:
        """What follows from a change of a control, of a "menu" or of the "upload" at once.

        Returns messages (HTML) by what they are about; "" takes one away.
        """
        if name == "menu":
            self._build_prompt()
        if name == "upload":
            return self._take_upload()
        if name == "start":
            uploading = self.inputs["start"].value == "upload"
            self.upload_box.layout.visibility = "visible" if uploading else "hidden"
            return {"upload": UPLOAD_LIMIT if uploading else ""}
        return {"words": self.unknown_words()} if name in ("prompt", "negative") else {}

    def unknown_words(self) -> str:
        """A message that names the words which an embedded model never saw; "" for none."""
        clip = self._dream.clip
        texts = [self.inputs[name].value for name in ("prompt", "negative") if name in self.inputs]
        unknown = [word for text in texts if text.strip() for word in clip.unknown_words(text)]
        words = ", ".join(f"“{escape(word)}”" for word in dict.fromkeys(unknown))
        return f"<b>{escape(clip.name)} does not know {words}.</b>" if unknown else ""

    def _build_prompt(self) -> None:
        """Write what the menus say into the prompt."""
        from dreamlab.picturebook.world import BACKGROUNDS, describe

        words = {key: menu.value for key, menu in self.menus.items()}
        where, what = BACKGROUNDS.get(words.pop("background"), ""), ""
        if any(words.values()):
            name, count = words.pop("name") or "thing", words.pop("count") or "one"
            what = describe(name, count=count, **words)
        if what or where:
            self.inputs["prompt"].value = f"{what} {where}".strip()

    def _offer_upload(self) -> None:
        """A new button: one that has sent a picture cannot tell whether the next one came."""
        for old in self.upload_box.children:
            close_widget(old)
        layout = {"width": "200px"}
        button = widgets.FileUpload(accept="image/*", description="choose a picture", layout=layout)
        self.upload_box.children = (button,)

    def _take_upload(self) -> dict[str, str]:
        """Make the picture that has come one of the choices, under its own name."""
        sent = uploaded(self.upload_box.children[0])
        if sent is None:
            return {}
        name, content = sent
        self._offer_upload()
        try:
            cover = self._dream.recipe.canvas
            self._own = open_picture(io.BytesIO(content), shorten(name, 60), cover=cover)
        except ValueError as error:
            return {"upload": f"<b>{escape(str(error))}</b>"}
        chooser = self.inputs["start"]
        chooser.options = [*self._starts.items(), (shorten(name, 30), "own")]
        chooser.value = "own"
        return {}

    # ------------------------------------------------------------------ widgets

    def rows(self) -> list[widgets.Widget]:
        """The text fields and the menus, one below the other."""
        rows = []
        for name in ("prompt", "negative"):
            if name in self.inputs:
                rows.append(self.inputs[name])
            if name == "prompt" and self.menus:
                label = widgets.HTML("or from", layout={"width": "108px"})  # as wide as "prompt"
                label.add_class("dl-label")
                menus = [label, *self.menus.values()]
                rows.append(widgets.HBox(menus, layout={"flex_flow": "row wrap"}))
        return rows

    def columns(self) -> list[widgets.Widget]:
        """Two headed grids, of those that act at once and those that act later."""
        grids = []
        for head, names in (("acts at once", self.live), ("from the next Start", self.later)):
            cells = [self.inputs[name] for name in names if name not in ("prompt", "negative")]
            if "start" in names:
                cells.append(self.upload_box)
            if cells:
                layout = {
                    "grid_template_columns": "repeat(auto-fill, minmax(270px, 1fr))",
                    "width": "100%",
                    "align_items": "center",
                }
                title = widgets.HTML(f'<div class="dl-head">{head}</div>')
                grid = widgets.GridBox(cells, layout=layout)
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

    def _make(self, name: str) -> widgets.Widget:
        """The widget of a control, with its label, tooltip and first value."""
        dream, recipe, control = self._dream, self._dream.recipe, CONTROLS[name]
        if name == "prompt":
            widget = widgets.Text(
                whole_letters(dream.prompts[0]), placeholder="what you want to see"
            )
        elif name == "negative":
            text = whole_letters(dream.negative_prompts[0])
            widget = widgets.Text(text, placeholder="what you do not want to see")
        elif name == "masked":
            widget = widgets.Checkbox(recipe.tv_kind == "masked")
        elif name == "clamp":
            widget = widgets.Checkbox(recipe.clamp)
        elif name == "octaves":
            options, present = list(OCTAVES.items()), recipe.octaves
            if present not in OCTAVES.values():
                options.append((f"{len(present)}: {', '.join(f'{x:g}' for x in present)}", present))
            widget = widgets.Dropdown(options=options, value=present)
        elif name == "seed":
            widget = widgets.BoundedIntText(dream.seeds[0], min=0, max=2**32 - 1)
        elif name == "start":
            began = start_of(dream)
            given = {} if isinstance(began, str) else {"the given picture": "given"}
            self._starts = STARTS | given
            widget = widgets.Dropdown(
                options=list(self._starts.items()), value="given" if given else began
            )
        else:
            present = getattr(recipe, control.setting)
            widget = widgets.SelectionSlider(
                options=_options(NUMBERS[name], present), value=present
            )
        widget.description = control.label
        widget.style.description_width = "104px"
        widget.layout.width = "auto"
        set_tooltip(widget, TIPS[name])
        return widget

    def _make_menus(self) -> dict[str, widgets.Dropdown]:
        """Menus of the words that an embedded model knows, from which a prompt can be built."""
        if "prompt" not in self.inputs or self._dream.clip.name not in EMBEDDED:
            return {}
        from dreamlab.picturebook import world

        menus = {}
        for key, label, words in (
            ("count", "how many", world.COUNTS),
            ("colour", "colour", world.COLOURS),
            ("texture", "texture", world.TEXTURES),
            ("name", "thing", world.OBJECTS),
            ("background", "where", tuple(world.BACKGROUNDS)),
        ):
            options = [(f"{label} …", ""), *((word, word) for word in words)]
            menus[key] = widgets.Dropdown(options=options, layout={"width": "128px"})
            tip = f"Build the prompt from words that the model knows: {label}."
            set_tooltip(menus[key], tip)
        return menus


def label_of(setting: str) -> str:
    """The panel's word for a field of the recipe or an argument of `Dream`."""
    labels = {control.setting: control.label for control in CONTROLS.values()}
    return labels.get(setting, setting.replace("_", " "))


def said(value: Any) -> str:
    """A setting's value in a few letters."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(said, value)) + ")"
    return str(value) if isinstance(value, (str, int)) else "given"


def _options(values: Sequence[Any], present: Any) -> list[tuple[str, Any]]:
    return [(said(value), value) for value in sorted({*values, present})]
