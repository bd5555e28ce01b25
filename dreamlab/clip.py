"""One CLIP model: a sentence and an image become two vectors that can be compared."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F

EMBEDDED = ("picturebook", "picturebook-judge")
MODELS = Path(__file__).parent / "picturebook" / "models"


class Clip:
    """A frozen CLIP model; see `load_clip`."""

    def __init__(self, name, model, tokenizer, device) -> None:
        self.name = name
        self.device = torch.device(device)
        self.model = model.requires_grad_(False).eval()
        self.tokenizer = tokenizer
        config = model.visual.preprocess_cfg
        size = config["size"]
        self.image_size = size if isinstance(size, int) else size[0]
        self.mean = torch.tensor(config["mean"], device=self.device).view(3, 1, 1)
        self.std = torch.tensor(config["std"], device=self.device).view(3, 1, 1)
        self.embed_dim = self.encode_text("a").shape[1]

    def encode_text(self, prompts: str | Sequence[str]) -> torch.Tensor:
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        with torch.no_grad():
            return self.model.encode_text(self.tokenizer(prompts).to(self.device), normalize=True)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        size = (self.image_size, self.image_size)
        if tuple(images.shape[-2:]) != size:
            images = F.interpolate(images, size, mode="bicubic", antialias=True)
        return self.model.encode_image((images - self.mean) / self.std, normalize=True)

    def unknown_words(self, prompt: str) -> list[str]:
        return []


def load_clip(name: str = "picturebook", pretrained: str | None = None, *, device=None) -> Clip:
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    source = f"local-dir:{MODELS / name}" if name in EMBEDDED else name
    model = open_clip.create_model(source, pretrained, device=device)
    return Clip(name, model, open_clip.get_tokenizer(source), device)
