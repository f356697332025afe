"""Cutout, versions of the pictures that epochs share, and a teacher's answers that are kept for them."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from torch import Tensor, nn

from zoo.files import sha256
from zoo.training import run as run_module
from zoo.training.data import Dataset, Place, cut_out
from zoo.training.loop import train
from zoo.training.preview import preview
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset

RECIPE = dataclasses.replace(RECIPES["digits"], epochs=3, batch_size=16, flip="alternating")
TAUGHT = dataclasses.replace(RECIPE, versions=2, teacher_weight=0.9, temperature=4.0)


@pytest.fixture
def digits(few_digits: Dataset) -> Dataset:
    return few_digits


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that answers are kept in."""
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    return tmp_path / "assets"


@pytest.fixture(params=["memory", "files"])
def data(request: pytest.FixtureRequest, digits: Dataset, tmp_path: Path) -> Dataset:
    """Pictures in memory, and pictures that are read again in each epoch."""
    if request.param == "memory":
        return digits
    for half, count in (("train", 18), ("test", 2)):
        for label in ("cat", "dog"):
            (tmp_path / half / label).mkdir(parents=True)
            for index in range(count):
                pixels = torch.randint(256, (40, 40 + index, 3), dtype=torch.uint8).numpy()
                Image.fromarray(pixels).save(tmp_path / half / label / f"{index}.png")
    return load_dataset(str(tmp_path), 16, stream=True, workers=0)


def shown(data: Dataset, seed: int = 0, epoch: int = 0, **fields: object) -> dict[int, Tensor]:
    """Return what an epoch shows of each picture that it comes to, by the picture's index."""
    recipe = dataclasses.replace(RECIPE, crop=data.train.crop, **fields)
    pictures: dict[int, Tensor] = {}
    for images, targets, indices in data.train.batches(data.preprocessing, recipe, Place(seed, epoch)):
        assert torch.equal(targets, data.train.targets[indices])
        assert images.is_contiguous(memory_format=torch.channels_last)
        pictures |= dict(zip(indices.tolist(), images, strict=True))
    return pictures


def same(one: dict[int, Tensor], other: dict[int, Tensor]) -> float:
    """Return the share of the pictures in both that are equal."""
    both = one.keys() & other.keys()
    return sum(torch.equal(one[index], other[index]) for index in both) / len(both)


@pytest.mark.parametrize("side", [1, 2, 5, 8, 40])
def test_cutout_paints_a_square_wherever_its_centre_is(side: int) -> None:
    places = torch.cartesian_prod(torch.arange(9), torch.arange(9))
    cut = cut_out(torch.ones(81, 3, 9, 9), places, side)
    for (row, column), picture in zip(places.tolist(), cut, strict=True):
        expected = torch.ones(3, 9, 9)
        top, left = row - side // 2, column - side // 2
        expected[:, max(top, 0) : top + side, max(left, 0) : left + side] = 0
        assert torch.equal(picture, expected)


def test_cutout_changes_nothing_else(data: Dataset) -> None:
    whole, cut = shown(data), shown(data, cutout=6)
    assert same(whole, cut) == 0
    holes = 0
    for index, picture in cut.items():
        changed = picture != whole[index]
        assert (picture[changed] == 0).all() and 1 <= changed.any(0).sum() <= 36
        holes += int((picture == 0).all(0).sum() == 36)
    assert holes > len(cut) / 8  # 11 of 16 rows and columns leave the whole square inside
    assert same(cut, shown(data, cutout=6)) == 1
    with pytest.raises(ValueError, match=r"cutout=-1: must be finite and at least 0"):
        dataclasses.replace(RECIPE, cutout=-1)


