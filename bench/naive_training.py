"""Training as one writes it first: the loop that `toolkit train` is measured beside. A peer, not for use.

One .npy file per clip, torch's DataLoader, nn.TransformerEncoder, AdamW, and a look at the loss after every step.
The network and its input are the guide's (normalization "none"), so that both loops do the same work and, from
the same weights and in the same order, give the same losses. Imported only in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

LEARNING_RATE = 2e-3


class ClipFiles(Dataset[tuple[Tensor, int]]):
    """CLIP.npy files of a folder, read when they are asked for; labels: file name without ending -> label."""

    def __init__(self, folder: Path, labels: dict[str, int]) -> None:
        self.folder, self.names, self.labels = folder, list(labels), list(labels.values())

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        clip = np.load(self.folder / f"{self.names[index]}.npy", allow_pickle=False)
        return torch.from_numpy(np.nan_to_num(clip)), self.labels[index]

    def __len__(self) -> int:
        return len(self.names)


class NaiveClassifier(nn.Module):
    """(N, T, ...) clips -> (N, num_classes): the guide's sizes, with torch's own encoder."""

    def __init__(self, num_frames: int, values: int, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.project = nn.Linear(values, 128)
        self.positions = nn.Parameter(torch.randn(1, num_frames, 128) * 0.02)
        self.dropout = nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(128, 4, 256, dropout, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(128, num_classes)

    def forward(self, clips: Tensor) -> Tensor:
        sequence = self.dropout(self.project(clips.flatten(2)) + self.positions)
        logits: Tensor = self.head(self.dropout(self.encoder(sequence).mean(1)))
        return logits


def write_files(folder: Path, clips: NDArray[np.float32]) -> list[str]:
    """One .npy per clip (N, T, ...); returns their names without ending, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"clip{number:05d}" for number in range(len(clips))]
    for name, clip in zip(names, clips, strict=True):
        np.save(folder / f"{name}.npy", clip)
    return names


def train_naively(
    model: nn.Module,
    clips: ClipFiles,
    batch_size: int,
    orders: Iterable[Sequence[int] | None],
    rate: Callable[[int], float] = lambda step: LEARNING_RATE,
    weight_decay: float = 0.01,
    on_step: Callable[[], None] = lambda: None,
) -> list[tuple[float, float]]:
    """One epoch per order (None: shuffled); returns each epoch's mean loss and share of right answers.

    rate: 0-based step -> learning rate; on_step is called after every step.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate(0), weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step) / rate(0))
    criterion = nn.CrossEntropyLoss()
    model.train()
    epochs = []
    for order in orders:
        loader = DataLoader(clips, batch_size=batch_size, sampler=order, shuffle=order is None)
        total, hits = 0.0, 0
        for batch, labels in loader:
            optimizer.zero_grad()
            logits = model(batch)
            loss = criterion(logits, labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(labels)
            hits += int((logits.argmax(1) == labels).sum().item())
            on_step()
        epochs.append((total / len(clips), hits / len(clips)))
    return epochs
