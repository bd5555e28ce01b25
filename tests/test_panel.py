"""The panel without a kernel and without a browser: loop, controls, messages, files."""

import asyncio
import io
import random
import re
from datetime import datetime
from functools import partial
from types import SimpleNamespace

import ipywidgets
import pytest
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.figures.curve import POINTS, LossCurve
from dreamlab.figures.saving import read_settings
from dreamlab.judge import Judge
from dreamlab.lab import kernel
from dreamlab.lab.controls import CONTROLS, NUMBERS
from dreamlab.lab.panel import EARLY_SHARE, SHARE, Panel, compare
from dreamlab.picturebook import world
from dreamlab.picturebook.draw import draw
from dreamlab.recipe import Recipe

SMALL = {"size": 32, "views": 2, "steps": 6, "tv_weight": 0.2, "octaves": (0.5, 1.0)}
LONG = {"size": 16, "views": 1, "steps": 100_000, "octaves": (1.0,)}


@pytest.fixture
def make_dream(tiny_clip):
    def make(prompt="a red heart", *, knobs=SMALL, kind=Dream, **arguments):
        return kind(tiny_clip, prompt, recipe=Recipe(**knobs), **arguments)

    return make


@pytest.fixture
def make_panel(make_dream):
    def make(*arguments, show=None, judge=False, folder="dreams", **others):
        return Panel(make_dream(*arguments, **others), show, judge=judge, folder=folder)

    return make


def run(panel):
    asyncio.run(panel.run())
    return panel


async def until(condition, seconds=120):
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen"
        await asyncio.sleep(0.001)


def pressed(panel, *acts):
    """Press buttons, or do something else, one after the other came to rest."""

    async def drive():
        for act in acts:
            act() if callable(act) else panel.buttons[act].click()
            await asyncio.sleep(0.005)
            await until(lambda: panel.state != "running")

    asyncio.run(drive())


def steps(panel):
    return len(panel.dream.history)


def test_a_second_start_begins_again_and_an_awaited_run_takes_over(make_panel):
    panel = make_panel()

    async def drive():
        panel.start()
        await until(lambda: steps(panel) > 2)
        panel.start()
        await until(lambda: 0 < steps(panel) <= 2)
        await panel.run()
        assert steps(panel) == 6 and panel.state == "finished"
        await panel.run()  # at its end: from the start
        assert steps(panel) == 6

    asyncio.run(drive())


def test_any_order_of_buttons_leaves_at_most_one_loop(make_panel):
    panel, dice = make_panel(knobs=LONG, show=()), random.Random(0)

    async def drive():
        for _ in range(80):
            panel.buttons[dice.choice(["start", "pause", "step", "stop", "reset"])].click()
            if dice.random() < 0.5:
                await asyncio.sleep(dice.choice([0, 0.001]))
            assert len(asyncio.all_tasks()) <= 2, "this one and the loop's"
        panel.start()
        panel.stop()  # right after a Start: it is not lost
        await panel.wait()
        assert panel.state == "stopped" and len(asyncio.all_tasks()) == 1

    asyncio.run(drive())


def test_errors_are_shown_and_raised_to_whoever_asks(make_panel, tmp_path):
    panel = make_panel(folder=tmp_path)
    pressed(panel, "step")
    panel.dream._encode = lambda *arguments: 1 / 0
    pressed(panel, "pause", "save")  # a Save takes the error's message not away
    assert panel.state == "failed" and "ZeroDivisionError" in panel.message.value
    assert "Saved as" in panel.message.value
    for ask in (panel.wait, panel.run):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(ask())
    with pytest.raises(ZeroDivisionError):
        panel.check()
    del panel.dream._encode
    pressed(panel, "step")  # it can go on, and the old error is forgotten
    panel.check()
    assert steps(panel) == 2 and "ZeroDivisionError" not in panel.message.value


@pytest.mark.parametrize(
    ("error", "raised", "state"),
    [
        (StopIteration, RuntimeError, "failed"),
        (SystemExit, RuntimeError, "failed"),
        (KeyboardInterrupt, asyncio.CancelledError, "stopped"),
    ],
)
def test_what_comes_out_of_a_models_code_ends_the_run_alone(make_panel, error, raised, state):
    class Mine(Dream):
        def __next__(self):
            raise error("mine")

    panel = make_panel(kind=Mine)
    with pytest.raises(raised):
        run(panel)
    assert panel.state == state


