"""Learning from a teacher: the loss, what a teacher must fit, and that runs with one resume and divide as others do."""

import dataclasses
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

import zoo
from zoo.cards.names import short_name
from zoo.files import sha256
from zoo.preprocessing import IMAGENET
from zoo.training.agreement import Knowledge
from zoo.training.data import Dataset, Pictures
from zoo.training.evaluate import answer_pictures
from zoo.training.loop import train
from zoo.training.preview import preview
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
    for other in (shufflenet(seed=1), Teacher(teacher, "S", mean=(0.5,), std=(0.5,)), Teacher(teacher, "S", size=24)):
        with pytest.raises(ValueError, match=r"teacher\.(digest|mean|size)="):
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
        files = (tmp_path / f"{name}-{weight}" / "model.safetensors" for name in ("right", "wrong"))
        right, other = (zoo.Checkpoint.load(file).digest() for file in files)
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


@pytest.mark.parametrize("size", [None, 8, 16, 24, 32])
def test_a_teacher_s_input_has_its_own_size(size: int | None, digits: Dataset) -> None:
    pictures = torch.rand(3, 1, 16, 16)
    teacher = Teacher(nn.Identity(), "same", size=size)
    module = teacher.module(digits.preprocessing, CPU, torch.float32)
    expected = pictures if size is None else v2.functional.resize(pictures, [size, size], antialias=True)
    torch.testing.assert_close(module(pictures), expected, rtol=0, atol=0)
    assert teacher.identity(digits.preprocessing).get("size") == (size if size != 16 else None)


class Always(nn.Module):
    """Gives every picture the same class."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.register_buffer("logits", nn.functional.one_hot(torch.tensor(index), 10).float())

    def forward(self, input: Tensor) -> Tensor:
        return self.get_buffer("logits").expand(len(input), -1)


@pytest.mark.parametrize("versions", [0, 1])
def test_what_a_teacher_knows_is_told(
    versions: int, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    recipe = dataclasses.replace(RECIPE, versions=versions)
    notes: list[str] = []
    result = train(recipe, digits, tmp_path / "run", teacher=Teacher(Always(3), "T"), on_note=notes.append)
    told = re.match(r"the teacher T classifies (\S+)% of (\d+) augmented training pictures correctly; if", notes[-1])
    assert told is not None
    share, asked = float(told[1]), int(told[2])
    unseen, threes = 0 if versions else len(digits.train) % 16, int((digits.train.targets == 3).sum())
    assert asked == len(digits.train) - unseen and threes - unseen <= round(share / 100 * asked) <= threes
    model = zoo.build_from(checkpoint := zoo.Checkpoint.load(tmp_path / "run" / "model.safetensors"))
    given = answer_pictures(model, digits.test, digits.preprocessing)
    expected = {
        "top1": 100 * (given.targets == 3).double().mean().item(),
        "agreement": 100 * (given.predicted == 3).double().mean().item(),
    }
    # The logs that are kept for docs/paper.md are both files in one.
    assert not json.loads((tmp_path / "run" / "run.json").read_text()).keys() & result.keys()
    assert result["beside_teacher"] == checkpoint.facts.provenance["beside_teacher"] == expected


def test_a_preview_tells_what_the_teacher_knows(digits: Dataset) -> None:
    found = preview(RECIPE, digits, teacher=Teacher(Always(3), "T", size=32))
    assert "augmented training pictures correctly, seeing them at 32 pixels;" in "\n".join(found.lines())
    assert not preview(dataclasses.replace(RECIPE, teacher_weight=0.0), digits).teacher


def test_only_a_teacher_that_is_mostly_wrong_is_called_in_question() -> None:
    teacher = Teacher(nn.Identity(), "T")
    assert Knowledge(teacher, 128, 256, None).sentence() == (
        "the teacher T classifies 50.0% of 256 augmented training pictures correctly"
    )
    assert "; if you expect more, look at" in Knowledge(teacher, 127, 256, None).sentence()


class Named(nn.Module):
    """Answers as some libraries' nets do."""

    def forward(self, input: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": input.mean(dim=(1, 2, 3))}


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
        (FLAT, r"takes no pictures of 1×16×16: .* pass Teacher\(model, name, size=…\) or set --image-size"),
        (Teacher(FLAT, "T", size=24), r"takes no pictures of 1×24×24: [^=]*$"),
        (models.resnet18(num_classes=10), "takes no pictures of 1×16×16: .*channels"),
        (Teacher(shufflenet(), "T", labels=tuple("012345678")), r"gives 9 labels for a picture, the data have 10"),
        (Teacher(shufflenet(), "T", mean=(0.5,), std=(0.0,)), r"not finite: its weights are damaged, or std=\(0\.0,\)"),
        (Teacher(shufflenet(), ""), r"name='': cards have no name for such a teacher"),
        (Named(), "gives a dict; wrap it in a module that returns its logits alone"),
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


@pytest.mark.parametrize("save", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(2, 1, 16, 16))])
def test_a_saved_torchscript_module_teaches(save: Callable, digits: Dataset) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 10)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript says that it is deprecated
        teacher = Teacher(save(net), "T")
    teacher.check(digits.preprocessing, digits.train.classes, torch.device("cpu"))
    images = torch.randn(3, 1, 16, 16)
    answers = teacher.module(digits.preprocessing, torch.device("cpu"), torch.float32)(images)
    assert torch.equal(answers, net(images)) and not answers.requires_grad


def test_the_folder_that_a_command_is_called_in_teaches_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = zoo.load_weight(zoo.get_weight("diracnet10_cifar", "cifar10"), "dirac")
    monkeypatch.setattr("zoo.training.teacher.open_model", lambda reference: (checkpoint, None))
    monkeypatch.chdir(tmp_path)
    assert short_name(open_teacher("./").name) == tmp_path.name
