"""The public functions: each refuses a wrong argument at once, has an example, and needs no more than it must."""

import doctest
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

import export
import zoo

WRONG: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "zoo.Checkpoint": (lambda: zoo.Checkpoint.load("none.safetensors"), FileNotFoundError, "none.safetensors"),
    "zoo.DiracConv1d": (lambda: zoo.DiracConv1d(1, 1, 2), ValueError, "kernel_size"),
    "zoo.DiracConv2d": (lambda: zoo.DiracConv2d(1, 1, 3, stride=2), ValueError, "stride"),
    "zoo.DiracConv3d": (lambda: zoo.DiracConv3d(1, 1, 3, scale="x"), ValueError, "scale='x'"),
    "zoo.DiracNet": (lambda: zoo.DiracNet("diracnet18"), TypeError, "zoo.Spec"),
    "zoo.Facts": (lambda: zoo.Facts(licence="none"), ValueError, "licence='none'"),
    "zoo.Preprocessing": (
        lambda: zoo.Preprocessing(resize=1, size=1, interpolation="x", mean=(0,), std=(1,)),
        ValueError,
        "interpolation='x'",
    ),
    "zoo.Spec": (lambda: zoo.Spec(depth=19), ValueError, "depth=19"),
    "zoo.Weight": (lambda: zoo.Weight(model="x"), TypeError, "missing"),
    "zoo.build": (lambda: zoo.build(zoo.Spec(depth=18), "flat"), ValueError, "form='flat'"),
    "zoo.build_from": (lambda: zoo.build_from("file"), TypeError, "Checkpoint"),
    "zoo.composed_together": (lambda: zoo.composed_together(3).__enter__(), TypeError, "Module"),
    "zoo.count_parameters": (lambda: zoo.count_parameters(zoo.Spec(depth=18), "flat"), ValueError, "form='flat'"),
    "zoo.dirac": (lambda: zoo.dirac(nn.Linear(1, 1)), TypeError, "Linear"),
    "zoo.dirac_delta": (lambda: zoo.dirac_delta(torch.zeros(1, 1, 2)), ValueError, "kernel_size"),
    "zoo.dirac_weight": (
        lambda: zoo.dirac_weight(torch.zeros(1, 1, 2), torch.ones(1), torch.ones(1)),
        ValueError,
        "kernel_size",
    ),
    "zoo.diracnet": (lambda: zoo.diracnet(width=1), ValueError, "depth"),
    "zoo.from_pretrained": (lambda: zoo.from_pretrained("no such"), FileNotFoundError, "no such"),
    "zoo.get_model": (lambda: zoo.get_model("diracnet19"), ValueError, "diracnet19"),
    "zoo.get_spec": (lambda: zoo.get_spec("diracnet19"), ValueError, "diracnet19"),
    "zoo.get_weight": (lambda: zoo.get_weight("diracnet18", "x"), ValueError, "'x'"),
    "zoo.list_models": (lambda: zoo.list_models(3), TypeError, "pattern=3"),
    "zoo.list_weights": (lambda: zoo.list_weights("x"), ValueError, "'x'"),
    "zoo.load_repository": (lambda: zoo.load_repository("no such", "dirac"), FileNotFoundError, "no such"),
    "zoo.load_upstream": (lambda: zoo.load_upstream("none.pth"), FileNotFoundError, "none.pth"),
    "zoo.load_weight": (
        lambda: zoo.load_weight(zoo.get_weight("diracnet16_cifar", "cifar10"), "x"),
        ValueError,
        "form='x'",
    ),
    "zoo.plain": (lambda: zoo.plain("diracnet18"), TypeError, "Spec"),
    "export.Check": (lambda: export.Check(), TypeError, "missing"),
    "export.Classifier": (lambda: export.Classifier("none.onnx"), FileNotFoundError, "none.onnx"),
    "export.emit": (lambda: export.emit(nn.Linear(1, 1)), ValueError, "Linear"),
    "export.export_bundle": (lambda: export.export_bundle("file", "out"), TypeError, "Checkpoint"),
    "export.fold": (lambda: export.fold(nn.Linear(1, 1).eval()), ValueError, "no Dirac layer"),
    "export.layer_errors": (
        lambda: export.layer_errors(zoo.get_model("diracnet10_cifar"), nn.Sequential(), torch.zeros(1)),
        ValueError,
        "train mode",
    ),
    "export.publish": (lambda: export.publish("none", "me/net"), FileNotFoundError, "none is not a bundle"),
    "export.reproduce": (lambda: export.reproduce("none"), FileNotFoundError, "none is not a bundle"),
    "export.require": (lambda: export.require([export.Check("a", 2, 1)]), export.VerificationError, "a: 2 exceeds 1"),
    "export.unfold": (lambda: export.unfold(nn.Linear(1, 1)), ValueError, "Linear"),
    "export.verify": (lambda: export.verify("/nonexistent"), FileNotFoundError, "/nonexistent is not a bundle"),
}
NEITHER = {"zoo.NCReLU", "export.VerificationError"}
"""What takes any argument: a module without arguments, and an error."""


def names() -> Iterator[str]:
    for package in (zoo, export):
        yield from (f"{package.__name__}.{name}" for name in package.__all__)


@pytest.mark.parametrize("name", sorted(set(names()) - NEITHER))
def test_a_wrong_argument_is_refused_at_once(name: str) -> None:
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message.replace("(", r"\(")):
        call()


@pytest.mark.parametrize("name", sorted(names()))
def test_every_public_function_has_an_example_that_runs(name: str) -> None:
    package, _, attribute = name.partition(".")
    found = getattr(importlib.import_module(package), attribute)
    if not inspect.isfunction(inspect.unwrap(found)):
        pytest.skip("a class: its docstring says what it is")
    (example,) = doctest.DocTestFinder(recurse=False).find(inspect.unwrap(found), name, globs={})
    assert example.examples, f"{name} has no example"
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example)
    assert result.failed == 0


BLOCKED = """
import sys
for package in ("onnx", "onnxruntime"):
    sys.modules[package] = None
import torch, zoo, export
from export.cards.card import card
from export.release.model_card import zoo_card
from export.release.ship import ship
net = zoo.get_model("diracnet10_cifar").eval()
folded = export.fold(net)
again = export.unfold(folded, torch.randn(8, 3, 32, 32))
assert (again.eval()(x := torch.randn(2, 3, 32, 32)) - net(x)).abs().max() < 1e-3
assert zoo_card().startswith("# ")
"""


def test_folding_unfolding_cards_and_shipping_need_no_onnx() -> None:
    subprocess.run([sys.executable, "-c", BLOCKED], check=True, timeout=300)
