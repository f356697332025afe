"""How the short recipes were chosen: a section of docs/paper.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.paper.evidence import IDENTITY, Trained, identities
from benchmarks.paper.runs import (
    DEEP_SEARCH,
    FIXED_SEARCH,
    FULL_SEARCH,
    LONG_SEARCH,
    NORM_SEARCH,
    RATE_SEARCH,
    SEARCH,
    WIDE_SEARCH,
)


def searches(logs: Mapping[str, Trained]) -> Iterator[str]:
    """Yield the section's lines."""
    runs = {name: logs[f"recipe-{name}"] for name in SEARCH}
    deep = [logs[f"deep-{name}"] for name in DEEP_SEARCH]
    muon, sgd, half, resnet = (
        one.top1 for one in (runs["muon"], runs["sgd"], runs["muon-beta-0.5"], logs["resnet-muon"])
    )
    best = max(deep, key=lambda run: run.top1)
    yield "## How the short recipes were chosen"
    yield ""
    epochs = runs["muon"].recipe["epochs"]
    yield f"{runs['muon'].title}, short runs but for {epochs} epochs, by what they give on held-out pictures:"
    yield ""
    yield from _table(list(runs.values()))
    yield ""
    yield (
        f"Muon on the kernels brings {muon - sgd:+.1f} points over SGD alone, at the same rate of the rest; a beta "
        f"that starts from 0.5 in place of the authors' 0.1 brings {half - muon:+.1f}. What else was tried lies closer "
        "to the first row than one seed can tell. The ResNet of the same depth and width has "
        f"{resnet:.2f} % with the first row's recipe: the DiracNet is {muon - resnet:+.1f} points from it with that "
        f"recipe, and {half - resnet:+.1f} where beta starts from 0.5. In {deep[0].title}, "
        f"with {deep[0].recipe['precision']}:"
    )
    yield ""
    yield from _table(deep)
    yield ""
    yield f"There the best of these is {best.recipe['beta'] or 0.1}."
    yield ""
    yield from _fixed(logs)
    yield ""
    yield from _long(logs)
    yield ""
    yield from _wide(logs)
    yield ""
    yield from _norms(logs)
    yield ""
    yield from _rates(logs)
    yield ""
    yield (
        "`cifar-short` is the recipe of the first row of each of the last three tables, for more epochs and in "
        "float32; a wide and shallow net wants `--beta 0.5 --bn-bias 0`. `fashion-mnist` has the first table's first "
        "rates. Which recipe a checkpoint had, its manifest says."
    )


def _fixed(logs: Mapping[str, Trained]) -> Iterator[str]:
    """The search with kernels that keep their norms."""
    runs, resnet = {name: logs[f"fixed-{name}"] for name in FIXED_SEARCH}, logs["resnet-fixed"]
    first = runs["beta-0.2"]
    *shared, last = _shared([*runs.values(), resnet])
    epochs, precision = first.recipe["epochs"], first.recipe["precision"]
    yield (
        f"Where Muon gives each kernel a norm that stays, its rate is the angle of a step. {first.title} on pictures "
        f"of {first.size} pixels, {epochs} epochs, {precision}, with {', '.join(shared)} and {last}. “Bias from” is "
        "what the bias of each BatchNorm behind a Dirac layer starts from; the last row is the ResNet beside it, which "
        "has neither:"
    )
    yield ""
    yield from _table([*runs.values(), resnet])
    yield ""
    without, half, one, theirs = (run.top1 for run in (first, runs["bias-0.5"], runs["bias-1"], resnet))
    yield (
        f"What beta starts from decides little there, the bias much: {half - without:+.1f} points from a start at 0.5 "
        f"and {one - without:+.1f} from one at 1, with the first row's beta. The idea is that a bias above zero lets "
        "more of the identity path through the next ReLU, so that the chain starts nearer to a linear one. Without it "
        f"the DiracNet is {without - theirs:+.1f} points from the ResNet, with it {half - theirs:+.1f} and "
        f"{one - theirs:+.1f}. The rows with a bias ran after Muon had become faster, so that their hours do not "
        "compare. What a norm that stays and the stem bring was not measured by itself."
    )


def _long(logs: Mapping[str, Trained]) -> Iterator[str]:
    """The same search in a deep net of the CIFAR family."""
    runs, resnet = {name: logs[f"long-{name}"] for name in LONG_SEARCH}, logs["resnet-long"]
    first = runs["beta-0.2"]
    without, theirs = (run.top1 for run in (first, resnet))
    biases = [run for run in runs.values() if run.recipe["beta"] == first.recipe["beta"]]
    best, last = max(biases, key=lambda run: run.top1), runs["bias-2"]
    yield from _same_recipe(list(runs.values()), resnet)
    yield (
        f"The best start of the bias is near {best.recipe['bn_bias']:g}: {best.top1 - without:+.1f} points "
        f"against none; one from {last.recipe['bn_bias']:g} is {last.top1 - without:+.1f}. With the "
        f"best the DiracNet is {best.top1 - theirs:+.1f} points from the ResNet, without any "
        f"{without - theirs:+.1f}. A "
        "normal variable that went through a ReLU and was normalized again passes the next ReLU whole if 0.68 is "
        "added to it: a bias of about that size keeps the identity path open, and a larger one leaves the net little "
        "that is not linear."
    )


