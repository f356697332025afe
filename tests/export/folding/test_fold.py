"""Folding: a new net of plain convolutions that computes the same; the errors where there can be none."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from export import fold, layer_errors
from zoo import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU, dirac, diracnet, get_model

# (name, height, width): odd sizes, and the smallest that the net takes.
NETS = [
    ("diracnet18_x0_5", 61, 75),
    ("diracnet18_v1_x0_5", 29, 29),
    ("diracnet10_cifar", 13, 4),
    ("diracnet16_v1_cifar", 21, 19),
    ("diracnet22_x2_cifar", 9, 9),
]
STOCK = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear, nn.Sequential)
CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
DIRAC_CONVS = {1: DiracConv1d, 2: DiracConv2d, 3: DiracConv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
DIMENSIONS = pytest.mark.parametrize("dims", [1, 2, 3])


def conv(out=4, **options):
    return DiracConv2d(4, out, 3, padding=1, **options)


def parametrized():
    return dirac(nn.Conv2d(4, 4, 3, padding=1))


def picture(*shape, **kwargs):
    return torch.randn(shape or (2, 4, 9, 7), generator=torch.Generator().manual_seed(1)).to(**kwargs)


def error(model, folded, x):
    """Largest difference / largest output."""
    with torch.no_grad():
        expected = model(x)
        return ((folded(x) - expected).abs().max() / expected.abs().max()).item()


def kinds(model):
    return [type(module) for module in model.modules() if not list(module.children())]


class Net(nn.Module):
    """A user's net: `parts` by name, `wire` for a forward."""

    def __init__(self, wire, **parts):
        super().__init__()
        self.wire = wire
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, input):
        return self.wire(self, input)


# DiracNets.


@pytest.mark.parametrize(("name", "height", "width"), NETS)
def test_folded_nets_give_the_same_logits(name, height, width, randomised):
    torch.manual_seed(0)
    model = randomised(get_model(name, num_classes=10))
    x = picture(2, 3, height, width)
    folded = fold(model)
    assert error(model, folded, x) < 1e-5
    assert all(parameter.dtype == torch.float32 for parameter in folded.parameters())
    model = model.double()
    assert error(model, fold(model), x.double()) < 1e-10
    assert {type(module) for module in folded.modules()} <= {*STOCK, NCReLU} - ({NCReLU} if "v1" not in name else set())


@pytest.mark.parametrize("name", ["diracnet10_cifar", "diracnet10_v1_cifar"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_kept_and_the_original_left_as_it_was(name, dtype, randomised):
    model = randomised(get_model(name)).to(dtype)
    before = copy.deepcopy(model.state_dict())
    folded = fold(model)
    assert not folded.training
    assert {p.dtype for p in folded.parameters()} == {dtype}
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not {p.data_ptr() for p in folded.parameters()} & {p.data_ptr() for p in model.parameters()}


def test_the_original_still_trains_after_folding(randomised):
    model = randomised(get_model("diracnet10_cifar"))
    fold(model)
    model.train()(picture(2, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "act", "factor"), [("diracnet18_v1_x0_75", "ncrelu", 2), ("diracnet18_x0_75", "relu", 1)]
)
def test_layers_are_those_of_the_article(name, act, factor):
    folded = fold(get_model(name).to("meta").eval())
    names = ["conv"]
    for group in range(4):
        names.append(f"max_pool{group}")
        names += [f"group{group}.block{block}.{layer}" for block in range(4) for layer in (act, "conv")]
    leaves = {path: module for path, module in folded.named_modules() if not list(module.children())}
    assert list(leaves) == [*names, "relu", "avg_pool", "view", "fc"]
    widths = [48, 48, 96, 192, 384]
    assert leaves["conv"].weight.shape == (48, 3, 7, 7)
    for group, (before, width) in enumerate(pairwise(widths)):
        for block in range(4):
            into = width if block else before
            assert leaves[f"group{group}.block{block}.conv"].weight.shape == (width, into * factor, 3, 3)


# Users' modules.


@DIMENSIONS
@pytest.mark.parametrize("options", [{}, {"groups": 2, "bias": False, "dilation": 2}, {"padding_mode": "reflect"}])
@pytest.mark.parametrize("version", [{}, {"scale": "scalar", "delta": "tiled"}])
@pytest.mark.parametrize("norm", [{}, {"affine": False}, {"eps": 0.1}, None])
@pytest.mark.parametrize("parametrize", [False, True])
def test_convolution_with_and_without_norm(dims, options, version, norm, parametrize, randomised):
    torch.manual_seed(0)
    if parametrize:
        layers = [dirac(CONVS[dims](4, 8, 3, padding=1, **options), **version)]
    else:
        layers = [DIRAC_CONVS[dims](4, 8, 3, padding=1, **options, **version)]
    if norm is not None:
        layers.append(NORMS[dims](8, **norm))
    model, x = randomised(nn.Sequential(*layers)).double(), picture(2, 4, *(7, 6, 5)[:dims], dtype=torch.float64)
    expected = model(x)
    folded = fold(model)
    assert kinds(folded) == [CONVS[dims], nn.Identity][: len(layers)]
    assert error(model, folded, x) < 1e-12
    assert torch.equal(model(x), expected)


def deep():
    return nn.Sequential(
        nn.Sequential(conv(), nn.BatchNorm2d(4)), nn.Sequential(nn.ReLU(), nn.Sequential(parametrized()))
    )


def shared_pair():
    first, norm = conv(), nn.BatchNorm2d(4)
    return nn.Sequential(first, norm, nn.ReLU(), nn.Sequential(first, norm))


def residual():
    def wire(net, x):
        out = net.n(net.c(x))
        out += F.conv2d(x, net.w.weight)
        return F.relu(out, inplace=True)

    return Net(wire, c=conv(), n=nn.BatchNorm2d(4), w=nn.Conv2d(4, 4, 1))


def weight_normed():
    normed = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3))
    return nn.Sequential(conv(), normed, nn.BatchNorm2d(4))


