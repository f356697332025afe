"""PyTorch's own tools on modules with Dirac kernels: the right numbers, or an error that says to fold first."""

import copy
import io
import shutil
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime
import pytest
import torch
import torch.fx.experimental.optimization
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint
from torchvision.models.feature_extraction import create_feature_extractor

import zoo
from export import fold

Net = Callable[[torch.Tensor], torch.Tensor]
IMAGES = torch.randn(2, 4, 9, 8, generator=torch.Generator().manual_seed(0))


def chain(conv: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), conv, nn.BatchNorm2d(6), nn.ReLU())


def dirac_net(version: int = 2) -> zoo.DiracNet:
    return zoo.diracnet(depth=10, family="cifar", width=0.5, in_channels=4, version=version)


def bare(groups: int = 1, **options: str) -> nn.Module:
    return zoo.DiracConv2d(4, 6, 3, padding=1, groups=groups, bias=groups > 1, **options)


SUBJECTS = {
    "layer": lambda: chain(bare()),
    "grouped tiled layer": lambda: chain(bare(groups=2, scale="scalar")),
    "parametrized": lambda: chain(zoo.dirac(nn.Conv2d(4, 6, 3, padding=1))),
    "net": dirac_net,
    "net v1": lambda: dirac_net(1),
    "folded": lambda: fold(dirac_net().eval()),
    "folded v1": lambda: fold(dirac_net(1).eval()),
}


