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
from toolkit.train.settings import AugmentationSettings
from toolkit.train.timeline import plain_interpolation

ASPECT = (
    4 / 3
)  # width/height taken for a rotation: landmarks are image fractions and do not tell the true one
Augmentation = Callable[[Tensor], Tensor]


class PoseAugmentation:
    """For landmarks (B, T, K, 4): time, mirror, direction, jitter, hands hidden for a while.

    All that moves points is one product per part of the body, and missing parts are marked once, at the end: a fifth
    of a training step would else go into passes over the clips.
    """

    def __init__(self, settings: AugmentationSettings, layout: str) -> None:
        self.settings = settings
        self.layout = get_layout(layout)
        starts = [slots.start for slots in self.layout.parts.values()]
        self._swap = list(self.layout.swap)
        self._swap_parts = [starts.index(self.layout.swap[start]) for start in starts]

    def __call__(self, clips: Tensor) -> Tensor:
        """A changed copy; what is missing stays missing, the whole part of it."""
        s, (size, length, points, values) = self.settings, clips.shape
        ranges = [slice(slots.start, slots.stop) for slots in self.layout.parts.values()]
        gone = torch.stack([clips[:, :, part].sum((2, 3)).isnan() for part in ranges])  # (P, B, T)
        known = torch.nan_to_num(clips)
        moments = uneven_moments(size, length, s.crop, s.warp) if s.crop or s.warp else None
        flip = torch.ones(size)
        if s.mirror:
            chosen = torch.rand(size) < s.mirror
            flip[chosen] = -1
            known[chosen] = known[chosen][:, :, self._swap]
            gone[:, chosen] = gone[self._swap_parts][:, chosen]
        parts = [known[:, :, part].flatten(2) for part in ranges]  # (B, T, 4 k) each
        if moments is not None:
            parts, gone = _play(parts, gone, moments)
        moved = self._move(parts, gone, flip)
        changed = torch.cat(moved, 2).reshape(size, length, points, values)
        if s.noise:
            changed[..., :3].add_(torch.randn(size, length, points, 3), alpha=s.noise)
        for part, lost in zip(ranges, self._hide_hands(gone), strict=True):
            changed[:, :, part].masked_fill_(lost[..., None, None], math.nan)
        return changed

    def _move(self, parts: list[Tensor], gone: Tensor, flip: Tensor) -> list[Tensor]:
        """Mirror, rotate and shear about the clip's mid-shoulder; each hand rotates about its wrist too.

        Neither shifted nor scaled: the model's normalisation undoes both. flip: (B,) -1 where x becomes 1 - x.
        """
        s, size = self.settings, len(flip)
        if not (s.mirror or s.rotation or s.shear or s.hand_rotation):
            return parts
        hands = {}
        for number, name in enumerate(self.layout.parts):
            if s.hand_rotation and name.endswith("hand"):
                hands[number] = _turn(_symmetric(size, s.hand_rotation))
        turn = _turn(_symmetric(size, s.rotation))
        turn[:, 0, 1] += _symmetric(size, s.shear) / ASPECT
        mirror = torch.eye(2).repeat(size, 1, 1)
        mirror[:, 0, 0] = flip
        start = torch.stack(
            [(1 - flip) / 2, torch.zeros(size)], 1
        )  # where the origin comes to lie in the mirror
        centre = torch.einsum("bij,bj->bi", mirror, self._mid_shoulder(parts[0], gone[0])) + start
        shift = torch.einsum("bij,bj->bi", turn, start - centre) + centre
        moved = []
        for number, part in enumerate(parts):
            whole = turn @ mirror
            own = turn @ hands[number] @ mirror if number in hands else whole
            matrix = torch.eye(4).repeat(size, 1, 1)
            matrix[:, :2, :2] = own
            offset = torch.nn.functional.pad(shift, (0, 2))[:, None]
            points = part.reshape(size, -1, 4)  # (B, T * k, 4)
            result = torch.baddbmm(offset, points, matrix.mT).view(part.shape)
            if number in hands:  # the wrist stays on the arm
                kept = part[..., :2] @ (whole - own).mT
                result.view(*result.shape[:2], -1, 4)[..., :2].add_(kept[:, :, None])
            moved.append(result)
        return moved

    def _mid_shoulder(self, body: Tensor, gone: Tensor) -> Tensor:
        """(B, 2): the mean over the frames that show the body (B, T, 4 k); the image centre where none does."""
        left, right = self.layout.slots("left_shoulder", "right_shoulder")
        middle = (body[..., 4 * left : 4 * left + 2] + body[..., 4 * right : 4 * right + 2]) / 2
        seen = (~gone).float()
        count = seen.sum(1, keepdim=True)
        mean = (middle * seen[..., None]).sum(1) / count.clamp(min=1)
        return torch.where(count > 0, mean, 0.5)

    def _hide_hands(self, gone: Tensor) -> Tensor:
        """Lose a hand for a third of the clip at most, where the layout has hands of their own. (P, B, T) -> same."""
        if not self.settings.hide_hand:
            return gone
        _, size, length = gone.shape
        frame = torch.arange(length)
        hidden = []
        for name, lost in zip(self.layout.parts, gone, strict=True):
            if name.endswith("hand"):
                chosen = torch.rand(size) < self.settings.hide_hand
                start = torch.rand(size) * length
                span = torch.rand(size) * length / 3
                lost = lost | (
                    (frame >= start[:, None]) & (frame < (start + span)[:, None]) & chosen[:, None]
                )
            hidden.append(lost)
        return torch.stack(hidden)


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


