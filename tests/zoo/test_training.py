"""Training: the data's randomness, resuming, errors; on scikit-learn's digits."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import zoo
from zoo.training.data import Dataset, Pictures
from zoo.training.evaluate import evaluate
from zoo.training.loop import train
from zoo.training.optimizers import Muon, make_optimizers
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.sources import load_dataset
from zoo.training.start import fresh, set_stem

DIGITS = dataclasses.replace(RECIPES["digits"], epochs=3)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_are_learnt(digits: Dataset, tmp_path: Path) -> None:
    result = train(RECIPES["digits"], digits, tmp_path / "run")
    assert result["metrics"]["top1"] >= 95
    net = zoo.Checkpoint.load(tmp_path / "run" / "model.safetensors").model()
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
        return next(digits.train.batches(digits.preprocessing, DIGITS, seed=seed, epoch=epoch))[0]

    assert torch.equal(first(1, 2), first(1, 2))
    assert not torch.equal(first(1, 2), first(2, 1))
    assert not torch.equal(first(1, 2), first(1, 3))


def test_every_picture_is_seen_once_an_epoch_and_unchanged_without_augmentation(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, crop_padding=0, flip="none", batch_size=1438)
    ((images, targets),) = digits.train.batches(digits.preprocessing, recipe, seed=0, epoch=0)
    expected = digits.preprocessing.normalize(digits.train.images.permute(0, 3, 1, 2))
    order = torch.argsort(images.flatten(1).double() @ torch.arange(256.0).double())
    reference = torch.argsort(expected.flatten(1).double() @ torch.arange(256.0).double())
    assert torch.equal(images[order], expected[reference])
    assert torch.equal(targets.bincount(), digits.train.targets.bincount())


def test_crops_are_reflected_and_flips_mirror(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, crop_padding=2, flip="random", batch_size=64)
    one = digits.train.subset(torch.zeros(64, dtype=torch.long))
    images, _ = next(one.batches(digits.preprocessing, recipe, seed=0, epoch=0))
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
    with pytest.raises(ValueError, match="has no folder train: a data set is"):
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


@pytest.mark.parametrize("version", [1, 2])
def test_weight_decay_spares_one_dimensional_parameters_in_version_2(version: int) -> None:
    net = zoo.diracnet(depth=10, family="cifar", version=version)
    spared = [
        p
        for group in make_optimizers(net, DIGITS)[0].param_groups
        if group["weight_decay"] == 0
        for p in group["params"]
    ]
    expected = [p for p in net.parameters() if p.ndim <= 1] if version == 2 else []
    assert {id(p) for p in spared} == {id(p) for p in expected}


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


PROGRAM = """
import dataclasses, json, sys
from pathlib import Path
from zoo.training.sources import load_dataset
from zoo.training.loop import train
from zoo.training.recipes import RECIPES

out, accumulation = Path(sys.argv[1]), int(sys.argv[2])
recipe = dataclasses.replace(RECIPES["digits"], epochs=3, precision="float64", accumulation=accumulation)
sums = []
train(recipe, load_dataset("digits"), out, on_step=lambda p: sums.append(p.loss * p.step))
if sums:
    Path(f"{out}.json").write_text(json.dumps(sums))
"""


def test_two_processes_follow_one_that_accumulates_the_same_halves(root: Path, tmp_path: Path) -> None:
    """In float64, over 66 steps; BatchNorm's statistics are those of each half in both."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    if sys.platform == "linux":
        environment["GLOO_SOCKET_IFNAME"] = "lo"  # whether or not the host's name resolves
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    for processes, accumulation in ((1, 2), (2, 1)):
        command = [*launch, str(processes), "program.py", f"run{processes}", str(accumulation)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / f"run{processes}.json").read_text()) for processes in (1, 2))
    assert len(one) == len(two) == 66
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-8
    environments = [json.loads((tmp_path / f"run{n}" / "result.json").read_text())["environment"] for n in (1, 2)]
    assert [environment["processes"] for environment in environments] == ["1", "2"]


