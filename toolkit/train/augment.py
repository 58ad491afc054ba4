"""Random changes to training clips that keep the sign the same. One class per mode, one table.

Works on raw clips, before the model's own normalisation, so what is changed is what a camera could have seen.
Random numbers come from torch's global generator, which the training loop seeds for every epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from toolkit.landmarks import get_layout
from toolkit.train.mirror import mirror_landmarks
from toolkit.train.settings import AugmentationSettings

ASPECT = (
    4 / 3
)  # width/height taken for a rotation: landmarks are image fractions and do not tell the true one
Augmentation = Callable[[Tensor], Tensor]


class PoseAugmentation:
    """For landmarks (B, T, K, 4): time, mirror, direction, jitter, hands hidden for a while."""

    def __init__(self, settings: AugmentationSettings, layout: str) -> None:
        self.settings = settings
        self.layout = get_layout(layout)

    def __call__(self, clips: Tensor) -> Tensor:
        """A changed copy; NaN stays NaN."""
        s = self.settings
        clips = crop_and_warp(clips, s.crop, s.warp)
        if s.mirror:
            chosen = torch.rand(len(clips)) < s.mirror
            clips = torch.where(chosen[:, None, None, None], mirror_landmarks(clips, self.layout), clips)
        clips = self._move(clips)
        if s.noise:
            jitter = torch.randn(*clips.shape[:-1], 3) * s.noise
            clips = torch.cat([clips[..., :3] + jitter, clips[..., 3:]], -1)
        return self._hide_hands(clips) if s.hide_hand else clips

    def _move(self, clips: Tensor) -> Tensor:
        """Rotate and shear about the clip's mid-shoulder; each hand rotates about its wrist too.

        Neither shifted nor scaled: the model's normalisation undoes both.
        """
        s, size = self.settings, len(clips)
        centre = clips[:, :, self.layout.slots("left_shoulder", "right_shoulder"), :2]
        centre = centre.nanmean((1, 2)).nan_to_num(0.5)  # (B, 2); image centre where nobody was found
        flat = self._turn_hands(clips[..., :2]) if s.hand_rotation else clips[..., :2]
        turn = _turn(_symmetric(size, s.rotation))
        turn[:, 0, 1] += _symmetric(size, s.shear) / ASPECT
        moved = torch.baddbmm(
            (centre - torch.einsum("bij,bj->bi", turn, centre))[:, None], flat.flatten(1, 2), turn.mT
        )
        return torch.cat([moved.reshape(flat.shape), clips[..., 2:]], -1)

    def _turn_hands(self, flat: Tensor) -> Tensor:
        """(B, T, K, 2): rotate each hand that has landmarks of its own."""
        parts, size = [], len(flat)
        for name, slots in self.layout.parts.items():
            part = flat[:, :, slots.start : slots.stop]
            if name.endswith("hand"):
                turn = _turn(_symmetric(size, self.settings.hand_rotation))
                wrist = part[:, :, :1]
                part = ((part - wrist).flatten(1, 2) @ turn.mT).reshape(part.shape) + wrist
            parts.append(part)
        return torch.cat(parts, 2)

    def _hide_hands(self, clips: Tensor) -> Tensor:
        """Lose a hand for a third of the clip at most, where the layout has hands of their own."""
        length = clips.shape[1]
        frame = torch.arange(length)
        for name, slots in self.layout.parts.items():
            if not name.endswith("hand"):
                continue
            chosen = torch.rand(len(clips)) < self.settings.hide_hand
            start = torch.rand(len(clips)) * length
            span = torch.rand(len(clips)) * length / 3
            hidden = (frame >= start[:, None]) & (frame < (start + span)[:, None]) & chosen[:, None]
            mask = torch.zeros(*clips.shape[:3], dtype=torch.bool)
            mask[:, :, slots.start : slots.stop] = hidden[:, :, None]
            clips = clips.masked_fill(mask[..., None], math.nan)
        return clips


class FeatureAugmentation:
    """For CNN features (B, T, D): time, and noise on the scale of the batch's own spread."""

    def __init__(self, settings: AugmentationSettings, layout: str) -> None:
        self.settings = settings

    def __call__(self, clips: Tensor) -> Tensor:
        s = self.settings
        clips = crop_and_warp(clips, s.crop, s.warp)
        if s.feature_noise:
            spread = clips.flatten(0, 1).std(0, correction=0)
            clips = clips + torch.randn_like(clips) * spread * s.feature_noise
        return clips


class VideoAugmentation:
    """For frames (B, T, H, W, 3) uint8: time, mirror, and brightness of the whole clip."""

    def __init__(self, settings: AugmentationSettings, layout: str) -> None:
        self.settings = settings

    def __call__(self, clips: Tensor) -> Tensor:
        s = self.settings
        if s.crop or s.warp:  # whole frames: between two of them a hand would be seen twice
            size, length = clips.shape[:2]
            played = uneven_moments(size, length, s.crop, s.warp).round().long()
            clips = clips[torch.arange(size)[:, None], played]
        if s.mirror:
            chosen = torch.rand(len(clips)) < s.mirror
            clips = torch.where(chosen[:, None, None, None, None], clips.flip(3), clips)
        if s.brightness:
            factor = 1 + _symmetric(len(clips), s.brightness)[:, None, None, None, None]
            clips = (clips * factor).clamp(0, 255).to(torch.uint8)
        return clips


AUGMENTATIONS: dict[str, type[PoseAugmentation] | type[FeatureAugmentation] | type[VideoAugmentation]] = {
    "pose": PoseAugmentation,
    "features": FeatureAugmentation,
    "video": VideoAugmentation,
}
"""mode -> what changes its training clips."""


def make_augmentation(mode: str, settings: AugmentationSettings, layout: str) -> Augmentation | None:
    """The augmentation of a mode; None when it is switched off."""
    return AUGMENTATIONS[mode](settings, layout) if settings.enabled else None


def crop_and_warp(clips: Tensor, crop: float, warp: float) -> Tensor:
    """Play part of each clip at an uneven pace, in as many frames; between frames linearly.

    crop: up to this fraction is cut at either end; warp: log of the exponent of the time curve. Beside a
    frame in which nothing was found, the other one is taken as it is.
    """
    if not crop and not warp:
        return clips
    size, length = clips.shape[:2]
    moment = uneven_moments(size, length, crop, warp)
    before = moment.floor().long().clamp(0, length - 1)
    after = (before + 1).clamp(max=length - 1)
    weight = (moment - before).reshape(size, length, *[1] * (clips.dim() - 2))
    row = torch.arange(size)[:, None]
    first, second = clips[row, before], clips[row, after]
    mixed = torch.where(weight > 0, first + weight * (second - first), first)
    nearest = torch.where(weight < 0.5, first, second)
    return torch.where(mixed.isnan(), nearest, mixed)


def uneven_moments(size: int, length: int, crop: float, warp: float) -> Tensor:
    """(size, length) moments in 0..length-1, ascending in each row; crop, warp: see `crop_and_warp`."""
    share = torch.linspace(0, 1, length) ** _symmetric(size, warp).exp()[:, None]
    start, stop = torch.rand(size, 1) * crop, 1 - torch.rand(size, 1) * crop
    return (start + (stop - start) * share) * (length - 1)


def _turn(angle: Tensor) -> Tensor:
    """(B, 2, 2) that rotates columns (x, y) in image fractions."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin / ASPECT, sin * ASPECT, cos], -1).reshape(-1, 2, 2)


def _symmetric(size: int, limit: float) -> Tensor:
    """(size,) uniform in -limit..limit."""
    return (torch.rand(size) * 2 - 1) * limit
