"""The panel's logic, without a kernel and without a browser."""

import asyncio
import io
import random
import re
from datetime import datetime
from functools import partial

import ipywidgets
import pytest
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.figures.curve import POINTS, LossCurve, limits, tick_size
from dreamlab.figures.saving import read_settings
from dreamlab.lab.controls import CONTROLS, NUMBERS
from dreamlab.lab.live import LiveLoop, Throttle
from dreamlab.lab.panel import Panel, compare
from dreamlab.measure.judge import Judge
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import compose
from dreamlab.recipe import Recipe

SMALL = {"size": 32, "views": 2, "steps": 12, "tv_weight": 0.2, "octaves": (0.5, 0.75, 1.0)}


@pytest.fixture
def make_dream(tiny_clip):
    def make(prompt="a red heart", **arguments):
        knobs = SMALL | arguments.pop("knobs", {})
        return Dream(tiny_clip, prompt, recipe=Recipe(**knobs), **arguments)

    return make


# --- the loop -------------------------------------------------------------------------------------


class Counter:
    """Something to step: counts, and remembers what the loop reported."""

    def __init__(self, end=10**9):
        self.end, self.count, self.restarts, self.states = end, 0, 0, []
        self.loop = LiveLoop(self.advance, self.restart, self.states.append)

    def advance(self):
        if self.count >= self.end:
            return False
        self.count += 1
        return True

    def restart(self):
        self.count = 0
        self.restarts += 1


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds) if hasattr(asyncio, "timeout") else _Forever():
        while not condition():
            await asyncio.sleep(0.001)


class _Forever:  # Python 3.10 has no asyncio.timeout
    async def __aenter__(self): ...
    async def __aexit__(self, *exc): ...


def test_loop_runs_to_the_end():
    counter = Counter(5)
    asyncio.run(counter.loop.run())
    assert (counter.count, counter.states) == (5, ["running", "finished"])


def test_loop_pauses_steps_resumes_and_stops():
    counter = Counter()

    async def drive():
        loop = counter.loop
        loop.start()
        await until(lambda: counter.count > 3)
        loop.pause()
        await until(lambda: loop.state == "paused")
        held = counter.count
        await asyncio.sleep(0.02)
        assert counter.count == held
        for more in (1, 2):
            loop.step()
            await until(lambda: counter.count == held + more)  # noqa: B023 - awaited here
            await until(lambda: loop.state == "paused")
        loop.resume()
        await until(lambda: counter.count > held + 10)
        loop.stop()
        await loop.wait()
        assert loop.state == "stopped" and not loop.active
        held = counter.count
        await asyncio.sleep(0.02)
        assert counter.count == held

    asyncio.run(drive())


def test_loop_steps_once_from_rest():
    counter = Counter()

    async def drive():
        counter.loop.step()
        await until(lambda: counter.loop.state == "paused")
        assert counter.count == 1
        counter.loop.stop()
        await counter.loop.wait()

    asyncio.run(drive())


def test_second_start_begins_again_in_a_single_coroutine():
    counter = Counter()

    async def drive():
        counter.loop.start()
        await until(lambda: counter.count > 20)
        counter.loop.start()
        counter.loop.start()
        await until(lambda: counter.restarts == 2)
        assert counter.count <= 2  # begun again; quick steps may come in twos
        assert len(asyncio.all_tasks()) == 2  # this one and the loop's
        counter.loop.stop()
        await counter.loop.wait()

    asyncio.run(drive())


def test_awaited_run_takes_over_from_the_background():
    counter = Counter(200)

    async def drive():
        counter.loop.start()
        await until(lambda: counter.count > 3)
        task = counter.loop.task
        await counter.loop.run()
        await asyncio.wait([task])
        assert counter.count == 200 and counter.loop.state == "finished"

    asyncio.run(drive())


def test_a_loop_that_starts_stops_the_others():
    first, second = Counter(), Counter()

    async def drive():
        first.loop.start()
        await until(lambda: first.count > 3)
        second.loop.start()
        await until(lambda: second.count > 3)
        assert first.loop.state == "stopped" and second.loop.state == "running"
        second.loop.stop()
        await second.loop.wait()

    asyncio.run(drive())


