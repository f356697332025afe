"""Memory that a training step frees stays with the process until the training ends."""

import dataclasses
import platform
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from zoo.training import heap
from zoo.training.data import Dataset
from zoo.training.heap import kept_heap
from zoo.training.loop import train
from zoo.training.preview import preview
from zoo.training.recipes import RECIPES
from zoo.training.trainer import Trainer

resource = pytest.importorskip("resource", reason="Windows counts no pages")
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is kept")
BYTES = 64 << 20
"""More than glibc ever keeps by itself, which maps all blocks of 32 MiB and more anew."""
_HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HUGE_PAGES = _HUGE.read_text() if _HUGE.exists() else ""
ROUNDS = 12
"""Enough for glibc before 2.38, which reuses a freed block whose address has to be aligned from the eighth on."""


def pages_cleared() -> int:
    """Return how many pages the system has to hand out for a large block, which is freed again."""
    if "[always]" in HUGE_PAGES:
        pytest.skip("this system hands out huge pages, too few to count")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(BYTES, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@needs_glibc
def test_freed_memory_is_kept_and_given_back_at_the_end() -> None:
    with kept_heap(torch.device("cpu")):
        assert [pages_cleared() for _ in range(ROUNDS)][-1] < 100
        held = resident()
    assert held - resident() > BYTES / 2


@needs_glibc
def test_a_failure_gives_it_back_too() -> None:
    with pytest.raises(ZeroDivisionError), kept_heap(torch.device("cpu")):
        pages_cleared()
        held = resident()
        raise ZeroDivisionError
    assert held - resident() > BYTES / 2


@needs_glibc
def test_training_and_its_preview_keep_it(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = dataclasses.replace(RECIPES["digits"], epochs=1)
    found: list[int] = []
    move = Trainer.move

    def watched_move(trainer: Trainer, loss: float, right: int) -> None:
        found.append(pages_cleared())
        move(trainer, loss, right)

    monkeypatch.setattr(Trainer, "move", watched_move)
    for run in (lambda: train(recipe, digits, tmp_path), lambda: preview(recipe, digits)):
        found.clear()
        run()
        assert len(found) >= ROUNDS and found[-1] < 100


@pytest.mark.parametrize("system", ["another device", "musl", "Android", "Windows"])
def test_what_is_not_glibc_s_is_left_alone(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*values: int) -> int:
        raise AssertionError(f"mallopt{values} was called")

    def library(_: None) -> object:
        if system == "Windows":
            raise TypeError("bad argument type for built-in operation")
        assert system in ("musl", "Android")
        return SimpleNamespace(mallopt=never) if system == "Android" else object()

    monkeypatch.setattr(heap.ctypes, "CDLL", library)
    with kept_heap(torch.device("mps" if system == "another device" else "cpu")):
        pass