def backbone():
    body = diracnet(depth=10, family="cifar", in_channels=4, version=1)
    return Net(lambda net, x: net.head(net.body.forward_features(x)), body=body, head=nn.Conv2d(64, 2, 1))


def wired(wire, norms="n"):
    """A net with two convolutions, c and d, and norms of these names."""
    return lambda: Net(wire, c=conv(), d=parametrized(), **{name: nn.BatchNorm2d(4) for name in norms})


# With the number of norms that must remain.
USERS = {
    "deep": (deep, 0),
    "shared pair": (shared_pair, 0),
    "residual in place": (residual, 0),
    "weight norm": (weight_normed, 0),
    "backbone": (backbone, 0),
    "pair called twice": (wired(lambda net, x: net.n(net.c(net.n(net.c(x))))), 0),
    "two norms": (wired(lambda net, x: net.n(net.c(x)) + net.m(net.c(x)), "nm"), 2),
    "two readers": (wired(lambda net, x: (lambda y: net.n(y) + y.relu())(net.c(x))), 1),
    "norm of two": (wired(lambda net, x: net.n(net.c(x)) + net.n(net.d(x))), 1),
    "norm of the input too": (wired(lambda net, x: net.n(net.c(x)) + net.n(x)), 1),
    "called with and without its norm": (wired(lambda net, x: net.d(net.n(net.c(x))) + net.c(x)), 1),
    "relu between": (wired(lambda net, x: net.n(net.c(x).relu_())), 1),
    "functional norm": (wired(lambda net, x: F.layer_norm(net.d(net.c(x)), x.shape[-1:]), ""), 0),
    "stock layers": (
        lambda: nn.Sequential(conv(), nn.Conv2d(4, 6, 2, stride=2), nn.BatchNorm2d(6), nn.ConvTranspose2d(6, 2, 2)),
        0,
    ),
    "unused branch": (
        lambda: Net(lambda net, x: net.branches[1](x), branches=nn.ModuleList([conv(), parametrized()])),
        0,
    ),
}


