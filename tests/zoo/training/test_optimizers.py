"""What a run starts from, and how its optimizers move it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from benchmarks.comparators import COMPARATORS
from zoo.nets.network import Block
from zoo.training.data import Dataset, Place
from zoo.training.loop import train
from zoo.training.optimizers import Muon, make_optimizers, orthogonalize
from zoo.training.recipes import RECIPES
from zoo.training.start import fresh, set_stem

DIGITS = dataclasses.replace(RECIPES["digits"], epochs=3)


@pytest.mark.parametrize("version", [1, 2])
def test_weight_decay_spares_one_dimensional_parameters_in_version_2(version: int) -> None:
    net = zoo.diracnet(depth=10, family="cifar", version=version)
    spared = [
        p
        for group in make_optimizers(net, DIGITS, decay_scales=version == 1)[0].param_groups
        if group["weight_decay"] == 0
        for p in group["params"]
    ]
    expected = [p for p in net.parameters() if p.ndim <= 1] if version == 2 else []
    assert {id(p) for p in spared} == {id(p) for p in expected}


def test_muon_makes_a_step_whose_singular_values_are_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((8, 4, 3, 3), (64, 3, 3, 3), (16, 48, 1, 1)):
        kernel = torch.nn.Parameter(torch.randn(shape))
        before, kernel.grad = kernel.detach().clone(), torch.randn(shape)
        Muon([kernel], lr=0.1).step()
        rows, columns = kernel.flatten(1).shape
        values = torch.linalg.svdvals((before - kernel.detach()).flatten(1)) / (0.1 * max(1, rows / columns) ** 0.5)
        assert values.min() > 0.6 and values.max() < 1.3
        # With the gradient's own singular vectors: a positive semidefinite product.
        product = (before - kernel.detach()).flatten(1) @ kernel.grad.flatten(1).T
        if rows <= columns:
            assert torch.linalg.eigvalsh(product + product.T).min() > 0


@pytest.mark.parametrize("rank", [1, 6])
@pytest.mark.parametrize("shape", [(6, 54), (54, 6)])
def test_orthogonalization_is_newton_and_schulz_s_iteration(shape: tuple[int, int], rank: int) -> None:
    torch.manual_seed(0)
    matrix = torch.randn(shape[0], rank, dtype=torch.float64) @ torch.randn(rank, shape[1], dtype=torch.float64)
    expected = matrix / matrix.norm()
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected - 4.775 * gram @ expected + 2.0315 * gram @ gram @ expected
    torch.testing.assert_close(orthogonalize(matrix), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(orthogonalize(matrix.float()).double(), expected, rtol=0, atol=1e-3)


def test_a_fixed_norm_makes_muon_s_rate_the_angle_of_a_step() -> None:
    torch.manual_seed(0)
    for shape in ((8, 4, 3, 3), (64, 3, 3, 3), (16, 48, 1, 1)):
        kernel = torch.nn.Parameter(torch.randn(shape))
        muon = Muon([kernel], lr=0.1, fixed_norm=True)
        angles = []
        for _ in range(50):
            before, kernel.grad = kernel.detach().clone(), torch.randn(shape)
            muon.step()
            assert kernel.norm().item() == pytest.approx(shape[0] ** 0.5, rel=1e-5)
            angles.append(torch.nn.functional.cosine_similarity(before.flatten(), kernel.flatten(), dim=0).acos())
        # The first step starts from another norm. Orthogonalization leaves singular values of 0.7 to 1.2.
        assert all(0.05 < angle < 0.12 for angle in angles[1:])


def test_a_principal_stem_sees_uncorrelated_parts_of_the_pictures(digits: Dataset) -> None:
    images = next(digits.train.batches(digits.preprocessing, DIGITS, Place(seed=0, epoch=0)))[0]
    net = zoo.DiracNet(dataclasses.replace(zoo.get_spec("diracnet10_cifar"), in_channels=1))
    set_stem(net, images.split(40))
    # Sixteen kernels: the eight largest of nine components and their negatives.
    pairs = net.conv.weight.unflatten(0, (8, 2))
    assert torch.equal(pairs[:, 0], -pairs[:, 1])
    seen = torch.nn.functional.conv2d(images, pairs[:, 0]).movedim(1, 0).flatten(1)
    products = seen @ seen.T / seen.shape[1]
    powers = products.diagonal()
    assert (powers[:-1] >= powers[1:]).all()
    torch.testing.assert_close(products, powers.diag(), atol=1e-4, rtol=0)


def test_a_principal_stem_leaves_kernels_beyond_the_components_as_they_were(digits: Dataset) -> None:
    images = next(digits.train.batches(digits.preprocessing, DIGITS, Place(seed=0, epoch=0)))[0]
    net = zoo.DiracNet(dataclasses.replace(zoo.get_spec("diracnet10_x2_cifar"), in_channels=1))
    before = net.conv.weight.detach().clone()
    set_stem(net, images.split(40))
    assert torch.equal(net.conv.weight[18:], before[18:])
    torch.testing.assert_close(net.conv.weight[:18].flatten(1).norm(dim=1), torch.ones(18))


def test_a_run_starts_from_the_stem_that_the_recipe_says(digits: Dataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(DIGITS, epochs=1, lr=1e-9)
    stems = {}
    for stem in ("random", "principal"):
        train(dataclasses.replace(recipe, stem=stem), digits, tmp_path / stem)
        stems[stem] = (
            zoo.Checkpoint.load(tmp_path / stem / "model.safetensors").state["conv.weight"].unflatten(0, (8, 2))
        )
    torch.testing.assert_close(stems["principal"][:, 0], -stems["principal"][:, 1])
    assert not torch.allclose(stems["random"][:, 0], -stems["random"][:, 1], atol=0.1)


def test_scales_and_biases_start_where_the_recipe_says() -> None:
    spec = zoo.get_spec("diracnet10_cifar")
    own = fresh(zoo.DiracNet, spec, DIGITS)
    other = fresh(zoo.DiracNet, spec, dataclasses.replace(DIGITS, beta=0.5, bn_bias=1.0))
    for net, beta, bias in ((own, 0.1, 0.0), (other, 0.5, 1.0)):
        blocks = [module for module in net.modules() if isinstance(module, Block)]
        assert len(blocks) == 6
        for block in blocks:
            torch.testing.assert_close(block.conv.beta.detach(), torch.full_like(block.conv.beta, beta))
            torch.testing.assert_close(block.bn.bias.detach(), torch.full_like(block.bn.bias, bias))
        assert not net.bn.bias.any()  # that of the stem


@pytest.mark.parametrize("build", COMPARATORS.values(), ids=COMPARATORS)
def test_comparators_start_where_they_always_do(build: Callable[[zoo.Spec], nn.Module]) -> None:
    spec = zoo.get_spec("diracnet10_cifar")
    states = []
    for recipe in (DIGITS, dataclasses.replace(DIGITS, beta=0.5, bn_bias=1.0)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            states.append(fresh(build, spec, recipe).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.parametrize("build", COMPARATORS.values(), ids=COMPARATORS)
def test_a_comparator_gets_the_stem_of_its_dirac_net(digits: Dataset, build: Callable[[zoo.Spec], nn.Module]) -> None:
    images = next(digits.train.batches(digits.preprocessing, DIGITS, Place(seed=0, epoch=0)))[0]
    spec = dataclasses.replace(zoo.get_spec("diracnet10_cifar"), in_channels=1)
    net, dirac = build(spec), zoo.DiracNet(spec)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    set_stem(net, [images])
    set_stem(dirac, [images])
    (stem,) = (value for name, value in net.state_dict().items() if not torch.equal(value, before[name]))
    assert torch.equal(stem, dirac.conv.weight)
