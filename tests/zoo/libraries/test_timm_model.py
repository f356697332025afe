"""timm: the rules that its own tests of models (tests/test_models.py there) state, for every kind of net."""

import importlib
import itertools
import math
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models.feature_extraction import create_feature_extractor

import zoo

# One of each family and version, with weights and without, grey and coloured.
KINDS = [
    *("diracnet10_cifar", "diracnet10_v1_cifar"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("diracnet10_x2_cifar", "diracnet18_x0_5", "diracnet18_v1_x0_5")
    ),
]


def inputs(model: torch.nn.Module, batch: int = 2, size: int = 0) -> torch.Tensor:
    channels, height, _ = model.default_cfg["input_size"]
    side = size or min(height, 64)
    return torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=KINDS)
def model(timm: ModuleType, request: pytest.FixtureRequest, randomised) -> torch.nn.Module:
    return randomised(timm.create_model(request.param))


@pytest.mark.parametrize("name", zoo.list_models())
def test_the_configuration_of_every_net_describes_it(timm: ModuleType, name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name).eval()
        cfg, state = model.default_cfg, model.state_dict()
        assert f"{cfg['classifier']}.weight" in state and f"{cfg['first_conv']}.weight" in state
        assert (model.num_classes, model.in_chans) == (cfg["num_classes"], cfg["input_size"][0])
        features = model.forward_features(torch.empty(1, *cfg["input_size"]))
        assert features.shape == (1, model.num_features, *cfg["pool_size"])
        assert model.forward_features(torch.empty(1, *cfg["min_input_size"])).shape[2:] == (1, 1)
    spec = zoo.get_spec(name)
    assert {**model.spec.to_dict(), "num_classes": 0, "in_channels": 0} == {
        **spec.to_dict(),
        "num_classes": 0,
        "in_channels": 0,
    }
    assert cfg["architecture"] == name and set(zoo.list_models()) <= set(timm.list_models())


def test_forward_is_that_of_the_zoo(model: torch.nn.Module) -> None:
    ours = zoo.DiracNet(model.spec).eval()
    ours.load_state_dict(model.state_dict())
    for final_relu in (True, False):
        object.__setattr__(ours, "spec", zoo.Spec.from_dict({**model.spec.to_dict(), "final_relu": final_relu}))
        object.__setattr__(model, "spec", ours.spec)
        with torch.inference_mode():
            assert torch.equal(model(inputs(model)), ours(inputs(model)))
            assert torch.equal(model.forward_features(inputs(model)), ours.forward_features(inputs(model)))
    with pytest.raises(ValueError, match="too small"):
        model(inputs(model, size=2))


def test_every_parameter_gets_a_gradient(model: torch.nn.Module) -> None:
    model.reset_classifier(42)
    outputs = model.train()(inputs(model))
    outputs.mean().backward()
    assert outputs.shape == (2, 42) and not outputs.isnan().any()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_head(timm: ModuleType, model: torch.nn.Module) -> None:
    name, x = model.default_cfg["architecture"], inputs(model)
    classes, state = model.num_classes, model.state_dict()
    assert model.get_classifier() is model.fc and model.fc.out_features == classes
    with torch.inference_mode():
        features, logits = model.forward_features(x), model(x)
        pooled = model.forward_head(features, pre_logits=True)
        assert pooled.shape == (2, model.head_hidden_size) and torch.equal(model.forward_head(features), logits)
        model.reset_classifier(0)
        assert model.num_classes == 0 and torch.equal(model(x), pooled)
        model.reset_classifier(0, "")
        assert torch.equal(model(x), features)
        for pool, outputs in (("avg", pooled), ("", features)):
            built = timm.create_model(name, num_classes=0, global_pool=pool).eval()
            built.load_state_dict({key: value for key, value in state.items() if not key.startswith("fc.")})
            assert torch.equal(built(x), outputs)
        model.reset_classifier(3, "avg")
        assert model(x).shape == (2, 3) and model.spec.num_classes == 3
    for arguments in ({"global_pool": "max"}, {"global_pool": ""}):
        with pytest.raises(ValueError, match="global_pool="):
            timm.create_model(name, **arguments)
        with pytest.raises(ValueError, match="global_pool="):
            model.reset_classifier(5, **arguments)
    assert model.num_classes == 3  # as before the error


@pytest.mark.parametrize("kind", ["getter", "hook", "fx", None])
def test_features_only(timm: ModuleType, model: torch.nn.Module, kind: str | None) -> None:
    name, x = model.default_cfg["architecture"], inputs(model)
    feature_cls = {"feature_cls": kind} if kind else {}
    if kind == "fx":
        require_tracing()
    with torch.inference_mode():
        everything = model.forward_intermediates(x, intermediates_only=True)
    for indices in (None, (0, 2), (-2, -1)):
        chosen = {} if indices is None else {"out_indices": indices}
        net = timm.create_model(name, features_only=True, **feature_cls, **chosen).eval()
        inner = next((child for key, child in net.named_children() if key in ("model", "body")), net)
        inner.load_state_dict(
            {key: model.state_dict()[key.removeprefix("graph_module.")] for key in inner.state_dict()}
        )
        with torch.inference_mode():
            maps = net(x)
        info = net.feature_info
        wanted = everything if indices is None else [everything[index] for index in indices]
        assert len(maps) == len(info.channels()) == len(wanted)
        for found, channels, reduction, expected in zip(maps, info.channels(), info.reduction(), wanted, strict=True):
            assert torch.equal(found, expected)
            assert found.shape[1:] == (channels, *(math.ceil(side / reduction) for side in x.shape[2:]))
        if kind in ("getter", None):  # nothing is left that gets no gradient
            with torch.enable_grad():
                sum(found.sum() for found in net.train()(x)).backward()
            assert all(parameter.grad is not None for parameter in net.parameters())


