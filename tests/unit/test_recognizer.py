"""The recogniser on tiny real models: tests/data/make_tiny_model.py says what they compute."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from toolkit import Prediction, Recognizer
from toolkit.errors import InputError, ModelFileError, VideoReadError
from toolkit.landmarks import LAYOUTS

DATA = Path(__file__).parent.parent / "data"
POSE, VIDEO = DATA / "tiny_pose.onnx", DATA / "tiny_video.onnx"
WRIST = LAYOUTS["body"].slots("right_wrist")[0]
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def pose_clip(frames: int, x: float, y: float) -> NDArray[np.float32]:
    clip = np.full((frames, 33, 4), 0.5, np.float32)
    clip[:, WRIST, :2] = x, y
    return clip


def frames_of(*colours: str) -> NDArray[np.uint8]:
    """One 24 x 16 pixel frame per colour, (T, 16, 24, 3) RGB."""
    return np.array([np.full((16, 24, 3), COLOURS[colour], np.uint8) for colour in colours])


def write_video(path: Path, frames: NDArray[np.uint8]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_the_committed_models_are_what_their_script_makes() -> None:
    pytest.importorskip("onnx", reason="making the tiny models needs onnx")
    spec = importlib.util.spec_from_file_location("make_tiny_model", DATA / "make_tiny_model.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, make in script.MODELS.items():
        assert (DATA / name).read_bytes() == make()
        assert (DATA / name).stat().st_size < 5000


@pytest.mark.parametrize(("x", "y", "gloss"), [(0.5, 0.1, "up"), (0.5, 0.9, "down"), (0.0, 0.5, "left")])
@pytest.mark.parametrize("length", [1, 4, 300])
def test_predicts_landmarks_of_any_length(x: float, y: float, gloss: str, length: int) -> None:
    with Recognizer.load(POSE) as recognizer:
        prediction = recognizer.predict(pose_clip(length, x, y))
    assert prediction.gloss == gloss
    assert isinstance(prediction, Prediction)
    assert prediction.top[0] == (prediction.gloss, prediction.score)
    assert [score for _, score in prediction.top] == sorted((s for _, s in prediction.top), reverse=True)
    assert sum(score for _, score in prediction.top) == pytest.approx(1)


def test_scores_are_the_softmax_of_the_logits() -> None:
    recognizer = Recognizer.load(POSE)
    clip = pose_clip(3, 0.5, 0.25)
    # up = 4 - 8 y, down = -4 + 8 y, left = 2 - 8 x
    np.testing.assert_allclose(recognizer.logits(clip[None]), [[2, -2, -2]], atol=1e-5)
    assert recognizer.predict(clip).score == pytest.approx(np.exp(2) / (np.exp(2) + 2 * np.exp(-2)), abs=1e-6)


def test_a_batch_gives_the_same_answers_as_its_clips_alone() -> None:
    recognizer = Recognizer.load(POSE)
    clips = np.stack([pose_clip(5, 0.5, y) for y in (0.1, 0.5, 0.7, 0.9)])
    alone = np.concatenate([recognizer.logits(clip[None]) for clip in clips])
    np.testing.assert_allclose(recognizer.logits(clips), alone, atol=1e-5)


def test_top_is_cut_to_what_was_asked_and_to_what_there_is() -> None:
    recognizer = Recognizer.load(POSE)
    clip = pose_clip(4, 0.5, 0.1)
    assert len(recognizer.predict(clip, top=2).top) == 2
    assert len(recognizer.predict(clip, top=99).top) == 3
    with pytest.raises(InputError, match="top is 0"):
        recognizer.predict(clip, top=0)


def test_a_clip_in_which_nothing_was_found_still_has_logits() -> None:
    logits = Recognizer.load(POSE).logits(np.full((1, 4, 33, 4), np.nan, np.float32))
    np.testing.assert_allclose(logits, [[4, -4, 2]])


def test_values_without_a_finite_score_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        Recognizer.load(POSE).predict(np.full((4, 33, 4), np.inf, np.float32))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 33, 3), np.float32),
        np.zeros((4, 75, 4), np.float32),
        np.zeros((33, 4), np.float32),
        np.zeros((1, 4, 33, 4), np.float32),
        np.zeros((0, 33, 4), np.float32),
        np.zeros((4, 33, 4), np.float64),
        np.zeros((4, 16, 24, 3), np.float32),
    ],
    ids=lambda array: f"{array.shape} {array.dtype}",
)
def test_wrong_arrays_are_refused_with_both_shapes(wrong: NDArray[Any]) -> None:
    with pytest.raises(InputError) as caught:
        Recognizer.load(POSE).predict(wrong)
    assert "(T, 33, 4) float32" in str(caught.value)
    assert f"{wrong.shape} {wrong.dtype}" in str(caught.value)


@pytest.mark.parametrize("colour", COLOURS)
def test_predicts_frames_as_rgb(colour: str) -> None:
    with Recognizer.load(VIDEO) as recognizer:
        assert recognizer.predict(frames_of(*[colour] * 6)).gloss == colour


def test_frames_are_taken_uniformly_and_resized() -> None:
    """Frames 0, 3, 6, 9 of ten are read: what lies between them cannot count."""
    colours = ["blue", "red", "red", "blue", "red", "red", "blue", "red", "red", "blue"]
    with Recognizer.load(VIDEO) as recognizer:
        np.testing.assert_allclose(recognizer.predict(frames_of(*colours)).score, np.exp(4) / (np.exp(4) + 2))


@pytest.mark.parametrize("colour", COLOURS)
def test_predicts_a_video_file(tmp_path: Path, colour: str) -> None:
    path = write_video(tmp_path / "clip.mp4", frames_of(*[colour] * 9))
    with Recognizer.load(VIDEO) as recognizer:
        assert recognizer.predict(path).gloss == colour
        assert recognizer.predict(str(path)) == recognizer.predict(path)


def test_a_video_file_and_all_its_frames_give_the_same_answer(tmp_path: Path) -> None:
    from toolkit.video import sample_frames

    path = write_video(tmp_path / "clip.mp4", frames_of(*["red"] * 5, *["green"] * 4, "blue"))
    frames = np.stack(list(sample_frames(path, 10)))
    with Recognizer.load(VIDEO) as recognizer:
        from_file, from_frames = recognizer.predict(path), recognizer.predict(frames)
    assert from_file.gloss == from_frames.gloss
    assert dict(from_file.top) == pytest.approx(dict(from_frames.top), abs=0.01)


def test_a_part_of_a_video_is_looked_at_alone(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", frames_of(*["red"] * 10, *["blue"] * 5))
    with Recognizer.load(VIDEO) as recognizer:
        assert recognizer.predict(path).gloss == "red"
        assert recognizer.predict(path, frame_start=11, frame_end=15).gloss == "blue"
        with pytest.raises(InputError, match="for video files"):
            recognizer.predict(frames_of("red", "blue"), frame_start=2)


def test_a_broken_video_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"not a video")
    with Recognizer.load(VIDEO) as recognizer, pytest.raises(VideoReadError, match=r"broken\.mp4"):
        recognizer.predict(path)


def test_clips_of_another_extractor_are_refused_unless_overridden() -> None:
    trained = dict(Recognizer.load(POSE).metadata.extractor)
    Recognizer.load(POSE).check_extractor(trained)
    other = trained | {"weights": "ffff"}
    with pytest.raises(ModelFileError, match=r"trained on weights=0123abcd; in use weights=ffff"):
        Recognizer.load(POSE).check_extractor(other)
    Recognizer.load(POSE, override=True).check_extractor(other)


def test_a_model_file_that_is_none_is_refused(tmp_path: Path) -> None:
    missing, text = tmp_path / "missing.onnx", tmp_path / "text.onnx"
    text.write_text("hello")
    for path in (missing, text):
        with pytest.raises(ModelFileError, match=path.name):
            Recognizer.load(path)


def test_a_graph_without_our_metadata_is_refused(tmp_path: Path) -> None:
    path = _edited(tmp_path, lambda model: model.ClearField("metadata_props"))
    with pytest.raises(ModelFileError, match=r"edited\.onnx: .*not made by this toolkit"):
        Recognizer.load(path)


def test_glosses_and_graph_must_have_the_same_width(tmp_path: Path) -> None:
    path = _edited(tmp_path, lambda model: _set(model, "sign_toolkit.glosses", '["up","down"]'))
    with pytest.raises(ModelFileError, match="names 2 glosses"):
        Recognizer.load(path)


def test_item_shape_and_graph_must_agree(tmp_path: Path) -> None:
    def swap(model: Any) -> None:
        _set(model, "sign_toolkit.layout", '"body_hands"')
        _set(model, "sign_toolkit.item_shape", "[75,4]")

    with pytest.raises(ModelFileError, match=r"75, 4.*33, 4"):
        Recognizer.load(_edited(tmp_path, swap))


def _edited(folder: Path, edit: Any) -> Path:
    onnx = pytest.importorskip("onnx", reason="editing a model needs onnx")
    model = onnx.load(POSE)
    edit(model)
    onnx.save(model, folder / "edited.onnx")
    return folder / "edited.onnx"


def _set(model: Any, key: str, value: str) -> None:
    next(item for item in model.metadata_props if item.key == key).value = value
