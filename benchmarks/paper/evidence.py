"""The evidence for docs/paper.md: kept logs of comparisons, and the shipped checkpoints with their logs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import build_from
from zoo.files import read_json
from zoo.nets.identity import IdentityShare, identity_shares
from zoo.nets.spec import Spec
from zoo.weights.locate import load_weight
from zoo.weights.record import Weight, all_weights

LABELS = {"DiracNet": "DiracNet", "plain": "PlainNet", "ResNet": "ResNet", "RepVGG": "RepVGG"}


IDENTITY = 99.0
"""Share of a filter, in percent, above which a layer is called an identity."""


def identities(layers: Sequence[IdentityShare]) -> int:
    """Return how many of these layers have become identities."""
    return sum(layer.share > IDENTITY for layer in layers)


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Args:
        net: a key of `LABELS`, or the name of a net that has one shape only, such as ResNet-8.
        spec: the spec of the DiracNet that it is, or is compared with.
        size: pixels of the pictures.
        recipe: how it was trained.
        history: one entry per epoch.
        metrics: figures after the last epoch, on the test pictures or the held-out ones.
        cpu_hours: processor time.
        environment: machine and versions.
        layers: its Dirac layers; empty if there are none or they were not kept.
    """

    net: str
    spec: Spec
    size: int
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    metrics: Mapping[str, float]
    cpu_hours: float
    environment: Mapping[str, str]
    layers: Sequence[IdentityShare] = ()

    @property
    def title(self) -> str:
        """The net with its depth and width, such as "DiracNet-28-1", or its own name; version 1 is named."""
        if self.net not in LABELS:
            return self.net
        version = ", version 1" if self.spec.version == 1 and self.net == "DiracNet" else ""
        return f"{LABELS[self.net]}-{self.spec.depth}-{self.spec.width:g}{version}"

    @property
    def top1(self) -> float:
        """Accuracy on the pictures it was measured on, percent."""
        return self.metrics["top1"]

    @property
    def train_top1(self) -> float:
        """Accuracy on the training pictures in the last epoch, percent."""
        return self.history[-1]["train_top1"]


def kept(docs: Path) -> dict[str, Trained]:
    """Return the runs whose logs are kept in `docs/paper`, by name."""
    return {path.stem: from_log(read_json(path)) for path in sorted((docs / "paper").glob("*.json"))}


def from_log(log: Mapping[str, Any]) -> Trained:
    """Return the run of a kept log."""
    return Trained(
        net=log["net"],
        spec=Spec.from_dict(log["spec"]),
        size=log["preprocessing"]["size"],
        recipe=log["recipe"],
        history=log["history"],
        metrics=log["metrics"],
        cpu_hours=log["cpu_hours"],
        environment=log["environment"],
        layers=[IdentityShare(**layer) for layer in log.get("layers", ())],
    )


def shipped() -> dict[str, tuple[Weight, Trained]]:
    """Return the checkpoints that this repository trained, by NAME:TAG."""
    found = {}
    for (model, tag), record in all_weights().items():
        if record.folder is not None:
            lines = (record.folder / record.provenance["log"]["path"]).read_text(encoding="utf-8").splitlines()
            found[f"{model}:{tag}"] = (
                record,
                Trained(
                    net="DiracNet",
                    spec=record.spec,
                    size=record.preprocessing.size,
                    recipe=record.recipe,
                    history=[json.loads(line) for line in lines],
                    metrics=record.metrics,
                    cpu_hours=record.provenance["cpu_hours"],
                    environment=record.provenance["environment"],
                    layers=list(identity_shares(build_from(load_weight(record, "dirac")))),
                ),
            )
    return found


def comparators(logs: Mapping[str, Trained], key: str) -> dict[str, Trained]:
    """Return the kept runs that were trained as the shipped checkpoint NAME:TAG was, by the comparator's name."""
    return _ending(logs, f"-beside-{key.replace(':', '-')}")


def seeds(logs: Mapping[str, Trained], key: str) -> dict[int, Trained]:
    """Return the kept runs of the shipped checkpoint NAME:TAG with other seeds, by seed."""
    found = {
        int(name.removeprefix("seed")): run for name, run in _same_net(logs, key).items() if name.startswith("seed")
    }
    return dict(sorted(found.items()))


def other_start(logs: Mapping[str, Trained], key: str) -> Trained | None:
    """Return the kept run of the net NAME:TAG from other initial values of its Dirac layers, if there is one."""
    return _same_net(logs, key).get("start")


def _same_net(logs: Mapping[str, Trained], key: str) -> dict[str, Trained]:
    return _ending(logs, f"-of-{key.replace(':', '-')}")


def _ending(logs: Mapping[str, Trained], ending: str) -> dict[str, Trained]:
    """Return the logs whose names end so, by what comes before."""
    return {name.removesuffix(ending): run for name, run in logs.items() if name.endswith(ending)}


def retired(logs: Mapping[str, Trained], keys: Collection[str]) -> dict[str, Trained]:
    """Return the nets that were shipped once, by NAME:TAG: their logs are kept as `dirac` beside no shipped key."""
    found = {}
    for name, run in logs.items():
        net, _, place = name.partition("-beside-")
        key = f"{run.spec.name}:{place.removeprefix(f'{run.spec.name}-')}"
        if net == "dirac" and place and key not in keys:
            found[key] = run
    return found