@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_buttons_leaves_at_most_one_loop(seed):
    counter = Counter()
    buttons = ["start", "pause", "resume", "step", "stop", "reset"]
    stepping = 0

    def advance():
        nonlocal stepping
        stepping += 1
        assert stepping == 1, "two coroutines step at once"
        more = Counter.advance(counter)
        stepping -= 1
        return more

    counter.loop._advance = advance
    dice = random.Random(seed)

    async def drive():
        for _ in range(60):
            getattr(counter.loop, dice.choice(buttons))()
            if dice.random() < 0.5:
                await asyncio.sleep(dice.choice([0, 0.001, 0.003]))
        counter.loop.start()
        await until(lambda: counter.loop.state == "running")
        await until(lambda: len(asyncio.all_tasks()) == 2)  # this one and the loop's
        assert counter.loop.active and not counter.loop.task.done()
        counter.loop.stop()
        await until(lambda: counter.loop.state == "stopped")
        await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(drive())


def test_a_stop_right_after_start_is_not_lost():
    counter = Counter()

    async def drive():
        counter.loop.start()
        counter.loop.stop()
        await counter.loop.wait()
        assert (counter.count, counter.loop.state) == (0, "stopped")

    asyncio.run(drive())


def test_cancelling_keeps_what_was_reached_and_is_passed_on():
    counter = Counter()

    async def drive():
        task = asyncio.ensure_future(counter.loop.run())
        await until(lambda: counter.count > 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert counter.loop.state == "stopped" and counter.count > 3

    asyncio.run(drive())


def test_errors_are_kept_and_raised_to_whoever_asks():
    counter = Counter()
    counter.loop._advance = lambda: 1 / 0

    async def drive():
        counter.loop.start()
        with pytest.raises(ZeroDivisionError):
            await counter.loop.wait()
        with pytest.raises(ZeroDivisionError):
            counter.loop.check()
        with pytest.raises(ZeroDivisionError):
            await counter.loop.run()
        assert counter.states == ["running", "failed"] * 2
        del counter.loop._advance
        counter.loop._advance = counter.advance
        counter.loop.step()  # it can go on, and the old error is forgotten
        await until(lambda: counter.loop.state == "paused")
        counter.loop.check()
        counter.loop.stop()

    asyncio.run(drive())


def test_throttle_spends_no_more_than_its_share(monkeypatch):
    clock = 0.0
    monkeypatch.setattr("dreamlab.lab.live.time.perf_counter", lambda: clock)
    throttle, spent, frames = Throttle(share=0.05, shortest=0.1), 0.0, 0
    while clock < 60:
        if throttle.due():
            with throttle:
                clock += 0.03  # an expensive frame
            spent += 0.03
            frames += 1
        clock += 0.01
    assert spent / clock <= 0.05 and frames > 60
    cheap = Throttle(share=0.05, shortest=0.1)
    with cheap:
        clock += 0.0001
    assert not cheap.due()
    clock += 0.11
    assert cheap.due()


# --- the curve ------------------------------------------------------------------------------------


def test_curve_memory_is_bounded_and_its_shape_kept():
    line = LossCurve(50_000)
    for step in range(1, 50_001):
        line.add(step, total=step / 50_000, clip=1.0, tv=0.0)
    trace = line.traces["total"]
    assert POINTS <= len(trace.values) < 2 * POINTS
    assert trace.steps == sorted(trace.steps)
    assert all(
        v == pytest.approx(s / 50_000) for s, v in zip(trace.steps, trace.values, strict=True)
    )
    assert len(line.svg()) < 60_000


def test_curve_draws_every_kind_of_mark():
    line = LossCurve(100)
    line.mark_octave(0, "64 px")
    for step in range(1, 40):
        line.add(step, total=1 / step, clip=0.9 / step, tv=0.1 / step)
    line.add(39, judge=0.5)
    line.add(40, total=float("nan"), clip=float("inf"))  # leaves a point out, not the curve
    line.mark_change(20, "tv_weight", "λ <0.3>")
    svg = line.svg()
    for part in (
        'class="clip"',
        'class="total"',
        'class="tv"',
        'class="judge"',
        "64 px",
        "polygon",
    ):
        assert part in svg
    assert "nan" not in svg.replace("–", "") and "<0.3>" not in svg
    assert line.describe() == "Loss curve: λ·TV 0.0026, judge 0.50"


def test_dragging_a_slider_leaves_one_mark():
    line = LossCurve(1000)
    for step in range(20, 40):
        line.mark_change(step, "tv_weight", f"λ {step}")
    line.mark_change(40, "clamp", "off")
    assert [knob for _, knob, _ in line.changes] == ["tv_weight", "clamp"]


def test_limits_ignore_a_wild_beginning_only():
    steps = list(range(1, 51))
    assert limits([(steps, [30.0] * 3 + [0.9] * 47)])[1] <= 1
    assert limits([(steps, [0.9] * 20 + [30.0] * 30)])[1] >= 30
    assert limits([(steps, [-0.3] * 50)])[0] <= -0.3
    low, high = limits([([], [])])
    assert low < high


@pytest.mark.parametrize("span", [1e-6, 0.03, 0.9, 1.0, 7, 150, 5000])
def test_ticks_are_round_and_few(span):
    assert 3 <= span / tick_size(span) <= 8


# --- the panel ------------------------------------------------------------------------------------


def run(panel):
    asyncio.run(panel.run())
    return panel


def pressed(panel, *buttons):
    """Press buttons, or do something else, in a running event loop until the panel rests."""

    async def drive():
        for button in buttons:
            button() if callable(button) else panel._run.page.buttons[button].click()
            await asyncio.sleep(0.02)
        await until(lambda: panel.state not in ("running",))

    asyncio.run(drive())


def test_run_gives_the_picture_of_the_plain_dream(make_dream):
    alone = make_dream(seed=3).run()
    panel = run(Panel(make_dream(seed=3), judge=False))
    assert panel.state == "finished"
    assert panel.image.tobytes() == alone.tobytes(), "looking must not change what is looked at"


def test_first_start_runs_the_given_dream_later_ones_new_dreams(make_dream):
    dream = make_dream()
    panel = Panel(dream)
    pressed(panel, "start")
    assert panel.dream is dream and dream.done
    first = panel.image.tobytes()
    pressed(panel, "start")
    assert panel.dream is not dream and panel.image.tobytes() == first


def test_only_the_named_controls_are_shown(make_dream):
    assert list(Panel(make_dream(), ("tv", "masked"))._run.controls.inputs) == ["tv", "masked"]
    assert list(Panel(make_dream(), ())._run.controls.inputs) == []
    everything = set(Panel(make_dream())._run.controls.inputs)
    assert everything == set(CONTROLS) - {"judge"}
    with pytest.raises(ValueError, match=r"lambda.*prompt, negative"):
        Panel(make_dream(), ("tv", "lambda"))
    with pytest.raises(TypeError, match="needs a Dream, got str"):
        Panel("a red heart")


def test_every_control_has_a_label_and_a_tooltip(make_dream):
    panel = Panel(make_dream())
    for name, widget in {**panel._run.controls.inputs, **panel._run.page.buttons}.items():
        tip = getattr(widget, "tooltip", None) or getattr(widget, "description_tooltip", None)
        assert widget.description and tip and len(tip) > 10, name


def test_every_slider_stays_in_the_recipes_range():
    for name, numbers in NUMBERS.items():
        rule = Recipe.knobs()[CONTROLS[name].knob]["rule"]
        assert rule.low <= min(numbers) and max(numbers) <= rule.high
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("control", "value", "knob", "expected"),
    [
        ("tv", 5.0, "tv_weight", 5.0),
        ("masked", False, "tv_kind", "squared"),
        ("clamp", False, "clamp", False),
        ("learning_rate", 0.1, "learning_rate", 0.1),
        ("views", 4, "views", 4),
        ("noise", 0.0, "view_noise", 0.0),
        ("keep", 1.0, "keep_start", 1.0),
    ],
)
def test_a_live_control_acts_in_the_next_step(make_dream, control, value, knob, expected):
    panel = Panel(make_dream(), judge=False)
    pressed(panel, "step", "step")
    assert getattr(panel.dream.recipe, knob) != expected
    panel._run.controls.inputs[control].value = value
    pressed(panel, "step")
    assert getattr(panel.dream.recipe, knob) == expected
    assert panel.changes == [(2, knob, expected)]
    assert len(panel._run.tracks[0].curve.changes) == 1


