"""How much of the signs is in stored features: a linear probe, without any training of networks.

    python tests/benchmarks/linear_probe.py dataset/features [dataset/other_features ...]

A clip is the mean of its frames' embeddings, or the means of its four quarters side by side; standardised; ridge
regression on the glosses, its strength chosen by leaving one training clip out. "val": top-1 and top-5 of the
validation clips with Wilson intervals of 95 %. "LOO": of the training and validation clips together, those that are
recognised when left out one by one, at the best strength; it tells smaller differences apart, and is for comparing
stores only. The tables of docs/features.md are from this.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from toolkit.metrics import topk, wilson_interval
from toolkit.store import FeatureStore

STRENGTHS = tuple(10.0**power for power in np.arange(0, 6.5, 0.5))
Floats = NDArray[np.float64]


def clip_vectors(clips: NDArray[np.float32], parts: int) -> Floats:
    """(N, T, D) -> (N, parts * D): the mean of each part of a clip, side by side."""
    pieces = np.array_split(clips.astype(np.float64), parts, axis=1)
    return np.concatenate([piece.mean(1) for piece in pieces], axis=1)


def left_out_scores(vectors: Floats, wanted: Floats, strength: float) -> Floats:
    """(N, C): each clip's scores by the ridge regression of all others (the closed form of leaving one out)."""
    inverse = np.linalg.inv(vectors @ vectors.T + strength * np.eye(len(vectors)))
    scores: Floats = wanted - inverse @ wanted / np.diag(inverse)[:, None]
    return scores


def probe(store: FeatureStore, parts: int) -> str:
    """One line of figures."""
    split = np.array([record.split for record in store.records])
    names, labels = np.unique([record.gloss for record in store.records], return_inverse=True)
    wanted = np.eye(len(names))[labels]
    vectors = clip_vectors(store.load(store.ids), parts)
    train, val = split == "train", split == "val"
    mean, spread = vectors[train].mean(0), vectors[train].std(0) + 1e-12
    vectors = (vectors - mean) / spread

    def hits(scores: Floats, who: NDArray[np.bool_], k: int) -> float:
        return topk(scores, labels[who], k) * who.sum()

    strength = max(STRENGTHS, key=lambda s: hits(left_out_scores(vectors[train], wanted[train], s), train, 1))
    kernel = vectors[train] @ vectors[train].T + strength * np.eye(train.sum())
    scores = vectors[val] @ vectors[train].T @ np.linalg.solve(kernel, wanted[train])
    said = []
    for k in (1, 5):
        share = topk(scores, labels[val], k)
        low, high = wilson_interval(share, int(val.sum()))
        said.append(f"top-{k} {100 * share:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    used = train | val
    left_out = [left_out_scores(vectors[used], wanted[used], s) for s in STRENGTHS]
    best = [round(max(hits(scores, used, k) for scores in left_out)) for k in (1, 5)]
    return f"val {', '.join(said)}; LOO {best[0]} / {best[1]} of {used.sum()}"


def main(paths: list[str]) -> None:
    for path in paths:
        store = FeatureStore.open(path)
        for name, parts in (("mean", 1), ("quarters", 4)):
            print(f"{path}, {name}: {probe(store, parts)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