def require_tracing() -> None:
    try:
        create_feature_extractor(torch.nn.Sequential(zoo.DiracConv2d(3, 3, 3)), ["0"])
    except Exception as error:
        pytest.skip(f"the training form cannot be traced by torch.fx: {error}")


def test_pretrained_features(timm: ModuleType, shipped: zoo.DiracNet, pictures: torch.Tensor) -> None:
    net = timm.create_model("diracnet16_cifar", pretrained=True, features_only=True, out_indices=[3])
    with torch.inference_mode():
        assert torch.equal(net(pictures)[0].relu(), shipped.forward_features(pictures)) and not net.training
    for kind in ("list", "dict"):
        with pytest.raises(ValueError, match="leave out the poolings"):
            timm.create_model("diracnet16_cifar", features_only=True, feature_cls=kind)
    with pytest.raises(ValueError, match="features_only=True"):
        timm.create_model("diracnet16_cifar", out_indices=(1,))
    with pytest.raises((ValueError, IndexError), match=r"names no feature maps|range"):
        timm.create_model("diracnet16_cifar", features_only=True, out_indices=(4,))


def test_intermediates(model: torch.nn.Module) -> None:
    x, count = inputs(model), len(model.feature_info)
    assert count >= 4  # as timm asks of all convolutional nets
    with torch.inference_mode():
        last, maps = model.forward_intermediates(x)
        assert torch.equal(last, model.forward_features(x)) and len(maps) == count
        for indices in (1, 2, count, [0], [0, 2], [-1], [1, -1]):
            positions = range(count - indices, count) if isinstance(indices, int) else indices
            for early in (False, True):
                some = model.forward_intermediates(x, indices, stop_early=early, intermediates_only=True)
                assert all(torch.equal(a, maps[b]) for a, b in zip(some, positions, strict=True))
    for indices in (0, count + 1, [count], [-count - 1], []):
        with pytest.raises(ValueError, match="names no feature maps"):
            model.forward_intermediates(x, indices)
    with pytest.raises(ValueError, match="NCHW"):
        model.forward_intermediates(x, output_fmt="NLC")


def test_checkpointing_changes_neither_outputs_nor_gradients(model: torch.nn.Module) -> None:
    x, found = inputs(model), []
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for enable in (False, True):
        model.load_state_dict(state)
        model.set_grad_checkpointing(enable)
        with torch.inference_mode():
            answers = model.eval()(x)
        model.zero_grad()
        outputs = model.train()(x)
        outputs.square().mean().backward()
        found.append([answers, outputs, *(parameter.grad for parameter in model.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("coarse", [False, True])
def test_groups_of_parameters(timm: ModuleType, model: torch.nn.Module, coarse: bool) -> None:
    groups = timm.models.group_parameters(model, model.group_matcher(coarse))
    names = list(groups.values())
    assert sorted(itertools.chain(*names)) == sorted(name for name, _ in model.named_parameters())
    assert {name.split(".")[0] for name in names[0]} == {"conv", "bn"} and names[-1] == ["fc.weight", "fc.bias"]
    between = [1 if coarse else group.blocks for group in model.spec.groups]
    assert len(names) == sum(between) + 2
    spared = model.no_weight_decay()
    assert {name.rsplit(".", 1)[1] for name in spared} == ({"alpha", "beta"} if model.spec.version == 2 else set())
    optim = importlib.import_module("timm.optim").create_optimizer_v2(
        model, opt="sgd", lr=1, weight_decay=0.1, layer_decay=0.5
    )
    rates = {id(parameter): group["lr_scale"] for group in optim.param_groups for parameter in group["params"]}
    assert rates[id(model.fc.weight)] == 1 > rates[id(model.group0.block0.conv.weight)] > rates[id(model.conv.weight)]


@pytest.mark.parametrize("kind", ["diracnet10_cifar", "diracnet10_v1_cifar"])
def test_an_exported_net_computes_the_same(timm: ModuleType, kind: str, randomised) -> None:
    # In place of timm's check by torch.jit.script, which PyTorch has deprecated.
    model = randomised(timm.create_model(kind))
    x = inputs(model)
    with torch.inference_mode():
        torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x))


def test_pictures_are_prepared_as_we_do(timm: ModuleType, record: zoo.Weight) -> None:
    def picture(size: tuple[int, int], seed: int) -> Image.Image:
        return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8))

    net = timm.create_model("diracnet16_cifar", pretrained=True)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    for seed, size in enumerate([(32, 32), (40, 90), (301, 47), (33, 33)]):
        given = picture(size, seed)
        torch.testing.assert_close(transform(given), record.transforms()(given), rtol=0, atol=1e-5)
    config = timm.data.resolve_model_data_config(timm.create_model("diracnet18"))  # no weights in training form
    given = picture((300, 400), 9)
    ours = zoo.get_weight("diracnet18", "imagenet1k").transforms()
    torch.testing.assert_close(timm.data.create_transform(**config)(given), ours(given), rtol=0, atol=1e-5)
    assert net.pretrained_cfg["label_names"] == record.labels
