"""Names that do not exist: the error offers those that may have been meant."""

import re

import pytest

import zoo
from zoo.nets.registry import MODELS


def offered(name: str) -> list[str]:
    with pytest.raises(ValueError, match="no model is named") as caught:
        zoo.get_spec(name)
    hint = re.search(r"nearest are ([^;]*)", str(caught.value))
    return hint[1].split(", ") if hint else []


CIFAR = [name for name, spec in MODELS.items() if spec.family == "cifar"]


@pytest.mark.parametrize("name", CIFAR)
def test_a_name_without_its_family(name: str) -> None:
    """`diracnet16` is how the paper calls `diracnet16_cifar`; some such names are those of other nets."""
    short = name.removesuffix("_cifar")
    if short not in zoo.list_models():
        near = offered(short)
        assert near[0] == name
        others = [other for other in zoo.list_models() if set(short.split("_")) <= set(other.split("_"))]
        assert set(near) <= set(others) or set(others) <= set(near)


@pytest.mark.parametrize("name", zoo.list_models())
def test_a_name_in_another_spelling(name: str) -> None:
    numbers = re.sub(r"x(\d+)_(\d+)", r"x\1.\2", name)
    for other in {name.upper(), name.replace("_", "-"), numbers, name.replace("diracnet", "DiracNet-")} - {name}:
        assert offered(other)[0] == name, other


@pytest.mark.parametrize("depth", sorted({spec.depth for spec in MODELS.values()}))
def test_a_wrong_width_or_version_gets_nets_of_that_depth(depth: int) -> None:
    for wrong in (f"diracnet{depth}_", f"diracnet{depth}_v", f"diracnet{depth}_x"):
        near = offered(wrong)
        assert near and {zoo.get_spec(name).depth for name in near} == {depth}, wrong


def test_what_resembles_no_name_gets_no_offer() -> None:
    assert offered("") == offered("??") == []
