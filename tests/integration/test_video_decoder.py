"""Videos decoded by worker processes: the right frames, a bound on what is kept, errors that reach the caller."""

import numpy as np
import pytest

from toolkit.clips import Clip
from toolkit.errors import VideoReadError
from toolkit.train.decoder import Decoder
from toolkit.video import sample_frames

SIZE = (32, 24)


def test_frames_are_those_of_the_video_and_few_are_kept(video, tmp_path):
    clips = [Clip(str(n), "go", "train", "", video(f"{n}.mp4", count=10 + n)) for n in range(3)]
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    bad = Clip("bad", "go", "train", "", broken)
    decoder = Decoder(1, 4, SIZE, cache_mib=0)
    decoder._most = 2
    assert decoder.readable([*clips, bad]) == [True, True, True, False]
    wanted = np.stack([np.stack(list(sample_frames(clip.path, 4, 1, -1, SIZE))) for clip in clips])
    decoder.start(clips)
    for order in ([0, 1, 2], [2, 0, 0], [1, 1, 2]):
        np.testing.assert_array_equal(decoder.batch([clips[place] for place in order]), wanted[order])
        assert len(decoder._kept) <= 2
    with pytest.raises(VideoReadError):
        decoder.batch([bad])
