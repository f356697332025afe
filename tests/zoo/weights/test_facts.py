"""What a checkpoint file says beside the net: kept, checked, and no part of what the net is."""

from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from zoo import Checkpoint, Facts

FACTS = Facts(
    dataset="my pets",
    metrics={"top1": 93.1},
    licence="mit",
    base="me/net",
    recipe={"epochs": 3},
    provenance={"seed": 0},
)


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint.from_model(zoo.diracnet(depth=10, width=0.25, family="cifar", num_classes=3))


def test_a_file_keeps_them_wherever_it_lies(checkpoint: Checkpoint, tmp_path: Path) -> None:
    replace(checkpoint, facts=FACTS).save(tmp_path / "a.safetensors")
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "a.safetensors").rename(tmp_path / "moved" / "b.safetensors")
    assert Checkpoint.load(moved).facts == FACTS and FACTS.licence == "MIT"
    assert Facts.from_dict(FACTS.to_dict()) == FACTS


def test_they_are_no_part_of_the_net(checkpoint: Checkpoint) -> None:
    assert "facts" not in checkpoint.describe() and Facts().to_dict() == {}
    told = replace(checkpoint, facts=FACTS, origin="me/net")
    assert told.digest() == checkpoint.digest() and "origin" not in told.describe()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": ""}, "dataset='': a name is one line"),
        ({"dataset": "a\nb"}, "a name is one line of at most 200 printable characters"),
        ({"dataset": "\x1b[31mred"}, "printable"),
        ({"base": "x" * 201}, "at most 200"),
        ({"base": 3}, "base=3"),
        ({"licence": "none"}, "licence='none': give the SPDX identifier"),
        ({"metrics": {"top1": 101}}, "top1=101: must be a number between 0 and 100"),
        ({"metrics": {"top1": float("nan")}}, "must be a number"),
        ({"metrics": {"loss": float("inf")}}, "must be a number"),
        ({"metrics": {"top1": True}}, "must be a number"),
        ({"metrics": {"top1": "93"}}, "must be a number"),
        ({"metrics": {"f1": 1}}, "no figure is named 'f1'; there are top1, top5, loss"),
        ({"metrics": [1]}, "must be a mapping"),
        ({"recipe": "fast"}, "must be a mapping"),
        ({"recipe": {"lr": {"a": 1}}}, r"recipe\['lr'\]=.* must be a text, a number"),
        ({"provenance": {"environment": "x"}}, r"provenance\.environment="),
        ({"provenance": {"published": [1]}}, r"provenance\.published"),
        ({"provenance": {"pictures": {"train": 1}}}, r"provenance\.pictures"),
        ({"provenance": {"seed": "0"}}, r"provenance\.seed='0'"),
        ({"provenance": {"command": ["rm"]}}, r"provenance\.command="),
        ({"provenance": {"teacher": "x"}}, r"provenance\.teacher='x'"),
        ({"provenance": {"beside_teacher": {"top1": 101, "agreement": 1}}}, r"provenance\.beside_teacher\.top1=101"),
        ({"colour": "red"}, "unknown are colour"),
        ("pets", "must be a mapping"),
    ],
)
def test_what_is_read_is_checked(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Facts.from_dict(values)