def _wide(logs: Mapping[str, Trained]) -> Iterator[str]:
    """The same search in a wide and shallow net."""
    runs, resnet = {name: logs[f"wide-{name}"] for name in WIDE_SEARCH}, logs["resnet-wide"]
    names = ("beta-0.5", "beta-0.5-bias-0.5", "beta-0.2-bias-1", "beta-0.5-bias-1")
    bare, half, low, high = (runs[name].top1 for name in names)
    theirs = resnet.top1
    yield from _same_recipe(list(runs.values()), resnet)
    yield (
        f"A bias from 0.5 is {half - bare:+.1f} points there at the same beta, one from 1 {high - bare:+.1f}: so "
        "shallow a chain needs no open path. With a bias from 1 a beta from 0.5 in place of 0.2 brings "
        f"{high - low:+.1f}. Without the bias the DiracNet is {bare - theirs:+.1f} points from the ResNet."
    )


def _norms(logs: Mapping[str, Trained]) -> Iterator[str]:
    """Whether kernels should keep their norms in a longer training, on reduced pictures and on whole ones."""
    fixed, free, their_fixed, their_free = (
        logs[f"{net}norm-{name}"] for net in ("", "resnet-") for name in NORM_SEARCH
    )
    full = {name: logs[f"full-{name}"] for name in FULL_SEARCH}
    yield f"{_longer(fixed)}, with norms that stay and without, the ResNet with and without in the last two rows:"
    yield ""
    yield from _table([fixed, free, their_fixed, their_free])
    yield ""
    (fit, answer), (their_fit, their_answer) = _gains(fixed, free), _gains(their_fixed, their_free)
    yield (
        f"Without norms that stay the DiracNet fits the training pictures {fit:+.1f} points better and the ResNet "
        f"{their_fit:+.1f}; on held-out ones that leaves {answer:+.1f} and {their_answer:+.1f}. "
        f"{_longer(full['fixed'])}:"
    )
    yield ""
    yield from _table(list(full.values()))
    yield ""
    (fit, answer), (fast_fit, fast_answer) = (_gains(full["fixed"], full[name]) for name in ("free", "fast"))
    yield (
        f"There norms that do not stay are {fit:+.1f} points on the training pictures and {answer:+.1f} on "
        f"held-out ones, twice the rate is {fast_fit:+.1f} and {fast_answer:+.1f}: the fit does not tell the answers."
    )


def _rates(logs: Mapping[str, Trained]) -> Iterator[str]:
    """At what rate kernels should move in a longer training of the deep net."""
    runs, resnet = {name: logs[f"rate-{name}"] for name in RATE_SEARCH}, logs["resnet-rate"]
    first = runs["fixed"]
    yield f"{_longer(first)}, the ResNet last:"
    yield ""
    yield from _table([*runs.values(), resnet])
    yield ""
    their_fit, their_answer = _gains(max(runs.values(), key=lambda run: run.top1), resnet)
    fit, answer = _gains(first, runs["free"])
    dead = ", ".join(str(identities(run.layers)) for run in runs.values())
    yield (
        f"The best of these rates leaves the deep net {-their_answer:+.1f} points from the ResNet, which fits the "
        f"training pictures {their_fit:+.1f} points better. Of the {len(first.layers)} Dirac layers {dead} end as "
        f"identities for more than {IDENTITY:g} %, in the order of the rows. Where fewer do, the net fits the training "
        f"pictures {fit:+.1f} points better (third row against the first) and answers {answer:+.1f}: it is not those "
        "layers that it lacks."
    )


def _gains(before: Trained, after: Trained) -> tuple[float, float]:
    """Points of top-1 by which a run is ahead of another, on the training pictures and on the held-out ones."""
    return after.train_top1 - before.train_top1, after.top1 - before.top1


def _longer(run: Trained) -> str:
    return f"{run.title} for {run.recipe['epochs']} epochs, {run.recipe['precision']}, on pictures of {run.size} pixels"


def _same_recipe(runs: Sequence[Trained], resnet: Trained) -> Iterator[str]:
    """The table of a search with the recipe of the table before, the ResNet beside it last."""
    first = runs[0]
    yield (
        f"The same recipe in {first.title}, on pictures of {first.size} pixels, {first.recipe['epochs']} epochs, the "
        "ResNet again last:"
    )
    yield ""
    yield from _table([*runs, resnet])
    yield ""


def _table(runs: Sequence[Trained]) -> Iterator[str]:
    """A table of recipes; processor time is that of the machine named, and compares within one machine only."""
    yield "| rate of SGD | rate of Muon | other | top-1, training | top-1, held out | CPU-hours | on |"
    yield "|---|---|---|---|---|---|---|"
    shared = _shared(runs)
    for run in runs:
        other = ", ".join(one for one in _others(run) if one not in shared)
        yield (
            f"| {run.recipe['lr']} | {run.recipe['muon_lr'] or 'none'} | {other or '–'} | "
            f"{run.train_top1:.2f} % | {run.top1:.2f} % | {run.cpu_hours:.3f} | "
            f"{run.environment['device'].split(',')[0]} |"
        )


def _shared(runs: Sequence[Trained]) -> list[str]:
    """What all these recipes have beside their rates."""
    return [one for one in _others(runs[0]) if all(one in _others(run) for run in runs)]


def _others(run: Trained) -> list[str]:
    """What a recipe has beside its rates."""
    recipe = run.recipe
    others = {
        "label smoothing": recipe["label_smoothing"],
        "running average": recipe["ema"],
        "alternating flips": recipe["flip"] == "alternating",
        "fixed norms": recipe.get("fixed_norm"),
        "a stem of principal components": recipe.get("stem") == "principal",
        "beta from": recipe.get("beta"),
        "bias from": recipe.get("bn_bias"),
    }
    return [name if value is True else f"{name} {value:g}" for name, value in others.items() if value]
