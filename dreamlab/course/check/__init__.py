"""Checks for the exercises: each takes an answer, `check.cosine(my_cosine)`, and says how it is.

A check looks at what an answer *does*, on numbers it draws itself, never at how it is written, so
every right solution is accepted; whatever the answer does, a check never raises.
"""

from dreamlab.course.check.beyond import break_even, finish, left_to_do
from dreamlab.course.check.clamping import forget_momentum, project, range_penalty, to_bytes
from dreamlab.course.check.collapse import overflow, period, step_back, worst_change
from dreamlab.course.check.dream_lab import favourite, kept_photo, sentence_and_seed
from dreamlab.course.check.masked_tv import calm_mask, coherence, equal_weight, kappa_for
from dreamlab.course.check.octaves import fine_part, halved, octave_delta, octave_of
from dreamlab.course.check.pipeline import gain, restarts, unit_rms
from dreamlab.course.check.raw_clip_loss import cosine, promise, pull_and_push, shift
from dreamlab.course.check.start_here import difference, readable, scene
from dreamlab.course.check.total_variation import (
    contrast_left,
    isotropic_variation,
    squared_variation,
    variation_gradient,
)
from dreamlab.course.check.verdict import Verdict
from dreamlab.course.check.windows import cutout, strata, wave_left

__all__ = [
    "Verdict", "break_even", "calm_mask", "coherence", "contrast_left", "cosine", "cutout",
    "difference", "equal_weight", "favourite", "fine_part", "finish", "forget_momentum", "gain",
    "halved", "isotropic_variation", "kappa_for", "kept_photo", "left_to_do", "octave_delta",
    "octave_of", "overflow", "period", "project", "promise", "pull_and_push", "range_penalty",
    "readable", "restarts", "scene", "sentence_and_seed", "shift", "squared_variation", "step_back",
    "strata", "to_bytes", "unit_rms", "variation_gradient", "wave_left", "worst_change",
]  # fmt: skip
