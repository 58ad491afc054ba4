"""The sections of a training configuration: their keys, types, ranges and defaults.

model and efficiency are the guide's; data, training and augmentation are this package's own. Knows nothing
about files or the command line (see toolkit/config), nor about what the values are used for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from toolkit.errors import MOST_AT_ONCE, ConfigError

Mode = Literal["pose", "features", "video"]
MODES: tuple[Mode, ...] = ("pose", "features", "video")


def _number(value: Any) -> Any:
    # YAML 1.1 reads 1e-4 (no dot) as a string; everyone who writes it means the number.
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Number = Annotated[float, BeforeValidator(_number)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
AtOnce = Annotated[int, Field(ge=1, le=MOST_AT_ONCE)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ModelSettings(_Section):
    """The network. Defaults are the guide's; normalization "auto" takes the mode's own (see train/model).

    both_ways: predict by the average over a pose clip and its mirror image; twice the network's time.
    """

    embed_dim: Count = 128
    num_heads: Count = 4
    num_layers: Count = 2
    ff_dim: Count = 256
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    input_type: Mode | None = None
    normalization: Literal["auto", "shoulders", "standard", "none"] = "auto"
    both_ways: bool = False


class EfficiencySettings(_Section):
    """The guide's switches between stored features and decoding while training."""

    use_pre_extracted: bool | None = None
    use_pose: bool | None = None
    pose_dir: str = "dataset/poses"
    feature_dir: str = "dataset/features"


class DataSettings(_Section):
    """Which clips. num_frames None takes the store's own length (video: 16).

    json_path/video_dir or index are needed in video mode; in the other modes they are optional and only let
    the report count the clips that no features were extracted for. val_signers: validate on all clips of these
    signers, of train_splits too, and train on the others'; val_split is then not used. split_by "signer": some
    signers, a fifth of the clips of both splits, are drawn by the seed and validated on; training sees the others.
    decode_workers: processes that decode videos; cache_mib: decoded clips that are kept, in MiB.
    """

    num_frames: Count | None = None
    train_splits: Annotated[list[str], Field(min_length=1)] = ["train"]
    val_split: str = "val"
    val_signers: list[str] = []
    split_by: Literal["index", "signer"] = "index"
    json_path: str | None = None
    video_dir: str | None = None
    class_list: str | None = None
    index: str | None = None
    subset: str | None = None
    max_videos: Count | None = None
    max_glosses: Count | None = None
    decode_workers: AtOnce = 2
    cache_mib: Annotated[int, Field(ge=0)] = 96


class TrainingSettings(_Section):
    """The optimiser, and which weights are kept.

    start_from: the folder of another run, whose weights this one begins with, all but the last layer's (train/start);
    min_steps: a run on few clips takes at least so many steps, by smaller batches and more epochs than these
    (train/few_clips); 0 = as written, and so when epochs or batch_size are given by a flag or --set.
    validate_every: epochs; the last one is always validated. choose: the weights that are evaluated and exported:
    of the epoch with the best top-1 on the validation clips (whose figure is then a little too good), or the last.
    patience: stop when this many epochs in a row brought no better top-1 on the validation clips, 0 = never.
    learning_rate: the highest, for batches of 32; it is scaled with the square root of the batch size, so that
    another --batch_size needs no other rate; warmup: fraction of all steps; ema: decay per step of averaged
    weights, 0 = off; mixup: parameter of the beta distribution that pairs of clips are blended by, 0 = off;
    precision: of the network's products; "bf16" is faster where the CPU has it, and much slower elsewhere.
    """

    start_from: str | None = None
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    batch_size: Count = 32
    min_steps: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = 2e-3
    weight_decay: Annotated[Number, Field(ge=0)] = 0.3
    warmup: Fraction = 0.05
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    gradient_clip: Annotated[Number, Field(gt=0)] = 1.0
    ema: Annotated[Number, Field(ge=0, lt=1)] = 0.98
    mixup: Annotated[Number, Field(ge=0, le=1)] = 0.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    num_threads: AtOnce = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    patience: Annotated[int, Field(ge=0)] = 0
    validate_every: Count = 1
    choose: Literal["best", "last"] = "best"


class FeatureSettings(_Section):
    """What normalised landmarks are described by: the pieces of train/landmark_features, each on or off."""

    positions: bool = True
    arm_directions: bool = True
    hand_points: bool = True
    finger_distances: bool = True
    finger_bones: bool = True
    body_distances: bool = True
    hands_apart: bool = True
    velocities: bool = True
    presence: bool = True
    raised_hands: bool = True
    signing_span: bool = True
    leading_hand: bool = True

    @property
    def on(self) -> tuple[str, ...]:
        """The names of those that are on."""
        return tuple(name for name, on in self.model_dump().items() if on)


class AugmentationSettings(_Section):
    """Random changes to training clips; 0 switches a piece off, enabled: false all of them.

    mirror, hide_hand: probability; rotation: radians; shear: sideways shift per height; hand_rotation: of each
    hand by itself, about its wrist; crop: fraction of the clip cut at either end; warp: log of the time
    curve's exponent;
    drop_piece: probability, for each piece of the features and each hand's by itself, to be missing in a whole clip;
    noise: image fractions (pose); feature_noise: standard deviations (features);
    brightness: fraction (video).
    """

    enabled: bool = True
    mirror: Fraction = 0.5
    rotation: Annotated[Number, Field(ge=0, le=3.2)] = 0.33
    shear: Annotated[Number, Field(ge=0, le=1)] = 0.0
    hand_rotation: Annotated[Number, Field(ge=0, le=3.2)] = 0.0
    crop: Annotated[Number, Field(ge=0, lt=0.5)] = 0.15
    warp: Annotated[Number, Field(ge=0, le=1)] = 0.2
    noise: Annotated[Number, Field(ge=0, le=0.1)] = 0.002
    hide_hand: Fraction = 0.3
    drop_piece: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    feature_noise: Annotated[Number, Field(ge=0, le=2)] = 0.2
    brightness: Annotated[Number, Field(ge=0, lt=1)] = 0.2


class Settings(_Section):
    """All settings of one training run, after defaults, file and overrides were merged."""

    model: ModelSettings = ModelSettings()
    efficiency: EfficiencySettings = EfficiencySettings()
    data: DataSettings = DataSettings()
    training: TrainingSettings = TrainingSettings()
    features: FeatureSettings = FeatureSettings()
    augmentation: AugmentationSettings = AugmentationSettings()

    @property
    def mode(self) -> Mode:
        """What a clip looks like: pose, features or video."""
        assert self.model.input_type is not None, "load_settings fills input_type"
        return self.model.input_type

    @property
    def store_dir(self) -> Path:
        """The feature store of the mode; video has none ."""
        if self.mode == "video":
            raise ConfigError("video mode reads videos, not a feature store")
        return Path(self.efficiency.pose_dir if self.mode == "pose" else self.efficiency.feature_dir)

    def to_yaml(self) -> str:
        """The merged settings, readable by load_settings."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)
