"""The dream: an image, found step by step by gradient descent on its pixels.

One step, `Dream.__next__`, is the whole method:

    views → CLIP → gradient → brought to unit size → + total variation → Adam → clamp

All that a step changes is one `State`, replaced in a single assignment when the step is complete.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from dreamlab.losses import clip_loss, prior
from dreamlab.octaves import compose, octave_at
from dreamlab.prompts import (
    Encoder,
    Prompt,
    Rows,
    checked_changes,
    checked_prompts,
    checked_seeds,
    encoder_name,
    is_list,
    plain,
)
from dreamlab.recipe import Recipe
from dreamlab.start import Start, starting_picture
from dreamlab.state import State, Step
from dreamlab.support.entries import entry, require, tensor_entry
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.memory import Groups, require_memory, wait
from dreamlab.support.progress import with_bar
from dreamlab.support.surroundings import undisturbed
from dreamlab.support.weights import read_numbers
from dreamlab.views import add_noise, draw_deviations, draw_windows, look

# On a CPU a look at the numbers costs nothing. On a GPU it would wait for all work in the queue.
CHECK_EVERY = {"cpu": 1}
CHECK_ELSEWHERE = 16
JUDGE = "picturebook-judge"


class Critic(NamedTuple):
    """One of the CLIPs of a dream, and the prompts as it reads them."""

    clip: Encoder
    share: float  # of its gradient and loss in the sum over all CLIPs
    attractors: Rows
    repellors: Rows
    groups: Groups


class Dream:
    """A picture of a sentence, as an iterator: each item is one optimisation step.

        dream = Dream(load_clip(), "a red striped heart in the sky")
        for step in dream:
            print(step.step, step.clip_loss)
        dream.image

    Several pictures share one run, and are the pictures that single runs would give up to rounding:
    a list of prompts, a list of seeds, or one of each of the same length.

    Args:
        clip: the critic, as `load_clip` returns it, or any `dreamlab.prompts.Encoder`. Several in a
            list, or with weights in a mapping, each see the views at their own size; their
            gradients are brought to unit RMS before they are added.
        prompt: a sentence; a picture (a `Path`, a PIL image, an array or a tensor as for `start`);
            a row that `clip.encode_text` or `encode_image` gave; or several with weights,
            {"a castle": 1, "the night": 0.5}, where a PIL image or an array as a key needs
            `dreamlab.prompts.ImagePrompt(image)`. A list of these makes one picture of each. A
            list of pairs, [(0, "a castle"), (60, "a boat")], is one prompt that changes: from
            step 0 to step 60 one is blended into the other.
        negative_prompt: the same of what to keep away from; "" is nothing.
        start: None or "grey", "noise", or a photo: a path, a PIL image, an array (h, w, 3) or a
            tensor (3, h, w) or (b, 3, h, w) of bytes or of floats in [0, 1]. It is scaled to cover
            the canvas; `recipe.keep_start` says how recognisable it stays.
        recipe: every knob, `Recipe.suited_to(clip)` unless given; a copy is kept, and
            `dream.recipe.tv_weight = 0.3` between two steps takes effect in the next.
        seed: all randomness comes from it: the same seed gives the same picture, bit for bit on
            the same machine. A list gives a picture for each seed; one seed for several prompts
            shows all of them the same views.

    Raises:
        ValueError, TypeError, FileNotFoundError: on construction, if an argument is unusable.
        FloatingPointError: from a step, if the picture is no longer finite. The last good picture
            is kept, and the dream can go on from it, as it can after an interrupt.
    """

    @undisturbed()
    def __init__(
        self,
        clip: Encoder | Sequence[Encoder] | Mapping[Encoder, float],
        prompt: Any,
        *,
        negative_prompt: Any = "",
        start: Start = None,
        recipe: Recipe | None = None,
        seed: int | Sequence[int] = 0,
    ) -> None:
        self.clips = _checked_clips(clip)
        self.clip = next(iter(self.clips))
        self.recipe = Recipe.suited_to(self.clip) if recipe is None else recipe
        self.batched = is_list(prompt) or is_list(seed)
        count = max(len(value) if is_list(value) else 1 for value in (prompt, seed))
        self.seeds = checked_seeds(seed, count)
        wanted = checked_prompts("prompt", prompt, count)
        unwanted = checked_prompts("negative_prompt", negative_prompt, count, may_be_empty=True)
        self._prompts = {"prompts": wanted, "negative_prompts": unwanted}
        self.first_prompts = dict(self._prompts)  # before any change on the way
        self._changes: list[tuple[int, str, list[Prompt]]] = []
        self._critics = self._read(self._prompts)
        self._first_rows = self._critics[0].attractors.at(0)
        self._require_memory(self.recipe)

        canvas, first = self.recipe.canvas, self.recipe.octave_canvas(0)
        base = starting_picture(start, canvas, first, self._generators(0)).to(self._device)
        self._state = State.first(base, compose(base, (), first))
        self._history: list[Step] = []

    def __iter__(self) -> Iterator[Step]:
        return self

    @undisturbed()
    def __next__(self) -> Step:
        if self.done:
            self._check()
            raise StopIteration
        recipe = self.recipe
        state = self._enter_octave()
        progress = state.step / max(1, recipe.steps - 1)
        learning_rate = recipe.learning_rate_at(progress)
        pixels = state.pixels.detach().requires_grad_()

        # What: each CLIP's opinion of many views. The graph is cut at the views, see _encode.
        clip_losses, gradient = 0.0, None
        for critic in self._critics:
            views = self._draw_views(pixels, critic.clip.image_size, recipe, state.step, progress)
            losses, views_gradient = self._encode(
                critic, views.detach(), state.step, recipe.negative_weight
            )
            (own,) = torch.autograd.grad(views, pixels, views_gradient)
            if len(self._critics) > 1:  # else the one whose cosine is steepest would decide alone
                own = unit_rms(own).mul_(critic.share / own[0].numel())
            clip_losses = clip_losses + critic.share * losses
            gradient = own if gradient is None else gradient.add_(own)

        # A mean over N values has a gradient that falls with 1/N. Times N, it is what one pixel
        # feels, on a canvas of any size.
        gradient *= pixels[0].numel()
        if recipe.normalize_gradient:
            gradient = unit_rms(gradient)

        # How: smoothness of the picture itself, not of its noisy views.
        variation, loss, slope = prior(
            pixels,
            tv_kind=recipe.tv_kind,
            tv_weight=recipe.tv_weight,
            start=compose(state.base, (), tuple(pixels.shape[-2:])) if recipe.keep_start else None,
            keep_start=recipe.keep_start,
        )
        adam = state.adam.update(gradient.add_(slope))
        # Adam moves every pixel about equally far, also where CLIP hardly cares. One length for the
        # whole picture paints where it cares (Santurkar et al. 2019).
        direction = adam.direction() if recipe.optimizer == "adam" else unit_rms(adam.mean)
        updated = state.pixels.sub(direction, alpha=learning_rate)
        if recipe.clamp:
            updated.clamp_(0, 1)

        measured = torch.stack([clip_losses + loss, clip_losses, variation])
        step = Step(
            state.step + 1,
            recipe.steps,
            state.octave,
            tuple(updated.shape[-2:]),
            learning_rate,
            measured,
            self._noted(recipe),
        )
        self._history[state.step :] = [step]
        self._state = state.after(updated, adam, measured)
        if self.done or step.step % CHECK_EVERY.get(updated.device.type, CHECK_ELSEWHERE) == 0:
            self._check()
        return step

    def _enter_octave(self) -> State:
        """The state with its canvas at the size that the next step needs."""
        state, recipe = self._state, self.recipe
        octaves = len(recipe.octaves)
        # Never back to a smaller canvas, when steps are added to a dream that has left it.
        octave = max(octave_at(state.step, recipe.steps, octaves), min(state.octave, octaves - 1))
        size = recipe.octave_canvas(octave)
        if size == tuple(state.pixels.shape[-2:]):
            return replace(state, octave=octave)
        self._check()
        deltas = tuple(self.deltas)
        pixels = compose(state.base, deltas, size)
        adam = state.adam.resized(size)
        return replace(state, octave=octave, deltas=deltas, pixels=pixels, adam=adam)

    def _draw_views(
        self, pixels: Tensor, side: int, recipe: Recipe, step: int, progress: float
    ) -> Tensor:
        """All views of all images, (b, v, 3, side, side)."""
        self._require_memory(recipe)  # a knob may have been turned
        generators = self._generators(step + 1)
        mix = recipe.view_mix_at(progress)
        windows = draw_windows(pixels.shape[-2:], recipe.views, mix, generators)
        views = look(pixels, windows, side)
        noise = recipe.view_noise_at(progress)
        if noise == 0:
            return views
        deviations = draw_deviations(recipe.views, noise, generators)
        return add_noise(views, deviations, self._generators(-step - 1, views.device))

    def _encode(
        self, critic: Critic, views: Tensor, step: int, negative_weight: float
    ) -> tuple[Tensor, Tensor]:
        """CLIP's loss for each image, (b,), and its gradient with respect to the views."""
        images, count = views.shape[:2]
        flat = views.flatten(0, 1)
        both = critic.attractors.at(step), critic.repellors.at(step)
        attractors, repellors = (rows.repeat_interleave(count, dim=0)[:, None] for rows in both)

        def encode(part: slice) -> tuple[Tensor, Tensor]:
            seen = flat[part].requires_grad_()
            try:
                features = critic.clip.encode_image(seen)
            except (StopIteration, SystemExit) as error:  # would end the dream, or the program
                kind = type(error).__name__
                raise RuntimeError(f"{kind} came out of the CLIP, in its forward") from error
            losses = clip_loss(
                features[:, None],
                attractors[part],
                negative_features=repellors[part],
                negative_weight=negative_weight,
                per_image=True,
            )
            (gradient,) = torch.autograd.grad(losses.sum() / count, seen)
            return losses.detach(), gradient

        losses, gradient = critic.groups.work(encode, len(flat))
        return losses.view(images, count).mean(1), gradient.view_as(views)

    def _require_memory(self, recipe: Recipe) -> None:
        side = max(clip.image_size for clip in self.clips)
        require_memory(len(self.seeds), recipe.canvas, recipe.views, side, self._device)

    def _generators(self, number: int, device: torch.device | str = "cpu") -> list[torch.Generator]:
        """One generator per image, of its seed and a number: 0 for the start, ±t for step t."""
        numbers = [(seed * 2654435761 + number) % 2**32 for seed in self.seeds]  # Knuth's constant
        return [torch.Generator(device).manual_seed(number) for number in numbers]

    def _noted(self, recipe: Recipe) -> Recipe:
        """A copy of the recipe for the record, or the last step's if it is the same."""
        last = self._history[self._state.step - 1].recipe if self._state.step else None
        return last if last == recipe else replace(recipe)

    def _check(self) -> None:
        """Go back to the last finite step and raise, if a later one left NaN or infinity."""
        state = self._state.last_finite()
        if state is self._state:
            return
        self._state, recipe = state, self.recipe
        names = ("learning_rate", "tv_weight", "negative_weight", "keep_start")
        knobs = ", ".join(f"{name}={getattr(recipe, name):g}" for name in names)
        raise FloatingPointError(
            f"step {state.step + 1} of {recipe.steps} gave NaN or infinity; the picture after step "
            f"{state.step} is kept. The usual causes are pixels that run away ({knobs}: lower one "
            f"of them; clamp={recipe.clamp}: switch it on) and a model in half precision."
        )

    def run(self, *, progress: bool = False) -> Image.Image | list[Image.Image]:
        """All remaining steps. Returns the picture, or the list of pictures of a batched run.

        `progress` shows a bar with the time left on standard error, after a step on the canvas of
        each octave was rehearsed, so that one that does not fit into memory fails at once.
        """
        for _ in with_bar(self, self._rehearse()) if progress else self:
            pass
        return self.images if self.batched else self.image

    def _rehearse(self) -> list[float]:
        """Seconds that each remaining step takes: one of every size is tried on a copy."""
        recipe, taken, result = self.recipe, {}, []
        for step in range(self._state.step, recipe.steps):
            octave = octave_at(step, recipe.steps, len(recipe.octaves))
            if octave not in taken:
                size = tuple(max(16, side) for side in recipe.octave_canvas(octave))
                trial = copy(self)
                trial.recipe = replace(recipe, size=size, octaves=(1.0,), steps=1)
                base = self._state.base
                trial._state, trial._history = State.first(base, compose(base, (), size)), []
                begin = time.perf_counter()
                next(trial)
                wait(self._device)
                taken[octave] = time.perf_counter() - begin
            result.append(taken[octave])
        return result

    @property
    def prompts(self) -> list[Prompt]:
        """One for each picture, to be set between two steps."""
        return self._prompts["prompts"]

    @prompts.setter
    def prompts(self, prompt: Any) -> None:
        self._change("prompt", prompt)

    @property
    def negative_prompts(self) -> list[Prompt]:
        """One for each picture, "" for none; set as `prompts`."""
        return self._prompts["negative_prompts"]

    @negative_prompts.setter
    def negative_prompts(self, prompt: Any) -> None:
        self._change("negative_prompt", prompt)

    @undisturbed()
    def _change(self, argument: str, prompt: Any) -> None:
        name, empty = f"{argument}s", argument != "prompt"
        prompts = checked_prompts(argument, prompt, len(self.seeds), may_be_empty=empty)
        changed = self._prompts | {name: prompts}
        self._critics, self._prompts = self._read(changed), changed
        if self._state.step == 0:
            self.first_prompts[name] = prompts
            self._first_rows = self._critics[0].attractors.at(0)
        else:
            self._changes.append((self._state.step, name, prompts))

    @property
    def prompt_changes(self) -> list[tuple[int, str, list[Prompt]]]:
        """(step, "prompts" or "negative_prompts", the new ones), after which step they were set."""
        return [change for change in self._changes if change[0] < self._state.step]

    def _read(self, prompts: Mapping[str, list[Prompt]]) -> list[Critic]:
        """The prompts as each CLIP reads them."""
        critics, total = [], sum(self.clips.values())
        for clip, weight in self.clips.items():
            attractors = Rows(clip, prompts["prompts"])
            repellors = Rows(clip, prompts["negative_prompts"], like=attractors.at(0)[0])
            critics.append(Critic(clip, weight / total, attractors, repellors, Groups()))
        return critics

    @property
    def _device(self) -> torch.device:
        return self._first_rows.device

    @property
    def clip_name(self) -> str:
        """The name of the CLIP, or of several."""
        return " + ".join(map(encoder_name, self.clips))

    @property
    def recipe(self) -> Recipe:
        """The knobs; set one of them, or put another recipe in place, between two steps."""
        return self._recipe

    @recipe.setter
    def recipe(self, recipe: Recipe) -> None:
        if not isinstance(recipe, Recipe):
            raise TypeError(f"recipe must be a Recipe, got {type(recipe).__name__}")
        self._recipe = replace(recipe)  # a copy: two dreams made from one recipe are independent

    @property
    def done(self) -> bool:
        """Whether all steps of the recipe are done."""
        return self._state.step >= self.recipe.steps

    @property
    def history(self) -> list[Step]:
        """The records of all complete steps."""
        return self._history[: self._state.step]

    @property
    def pixels(self) -> Tensor:
        """The raw pixels (b, 3, h, w) of the present octave, in any range if nothing clamps."""
        return self._state.pixels

    @property
    @undisturbed()
    def deltas(self) -> list[Tensor]:
        """What each octave added, Δ_k (b, 3, h_k, w_k), the present one last; see `compose`."""
        state = self._state
        before = compose(state.base, state.deltas, tuple(state.pixels.shape[-2:]))
        return [*state.deltas, state.pixels - before]

    @property
    def start(self) -> Tensor:
        """The start I₀, (b, 3, h, w)."""
        return self._state.base

    @property
    def images(self) -> list[Image.Image]:
        """The pictures so far, 8 bits per channel; values outside [0, 1] are cut off."""
        return [to_pil(pixels) for pixels in self.pixels]

    @property
    def image(self) -> Image.Image:
        """The picture so far. Of a run with several pictures, ask for `images`."""
        if len(self.pixels) > 1:
            raise ValueError(f"this dream holds {len(self.pixels)} pictures: use .images")
        return to_pil(self.pixels[0])

    def __repr__(self) -> str:
        what = ", ".join(map(repr, self.prompts))
        return f"<Dream of {what}: step {self._state.step} of {self.recipe.steps}>"

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on with the same bits, as plain values."""
        state = self._state.last_finite()
        return {
            **{name: list(map(plain, prompts)) for name, prompts in self.first_prompts.items()},
            "changes": [[s, name, list(map(plain, p))] for s, name, p in self.prompt_changes],
            "seeds": list(self.seeds),
            "clip": self.clip_name,
            "attractors": self._first_rows.clone(),
            "recipe": asdict(self.recipe),
            **state.to_dict(),
            "history": [step.to_dict() for step in self.history[: state.step]],
        }

    def save_state(self, path: str | PathLike) -> Path:
        """Write `state_dict` into a file, which at every moment is the old one or the whole new."""
        return write_atomically(path, lambda file: torch.save(self.state_dict(), file))

    def load_state(self, path: str | PathLike) -> None:
        """Go on from a file of `save_state`, of which nothing is run; OSError or ValueError."""
        file = user_path(path)
        if not file.is_file():
            raise FileNotFoundError(f"{path}: there is no such file, or it is no ordinary one")
        self.load_state_dict(read_numbers(file))

    @undisturbed()
    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over a state, recipe included, from `state_dict` of a dream of the same prompts.

        Raises:
            ValueError: prompts, seeds or the model differ, or an entry is damaged.
        """
        mine = {name: list(map(plain, prompts)) for name, prompts in self.first_prompts.items()}
        for name, ours in (mine | {"seeds": self.seeds}).items():
            theirs = repr(entry(saved, name, list))  # in a file, anything may stand there
            if theirs != repr(ours):
                words = f"this state belongs to a dream with {name} {theirs[:300]}, this dream has"
                raise ValueError(f"{words} {repr(ours)[:300]}: make it with the same")
        # Two models read one sentence differently; one model in two folders is the same.
        attractors = tensor_entry(saved, "attractors", (None, None)).to(self._first_rows)
        same = attractors.shape == self._first_rows.shape
        if not same or not torch.allclose(attractors, self._first_rows, atol=0.01):
            words = f"this state belongs to a dream with the CLIP {entry(saved, 'clip', str)!r}"
            raise ValueError(f"{words}, this dream has {self.clip_name!r}: make it with the same")
        device, count = self._device, len(self.seeds)
        recipe = Recipe.from_dict(entry(saved, "recipe", dict))
        state = State.from_dict(saved, device, images=count)
        records = entry(saved, "history", list)
        # First the numbers: a record that stands there a million times takes no room in a file.
        require(len(records) == state.step, "history", f"has {len(records)} of {state.step} steps")
        for number, record in enumerate(records, 1):
            require(entry(record, "step", int) == number, "history")
        history = [Step.from_dict(record, device, images=count) for record in records]
        changes = checked_changes(entry(saved, "changes", list), count, state.step)
        prompts = self.first_prompts | {name: changed for _, name, changed in changes}
        self._critics, self._prompts, self._changes = self._read(prompts), prompts, changes
        self.recipe, self._history, self._state = recipe, history, state