def test_parts_that_do_not_divide_a_batch_are_an_error(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size=64: must be a multiple of 1 processes times accumulation=3"):
        train(dataclasses.replace(DIGITS, accumulation=3), digits, tmp_path)
    assert not list(tmp_path.iterdir())


def test_muon_makes_a_step_whose_singular_values_are_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((8, 4, 3, 3), (64, 3, 3, 3), (16, 48, 1, 1)):
        kernel = torch.nn.Parameter(torch.randn(shape))
        before, kernel.grad = kernel.detach().clone(), torch.randn(shape)
        Muon([kernel], lr=0.1).step()
        rows, columns = kernel.flatten(1).shape
        values = torch.linalg.svdvals((before - kernel.detach()).flatten(1)) / (0.1 * max(1, rows / columns) ** 0.5)
        assert values.min() > 0.6 and values.max() < 1.3
        # With the gradient's own singular vectors: a positive semidefinite product.
        product = (before - kernel.detach()).flatten(1) @ kernel.grad.flatten(1).T
        if rows <= columns:
            assert torch.linalg.eigvalsh(product + product.T).min() > 0


def test_a_fixed_norm_makes_muon_s_rate_the_angle_of_a_step() -> None:
    torch.manual_seed(0)
    for shape in ((8, 4, 3, 3), (64, 3, 3, 3), (16, 48, 1, 1)):
        kernel = torch.nn.Parameter(torch.randn(shape))
        muon = Muon([kernel], lr=0.1, fixed_norm=True)
        angles = []
        for _ in range(50):
            before, kernel.grad = kernel.detach().clone(), torch.randn(shape)
            muon.step()
            assert kernel.norm().item() == pytest.approx(shape[0] ** 0.5, rel=1e-5)
            angles.append(torch.nn.functional.cosine_similarity(before.flatten(), kernel.flatten(), dim=0).acos())
        # The first step starts from another norm. Orthogonalization leaves singular values of 0.7 to 1.2.
        assert all(0.05 < angle < 0.12 for angle in angles[1:])


def test_a_principal_stem_sees_uncorrelated_parts_of_the_pictures(digits: Dataset, tmp_path: Path) -> None:
    net = zoo.DiracNet(dataclasses.replace(zoo.get_spec("diracnet10_cifar"), in_channels=1))
    before = net.conv.weight.detach().clone()
    images = next(digits.train.batches(digits.preprocessing, DIGITS, seed=0, epoch=0))[0]
    set_stem(net, images)
    # Sixteen kernels: the eight largest of nine components and their negatives.
    pairs = net.conv.weight.unflatten(0, (8, 2))
    assert torch.equal(pairs[:, 0], -pairs[:, 1])
    seen = torch.nn.functional.conv2d(images, pairs[:, 0]).movedim(1, 0).flatten(1)
    products = seen @ seen.T / seen.shape[1]
    powers = products.diagonal()
    assert (powers[:-1] >= powers[1:]).all()
    torch.testing.assert_close(products, powers.diag(), atol=1e-4, rtol=0)
    wide = zoo.DiracNet(dataclasses.replace(zoo.get_spec("diracnet10_x2_cifar"), in_channels=1))
    kept = wide.conv.weight[18:].detach().clone()
    set_stem(wide, images)
    assert torch.equal(wide.conv.weight[18:], kept) and wide.conv.weight[:18].flatten(1).norm(dim=1).allclose(
        torch.ones(18)
    )
    assert not torch.equal(net.conv.weight, before)
    results = [
        train(dataclasses.replace(DIGITS, epochs=1, stem=stem), digits, tmp_path / stem)["metrics"]["loss"]
        for stem in ("random", "principal")
    ]
    assert results[0] != results[1]


def test_alternating_flips_show_both_sides_in_two_epochs(digits: Dataset) -> None:
    recipe = dataclasses.replace(DIGITS, flip="alternating", crop_padding=0, batch_size=len(digits.train))

    def mean(epoch: int) -> torch.Tensor:
        return next(digits.train.batches(digits.preprocessing, recipe, seed=0, epoch=epoch))[0].mean(0)

    # Each picture is mirrored in one of the two, so their sum is symmetric, and neither of them is.
    total = mean(4) + mean(5)
    assert torch.allclose(total, total.flip(-1), atol=1e-5)
    assert not torch.allclose(mean(4), mean(4).flip(-1), atol=1e-5)
    assert torch.allclose(mean(4), mean(6), atol=1e-6)


def test_trained_weights_are_trained_on(digits: Dataset, tmp_path: Path) -> None:
    train(DIGITS, digits, tmp_path / "first")
    first = zoo.Checkpoint.load(tmp_path / "first" / "model.safetensors")
    recipe = dataclasses.replace(DIGITS, epochs=1, lr=0.001)
    again = train(recipe, digits, tmp_path / "again", init=first)
    assert again["metrics"]["top1"] >= evaluate(first.model(), digits.test, digits.preprocessing)["top1"] - 2
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
    with pytest.raises(ValueError, match=r"beta=0\.5: .* leave it at 0"):
        train(dataclasses.replace(recipe, beta=0.5), digits, tmp_path / "beta", init=first)
    with pytest.raises(ValueError, match=r"stem='principal': .* leave it at random"):
        train(dataclasses.replace(recipe, stem="principal"), digits, tmp_path / "stem", init=first)


def test_beta_starts_where_the_recipe_says() -> None:
    spec = zoo.get_spec("diracnet10_cifar")
    own, other = (fresh(zoo.DiracNet, spec, dataclasses.replace(DIGITS, beta=beta)) for beta in (0.0, 0.5))
    for net, value in ((own, 0.1), (other, 0.5)):
        betas = [module.beta for module in net.modules() if isinstance(module, zoo.DiracConv2d)]
        assert betas and all(torch.equal(beta, torch.full_like(beta, value)) for beta in betas)
