"""timm: which arguments of `create_model` a net takes. What changes nothing is taken, the rest is refused by name."""

import importlib
from types import ModuleType

import pytest
import torch

import zoo

NAME = "diracnet16_cifar"
# What train.py and validate.py of timm pass when nobody asks for anything.
SCRIPTS = {
    "train.py": {
        "pretrained": False,
        "in_chans": 3,
        "num_classes": None,
        "drop_rate": 0.0,
        "drop_path_rate": None,
        "drop_block_rate": None,
        "global_pool": None,
        "bn_momentum": None,
        "bn_eps": None,
        "scriptable": False,
        "checkpoint_path": "",
        "cache_dir": None,
    },
    "validate.py": {"pretrained": True, "num_classes": None, "in_chans": 3, "global_pool": None, "scriptable": False},
    "DeiT's main.py": {
        "pretrained": False,
        "num_classes": 10,
        "drop_rate": 0.0,
        "drop_path_rate": 0.0,
        "drop_block_rate": None,
    },
    "its defaults in full": {"global_pool": "avg", "bn_momentum": 0.1, "bn_eps": 1e-5, "drop_path_rate": False},
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_scripts_pass_is_taken(timm: ModuleType, script: str, pictures: torch.Tensor) -> None:
    torch.manual_seed(0)
    net = timm.create_model(NAME, **SCRIPTS[script])
    torch.manual_seed(0)
    plain = timm.create_model(NAME, pretrained=SCRIPTS[script].get("pretrained", False))
    with torch.inference_mode():
        assert torch.equal(net.eval()(pictures), plain.eval()(pictures))


def test_neutral_values_are_taken_and_others_refused(timm: ModuleType) -> None:
    neutral = importlib.import_module("zoo.timm").NEUTRAL
    assert {"drop_rate", "drop_path_rate", "drop_block_rate", "bn_momentum", "bn_eps"} <= neutral.keys()
    for name, value in neutral.items():
        timm.create_model("diracnet10_cifar", **{name: value})
        timm.create_model("diracnet10_cifar", **{name: None})
        with pytest.raises(TypeError, match=rf"diracnet10_cifar takes no {name}=0\.25; "):
            timm.create_model("diracnet10_cifar", **{name: 0.25})
    for name, value in (("img_size", 64), ("output_stride", 8), ("act_layer", "silu"), ("depth", 3)):
        with pytest.raises(TypeError, match=f"takes no {name}={value!r}"):
            timm.create_model("diracnet10_cifar", **{name: value})


def test_classes_and_channels(timm: ModuleType, pictures: torch.Tensor) -> None:
    fine = timm.create_model(NAME, pretrained=True, num_classes=7)
    assert fine.num_classes == fine.spec.num_classes == 7 and fine(pictures).shape == (3, 7)
    headless = timm.create_model(NAME, pretrained=True, num_classes=0)
    assert headless.num_classes == 0 and headless(pictures).shape == (3, headless.num_features)
    assert timm.create_model("diracnet10_cifar", in_chans=1, num_classes=4)(pictures[:, :1]).shape == (3, 4)


def test_the_zoo_says_what_to_do_about_each_field() -> None:
    def message(**override: object) -> str:
        with pytest.raises(ValueError, match="contradicts the weights 'cifar10'") as caught:
            zoo.get_model(NAME, weights="cifar10", **override)
        return str(caught.value)

    assert "reset_classifier(num_classes)" in message(num_classes=7) and "in_chans" not in message(num_classes=7)
    assert "in_chans=" in message(in_channels=1) and "reset_classifier" not in message(in_channels=1)
    for field in ({"final_relu": False}, {"width": 2.0}, {"depth": 10}, {"version": 1}):
        assert message(**field).endswith("leave it out")
