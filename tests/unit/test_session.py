"""Sessions of the pose networks: fixed arrays, and one arena for all."""

from __future__ import annotations

import numpy as np

from toolkit.session import FixedRun, make_session
from toolkit.weights import weights_path


def test_a_fixed_run_gives_what_a_plain_run_gives() -> None:
    session = make_session(weights_path("hand_recrop.onnx"), arena=True)
    image, points = np.empty((1, 3, 256, 256), np.float32), np.empty((1, 2, 2), np.float32)
    network = FixedRun(session, {"image": image}, {"points": points})
    random = np.random.default_rng(0)
    for _ in range(2):  # the arrays are read and written anew each time
        random.random(out=image, dtype=np.float32)
        network.run()
        (expected,) = session.run(["points"], {"image": image.copy()})
        assert np.array_equal(points, expected)
    assert points.any()


def test_sessions_that_share_an_arena_do_not_disturb_each_other() -> None:
    image = np.random.default_rng(1).random((1, 3, 256, 256), np.float32)
    path = weights_path("hand_recrop.onnx")
    (alone,) = make_session(path).run(["points"], {"image": image})
    sessions = [make_session(path, arena=True) for _ in range(2)]
    (first,) = sessions[0].run(["points"], {"image": image})
    (other,) = sessions[1].run(["points"], {"image": image[..., ::-1].copy()})
    assert np.array_equal(first, alone)
    assert not np.array_equal(other, first)
