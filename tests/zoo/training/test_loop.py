"""Training: the data's randomness, resuming, errors; on scikit-learn's digits."""

import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

import zoo
from benchmarks.comparators import COMPARATORS
from zoo.__main__ import main
from zoo.models import DiracNet
from zoo.training.data import Dataset, Pictures, Place
from zoo.training.evaluate import evaluate
from zoo.training.job import has_float64, plan_job
from zoo.training.loop import Progress, train
from zoo.training.preview import preview
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.sources import load_dataset
from zoo.training.start import trained_before
from zoo.training.state import Clock
from zoo.training.trainer import Trainer

DIGITS = dataclasses.replace(RECIPES["digits"], epochs=3)


def test_digits_are_learnt(digits: Dataset, tmp_path: Path) -> None:
    result = train(dataclasses.replace(DIGITS, epochs=5), digits, tmp_path / "run")
    assert result["metrics"]["top1"] >= 95
    net = zoo.build_from(zoo.Checkpoint.load(tmp_path / "run" / "model.safetensors"))
    assert evaluate(net, digits.test, digits.preprocessing, batch_size=77) == pytest.approx(result["metrics"])


def test_training_leaves_the_caller_s_random_numbers_alone(digits: Dataset, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    train(dataclasses.replace(DIGITS, epochs=1), digits, tmp_path)
    assert torch.equal(state, torch.get_rng_state())


def test_held_out_pictures_are_measured_in_place_of_the_test_pictures(digits: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(DIGITS, holdout=0.1, epochs=1)
    result = train(recipe, digits, tmp_path)
    rest, held = digits.train.split(0.1, seed=0)
    assert (result["measured_on"], result["pictures"]) == ("held-out training pictures", len(held))
    assert len(rest) + len(held) == len(digits.train)
    assert sorted(held.targets.unique().tolist()) == list(range(10))


def test_batches_depend_on_seed_and_epoch_alone(digits: Dataset) -> None:
    def first(seed: int, epoch: int) -> torch.Tensor:
        return next(digits.train.batches(digits.preprocessing, DIGITS, Place(seed, epoch)))[0]

    assert torch.equal(first(1, 2), first(1, 2))
    assert not torch.equal(first(1, 2), first(2, 1))
    assert not torch.equal(first(1, 2), first(1, 3))


def test_every_picture_is_seen_once_an_epoch_and_unchanged_without_augmentation(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, crop_padding=0, flip="none", batch_size=1438)
    ((images, targets, _),) = digits.train.batches(digits.preprocessing, recipe, Place(seed=0, epoch=0))
    expected = digits.preprocessing.normalize(digits.train.images.permute(0, 3, 1, 2))
    order = torch.argsort(images.flatten(1).double() @ torch.arange(256.0).double())
    reference = torch.argsort(expected.flatten(1).double() @ torch.arange(256.0).double())
    assert torch.equal(images[order], expected[reference])
    assert torch.equal(targets.bincount(), digits.train.targets.bincount())


def test_crops_are_reflected_and_flips_mirror(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, crop_padding=2, flip="random", batch_size=64)
    one = digits.train.subset(torch.zeros(64, dtype=torch.long))
    images, *_ = next(one.batches(digits.preprocessing, recipe, Place(seed=0, epoch=0)))
    source = digits.preprocessing.normalize(one.images[:1].permute(0, 3, 1, 2))
    padded = torch.nn.functional.pad(source, (2,) * 4, mode="reflect")
    crops = [padded[..., y : y + 16, x : x + 16] for y in range(5) for x in range(5)]
    allowed = torch.cat([*crops, *(crop.flip(3) for crop in crops)])
    matches = (images[:, None] == allowed[None]).flatten(2).all(2)
    assert matches.any(1).all()
    assert matches.any(0).sum() > 20  # of 50 kinds, 64 draws


def test_folders_of_pictures_are_read(tmp_path: Path) -> None:
    for index, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (40 + index, 32), (10 * index, 0, 255)).save(tmp_path / name / "a.png")
    data = load_dataset(str(tmp_path))
    assert data.train.images.shape == (2, 32, 32, 3) and data.train.classes == ("cat", "dog")
    assert data.test.images[1, 0, 0].tolist() == [30, 0, 255]
    assert load_dataset(str(tmp_path), 64).test.images.shape == (2, 64, 64, 3)
    (tmp_path / "test" / "dog").rename(tmp_path / "test" / "fox")
    with pytest.raises(ValueError, match="differ"):
        load_dataset(str(tmp_path))
    with pytest.raises(ValueError, match=r"has no folder train .*; a data set is"):
        load_dataset(str(tmp_path / "train"))


def test_schedules() -> None:
    steps = RECIPES["cifar"]
    assert [steps.rate(epoch * 10, 10) for epoch in (0, 59, 60, 120, 160, 199)] == pytest.approx(
        [1, 1, 0.2, 0.04, 0.008, 0.008]
    )
    triangle = Recipe(epochs=10, lr=1.0, warmup=0.2)
    rates = [triangle.rate(step, 10) for step in range(100)]
    assert max(rates) == pytest.approx(1.0, abs=0.03) and rates.index(max(rates)) in (19, 20)
    assert 0 < rates[0] < 0.05 and 0 < rates[-1] < 0.01


@pytest.mark.parametrize(
    "fields",
    [
        {"epochs": 0},
        {"lr": -1.0},
        {"lr": float("nan")},
        {"weight_decay": float("inf")},
        {"holdout": 1.0},
        {"schedule": "cosine"},
        {"crop_padding": -1},
        {"stem": "zero"},
        {"fixed_norm": True},  # without Muon
        {"gamma": float("nan")},
        {"gamma": 0.0},
        {"milestones": (-5,)},
    ],
)
def test_a_wrong_recipe_is_an_error(fields: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        dataclasses.replace(DIGITS, **fields)


def test_a_batch_larger_than_the_data_is_an_error(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crop_padding=16: must be below the size of the pictures, 16"):
        train(dataclasses.replace(DIGITS, crop_padding=16), digits, tmp_path)
    with pytest.raises(ValueError, match="diracnet18 takes no pictures of 16 pixels: it needs 29"):
        train(dataclasses.replace(DIGITS, model="diracnet18"), digits, tmp_path)
    with pytest.raises(ValueError, match="batch_size=5000 exceeds the 1438"):
        train(dataclasses.replace(DIGITS, batch_size=5000), digits, tmp_path)
    for seed in (-1, 1 << 63):
        with pytest.raises(ValueError, match=f"seed={seed}: must be a whole number from 0 to 9223372036854775807"):
            train(DIGITS, digits, tmp_path, seed=seed)


@pytest.mark.parametrize("act", [train, lambda recipe, data, out: preview(recipe, data)])
def test_a_share_that_holds_out_no_picture_is_an_error(act: Callable, few_digits: Dataset, tmp_path: Path) -> None:
    most = int(few_digits.train.targets.bincount().max())
    recipe = dataclasses.replace(DIGITS, batch_size=16, holdout=0.4 / most)
    with pytest.raises(
        ValueError, match=rf"holds out none of at most {most} pictures of a class; give at least"
    ) as told:
        act(recipe, few_digits, tmp_path)
    share = float(str(told.value).partition("at least ")[2].partition(",")[0])
    assert round(share * most) >= 1
    preview(dataclasses.replace(recipe, holdout=share), few_digits)


def test_a_device_without_float64_is_given_none(
    few_digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apple's; which stands here for the processor, watched by PyTorch's dispatcher."""

    class NoFloat64(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            assert not (isinstance(found, torch.Tensor) and found.dtype == torch.float64), function
            return found

    assert not has_float64(torch.device("mps")) and has_float64(torch.device("cpu"))
    monkeypatch.setattr("zoo.training.job.has_float64", lambda device: False)
    recipe = dataclasses.replace(DIGITS, batch_size=16, epochs=1)
    job = plan_job(recipe, few_digits, seed=0, init=None, build=DiracNet, architecture=None, teacher=None)
    trainer = Trainer(job, job.net())
    with NoFloat64():
        for batch in islice(job.batches(epoch=0), 2):
            trainer.move(*trainer.gradients(batch))
    with pytest.raises(ValueError, match="precision='float64': cpu computes no float64; give another precision"):
        train(dataclasses.replace(recipe, precision="float64"), few_digits, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "--model diracnet18_x0_5 --image-size 32 --batch-size 8 --accumulation 8",
            r"batch_size=8, accumulation=8, 1 processes: one picture at a time, of 32 pixels.*BatchNorm.*--image-size",
        ),
        ("--model diracnet18 --image-size 16", "diracnet18 takes no pictures of 16 pixels: it needs 29"),
        ("--batch-size 100 --accumulation 3", "batch_size=100: must be a multiple of 1 processes times accumulation=3"),
        ("--crop-padding 40", "crop_padding=40: must be below the size of the pictures, 32"),
        ("--teacher torchvision:resnet81 --teacher-weight 1", "torchvision has no classifier 'resnet81'"),
        ("--teacher diracnet16_cifar --teacher-weight 1", "'diracnet16_cifar' is untrained"),
        ("--teacher-weight 0.9", "teacher_weight=0.9: no teacher: name one"),
        (
            "--seed 9223372036854775808",
            "seed=9223372036854775808: must be a whole number from 0 to 9223372036854775807",
        ),
        ("--channels 2", r"channels=2: pictures become one of 1 \(grey\), 3 \(RGB\), 4 \(RGBA\)"),
    ],
)
def test_what_cannot_work_is_said_before_the_data_are_read(
    arguments: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for half in ("train", "test"):
        (tmp_path / half).mkdir()
    monkeypatch.setattr("zoo.training.sources.load_dataset", None)
    command = ["diracnet", "train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), *arguments.split()]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert re.search(said, " ".join(capsys.readouterr().err.split()))


PROGRAM = """
from zoo.training.state import Clock

Clock.elapsed = lambda clock: (7200.0, 3600.0 * (int(os.environ["RANK"]) + 1))
how, teacher = {"epochs": 3}, None
"""


@pytest.mark.slow
def test_two_processes_follow_one_that_accumulates_the_same_halves(losses_of_halves: Callable, tmp_path: Path) -> None:
    """In float64, over 66 steps; BatchNorm's statistics are those of each half in both."""
    one, two = losses_of_halves(PROGRAM)
    assert len(one) == len(two) == 66
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-8
    results = [json.loads((tmp_path / f"run{n}" / "result.json").read_text()) for n in (1, 2)]
    assert [result["environment"]["processes"] for result in results] == ["1", "2"]
    assert [(result["wall_hours"], result["cpu_hours"]) for result in results] == [(2, 1), (2, 1 + 2)]


def test_parts_that_do_not_divide_a_batch_are_an_error(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size=64: must be a multiple of 1 processes times accumulation=3"):
        train(dataclasses.replace(DIGITS, accumulation=3), digits, tmp_path)
    assert not list(tmp_path.iterdir())


def test_alternating_flips_show_both_sides_in_two_epochs(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, flip="alternating", crop_padding=0, batch_size=len(digits.train))

    def mean(epoch: int) -> torch.Tensor:
        return next(digits.train.batches(digits.preprocessing, recipe, Place(seed=0, epoch=epoch)))[0].mean(0)

    # Each picture is mirrored in one of the two, so their sum is symmetric, and neither of them is.
    total = mean(4) + mean(5)
    assert torch.allclose(total, total.flip(-1), atol=1e-5)
    assert not torch.allclose(mean(4), mean(4).flip(-1), atol=1e-5)
    assert torch.allclose(mean(4), mean(6), atol=1e-6)


@pytest.mark.slow
def test_trained_weights_are_trained_on(digits: Dataset, tmp_path: Path) -> None:
    train(DIGITS, digits, tmp_path / "first")
    first = zoo.Checkpoint.load(tmp_path / "first" / "model.safetensors")
    recipe = dataclasses.replace(DIGITS, epochs=1, lr=0.001)
    again = train(recipe, digits, tmp_path / "again", init=first)
    assert again["metrics"]["top1"] >= evaluate(zoo.build_from(first), digits.test, digits.preprocessing)["top1"] - 2
    few = Pictures(digits.train.images, digits.train.targets % 5, tuple("abcde"))
    train(recipe, Dataset(few, few, digits.preprocessing), tmp_path / "few", init=first)
    second = zoo.Checkpoint.load(tmp_path / "few" / "model.safetensors")
    assert second.state["fc.weight"].shape[0] == 5 and second.labels == tuple("abcde")
    moved = (second.state["group0.block0.conv.weight"] - first.state["group0.block0.conv.weight"]).abs().max()
    assert 0 < moved < 0.1
    with pytest.raises(ValueError, match="the weights to start from are those of"):
        train(dataclasses.replace(recipe, model="diracnet16_cifar"), digits, tmp_path / "wrong", init=first)
    with pytest.raises(ValueError, match=r"init=.*not None"):
        train(recipe, digits, tmp_path / "again")
    for name, value in (("beta", 0.5), ("bn_bias", 0.5), ("stem", "principal")):
        with pytest.raises(ValueError, match=rf"{name}={value!r}: .* leave that out"):
            train(dataclasses.replace(recipe, **{name: value}), digits, tmp_path / name, init=first)


SLOWER = [pytest.param(dtype, marks=pytest.mark.slow) for dtype in (torch.float16, torch.float8_e4m3fn)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, *SLOWER])
def test_weights_of_any_floating_type_start_a_run(dtype: torch.dtype, digits: Dataset, tmp_path: Path) -> None:
    net = zoo.get_model("diracnet10_cifar", num_classes=10, in_channels=1)
    state = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in net.state_dict().items()
    }
    dataclasses.replace(zoo.Checkpoint.from_model(net), state=state).save(tmp_path / "w.safetensors")
    first = zoo.Checkpoint.load(tmp_path / "w.safetensors")
    assert first.state["fc.weight"].dtype == dtype
    train(dataclasses.replace(DIGITS, epochs=1), digits, tmp_path / "run", init=first)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["init"]["digest"] == first.digest()


def test_a_digest_is_of_the_bytes_that_numpy_gives() -> None:
    checkpoint = zoo.Checkpoint.from_model(zoo.get_model("diracnet10_cifar"))
    digest = hashlib.sha256(json.dumps(checkpoint.describe(), sort_keys=True).encode())
    for name, tensor in sorted(checkpoint.state.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    assert checkpoint.digest() == digest.hexdigest()


@pytest.mark.parametrize("accumulation", [4, 8])
def test_a_part_of_one_value_per_channel_is_an_error(accumulation: int, tmp_path: Path) -> None:
    data = load_dataset("digits", 32)
    recipe = dataclasses.replace(
        DIGITS, epochs=1, model="diracnet18_x0_5", batch_size=accumulation, accumulation=accumulation
    )
    message = (
        rf"batch_size={accumulation}, accumulation={accumulation}, 1 processes: one picture at a time, of 32 pixels"
    )
    with pytest.raises(ValueError, match=message):
        train(recipe, data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_one_picture_at_a_time_is_enough_where_it_has_more_values_per_channel(digits: Dataset, tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise EnoughError(progress)

    with pytest.raises(EnoughError):
        train(dataclasses.replace(DIGITS, batch_size=2, accumulation=2), digits, tmp_path, on_step=stop)


def test_another_architecture_has_to_be_named(digits: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(DIGITS, epochs=1)
    with pytest.raises(ValueError, match="architecture=None: name the nets"):
        train(recipe, digits, tmp_path, build=COMPARATORS["resnet"])
    train(recipe, digits, tmp_path, build=COMPARATORS["resnet"], architecture="ResNet")
    assert json.loads((tmp_path / "run.json").read_text())["net"] == "ResNet"
    assert not (tmp_path / "model.safetensors").exists()


def test_weights_of_other_classes_get_a_new_last_layer(digits: Dataset, tmp_path: Path) -> None:
    """Also where there are as many, or the same in another order."""
    net = zoo.DiracNet(dataclasses.replace(zoo.get_spec("diracnet10_cifar"), in_channels=1))
    recipe = dataclasses.replace(RECIPES["digits"], model="diracnet10_cifar").for_trained_weights()
    classes, named = digits.train.classes, ("one", "two", *"abcdefgh")
    preprocessing = digits.preprocessing
    for labels, kept in (((), True), (classes, True), (named, False), (classes[::-1], False)):
        init = zoo.Checkpoint.from_model(net, labels=labels, preprocessing=preprocessing)
        begun = trained_before(init, net.spec, recipe, classes)
        assert torch.equal(begun.fc.weight, net.fc.weight) == kept
    notes: list[str] = []
    short = dataclasses.replace(recipe, epochs=1)
    train(short, digits, tmp_path, init=init, on_note=notes.append)
    assert "new last layer for 10 classes: the weights to start from tell others apart" in notes[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the time of processes that have ended")
def test_the_workers_that_read_pictures_cost_processor_time_too() -> None:
    clock = Clock()
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", busy], check=True)
    assert clock.elapsed()[1] > 0.29
