"""Which runs the paper's claims are judged by, and what is kept of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.comparators import COMPARATORS
from benchmarks.paper.evidence import dirac_layers
from zoo import build_from
from zoo.files import read_json
from zoo.models import DiracNet
from zoo.training.recipes import Recipe
from zoo.training.run_folder import RunFolder
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.record import get_weight

NETS = {"dirac": DiracNet, **COMPARATORS}
SMALL = Recipe(epochs=3, lr=0.1, crop_padding=2, holdout=0.1, precision="bf16")
"""Of the short runs: SGD as in the paper, annealed to zero; measured on held-out training pictures."""
SEARCHED = replace(SMALL, epochs=4, lr=0.2, muon_lr=0.1)
SEARCH: Mapping[str, Recipe] = {
    "muon": SEARCHED,
    "sgd": replace(SEARCHED, muon_lr=0.0),
    "muon-half": replace(SEARCHED, muon_lr=0.05),
    "muon-smoothing": replace(SEARCHED, label_smoothing=0.1),
    "muon-ema": replace(SEARCHED, ema=0.995),
    "muon-twice": replace(SEARCHED, muon_lr=0.2),
    "muon-alternating": replace(SEARCHED, flip="alternating"),
    "muon-beta-0.3": replace(SEARCHED, beta=0.3),
    "muon-beta-0.5": replace(SEARCHED, beta=0.5),
    "muon-beta-1": replace(SEARCHED, beta=1.0),
}
"""Recipes for a short training that were compared."""
SEARCH_NET = "10_x2"
DEEP = replace(SEARCHED, precision="float32")
DEEP_SEARCH: Mapping[str, Recipe] = {
    "beta-0.1": DEEP,
    "beta-0.2": replace(DEEP, beta=0.2),
    "beta-0.5": replace(DEEP, beta=0.5),
}
"""What beta starts from in a deep net."""
DEEP_NET = "28"
FIXED = replace(DEEP, muon_lr=0.015, fixed_norm=True, stem="principal", label_smoothing=0.1, flip="alternating")
FIXED_SEARCH: Mapping[str, Recipe] = {
    "beta-0.2": replace(FIXED, beta=0.2),
    "beta-0.5": replace(FIXED, beta=0.5),
    "beta-1": replace(FIXED, beta=1.0),
    "bias-0.5": replace(FIXED, beta=0.2, bn_bias=0.5),
    "bias-1": replace(FIXED, beta=0.2, bn_bias=1.0),
}
"""What beta and the biases start from where kernels keep their norms, in a net of the ImageNet family."""
FIXED_NET = "18_x0_5"
FIXED_SIZE = 32
"""Half of the 64 pixels that this net is shipped for."""
WIDE = replace(FIXED, epochs=3, crop_padding=2)
WIDE_SEARCH: Mapping[str, Recipe] = {
    "beta-0.5": replace(WIDE, beta=0.5),
    "beta-0.5-bias-0.5": replace(WIDE, beta=0.5, bn_bias=0.5),
    "beta-0.2-bias-1": replace(WIDE, beta=0.2, bn_bias=1.0),
    "beta-0.5-bias-1": replace(WIDE, beta=0.5, bn_bias=1.0),
}
"""The same in a wide and shallow net, `SEARCH_NET`."""
LONG = replace(FIXED, crop_padding=2)
LONG_SEARCH: Mapping[str, Recipe] = {
    "beta-0.2": replace(LONG, beta=0.2),
    "bias-0.25": replace(LONG, beta=0.2, bn_bias=0.25),
    "bias-0.5": replace(LONG, beta=0.2, bn_bias=0.5),
    "bias-1": replace(LONG, beta=0.2, bn_bias=1.0),
    "bias-2": replace(LONG, beta=0.2, bn_bias=2.0),
    "beta-0.5-bias-1": replace(LONG, beta=0.5, bn_bias=1.0),
}
"""The same in the deep net, `DEEP_NET`."""
LONGER = replace(LONG, epochs=20, precision="bf16", beta=0.2, bn_bias=0.5)
FREE = replace(LONGER, muon_lr=0.1, fixed_norm=False)
NORM_SEARCH: Mapping[str, Recipe] = {"fixed": LONGER, "free": FREE}
"""Whether kernels keep their norms, in a longer training of a DiracNet and a ResNet."""
NORM_NET = "16"
FULL = replace(LONGER, epochs=24, crop_padding=4)
FULL_SEARCH: Mapping[str, Recipe] = {
    "fixed": FULL,
    "fast": replace(FULL, muon_lr=0.03),
    "free": replace(FREE, epochs=FULL.epochs, crop_padding=FULL.crop_padding),
}
"""The same on pictures of `FULL_SIZE` pixels, and a faster rate."""
FULL_SIZE = 32
RATE_SEARCH: Mapping[str, Recipe] = {
    "fixed": LONGER,
    "slow": replace(LONGER, muon_lr=0.005),
    "free": FREE,
    "free-0.03": replace(FREE, muon_lr=0.03),
    "sgd": replace(FREE, muon_lr=0.0),
}
"""At what rate kernels move in a longer training of the deep net, `DEEP_NET`."""
SMALL_SIZE = 16
"""Pixels that pictures are reduced to in short runs of CIFAR nets, which makes an epoch a quarter as long."""


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        net: a name of `NETS`.
        recipe: how it is trained, and the name of the DiracNet whose spec the net has.
        size: pixels of the pictures.
        seed: of the run.
    """

    net: str
    recipe: Recipe
    size: int
    seed: int = 0


