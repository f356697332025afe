"""`dirac(module)`: the parametrization for convolutions that users already have."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from zoo import DiracConv1d, DiracConv2d, DiracConv3d, dirac

STOCK = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
LAYERS = {1: DiracConv1d, 2: DiracConv2d, 3: DiracConv3d}
DIMENSIONS = pytest.mark.parametrize("dims", [1, 2, 3])
KEYS = {
    "parametrizations.weight.original": "weight",
    "parametrizations.weight.0.alpha": "alpha",
    "parametrizations.weight.0.beta": "beta",
    "bias": "bias",
}


def conv(dims=2, *args, scale="channel", delta="dirac", **kwargs):
    torch.manual_seed(0)
    return dirac(STOCK[dims](*(args or (4, 6, 3)), **kwargs), scale=scale, delta=delta)


def picture(dims=2, **kwargs):
    return torch.randn(2, 4, *(7, 6, 5)[:dims], generator=torch.Generator().manual_seed(1)).to(**kwargs)


@DIMENSIONS
@pytest.mark.parametrize(("scale", "delta"), [("channel", "dirac"), ("scalar", "tiled")])
@pytest.mark.parametrize("options", [{}, {"groups": 2, "dilation": 2}, {"padding": 1, "padding_mode": "circular"}])
def test_computes_what_the_layer_of_the_same_weights_does(dims, scale, delta, options, randomised):
    parametrized = randomised(conv(dims, 4, 8, 3, scale=scale, delta=delta, **options))
    layer = LAYERS[dims](4, 8, 3, scale=scale, delta=delta, **options)
    state = parametrized.state_dict()
    assert set(state) == set(KEYS)
    layer.load_state_dict({KEYS[name]: tensor for name, tensor in state.items()})
    assert torch.equal(parametrized(picture(dims)), layer(picture(dims)))


def test_starts_with_the_scales_of_the_layer_and_keeps_the_raw_weight():
    plain = nn.Conv2d(4, 6, 3)
    weight = plain.weight.detach().clone()
    assert dirac(plain) is plain
    assert torch.equal(plain.parametrizations.weight.original, weight)
    layer = DiracConv2d(4, 6, 3)
    scales = plain.parametrizations.weight[0]
    assert torch.equal(scales.alpha, layer.alpha)
    assert torch.equal(scales.beta, layer.beta)


@DIMENSIONS
@pytest.mark.parametrize("options", [{}, {"groups": 2, "padding": "same"}, {"padding": 1, "padding_mode": "reflect"}])
def test_removal_leaves_the_plain_convolution_that_computes_the_same(dims, options, randomised):
    parametrized = randomised(conv(dims, **options))
    expected = parametrized(picture(dims))
    parametrize.remove_parametrizations(parametrized, "weight")
    assert type(parametrized) is STOCK[dims]
    assert set(parametrized.state_dict()) == {"weight", "bias"}
    assert torch.equal(parametrized(picture(dims)), expected)


def test_state_dict_and_deepcopy_compute_the_same(randomised, tmp_path):
    parametrized = randomised(conv())
    torch.save(parametrized.state_dict(), tmp_path / "conv.pth")
    loaded = dirac(nn.Conv2d(4, 6, 3))
    loaded.load_state_dict(torch.load(tmp_path / "conv.pth", weights_only=True))
    for twin in (loaded, copy.deepcopy(parametrized)):
        assert torch.equal(twin(picture()), parametrized(picture()))


def test_a_deepcopy_is_independent(randomised):
    parametrized = randomised(conv())
    expected = parametrized(picture())
    twin = copy.deepcopy(parametrized)
    nn.init.zeros_(twin.parametrizations.weight[0].alpha)
    assert torch.equal(parametrized(picture()), expected)


def test_all_parts_are_trained():
    parametrized = conv()
    before = copy.deepcopy(parametrized.state_dict())
    parametrized(picture()).square().sum().backward()
    torch.optim.SGD(parametrized.parameters(), lr=0.01).step()
    assert not any(torch.equal(before[name], tensor) for name, tensor in parametrized.state_dict().items())


@pytest.mark.parametrize(
    "placement", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}], ids=str
)
def test_follows_the_convolutions_device_and_dtype(placement):
    parametrized = conv(**placement)
    output = parametrized(picture(**placement))
    for tensor in (output, *parametrized.parameters()):
        assert all(
            getattr(tensor, name) == (torch.device(value) if name == "device" else value)
            for name, value in placement.items()
        )


def test_autocast_and_channels_last(randomised):
    parametrized = randomised(conv())
    expected = parametrized(picture())
    parametrized = parametrized.to(memory_format=torch.channels_last)
    torch.testing.assert_close(parametrized(picture().to(memory_format=torch.channels_last)), expected)
    with torch.autocast("cpu", torch.bfloat16):
        output = parametrized(picture())
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0, atol=3e-2 * expected.abs().max().item())


def test_gradients_are_right(randomised):
    parametrized = randomised(conv(1, 2, 3, 3, dtype=torch.float64))
    names, parts = zip(*parametrized.named_parameters(), strict=True)
    x = torch.randn(1, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(
        lambda *values: torch.func.functional_call(parametrized, dict(zip(names, values, strict=True)), (x,)), parts
    )


def test_compile_and_export_compute_the_same(randomised):
    parametrized = randomised(conv())
    compiled = torch.compile(parametrized, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(parametrized, (picture(),)).module()
    torch.testing.assert_close(compiled(picture()), parametrized(picture()))
    torch.testing.assert_close(exported(picture()), parametrized(picture()))


@pytest.mark.parametrize(
    "module", [nn.ConvTranspose2d(4, 4, 3), nn.Linear(4, 4), nn.LazyConv2d(4, 3)], ids=lambda m: type(m).__name__
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")  # torch's announcement that they are new
def test_refuses_other_modules(module):
    with pytest.raises(TypeError, match=type(module).__name__):
        dirac(module)


@DIMENSIONS
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((4, 4, 3, 2), {}, "stride"),
        ((4, 4, 2), {}, "kernel_size.*odd"),
        ((4, 6, 3), {"delta": "tiled"}, "delta='dirac'"),
        ((4, 4, 3), {"scale": "layer"}, "'channel', 'scalar'"),
        ((4, 4, 3), {"delta": "eye"}, "'dirac', 'tiled'"),
        ((4, 4, 3), {"name": "bias"}, "name='bias'"),
    ],
)
def test_refuses_what_has_no_identity_and_leaves_it_as_it_was(dims, arguments, options, message):
    plain = STOCK[dims](*arguments)
    with pytest.raises(ValueError, match=message):
        dirac(plain, **options)
    assert type(plain) is STOCK[dims]
    assert not parametrize.is_parametrized(plain)


def test_refuses_to_parametrize_twice():
    with pytest.raises(ValueError, match="already"):
        dirac(conv())