def test_a_start_that_cannot_be_is_a_sentence_and_changes_nothing(make_panel):
    panel = make_panel()
    pressed(panel, "step", lambda: setattr(panel.controls.inputs["prompt"], "value", ""), "start")
    assert "prompt" in panel.message.value and "Traceback" not in panel.message.value
    assert panel.state != "failed" and steps(panel) == 1
    pressed(panel, lambda: setattr(panel.controls.inputs["prompt"], "value", "a boat"))
    assert "Not started" not in panel.message.value


def test_without_an_event_loop_the_page_is_told(make_panel):
    panel = make_panel()
    panel.buttons["start"].click()
    assert "no event loop" in panel.message.value


def test_throttle_spends_no_more_than_its_share(monkeypatch):
    clock = 0.0
    monkeypatch.setattr("dreamlab.lab.kernel.time.perf_counter", lambda: clock)
    throttle, spent = kernel.Throttle(share=0.05, shortest=0.1), 0.0
    while clock < 60:
        if throttle.due():
            with throttle:
                clock += 0.03  # an expensive frame
            spent += 0.03
        clock += 0.01
    assert 0.04 < spent / clock <= 0.05


def test_the_live_picture_comes_at_once_and_often(monkeypatch, make_panel):
    clock, frames = 0.0, []
    monkeypatch.setattr("dreamlab.lab.kernel.time.perf_counter", lambda: clock)
    throttle = kernel.Throttle(SHARE, EARLY_SHARE)
    while clock < 3:  # steps of 20 ms; a frame costs as much
        clock += 0.02
        if throttle.due():
            with throttle:
                clock += 0.02
            frames.append(clock)
    assert frames[0] < 0.3 and len(frames) >= 6 * 3


def test_the_first_picture_does_not_wait_for_the_judge(make_panel):
    seen = []
    panel = make_panel(judge=SimpleNamespace(score=lambda *a: seen.append("judge") or 1 / 0))
    draw = panel._draw
    panel._draw = lambda *a, **k: seen.append(steps(panel)) or draw(*a, **k)
    run(panel)
    assert seen[:2] == [1, "judge"]
    assert panel.state == "finished" and "No judge" in panel.message.value


def test_curve_memory_is_bounded_and_its_shape_kept():
    line = LossCurve(20_000)
    for step in range(1, 20_001):
        line.add(step, total=step / 20_000, clip=1.0, tv=0.0)
    trace = line.traces["total"]
    assert POINTS <= len(trace.values) < 2 * POINTS and trace.steps == sorted(trace.steps)
    assert trace.values == pytest.approx([step / 20_000 for step in trace.steps])
    assert len(line.svg()) < 60_000


def test_curve_draws_every_kind_of_mark():
    line = LossCurve(100)
    line.octaves.append((0, "64 px"))
    for step in range(1, 40):
        line.add(step, total=1 / step, clip=0.9 / step, tv=0.1 / step)
        line.mark_change(step, "tv_weight", f"λ <{step}>")  # a drag of a slider: one mark
    line.add(39, judge=0.5)
    line.add(40, total=float("nan"), clip=float("inf"))  # leaves a point out, not the curve
    svg = line.svg()
    assert all(part in svg for part in ('"clip"', '"total"', '"tv"', '"judge"', "64 px", "polygon"))
    assert "nan" not in svg and "<39>" not in svg and len(line.changes) == 1
    assert "λ·TV 0.0026, judge 0.50" in line.describe()


def test_run_gives_the_picture_of_the_plain_dream_and_start_dreams_it_again(make_dream):
    alone, dream = make_dream(seed=3).run(), make_dream(seed=3)
    panel = run(Panel(dream, judge=False))
    assert panel.dream is dream and panel.state == "finished"
    assert panel.image.tobytes() == alone.tobytes(), "looking must not change what is looked at"
    pressed(panel, "start")
    assert panel.dream is not dream and panel.image.tobytes() == alone.tobytes()