def test_epochs_show_the_versions_in_turn_whatever_the_seed(data: Dataset) -> None:
    first, second = (shown(data, epoch=epoch, versions=2) for epoch in (0, 1))
    assert same(first, second) < 0.2
    assert same(first, shown(data, epoch=2, versions=2)) == same(second, shown(data, epoch=3, versions=2)) == 1
    assert same(first, shown(data, seed=5, versions=2)) == 1 and same(first, shown(data, seed=5)) < 0.2
    assert list(first) != list(shown(data, epoch=2, versions=2))  # in another order
    recipe = dataclasses.replace(RECIPE, crop=data.train.crop, versions=2)
    some = torch.arange(len(data.train) - 1, 0, -3)
    batches = list(data.train.version(data.preprocessing, recipe, 1, some, 5))
    assert {len(batch) for batch in batches[:-1]} == {5}
    inputs = torch.cat(batches)
    assert len(inputs) == len(some) and same(second, dict(zip(some.tolist(), inputs, strict=True))) == 1


def test_versions_and_cutout_that_make_no_sense_are_refused(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"versions=3, flip='alternating': give an even number"):
        dataclasses.replace(RECIPE, versions=3)
    assert dataclasses.replace(RECIPE, versions=3, flip="random").shown_versions == 3
    assert dataclasses.replace(RECIPE, versions=8).shown_versions == RECIPE.epochs
    with pytest.raises(ValueError, match="cutout=16: must be below the size of the pictures, 16"):
        train(dataclasses.replace(RECIPE, cutout=16), digits, tmp_path / "run")


def test_alternating_flips_show_both_sides_in_two_versions(digits: Dataset) -> None:
    first, second = (shown(digits, epoch=epoch, versions=2, crop_padding=0) for epoch in (0, 1))
    assert all(torch.equal(first[index], second[index].flip(2)) for index in first.keys() & second.keys())


