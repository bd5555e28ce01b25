"""One frozen CLIP: a sentence and an image each become a vector, and the two can be compared."""

import math
import re
import warnings
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any
from unicodedata import category

import open_clip
import torch

from dreamlab.support.loading import find_model, load_model, pick_device, quoted
from dreamlab.support.memory import out_of_memory
from dreamlab.support.resample import resize
from dreamlab.support.surroundings import undisturbed

LONGEST_WORD = 32  # letters; what is longer is no word, but a script without spaces
MOST_WORDS = 1000  # that are looked up, of a prompt that no model reads to its end


class Clip:
    """A frozen CLIP model. Make one with `load_clip`.

    Attributes:
        name: the name it was loaded by, with its tag if it has one ("ViT-B-32:laion2b_s34b_b79k").
        device, model, tokenizer: of its weights; the open_clip objects.
        image_size, embed_dim: side in pixels of what it looks at; d, the length of the vectors.
    """

    def __init__(
        self, name: str, model: torch.nn.Module, tokenizer: Callable, device: str | torch.device
    ) -> None:
        self.name = name
        self.device = torch.device(device)
        preprocess = getattr(getattr(model, "visual", None), "preprocess_cfg", None)
        if preprocess is None:
            raise TypeError(f"model must be one of open_clip's, got a {type(model).__name__}")
        self.model = model.requires_grad_(False).eval()
        self._require_float32(model.parameters())
        tokens_first(model)
        self.tokenizer = tokenizer
        height, self.image_size = open_clip.utils.to_2tuple(preprocess["size"])
        if height != self.image_size:
            words = f"{name} looks at pictures of {height} × {self.image_size} px (height × width)"
            raise ValueError(f"{words}: load a CLIP with a square image_size")
        self._mean = self._channels("mean", preprocess["mean"], -math.inf)
        self._std = self._channels("standard deviation", preprocess["std"], 0)
        embedding = getattr(getattr(model, "text", model), "token_embedding", None)
        self._words = None if embedding is None else len(embedding.weight)
        self._untrained: set[int] = set()  # tokens whose embedding is zero: of no training caption
        if embedding is not None:  # else it is a text tower from the transformers package
            zero = (embedding.weight == 0).all(dim=1).nonzero()
            self._untrained = set(zero.flatten().tolist())
        try:
            self._filled_places("a", tokenizer.context_length)  # takes a length, gives rows
            with torch.no_grad():
                self.embed_dim = model.encode_text(self._tokens(["a"])).shape[1]
        except Exception as error:
            if out_of_memory(error):
                raise
            got = f"got a {type(tokenizer).__name__} ({type(error).__name__}: {error})"
            words = "tokenizer must turn texts into rows of this model's tokens (n, context_length)"
            raise TypeError(f"{words}, as open_clip.get_tokenizer(name) does, {got}") from error

    def _channels(self, what: str, values: Any, above: float) -> torch.Tensor:
        try:
            tensor = torch.tensor(values, dtype=torch.float32, device=self.device).view(3, 1, 1)
            if not ((tensor > above) & tensor.isfinite()).all():
                raise ValueError
        except (TypeError, ValueError, RuntimeError, OverflowError):
            numbers = f"3 numbers, for red, green and blue{', above 0' * (above == 0)}"
            words = f"the {what} of {self.name} must be {numbers}, got {values!r}"
            raise ValueError(f"{words}: load_clip(…, mean=…, std=…) puts others there") from None
        return tensor

    def __repr__(self) -> str:
        size = f"{self.image_size} px, {self.embed_dim} dimensions"
        return f"Clip({self.name!r}: {size}, {self.device})"

    @undisturbed(gradients=None)
    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        """Turn images (n, 3, h, w), floats in [0, 1], into unit vectors (n, d), with a gradient.

        Another size is resized as a whole. Raises TypeError, ValueError for anything else.
        """
        if not isinstance(images, torch.Tensor) or not images.is_floating_point():
            kind = images.dtype if isinstance(images, torch.Tensor) else type(images).__name__
            words = f"images must be a tensor of floats in [0, 1], got {kind}"
            raise TypeError(f"{words}; bytes become floats by image.float() / 255")
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            words = f"images must have the shape (n, 3, height, width), got {tuple(images.shape)}"
            raise ValueError(f"{words}; image[None] makes a batch of one")
        self._require_float32(islice(self.model.parameters(), 1))
        images = resize(images.to(self.device, torch.float32), (self.image_size,) * 2)
        return self.model.encode_image((images - self._mean) / self._std, normalize=True)

    @undisturbed(gradients=False)
    def encode_text(self, prompts: str | Sequence[str]) -> torch.Tensor:
        """Turn one prompt or n prompts into unit vectors (n, d), without gradient.

        Warns of the end of a prompt that is too long, and of words that the model never saw. Raises
        TypeError, ValueError: something that is not text; no prompt, or one without a word.
        """
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not prompts:
            raise ValueError("no prompt: give a text, or a list of at least one")
        for prompt in prompts:
            if not isinstance(prompt, str):
                raise TypeError(f"a prompt must be text, got {type(prompt).__name__}: {prompt!r}")
            if self._filled_places(prompt, self.tokenizer.context_length) == 0:
                raise ValueError(f"the prompt {prompt!r:.200} is empty: say what you want to see")
            if not self._fits(prompt):
                warnings.warn(self._say_cut(prompt), stacklevel=3)
            if unknown := self.unknown_words(prompt):
                more = f" and {len(unknown) - 20} more" * (len(unknown) > 20)
                words = f"{self.name} does not know {quoted(unknown[:20])}{more}: no caption of its"
                words += " training had that, so it cannot guide the picture"
                warnings.warn(words, stacklevel=3)
        self._require_float32(islice(self.model.parameters(), 1))
        return self.model.encode_text(self._tokens(prompts), normalize=True)

    @undisturbed(gradients=False)
    def unknown_words(self, prompt: str) -> list[str]:
        """Return the words of a prompt that the model never saw, in order and each once."""
        if not self._untrained:
            return []
        # Punctuation separates words and is not missed; an apostrophe belongs to its word.
        letters = ("'" if c in "'’" else " " if category(c)[0] == "P" else c for c in prompt)
        once = dict.fromkeys(word.strip("'")[:LONGEST_WORD] for word in "".join(letters).split())
        words = list(once)[:MOST_WORDS]
        *rows, empty = self.tokenizer([*words, ""]).tolist()
        pairs = zip(words, rows, strict=True)
        return [word for word, row in pairs if self._untrained & (set(row) - set(empty))]

    def _filled_places(self, prompt: str, length: int) -> int:
        """How many places of its row of `length` tokens a prompt fills, whatever the tokenizer."""
        row, empty = self.tokenizer([_beginning(prompt, length), ""], context_length=length)
        return max((row != empty).nonzero().flatten().tolist(), default=-1) + 1

    def _fits(self, prompt: str) -> bool:
        """Whether the model reads all of it: with one place more, no more would be filled."""
        length = self.tokenizer.context_length
        return self._filled_places(prompt, length) == self._filled_places(prompt, length + 1)

    def _say_cut(self, prompt: str) -> str:
        prompt = " ".join(prompt.split())
        ends = [found.end() for found in re.finditer(r"\S+", prompt)]
        kept = bisect(ends[:-1], False, key=lambda end: not self._fits(prompt[:end]))
        place = ends[kept - 1] if kept else 0
        if ends[kept] - place > LONGEST_WORD:  # of a script without spaces
            letters = range(place + 1, ends[kept])
            place += bisect(letters, False, key=lambda end: not self._fits(prompt[:end]))
        lost = prompt[place:].strip()
        lost = lost if len(lost) <= 200 else f"{lost[:200]}…"
        read = f"{self.name} reads {self.tokenizer.context_length} tokens"
        return f"the prompt is too long: {read}, and this was cut off: {lost!r}"

    def _tokens(self, prompts: Sequence[str]) -> torch.Tensor:
        """Rows of tokens (n, context length) on the device of the model."""
        length = self.tokenizer.context_length
        rows = self.tokenizer([_beginning(prompt, length) for prompt in prompts])
        if self._words is not None and rows.max() >= self._words:
            words = f"the tokenizer of {self.name} gives the token {rows.max()}, and the model has"
            raise ValueError(f"{words} {self._words}: it belongs to another model")
        return rows.to(self.device)

    def _require_float32(self, parameters: Iterable[torch.Tensor]) -> None:
        for dtype in {parameter.dtype for parameter in parameters} - {torch.float32}:
            words = f"weights of {self.name} are {dtype}, and pixels are found in float32"
            raise TypeError(f"{words}: model.float() converts them")