def test_only_the_named_controls_are_shown_each_with_label_and_tooltip(make_dream, make_panel):
    assert list(make_panel(show=("tv", "masked")).controls.inputs) == ["tv", "masked"]
    panel = make_panel()
    assert set(panel.controls.inputs) == set(CONTROLS) - {"judge"}
    for name, widget in {**panel.controls.inputs, **panel.buttons}.items():
        tip = getattr(widget, "tooltip", None) or getattr(widget, "description_tooltip", None)
        assert widget.description and tip and len(tip) > 10, name
    with pytest.raises(ValueError, match=r"lambda.*prompt, negative"):
        make_panel(show=("tv", "lambda"))
    for wrong in ("a red heart", Dream):
        with pytest.raises(TypeError, match="Dream"):
            Panel(wrong)
    with pytest.raises(TypeError, match="judge"):
        make_panel(judge="picturebook-judge")


def test_every_slider_stays_in_the_recipes_range():
    for name, numbers in NUMBERS.items():
        rule = Recipe.knobs()[CONTROLS[name].setting]["rule"]
        assert rule.low <= min(numbers) and max(numbers) <= rule.high
        assert numbers == sorted(set(numbers))


TURNS = {
    "tv": ("tv_weight", 5.0),
    "masked": ("tv_kind", "squared"),
    "clamp": ("clamp", False),
    "learning_rate": ("learning_rate", 0.1),
    "views": ("views", 4),
    "noise": ("view_noise", 0.0),
    "keep": ("keep_start", 1.0),
}


def test_live_controls_act_in_the_next_step_and_code_moves_them(make_panel):
    panel = make_panel(knobs=SMALL | {"steps": 50})
    pressed(panel, "step", "step")
    for name, (_, value) in TURNS.items():
        panel.controls.inputs[name].value = False if name == "masked" else value
    pressed(panel, "step")
    (track,) = panel.tracks
    for knob, value in TURNS.values():
        assert getattr(panel.dream.recipe, knob) == value and (2, knob, value) in track.changes
    marks = [words for _, _, words in track.curve.changes]
    assert {"total variation squared", "λ smoothness 5"} < set(marks) and len(marks) == len(TURNS)
    panel.dream.recipe.tv_weight, panel.dream.recipe.tv_kind = 0.123, "l1"
    pressed(panel, "step")
    inputs = panel.controls.inputs
    assert (inputs["tv"].value, inputs["masked"].value) == (0.123, False)
    assert (panel.dream.recipe.tv_weight, panel.dream.recipe.tv_kind) == (0.123, "l1")
    assert {(3, "tv_kind", "l1"), (3, "tv_weight", 0.123)} <= set(track.changes)


def test_the_prompts_act_at_once_and_leave_a_mark(make_panel):
    panel = make_panel(negative_prompt="a moon")
    fields = panel.controls.inputs
    turns = [
        partial(setattr, fields[n], "value", v)
        for n, v in (("prompt", "a boat"), ("negative", "a castle"), ("prompt", " "))
    ]
    pressed(panel, "step", *turns)
    assert "empty" in panel.message.value  # and the run follows the last that could be
    pressed(panel, "step")
    assert (panel.dream.prompts, panel.dream.negative_prompts) == (["a boat"], ["a castle"])
    changes = [(step, name) for step, name, _ in panel.dream.prompt_changes]
    assert changes == [(1, "prompts"), (1, "negative_prompts")]
    marks = [words for *_, words in panel.tracks[0].curve.changes]
    assert marks == ["prompt a boat", "not a castle"]


def test_later_controls_wait_for_start_and_reset_brings_all_back(make_panel):
    panel = make_panel()
    grey = panel.tracks[0].picture.value
    pressed(panel, "step")
    later = {"seed": 7, "steps": 10, "octaves": (1.0,), "start": "noise"}
    turns = [partial(setattr, panel.controls.inputs[n], "value", v) for n, v in later.items()]
    panel.controls.inputs["tv"].value = 5.0
    pressed(panel, *turns, "step")
    assert panel.dream.seeds == [0]
    assert "next Start" in panel.message.value
    pressed(panel, "start")
    assert "next Start" not in panel.message.value
    dream = panel.dream
    assert (dream.seeds, len(dream.history)) == ([7], 10)
    assert dream.recipe.octaves == (1.0,) and dream.start.std() > 0.05
    pressed(panel, "reset")
    assert panel.state == "ready" and not panel.dream.history and not panel.tracks[0].changes
    assert panel.controls.inputs["tv"].value == panel.dream.recipe.tv_weight == 0.2
    assert panel.dream.seeds == [0] and panel.tracks[0].picture.value == grey