class Counting(nn.Module):
    """A teacher that counts the pictures it answers."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.sign, self.seen = sign, [0]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(256, 10)

    def __deepcopy__(self, memo: dict) -> "Counting":
        copy = type(self)(self.sign)
        copy.seen = self.seen
        return copy

    def forward(self, images: Tensor) -> Tensor:
        self.seen[0] += len(images)
        return self.sign * self.layer(images.flatten(1))

    def count(self, call: Callable[[], object]) -> int:
        """Return how many pictures it answers during a call."""
        before = self.seen[0]
        call()
        return self.seen[0] - before


def test_a_teacher_answers_each_version_once_for_all_runs(
    digits: Dataset, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, notes, pictures = Counting(), [], len(digits.train)
    always = 2 + len(digits.test)  # two pictures to see whether it fits, and in the end those that are measured
    checks = always + 2 * 256  # a batch of each version, to see whether it changed
    answered = [f"the teacher answers version {number} of 2" for number in (1, 2)]

    def run(name: str, seed: int = 0, teacher: nn.Module = teacher, **fields: object) -> None:
        recipe = dataclasses.replace(TAUGHT, batch_size=64, **fields)
        train(recipe, digits, tmp_path / name, seed=seed, teacher=teacher, on_note=notes.append)

    assert teacher.count(lambda: run("first")) == 2 * pictures + always
    assert notes[:-1] == answered and notes[-1].startswith("the teacher Counting classifies ")
    assert teacher.count(lambda: run("other seed", seed=1)) == checks and notes == [*answered, *2 * [notes[-1]]]
    assert teacher.count(lambda: run("deeper", model="diracnet16_cifar")) == checks
    assert teacher.count(lambda: run("more", versions=4)) == checks + pictures  # three epochs come to three of them
    assert teacher.count(lambda: run("other crops", crop_padding=2)) == 2 * pictures + always
    # One with the same weights that answers otherwise; then the first again.
    assert (turned := Counting(-1.0)).count(lambda: run("turned", teacher=turned)) == 2 * pictures + checks
    assert teacher.count(lambda: run("again", seed=2)) == 2 * pictures + checks
    # A file that is damaged, and one with other things in it.
    files = sorted(kept.rglob("*.safetensors"))
    for file, content in zip(files, (b"?" * 99, files[0].read_bytes()[:-8]) * len(files), strict=False):
        file.write_bytes(content)
    assert teacher.count(lambda: run("damaged", seed=3)) == 2 * pictures + always
    # No cache at all.
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(files[0]))
    assert teacher.count(lambda: run("nowhere", seed=3)) == 2 * pictures + always
    assert f"the answers cannot be kept in {files[0]} " in notes[-2]
    ends = [sha256(tmp_path / name / "model.safetensors") for name in ("damaged", "nowhere")]
    assert ends[0] == ends[1]


def test_kept_answers_are_those_it_gives_in_each_step(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, losses = dataclasses.replace(TAUGHT, precision="float64", batch_size=64, accumulation=2), {}

    def run(name: str) -> None:
        losses[name] = []
        train(recipe, digits, tmp_path / name, teacher=Counting(), on_step=lambda at: losses[name].append(at.loss))

    run("kept")
    monkeypatch.setattr(run_module, "kept_answers", lambda job, on_note: [])  # the teacher is asked in each step
    run("asked")
    assert losses["kept"] == pytest.approx(losses["asked"], rel=1e-9)


def test_a_run_with_versions_resumes(digits: Dataset, tmp_path: Path, cut: Callable[..., None]) -> None:
    train(TAUGHT, digits, tmp_path / "whole", teacher=Counting())
    cut(TAUGHT, digits, tmp_path / "parts", epoch=2, step=5, teacher=Counting(), save_every=0)
    train(TAUGHT, digits, tmp_path / "parts", teacher=Counting())
    for name in ("model.safetensors", "metrics.jsonl", "run.json"):
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name)
    assert json.loads((tmp_path / "whole" / "run.json").read_text())["recipe"]["versions"] == 2


def test_a_preview_counts_the_teacher_s_answers_once(digits: Dataset, kept: Path) -> None:
    teacher = Counting()
    found = preview(TAUGHT, digits, teacher=teacher)
    once = len(digits.train) // TAUGHT.batch_size * TAUGHT.batch_size
    assert teacher.seen[0] == 2 + 2 * 64 + once, "two pictures to check it, one batch twice, and what it knows"
    assert found.answer_seconds > 0 and not list(kept.rglob("*.safetensors"))
    low, high = found.seconds
    assert high - low == pytest.approx(found.steps * (found.step_seconds[2] - found.step_seconds[0]))
    assert low == pytest.approx(found.steps * found.step_seconds[0] + found.measure_seconds + found.answer_seconds)
    assert "the teacher's answers, unless they are kept already: " in "\n".join(found.lines())
    assert preview(RECIPE, digits).answer_seconds == 0


def test_a_preview_does_not_multiply_what_only_the_first_answer_takes(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sizes = [0.0], set[int]()

    class Compiling(Counting):
        def forward(self, images: Tensor) -> Tensor:
            clock[0] += 1.0 if len(images) in sizes else 1000.0  # a compiler starts again for each size
            sizes.add(len(images))
            return super().forward(images)

    monkeypatch.setattr("zoo.training.preview.time", SimpleNamespace(monotonic=lambda: clock[0]))
    found = preview(TAUGHT, digits, teacher=Compiling())
    assert found.answer_seconds == pytest.approx(2 * len(digits.train) / max(sizes))


PROGRAM = """
import atexit

class Counting(nn.Module):
    seen = 0
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 10)
    def forward(self, images):
        Counting.seen += len(images)
        return self.layer(images.flatten(1))

torch.manual_seed(0)
teacher = Counting()
how = {"epochs": 3, "teacher_weight": 0.5, "versions": 3}
atexit.register(lambda: Path(f"{out}-seen-{os.environ['RANK']}").write_text(str(Counting.seen)))
"""


@pytest.mark.slow
def test_two_processes_divide_the_pictures_that_a_teacher_answers(losses_of_halves: Callable, tmp_path: Path) -> None:
    one, two = losses_of_halves(PROGRAM)
    assert len(one) == len(two) == 66
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-8
    assert [len(list((tmp_path / f"run{n}-assets").rglob("*.safetensors"))) for n in (1, 2)] == [3, 3]
    digits = load_dataset("digits")
    pictures, measured = len(digits.train), len(digits.test)  # the first process asks about the test pictures, too
    seen = [[int((tmp_path / f"run{n}-seen-{rank}").read_text()) for rank in range(n)] for n in (1, 2)]
    assert seen == [[3 * pictures + 2 + measured], [3 * pictures // 2 + 2 + measured, 3 * pictures // 2 + 2]]