def _beginning(prompt: str, tokens: int) -> str:
    """As much of a prompt as so many tokens can say: for more, a tokenizer may take hours."""
    most = LONGEST_WORD * tokens
    return prompt if len(prompt) <= most else " ".join(prompt.split())[:most]


def tokens_first(model: torch.nn.Module, first: bool = True) -> None:
    """Let a vision transformer lay its numbers out by token, then by image: quicker on a CPU."""
    transformer = getattr(model.visual, "transformer", None)
    if isinstance(transformer, open_clip.transformer.Transformer):
        attentions = [getattr(block, "attn", None) for block in transformer.resblocks]
        if all(isinstance(attention, torch.nn.MultiheadAttention) for attention in attentions):
            for module in (transformer, *attentions):
                module.batch_first = not first


@undisturbed()
def load_clip(
    name: str = "picturebook",
    pretrained: str | None = None,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    device: str | torch.device | None = None,
) -> Clip:
    """Load a CLIP (Radford et al. 2021), frozen and ready to be dreamed with.

    Args:
        name: "picturebook", "picturebook-plain" or "picturebook-judge" (in this package, no
            download); any name in `open_clip.list_models()`; "hf-hub:organisation/repository"; or
            "local-dir:folder", a folder with an open_clip_config.json and its weights.
        pretrained: with an open_clip name, a tag of it or a file of weights; else None.
        mean, std: of red, green and blue in training, in [0, 1]; needed where nothing else says it.
        device: "cpu", "cuda", "mps" and so on; None takes the GPU if there is one.

    Raises:
        ValueError, FileNotFoundError: an unknown name, tag, device, folder or repository; weights
            that are corrupt or of another model; a CLIP whose pictures are not square.
        ConnectionError, ImportError: no network, and no weights in the cache; a missing package.
    """
    device = pick_device(device)
    source, pretrained = find_model(name, pretrained)
    given = {key: values for key, values in (("mean", mean), ("std", std)) if values is not None}
    source, model, tokenizer = load_model(source, pretrained, given)
    if not source.startswith(("hf-hub:", "local-dir:")):
        name = f"{source}:{pretrained}"
    return Clip(name, model.to(device), tokenizer, device)
