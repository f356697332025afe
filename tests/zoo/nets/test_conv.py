"""The Dirac layers: drop-ins for the stock convolutions, the identity where the paper says so, and NCReLU."""

import copy
import inspect
import pickle
import shutil

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from zoo import DiracConv1d, DiracConv2d, DiracConv3d, NCReLU, dirac_delta, dirac_weight

LAYERS = {1: DiracConv1d, 2: DiracConv2d, 3: DiracConv3d}
STOCK = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
DIMENSIONS = pytest.mark.parametrize("dims", [1, 2, 3])
BOTH = pytest.mark.parametrize(("scale", "delta"), [("channel", "dirac"), ("scalar", "tiled")])

# (groups, out per group, in per group): square, wide, tall, coprime, single channels.
CHANNELS = [(g, o, i) for g in (1, 2, 3) for o, i in [(1, 1), (4, 4), (6, 3), (2, 6), (3, 5), (5, 1), (1, 4)]]
KERNELS = [(1,), (5,), (3, 3), (1, 5), (3, 1, 5)]
GEOMETRIES = [
    {},
    {"padding": "same"},
    {"padding": "valid", "bias": False},
    {"padding": 2, "dilation": 2, "groups": 2},
    {"padding": 1, "padding_mode": "circular"},
    {"padding": "same", "padding_mode": "reflect", "dilation": 2},
    {"padding": 1, "padding_mode": "replicate", "groups": 2, "bias": False},
]


def layer(dims, *args, randomised, seed=0, **kwargs):
    torch.manual_seed(seed)
    return randomised(LAYERS[dims](*args, **kwargs), seed)


def picture(dims, channels=4, **kwargs):
    return torch.randn(2, channels, *(7, 6, 5)[:dims], generator=torch.Generator().manual_seed(1)).to(**kwargs)


def tiled_eye(weight, groups):
    """Upstream's v1 formula: the identity of the smaller side, tiled over the larger one, in each group."""
    rows, channels = weight.shape[0] // groups, weight.shape[1]
    square = min(rows, channels)
    delta = torch.zeros_like(weight)
    delta[(..., *[size // 2 for size in weight.shape[2:]])] = torch.eye(square).repeat(
        groups * rows // square, channels // square
    )
    return delta


# What a layer is.


@DIMENSIONS
def test_signature_starts_with_that_of_the_stock_convolution(dims):
    stock = inspect.signature(STOCK[dims]).parameters
    ours = inspect.signature(LAYERS[dims]).parameters
    assert list(ours)[: len(stock)] == list(stock)
    assert all(ours[name].default == parameter.default for name, parameter in stock.items())
    assert all(ours[name].kind is inspect.Parameter.KEYWORD_ONLY for name in list(ours)[len(stock) :])


@DIMENSIONS
def test_takes_all_arguments_by_position(dims):
    arguments = (4, 8, 3, 1, 2, 2, 2, False, "circular", "cpu", torch.float64)
    ours, stock = LAYERS[dims](*arguments), STOCK[dims](*arguments)
    assert ours.bias is None
    assert ours.weight.dtype == ours.alpha.dtype == torch.float64
    with torch.no_grad():
        stock.weight.copy_(ours.composed_weight())
    x = picture(dims, dtype=torch.float64)
    assert torch.equal(ours(x), stock(x))


@DIMENSIONS
@pytest.mark.parametrize("bias", [True, False])
def test_state_dict_holds_no_delta(dims, bias):
    conv = LAYERS[dims](4, 6, 3, bias=bias)
    assert set(conv.state_dict()) == {"weight", "alpha", "beta"} | ({"bias"} if bias else set())
    assert set(conv.state_dict()) == set(dict(conv.named_parameters()))


@pytest.mark.parametrize(
    ("scale", "shape", "alpha", "beta"), [("channel", (6,), 1.0, 0.1), ("scalar", (1,), 5.0, 1e-3)]
)
def test_scales_start_as_upstreams(scale, shape, alpha, beta):
    conv = DiracConv2d(4, 6, 3, scale=scale)
    torch.testing.assert_close(conv.alpha.data, torch.full(shape, alpha))
    torch.testing.assert_close(conv.beta.data, torch.full(shape, beta))


@DIMENSIONS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 2}, "stride"),
        ({"kernel_size": 4}, "kernel_size.*odd"),
        ({"delta": "tiled", "out_channels": 6}, "out_channels.*delta='dirac'"),
        ({"delta": "tiled", "in_channels": 12, "out_channels": 8, "groups": 2}, "groups=2.*multiple"),
        ({"scale": "layer"}, "scale='layer'.*'channel', 'scalar'"),
        ({"delta": "eye"}, "delta='eye'.*'dirac', 'tiled'"),
        ({"groups": 3}, "groups"),
    ],
)
def test_refuses_what_has_no_identity(dims, change, message):
    arguments = {"in_channels": 4, "out_channels": 8, "kernel_size": 3} | change
    with pytest.raises(ValueError, match=message):
        LAYERS[dims](**arguments)


