"""The features of a clip's mirror image, read off the clip's own: the same figures elsewhere, some with a minus.

So a network that looks at a clip both ways needs the clip described once. Which figure becomes which is found by
describing a drawn clip and its mirror image, and holds for every clip, as each feature treats left and right alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from toolkit.landmarks import Layout
from toolkit.train.landmark_features import describe
from toolkit.train.mirror import mirror_landmarks


def mirrored_features(layout: Layout, features: Sequence[str]) -> tuple[Tensor, Tensor]:
    """columns (D,), signs (D,): feature d of a mirror image is signs[d] times feature columns[d] of the clip.

    features: as for `describe`, without "leading_hand", which leaves nothing to mirror.
    """
    drawn = torch.Generator().manual_seed(0)
    clip = torch.rand(1, 7, *layout.item_shape, generator=drawn)
    # both hands up, so that they count as raised, and each missing in frames of its own, so that `found` differs
    clip[..., 1] *= 0.2
    clip[..., layout.slots("left_hip", "right_hip"), 1] += 0.8
    clip[..., layout.slots("left_shoulder"), 0] += 1  # wide enough for nothing to be out of bounds
    for name, frame in (("body", 0), ("left_hand", 2), ("right_hand", 4)):
        if name in layout.parts:
            clip[:, frame, layout.parts[name].start : layout.parts[name].stop] = torch.nan
    before, after = (
        describe(one, layout, 7, features).flatten(1) for one in (clip, mirror_landmarks(clip, layout))
    )
    exact = "donot_use_mm_for_euclid_dist"
    apart = torch.stack([torch.cdist(sign * after, before, compute_mode=exact) for sign in (1.0, -1.0)])
    nearest = apart.min(0)  # of (2, D, D)
    columns = nearest.values.argmin(1)
    assert apart.amin((0, 2)).max() < 1e-3, "a feature has no mirror image"
    signs = 1.0 - 2.0 * nearest.indices.gather(1, columns[:, None])[:, 0]
    return columns, signs