def _play(parts: list[Tensor], gone: Tensor, moments: Tensor) -> tuple[list[Tensor], Tensor]:
    """Parts (B, T, d) at moments (B, T) of each clip, between frames linearly; gone: (P, B, T), what is missing.

    Beside a frame in which a part is missing the nearer one counts, whether it is missing or not.
    """
    before, after = moments.floor(), moments.ceil()
    nearer = torch.where(moments - before < 0.5, before, after)
    first, last, lost = (
        gone.gather(2, frame.long().expand(gone.shape)) for frame in (before, after, nearer)
    )  # (P, B, T) each
    at = torch.where(first != last, nearer, moments)
    weights = plain_interpolation(moments.shape[1], at).mT  # (P, B, T, T)
    return [own @ part for own, part in zip(weights, parts, strict=True)], lost


def crop_and_warp(clips: Tensor, crop: float, warp: float) -> Tensor:
    """Play part of each clip (B, T, D) at an uneven pace, in as many frames; between frames linearly.

    crop: up to this fraction is cut at either end; warp: log of the exponent of the time curve.
    """
    if not crop and not warp:
        return clips
    size, length = clips.shape[:2]
    return plain_interpolation(length, uneven_moments(size, length, crop, warp)).mT @ clips


def uneven_moments(size: int, length: int, crop: float, warp: float) -> Tensor:
    """(size, length) moments in 0..length-1, ascending in each row; crop, warp: see `crop_and_warp`."""
    share = torch.linspace(0, 1, length) ** _symmetric(size, warp).exp()[:, None]
    start, stop = torch.rand(size, 1) * crop, 1 - torch.rand(size, 1) * crop
    played = (start + (stop - start) * share) * (length - 1)
    return played.clamp(0.0, length - 1.0)  # whatever the rounding


def _turn(angle: Tensor) -> Tensor:
    """(B, 2, 2) that rotates columns (x, y) in image fractions."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin / ASPECT, sin * ASPECT, cos], -1).reshape(-1, 2, 2)


def _symmetric(size: int, limit: float) -> Tensor:
    """(size,) uniform in -limit..limit."""
    return (torch.rand(size) * 2 - 1) * limit
