"""docs/paper.md and its plots, from the kept logs and the shipped checkpoints and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from benchmarks.paper import plots
from benchmarks.paper.evidence import (
    IDENTITY,
    Trained,
    comparators,
    identities,
    kept,
    other_start,
    retired,
    seeds,
    shipped,
)
from benchmarks.paper.runs import SMALL, SMALL_SIZE
from benchmarks.plots import save
from benchmarks.report import fill, table, write_page
from zoo.weights.record import Weight

TEMPLATE = Path(__file__).with_suffix(".md")
LEVEL = 0.3
"""Points of top-1 by which a shipped net may fall below its comparator and still be called level."""
_SEVERAL = (
    "The recipe of a net is the same for all of its seeds, except for the precision where it differs. The spread tells "
    "how much of a difference between two nets is chance."
)
Shipped = Mapping[str, tuple[Weight, Trained]]
_DEPTHS = (28, 52, 100)
_CONVERGENCE = ("dirac-28", "plain-28", "resnet-28")
_DEEP = tuple(f"{net}-{depth}" for depth in _DEPTHS for net in ("dirac", "plain"))
_SHAPES = ("dirac-10", "dirac-16", "dirac-28", "dirac-10_x2", "dirac-16_x2")
_NCRELU = ("dirac-28-v1", "dirac-28")


def write(docs: Path) -> None:
    """Write docs/paper.md and its plots."""
    logs, checkpoints = kept(docs), shipped()
    _draw(docs / "paper", logs, checkpoints)
    write_page(docs / "paper.md", page(logs, checkpoints))


def page(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    """Return the Markdown."""
    values = {
        "small": SMALL,
        "small_size": SMALL_SIZE,
        "environment": logs[_CONVERGENCE[0]].environment,
        "level": LEVEL,
        "convergence_found": _convergence_found(*(logs[name] for name in _CONVERGENCE)),
        "depth_found": _depth_found(logs),
        "width_found": _width_found(logs["dirac-10_x2"], logs["dirac-28"]),
        "ncrelu_found": _ncrelu_found(*(logs[name] for name in _NCRELU)),
        "level_found": _level_found(logs, checkpoints),
        "repvgg_found": _repvgg_found(logs, checkpoints),
        "convergence": _runs(logs, _CONVERGENCE),
        "depth": _runs(logs, _DEEP),
        "shapes": _runs(logs, _SHAPES),
        "ncrelu": _runs(logs, _NCRELU),
        "shipped": _shipped(logs, checkpoints),
        "scales": _scales(checkpoints),
        "levels": _levels(logs, checkpoints),
        "rest": "".join(f"{text}\n\n" for text in (*_again(logs, checkpoints), *_unmeasured(logs, checkpoints))),
        "seeds": _seeds(logs, checkpoints),
    }
    return fill(TEMPLATE, values)


def _draw(folder: Path, logs: Mapping[str, Trained], checkpoints: Shipped) -> None:
    three = [logs[name] for name in _CONVERGENCE]
    panels = [plots.convergence(three, "train_loss", "cross-entropy, training, 16 px")]
    panels.append(plots.convergence(three, "top1", "top-1, held out, 16 px, %"))
    _, own, resnet = max(_resnets(logs, checkpoints), key=lambda pair: pair[1].spec.depth)
    panels.append(plots.convergence([own, resnet], "train_loss", "loss, training, 32 px"))
    save(folder / "convergence.png", panels)
    deep = [logs[name] for name in _DEEP]
    depth = [("train_loss", "cross-entropy, training"), ("top1", "top-1, held out, %")]
    save(folder / "depth.png", [plots.over_depth(deep, key, label) for key, label in depth])
    shapes = [logs[name] for name in _SHAPES]
    cifar = [run for weight, run in checkpoints.values() if weight.dataset.split()[0] == "CIFAR-10" and run.size == 32]
    hours = [(shapes, "top-1, held out, 16 px, %"), (cifar, "top-1, test, 32 px, %")]
    save(folder / "shapes.png", [plots.over_hours(runs, label) for runs, label in hours])
    found = {key: run.layers for key, (_, run) in checkpoints.items() if run.spec.version == 2}
    save(folder / "scales.png", [plots.scales(found)], size=(6.8, 3.2))


def _holds(claim: bool) -> str:
    return "holds" if claim else "does not hold"


def _above(gap: float) -> str:
    return f"{abs(gap):.1f} points {'above' if gap > 0 else 'below'}"


def _convergence_found(dirac: Trained, plain: Trained, resnet: Trained) -> str:
    ours, theirs, other = (run.history[-1]["train_loss"] for run in (dirac, plain, resnet))
    return (
        f"against the plain net the claim {_holds(ours < theirs)}, against the ResNet it {_holds(ours <= other)}: "
        f"after short runs the DiracNet's training loss is {ours:.2f}, theirs {theirs:.2f} and {other:.2f}. Its top-1 "
        f"on held-out pictures lies {_above(dirac.top1 - plain.top1)} the plain net's and "
        f"{_above(dirac.top1 - resnet.top1)} the ResNet's."
    )


def _depth_found(logs: Mapping[str, Trained]) -> str:
    gaps = [logs[f"dirac-{depth}"].top1 - logs[f"plain-{depth}"].top1 for depth in _DEPTHS]
    grows = gaps[-1] > max(gaps[0], 0)
    *first, last = (f"{gap:.1f} points at {depth} layers" for gap, depth in zip(gaps, _DEPTHS, strict=True))
    return f"the claim {_holds(grows)}: DiracNets are ahead of plain nets by {', '.join(first)} and {last}."


def _width_found(wide: Trained, deep: Trained) -> str:
    return (
        f"the claim {_holds(wide.top1 > deep.top1)}: {wide.title} has {wide.top1:.1f}% after {wide.cpu_hours:.2f} "
        f"CPU-hours, {deep.title} {deep.top1:.1f}% after {deep.cpu_hours:.2f}. Runs so short tell how fast a net "
        "learns, not how far it gets."
    )


def _ncrelu_found(old: Trained, new: Trained) -> str:
    return (
        f"version 1, which has it, lies {_above(old.top1 - new.top1)} version 2, for "
        f"{old.cpu_hours / new.cpu_hours:.1f} times the processor time."
    )


def _level_found(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    gaps = [own.top1 - other.top1 for _, own, other in _resnets(logs, checkpoints)]
    return (
        f"in {sum(gap >= -LEVEL for gap in gaps)} of {len(gaps)} comparisons the net, shipped now or once, is level "
        f"with a ResNet of its depth, width and epochs; the differences go from {min(gaps):+.2f} to {max(gaps):+.2f} "
        "points."
    )


def _repvgg_found(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    found = []
    for key, own, other in _pairs(logs, checkpoints):
        if other.net == "RepVGG":
            gap = own.top1 - other.top1
            where = "above" if gap > 0 else "below"
            precisions = dict.fromkeys(run.recipe["precision"] for run in (own, other))
            how = f" ({' against '.join(precisions)})" if len(precisions) > 1 else ""
            found.append(f"`{key}` ends {abs(gap):.2f} points {where} the RepVGG that folds to the same layers{how}")
    return f"{'; '.join(found)}." if found else "not measured."


def _runs(logs: Mapping[str, Trained], names: Sequence[str]) -> str:
    runs = [logs[name] for name in names]
    measured = "held out" if runs[0].recipe["holdout"] else "test"
    columns = ["training loss, first epoch", "last epoch", "top-1, training", f"top-1, {measured}", "CPU-hours"]
    rows = []
    for run in runs:
        losses = [f"{run.history[epoch]['train_loss']:.3f}" for epoch in (0, -1)]
        rows.append([run.title, *losses, f"{run.train_top1:.2f}%", f"{run.top1:.2f}%", f"{run.cpu_hours:.2f}"])
    return table(["net", *columns], rows)


def _shipped(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    rows = []
    for key, run in _ever_shipped(logs, checkpoints).items():
        teacher = run.recipe.get("teacher")
        taught = "the one that it replaced" if teacher == key else f"`{teacher}`" if teacher else "–"
        accuracies = [f"{run.metrics[name]:.2f}%" for name in ("top1", "top5")]
        measured = [*accuracies, f"{run.metrics['loss']:.3f}", f"{run.cpu_hours:.2f}"]
        rows.append([_name(key, checkpoints), run.size, run.recipe["epochs"], taught, *measured])
    return table(["checkpoint", "pixels", "epochs", "taught by", "top-1", "top-5", "loss", "CPU-hours"], rows)


def _name(key: str, checkpoints: Shipped) -> str:
    return f"`{key}`" if key in checkpoints else f"`{key}`, no longer shipped"


def _ever_shipped(logs: Mapping[str, Trained], checkpoints: Shipped) -> dict[str, Trained]:
    """Return the nets that are shipped now, and after them those that were shipped once."""
    return {**{key: own for key, (_, own) in checkpoints.items()}, **retired(logs, checkpoints)}


def _scales(checkpoints: Shipped) -> str:
    tables = []
    for key, (_, run) in checkpoints.items():
        rows = [[f"`{one.name}`", f"{one.alpha:.3f}", f"{one.beta:.3f}", f"{one.share:.1f}%"] for one in run.layers]
        tables.append(f"`{key}`\n\n{table(['layer', 'alpha', 'beta', 'α² / (α² + β²)'], rows)}")
    return "\n\n".join(tables)


def _pairs(logs: Mapping[str, Trained], checkpoints: Shipped) -> list[tuple[str, Trained, Trained]]:
    """Return each net, shipped now or once, with each comparator that was trained as it was."""
    return [
        (key, own, other)
        for key, own in _ever_shipped(logs, checkpoints).items()
        for name, other in comparators(logs, key).items()
        if name != "dirac"
    ]


def _resnets(logs: Mapping[str, Trained], checkpoints: Shipped) -> list[tuple[str, Trained, Trained]]:
    """Return those pairs whose comparator is a ResNet."""
    return [pair for pair in _pairs(logs, checkpoints) if pair[2].net.startswith("ResNet")]


def _levels(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    rows = []
    for key, own, other in _pairs(logs, checkpoints):
        gap = own.top1 - other.top1
        precision = other.recipe["precision"]
        title = other.title if precision == own.recipe["precision"] else f"{other.title}, {precision}"
        compared = [f"{own.top1:.2f}%", title, f"{other.top1:.2f}%", f"{gap:+.2f}"]
        rows.append([_name(key, checkpoints), *compared, "yes" if gap >= -LEVEL else "no"])
    columns = ["checkpoint", "top-1", "comparator", "top-1", "difference", "level"]
    return table(columns, rows)


def _again(logs: Mapping[str, Trained], checkpoints: Shipped) -> Iterator[str]:
    """Yield a paragraph for each net, shipped now or once, that was trained again from other initial values."""
    resnets = {key: resnet for key, _, resnet in _resnets(logs, checkpoints)}
    for key, own in _ever_shipped(logs, checkpoints).items():
        other = other_start(logs, key)
        if other is None:
            continue
        starts = [
            f"beta {run.recipe['beta']:g} and a BatchNorm bias of {run.recipe.get('bn_bias', 0):g}"
            for run in (other, own)
        ]
        gap = other.top1 - own.top1
        fits = f", the ResNet with {resnets[key].train_top1:.1f}%" if key in resnets else ""
        yield (
            f"`{key}` trained again, starting from {starts[0]} instead of {starts[1]}, had {other.top1:.2f}%, "
            f"{abs(gap):.2f} points {'more' if gap > 0 else 'less'}: [short runs](recipes.md) end better with such a "
            f"start, {own.recipe['epochs']} epochs {'too' if gap > 0 else 'do not'}. In the net itself "
            f"{identities(own.layers)} of {len(own.layers)} Dirac layers consist of the identity by more than "
            f"{IDENTITY:g}%, so it is less deep than it looks; it ends with {own.train_top1:.1f}% top-1 on the "
            f"training pictures{fits}."
        )


def _unmeasured(logs: Mapping[str, Trained], checkpoints: Shipped) -> Iterator[str]:
    compared = {key for key, _, _ in _resnets(logs, checkpoints)}
    missing = [_name(key, checkpoints) for key in _ever_shipped(logs, checkpoints) if key not in compared]
    if missing:
        yield f"Not compared with a ResNet: {'; '.join(missing)}."


def _seeds(logs: Mapping[str, Trained], checkpoints: Shipped) -> str:
    """Return the table of the nets that were trained with several seeds, and say which were not."""
    rows, once = [], []
    for key, (weight, own) in checkpoints.items():
        others = seeds(logs, key)
        if not others:
            once.append(f"`{key}`")
            continue
        runs = dict(sorted({weight.provenance["seed"]: own, **others}.items()))
        each = [f"{seed}: {run.top1:.2f}% ({run.recipe['precision']})" for seed, run in runs.items()]
        accuracies = [run.top1 for run in runs.values()]
        shown = [weight.provenance["seed"], ", ".join(each), f"{mean(accuracies):.2f}%", f"{stdev(accuracies):.2f}"]
        rows.append([f"`{key}`", *shown])
    columns = ["checkpoint", "seed shipped", "seed: top-1 (precision)", "mean", "standard deviation, points"]
    found = [_SEVERAL, table(columns, rows)] if rows else []
    return "\n\n".join([*found, *([f"Trained with one seed only: {', '.join(once)}."] if once else [])])