def _checked_clips(clip: Any) -> dict[Encoder, float]:
    """Each CLIP of a dream with its weight."""
    several = clip if isinstance(clip, list | tuple) else [clip]
    weighted = list(clip.items()) if isinstance(clip, Mapping) else [(c, 1.0) for c in several]
    names = [encoder_name(each) for each, _ in weighted]
    weights = [weight for _, weight in weighted]
    if not weights or not all(isinstance(w, Real) and 0 < w < math.inf for w in weights):
        raise ValueError(f"clip: several CLIPs have weights above 0, got {weights}")
    if len(names) > 1 and JUDGE in names:
        words = f"{JUDGE!r} is the judge, and judges no dream that follows its gradient"
        raise ValueError(f"{words}: take another CLIP beside the first")
    return {each: float(weight) for each, weight in weighted}


def unit_rms(gradient: Tensor) -> Tensor:
    """Scale (b, 3, h, w) so that the root mean square of every image is 1; zeros stay zeros."""
    length = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
    rms = length / math.sqrt(gradient[0].numel())
    return gradient / rms.clamp(min=torch.finfo(gradient.dtype).tiny)


def to_pil(pixels: Tensor) -> Image.Image:
    """(3, h, w) in [0, 1] as an 8-bit RGB image; values outside are cut off."""
    levels = (pixels.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    return Image.fromarray(levels.movedim(0, -1).numpy())
