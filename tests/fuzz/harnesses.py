"""What is fuzzed: every reader of files that travel. An input is read, or refused with a ToolkitError; all else
that can happen (another exception, a hang, memory without bound, a crash) is a finding.

A harness makes its number-th input from a seed, so that any input can be made again from its number alone.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutate import change_bytes, change_values, to_json

from toolkit.class_list import read_class_list
from toolkit.clips import Clip, read_wlasl
from toolkit.errors import ToolkitError
from toolkit.metadata import ModelMetadata
from toolkit.recognizer import Recognizer
from toolkit.recordings import read_index
from toolkit.store import FeatureStore, StoreSpec, StoreWriter
from toolkit.store.files import decode_line, encode_line

TINY = Path(__file__).resolve().parents[1] / "data" / "tiny_pose.onnx"
TAKE = {"video_id": "a", "split": "train", "signer_id": 7, "frame_start": 1, "frame_end": -1}
WLASL = [
    {
        "gloss": "book",
        "instances": [TAKE, TAKE | {"video_id": "b", "split": "val", "frame_start": 3, "frame_end": 9}],
    },
    {"gloss": "drink", "instances": [TAKE | {"video_id": "c", "split": "test"}]},
]
CSV = b"path,gloss,split,signer,id,frame_start,frame_end\na.mp4,book,train,anna,1,1,-1\nb.mp4,go,val,ben,2,3,9\n"
CLASSES = b"0\tbook\n1\tdrink\n2\tgo\n"
SUBSET = {"a": {"subset": "train", "action": [0, 1, 30]}, "b": {"subset": "val", "action": [1, 2, 40]}}
SPEC = StoreSpec("pose", (3, 4), 2, "body", {"backend": "test", "kernel": 9, "threshold": 0.5})
CONFIG: dict[str, Any] = {
    "model": {"embed_dim": 64, "num_heads": 4, "dropout": 0.1, "input_type": "pose"},
    "efficiency": {"use_pre_extracted": True, "use_pose": True, "pose_dir": "dataset/poses"},
    "training": {"epochs": 3, "learning_rate": 0.001, "seed": 0},
    "data": {"train_splits": ["train"], "num_frames": 8},
}


def in_memory() -> str | None:
    """A folder on no disk, where there is one: harnesses write each input to a file."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class Harness:
    """One reader: `make` gives the bytes of an input, `read` reads them and raises what the reader raises."""

    name = ""

    def __init__(self, folder: Path) -> None:
        """folder: where the harness may write, best in memory; no two at once."""
        self.folder = folder

    def make(self, chance: random.Random) -> bytes:
        raise NotImplementedError

    def read(self, data: bytes) -> None:
        raise NotImplementedError

    def input(self, seed: int, number: int) -> bytes:
        """The number-th input of a seed."""
        return self.make(random.Random(f"{seed} {self.name} {number}"))

    def accepts(self, data: bytes) -> bool:
        """Whether the input was read; False where it was refused. Raises what is a finding."""
        try:
            self.read(data)
        except ToolkitError as error:
            text = str(error)
            assert text.strip() and len(text) < 20_000, "a message says what is wrong, in short"
            assert "\x1b" not in text and "\0" not in text and text.encode(), "it can be printed without harm"
            return False
        return True


class IndexReader(Harness):
    """WLASL json, its subset, the class list, and a csv: the first byte of an input says which."""

    name = "index"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in "abc":
            (folder / f"{name}.mp4").write_bytes(b"x")
        self.good = {b"j": to_json(WLASL), b"s": to_json(SUBSET), b"l": CLASSES, b"c": CSV}
        self.files = {kind: folder / f"file{number}" for number, kind in enumerate(self.good)}
        for kind, path in self.files.items():
            path.write_bytes(self.good[kind])

    def make(self, chance: random.Random) -> bytes:
        kind = chance.choice((b"j", b"j", b"j", b"s", b"l", b"c", b"c"))
        if kind in b"js" and chance.random() < 0.6:
            return kind + to_json(change_values(chance, WLASL if kind == b"j" else SUBSET))
        return kind + change_bytes(chance, self.good[kind])

    def read(self, data: bytes) -> None:
        kind = data[:1] if data[:1] in self.files else b"j"
        path = self.files[kind]
        path.write_bytes(data[1:])
        try:
            if kind == b"c":
                read_index(path).coverage()
            elif kind == b"l":
                read_class_list(path)
            if kind != b"c":
                named = {kind: self.files[kind] for kind in (b"j", b"l", b"s") if kind in (b"j", data[:1])}
                read_wlasl(named[b"j"], self.folder, named.get(b"l"), None, named.get(b"s")).coverage()
        finally:
            path.write_bytes(self.good[kind])


