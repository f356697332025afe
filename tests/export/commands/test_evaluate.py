"""`diracnet evaluate`: what it says about classes, probabilities and mistakes, and the pictures that it draws."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix

from export.figures.tables import by_class
from zoo import Checkpoint, DiracNet, Spec, build_from
from zoo.preprocessing import CIFAR
from zoo.training.data import Pictures
from zoo.training.evaluate import Answers, answer_pictures
from zoo.training.report import Report
from zoo.training.sheet import draw_sheet, worst_mistakes
from zoo.training.sources import load_test

CLASSES = ("cat", "dog", "猫 $x_1$")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight test pictures of each of three classes."""
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for label in CLASSES:
        (folder / "test" / label).mkdir(parents=True)
        for index in range(8):
            cells = generator.integers(0, 256, (4, 4, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            Image.fromarray(cells).save(folder / "test" / label / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def net(randomised: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = Spec(depth=10, width=0.25, family="cifar", num_classes=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = randomised(DiracNet(spec)).state_dict()
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    Checkpoint(form="dirac", spec=spec, tag="mine", labels=CLASSES, preprocessing=CIFAR, state=state).save(path)
    return path


@pytest.fixture(scope="module")
def answers(net: Path, data: Path) -> Answers:
    return answer_pictures(build_from(Checkpoint.load(net)), load_test(str(data), CIFAR), CIFAR)


def test_programs_get_classes_calibration_and_confusion(
    diracnet: Callable, net: Path, data: Path, answers: Answers
) -> None:
    status, output, _ = diracnet("evaluate", net, "--data", data, "--json")
    found = json.loads(output)
    expected = confusion_matrix(answers.targets, answers.predicted, labels=range(3))
    assert status == 0 and found["pictures"] == 24 and found["confusion"] == expected.tolist()
    assert [row["class"] for row in found["classes"]] == list(CLASSES)
    assert [row["right"] for row in found["classes"]] == expected.diagonal().tolist()
    confidence = 100 * answers.logits.softmax(1).amax(1).mean().item()
    assert found["calibration"]["confidence"] == pytest.approx(confidence, abs=1e-4)
    assert 0 <= found["calibration"]["error"] <= 100 and "skipped" not in found


def test_people_get_the_matrix_in_a_few_lines(diracnet: Callable, net: Path, data: Path, answers: Answers) -> None:
    status, output, _ = diracnet("evaluate", net, "--data", data)
    first, second, title, heads, *rows = output.splitlines()
    assert status == 0 and f"top-1 {answers.metrics()['top1']:.2f}%" in first and second.startswith("calibration error")
    assert title.startswith("Each row") and heads.split() == ["class", "right", "0", "1", "2"] and len(rows) == 3
    matrix = confusion_matrix(answers.targets, answers.predicted, labels=range(3))
    for label, counts, row in zip(CLASSES, matrix.tolist(), rows, strict=True):
        assert label in row and row.split()[-3:] == [str(count) if count else "·" for count in counts]


@pytest.mark.parametrize("classes", [11, 1000])
def test_of_many_classes_the_worst_ten_are_listed(classes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(1, classes, (5000,), generator=generator)
    logits = torch.randn(5000, classes, generator=generator) + 3 * torch.eye(classes)[targets]
    names = tuple(f"class {index}" for index in range(classes))
    report = Report(Answers(logits, targets), Pictures(torch.empty(5000, 1, 1, 1), targets, names))
    heads, rows = report.table()
    shares = [float(row[2].removesuffix("%")) for row in rows]
    lowest = min(each.top1 for each in report.classes if each.top1 is not None)
    assert len(rows) == 10 and len(heads) == 4 and shares == sorted(shares) and shares[0] == round(lowest, 1)
    empty = classes - len(targets.unique())
    assert f"worst 10 of {classes:,} classes; {empty} ha" in report.table_title()
    title, (heads, of_both) = by_class({"classes": names, "fp32": {"confusion": report.matrix.tolist()}}, ["fp32"])
    assert title == report.table_title() and of_both == rows and len(heads) == 4
    assert len(report.to_dict()["confusion"]) == classes


def test_pictures_are_drawn_where_they_are_asked_for(
    diracnet: Callable, net: Path, data: Path, tmp_path: Path, answers: Answers
) -> None:
    sheet, matrix, numbers = (tmp_path / name for name in ("new/e.png", "c.PNG", "c.csv"))
    command = ("evaluate", net, "--data", data, "--top-errors", 7, sheet, "--confusion")
    for path in (matrix, numbers):
        status, _, errors = diracnet(*command, path)
        assert (status, "error" in errors) == (0, False)
    with Image.open(sheet) as drawn, Image.open(matrix) as other:
        assert drawn.format == other.format == "PNG" and drawn.width > 4 * 160 and drawn.height > 2 * 160
    with numbers.open(encoding="utf-8", newline="") as file:
        heads, *rows = csv.reader(file)
    expected = confusion_matrix(answers.targets, answers.predicted, labels=range(3))
    assert heads[1:] == list(CLASSES) and [list(map(int, row[1:])) for row in rows] == expected.tolist()


def test_the_worst_mistakes_are_those_with_the_least_probable_class(data: Path, answers: Answers) -> None:
    pictures = load_test(str(data), CIFAR)
    every = worst_mistakes(answers, pictures, 1000)
    assert len(every) == int((~answers.right).sum()) and worst_mistakes(answers, pictures, 2) == every[:2]
    assert [each.true_probability for each in every] == sorted(each.true_probability for each in every)
    for each in every:
        assert Path(each.name).parent.name == each.true != each.predicted and each.true_probability < each.probability
    assert worst_mistakes(Answers(torch.eye(3), torch.arange(3)), pictures, 5) == []


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (200, 3), (160, 4)])
def test_a_sheet_shows_pictures_of_any_kind_and_names_of_any_length(size: int, channels: int, tmp_path: Path) -> None:
    images = torch.randint(0, 256, (3, size, size, channels), dtype=torch.uint8)
    names = ("a" * 300, "\x1b[31m\n", "b")
    pictures = Pictures(images, torch.tensor([0, 1, 2]), names, tuple(Path(name) for name in ("x" * 90, "\t", "é.png")))
    mistakes = worst_mistakes(Answers(torch.eye(3)[[1, 2, 0]], pictures.targets), pictures, 9)
    draw_sheet(mistakes, pictures, tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (3 * 172 + 12, 160 + 3 * 17 + 12 + 12)


def test_damaged_pictures_are_left_out_and_named(diracnet: Callable, net: Path, data: Path, tmp_path: Path) -> None:
    for path in data.rglob("*.png"):
        copy = tmp_path / path.relative_to(data)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() if path.name != "3.png" else b"no picture")
    status, _, errors = diracnet("evaluate", net, "--data", tmp_path)
    assert status == 2 and "3 pictures cannot be read" in errors and "--skip-damaged" in errors
    status, output, _ = diracnet("evaluate", net, "--data", tmp_path, "--skip-damaged", "--json")
    found = json.loads(output)
    assert status == 0 and found["pictures"] == 21
    assert found["skipped"] == [f"test/{label}/3.png" for label in CLASSES]
    assert (
        "21 test pictures; 3 damaged ones were left out"
        in diracnet("evaluate", net, "--data", tmp_path, "--skip-damaged")[1]
    )


def test_classes_are_told_by_their_names_and_may_be_missing(
    diracnet: Callable, net: Path, data: Path, answers: Answers, tmp_path: Path
) -> None:
    """Not by their place: the pictures of the last class would count as those of the one that is missing."""
    for label in (CLASSES[0], CLASSES[2]):
        shutil.copytree(data / "test" / label, tmp_path / "test" / label)
    (tmp_path / "test" / CLASSES[1]).mkdir()
    status, output, errors = diracnet("evaluate", net, "--data", tmp_path, "--json")
    found = json.loads(output)
    expected = confusion_matrix(answers.targets, answers.predicted, labels=range(3))
    expected[1] = 0
    assert status == 0 and found["confusion"] == expected.tolist() and found["pictures"] == 16
    assert [row["top1"] is None for row in found["classes"]] == [False, True, False]
    assert "has no pictures of 1 of the 3 classes" in " ".join(errors.split())
    checkpoint = Checkpoint.load(net)
    save = replace(checkpoint, labels=CLASSES[::-1], state={**checkpoint.state, **turned(checkpoint)}).save
    save(tmp_path / "turned.safetensors")
    again = json.loads(diracnet("evaluate", tmp_path / "turned.safetensors", "--data", data, "--json")[1])
    assert again["metrics"] == pytest.approx(answers.metrics())
    shutil.copytree(data / "test" / CLASSES[0], tmp_path / "test" / "fox")
    status, _, errors = diracnet("evaluate", net, "--data", tmp_path)
    assert status == 2 and "has 'fox'" in errors


def turned(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """The last layer with its classes in the opposite order."""
    return {name: tensor.flip(0) for name, tensor in checkpoint.state.items() if name.startswith("fc.")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--confusion", "c.jpg"), r"--confusion c\.jpg: the file's name must end in \.png or \.csv"),
        (("--top-errors", 3, "e.csv"), r"--top-errors e\.csv: the file's name must end in \.png"),
        (("--top-errors", 0, "e.png"), "--top-errors 0: the number of pictures must be above zero"),
    ],
)
def test_wrong_files_are_refused_before_anything_is_read(
    diracnet: Callable,
    arguments: tuple[object, ...],
    message: str,
    net: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zoo.training.sources.load_test", None)
    status, _, errors = diracnet("evaluate", net, "--data", data, *arguments)
    assert status == 2 and re.search(message, " ".join(errors.split()))


@pytest.mark.parametrize("option", ["--out", "--confusion"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(diracnet: Callable, tmp_path: Path, option: str) -> None:
    (tmp_path / "a file").touch()
    path = tmp_path / "a file" / "folder" / ("x.json" if option == "--out" else "x.csv")
    result = diracnet("evaluate", "diracnet10_cifar:cifar10", "--data", "digits", option, str(path))
    assert result.status == 2 and f"{option} {path}: nothing can be written in " in result.errors