def test_a_later_control_waits_for_start(make_dream):
    panel = Panel(make_dream(), judge=False)
    pressed(panel, "step")
    panel._run.controls.inputs["seed"].value = 7
    panel._run.controls.inputs["steps"].value = 10
    panel._run.controls.inputs["octaves"].value = (0.5, 1.0)
    panel._run.controls.inputs["prompt"].value = "a blue boat"
    panel._run.controls.inputs["start"].value = "noise"
    pressed(panel, "step")
    assert (panel.dream.seeds, panel.dream.prompts) == ([0], ["a red heart"])
    pressed(panel, "start")
    dream = panel.dream
    assert (dream.seeds, dream.prompts, dream.recipe.steps) == ([7], ["a blue boat"], 10)
    assert dream.recipe.octaves == (0.5, 1.0) and len(dream.history) == 10
    assert dream.start.std() > 0.05


def test_a_knob_turned_by_code_moves_the_control(make_dream):
    panel = Panel(make_dream(), judge=False)
    pressed(panel, "step")
    panel.dream.recipe.tv_weight = 0.123
    panel.dream.recipe.tv_kind = "l1"
    pressed(panel, "step")
    assert (
        panel._run.controls.inputs["tv"].value == 0.123
        and panel._run.controls.inputs["masked"].value is False
    )
    assert panel.dream.recipe.tv_weight == 0.123 and panel.dream.recipe.tv_kind == "l1"
    assert sorted(panel.changes) == [(1, "tv_kind", "l1"), (1, "tv_weight", 0.123)]


