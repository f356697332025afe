"""Structures: names, parameter counts, sizes, errors."""

import pytest
import torch
from torch import nn

import zoo
from zoo.nets.registry import MODELS


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# Published: upstream's README and the article (folded), the paper's table 2 (training form).
@pytest.mark.parametrize(
    ("name", "folded", "parameters"),
    [
        ("diracnet18", True, 11_511_784),
        ("diracnet34", True, 21_616_232),
        ("diracnet18_v1_x0_75", True, 12_753_640),
        ("diracnet28_x10_cifar", False, 36_450_090),
    ],
)
def test_parameters_are_the_published_ones(name: str, folded: bool, parameters: int) -> None:
    with torch.device("meta"):
        assert count(zoo.get_model(name, folded=folded)) == parameters


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_name_builds_its_spec(name: str) -> None:
    with torch.device("meta"):
        net = zoo.get_model(name)
        folded = zoo.get_model(name, folded=True)
    assert net.spec.name == name
    convolutions = [module for module in net.modules() if isinstance(module, (nn.Conv2d, zoo.DiracConv2d))]
    assert len(convolutions) == sum(group.blocks for group in net.spec.groups) + 1
    assert len([module for module in folded.modules() if isinstance(module, nn.Conv2d)]) == len(convolutions)
    assert folded.conv.in_channels == 3 and net.fc.out_features == net.spec.num_classes


def test_the_registry_has_the_expected_names() -> None:
    expected = {f"diracnet{depth}{width}" for depth in (18, 34) for width in ("", "_x0_5", "_x0_75", "_x1_5", "_x2")}
    expected |= {"diracnet18_v1_x0_75", "diracnet16_cifar", "diracnet28_x10_cifar", "diracnet34_x2_cifar"}
    assert expected <= set(zoo.list_models())
    assert all(name.startswith("diracnet18") for name in zoo.list_models("diracnet18*"))
    assert zoo.list_models("nothing*") == []
    with pytest.raises(TypeError):
        MODELS["mine"] = zoo.Spec(depth=18)


def test_state_dict_has_stock_names() -> None:
    names = set(zoo.get_model("diracnet10_cifar").state_dict())
    assert {"conv.weight", "bn.running_mean", "group0.block1.conv.alpha", "group2.block0.bn.weight", "fc.bias"} <= names
    assert not [name for name in names if "delta" in name or "eye" in name]


@pytest.mark.parametrize("name", ["diracnet18_x0_5", "diracnet10_cifar", "diracnet10_v1_cifar"])
def test_any_size_from_the_smallest_on(name: str) -> None:
    net = zoo.get_model(name).eval()
    smallest = net.spec.min_size
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, smallest, smallest + 6)).shape == (2, net.spec.num_classes)
        assert net.forward_features(torch.zeros(1, 3, smallest, smallest)).shape[2:] == (1, 1)
        with pytest.raises(ValueError, match=rf"{smallest - 1}×{smallest} pixels are too small"):
            net(torch.zeros(1, 3, smallest - 1, smallest))


def test_features_end_with_the_final_relu_of_the_spec() -> None:
    pictures = torch.randn(2, 3, 16, 16)
    for final_relu in (True, False):
        net = zoo.diracnet(depth=10, family="cifar", final_relu=final_relu).eval()
        assert bool((net.forward_features(pictures) >= 0).all()) == final_relu


def test_reset_classifier_keeps_the_rest() -> None:
    net = zoo.get_model("diracnet10_cifar").double()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items() if not name.startswith("fc.")}
    net.reset_classifier(7)
    assert net.spec.num_classes == 7 and net.fc.out_features == 7 and net.fc.weight.dtype == torch.float64
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    assert net.fc.training and not any(module.training for module in reset(net.eval()).modules())


def reset(net: zoo.DiracNet) -> zoo.DiracNet:
    net.reset_classifier(5)
    return net


def test_overrides_and_nameless_nets() -> None:
    net = zoo.get_model("diracnet10_cifar", num_classes=3, in_channels=1)
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert zoo.diracnet(depth=52, family="cifar", width=0.5).spec.name == "diracnet52_x0_5_cifar"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 50}, "depth=50: a net of the imagenet family has a depth of 18 or 34"),
        ({"depth": 20, "family": "cifar"}, "6n \\+ 4"),
        ({"depth": 18, "family": "mnist"}, "family='mnist': allowed are imagenet, cifar"),
        ({"depth": 18, "version": 3}, "version=3"),
        ({"depth": 18, "width": 0.01}, "width=0.01"),
        ({"depth": 18, "num_classes": -1}, "num_classes=-1"),
        ({"depth": 18, "num_classes": 0}, "num_classes=0: must be a whole number"),
        ({"depth": 18, "in_channels": "3"}, "in_channels='3': must be a whole number"),
        ({"depth": 18.0}, r"depth=18\.0"),
        ({"depth": 18, "width": float("nan")}, "width=nan"),
        ({"depth": 18, "width": float("inf")}, "width=inf"),
        ({"depth": 18, "final_relu": None}, "final_relu=None"),
        ({"width": 2}, "depth is missing"),
        ({"depth": 18, "breadth": 1}, "breadth is no key; allowed are depth, width"),
    ],
)
def test_a_wrong_spec_is_an_error(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        zoo.diracnet(**fields)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no model is named 'diracnet18_x0_7'.*diracnet18_x0_75"):
        zoo.get_model("diracnet18_x0_7")


def test_specs_are_frozen_and_survive_json() -> None:
    for spec in MODELS.values():
        assert zoo.Spec.from_dict(spec.to_dict()) == spec
    with pytest.raises(AttributeError):
        zoo.get_spec("diracnet18").depth = 34


def test_different_widths_have_different_names() -> None:
    names = [zoo.Spec(depth=18, width=width).name for width in (1, 1.0000001, 0.1234567, 0.1234568, 2, 2.0)]
    assert names[0] == "diracnet18" and names[4] == names[5] == "diracnet18_x2" and len(set(names)) == 5
