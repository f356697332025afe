"""Learning from a teacher: the loss, what a teacher must fit, and that runs with one resume and divide as others do."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

import zoo
from zoo.files import sha256
from zoo.preprocessing import IMAGENET
from zoo.training.data import Dataset, Pictures
from zoo.training.loop import train
from zoo.training.recipes import RECIPES
from zoo.training.teacher import Teacher, divergence, open_teacher

CPU = torch.device("cpu")
RECIPE = dataclasses.replace(RECIPES["digits"], epochs=1, batch_size=16, teacher_weight=0.9, temperature=4.0)


@pytest.fixture
def digits(few_digits: Dataset) -> Dataset:
    return few_digits


def shufflenet(seed: int = 0, classes: int = 10) -> nn.Module:
    """A torchvision net with fresh weights, for grey pictures."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = models.shufflenet_v2_x0_5(num_classes=classes)
        net.conv1[0] = nn.Conv2d(1, 24, 3, 2, 1, bias=False)
    return net


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_divergence_is_kullback_and_leibler_s_times_the_squared_temperature(temperature: float) -> None:
    torch.manual_seed(0)
    ours, theirs = torch.randn(2, 7, 5, dtype=torch.float64)
    p, q = (each.div(temperature).softmax(dim=1) for each in (theirs, ours))
    expected = (p * (p / q).log()).sum(dim=1).mean() * temperature**2
    torch.testing.assert_close(divergence(ours, theirs, temperature), expected)
    assert divergence(theirs, theirs + 3, temperature).abs() < 1e-12  # logits have no absolute level


def test_a_run_with_a_teacher_resumes_and_leaves_the_teacher_alone(
    digits: Dataset, tmp_path: Path, cut: Callable[..., None]
) -> None:
    teacher = shufflenet().train()
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    train(RECIPE, digits, tmp_path / "whole", teacher=teacher)
    cut(RECIPE, digits, tmp_path / "parts", epoch=0, step=5, teacher=teacher, save_every=0)
    for other in (shufflenet(seed=1), Teacher(teacher, "ShuffleNet", mean=(0.5,), std=(0.5,))):
        with pytest.raises(ValueError, match=r"teacher\.(digest|mean)="):
            train(RECIPE, digits, tmp_path / "parts", teacher=other)
    train(RECIPE, digits, tmp_path / "parts", teacher=teacher)
    for name in ("model.safetensors", "metrics.jsonl", "run.json"):
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name)
    assert teacher.training and all(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in teacher.state_dict().items())
    train(dataclasses.replace(RECIPE, teacher_weight=0.0), digits, tmp_path / "alone")
    assert sha256(tmp_path / "alone" / "model.safetensors") != sha256(tmp_path / "whole" / "model.safetensors")


@pytest.mark.slow
def test_labels_do_not_count_where_all_the_weight_is_the_teacher_s(digits: Dataset, tmp_path: Path) -> None:
    one = digits.train
    wrong = Dataset(Pictures(one.images, (one.targets + 3) % 10, one.classes), digits.test, digits.preprocessing)
    for weight, same in ((1.0, True), (0.9, False)):
        recipe = dataclasses.replace(RECIPE, teacher_weight=weight, muon_lr=0.02)
        for name, data in (("right", digits), ("wrong", wrong)):
            train(recipe, data, tmp_path / f"{name}-{weight}", teacher=shufflenet())
        right, other = (sha256(tmp_path / f"{name}-{weight}" / "model.safetensors") for name in ("right", "wrong"))
        assert (right == other) == same


def test_a_teacher_s_input_has_its_own_normalization(digits: Dataset) -> None:
    pixels = torch.randint(256, (2, 1, 16, 16), dtype=torch.uint8)
    how = dataclasses.replace(digits.preprocessing, mean=(0.1,), std=(0.7,))
    for mean, std in (((0.1,), (0.7,)), (None, None)):
        teacher = Teacher(nn.Identity(), "same", mean, std)
        module = teacher.module(digits.preprocessing, CPU, torch.float64)
        expected = digits.preprocessing if mean is None else how
        seen = module(digits.preprocessing.normalize(pixels).double())
        torch.testing.assert_close(seen, expected.normalize(pixels).double(), rtol=0, atol=1e-6)


