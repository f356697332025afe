"""torchvision builds, loads and feeds the zoo's nets, by name and in the way of its reference scripts."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.models.feature_extraction import create_feature_extractor

import zoo
import zoo.torchvision
from zoo.weights.record import all_weights as records

TRAINABLE = [key for key, record in records().items() if "dirac" in record.files]


def picture(size: tuple[int, int], seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))


def test_builds_and_loads(record: zoo.Weight, pictures: torch.Tensor, expected: torch.Tensor) -> None:
    with torch.device("meta"):
        assert torchvision.models.get_model("diracnet18").spec == zoo.get_spec("diracnet18")
    enumeration = torchvision.models.get_model_weights("diracnet16_cifar")
    for weights in ("cifar10", "CIFAR10", "DEFAULT", enumeration.DEFAULT, "Diracnet16Cifar_Weights.CIFAR10"):
        net = torchvision.models.get_model("diracnet16_cifar", weights=weights)
        with torch.inference_mode():
            assert torch.equal(net(pictures), expected)
    net.load_state_dict(enumeration.CIFAR10.get_state_dict())
    given = picture((50, 40), 0)
    assert torch.equal(enumeration.DEFAULT.transforms()(given), record.transforms()(given))
    assert enumeration.DEFAULT.meta["categories"] == list(record.labels)
    assert set(zoo.list_models()) <= set(torchvision.models.list_models())
    with pytest.raises(ValueError, match="has no weights 'nope'; it has CIFAR10"):
        torchvision.models.get_model("diracnet16_cifar", weights="nope")
    with pytest.raises(ValueError, match="has no weights in training form"):
        torchvision.models.get_model("diracnet18", weights="DEFAULT")


@pytest.mark.parametrize(("model", "tag"), TRAINABLE)
def test_weights_are_found_by_their_full_name(model: str, tag: str) -> None:
    enumeration = torchvision.models.get_model_weights(model)
    member = enumeration[tag.upper()]
    assert torchvision.models.get_weight(str(member)) is member
    assert pickle.loads(pickle.dumps(member)) is member and copy.deepcopy(member) is member  # noqa: S301
    assert member.transforms(antialias=True) == zoo.get_weight(model, tag).preprocessing
    with pytest.raises(ValueError, match="antialias=False"):
        member.transforms(antialias=False)


def test_the_reference_script_measures_a_net(tmp_path: Path, record: zoo.Weight, shipped: zoo.DiracNet) -> None:
    """What `references/classification/train.py --model … --weights … --test-only` of torchvision calls."""
    for index, label in enumerate(record.labels):
        (tmp_path / label).mkdir()
        picture((40 + index, 33), index).save(tmp_path / label / "0.png")
    model, weights = "diracnet16_cifar", "Diracnet16Cifar_Weights.CIFAR10"
    preprocessing = torchvision.models.get_weight(weights).transforms(antialias=True)
    pictures = torchvision.datasets.ImageFolder(tmp_path, preprocessing)
    net = torchvision.models.get_model(model, weights=weights, num_classes=len(pictures.classes))
    loader = torch.utils.data.DataLoader(pictures, batch_size=4, num_workers=1)
    net.eval()
    with torch.inference_mode():
        outputs = torch.cat([net(inputs) for inputs, _ in loader])
        ours = shipped(torch.stack([record.transforms()(Image.open(path)) for path, _ in pictures.samples]))
    torch.testing.assert_close(outputs, ours, rtol=0, atol=1e-4)  # of other batches


@pytest.mark.parametrize("name", ["diracnet16_cifar", "diracnet10_v1_cifar", "diracnet18_x0_5", "diracnet18_v1_x0_5"])
def test_features_of_folded_nets(name: str) -> None:
    net = zoo.get_model(name, folded=True).eval()
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    groups = [name for name, _ in net.named_children() if name.startswith("group")]
    with torch.inference_mode():
        features = create_feature_extractor(net, [*groups, "fc"])(inputs)
        x = inputs
        for name, module in net.named_children():
            x = module(x)
            if name in features:
                assert torch.equal(features.pop(name), x)
    assert not features