def test_reset_brings_picture_and_controls_back(make_dream):
    panel = Panel(make_dream(), judge=False)
    grey = panel._run.tracks[0].picture.value
    panel._run.controls.inputs["tv"].value = 5.0
    pressed(panel, "start")
    assert panel._run.tracks[0].picture.value != grey
    pressed(panel, "reset")
    assert panel.state == "ready" and not panel.dream.history and not panel.changes
    assert panel._run.controls.inputs["tv"].value == 0.2 and panel.dream.recipe.tv_weight == 0.2
    assert panel._run.tracks[0].picture.value == grey


def choose(panel, start: str) -> None:
    pressed(panel, partial(setattr, panel._run.controls.inputs["start"], "value", start))


def send(panel, name: str, content: bytes) -> None:
    """Let a file come from the browser, as a FileUpload holds it."""
    if int(ipywidgets.__version__.split(".")[0]) < 8:
        sent = {name: {"metadata": {"name": name}, "content": content}}
    else:
        info = {"name": name, "type": "image/png", "last_modified": datetime.now()}
        sent = ({**info, "size": len(content), "content": memoryview(content)},)
    pressed(panel, partial(panel._run.controls.upload.set_trait, "value", sent))


def png(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(buffer, "png")
    return buffer.getvalue()


def test_photo_and_upload_as_start(make_dream):
    panel = Panel(make_dream(), judge=False)
    start = panel._run.controls.inputs["start"]
    start.value = "photo"
    pressed(panel, "start")
    assert panel.dream.start.std() > 0.1
    choose(panel, "upload")
    assert "10 MB (1 MB on Colab)" in panel._run.page.message.value, "said before it happens"
    pressed(panel, "start")
    assert (
        "choose one, then press Start" in panel._run.page.message.value and panel.state == "failed"
    )
    send(panel, "red.png", png((255, 0, 0)))
    assert (start.label, start.value) == ("red.png", "own")
    for _ in range(2):  # the second time it has not to be sent again
        pressed(panel, "start")
        assert panel.state == "finished"
        assert panel.dream.start[0, :, 5, 5].tolist() == [1.0, 0.0, 0.0]
    panel._run.controls.reset()
    assert start.value == "grey"


def test_an_upload_that_never_comes_is_not_replaced_by_the_old_one(make_dream):
    """A file over the websocket's limit is dropped on the way, and nobody tells the kernel."""
    panel = Panel(make_dream(), judge=False)
    start = panel._run.controls.inputs["start"]
    choose(panel, "upload")
    send(panel, "red.png", png((255, 0, 0)))
    assert not panel._run.controls.upload.value, "the button that sent it is gone"
    choose(panel, "upload")  # another one, which is too large
    pressed(panel, "start")
    assert panel.state == "failed" and "10 MB (1 MB on Colab)" in panel._run.page.message.value
    send(panel, "<b>blue.png", png((0, 0, 255)))
    pressed(panel, "start")
    assert panel.dream.start[0, :, 5, 5].tolist() == [0.0, 0.0, 1.0]
    assert start.label == "<b>blue.png" and len(start.options) == 5


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cat.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "cat.heic is a HEIC photo"),
        ("<b>x</b>.png", b"hello", "&lt;b&gt;x&lt;/b&gt;.png is no picture"),
        ("half.png", png((9, 9, 9))[:60], "half.png cannot be read"),
        ("empty.png", b"", "empty.png is empty"),
    ],
)
def test_an_upload_that_is_no_picture_is_said_at_once(make_dream, name, content, words):
    panel = Panel(make_dream(), judge=False)
    choose(panel, "upload")
    send(panel, name, content)
    assert words in panel._run.page.message.value
    assert panel._run.controls.inputs["start"].value == "upload"
    pressed(panel, "start")
    assert panel.state == "failed"


def test_the_judge_has_its_own_line(make_dream, tiny_clip):
    panel = run(Panel(make_dream(), judge=Judge(tiny_clip)))
    judged = panel._run.tracks[0].judged
    assert judged[0][0] == 0 and judged[-1][0] == 12
    expected = 1 - Judge(tiny_clip).score(panel.dream.pixels, "a red heart").item()
    assert judged[-1][1] == pytest.approx(expected, abs=1e-5)
    assert 'class="judge"' in panel._run.tracks[0].plot.value


def test_the_judge_says_which_thing_it_sees(make_dream):
    judge = Judge(load_clip("picturebook-judge", device="cpu"))
    scene = compose("sky", [("heart", "red", "plain", 1)], seed=3)
    heart = {"start": draw(scene, 32), "knobs": {"learning_rate": 0.0}}
    panel = run(Panel(make_dream("a red heart in the sky", **heart), judge=judge))
    assert panel._run.tracks[0].seen == "sees the heart"
    assert "judge sees the heart" in panel._run.page.status.value
    assert "judge sees the heart" in panel._run.page.figure().description
    other = run(Panel(make_dream("an orange umbrella", **heart), judge=judge))
    words = r"sees an? \w+ \(umbrella: (2nd|3rd|21st|22nd|23rd|\d+th) of 25\)"
    assert re.fullmatch(words, other._run.tracks[0].seen)
    several = make_dream(["a red heart", "a red umbrella", "at night"], **heart)
    assert run(Panel(several, judge=judge))._run.tracks[0].seen == "sees 1 of 2 things"
    for prompt in ("at night", {"a red heart": 1.0, "at night": 0.5}):
        assert run(Panel(make_dream(prompt, **heart), judge=judge))._run.tracks[0].seen == ""


def test_a_judge_of_another_world_is_not_asked_for_things(make_dream, tiny_clip):
    panel = run(Panel(make_dream(), judge=Judge(tiny_clip)))
    assert panel._run.tracks[0].seen == "" and "sees" not in panel._run.page.status.value


def test_a_broken_judge_does_not_end_the_dream(make_dream):
    panel = run(Panel(make_dream(), judge=object()))
    assert panel.state == "finished" and "No judge" in panel._run.page.message.value


def test_unknown_words_are_named_at_once(make_dream, monkeypatch):
    dream = make_dream()
    known = {"a", "red", "heart"}
    monkeypatch.setattr(
        dream.clip, "unknown_words", lambda text: [w for w in text.split() if w not in known]
    )
    panel = Panel(dream, ("prompt",))

    async def type_and_look(text):
        panel._run.controls.inputs["prompt"].value = text
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return panel._run.page.message.value

    assert "giraffe" in asyncio.run(type_and_look("a red giraffe"))
    assert "giraffe" not in asyncio.run(type_and_look("a red heart"))


def test_the_prompt_builder_speaks_the_models_language(make_dream, monkeypatch):
    dream = make_dream()
    monkeypatch.setattr(dream.clip, "name", "picturebook")
    panel = Panel(dream, ("prompt",))
    menus = panel._run.controls.prompt_rows[1].children[1:]

    async def choose(**words):
        for menu, word in zip(menus, words.values(), strict=True):
            menu.value = word
        await asyncio.sleep(0.01)
        return panel._run.controls.inputs["prompt"].value

    order = dict.fromkeys(["count", "colour", "texture", "name", "background"], "")
    say = lambda **words: asyncio.run(choose(**{**order, **words}))  # noqa: E731
    assert say(name="heart", colour="red", texture="striped", background="sky") == (
        "a red striped heart in the sky"
    )
    assert say(name="star", count="two", background="night") == "two stars at night"
    assert say(background="mountains") == "in the mountains"


def test_batches_show_all_pictures_and_no_prompt_control(make_dream):
    panel = run(Panel(make_dream(["a red heart", "a blue boat", "a tree"]), judge=False))
    assert not {"prompt", "negative", "seed"} & set(panel._run.controls.inputs)
    shown = Image.open(io.BytesIO(panel._run.tracks[0].picture.value))
    assert shown.size == (64, 64)  # two by two
    pressed(panel, "start")
    assert panel.dream.prompts == ["a red heart", "a blue boat", "a tree"] and panel.dream.done