def beside(net: str, model: str, tag: str, *, beta: float = 0.0, bn_bias: float = 0.0) -> Run:
    """Return the run of a net with the recipe, pictures and seed of a shipped checkpoint.

    What Dirac layers start from is left out of a comparator's recipe, for it has none; for `dirac`, the checkpoint's
    own net trained again, it is what `beta` and `bn_bias` say.

    Raises:
        ValueError: there are no such weights or is no such net; they were trained from others, which no comparator
            has; or `beta` and `bn_bias` are given for a comparator.
    """
    if net not in NETS:
        raise ValueError(f"net={net!r}: allowed are {', '.join(NETS)}")
    if net in COMPARATORS and (beta or bn_bias):
        raise ValueError(f"beta={beta}, bn_bias={bn_bias}: {net} has no Dirac layers; give them for dirac alone")
    weight = get_weight(model, tag)
    if "init" in weight.provenance:
        raise ValueError(f"{model}:{tag} was trained from other weights; a comparator would start from nothing")
    recipe = replace(Recipe(**weight.recipe).without_dirac_layers(), beta=beta, bn_bias=bn_bias)
    return Run(net, recipe, weight.preprocessing.size, weight.provenance["seed"])


def _small(net: str, model: str, recipe: Recipe = SMALL) -> Run:
    return Run(net, replace(recipe, model=f"diracnet{model}_cifar"), SMALL_SIZE)


def _fixed(net: str, recipe: Recipe) -> Run:
    return Run(net, replace(recipe, model=f"diracnet{FIXED_NET}"), FIXED_SIZE)


SHORT_RUNS: Mapping[str, Run] = {
    **{f"{net}-{depth}": _small(net, str(depth)) for depth in (28, 52, 100) for net in ("dirac", "plain")},
    "resnet-28": _small("resnet", "28"),
    "dirac-28-v1": _small("dirac", "28_v1"),
    **{f"dirac-{shape}": _small("dirac", shape) for shape in ("10", "16", "10_x2", "16_x2")},
    **{f"recipe-{name}": _small("dirac", SEARCH_NET, recipe) for name, recipe in SEARCH.items()},
    **{f"deep-{name}": _small("dirac", DEEP_NET, recipe) for name, recipe in DEEP_SEARCH.items()},
    "resnet-muon": _small("resnet", SEARCH_NET, SEARCHED),
    **{f"fixed-{name}": _fixed("dirac", recipe) for name, recipe in FIXED_SEARCH.items()},
    "resnet-fixed": _fixed("resnet", FIXED),
    **{f"wide-{name}": _small("dirac", SEARCH_NET, recipe) for name, recipe in WIDE_SEARCH.items()},
    "resnet-wide": _small("resnet", SEARCH_NET, WIDE),
    **{f"long-{name}": _small("dirac", DEEP_NET, recipe) for name, recipe in LONG_SEARCH.items()},
    "resnet-long": _small("resnet", DEEP_NET, LONG),
    **{f"norm-{name}": _small("dirac", NORM_NET, recipe) for name, recipe in NORM_SEARCH.items()},
    **{
        f"resnet-norm-{name}": _small("resnet", NORM_NET, recipe.without_dirac_layers())
        for name, recipe in NORM_SEARCH.items()
    },
    **{f"full-{name}": replace(_small("dirac", NORM_NET, one), size=FULL_SIZE) for name, one in FULL_SEARCH.items()},
    **{f"rate-{name}": _small("dirac", DEEP_NET, recipe) for name, recipe in RATE_SEARCH.items()},
    "resnet-rate": _small("resnet", DEEP_NET, LONGER.without_dirac_layers()),
}
"""Name → run, measured on held-out training pictures."""


def keep(folder: Path) -> dict[str, Any]:
    """Return what is committed of a finished run: request, log, result, and the Dirac layers at the end.

    Raises:
        ValueError: the run is not finished.
    """
    run = RunFolder(folder)
    if not run.result.is_file():
        raise ValueError(f"{folder} holds no finished run: it has no {run.result.name}")
    request = read_json(run.request)
    lines = run.metrics.read_text(encoding="utf-8").splitlines()
    kept = {**request, **read_json(run.result), "history": [json.loads(line) for line in lines]}
    if request["net"] == DiracNet.__name__:
        kept["layers"] = [asdict(layer) for layer in dirac_layers(build_from(Checkpoint.load(run.model)))]
    return kept
