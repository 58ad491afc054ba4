"""Whether a run and the clips at hand belong together, and if not, what changed, in words and not as dumps.

Takes names, numbers and texts; knows nothing about stores or networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from toolkit.untrusted import listed

SPEC_WORDS = {
    "mode": "mode",
    "layout": "landmark layout",
    "num_frames": "frames per clip",
    "item_shape": "values per frame",
    "features": "features of the landmarks",
}
"""What a model is made for -> how people call it. Its other numbers come from settings, compared before."""
Fingerprint = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Data:
    """What a run was trained on, or would be.

    clips: set ("train", "val") -> "N-HASH" of its ids and glosses, "0" for none; spec: what the model is made for.
    """

    clips: Mapping[str, str]
    glosses: Sequence[str]
    extractor: Fingerprint
    spec: Mapping[str, object] = field(default_factory=dict)


def what_changed(before: Data, now: Data) -> list[str]:
    """What differs, one phrase each; [] where both are the same data."""
    changes = []
    for part, name in (("train", "training"), ("val", "validation")):
        then, here = before.clips.get(part, "0"), now.clips.get(part, "0")
        if then == here:
            continue
        count, today = then.partition("-")[0], here.partition("-")[0]
        if count == today:
            changes.append(
                f"{count} {name} clips then and now, but not the same ones or not with the same glosses"
            )
        else:
            changes.append(f"{count} {name} clips then, {today} now")
    added = [gloss for gloss in now.glosses if gloss not in before.glosses]
    gone = [gloss for gloss in before.glosses if gloss not in now.glosses]
    changes += [f"glosses added: {listed(added)}"] if added else []
    changes += [f"glosses no longer there: {listed(gone)}"] if gone else []
    for key, name in SPEC_WORDS.items():
        if before.spec.get(key) != now.spec.get(key):
            changes.append(
                f"{name}: {plain_value(before.spec.get(key))} then, {plain_value(now.spec.get(key))} now"
            )
    changes += extractor_changes(before.extractor, now.extractor)
    if not changes and before != now:
        changes.append("the network, which this version of the package makes in another way")
    return changes


def extractor_changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """How two fingerprints of an extractor differ, such as "extractor's backend: onnx then, mediapipe now"."""
    changes = []
    for key in sorted({*before, *now}):
        if before.get(key) == now.get(key):
            continue
        if key.endswith("_sha256"):
            changes.append(f"extractor's {key.removesuffix('_sha256')}: not the same file")
        else:
            changes.append(
                f"extractor's {key}: {plain_value(before.get(key))} then, {plain_value(now.get(key))} now"
            )
    return changes


def plain_value(value: object) -> str:
    """A value of a ModelSpec or fingerprint as people write it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