def send(panel, name, content, about="start"):
    """Let a file come from the browser, as a FileUpload holds it."""
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        sent = {name: {"metadata": {"name": name}, "content": content}}
    else:
        info = {"name": name, "type": "image/png", "last_modified": datetime.now()}
        sent = ({**info, "size": len(content), "content": memoryview(content)},)
    pressed(panel, partial(panel.controls.upload_boxes[about].children[0].set_trait, "value", sent))


def png(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(buffer, "png")
    return buffer.getvalue()


def test_photo_and_upload_as_start(make_panel):
    panel = make_panel()
    start = panel.controls.inputs["start"]
    start.value = "photo"
    pressed(panel, "start")
    assert panel.dream.start.std() > 0.1
    pressed(panel, lambda: setattr(start, "value", "upload"))
    assert "10 MB" in panel.message.value, "the limit is said before it is met"
    pressed(panel, "start")
    assert "choose one" in panel.message.value
    send(panel, "<b>red.png", png((255, 0, 0)))
    assert (start.label, start.value) == ("<b>red.png", "own")
    for _ in range(2):  # the second time it has not to be sent again
        pressed(panel, "start")
        assert panel.dream.start[0, :, 5, 5].tolist() == [1.0, 0.0, 0.0]
    # A file over the websocket's limit is dropped on its way: the old one must not stand in for it.
    pressed(panel, lambda: setattr(start, "value", "upload"), "start")
    assert "choose one" in panel.message.value


def test_a_picture_as_the_target_alone_and_beside_the_sentence(make_panel):
    panel = make_panel()
    like, text = (panel.controls.inputs[name] for name in ("like", "prompt"))
    pressed(panel, lambda: setattr(like, "value", "upload"))
    send(panel, "red.png", png((255, 0, 0)), "like")
    pressed(panel, "start")
    ((sentence, picture),) = panel.dream.prompts
    assert (sentence, str(picture).split()[0]) == ("a red heart", "picture")
    text.value = ""
    pressed(panel, "start")
    assert panel.dream.prompts == [picture]
    pressed(panel, "reset")
    assert panel.dream.prompts == ["a red heart"]


def test_an_upload_that_is_no_picture_is_said_at_once(make_panel):
    panel = make_panel()
    pressed(panel, lambda: setattr(panel.controls.inputs["start"], "value", "upload"))
    send(panel, "<b>x</b>.png", b"hello")
    assert "&lt;b&gt;x&lt;/b&gt;.png" in panel.message.value
    assert panel.controls.inputs["start"].value == "upload"


def test_the_judge_has_a_line_and_says_which_thing_it_sees(make_panel):
    judge = Judge(load_clip("picturebook-judge", device="cpu"))
    scene = world.compose("sky", [("heart", "red", "plain", 1)], seed=3)
    heart = {"start": draw(scene, 32), "judge": judge, "knobs": SMALL | {"learning_rate": 1e-6}}
    panel = run(make_panel("a red heart in the sky", **heart))
    track = panel.tracks[0]
    assert track.judged[0][0] == 0 and track.judged[-1][0] == 6
    expected = 1 - judge.score(panel.dream.pixels, panel.dream.prompts[0]).item()
    assert track.judged[-1][1] == pytest.approx(expected, abs=1e-5)
    assert 'class="judge"' in track.plot.value
    assert track.seen == "sees the heart" and track.seen in panel.status.value
    for prompt, seen in (
        ("an orange umbrella", r"sees an? \w+ \(umbrella: place \d+ of 25\)"),
        (["a red heart", "a red umbrella", "at night"], "sees 1 of 2 things"),
        ("at night", ""),
    ):
        panel = make_panel(prompt, **heart)
        pressed(panel, "step")
        assert re.fullmatch(seen, panel.tracks[0].seen)


def test_unknown_words_are_named_at_once_and_menus_build_a_prompt():
    dream = Dream(load_clip("picturebook", device="cpu"), "a red heart", recipe=Recipe(**SMALL))
    panel = Panel(dream, ("prompt",), judge=False)
    prompt, menus = panel.controls.inputs["prompt"], panel.controls.menus
    pressed(panel, lambda: setattr(prompt, "value", "a red giraffe"))
    assert "giraffe" in panel.message.value
    pressed(panel, lambda: setattr(prompt, "value", "a red heart"))
    assert "giraffe" not in panel.message.value
    for words, text in (
        ("heart red striped sky", "a red striped heart in the sky"),
        ("two star night", "two stars at night"),
        ("mountains", "in the mountains"),
    ):
        for menu in menus.values():
            values = [value for _, value in menu.options if value in words.split()]
            pressed(panel, partial(setattr, menu, "value", values[0] if values else ""))
        assert prompt.value == text
    pressed(panel, "reset")
    assert prompt.value == "a red heart" and {menu.value for menu in menus.values()} == {""}


def test_batches_show_all_pictures_and_no_prompt_control(make_panel):
    panel = run(make_panel(["a red heart", "a blue boat", "a tree"]))
    assert not {"prompt", "negative", "seed"} & set(panel.controls.inputs)
    shown = Image.open(io.BytesIO(panel.tracks[0].picture.value))
    assert shown.size == (64, 64)  # two by two
    pressed(panel, "start")
    assert panel.dream.prompts == ["a red heart", "a blue boat", "a tree"] and panel.dream.done


def test_compare_changes_one_knob_only(make_dream):
    panel = compare(make_dream(), tv_weight=(0.0, 2.0), judge=False)
    assert "tv" not in panel.controls.inputs, "no control that would undo it"
    assert "recipe" not in panel.status.value, "there are two"
    left, right = run(panel).dreams
    assert left.history[0].clip_loss == right.history[0].clip_loss
    alone = make_dream(knobs=SMALL | {"tv_weight": 2.0}).run()
    assert right.image.tobytes() == alone.tobytes() != left.image.tobytes()
    prompts = compare(make_dream(), prompt=("a red heart", "a blue boat"), judge=False)
    prompts.controls.inputs["tv"].value = 5.0
    pressed(prompts, "step")
    assert [d.prompts for d in prompts.dreams] == [["a red heart"], ["a blue boat"]]
    assert [d.recipe.tv_weight for d in prompts.dreams] == [5.0, 5.0]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({}, "exactly one knob"),
        ({"tv_weight": (0, 1), "clamp": (True, False)}, "exactly one knob"),
        ({"lambda_tv": (0, 1)}, "no such knob: 'lambda_tv'"),
        ({"tv_weight": 0.3}, "two values"),
        ({"tv_kind": ("masked", "nonsense")}, "tv_kind must be"),
    ],
)
def test_compare_says_what_is_wrong(make_dream, knobs, words):
    with pytest.raises(ValueError, match=words):
        compare(make_dream(), judge=False, **knobs)


