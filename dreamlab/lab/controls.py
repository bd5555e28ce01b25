"""The controls of a panel: which there are, their widgets, and what their values mean."""

import io
from collections.abc import Collection, Sequence
from html import escape
from typing import Any, NamedTuple

import ipywidgets as widgets

from dreamlab.figures.settings import start_of
from dreamlab.lab.kernel import close_widget, set_tooltip, uploaded
from dreamlab.picturebook import world
from dreamlab.support.loading import EMBEDDED
from dreamlab.support.picture import open_picture, read_picture
from dreamlab.support.words import shorten, whole_letters

RATIOS = [float(f"{m}e{e}") for e in range(-3, 3) for m in ("1", "1.5", "2", "3", "5", "7")]
NUMBERS = {
    "tv": [0.0, *(x for x in RATIOS if x <= 100)],
    "negative_weight": [0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0],
    "learning_rate": [x for x in RATIOS if x <= 0.5],
    "noise": [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5],
    "keep": [0.0, *(x for x in RATIOS if 0.01 <= x <= 100)],
    "views": [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64],
    "steps": [*range(10, 100, 10), *range(100, 500, 50), 500, 700, 1000, 1500, 2000, 3000, 5000],
}
"""What each slider offers: weights in equal ratios, since their order of magnitude matters."""
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
MENUS = {"count": "how many", "colour": "colour", "texture": "texture", "name": "thing"}
MENUS["background"] = "where"
LIKES = {"no picture": "none", "my own picture": "upload"}
STARTS = {"grey": "grey", "noise": "noise", "a photo": "photo", "my own picture": "upload"}
ARGUMENTS = ("prompt", "negative_prompt", "start", "seed")
"""The settings that are arguments of `Dream`; all others are knobs of `Recipe`."""


class Control(NamedTuple):
    """One thing to set."""

    label: str
    setting: str  # a knob of the recipe or one of ARGUMENTS; "" for the judge
    tip: str
    live: bool = True  # acts within a step or two; else from the next Start


CONTROLS = {
    "prompt": Control("prompt", "prompt", "What the dream should show.", False),
    "negative": Control("not", "negative_prompt", "What it should stay away from.", False),
    "like": Control("like this", "prompt", "A picture that the dream is to resemble.", False),
    "tv": Control("λ smoothness", "tv_weight", "0 leaves the noise, too much leaves flat colour."),
    "masked": Control("spare the edges", "tv_kind", "Smooth only where the picture has no edges."),
    "clamp": Control("keep in range", "clamp", "After each step, cut the pixels back to [0, 1]."),
    "learning_rate": Control("learning rate", "learning_rate", "How far a pixel moves in a step."),
    "views": Control("views", "views", "How many random crops CLIP looks at: more is slower."),
    "noise": Control("view noise", "view_noise", "Added to each view before CLIP sees it."),
    "negative_weight": Control("push away", "negative_weight", "How strongly “not” pushes."),
    "start": Control("start from", "start", "The picture before the first step.", False),
    "keep": Control("keep the start", "keep_start", "How strongly that is kept. 0: not at all."),
    "octaves": Control("octaves", "octaves", "The sizes that the dream goes through.", False),
    "steps": Control("steps", "steps", "How many steps a whole run has.", False),
    "seed": Control("seed", "seed", "The same seed gives the same picture.", False),
    "judge": Control("judge", "", ""),  # no widget: whether the judge is asked
}


