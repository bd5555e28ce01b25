"""Checks for the exercises of the course: each takes an answer and says in a sentence how it is.

    from dreamlab import check

    check.cosine(my_cosine)
    # ✓ Right: …   or   ○ Not yet: … and what to look at

A check looks at what an answer *does*, on numbers it draws itself, never at how it is written, so
every right solution is accepted. An answer that raises an error or returns nothing gets a sentence
as well: a check never raises.
"""

from dreamlab.check.clamping import forget_momentum, project, range_penalty, to_bytes
from dreamlab.check.collapse import overflow, period, step_back, worst_change
from dreamlab.check.dream_lab import favourite, kept_photo, sentence_and_seed
from dreamlab.check.masked_tv import calm_mask, coherence, equal_weight, kappa_for
from dreamlab.check.octaves import fine_part, halved, octave_delta, octave_of
from dreamlab.check.pipeline import cutout, restarts, strata, unit_rms
from dreamlab.check.raw_clip_loss import cosine, promise, pull_and_push, shift
from dreamlab.check.start_here import difference, readable, scene
from dreamlab.check.total_variation import (
    contrast_left,
    isotropic_variation,
    squared_variation,
    variation_slope,
)
from dreamlab.check.verdict import Verdict

__all__ = [
    "Verdict",
    "calm_mask",
    "coherence",
    "contrast_left",
    "cosine",
    "cutout",
    "difference",
    "equal_weight",
    "favourite",
    "fine_part",
    "forget_momentum",
    "halved",
    "isotropic_variation",
    "kappa_for",
    "kept_photo",
    "octave_delta",
    "octave_of",
    "overflow",
    "period",
    "project",
    "promise",
    "pull_and_push",
    "range_penalty",
    "readable",
    "restarts",
    "scene",
    "sentence_and_seed",
    "shift",
    "squared_variation",
    "step_back",
    "strata",
    "to_bytes",
    "unit_rms",
    "variation_slope",
    "worst_change",
]
