"""Labels: one name a class, at every door; and those of ImageNet-1k."""

import subprocess
import sys
from pathlib import Path

import pytest
from torchvision.models import ResNet18_Weights

import zoo
from export.bundle.labels import labels_text
from zoo.labels import check_labels, difference, imagenet_classes
from zoo.training.evaluate import check_classes


def test_imagenets_labels_are_torchvisions_and_all_different() -> None:
    classes = imagenet_classes()
    assert list(classes.values()) == ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    assert len(set(classes.values())) == len(classes) == 1000 and list(classes) == sorted(classes)
    assert (classes["n02012849"], classes["n03126707"]) == ("crane bird", "crane")
    assert (classes["n03710637"], classes["n03710721"]) == ("maillot", "maillot tank suit")
    check_labels(tuple(classes.values()))
    for name, tag in (("diracnet18", "imagenet1k"), ("diracnet34", "imagenet1k")):
        assert zoo.get_weight(name, tag).labels == tuple(classes.values())


def test_reading_the_registry_imports_no_torchvision(root: Path) -> None:
    code = "import sys, zoo.weights.record as r; r.all_weights(); sys.exit('torchvision.models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("a", "b", "a"), "the classes 0 and 2 are both named 'a'"),
        (("a", "a "), "the classes 0 and 1 are both named 'a '"),
        (("a", " "), "the label ' ' of class 1 is empty or has several lines"),
        (("a\nb",), r"the label 'a\\nb' of class 0 is empty or has several lines"),
    ],
)
def test_labels_that_name_no_class(labels: tuple[str, ...], message: str) -> None:
    for check in (check_labels, labels_text):
        with pytest.raises(ValueError, match=message):
            check(labels)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ("abc", "abd", "only L has 'c', only R has 'd'"),
        ("ab", "abc", "only R has 'c'"),
        ("abcdefgh", "a", "only L has 'b', 'c', 'd', 'e', 'f' and 2 more"),
        ("abc", "acb", "the order differs: class 1 is 'b' in L and 'c' in R"),
    ],
)
def test_only_what_differs_is_told(left: str, right: str, said: str) -> None:
    assert difference(left, right, "L", "R") == said


def test_a_net_and_data_of_other_classes() -> None:
    record = zoo.get_weight("diracnet16_cifar", "cifar10")
    checkpoint = zoo.load_weight(record, "dirac")

    class Pictures:
        classes = (*record.labels[:-1], "lorry")

    with pytest.raises(
        ValueError, match=r"net tells other classes apart than d has: only net has 'truck', only d has 'lo"
    ):
        check_classes(checkpoint, Pictures, "net", "d")
    Pictures.classes = record.labels[1:]
    with pytest.raises(ValueError, match=r"net has 10 classes, d has 9: only net has 'airplane'$"):
        check_classes(checkpoint, Pictures, "net", "d")