def test_one_even_size_or_stride_among_several_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        DiracConv2d(4, 4, (3, 2))
    with pytest.raises(ValueError, match=r"\(1, 1, 2\)"):
        DiracConv3d(4, 4, 3, stride=(1, 1, 2))


# What it computes.


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_delta_is_that_of_torch(kernel):
    for groups, rows, channels in CHANNELS:
        weight = torch.empty(groups * rows, channels, *kernel)
        assert torch.equal(dirac_delta(weight, groups=groups), nn.init.dirac_(weight, groups))


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_tiled_delta_repeats_the_square_identity(kernel):
    for groups, rows, channels in CHANNELS:
        if max(rows, channels) % min(rows, channels) == 0:
            weight = torch.empty(groups * rows, channels, *kernel)
            assert torch.equal(dirac_delta(weight, groups=groups, delta="tiled"), tiled_eye(weight, groups))


@BOTH
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_composed_weight_is_the_papers_formula(kernel, scale, delta, randomised):
    for groups, rows, channels in CHANNELS:
        if delta == "tiled" and max(rows, channels) % min(rows, channels):
            continue
        dims = len(kernel)
        arguments = {"groups": groups, "scale": scale, "delta": delta, "dtype": torch.float64}
        conv = layer(dims, groups * channels, groups * rows, kernel, randomised=randomised, **arguments)
        dense = tiled_eye(conv.weight, groups) if delta == "tiled" else nn.init.dirac_(conv.weight.clone(), groups)
        alpha, beta = (part.reshape(-1, 1, *[1] * dims) for part in (conv.alpha, conv.beta))
        expected = alpha * dense + beta * F.normalize(conv.weight.flatten(1)).view_as(conv.weight)
        torch.testing.assert_close(conv.composed_weight(), expected, rtol=0, atol=1e-12)


@DIMENSIONS
@BOTH
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_alpha_one_beta_zero_is_the_identity(dims, scale, delta, groups, dtype):
    conv = LAYERS[dims](4, 4, 5, padding="same", groups=groups, scale=scale, delta=delta, dtype=dtype)
    nn.init.ones_(conv.alpha)
    nn.init.zeros_(conv.beta)
    x = picture(dims, dtype=dtype)
    assert torch.equal(conv(x), x)


def test_composition_allocates_the_scaled_weight_and_the_kernel_and_no_dense_delta():
    class Allocations(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            seen.update({s.data_ptr(): s.nbytes() for s in [result.untyped_storage()]})
            return result

    weight, alpha, beta = torch.randn(64, 32, 3, 3), torch.ones(64), torch.ones(64)
    seen = {}
    with Allocations():
        composed = dirac_weight(weight, alpha, beta)
    large = {pointer for pointer, size in seen.items() if size >= 64 * 32 * 4}  # also one tap of all channels is large
    others = large - {weight.untyped_storage().data_ptr()}
    assert len(others) == 2 and composed.untyped_storage().data_ptr() in others


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_zero_filters_give_finite_values_and_gradients(dtype):
    torch.manual_seed(0)
    conv = DiracConv2d(3, 4, 3, padding=1, dtype=dtype)
    with torch.no_grad():
        conv.weight[1] = 0
    output = conv(picture(2, 3, dtype=dtype))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in conv.parameters())
    assert torch.equal(conv.composed_weight()[1], dirac_delta(conv.weight)[1])  # of beta's part nothing is left


@pytest.mark.parametrize("delta", ["dirac", "tiled"])
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_all_three_are_right(groups, delta):
    torch.manual_seed(0)
    parts = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in [(4, 2, 3), (4,), (1,)]]
    assert torch.autograd.gradcheck(lambda w, a, b: dirac_weight(w, a, b, groups=groups, delta=delta), parts)


def test_ncrelu_is_both_halves_with_their_signs():
    x = picture(2)
    assert torch.equal(NCReLU()(x), torch.cat((torch.max(x, x * 0), torch.min(x, x * 0)), dim=1))


# What it survives.


