"""The public names, for type checkers and editors: `__init__.py` imports them on first use."""

from dreamlab.clip import Clip as Clip
from dreamlab.clip import load_clip as load_clip
from dreamlab.dream import Dream as Dream
from dreamlab.figures.saving import load_dream as load_dream
from dreamlab.figures.saving import save_png as save_png
from dreamlab.judge import Judge as Judge
from dreamlab.lab.panel import Panel as Panel
from dreamlab.lab.panel import compare as compare
from dreamlab.losses import clip_loss as clip_loss
from dreamlab.losses import masked_total_variation as masked_total_variation
from dreamlab.losses import total_variation as total_variation
from dreamlab.mask import detail_mask as detail_mask
from dreamlab.measure.sweep import sweep as sweep
from dreamlab.recipe import Recipe as Recipe
from dreamlab.state import Step as Step
from dreamlab.support.version import __version__ as __version__
