"""docs/paper.md, written from the kept logs and the shipped checkpoints, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.paper import plots
from benchmarks.paper.evidence import IDENTITY, Trained, comparators, identities, kept, shipped
from benchmarks.paper.runs import SMALL, SMALL_SIZE
from benchmarks.paper.searches import searches
from zoo.files import replace_file
from zoo.weights.record import Weight

LEVEL = 0.3
"""Points of top-1 by which a shipped net may lie below its comparator and still be called level."""
Shipped = Mapping[str, tuple[Weight, Trained]]


def write_page(docs: Path) -> None:
    """Write docs/paper.md and its plots."""
    logs, checkpoints = kept(docs), shipped()
    _draw(docs / "paper", logs, checkpoints)
    with replace_file(docs / "paper.md") as temporary:
        temporary.write_text(page(logs, checkpoints), encoding="utf-8")


def page(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    """Return the Markdown."""
    parts = (
        _head(logs),
        _convergence(logs),
        _depth(logs),
        _shapes(logs, checkpoints),
        _ncrelu(logs),
        _scales(checkpoints),
        _level(logs, checkpoints),
        searches(logs),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def _short(logs: Mapping[str, Trained], *names: str) -> list[Trained]:
    return [logs[name] for name in names]


_DEPTHS = (28, 52, 100)
_CONVERGENCE = ("dirac-28", "plain-28", "resnet-28")
_SHAPES = ("dirac-10", "dirac-16", "dirac-28", "dirac-10_x2", "dirac-16_x2")


def _draw(folder: Path, logs: Mapping[str, Trained], checkpoints: Shipped) -> None:
    three = _short(logs, *_CONVERGENCE)
    panels = [plots.convergence(three, "train_loss", "cross-entropy, training, 16 px")]
    panels.append(plots.convergence(three, "top1", "top-1, held out, 16 px, %"))
    for key, (_, own) in checkpoints.items():
        others = [run for run in comparators(logs, key).values() if run.net == "ResNet"]
        if others and own.spec.depth == max(run.spec.depth for _, run in checkpoints.values()):
            panels.append(plots.convergence([own, *others], "train_loss", "cross-entropy, training, 32 px"))
    plots.save(folder / "convergence.png", panels)
    deep = _short(logs, *(f"{net}-{depth}" for depth in _DEPTHS for net in ("dirac", "plain")))
    plots.save(
        folder / "depth.png",
        [
            plots.over_depth(deep, "train_loss", "cross-entropy, training"),
            plots.over_depth(deep, "top1", "top-1, held out, %"),
        ],
    )
    cifar = [run for weight, run in checkpoints.values() if weight.dataset.startswith("CIFAR-10") and run.size == 32]
    plots.save(
        folder / "shapes.png",
        [
            plots.over_hours(_short(logs, *_SHAPES), "top-1, held out, 16 px, %"),
            plots.over_hours(cifar, "top-1, test, 32 px, %"),
        ],
    )
    found = {key: run.layers for key, (_, run) in checkpoints.items() if run.spec.version == 2}
    plots.save(folder / "scales.png", [plots.scales(found)])


def _head(logs: Mapping[str, Trained]) -> Iterator[str]:
    example = logs[_CONVERGENCE[0]]
    yield "# The paper's claims, tried here"
    yield ""
    yield (
        "Written by `python -m benchmarks.paper page` from the logs in [paper/](paper) and the manifests and logs in "
        "`checkpoints/`. The paper is arXiv 1706.00388; the authors trained for 200 epochs on graphics cards. Here "
        "each claim is tried on two processor cores: same data, recipe, budget and seed for all nets of a comparison, "
        "one seed only. Differences of half a point mean nothing at this scale."
    )
    yield ""
    yield (
        f"“Short runs” are {SMALL.epochs} epochs on CIFAR-10 (JPEG-75) reduced to {SMALL_SIZE} pixels, SGD as in the "
        f"paper with the rate going up to {SMALL.lr} and down to zero, {SMALL.precision}, seed 0; they are measured on "
        f"{SMALL.holdout:.0%} of the training pictures, held out. Comparators are in `benchmarks/comparators.py`: the "
        "plain net is the DiracNet with stock convolutions from the same initial weights; the ResNet is the "
        "pre-activation Wide ResNet of the same depth and width. "
        f"Machine: {example.environment['device']}, one thread a run; torch {example.environment['torch']}."
    )
    yield ""
    yield "`python -m benchmarks.paper short --data DATA --out RUNS` makes the short runs again, `… beside` the others."


def _table(runs: Sequence[Trained]) -> Iterator[str]:
    measured = "held out" if runs[0].recipe["holdout"] else "test"
    yield f"| net | training loss, first epoch | last epoch | top-1, training | top-1, {measured} | CPU-hours |"
    yield "|---|---|---|---|---|---|"
    for run in runs:
        first, last = run.history[0], run.history[-1]
        yield (
            f"| {run.title} | {first['train_loss']:.3f} | {last['train_loss']:.3f} | {last['train_top1']:.2f} % | "
            f"{run.top1:.2f} % | {run.cpu_hours:.2f} |"
        )


def _convergence(logs: Mapping[str, Trained]) -> Iterator[str]:
    dirac, plain, resnet = _short(logs, *_CONVERGENCE)
    yield "## (a) DiracNets converge faster than plain nets, and like ResNets"
    yield ""
    yield (
        "The paper's figures 3a and 6 show it as curves; the authors' README says that the parametrization “improves "
        "training of deep plain networks”. Ours, short runs:"
    )
    yield ""
    yield from _table([dirac, plain, resnet])
    yield ""
    yield "![training loss and accuracy over the epochs](paper/convergence.png)"
    yield ""
    faster = dirac.history[-1]["train_loss"] < plain.history[-1]["train_loss"]
    behind = resnet.top1 - dirac.top1
    against = f"{abs(behind):.1f} points {'below' if behind > 0 else 'above'} the ResNet"
    yield (
        f"Against the plain net the claim {'holds' if faster else 'does not hold'} here: the DiracNet's training loss "
        f"is {'lower' if faster else 'higher'}. On held-out pictures it lies "
        f"{dirac.top1 - plain.top1:+.1f} points from the plain net and {against}: within so few "
        f"epochs the claim {'does not hold' if behind > 1 else 'holds'} against ResNets."
    )


def _depth(logs: Mapping[str, Trained]) -> Iterator[str]:
    yield "## (b) They train at depths at which plain nets do not"
    yield ""
    yield "The authors' README: “allows training plain networks with hundreds of layers”. Ours, short runs:"
    yield ""
    yield from _table(_short(logs, *(f"{net}-{depth}" for depth in _DEPTHS for net in ("dirac", "plain"))))
    yield ""
    yield "![training loss and accuracy over the depth](paper/depth.png)"
    yield ""
    gaps = {n: logs[f"dirac-{n}"].top1 - logs[f"plain-{n}"].top1 for n in _DEPTHS}
    grows = gaps[_DEPTHS[-1]] > gaps[_DEPTHS[0]] and gaps[_DEPTHS[-1]] > 0
    yield (
        f"The claim {'holds' if grows else 'does not hold'} here: the DiracNets are ahead by "
        f"{', '.join(f'{gap:+.1f}' for gap in gaps.values())} points at {', '.join(map(str, _DEPTHS))} layers. What "
        "depth brings at the end of a long training is not measured."
    )


def _shapes(logs: Mapping[str, Trained], checkpoints: Shipped) -> Iterator[str]:
    yield "## (c) Width buys more than depth"
    yield ""
    yield (
        "The paper's abstract: the 28-layer, wider DiracNet matches ResNet-1001 on CIFAR-10; in CIFAR-100 the authors "
        "measured an error of 21.54 % for DiracNet-28-10 and 19.25 % for WRN-28-10. Ours, short runs:"
    )
    yield ""
    yield from _table(_short(logs, *_SHAPES))
    yield ""
    yield "Shipped, on all training pictures and measured on the test pictures; budgets and machines differ:"
    yield ""
    yield "| checkpoint | data | pixels | epochs | top-1 | top-5 | loss | CPU-hours |"
    yield "|---|---|---|---|---|---|---|---|"
    for key, (weight, run) in checkpoints.items():
        yield (
            f"| `{key}` | {weight.dataset} | {run.size} | {run.recipe['epochs']} | {run.top1:.2f} % | "
            f"{run.metrics['top5']:.2f} % | {run.metrics['loss']:.3f} | {run.cpu_hours:.2f} |"
        )
    yield ""
    yield "![accuracy against processor time](paper/shapes.png)"
    yield ""
    wide, deep = logs["dirac-10_x2"], logs["dirac-28"]
    holds = wide.top1 > deep.top1
    yield (
        f"The claim {'holds' if holds else 'does not hold'} here: {wide.title} has {wide.top1:.1f} % after "
        f"{wide.cpu_hours:.2f} CPU-hours, {deep.title} {deep.top1:.1f} % after {deep.cpu_hours:.2f}."
    )


def _ncrelu(logs: Mapping[str, Trained]) -> Iterator[str]:
    old, new = logs["dirac-28-v1"], logs["dirac-28"]
    yield "## (d) NCReLU against ReLU"
    yield ""
    yield (
        "The nets of 2017 (version 1) have NCReLU and one alpha and beta a layer; those of 2018 (version 2) have ReLU "
        "and one a channel. NCReLU doubles the inputs of each convolution, and so its parameters and multiply-adds. "
        "Ours, short runs:"
    )
    yield ""
    yield from _table([old, new])
    yield ""
    gain = old.top1 - new.top1
    yield (
        f"Version 1 lies {abs(gain):.1f} points {'above' if gain > 0 else 'below'} version 2 here, for "
        f"{old.cpu_hours / new.cpu_hours:.1f} times its processor time. The versions differ in their scales and weight "
        "decay too, so that this is no measurement of NCReLU alone."
    )


def _scales(checkpoints: Shipped) -> Iterator[str]:
    yield "## (e) Alpha and beta after training"
    yield ""
    yield (
        "They start at 1 and 0.1 in version 2 (5 and 0.001 in version 1) unless the recipe in the manifest has another "
        "beta. What a filter is made of after training, as medians over the filters that have an identity; only the "
        "ratio of alpha to beta matters, because a BatchNorm follows:"
    )
    for key, (_, run) in checkpoints.items():
        yield ""
        yield f"`{key}`"
        yield ""
        yield "| layer | alpha | beta | α² / (α² + β²) |"
        yield "|---|---|---|---|"
        for layer in run.layers:
            yield f"| `{layer.name}` | {layer.alpha:.3f} | {layer.beta:.3f} | {layer.share:.1f} % |"
    yield ""
    yield "![the identity's share over the depth](paper/scales.png)"


def _level(logs: Mapping[str, Trained], checkpoints: Shipped) -> Iterator[str]:
    yield "## Each shipped net against the ResNet of its depth, width and budget"
    yield ""
    yield (
        "Same recipe but for what Dirac layers start from, same epochs, pictures and seed, measured on the test "
        f"pictures; level means at most {LEVEL} points below."
    )
    yield ""
    yield "| checkpoint | top-1 | comparator | top-1 | difference | level | CPU-hours, ours and theirs |"
    yield "|---|---|---|---|---|---|---|"
    missing, again = [], []
    for key, (_, own) in checkpoints.items():
        others = comparators(logs, key)
        if "dirac" in others:
            again.append(_trained_again(key, own, others.pop("dirac"), others["resnet"]))
        missing += [] if others else [f"`{key}`"]
        for other in others.values():
            gap = own.top1 - other.top1
            yield (
                f"| `{key}` | {own.top1:.2f} % | {other.title} | {other.top1:.2f} % | "
                f"{gap:+.2f} | {'yes' if gap >= -LEVEL else 'no'} | {own.cpu_hours:.2f}, {other.cpu_hours:.2f} |"
            )
    for text in again:
        yield ""
        yield text
    if missing:
        yield ""
        yield f"Not measured beside a comparator: {', '.join(missing)}."


def _trained_again(key: str, own: Trained, other: Trained, resnet: Trained) -> str:
    """What another start of the Dirac layers came to, and how such a net differs from its ResNet at the end."""
    fits = [f"{run.train_top1:.1f} %" for run in (own, resnet)]
    return (
        f"`{key}` trained again, with a beta from {other.recipe['beta']:g} and a bias from {other.recipe['bn_bias']:g} "
        f"in place of {own.recipe['beta']:g} and {own.recipe.get('bn_bias', 0):g}, had {other.top1:.2f} %, "
        f"{other.top1 - own.top1:+.2f} points: what such a start brings in short runs (below) is "
        f"gone at the end of {own.recipe['epochs']} epochs, and the first of the two stays shipped. "
        f"{identities(own.layers)} of the {len(own.layers)} Dirac layers shipped have become identities for more than "
        f"{IDENTITY:g} %, so that the net is less deep than it looks; it ends with {fits[0]} top-1 on the training "
        f"pictures, the ResNet with {fits[1]}. At this depth the authors' nets are not level either: see (c)."
    )
