"""timm and torchvision build, load and feed the zoo's nets; the core imports neither module."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

import zoo
import zoo.torchvision

RECORD = zoo.get_weight("diracnet16_cifar", "cifar10")
PICTURES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    with torch.inference_mode():
        return zoo.get_model(RECORD.model, weights=RECORD.tag)(PICTURES)


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def timm():
    module = pytest.importorskip("timm", reason="timm is not installed")
    importlib.import_module("zoo.timm")
    return module


@pytest.mark.parametrize("name", ["diracnet16_cifar", "diracnet16_cifar.cifar10"])
def test_timm_loads_weights_strictly(timm, name: str, expected: torch.Tensor) -> None:
    net = timm.create_model(name, pretrained=True)
    with torch.inference_mode():
        assert torch.equal(net(PICTURES), expected) and not net.training
        assert torch.equal(net.forward_head(net.forward_features(PICTURES)), expected)
        features = net.forward_head(net.forward_features(PICTURES), pre_logits=True)
    assert net.get_classifier().out_features == net.num_classes == 10 and features.shape == (3, net.num_features)
    assert net.pretrained_cfg["label_names"] == RECORD.labels
    assert "diracnet16_cifar.cifar10" in timm.list_models("diracnet*", pretrained=True)
    assert set(zoo.list_models()) <= set(timm.list_models())


def test_timm_prepares_pictures_as_we_do(timm) -> None:
    net = timm.create_model("diracnet16_cifar", pretrained=True)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    for seed, size in enumerate([(32, 32), (40, 90), (301, 47), (33, 33)]):
        given = picture(size, seed)
        torch.testing.assert_close(transform(given), RECORD.transforms()(given), rtol=0, atol=1e-5)
    config = timm.data.resolve_model_data_config(timm.create_model("diracnet18"))  # no weights in training form
    given = picture((300, 400), 9)
    ours = zoo.get_weight("diracnet18", "imagenet1k_upstream").transforms()
    torch.testing.assert_close(timm.data.create_transform(**config)(given), ours(given), rtol=0, atol=1e-5)


def test_timm_changes_the_classifier(timm) -> None:
    fine = timm.create_model("diracnet16_cifar", pretrained=True, num_classes=7)
    assert fine.num_classes == fine.spec.num_classes == 7 and fine(PICTURES).shape == (3, 7)
    headless = timm.create_model("diracnet16_cifar", pretrained=True, num_classes=0)
    assert headless.num_classes == 0 and headless(PICTURES).shape == (3, headless.num_features)
    assert timm.create_model("diracnet10_cifar", in_chans=1, num_classes=4)(PICTURES[:, :1]).shape == (3, 4)
    for call, error, message in (
        ({"model_name": "diracnet18", "pretrained": True}, ValueError, "has no weights in training form"),
        ({"model_name": "diracnet16_cifar", "pretrained": True, "in_chans": 1}, ValueError, "take 3 channels"),
        ({"model_name": "diracnet16_cifar", "drop_rate": 0.1}, TypeError, "takes no drop_rate"),
        ({"model_name": "diracnet16_cifar.nope", "pretrained": True}, (ValueError, RuntimeError), "nope"),
    ):
        with pytest.raises(error, match=message):
            timm.create_model(**call)


def test_torchvision_builds_and_loads(expected: torch.Tensor) -> None:
    with torch.device("meta"):
        assert torchvision.models.get_model("diracnet18").spec == zoo.get_spec("diracnet18")
    enumeration = torchvision.models.get_model_weights("diracnet16_cifar")
    for weights in ("cifar10", "CIFAR10", "DEFAULT", enumeration.DEFAULT, "Diracnet16Cifar_Weights.CIFAR10"):
        net = torchvision.models.get_model("diracnet16_cifar", weights=weights)
        with torch.inference_mode():
            assert torch.equal(net(PICTURES), expected)
    net.load_state_dict(enumeration.CIFAR10.get_state_dict())
    given = picture((50, 40), 0)
    assert torch.equal(enumeration.DEFAULT.transforms()(given), RECORD.transforms()(given))
    assert enumeration.DEFAULT.meta["categories"] == list(RECORD.labels)
    assert set(zoo.list_models()) <= set(torchvision.models.list_models())
    with pytest.raises(ValueError, match="has no weights 'nope'; it has CIFAR10"):
        torchvision.models.get_model("diracnet16_cifar", weights="nope")
    with pytest.raises(ValueError, match="has no weights in training form"):
        torchvision.models.get_model("diracnet18", weights="DEFAULT")


def test_the_core_imports_neither(root: Path, tmp_path: Path) -> None:
    program = (
        "import sys, zoo; zoo.get_model('diracnet10_cifar')\n"
        "for name in zoo.__all__: getattr(zoo, name)\n"
        "print([name for name in ('timm', 'zoo.timm', 'zoo.torchvision') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr
