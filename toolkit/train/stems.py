"""The model's first part, one class per mode: raw clips in, a sequence of embeddings out.

A stem takes clips as a store or a video gives them, of any length, and returns (N, num_frames, embed_dim), in two
steps: `features`, which has nothing to learn, and `embed`.
Which stem belongs to which mode is written in STEMS and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from toolkit.landmarks import get_layout
from toolkit.train.both_ways import mirrored_features
from toolkit.train.landmark_features import FEATURES, PIECES, describe
from toolkit.train.products import Linear
from toolkit.train.timeline import resample

LIMIT = 5.0  # standard deviations; rarer values say "broken", not "more"
SMALLEST_SD = 0.02  # a feature that hardly varies in training must not explode on other signers
OF_EITHER_HAND = ("hand_points", "finger_distances", "finger_bones", "body_distances")
"""Pieces of landmark_features whose first half is the left hand's and second half the right hand's."""


class Standardize(nn.Module):
    """(x - mean) / sd per feature with the training set's figures, clamped; identity until fitted."""

    mean: Tensor
    sd: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("sd", torch.ones(size))

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Take mean and sd over all rows of all batches, each (..., D)."""
        count, total, squares = 0, torch.zeros_like(self.mean).double(), torch.zeros_like(self.mean).double()
        for batch in batches:
            rows = batch.detach().flatten(0, -2).double()
            count += rows.shape[0]
            total += rows.sum(0)
            squares += rows.square().sum(0)
        mean = total / count
        self.mean.copy_(mean)
        self.sd.copy_((squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=SMALLEST_SD))

    def forward(self, values: Tensor) -> Tensor:
        return ((values - self.mean) / self.sd).clamp(-LIMIT, LIMIT)


class Stem(nn.Module, ABC):
    """What all stems do; their own part is `features`, and for images also `embed`."""

    standardize: nn.Module
    project: nn.Module
    num_frames: int

    def _fits(self, clips: Tensor) -> bool:
        """Whether resampling would change nothing; asked in training only, as a graph takes any length."""
        return self.training and clips.shape[1] == self.num_frames

    @abstractmethod
    def features(self, clips: Tensor) -> Tensor:
        """Raw clips -> what `embed` takes; nothing in it is learnt."""

    def embed(self, features: Tensor) -> Tensor:
        """-> (N, num_frames, embed_dim)."""
        embeddings: Tensor = self.project(self.standardize(features))
        return embeddings

    def forward(self, clips: Tensor) -> Tensor:
        return self.embed(self.features(clips))


class PoseStem(Stem):
    """Landmarks (N, T, K, 4), NaN where missing.

    normalization "shoulders": the named features of landmark_features, standardised. "none": the raw image
    coordinates with 0 for missing, as in the guide. source: (D,) for every feature the number of the piece that it
    was read off, each hand's counted by itself, with its velocity; presence is the last one.
    """

    source: Tensor
    mirror_columns: Tensor
    mirror_signs: Tensor

    def __init__(
        self,
        item_shape: tuple[int, ...],
        layout: str,
        num_frames: int,
        embed_dim: int,
        normalization: str,
        features: Sequence[str] = FEATURES,
    ) -> None:
        super().__init__()
        self.named = tuple(features)
        self.layout, self.num_frames, self.raw = get_layout(layout), num_frames, normalization == "none"
        size = self.features(torch.zeros(1, 2, *item_shape)).shape[-1]
        self.standardize = nn.Identity() if self.raw else Standardize(size)
        self.project = _projection(size, embed_dim, plain=self.raw)
        source = torch.zeros(size, dtype=torch.long) if self.raw else self._source(size, item_shape)
        self.register_buffer("source", source, persistent=False)

    def _source(self, size: int, item_shape: tuple[int, ...]) -> Tensor:
        numbers: list[int] = []
        for name in (name for name in PIECES if name in self.named):
            length = len(describe(torch.zeros(1, 2, *item_shape), self.layout, 2, (name,)))
            halves = 2 if name in OF_EITHER_HAND else 1
            for _ in range(halves):
                numbers += [numbers[-1] + 1 if numbers else 0] * (length // halves)
        if "velocities" in self.named:
            numbers += numbers
        presence = [max(numbers) + 1] * (size - len(numbers))
        return torch.tensor(numbers + presence)

    def drop_pieces(self, features: Tensor, probability: float) -> Tensor:
        """Features with whole pieces at the training set's mean, each of each clip with this probability.

        A network that may rely on every piece relies on all of them at once; signs of other people agree in some.
        """
        if not isinstance(self.standardize, Standardize):
            return features
        kept = torch.rand(len(features), int(self.source.max()) + 1) >= probability
        return torch.where(kept[:, self.source].unsqueeze(1), features, self.standardize.mean)

    def features(self, clips: Tensor) -> Tensor:
        """(N, T, K, 4) -> (N, num_frames, D), before standardisation."""
        if self.raw:
            values = torch.nan_to_num(clips).flatten(2)
            return values if self._fits(clips) else resample(values, self.num_frames)
        return describe(clips, self.layout, self.num_frames, self.named).permute(1, 2, 0)

    def learn_mirror(self) -> None:
        """Find out what a mirror does to the features, which `both_ways` needs to know."""
        columns, signs = mirrored_features(self.layout, self.named)
        either = torch.cat([torch.arange(len(columns)), columns])
        self.register_buffer("mirror_columns", either, persistent=False)  # (2 D,)
        self.register_buffer("mirror_signs", torch.stack([torch.ones_like(signs), signs]), persistent=False)

    def both_ways(self, clips: Tensor) -> Tensor:
        """(N, T, K, 4) -> (2 N, num_frames, embed_dim): the clips, then their mirror images."""
        features = describe(clips, self.layout, self.num_frames, self.named)
        either = features.index_select(0, self.mirror_columns).reshape(2, *features.shape)
        signs = self.mirror_signs[:, None, None]  # (2, 1, 1, D)
        return self.embed(either.permute(0, 2, 3, 1) * signs).flatten(0, 1)


class FeatureStem(Stem):
    """CNN features (N, T, D); "standard": standardised by the training set, "none": as they are."""

    def __init__(
        self,
        item_shape: tuple[int, ...],
        layout: str,
        num_frames: int,
        embed_dim: int,
        normalization: str,
        features: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.num_frames = num_frames
        raw = normalization == "none"
        self.standardize = nn.Identity() if raw else Standardize(item_shape[0])
        self.project = _projection(item_shape[0], embed_dim, plain=raw)

    def features(self, clips: Tensor) -> Tensor:
        """(N, T, D) -> (N, num_frames, D)."""
        return clips if self._fits(clips) else resample(clips, self.num_frames)


class VideoStem(Stem):
    """RGB frames (N, T, H, W, 3) uint8 through a small strided CNN, frame by frame."""

    def __init__(
        self,
        item_shape: tuple[int, ...],
        layout: str,
        num_frames: int,
        embed_dim: int,
        normalization: str,
        features: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.num_frames, self.raw = num_frames, normalization == "none"
        blocks: list[nn.Module] = []
        for inside, outside, kernel, stride in (
            (3, 16, 7, 4),
            (16, 32, 3, 2),
            (32, 64, 3, 2),
            (64, 96, 3, 2),
        ):
            blocks += [
                nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
                nn.GroupNorm(8, outside),  # not batch norm: frames of one clip are no independent samples
                nn.ReLU(),
            ]
        self.cnn = nn.Sequential(*blocks)
        self.project = nn.Linear(96, embed_dim)

    def features(self, clips: Tensor) -> Tensor:
        """(N, T, H, W, 3) uint8 -> float32 about 0."""
        images = clips.float() / 255.0
        return images if self.raw else (images - 0.5) * 4.0

    def embed(self, features: Tensor) -> Tensor:
        """-> (N, num_frames, embed_dim)."""
        images = features.flatten(0, 1).permute(0, 3, 1, 2)
        embeddings = self.project(self.cnn(images).mean((2, 3))).unflatten(0, features.shape[:2])
        return resample(embeddings, self.num_frames)


def _projection(size: int, embed_dim: int, plain: bool) -> nn.Module:
    return (
        Linear(size, embed_dim) if plain else nn.Sequential(Linear(size, embed_dim), nn.LayerNorm(embed_dim))
    )


STEMS: dict[str, type[PoseStem] | type[FeatureStem] | type[VideoStem]] = {
    "pose": PoseStem,
    "features": FeatureStem,
    "video": VideoStem,
}
"""mode -> stem class."""
NORMALIZATIONS = {
    "pose": ("shoulders", "none"),
    "features": ("standard", "none"),
    "video": ("standard", "none"),
}
"""mode -> what it can be normalised by; the first is the default ("auto")."""