def test_every_picture_is_saved_under_a_name_of_its_own(make_panel, make_dream, tmp_path):
    panel = make_panel(["a red heart", "a boat"], folder=tmp_path / "new")
    pressed(panel, "step", "save", "film")
    assert make_panel(folder=tmp_path / "new").save()[0].name == "dream-003.png"
    names = ["dream-001.png", "dream-001.webp", "dream-002.png", "dream-003.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    assert "dream-001.webp" in panel.message.value
    pair = compare(make_dream(), tv_weight=(0.0, 2.0), judge=False)
    pair.folder = tmp_path / "pair"
    assert [read_settings(path)["recipe"]["tv_weight"] for path in pair.save()] == [0.0, 2.0]


@pytest.mark.parametrize("button", ["save", "film"])
def test_a_save_that_fails_spoils_no_run(make_panel, tmp_path, button):
    (tmp_path / "dreams").write_text("a file in the place of the folder")
    panel = make_panel(folder=tmp_path / "dreams")
    pressed(panel, "start", button)
    assert "Not saved: " in panel.message.value and panel.state == "finished"
    (tmp_path / "dreams").unlink()
    pressed(panel, button)
    assert "Not saved" not in panel.message.value and "Saved as" in panel.message.value


def test_a_closed_panel_keeps_what_it_dreamed(make_panel, tmp_path):
    panel = run(make_panel(folder=tmp_path))
    picture = panel.image.tobytes()
    panel.close()
    panel.close()
    assert panel.image.tobytes() == picture and panel.save()[0].is_file()
    for use in (panel.start, panel._ipython_display_, lambda: run(panel)):
        with pytest.raises(RuntimeError, match="closed"):
            use()
