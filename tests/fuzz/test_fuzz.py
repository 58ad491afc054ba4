"""A short, fixed run of every fuzzing harness, and the same readers under hypothesis; `make fuzz` is the long one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz.harnesses import HARNESSES, Harness, IndexReader, ModelReader, in_memory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolkit.errors import ToolkitError

INPUTS = {"index": 2000, "store": 400, "metadata": 4000, "model": 400, "config": 400}


@pytest.fixture(params=HARNESSES, ids=lambda kind: kind.name)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    if request.param.name == "config":
        pytest.importorskip("pydantic", reason="settings need the train extra")
        pytest.importorskip("yaml", reason="settings need the train extra")
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        yield request.param(Path(folder))


def test_changed_files_are_read_or_refused(harness: Harness) -> None:
    taken = [harness.accepts(harness.input(1, number)) for number in range(INPUTS[harness.name])]
    assert any(taken) and not all(taken), "harmless changes are read, others refused"


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.one_of(
        st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_any_bytes_are_read_or_refused(harness: Harness, data: bytes) -> None:
    harness.accepts(data)


def test_an_input_can_be_made_again_from_its_number(harness: Harness) -> None:
    first = [harness.input(3, number) for number in range(200)]
    assert first == [harness.input(3, number) for number in range(200)]
    assert len(set(first)) > 150


class Careless(IndexReader):
    def read(self, data: bytes) -> None:
        raise KeyError("a reader that stumbles")


class Silent(ModelReader):
    def read(self, data: bytes) -> None:
        raise ToolkitError("")


@pytest.mark.parametrize(("kind", "error"), [(Careless, KeyError), (Silent, AssertionError)])
def test_the_harness_itself_finds_what_it_should(
    tmp_path: Path, kind: type[Harness], error: type[Exception]
) -> None:
    with pytest.raises(error):
        kind(tmp_path).accepts(b"x")
