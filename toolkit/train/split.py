"""Who validates: signers that training never sees, and checks that no clip is on both sides.

Knows names only, of clips of an index and of records of a store alike.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from toolkit.errors import ConfigError
from toolkit.untrusted import listed

VAL_SHARE = 0.2  # of the clips, about
FEWEST_CLIPS = 3  # of a gloss; with fewer it can hardly be learnt


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
    cure = (
        "say who signs, in a csv with a column 'signer' (extract again: the records are kept, their labels renewed) "
        "or in folders GLOSS/SIGNER/clip.mp4 (extract into a new --output_dir: these are other files)"
    )
    if nameless:
        raise ConfigError(
            f"{len(nameless)} of {len(clips)} clips name no signer, e.g. {nameless[0]}, so they cannot be split by "
            f"signer: {cure}"
        )
    if len(signers) < 2:
        raise ConfigError(
            f"there is only the signer '{signers[0] if signers else ''}': nothing can be held out"
        )
    return signers


def check_signers(wanted: Iterable[str], clips: Iterable[Labelled], flag: str = "--val_signers") -> None:
    """Make sure that every signer who is asked for, by this flag, is there.

    Raises:
        ConfigError: one has no clip; names it and those that there are.
    """
    known = sorted({clip.signer for clip in clips if clip.signer})
    absent = [name for name in wanted if name not in known]
    if not absent:
        return
    there = f"the signers there are: {listed(known)}"
    if not known:
        there = (
            "these clips name no signers; say who signs (folders GLOSS/SIGNER/clip.mp4, or a csv with a column "
            "'signer') and run toolkit extract again"
        )
    names = ", ".join(f"'{name}'" for name in absent)
    raise ConfigError(f"no clip is of signer {names} ({flag}): {there}")


def warn_of_seen_signers(train: Iterable[str], val: Iterable[str]) -> list[str]:
    """How many validation clips are of signers that training sees as well. Both: the signer of each clip, "" where
    it is unknown: of those nothing is said."""
    train, val = list(train), list(val)
    known = {*train, *val} - {""}
    seen = sum(name in known and name in set(train) for name in val)
    if not seen:
        return []
    count = f"{seen} of {len(val)} validation clips {_is_are(seen)} of signers that training sees as well"
    if len(known) < 2:
        cure = "clips of a second person would let it be measured (--split_by signer)"
    elif "" in {*train, *val}:
        cure = "once all clips name their signer, --split_by signer keeps whole signers for validation"
    else:
        cure = (
            "--split_by signer keeps whole signers for validation; toolkit evaluate RUN --leave_signers_out "
            "measures it"
        )
    return [f"{count}: with new people expect less. {cure}"]


def _is_are(count: int) -> str:
    return "is" if count == 1 else "are"


def counted(count: int, noun: str, many: str = "") -> str:
    """Such as "1 gloss" and "2 glosses"; many: the plural where it is not the noun and an s."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def warn_of_few(names: Iterable[str]) -> list[str]:
    """Which glosses have too few training clips. names: the gloss of each clip."""
    clips_of = Counter(names)
    few = sorted(gloss for gloss, count in clips_of.items() if count < FEWEST_CLIPS)
    if not few:
        return []
    have = "has" if len(few) == 1 else "have"
    return [
        f"{counted(len(few), 'gloss', 'glosses')} {have} fewer than {FEWEST_CLIPS} training clips and can hardly be "
        f"learnt; record more takes: {listed([f'{gloss} ({clips_of[gloss]})' for gloss in few])}"
    ]


def warn_of_class_list(wanted: Sequence[str], glosses: Sequence[str]) -> list[str]:
    """How a class list and the glosses that will be trained differ."""
    absent, extra = sorted(set(wanted) - set(glosses)), sorted(set(glosses) - set(wanted))
    notes = []
    if absent:
        some = f"{counted(len(absent), 'gloss', 'glosses')} of the class list"
        notes.append(f"{some} {'has' if len(absent) == 1 else 'have'} no training clip: {listed(absent)}")
    if extra:
        some = counted(len(extra), "gloss", "glosses")
        notes.append(f"{some} {_is_are(len(extra))} trained that the class list lacks: {listed(extra)}")
    return notes


def warn_of_duplicates(train: Mapping[str, str], val: Mapping[str, str]) -> list[str]:
    """Clips that are in both sets under whatever name. Both: id -> something equal only for equal clips."""
    seen = {content: name for name, content in train.items()}
    pairs = [f"{name} is {seen[content]}" for name, content in val.items() if content in seen]
    if not pairs:
        return []
    return [
        f"{counted(len(pairs), 'validation clip')} {_is_are(len(pairs))} in training too, so the validation "
        "figures are too good "
        f"(validation clip is training clip): {listed(pairs)}"
    ]