@pytest.fixture
def net(subject: str, randomised: Callable[[nn.Module], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return randomised(SUBJECTS[subject]()).eval()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """PyTorch deprecates many of its tools, and they tell what they do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def onnx_graph(net: nn.Module, dynamo: bool) -> Net:
    file = io.BytesIO()
    program = torch.onnx.export(net, (IMAGES,), None if dynamo else file, dynamo=dynamo, verbose=False)
    if dynamo:
        file.write(program.model_proto.SerializeToString())
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(np.asarray(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]))


def optimized(net: nn.Module) -> Net:
    traced = torch.jit.optimize_for_inference(torch.jit.trace(net, IMAGES))
    traced(IMAGES)  # the passes run at the first calls
    return traced


def features(net: nn.Module) -> Net:
    last = list(dict(net.named_children()))[-1]
    extractor = create_feature_extractor(net, {last: "out"})
    return lambda x: extractor(x)["out"]


def observed(net: nn.Module) -> Net:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_fx

    return prepare_fx(net, get_default_qconfig_mapping(), (IMAGES,))


def quantized(net: nn.Module) -> Net:
    from torch.ao.quantization.quantize_fx import convert_fx

    prepared = observed(net)
    prepared(IMAGES)
    return convert_fx(prepared)


def walked(net: nn.Module) -> Net:
    """As mmcv and others fuse: a BatchNorm goes into the stock convolution before it, by scaling its weight."""
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        before = None
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                scale = child.weight / (child.running_var + child.eps).sqrt()
                bias = before.bias if before.bias is not None else torch.zeros_like(scale)
                before.weight = nn.Parameter(before.weight * scale.reshape(-1, 1, 1, 1))
                before.bias = nn.Parameter((bias - child.running_mean) * scale + child.bias)
                setattr(module, name, nn.Identity())
            before = child
    return net


def copied(net: nn.Module) -> Net:
    """As Ultralytics fuses: into a new stock convolution."""
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        before = ("", None)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d) and isinstance(before[1], nn.Conv2d):
                old = before[1]
                fused = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding)
                scale = child.weight / (child.running_var + child.eps).sqrt()
                bias = old.bias if old.bias is not None else torch.zeros_like(scale)
                fused.weight.data = old.weight.detach() * scale.reshape(-1, 1, 1, 1)
                fused.bias.data = (bias - child.running_mean) * scale + child.bias
                setattr(module, before[0], fused)
                setattr(module, name, nn.Identity())
            before = name, child
    return net


def stateless(net: nn.Module) -> Net:
    names = dict(net.named_parameters())
    return lambda x: torch.func.functional_call(copy.deepcopy(net).apply(blank), names, (x,))


@torch.no_grad()
def blank(module: nn.Module) -> None:
    for parameter in module.parameters(recurse=False):
        parameter.zero_()


def averaged(net: nn.Module) -> Net:
    average = AveragedModel(net)
    average.update_parameters(net)
    return average


# What each tool makes of a net: something that computes the same.
TOOLS: dict[str, Callable[[nn.Module], Net]] = {
    "onnx": lambda net: onnx_graph(net, dynamo=False),
    "onnx dynamo": lambda net: onnx_graph(net, dynamo=True),
    "trace": lambda net: torch.jit.trace(net, IMAGES),
    "trace and freeze": lambda net: torch.jit.freeze(torch.jit.trace(net, IMAGES)),
    "optimize_for_inference": optimized,
    "script": torch.jit.script,
    "symbolic_trace": torch.fx.symbolic_trace,
    "feature extractor": features,
    "fx fuse": torch.fx.experimental.optimization.fuse,
    "prepare_fx": observed,
    "convert_fx": quantized,
    "walk and scale": walked,
    "walk and copy": copied,
    "torch.export": lambda net: torch.export.export(net, (IMAGES,)).module(),
    "compile": lambda net: torch.compile(net, fullgraph=True, backend="aot_eager"),
    "functional_call": stateless,
    "deepcopy": copy.deepcopy,
    "AveragedModel": averaged,
    "checkpoint": lambda net: lambda x: checkpoint(net, x, use_reentrant=False),
    "channels_last": lambda net: copy.deepcopy(net).to(memory_format=torch.channels_last),
}
# What is refused, and the words. The quantizer's are PyTorch's own; they quote the layer, which says what to do.
SCRIPT = r"torch\.jit\.script cannot compile Dirac.*export\.fold\(net\)"
REFUSED = {
    ("script", "layer"): SCRIPT,
    ("script", "grouped tiled layer"): SCRIPT,
    ("script", "parametrized"): SCRIPT,
    ("script", "net"): SCRIPT,
    ("script", "net v1"): SCRIPT,
    ("walk and scale", "parametrized"): r"(?s)ParametrizedConv2d\(.*export\.fold\(net\)",
    ("prepare_fx", "parametrized"): r"(?s)Cannot fuse eval modules: .ParametrizedConv2d.*export\.fold\(net\)",
    ("convert_fx", "parametrized"): r"(?s)Cannot fuse eval modules: .ParametrizedConv2d.*export\.fold\(net\)",
}


CASES = [
    pytest.param(
        tool,
        subject,
        marks=pytest.mark.slow if tool == "onnx dynamo" and subject not in ("layer", "net", "folded") else (),
        id=f"{subject}-{tool}",
    )
    for tool in TOOLS
    for subject in SUBJECTS
]
"""ONNX's newer exporter takes seconds a net."""


@pytest.mark.parametrize(("tool", "subject"), CASES)
def test_a_tool_gives_the_same_numbers_or_says_to_fold(tool: str, subject: str, net: nn.Module) -> None:
    with torch.no_grad():
        expected = net(IMAGES)
    if (tool, subject) in REFUSED:
        with pytest.raises(RuntimeError, match=REFUSED[tool, subject]):
            TOOLS[tool](net)
        return
    result = TOOLS[tool](net)
    with torch.no_grad():
        share = 0.1 if tool == "convert_fx" else 1e-4  # eight bits are coarse; what lacks the identity is far off
        torch.testing.assert_close(result(IMAGES), expected, rtol=1e-4, atol=share * expected.abs().max().item())


@pytest.mark.skipif(not shutil.which("c++"), reason="inductor needs a C++ compiler")
def test_the_default_compiler_gives_the_same_numbers(randomised: Callable[[nn.Module], nn.Module]) -> None:
    torch.compiler.reset()  # what other tests compiled counts towards its limit
    net = randomised(chain(bare(groups=2)))
    torch.testing.assert_close(torch.compile(net, fullgraph=True)(IMAGES), net(IMAGES))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(6), nn.BatchNorm2d(6, affine=False)], ids=["affine", "bare"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("build", [zoo.DiracConv2d, lambda *args, **kw: zoo.dirac(nn.Conv2d(*args, **kw))])
def test_pytorchs_fusion_of_batchnorm_says_to_fold(
    build: Callable[..., nn.Module], bias: bool, norm: nn.Module
) -> None:
    conv = build(4, 6, 3, bias=bias).eval()
    before = copy.deepcopy(conv.state_dict())
    with pytest.raises(RuntimeError, match=r"(?s)Conv2d\(\s*4, 6.*export\.fold\(net\)"):
        fuse_conv_bn_eval(conv, copy.deepcopy(norm).eval())
    assert all(torch.equal(before[name], tensor) for name, tensor in conv.state_dict().items())


@pytest.mark.parametrize("assign", [False, True])
def test_weights_are_still_loaded_set_and_tied(assign: bool) -> None:
    source, layer = zoo.DiracConv2d(4, 6, 3), zoo.DiracConv2d(4, 6, 3)
    layer.load_state_dict(source.state_dict(), assign=assign)
    assert torch.equal(layer.composed_weight(), source.composed_weight())
    layer.double().to("meta").to_empty(device="cpu")
    with pytest.raises(RuntimeError, match=r"layer\.weight\.data\.copy_"):
        layer.weight = nn.Parameter(torch.zeros(6, 4, 3, 3))
    del layer.weight
    layer.weight = source.weight
    assert layer.weight is source.weight


def batched_alpha(net: nn.Module, name: str, alphas: torch.Tensor) -> torch.Tensor:
    return torch.vmap(lambda alpha: torch.func.functional_call(net, {name: alpha}, (IMAGES,)))(alphas)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("scale", ["channel", "scalar"])
@pytest.mark.parametrize("parametrized", [False, True])
def test_vmap_over_alpha(groups: int, scale: str, parametrized: bool) -> None:
    conv = (
        zoo.dirac(nn.Conv2d(4, 6, 3, groups=groups), scale=scale) if parametrized else bare(groups=groups, scale=scale)
    )
    (name,) = (name for name, _ in conv.named_parameters() if name.endswith("alpha"))
    alphas = torch.randn(3, *conv.get_parameter(name).shape)
    expected = [torch.func.functional_call(conv, {name: alpha}, (IMAGES,)) for alpha in alphas]
    torch.testing.assert_close(batched_alpha(conv, name, alphas), torch.stack(expected))
    traced = torch.fx.experimental.proxy_tensor.make_fx(lambda alphas: batched_alpha(conv, name, alphas))(alphas)
    torch.testing.assert_close(traced(alphas), torch.stack(expected))