class StoreReader(Harness):
    """A real store of three clips of which one file is changed: its bytes, or its values with right checksums.

    Reading gives values or an error, and the same command mends the store, or refuses it."""

    name = "store"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = folder / "store"
        self.clips = [Clip(name, "book", "train", "1", folder / f"{name}.mp4") for name in "abc"]
        with StoreWriter(self.store, SPEC) as writer:
            for number, clip in enumerate(self.clips):
                clip.path.write_bytes(clip.id.encode())
                writer.append(clip, np.full(SPEC.record_shape, number, np.float32), {"detection_rate": 0.5})
            writer.fail(Clip("d", "go", "val", "2", folder / "none.mp4"), "no frame decodes")
        self.files = {name: (self.store / name) for name in ("store.json", "index.jsonl", "data.bin")}
        self.good = {name: path.read_bytes() for name, path in self.files.items()}

    def make(self, chance: random.Random) -> bytes:
        name = chance.choice(("store.json", "index.jsonl", "index.jsonl", "data.bin"))
        content = self.good[name]
        if name == "data.bin" or chance.random() < 0.4:
            return bytes([list(self.files).index(name)]) + change_bytes(chance, content)
        if name == "store.json":
            document = json.loads(content)
            del document["crc"]
            return b"\0" + summed(change_values(chance, document))
        lines = content.splitlines(keepends=True)
        place = chance.randrange(len(lines))
        changed = change_values(chance, decode_line(lines[place].rstrip()))
        try:
            lines[place] = encode_line(changed)
        except (UnicodeEncodeError, AttributeError):  # half a surrogate cannot be in a file
            lines[place] = to_json(changed) + b"\n"
        return b"\1" + b"".join(lines)

    def read(self, data: bytes) -> None:
        names = list(self.files)
        (self.store / names[data[0] % 3 if data else 0]).write_bytes(data[1:])
        try:
            self._read()
        finally:
            for name, content in self.good.items():
                self.files[name].write_bytes(content)

    def _read(self) -> None:
        refused: ToolkitError | None = None
        try:
            store = FeatureStore.open(self.store)
            store.load(store.ids[:10])
            store.damaged()
        except ToolkitError as error:
            refused = error
        with StoreWriter(self.store, SPEC) as writer:  # another spec is refused, anything else mended
            for clip in self.clips:
                writer.holds(clip)
        mended = FeatureStore.open(self.store)
        mended.load(mended.ids)
        if refused is not None:
            raise refused


def summed(document: Any) -> bytes:
    """store.json with a right checksum."""
    text = json.dumps(document, indent=1).removesuffix("\n}")
    return f'{text},\n "crc": {zlib.crc32(text.encode())}\n}}'.encode("utf-8", "replace")


class MetadataReader(Harness):
    """The properties of a real tiny model with one value changed: as JSON, or as text."""

    name = "metadata"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        with Recognizer.load(TINY) as recognizer:
            self.good = recognizer.metadata.to_properties() | {
                f"sign_toolkit.{name}": "0.5" for name in ("temperature", "ece", "threshold")
            }

    def make(self, chance: random.Random) -> bytes:
        properties = dict(self.good)
        for _ in range(chance.choice((1, 1, 2))):
            key = chance.choice(sorted(properties))
            if chance.random() < 0.6:
                properties[key] = to_json(change_values(chance, [json.loads(self.good[key])]))[1:-1].decode()
            else:
                properties[key] = change_bytes(chance, self.good[key].encode()).decode(
                    "utf-8", "surrogateescape"
                )
        return to_json(properties)

    def read(self, data: bytes) -> None:
        try:
            properties = json.loads(data)
        except ValueError:
            properties = {"sign_toolkit.format": data.decode("latin-1")}
        if isinstance(properties, dict):
            ModelMetadata.from_properties({str(key): str(value) for key, value in properties.items()})


class ModelReader(Harness):
    """The bytes of a real tiny model, opened and, where that went well, run."""

    name = "model"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.good, self.path = TINY.read_bytes(), folder / "model.onnx"

    def make(self, chance: random.Random) -> bytes:
        return change_bytes(chance, self.good)

    def read(self, data: bytes) -> None:
        self.path.write_bytes(data)
        with Recognizer.load(self.path) as recognizer:
            recognizer.predict(np.zeros((2, *recognizer.metadata.item_shape), recognizer.metadata.dtype))


class ConfigReader(Harness):
    """A config: its YAML text, or its values."""

    name = "config"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import yaml

        from toolkit.config import load_settings

        self.load: Callable[[Path], Any] = load_settings
        self.path = folder / "config.yaml"
        self.good = [yaml.safe_dump({name: section}).encode() for name, section in CONFIG.items()]

    def make(self, chance: random.Random) -> bytes:
        if chance.random() < 0.5:
            return to_json(change_values(chance, CONFIG))  # JSON is YAML
        return change_bytes(chance, chance.choice(self.good))

    def read(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.load(self.path).to_yaml()


HARNESSES: tuple[type[Harness], ...] = (IndexReader, StoreReader, MetadataReader, ModelReader, ConfigReader)