def test_the_film_is_bounded(make_dream):
    panel = run(Panel(make_dream(knobs={"steps": 130, "size": 16, "views": 1}), judge=False))
    assert 30 <= len(panel._run.tracks[0].film.frames) <= 120


def test_save_and_film(make_dream, tmp_path):
    panel = Panel(make_dream(), judge=False, folder=tmp_path / "new")
    pressed(panel, "start", "save", "save", "film")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "dream-001.png",
        "dream-001.webp",
        "dream-002.png",
    ]
    assert "dream-001.webp" in panel._run.page.message.value


def test_every_picture_of_a_batch_and_of_a_comparison_is_saved(make_dream, tmp_path):
    batch = Panel(make_dream(prompt=["a red heart", "a boat"]), judge=False, folder=tmp_path)
    pressed(batch, "step", "save")
    assert "dream-001.png, dream-002.png." in batch._run.page.message.value
    pair = compare(make_dream(), tv_weight=(0.0, 2.0), judge=False)
    pressed(pair, "step")
    assert pair.save(tmp_path / "pair.png") == tmp_path / "pair.png"
    names = ["dream-001.png", "dream-002.png", "pair-2.png", "pair.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    made = [read_settings(tmp_path / name) for name in names]
    assert [m.get("index") for m in made] == [0, 1, 0, 0]
    assert [m["recipe"]["tv_weight"] for m in made[2:]] == [2.0, 0.0]


def test_two_panels_that_save_into_one_folder_never_take_the_same_name(make_dream, tmp_path):
    panels = [Panel(make_dream(), judge=False, folder=tmp_path) for _ in range(2)]
    for panel in panels:
        pressed(panel, "step")
    names = [panel.save().name for _ in range(3) for panel in panels]
    assert len(set(names)) == 6


def test_compare_changes_one_knob_only(make_dream):
    panel = run(compare(make_dream(), tv_weight=(0.0, 2.0), judge=False))
    left, right = panel.dreams
    assert (left.recipe.tv_weight, right.recipe.tv_weight) == (0.0, 2.0)
    assert left.seeds == right.seeds and len(left.history) == len(right.history) == 12
    assert left.history[0].clip_loss == right.history[0].clip_loss
    assert left.image.tobytes() != right.image.tobytes()
    assert "tv" not in panel._run.controls.inputs, (
        "the compared knob has no control that would undo it"
    )
    alone = make_dream(knobs={"tv_weight": 2.0}).run()
    assert right.image.tobytes() == alone.tobytes()


def test_compare_prompts_and_other_knobs_still_act_on_both(make_dream):
    panel = compare(make_dream(), prompt=("a red heart", "a blue boat"), judge=False)
    pressed(panel, "step")
    panel._run.controls.inputs["tv"].value = 5.0
    pressed(panel, "step")
    assert [d.prompts for d in panel.dreams] == [["a red heart"], ["a blue boat"]]
    assert [d.recipe.tv_weight for d in panel.dreams] == [5.0, 5.0]


def test_compare_says_what_is_wrong(make_dream):
    with pytest.raises(ValueError, match="exactly one knob"):
        compare(make_dream())
    with pytest.raises(ValueError, match="exactly one knob"):
        compare(make_dream(), tv_weight=(0, 1), clamp=(True, False))
    with pytest.raises(ValueError, match="no such knob: 'lambda_tv'"):
        compare(make_dream(), lambda_tv=(0, 1))
    with pytest.raises(ValueError, match="two values"):
        compare(make_dream(), tv_weight=0.3)
    with pytest.raises(ValueError, match="tv_kind must be one of"):
        compare(make_dream(), tv_kind=("masked", "nonsense"))


def test_long_runs_hold_bounded_memory(make_dream):
    """5,000 steps: what the panel itself keeps does not grow with them."""
    panel = Panel(make_dream(knobs={"steps": 5000, "size": 16, "views": 1}), judge=False)
    track = panel._run.tracks[0]
    sizes = []
    for step in range(1, 5001):
        record = type("Step", (), {"step": step, "octave": step // 1700, "size": (16, 16)})
        record.loss, record.clip_loss = 1 / step, 0.9 / step
        track._unread.append(record)
        if track.film.wants(step):
            track.film.add(step, panel.image)
        if step % 50 == 0:
            panel._run.draw()
            sizes.append(
                sum(len(trace.values) for trace in track.curve.traces.values())
                + len(track.film.frames)
                + len(track._unread)
            )
    assert max(sizes[50:]) <= 3 * 2 * POINTS + 120
    assert len(track.plot.value) < 60_000
