"""The runs by which the paper's claims are judged, and what is kept of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.comparators import COMPARATORS
from zoo import build_from
from zoo.files import read_json
from zoo.models import DiracNet
from zoo.nets.identity import identity_shares
from zoo.training.recipes import Recipe
from zoo.training.run_folder import RunFolder
from zoo.training.teacher import Teacher, open_teacher
from zoo.weights.checkpoint import Checkpoint
from zoo.weights.record import get_weight

NETS = {"dirac": DiracNet, **COMPARATORS}
RECORDED = {
    "dirac": "DiracNet",
    "plain": "plain",
    "resnet": "ResNet",
    "resnet8": "ResNet-8",
    "resnet20": "ResNet-20",
    "repvgg": "RepVGG",
}
"""What the logs of runs call each net."""
SMALL = Recipe(epochs=3, lr=0.1, crop_padding=2, holdout=0.1, precision="bf16")
"""The recipe of the short runs: SGD as in the paper, annealed to zero, measured on held-out training pictures."""
SMALL_SIZE = 16
"""Side of the reduced pictures of short runs, in pixels, which makes an epoch a quarter as long."""


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        net: a name of `NETS`.
        recipe: how it is trained, and the name of the DiracNet whose spec the net has.
        size: pixels of the pictures.
        seed: the run's seed.
        teacher: the teacher, where the recipe cannot name it.
    """

    net: str
    recipe: Recipe
    size: int
    seed: int = 0
    teacher: Teacher | None = None


def beside(
    net: str, model: str, tag: str, *, beta: float = 0.0, bn_bias: float = 0.0, precision: str | None = None
) -> Run:
    """Return the run of a net with the recipe, pictures and seed of a shipped checkpoint.

    It has another precision if one is named, for machines that the checkpoint's does not suit.

    A comparator has no Dirac layers, so their initial values are left out of its recipe. `dirac` trains the
    checkpoint's own net again, from the initial values `beta` and `bn_bias`.

    Raises:
        ValueError: the net or the weights are unknown; the weights were trained from others, which a comparator cannot
            start from; or `beta` or `bn_bias` is given for a comparator.
    """
    if net not in NETS:
        raise ValueError(f"net={net!r}: allowed are {', '.join(NETS)}")
    if net in COMPARATORS and (beta or bn_bias):
        raise ValueError(f"beta={beta}, bn_bias={bn_bias}: {net} has no Dirac layers; give them for dirac alone")
    weight = get_weight(model, tag)
    if "init" in weight.provenance:
        raise ValueError(f"{model}:{tag} was trained from other weights; a comparator would start from nothing")
    recipe = _in_precision(Recipe(**weight.recipe).without_dirac_layers(), precision)
    return Run(net, replace(recipe, beta=beta, bn_bias=bn_bias), weight.preprocessing.size, weight.provenance["seed"])


def again(model: str, tag: str, seed: int, *, precision: str | None = None) -> Run:
    """Return the run of a shipped checkpoint with another seed, and in another precision if one is named.

    Raises:
        ValueError: the weights are unknown, were trained with this very seed, or from others.
    """
    weight = get_weight(model, tag)
    if "init" in weight.provenance:
        raise ValueError(
            f"{model}:{tag} was trained from other weights, which are the same for every seed; name others"
        )
    if seed == weight.provenance["seed"]:
        raise ValueError(f"seed={seed}: {model}:{tag} itself was trained with it; name another")
    return Run("dirac", _in_precision(Recipe(**weight.recipe), precision), weight.preprocessing.size, seed)


def _in_precision(recipe: Recipe, precision: str | None) -> Recipe:
    return replace(recipe, precision=precision or recipe.precision)


def taught(run: Run, model: str, tag: str, file: Path | None = None) -> Run:
    """Return a run of `beside` or `again` with the very weights that taught the checkpoint, if any did.

    Args:
        run: the run.
        model: name of the shipped checkpoint.
        tag: its tag.
        file: the weights that taught it, for when their name stands for others by now.

    Raises:
        ValueError: no weights taught it, or others.
    """
    weight = get_weight(model, tag)
    if "teacher" not in weight.provenance:
        if file:
            raise ValueError(f"{file}: {model}:{tag} had no teacher")
        return run
    name, digest = (weight.provenance["teacher"][key] for key in ("name", "digest"))
    teacher = replace(open_teacher(str(file or name)), name=name)
    found = teacher.digest()
    if found != digest:
        raise ValueError(
            f"{file or name} has weights {found[:8]}; {model}:{tag} was taught by weights {digest[:8]} "
            f"of {name}, which are in this repository's history: give their file as the teacher"
        )
    return replace(run, recipe=replace(run.recipe, teacher=""), teacher=teacher) if file else run


def _small(net: str, model: str) -> Run:
    return Run(net, replace(SMALL, model=f"diracnet{model}_cifar"), SMALL_SIZE)


SHORT_RUNS: Mapping[str, Run] = {
    **{f"{net}-{depth}": _small(net, str(depth)) for depth in (28, 52, 100) for net in ("dirac", "plain")},
    "resnet-28": _small("resnet", "28"),
    "dirac-28-v1": _small("dirac", "28_v1"),
    **{f"dirac-{shape}": _small("dirac", shape) for shape in ("10", "16", "10_x2", "16_x2")},
}
"""Name → run, measured on held-out training pictures."""


def keep(folder: Path) -> dict[str, Any]:
    """Return what is kept of a finished run: its request, result and history, and the Dirac layers at the end.

    Raises:
        ValueError: the run is not finished.
    """
    run = RunFolder(folder)
    if not run.result.is_file():
        raise ValueError(f"{folder} holds no finished run: it has no {run.result.name}")
    request = read_json(run.request)
    lines = run.metrics.read_text(encoding="utf-8").splitlines()
    kept = {**request, **read_json(run.result), "history": [json.loads(line) for line in lines]}
    if request["net"] == RECORDED["dirac"]:
        kept["layers"] = [asdict(layer) for layer in identity_shares(build_from(Checkpoint.load(run.model)))]
    return kept
