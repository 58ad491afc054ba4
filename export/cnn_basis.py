"""The directions in which the frames of sign videos differ most, as the CNN sees them: toolkit/weights/*_basis.npy.

    toolkit extract --mode features --embed_dim 1280 --precision fp32 --split train --output_dir STORE ...
    python -m export.cnn_basis --store STORE --output toolkit/weights/efficientnet_lite0_basis.npy

Principal components of all training frames in a store of raw embeddings, best first. The file holds these directions
and nothing of any single clip. The same store gives the same bytes again on the same machine.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ExportError, ToolkitError
from toolkit.extract.cnn_projection import BASIS_DIM, NETWORK, POOLED_DIM
from toolkit.store import FeatureStore

SPLIT = "train"
FEWEST_FRAMES = 4 * BASIS_DIM
MAX_SKEW = 2e-3
"""Largest inner product allowed between two directions, which float16 leaves a little short of orthogonal."""


def principal_components(frames: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """frames: (N, D) -> (D, D) orthonormal columns, and (D,) the variance along each, largest first.

    The sign of a column is chosen so that its largest entry is positive.
    """
    centred = frames - frames.mean(axis=0)
    variance, columns = np.linalg.eigh(centred.T @ centred / len(frames))
    columns = columns[:, ::-1]
    columns = columns * np.sign(columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])])
    return columns, variance[::-1]


def make_basis(store: FeatureStore) -> tuple[NDArray[np.float16], float]:
    """(1280, 256) float16 and the fraction of the variance that it keeps.

    Raises:
        ExportError: the store does not hold enough raw fp32 embeddings of training frames.
    """
    made_by = store.spec.extractor
    if (made_by.get("network"), made_by.get("projection"), made_by.get("precision")) != (
        NETWORK,
        "none",
        "fp32",
    ):
        raise ExportError(
            f"{store.path} holds {made_by}; make a store with: toolkit extract --mode features "
            f"--embed_dim {POOLED_DIM} --precision fp32"
        )
    ids = [record.id for record in store.records if record.split == SPLIT]
    frames = store.load(ids).reshape(-1, POOLED_DIM).astype(np.float64)
    if len(frames) < FEWEST_FRAMES:
        raise ExportError(f"{store.path} has {len(frames)} training frames; {FEWEST_FRAMES} are needed")
    columns, variance = principal_components(frames)
    basis = columns[:, :BASIS_DIM].astype(np.float16)
    skew = np.abs(basis.astype(np.float64).T @ basis.astype(np.float64) - np.eye(BASIS_DIM)).max()
    if not skew <= MAX_SKEW:
        raise ExportError(f"the directions are orthonormal to {skew:.1e} only; {MAX_SKEW:.0e} is needed")
    return basis, float(variance[:BASIS_DIM].sum() / variance.sum())


def main() -> int:
    """The command line; returns the exit status (2: the user can fix it)."""
    parser = argparse.ArgumentParser("python -m export.cnn_basis", description="Write the CNN's projection.")
    parser.add_argument("--store", type=Path, required=True, help="a store of raw embeddings")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    args = parser.parse_args()
    try:
        basis, kept = make_basis(FeatureStore.open(args.store))
    except ToolkitError as error:
        print(f"export.cnn_basis: {error}", file=sys.stderr)
        return 2
    buffer = io.BytesIO()
    np.save(buffer, basis, allow_pickle=False)
    args.output.write_bytes(buffer.getvalue())
    print(f"{args.output}: {basis.shape} float16, {100 * kept:.1f} % of the variance")
    print(f"SHA-256 for toolkit/weights/__init__.py: {hashlib.sha256(buffer.getvalue()).hexdigest()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
