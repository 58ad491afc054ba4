"""Who validates: signers that training never sees, and checks that no clip is on both sides.

Knows names only, of clips of an index and of records of a store alike.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from toolkit.errors import ConfigError

VAL_SHARE = 0.2  # of the clips, about
FEWEST_CLIPS = 3  # of a gloss; with fewer it can hardly be learnt
SHOWN = 8  # names in a warning


class Labelled(Protocol):
    """A Clip or a Record."""

    @property
    def id(self) -> str: ...
    @property
    def gloss(self) -> str: ...
    @property
    def signer(self) -> str: ...


def choose_val_signers(clips: Sequence[Labelled], seed: int, share: float = VAL_SHARE) -> tuple[str, ...]:
    """Signers of about this share of the clips, drawn by seed, at least one and never all.

    A signer is passed over while it would take the last clip of a gloss out of training.

    Raises:
        ConfigError: clips name no signer, or fewer than two.
    """
    signers = signers_of(clips)
    order = list(signers)
    random.Random(seed).shuffle(order)
    wanted, left = share * len(clips), Counter(clip.gloss for clip in clips)
    chosen: list[str] = []
    taken = 0
    for signer in order:
        own = Counter(clip.gloss for clip in clips if clip.signer == signer)
        size = own.total()
        fits = taken + size <= 1.25 * wanted or not chosen
        if (
            fits
            and len(chosen) < len(signers) - 1
            and all(left[gloss] > count for gloss, count in own.items())
        ):
            chosen.append(signer)
            left -= own
            taken += size
        if taken >= wanted:
            break
    return tuple(sorted(chosen or order[:1]))


def signers_of(clips: Sequence[Labelled]) -> tuple[str, ...]:
    """The names of all signers, sorted.

    Raises:
        ConfigError: a clip names none, or there are fewer than two signers.
    """
    nameless = [clip.id for clip in clips if not clip.signer]
    signers = tuple(sorted({clip.signer for clip in clips if clip.signer}))
    cure = "give a csv index with a column 'signer' (toolkit extract --index clips.csv ...) and extract again"
    if nameless:
        raise ConfigError(
            f"{len(nameless)} of {len(clips)} clips name no signer, e.g. {nameless[0]}, so they cannot be split by "
            f"signer: {cure}; the records that are there are kept, only their labels are renewed"
        )
    if len(signers) < 2:
        raise ConfigError(
            f"there is only the signer '{signers[0] if signers else ''}': nothing can be held out"
        )
    return signers


def warn_of_few(names: Iterable[str]) -> list[str]:
    """Which glosses have too few training clips. names: the gloss of each clip."""
    few = sorted(gloss for gloss, count in Counter(names).items() if count < FEWEST_CLIPS)
    if not few:
        return []
    return [f"{len(few)} glosses have fewer than {FEWEST_CLIPS} training clips: {_listed(few)}"]


def warn_of_class_list(wanted: Sequence[str], glosses: Sequence[str]) -> list[str]:
    """How a class list and the glosses that will be trained differ."""
    absent, extra = sorted(set(wanted) - set(glosses)), sorted(set(glosses) - set(wanted))
    notes = []
    if absent:
        notes.append(f"{len(absent)} glosses of the class list have no training clip: {_listed(absent)}")
    if extra:
        notes.append(f"{len(extra)} glosses are trained that the class list lacks: {_listed(extra)}")
    return notes


def warn_of_duplicates(train: Mapping[str, str], val: Mapping[str, str]) -> list[str]:
    """Clips that are in both sets under whatever name. Both: id -> something equal only for equal clips."""
    seen = {content: name for name, content in train.items()}
    pairs = [f"{name} is {seen[content]}" for name, content in val.items() if content in seen]
    if not pairs:
        return []
    return [
        f"{len(pairs)} validation clips are training clips too, so the validation figures are too good "
        f"(validation clip is training clip): {_listed(pairs)}"
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
