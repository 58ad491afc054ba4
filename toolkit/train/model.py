"""The recogniser's network: raw clips of any length in, one logit per gloss out.

Gap filling, resampling to the trained length, normalisation and the transformer are this one module, which is
trained and exported alike. It does not know gloss names, files or training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toolkit.errors import ConfigError
from toolkit.train.encoder import Dropout, EncoderLayer
from toolkit.train.landmark_features import EXTRAS, FEATURES
from toolkit.train.products import Linear
from toolkit.train.stems import NORMALIZATIONS, STEMS, PoseStem, Standardize


@dataclass(frozen=True)
class ModelSpec:
    """All that decides the network's shape. The defaults are the guide's small transformer.

    mode: "pose", "features" or "video"; item_shape: one frame's shape: (K, 4), (D,) or (H, W, 3);
    layout: landmark layout for pose, "" otherwise; num_frames: the length that clips are resampled to;
    normalization: one of NORMALIZATIONS[mode]; "auto" becomes the mode's default; features: which of FEATURES
    normalised landmarks are described by, () in the other modes; both_ways: prediction is the average over the clip
    and its mirror image, so that left- and right-handed signers are recognised alike (pose, "shoulders" only).

    Raises:
        ConfigError: a value is unknown or contradicts another.
    """

    mode: str
    item_shape: tuple[int, ...]
    layout: str
    num_frames: int
    num_classes: int
    embed_dim: int = 128
    num_heads: int = 4
    num_layers: int = 2
    ff_dim: int = 256
    dropout: float = 0.1
    normalization: str = "auto"
    features: tuple[str, ...] = FEATURES
    both_ways: bool = False

    def __post_init__(self) -> None:
        if self.mode not in STEMS:
            raise ConfigError(f"there is no mode '{self.mode}'; choose one of: {', '.join(STEMS)}")
        choices = NORMALIZATIONS[self.mode]
        if self.normalization == "auto":
            object.__setattr__(self, "normalization", choices[0])
        if self.normalization not in choices:
            raise ConfigError(
                f"model.normalization is '{self.normalization}' but model.input_type is '{self.mode}': "
                f"set normalization to one of: auto, {', '.join(choices)}"
            )
        if gone := [name for name in self.features if name not in FEATURES]:
            raise ConfigError(
                f"clips are described by {', '.join(gone)}, which this version does not know (any more): train "
                "again, or use the version that trained it. Exported models remain usable"
            )
        if self.normalization != "shoulders":
            object.__setattr__(self, "features", ())
            object.__setattr__(self, "both_ways", False)
        elif not set(self.features) - set(EXTRAS):
            raise ConfigError(
                f"features are {', '.join(self.features) or 'all off'}: nothing is left to tell signs apart by. "
                f"Switch on at least one of: {', '.join(name for name in FEATURES if name not in EXTRAS)}"
            )
        if self.embed_dim % self.num_heads:
            raise ConfigError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.num_classes < 2:
            raise ConfigError(f"a recogniser needs at least 2 glosses, got {self.num_classes}")


class SignClassifier(nn.Module):
    """Stem of the mode, learned positions, transformer encoder, mean over time, linear.

    Input: pose (N, T, K, 4) float32 with NaN where nothing was found; features (N, T, D) float32; video
    (N, T, H, W, 3) uint8 RGB. Any N >= 1, T >= 1. Output: logits (N, num_classes), finite for any input.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = STEMS[spec.mode](
            spec.item_shape, spec.layout, spec.num_frames, spec.embed_dim, spec.normalization, spec.features
        )
        # led by the right hand, a clip and its mirror image are the same one already
        self.both_ways = spec.both_ways and "leading_hand" not in spec.features
        if self.both_ways and isinstance(self.stem, PoseStem):
            self.stem.learn_mirror()
        self.positions = nn.Parameter(torch.randn(1, spec.num_frames, spec.embed_dim) * 0.02)
        self.dropout = Dropout(spec.dropout)
        self.encoder = nn.Sequential(
            *(
                EncoderLayer(spec.embed_dim, spec.num_heads, spec.ff_dim, spec.dropout)
                for _ in range(spec.num_layers)
            )
        )
        self.head = Linear(spec.embed_dim, spec.num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        if not (self.both_ways and isinstance(self.stem, PoseStem)):
            return self.classify(self.stem(clips))
        logits = self.classify(self.stem.both_ways(clips))
        return logits.reshape(2, -1, self.spec.num_classes).mean(0)

    def classify(self, embeddings: Tensor) -> Tensor:
        """(N, num_frames, embed_dim) out of the stem -> logits (N, num_classes)."""
        sequence = self.dropout(embeddings + self.positions)
        pooled = self.encoder(sequence).mean(1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits

    @torch.no_grad()
    def fit_normalization(self, batches: Iterable[Tensor]) -> None:
        """Set the standardisation figures from training clips; call it once before training."""
        standardize = getattr(self.stem, "standardize", None)
        if isinstance(standardize, Standardize):
            standardize.fit(self.stem.features(batch) for batch in batches)

    @property
    def num_parameters(self) -> int:
        """How many trained numbers the network has."""
        return sum(parameter.numel() for parameter in self.parameters())