class Controls:
    """The widgets for one dream, and what they say; `fixed` settings have no control.

    Attributes:
        inputs, live, later: widgets by name; names of those that act at once, and from Start.
        menus: words to build a prompt from, of an embedded model.
    """

    def __init__(self, dream: Any, shown: Sequence[str], fixed: Collection[str]) -> None:
        self._dream, self._shown = dream, shown
        self._plain_kind = "squared" if dream.recipe.tv_kind == "masked" else dream.recipe.tv_kind
        fitting = [n for n in shown if CONTROLS[n].setting not in ("", *fixed) and self._fits(n)]
        self.inputs = {name: self._make(name) for name in fitting}
        self.live = [name for name in self.inputs if CONTROLS[name].live]
        self.later = [name for name in self.inputs if not CONTROLS[name].live]
        self._first = {name: widget.value for name, widget in self.inputs.items()}
        self.menus = self._make_menus()
        hidden = {"display": "none", "margin": "0 0 0 110px"}
        uploads = [name for name in ("like", "start") if name in self.inputs]
        self.upload_boxes = {name: widgets.Box(layout=hidden) for name in uploads}
        self._own: dict[str, Any] = {}  # the pictures that were uploaded
        for name in self.upload_boxes:
            self._offer_upload(name)

    def value(self, name: str) -> Any:
        """What a control says; ValueError for an empty prompt, or a picture that has not come."""
        if name in ("prompt", "like"):
            return self._prompt()
        value = self.inputs[name].value
        if name == "masked":
            return "masked" if value else self._plain_kind
        if name != "start":
            return value
        if value == "given":
            return self._dream.start
        if value == "own":
            return self._own["start"]
        if value == "photo":
            from matplotlib.cbook import get_sample_data

            # Rear Admiral Grace Hopper, official portrait, public domain; comes with matplotlib.
            return get_sample_data("grace_hopper.jpg", asfileobj=False)
        if value == "upload":
            raise ValueError(f"no picture has come yet: choose one, press Start. {UPLOAD_LIMIT}")
        return value

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
        for menu in self.menus.values():
            menu.value = ""
        for name, value in self._first.items():
            self.inputs[name].value = value

    def untouched(self) -> bool:
        """Whether those that act from the next Start still have their first values."""
        return all(self.inputs[name].value == self._first[name] for name in self.later)

    def _prompt(self) -> Any:
        """The sentence, the picture, or both with the same weight."""
        sentence = self.inputs["prompt"].value if "prompt" in self.inputs else ""
        choice = self.inputs["like"].value if "like" in self.inputs else "none"
        if choice == "upload":
            raise ValueError(f"no picture has come yet: choose one. {UPLOAD_LIMIT}")
        pictures = [self._own["like"]] if choice == "own" else []
        targets = [sentence] * bool(sentence.strip()) + pictures
        if not targets:
            raise ValueError("the prompt is empty: write what you want to see")
        return targets[0] if len(targets) == 1 else dict.fromkeys(targets, 1.0)

    def react(self, name: str) -> dict[str, str]:
        """Messages (HTML; "" takes one away) by subject, after a change of a control."""
        if name == "menu":
            words = {key: menu.value for key, menu in self.menus.items()}
            where, what = world.BACKGROUNDS.get(words.pop("background"), ""), ""
            if any(words.values()):
                thing, count = words.pop("name") or "thing", words.pop("count") or "one"
                what = world.describe(thing, count=count, **words)
            if what or where:
                self.inputs["prompt"].value = f"{what} {where}".strip()
        if name.endswith(" upload"):
            return self._take_upload(name.removesuffix(" upload"))
        if name in self.upload_boxes:
            uploading = self.inputs[name].value == "upload"
            self.upload_boxes[name].layout.display = "" if uploading else "none"
            return {"upload": UPLOAD_LIMIT if uploading else ""}
        return {"words": self.unknown_words()} if name in ("prompt", "negative") else {}

    def unknown_words(self) -> str:
        """A message that names the words which an embedded model never saw; "" for none."""
        clip = self._dream.clip
        if not hasattr(clip, "unknown_words"):
            return ""
        texts = [self.inputs[name].value for name in ("prompt", "negative") if name in self.inputs]
        unknown = [word for text in texts if text.strip() for word in clip.unknown_words(text)]
        words = ", ".join(f"“{escape(word)}”" for word in dict.fromkeys(unknown))
        return f"<b>{escape(self._dream.clip_name)} does not know {words}.</b>" if unknown else ""

    def _offer_upload(self, name: str) -> None:
        """A new button: one that has sent a picture cannot tell whether the next one came."""
        for old in self.upload_boxes[name].children:
            close_widget(old)
        layout = {"width": "200px"}
        button = widgets.FileUpload(accept="image/*", description="choose a picture", layout=layout)
        self.upload_boxes[name].children = (button,)

    def _take_upload(self, about: str) -> dict[str, str]:
        """Make the picture that has come one of the choices, under its own name."""
        sent = uploaded(self.upload_boxes[about].children[0])
        if sent is None:
            return {}
        name, content = sent
        self._offer_upload(about)
        try:
            cover = self._dream.recipe.canvas
            picture = open_picture(io.BytesIO(content), shorten(name, 60), cover=cover)
        except ValueError as error:
            return {"upload": f"<b>{escape(str(error))}</b>"}
        # Sentence and picture are keys of a mapping, which a tensor can be, and a PIL image not.
        self._own[about] = read_picture(picture)[0] if about == "like" else picture
        chooser, first = self.inputs[about], LIKES if about == "like" else self._starts
        chooser.options = [*first.items(), (shorten(name, 30), "own")]
        chooser.value = "own"
        return {}

    def rows(self) -> list[widgets.Widget]:
        """The text fields, and below them the menus."""
        fields = [self.inputs[name] for name in ("prompt", "negative") if name in self.inputs]
        menus = list(self.menus.values())
        if menus:
            menus.insert(0, widgets.HTML("or from"))
            menus[0].add_class("dl-label")
        return [widgets.HBox(row) for row in (fields, menus) if row]

    def columns(self) -> list[widgets.Widget]:
        """Two headed grids, of those that act at once and those that act later."""
        grids = []
        likes = ["like"] * ("like" in self.inputs)
        others = [name for name in self.later if name != "like"]
        for head, names in (("acts at once", likes + self.live), ("from the next Start", others)):
            cells = [self.inputs[name] for name in names if name not in ("prompt", "negative")]
            cells += [box for name, box in self.upload_boxes.items() if name in names]
            if cells:
                title, grid = widgets.HTML(f'<div class="dl-head">{head}</div>'), widgets.Box(cells)
                grid.add_class("dl-grid")
                grids.append(widgets.VBox([title, grid]))
        return grids

    def _fits(self, name: str) -> bool:
        """Whether this dream has what the control is about (a batch has several prompts)."""
        dream = self._dream
        if name in ("prompt", "like", "negative"):
            texts = dream.negative_prompts if name == "negative" else dream.prompts
            return not dream.batched and isinstance(texts[0], str)
        if name == "negative_weight":
            return "negative" in self._shown or any(dream.negative_prompts)
        return name != "seed" or not dream.batched

    def _make(self, name: str) -> widgets.Widget:
        """The widget of a control, with its label, tooltip and first value."""
        dream, recipe, control = self._dream, self._dream.recipe, CONTROLS[name]
        if name in ("prompt", "negative"):
            texts = dream.prompts if name == "prompt" else dream.negative_prompts
            hint = "what you want to see" if name == "prompt" else "what you do not want to see"
            text = whole_letters(texts[0])
            widget = widgets.Text(text, placeholder=hint, continuous_update=False)
        elif name in ("masked", "clamp"):
            ticked = recipe.clamp if name == "clamp" else recipe.tv_kind == "masked"
            widget = widgets.Checkbox(ticked)
        elif name == "octaves":
            options, present = list(OCTAVES.items()), recipe.octaves
            if present not in OCTAVES.values():
                options.append((f"{len(present)}: {', '.join(map(said, present))}", present))
            widget = widgets.Dropdown(options=options, value=present)
        elif name == "like":
            widget = widgets.Dropdown(options=list(LIKES.items()), value="none")
        elif name == "seed":
            widget = widgets.BoundedIntText(dream.seeds[0], min=0, max=2**32 - 1)
        elif name == "start":
            began = start_of(dream)
            given = {} if isinstance(began, str) else {"the given picture": "given"}
            self._starts, value = STARTS | given, "given" if given else began
            widget = widgets.Dropdown(options=list(self._starts.items()), value=value)
        else:
            present = getattr(recipe, control.setting)
            options = _options(NUMBERS[name], present)
            widget = widgets.SelectionSlider(options=options, value=present)
        widget.description = control.label
        widget.style.description_width = "104px"
        widget.layout.width = "auto"
        set_tooltip(widget, control.tip)
        return widget

    def _make_menus(self) -> dict[str, widgets.Dropdown]:
        """Menus of the words that an embedded model knows, from which a prompt can be built."""
        if "prompt" not in self.inputs or self._dream.clip_name not in EMBEDDED:
            return {}
        menus = {}
        lists = world.COUNTS, world.COLOURS, world.TEXTURES, world.OBJECTS, world.BACKGROUNDS
        for (key, label), words in zip(MENUS.items(), lists, strict=True):
            options = [(f"{label} …", ""), *((word, word) for word in words)]
            menus[key] = widgets.Dropdown(options=options, layout={"width": "128px"})
            set_tooltip(menus[key], f"Build the prompt from words that the model knows: {label}.")
        return menus


def described(setting: str, value: Any) -> str:
    """A field of the recipe or an argument of `Dream`, and its value, in the panel's words."""
    # Of two controls with one setting, the prompt's, the first has its name.
    labels = {control.setting: control.label for control in reversed(CONTROLS.values())}
    labels["tv_kind"] = "total variation"  # the control is a box to tick, and has no such values
    return f"{labels.get(setting, setting.replace('_', ' '))} {said(value)}"


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