FLAT = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
"""Takes pictures of 32 pixels only."""


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (
            Teacher(shufflenet(), "T", mean=(0.5,) * 3, std=(0.5,) * 3),
            "takes pictures of 3 channels .* the data have 1",
        ),
        (shufflenet(classes=7), r"gives \(7,\) for a picture, the data have 10 classes"),
        (
            Teacher(shufflenet(), "T", labels=tuple("0132456789")),
            "'3' where the data have '2', the first of 2 differences",
        ),
        (Teacher(FLAT, "T", size=32), "takes no pictures of 1×16×16: .* It was trained on 32 pixels: set --image-size"),
        (models.resnet18(num_classes=10), "takes no pictures of 1×16×16: .*channels"),
        (nn.Sequential(nn.Conv2d(1, 10, 3)), "for a picture, the data have 10 classes"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    teacher: nn.Module | Teacher, message: str, digits: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        train(RECIPE, digits, tmp_path, teacher=teacher)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"teacher": "diracnet16_cifar:cifar10"}, "teacher_weight=0: nothing would be learnt from it"),
        ({"teacher_weight": 1.5}, "teacher_weight=1.5: must be at least 0 and at most 1"),
        ({"temperature": 0.0}, "temperature=0.0: must be above zero"),
    ],
)
def test_a_recipe_says_how_much_a_teacher_counts(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RECIPES["digits"], **fields)


def test_weight_and_teacher_go_together(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"teacher_weight=0.9: no teacher"):
        train(RECIPE, digits, tmp_path)
    with pytest.raises(ValueError, match=r"teacher_weight=0.0: nothing is learnt from a teacher"):
        train(RECIPES["digits"], digits, tmp_path, teacher=shufflenet())
    with pytest.raises(ValueError, match="give one of them"):
        train(dataclasses.replace(RECIPE, teacher="x"), digits, tmp_path, teacher=shufflenet())


@pytest.mark.slow
def test_a_trained_net_of_this_package_teaches(digits: Dataset, tmp_path: Path) -> None:
    train(dataclasses.replace(RECIPES["digits"], epochs=1), digits, tmp_path / "teacher")
    file = tmp_path / "teacher" / "model.safetensors"
    train(dataclasses.replace(RECIPE, teacher=str(file), precision="bf16"), digits, tmp_path / "net")
    request = json.loads((tmp_path / "net" / "run.json").read_text())
    assert request["teacher"]["name"] == str(file) and len(request["teacher"]["digest"]) == 64
    opened = open_teacher(str(file))
    assert (opened.size, opened.labels, opened.mean) == (16, digits.train.classes, digits.preprocessing.mean)
    with pytest.raises(ValueError, match="is untrained"):
        open_teacher("diracnet10_cifar")


@pytest.mark.parametrize("reference", ["timm:resnet18", "torchvision:resnet18"])
def test_the_nets_of_other_libraries_bring_their_normalization(reference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    create, get = timm.create_model, models.get_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained: create(name))
    monkeypatch.setattr(models, "get_model", lambda name, weights: get(name))
    teacher = open_teacher(reference)
    assert (teacher.mean, teacher.std, teacher.size) == (IMAGENET.mean, IMAGENET.std, 224)
    teacher.check(IMAGENET, ["x"] * 1000, CPU)
    library = reference.partition(":")[0]
    with pytest.raises(ValueError, match=f"{library} has no"):
        open_teacher(f"{library}:no_such_net")


PROGRAM = """
from torchvision import models

torch.manual_seed(0)
teacher = models.resnet18(num_classes=10)
teacher.conv1 = nn.Conv2d(1, 64, 3, bias=False)
how = {"epochs": 1, "teacher_weight": 0.5, "temperature": 2.0}
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_the_same_halves(
    losses_of_halves: Callable,
) -> None:
    one, two = losses_of_halves(PROGRAM)
    assert len(one) == len(two) == 22
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) <= 1e-8


def test_a_shipped_net_is_known_by_its_reference() -> None:
    teacher = open_teacher("diracnet16_cifar:cifar10")
    assert teacher.labels == zoo.get_weight("diracnet16_cifar", "cifar10").labels and teacher.size == 32
