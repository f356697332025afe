"""What users say of weights, for the card: licence, name of the data set, and figures that they measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo import Checkpoint, Facts, Weight
from zoo.datasets import find_dataset
from zoo.files import read_json


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What is said. None leaves what is known already.

    Args:
        licence: an SPDX identifier that the Hub knows.
        dataset: the name of the data set that the net was trained and measured on; `ORG/NAME` means one on the Hub.
        figures: a file that `diracnet evaluate --out` wrote. With `--full` it brings the net's temperature, too.
    """

    licence: str | None = None
    dataset: str | None = None
    figures: Path | None = None

    def of(self, checkpoint: Checkpoint, record: Weight | None) -> tuple[Checkpoint, Weight | None]:
        """Return a checkpoint, and its record if it has one, of which all this is said.

        Raises:
            ValueError: the registry says that itself, the Hub knows no such licence, or the figures are of another net
                or not what `diracnet evaluate --out` writes.

        Example:
            `Claims(licence="MIT", dataset="my pets").of(Checkpoint.load("model.safetensors"), None)`
        """
        if record is not None and (self.licence or self.dataset or (self.figures and record.folder is not None)):
            raise ValueError(
                f"licence, data set and figures of {record.model}:{record.tag} are in the registry; say them of "
                "weights of your own only"
            )
        facts = checkpoint.facts
        if self.figures is not None:
            measured = _read(self.figures, checkpoint)
            provenance, fitted = dict(measured["provenance"]), _temperature(measured)
            if record is not None:
                published = record.provenance.get("published", [])
                provenance |= {"published": published} if published else {}
                record = replace(record, metrics=measured["metrics"], provenance=provenance, **fitted)
                return checkpoint, record
            facts = replace(
                facts,
                metrics=measured["metrics"],
                dataset=measured["dataset"] or facts.dataset,
                provenance=_measured_anew(facts.provenance, provenance),
                **fitted,
            )
        if self.licence is not None:
            facts = replace(facts, licence=self.licence)
        if self.dataset is not None:
            facts = replace(facts, dataset=find_dataset(self.dataset).title)
        return replace(checkpoint, facts=facts), record


def _measured_anew(known: Mapping[str, Any], measuring: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of weights with new figures: how they were trained stays, what was measured then goes.

    Args:
        known: provenance of the weights.
        measuring: provenance of the figures.
    """
    joined = {**known, **measuring}
    joined["data_sha256"] = {**known.get("data_sha256", {}), **measuring.get("data_sha256", {})}
    if "seed" in known and "environment" in known:  # that of the training
        joined["environment"] = known["environment"]
    joined.pop("beside_teacher", None)
    return joined


def _read(path: Path, checkpoint: Checkpoint) -> Mapping[str, Any]:
    """Return the measurement in a file; ValueError if it is of another net."""
    value = read_json(path)
    try:
        Facts.from_dict({**{name: value[name] for name in ("dataset", "metrics", "provenance")}, **_temperature(value)})
        digest = value["digest"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not what diracnet evaluate --out writes: {error}") from error
    if digest != checkpoint.digest():
        raise ValueError(f"the figures in {path} are of another net than {checkpoint.spec.name}; measure this one")
    return value


def _temperature(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the temperature that `diracnet evaluate --full` fitted, by the name of the field; nothing without one."""
    fitted = measured.get("full", {}).get("temperature")
    return {} if fitted is None else {"temperature": fitted}
