"""The dream: an image, found step by step by gradient descent on its pixels.

One step, `Dream.__next__`, is the whole method:

    views → CLIP → gradient → brought to unit size → + total variation → Adam → clamp

Everything that a step changes is one value, a `State`, which is replaced in a single assignment
when the step is complete. So an interrupt at any moment loses at most the step in progress.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from dreamlab.losses import clip_loss, prior
from dreamlab.octaves import canvas_size, compose, octave_at
from dreamlab.prompts import (
    Encoder,
    Prompt,
    checked_prompts,
    checked_seeds,
    embed,
    is_list,
    picture_count,
)
from dreamlab.recipe import Recipe
from dreamlab.resample import resize
from dreamlab.start import Start, starting_picture
from dreamlab.state import State, Step
from dreamlab.support.device import wait
from dreamlab.support.entries import entry, require, tensor_entry
from dreamlab.support.memory import Groups
from dreamlab.support.progress import with_bar
from dreamlab.support.surroundings import undisturbed
from dreamlab.views import add_noise, draw_deviations, draw_windows, look

# On a CPU a look at the numbers costs nothing. On a GPU it would wait for all work in the queue.
CHECK_EVERY = {"cpu": 1}
CHECK_ELSEWHERE = 16


class Dream:
    """A picture of a sentence, as an iterator: each item is one optimisation step.

        dream = Dream(load_clip(), "a red striped heart in the sky")
        for step in dream:
            print(step.step, step.clip_loss)
        dream.image

    Several pictures share one run, and are the pictures that single runs would give up to rounding:
    a list of prompts, a list of seeds, or one of each of the same length.

    Args:
        clip: the critic, as `load_clip` returns it.
        prompt: a sentence, or several with weights, {"a castle": 1, "the night": 0.5}. A list of
            these makes one picture of each.
        negative_prompt: what to keep away from; "" is nothing. A list gives each picture its own.
        start: None or "grey", "noise", or a photo: a path, a PIL image, an array (h, w, 3) or a
            tensor (3, h, w) or (b, 3, h, w) of bytes or of floats in [0, 1]. It is scaled to cover
            the canvas; `recipe.keep_start` says how recognisable it stays.
        recipe: every knob, `Recipe.suited_to(clip)` unless given; a copy is kept, and
            `dream.recipe.tv_weight = 0.3` between two steps takes effect in the next.
        seed: all randomness comes from it: the same seed gives the same picture, bit for bit on
            the same machine, whatever ran before. A list gives a picture for each seed; one seed
            for several prompts shows all of them the same views.

    Raises:
        ValueError, TypeError, FileNotFoundError: on construction, if an argument is unusable.
        FloatingPointError: from a step, if the picture is no longer finite. The last good picture
            is kept, and the dream can go on from it with other knobs.

    An interrupt (KeyboardInterrupt, CancelledError) is not swallowed, so a script stops, but it
    leaves the dream as it was after the last complete step: look at `image`, or go on with `run()`.
    """

    @undisturbed()
    def __init__(
        self,
        clip: Encoder,
        prompt: Prompt | Sequence[Prompt],
        *,
        negative_prompt: Prompt | Sequence[Prompt] = "",
        start: Start = None,
        recipe: Recipe | None = None,
        seed: int | Sequence[int] = 0,
    ) -> None:
        if not hasattr(clip, "encode_image"):
            raise TypeError(f"clip must be a Clip, as load_clip() returns it, got {clip!r}")
        self.clip = clip
        self.recipe = Recipe.suited_to(clip) if recipe is None else recipe
        self.batched = is_list(prompt) or is_list(seed)
        count = picture_count(prompt, seed)
        self.prompts = checked_prompts("prompt", prompt, count)
        self.negative_prompts = checked_prompts(
            "negative_prompt", negative_prompt, count, may_be_empty=True
        )
        self.seeds = checked_seeds(seed, count)

        self._attractors = embed(clip, self.prompts)
        self._repellors = embed(clip, self.negative_prompts)
        self._groups = Groups()

        canvas = self.recipe.canvas
        first = canvas_size(canvas, self.recipe.octaves[0])
        base = starting_picture(start, canvas, first, self._generators(0)).to(clip.device)
        self._state = State.first(base, resize(base, first))
        self._history: list[Step] = []

    # One step -------------------------------------------------------------------------------------

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

        # What: CLIP's opinion of many views. The graph is cut at the views, see _encode.
        views = self._draw_views(pixels, recipe, state.step, progress)
        clip_losses, views_gradient = self._encode(views.detach(), recipe.negative_weight)
        (gradient,) = torch.autograd.grad(views, pixels, views_gradient)

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
            start=resize(state.base, tuple(pixels.shape[-2:])) if recipe.keep_start else None,
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
        size = canvas_size(recipe.canvas, recipe.octaves[octave])
        if size == tuple(state.pixels.shape[-2:]):
            return replace(state, octave=octave)
        self._check()
        deltas = tuple(self.deltas)
        pixels = compose(state.base, deltas, size)
        adam = state.adam.resized(size)
        return replace(state, octave=octave, deltas=deltas, pixels=pixels, adam=adam)

    def _draw_views(self, pixels: Tensor, recipe: Recipe, step: int, progress: float) -> Tensor:
        """All views of all images, (b, v, 3, n, n)."""
        generators = self._generators(step + 1)
        mix = recipe.view_mix_at(progress)
        windows = draw_windows(pixels.shape[-2:], recipe.views, mix, generators)
        views = look(pixels, windows, self.clip.image_size)
        noise = recipe.view_noise_at(progress)
        if noise == 0:
            return views
        deviations = draw_deviations(recipe.views, noise, generators)
        return add_noise(views, deviations, self._generators(-step - 1, views.device))

    def _encode(self, views: Tensor, negative_weight: float) -> tuple[Tensor, Tensor]:
        """CLIP's loss for each image, (b,), and its gradient with respect to the views.

        The loss of an image is the mean over its views, so they can be encoded one group after the
        other where memory is short.
        """
        images, count = views.shape[:2]
        flat = views.flatten(0, 1)
        attractors, repellors = (
            rows.repeat_interleave(count, dim=0)[:, None]
            for rows in (self._attractors, self._repellors)
        )

        def encode(part: slice) -> tuple[Tensor, Tensor]:
            seen = flat[part].requires_grad_()
            try:
                features = self.clip.encode_image(seen)
            except StopIteration as error:  # would pass for the end of the dream
                raise RuntimeError("StopIteration came out of the CLIP, in its forward") from error
            losses = clip_loss(
                features[:, None],
                attractors[part],
                negative_features=repellors[part],
                negative_weight=negative_weight,
                per_image=True,
            )
            (gradient,) = torch.autograd.grad(losses.sum() / count, seen)
            return losses.detach(), gradient

        losses, gradient = self._groups.work(encode, len(flat))
        return losses.view(images, count).mean(1), gradient.view_as(views)

    def _generators(self, number: int, device: torch.device | str = "cpu") -> list[torch.Generator]:
        """One generator per image, made from its seed and a number: 0 for the start, ±t for step t.

        Step t of a seed sees the same views whatever was changed, interrupted or resumed before it,
        and there is no generator state to save. (Knuth's constant keeps the steps of neighbouring
        seeds apart; a CPU's generator looks at 32 bits only.)
        """
        return [
            torch.Generator(device).manual_seed((seed * 2654435761 + number) % 2**32)
            for seed in self.seeds
        ]

    def _noted(self, recipe: Recipe) -> Recipe:
        """The recipe as it is now, for the record: a copy, or the last step's if it is the same."""
        last = self._history[self._state.step - 1].recipe if self._state.step else None
        return last if last == recipe else replace(recipe)

    def _check(self) -> None:
        """Go back to the last finite step and raise, if a later one left NaN or infinity."""
        state = self._state.last_finite()
        if state is self._state:
            return
        self._state, recipe = state, self.recipe
        raise FloatingPointError(
            f"step {state.step + 1} of {recipe.steps} gave NaN or infinity; the picture after step "
            f"{state.step} is kept. The usual causes are pixels that run away "
            f"(clamp={recipe.clamp}, learning_rate={recipe.learning_rate:g}, "
            f"tv_weight={recipe.tv_weight:g}, negative_weight={recipe.negative_weight:g}, "
            f"keep_start={recipe.keep_start:g}: lower one of them or switch clamp on) and a "
            "model in half precision."
        )

    # From outside ---------------------------------------------------------------------------------

    def run(self, *, progress: bool = False) -> Image.Image | list[Image.Image]:
        """All remaining steps. Returns the picture, or the list of pictures of a batched run.

        Args:
            progress: show a bar with the time left on standard error. One step on the canvas of
                each octave is rehearsed before, so a canvas that memory has no room for is known
                at once and not after an hour on smaller ones.
        """
        for _ in with_bar(self, self._rehearse()) if progress else self:
            pass
        return self.images if self.batched else self.image

    def _rehearse(self) -> list[float]:
        """Seconds that each remaining step takes: one of every size is tried on a copy."""
        recipe, taken, result = self.recipe, {}, []
        for step in range(self._state.step, recipe.steps):
            scale = recipe.octaves[octave_at(step, recipe.steps, len(recipe.octaves))]
            if scale not in taken:
                size = tuple(max(16, side) for side in canvas_size(recipe.canvas, scale))
                trial = copy(self)
                trial.recipe = replace(recipe, size=size, octaves=(1.0,), steps=1)
                base = self._state.base
                trial._state, trial._history = State.first(base, resize(base, size)), []
                begin = time.perf_counter()
                next(trial)
                wait(self.clip.device)
                taken[scale] = time.perf_counter() - begin
            result.append(taken[scale])
        return result

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
        """Whether all steps of the recipe are done.

        Where their number was lowered meanwhile, the picture keeps the canvas of its octave.
        """
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
    def deltas(self) -> list[Tensor]:
        """What each octave added, Δ_k (b, 3, h_k, w_k), the present one last.

        The start plus these, all resized to the present canvas, is `pixels`.
        """
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
        """Everything needed to go on later, as tensors and plain values.

        `torch.save` it, `torch.load(path, weights_only=True)` it and give it to `load_state_dict`
        of a dream made with the same clip, prompts and seeds: the result is the picture of an
        uninterrupted run, bit for bit.
        """
        state = self._state.last_finite()
        return {
            "prompts": list(self.prompts),
            "negative_prompts": list(self.negative_prompts),
            "seeds": list(self.seeds),
            "clip": self.clip.name,
            "attractors": self._attractors.clone(),
            "recipe": asdict(self.recipe),
            **state.to_dict(),
            "history": [step.to_dict() for step in self.history[: state.step]],
        }

    @undisturbed()
    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over a state, recipe included, from `state_dict` of a dream of the same prompts.

        Raises:
            ValueError: prompts, seeds or the model differ, or an entry is missing or damaged.
                Nothing is changed then.
        """
        for name in ("prompts", "negative_prompts", "seeds"):
            theirs, ours = entry(saved, name, list), getattr(self, name)
            if repr(theirs) != repr(ours):  # by their words: in a file, anything may stand there
                raise ValueError(
                    f"this state belongs to a dream with {name} {theirs}, "
                    f"this dream has {ours}: make it with the same"
                )
        # Two models read one sentence differently; one model in two folders is the same.
        attractors = tensor_entry(saved, "attractors", (None, None)).to(self._attractors)
        same = attractors.shape == self._attractors.shape
        if not same or not torch.allclose(attractors, self._attractors, atol=0.01):
            raise ValueError(
                f"this state belongs to a dream with the CLIP {entry(saved, 'clip', str)!r}, "
                f"this dream has {self.clip.name!r}: make it with the same"
            )
        device, count = self.clip.device, len(self.seeds)
        recipe = Recipe.from_dict(entry(saved, "recipe", dict))
        state = State.from_dict(saved, device, images=count)
        records = entry(saved, "history", list)
        history = [Step.from_dict(record, device, images=count) for record in records]
        require([step.step for step in history] == [*range(1, state.step + 1)], "history")
        self.recipe, self._history, self._state = recipe, history, state


def unit_rms(gradient: Tensor) -> Tensor:
    """Scale (b, 3, h, w) so that the root mean square of every image is 1; zeros stay zeros.

    With the optimizer "gradient" this is the step itself. Adam alone would not notice: it divides
    by the size of its gradients anyway. What changes is the balance with what is added afterwards,
    which no longer depends on how excited CLIP is.
    """
    length = torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)
    rms = length / math.sqrt(gradient[0].numel())
    return gradient / rms.clamp(min=torch.finfo(gradient.dtype).tiny)


def to_pil(pixels: Tensor) -> Image.Image:
    """(3, h, w) in [0, 1] as an 8-bit RGB image; values outside are cut off."""
    levels = (pixels.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    return Image.fromarray(levels.movedim(0, -1).numpy())
