"""A net's answers: accuracy, results by class, the picture of the confusion matrix; compared with scikit-learn's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import metrics

from zoo.training.confusion import ClassResult, class_results, confusion_matrix, draw_confusion
from zoo.training.evaluate import Answers


def answers(classes: int, count: int = 300) -> Answers:
    generator = torch.Generator().manual_seed(classes)
    targets = torch.randint(0, classes, (count,), generator=generator)
    return Answers(torch.randn(count, classes, generator=generator) + torch.eye(classes)[targets], targets)


@pytest.mark.parametrize("classes", [2, 5, 6, 10, 1000])
def test_the_figures_are_scikit_learns(classes: int) -> None:
    given = answers(classes, count=max(300, 3 * classes))
    logits, targets, labels = given.logits.numpy(), given.targets.numpy(), range(classes)
    found = given.metrics()
    assert found["top1"] == pytest.approx(100 * metrics.accuracy_score(targets, logits.argmax(1)))
    assert ("top5" in found) == (classes > 5)
    if classes > 5:
        expected = metrics.top_k_accuracy_score(targets, logits, k=5, labels=labels)
        assert found["top5"] == pytest.approx(100 * expected)
    probabilities = given.logits.double().softmax(1).numpy()
    assert found["loss"] == pytest.approx(metrics.log_loss(targets, probabilities, labels=labels))
    matrix = confusion_matrix(given)
    assert (matrix.numpy() == metrics.confusion_matrix(targets, logits.argmax(1), labels=labels)).all()
    results = class_results(matrix, [str(index) for index in labels])
    recalls = metrics.recall_score(targets, logits.argmax(1), labels=labels, average=None, zero_division=np.nan)
    assert [each.top1 for each in results] == pytest.approx(
        [None if np.isnan(recall) else 100 * recall for recall in recalls]
    )


def test_the_result_of_a_class_names_what_it_is_taken_for() -> None:
    given = Answers(torch.eye(3)[torch.tensor([0, 1, 1, 2, 1])], torch.tensor([0, 0, 0, 0, 1]))
    assert class_results(confusion_matrix(given), ("cat", "dog", "fox")) == [
        ClassResult("cat", 4, 1, "dog", 2),
        ClassResult("dog", 1, 1, None, 0),
        ClassResult("fox", 0, 0, None, 0),
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_that_are_no_numbers_are_refused(value: float) -> None:
    logits = torch.zeros(4, 3)
    logits[2, 1] = value
    with pytest.raises(ValueError, match="answers for 1 of 4 pictures are not finite numbers"):
        Answers(logits, torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="no pictures to measure on"):
        Answers(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))


@pytest.mark.parametrize("classes", [2, 10, 30, 100, 1000])
def test_the_picture_of_any_number_of_classes_is_of_a_sensible_size(classes: int, tmp_path: Path) -> None:
    names = [f"$class_{index}$ {'with a long name ' * (index % 4)}" for index in range(classes)]
    draw_confusion(confusion_matrix(answers(classes)), names, tmp_path / "c.png", "$net")
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.format == "PNG" and 200 < min(picture.size) <= max(picture.size) < 1600
        assert len(set(picture.convert("L").tobytes())) > 20
