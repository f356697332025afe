"""Which filters have an identity, and what alpha and beta say of them."""

import pytest
import torch

import zoo
from zoo.nets.identity import has_identity, identity_shares


@pytest.mark.parametrize("scale", ["channel", "scalar"])
@pytest.mark.parametrize(
    ("channels", "delta", "groups"),
    [((4, 4), "dirac", 1), ((4, 6), "dirac", 1), ((6, 4), "dirac", 1), ((4, 8), "dirac", 2), ((4, 8), "tiled", 2)],
)
def test_a_filter_has_an_identity_if_its_alpha_changes_it(channels, delta, groups, scale) -> None:
    layer = zoo.DiracConv2d(*channels, 3, groups=groups, delta=delta, scale=scale)
    before = layer.composed_weight().detach()
    with torch.no_grad():
        layer.alpha += 1
    changed = (layer.composed_weight().detach() != before).flatten(1).any(dim=1)
    assert torch.equal(has_identity(layer), changed) and changed.any()


@pytest.mark.parametrize("scale", ["channel", "scalar"])
def test_shares_leave_out_filters_without_an_identity(scale) -> None:
    layer = zoo.DiracConv2d(4, 16, 3, groups=2, scale=scale)
    with torch.no_grad():
        layer.alpha.fill_(9)
        layer.beta.fill_(1)
        if scale == "channel":
            layer.alpha[has_identity(layer)] = 2
    (found,) = identity_shares(layer)
    alpha = 2 if scale == "channel" else 9
    assert (found.alpha, found.beta) == (alpha, 1) and found.share == pytest.approx(100 * alpha**2 / (alpha**2 + 1))
