"""Who validates when signers must not be on both sides, and what is warned of."""

from dataclasses import dataclass

import pytest

from toolkit.errors import ConfigError
from toolkit.metrics import confused_pairs, confusion, t_interval
from toolkit.train.split import (
    check_signers,
    choose_val_signers,
    signers_of,
    warn_of_class_list,
    warn_of_duplicates,
    warn_of_few,
    warn_of_seen_signers,
)


@dataclass(frozen=True)
class Take:
    id: str
    gloss: str
    signer: str


def takes(signers, glosses=("book", "go"), each=2):
    return [
        Take(f"{signer}-{gloss}-{number}", gloss, signer)
        for signer in signers
        for gloss in glosses
        for number in range(each)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_about_a_fifth_is_held_out_by_signer(seed):
    clips = takes([f"s{number}" for number in range(10)])
    chosen = choose_val_signers(clips, seed)
    assert len(chosen) == 2 and chosen == choose_val_signers(clips, seed)


def test_another_seed_draws_others():
    clips = takes([f"s{number}" for number in range(10)])
    assert len({choose_val_signers(clips, seed) for seed in range(8)}) > 1


@pytest.mark.parametrize("seed", range(6))
def test_the_only_signer_of_a_gloss_trains_it(seed):
    clips = [*takes(["a", "b", "c"]), *takes(["expert"], ["rare"])]
    assert "expert" not in choose_val_signers(clips, seed)


def test_with_two_signers_one_is_left_for_training():
    assert len(choose_val_signers(takes(["a", "b"]), 0)) == 1


def test_without_names_nothing_can_be_split():
    with pytest.raises(ConfigError, match=r"2 of 6 clips .* 'signer'"):
        signers_of([*takes(["a", "b"], ["book"]), Take("x", "book", ""), Take("y", "go", "")])
    with pytest.raises(ConfigError, match="only the signer 'a'"):
        signers_of(takes(["a"]))


def test_warnings():
    (few,) = warn_of_few(["go", "go", "go", "book"])
    assert few.startswith("1 gloss has fewer than 3 training clips") and few.endswith(": book (1)")
    (few,) = warn_of_few(["go", "book", "book"])
    assert few.startswith("2 glosses have") and few.endswith(": book (2), go (1)")
    assert warn_of_few(["go"] * 3) == []
    absent, extra = warn_of_class_list(["go", "fly"], ["go", "book"])
    assert "fly" in absent and "book" in extra
    assert warn_of_class_list(["go"], ["go"]) == []
    (twice,) = warn_of_duplicates({"a": "1", "b": "2"}, {"c": "2", "d": "3"})
    assert "c is b" in twice
    assert warn_of_duplicates({"a": "1"}, {"b": "2"}) == []


def test_signers_on_both_sides_are_warned_of_once():
    (note,) = warn_of_seen_signers(["anna", "ben", "anna"], ["anna", "cleo"])
    assert note.startswith("1 of 2 validation clips is of signers that training sees as well")
    assert "--split_by signer" in note and "--leave_signers_out" in note
    assert warn_of_seen_signers(["anna", "anna"], ["ben"]) == []
    assert warn_of_seen_signers(["", ""], [""]) == []  # nothing is known, which extract says


def test_the_cure_for_signers_on_both_sides_is_one_that_works():
    """--split_by signer refuses clips of one signer only, and clips without a name."""
    (alone,) = warn_of_seen_signers(["anna"], ["anna"])
    assert "second person" in alone
    (unnamed,) = warn_of_seen_signers(["anna", "ben", ""], ["anna"])
    assert "once all clips name their signer" in unnamed


def test_a_signer_who_is_not_there_is_named_with_those_who_are():
    clips = takes([f"s{number:02}" for number in range(12)], each=1)
    check_signers(["s03"], clips)
    with pytest.raises(ConfigError, match=r"'Anna'.*s00, s01,.* s09 and 2 more"):
        check_signers(["s03", "Anna"], clips)
    with pytest.raises(ConfigError, match=r"'Anna'.*column 'signer'"):
        check_signers(["Anna"], takes([""]))


def test_confused_pairs_count_both_directions():
    import numpy as np

    counts = confusion(np.array([1, 0, 0, 2, 2]), np.array([0, 1, 1, 2, 1]), 3)
    assert confused_pairs(counts, 5) == [(0, 1, 3), (1, 2, 1)]
    assert confused_pairs(counts, 1) == [(0, 1, 3)]


def test_the_interval_of_a_mean_is_students():
    low, high = t_interval([0.9, 1.0, 0.8, 0.9])
    assert (low, high) == pytest.approx((0.9 - 0.1299, 0.9 + 0.1299), abs=1e-3)
    assert t_interval([0.5]) == (-float("inf"), float("inf"))