@DIMENSIONS
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_fold_is_a_stock_convolution_that_computes_the_same(dims, geometry, randomised):
    conv = layer(dims, 4, 6, 3, dtype=torch.float64, randomised=randomised, **geometry)
    before = copy.deepcopy(conv.state_dict())
    folded, x = conv.fold(), picture(dims, dtype=torch.float64)
    assert type(folded) is STOCK[dims]
    torch.testing.assert_close(folded(x), conv(x), rtol=0, atol=1e-12)
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())
    assert not {p.data_ptr() for p in folded.parameters()} & {p.data_ptr() for p in conv.parameters()}


def test_fold_composes_in_float64(randomised):
    conv = layer(2, 32, 32, 3, randomised=randomised)
    exact = copy.deepcopy(conv).double().composed_weight().float()
    assert torch.equal(conv.fold().weight, exact)
    assert not torch.equal(conv.composed_weight(), exact)  # or the weights drawn here prove nothing


@DIMENSIONS
def test_copies_pickles_and_state_dicts_compute_the_same(dims, randomised, tmp_path):
    conv = layer(dims, 4, 6, 3, padding="same", padding_mode="reflect", scale="scalar", randomised=randomised)
    torch.save(conv.state_dict(), tmp_path / "conv.pth")
    loaded = LAYERS[dims](4, 6, 3, padding="same", padding_mode="reflect", scale="scalar")
    loaded.load_state_dict(torch.load(tmp_path / "conv.pth", weights_only=True))
    for twin in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv)), loaded):  # noqa: S301
        assert torch.equal(twin(picture(dims)), conv(picture(dims)))


@DIMENSIONS
def test_meta_device_gives_shapes_and_to_empty_a_fresh_layer(dims):
    conv = LAYERS[dims](4, 6, 3, padding=1, device="meta")
    assert conv(picture(dims, device="meta")).shape == (2, 6, *picture(dims).shape[2:])
    conv = conv.to_empty(device="cpu")
    torch.manual_seed(0)
    conv.reset_parameters()
    torch.manual_seed(0)
    assert all(torch.equal(p, q) for p, q in zip(conv.parameters(), LAYERS[dims](4, 6, 3).parameters(), strict=True))


def test_channels_last_changes_nothing_but_the_layout(randomised):
    conv = layer(2, 4, 6, 3, groups=2, dtype=torch.float64, randomised=randomised)
    x = picture(2, dtype=torch.float64)
    expected = conv(x)
    conv = conv.to(memory_format=torch.channels_last)
    output = conv(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    assert output.is_contiguous(memory_format=torch.channels_last)


@DIMENSIONS
def test_autocast_runs_the_convolution_in_half_precision(dims, randomised):
    conv = layer(dims, 4, 6, 3, randomised=randomised)
    with torch.autocast("cpu", torch.bfloat16):
        output = conv(picture(dims))
        output.sum().backward()
    assert output.dtype == torch.bfloat16
    assert conv.weight.grad.dtype == conv.alpha.grad.dtype == torch.float32
    expected = conv(picture(dims))  # bfloat16 keeps 8 bits: three products of a rounding each
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=3e-2 * expected.abs().max().item())


@pytest.mark.parametrize(("dims", "groups", "delta"), [(1, 1, "tiled"), (2, 2, "dirac"), (3, 1, "dirac")])
def test_compile_and_export_compute_the_same(dims, groups, delta, randomised):
    conv, x = layer(dims, 4, 8, 3, groups=groups, delta=delta, randomised=randomised), picture(dims)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(conv, (x,)).module()
    torch.testing.assert_close(compiled(x), conv(x))
    torch.testing.assert_close(exported(x), conv(x))
    weights = [p for _, p in conv.named_parameters()]
    gradients = [torch.autograd.grad(net(x).square().sum(), weights) for net in (conv, compiled)]
    torch.testing.assert_close(*gradients)


@pytest.mark.skipif(not shutil.which("c++"), reason="inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")  # inductor calls what torch itself has deprecated
@pytest.mark.slow  # as tests of tools do with nets
def test_default_compiler_computes_the_same(randomised):
    conv, x = layer(2, 4, 6, 3, randomised=randomised), picture(2)
    torch.testing.assert_close(torch.compile(conv, fullgraph=True)(x), conv(x))


@pytest.mark.parametrize(
    ("shape", "keywords", "message"),
    [
        ((4, 4, 2, 3), {}, r"kernel_size=\(2, 3\)"),
        ((4, 4, 3), {"delta": "x"}, "delta='x': allowed are 'dirac', 'tiled'"),
        ((4, 4, 3), {"groups": 3}, "out_channels=4, groups=3"),
        ((4, 6, 3), {"delta": "tiled"}, "a tiled identity needs"),
    ],
)
def test_dirac_weight_names_what_it_cannot_compose(shape: tuple[int, ...], keywords: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dirac_weight(torch.ones(shape), torch.ones(1), torch.ones(1), **keywords)