@pytest.mark.parametrize(("build", "norms"), USERS.values(), ids=USERS)
def test_users_modules_compute_the_same(build, norms, randomised):
    torch.manual_seed(0)
    model, x = randomised(build()).double(), picture(dtype=torch.float64)
    state, expected = copy.deepcopy(model.state_dict()), model(x)
    folded = fold(model)
    assert error(model, folded, x) < 1e-12
    assert type(folded) is type(model)
    assert kinds(folded).count(nn.BatchNorm2d) == norms
    assert not {kind for kind in kinds(folded) if "Dirac" in kind.__name__}
    assert torch.equal(model(x), expected)
    assert all(torch.equal(state[key], tensor) for key, tensor in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("build", [deep, backbone, lambda: get_model("diracnet10_cifar")])
def test_folding_is_done_in_float64_and_rounded_once(build, dtype, randomised):
    torch.manual_seed(0)
    model = randomised(build()).to(dtype)
    exact = fold(copy.deepcopy(model).double()).state_dict()
    assert all(torch.equal(exact[key].to(dtype), tensor) for key, tensor in fold(model).state_dict().items())


def test_shared_layers_stay_shared(randomised):
    folded = fold(randomised(shared_pair()))
    assert folded[0] is folded[3][0]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 5e-3), (torch.bfloat16, 5e-2), (torch.float32, 1e-5)])
def test_lower_precision(dtype, tolerance, randomised):  # a few roundings each: eps is 1e-3, 8e-3, 1e-7
    torch.manual_seed(0)
    model = randomised(deep()).to(dtype)
    folded = fold(model)
    assert {p.dtype for p in folded.parameters()} == {dtype}
    assert error(model, folded, picture(dtype=dtype)) < tolerance


@pytest.mark.parametrize("build", [conv, parametrized])
def test_a_single_layer_folds(build, randomised):
    model = randomised(build()).double()
    assert type(fold(model)) is nn.Conv2d
    assert error(model, fold(model), picture(dtype=torch.float64)) < 1e-12


# Errors.


@pytest.mark.parametrize("build", [lambda: get_model("diracnet10_cifar"), deep, conv, parametrized])
def test_train_mode_is_refused(build):
    with pytest.raises(ValueError, match=r"train mode.*model\.eval\(\)"):
        fold(build().train())


def test_one_layer_in_train_mode_is_refused_by_name():
    model = get_model("diracnet10_cifar").eval()
    model.group1.block0.bn.train()
    with pytest.raises(ValueError, match=r"group1\.block0\.bn"):
        fold(model)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Net(lambda net, x: net.c(x) if x.sum() > 0 else x, c=conv()), "Net cannot be folded"),
        (lambda: Net(lambda net, x: F.conv2d(x, net.c.weight), c=conv()), r"c cannot.*c\.weight"),
        (
            lambda: Net(lambda net, x: net.s[0](x) * net.s[0].alpha.sum(), s=nn.Sequential(conv())),
            r"s\.0 cannot.*alpha",
        ),
        (
            lambda: nn.Sequential(conv(), nn.BatchNorm2d(4, track_running_stats=False)),
            "1 cannot be folded into 0.*statistics",
        ),
        (lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)), "Sequential has no Dirac layer"),
    ],
)
def test_what_cannot_be_folded_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        fold(build().eval())


# layer_errors.


def altered(folded, name):
    with torch.no_grad():
        folded.get_submodule(name).bias[0] += 1
    return folded


@pytest.mark.parametrize(
    ("build", "x", "names"),
    [
        (
            lambda: diracnet(depth=10, width=0.5, family="cifar", version=1),
            picture(2, 3, 9, 9),
            ["conv", *(f"group{g}.block{b}.conv" for g in range(3) for b in range(2))],
        ),
        (deep, picture(), ["0.0", "1.1.0"]),
        (residual, picture(), ["c"]),
    ],
)
def test_layer_errors_find_the_layer_that_was_altered(build, x, names, randomised):
    torch.manual_seed(0)
    model, x = randomised(build()).double(), x.double()
    clean = layer_errors(model, fold(model), x)
    assert [entry.layer for entry in clean] == names
    assert max(entry.error for entry in clean) < 1e-12
    for name in names:
        wrong = [entry.layer for entry in layer_errors(model, altered(fold(model), name), x) if entry.error > 1e-6]
        assert wrong[0] == name


def test_layer_errors_leave_no_hooks(randomised):
    model = randomised(deep())
    folded = fold(model)
    layer_errors(model, folded, picture())
    assert not any(module._forward_hooks for net in (model, folded) for module in net.modules())
