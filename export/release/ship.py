"""From a finished training run to an entry of `checkpoints/`: both forms of the net, the manifest, the log."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from export.folding.folded import FoldedNet
from export.layout import FOLDED, TRAINING_FORM
from export.proof.check import require
from export.proof.fold import check_fold
from export.release.entry import check_entry
from zoo import Checkpoint, Weight
from zoo.cards.names import short_name
from zoo.datasets import find_dataset
from zoo.files import new_folder, read_json, sha256, write_json
from zoo.training.run_folder import RunFolder
from zoo.training.story import measured, taught_by
from zoo.weights.facts import Facts
from zoo.weights.record import MANIFEST, WeightFile, clone

LOG, CURVES = "metrics.jsonl", "curves.png"


def ship(
    run_path: Path,
    checkpoints: Path | None = None,
    *,
    tag: str,
    dataset: str | None = None,
    licence: str = "Apache-2.0",
) -> Path:
    """Write `checkpoints/MODEL/TAG` from a finished run.

    Args:
        run_path: the run's folder.
        checkpoints: the folder to add the entry to; by default that of the clone that this package is run from.
        tag: the weights' name among those of the net; begins with the data set's, such as "cifar10".
        dataset: what the net was trained and measured on: a key in `zoo.datasets`, whose title the manifest gets, or
            any other name. May be left out if the run's data have a key.
        licence: the licence of the weights, as an SPDX identifier that the Hub knows.

    Returns:
        The folder written.

    Raises:
        ValueError: the package is not run from a clone and no folder is named, the data set has no name, there is no
            such licence, the run is not finished or measured held-out pictures, or the entry exists already.
        VerificationError: the folded file does not compute what the training form computes.
    """
    check_entry(run_path, tag=tag, licence=licence)
    checkpoints = checkpoints or clone()
    if checkpoints is None:
        raise ValueError(
            "this package is installed, not run from a clone, so it has no checkpoints/ to add to: name a folder with "
            "--checkpoints. To use and share a net of your own there is no need to ship it: see diracnet export"
        )
    given = Facts(dataset=None if dataset is None else find_dataset(dataset).title, licence=licence)
    run = RunFolder(run_path)
    result, request = read_json(run.result), read_json(run.request)
    if request["recipe"]["holdout"]:
        raise ValueError(f"{run_path} held out {request['recipe']['holdout']:.0%} of its pictures; ship a run on all")
    trained = Checkpoint.load(run.model)
    # What is known of the registry's weights is in their manifest alone.
    source, facts = replace(trained, tag=tag, facts=Facts()), trained.facts
    title = given.dataset or facts.dataset
    if title is None:
        raise ValueError(f"the pictures that {run_path} was trained on have no name: give them one with --dataset")
    model = source.spec.name
    with new_folder(checkpoints / model / tag) as folder:
        source.save(folder / TRAINING_FORM)
        FoldedNet.of(source).checkpoint.save(folder / FOLDED)
        training_form, folded_file = (Checkpoint.load(folder / name) for name in (TRAINING_FORM, FOLDED))
        require(list(check_fold(training_form, FoldedNet.of(folded_file))))
        shutil.copyfile(run.metrics, folder / LOG)
        shutil.copyfile(run.curves, folder / CURVES)
        files = {
            form: WeightFile(name, sha256(folder / name), (folder / name).stat().st_size)
            for form, name in (("dirac", TRAINING_FORM), ("folded", FOLDED))
        }
        logs = {"log": LOG, "curves": CURVES}
        provenance: dict[str, Any] = {
            "measured": measured(result["pictures"], held_out=False),
            "resize_backend": "PIL",
            "seed": request["seed"],
            "data_sha256": request["data"],
            **({"init": facts.provenance["init"]} if "init" in facts.provenance else {}),
            **taught_by(request.get("teacher")),
            **({"base": facts.base} if facts.base else {}),
            **{key: {"path": name, "sha256": sha256(folder / name)} for key, name in logs.items()},
            **{key: result[key] for key in ("wall_hours", "cpu_hours", "environment")},
            **({"beside_teacher": result["beside_teacher"]} if "beside_teacher" in result else {}),
        }
        weight = Weight(
            model=model,
            tag=tag,
            spec=source.spec,
            labels=source.labels,
            preprocessing=source.known_preprocessing(),
            dataset=title,
            metrics=result["metrics"],
            licence=str(given.licence),
            files=files,
            recipe={**request["recipe"], "teacher": short_name(request["recipe"].get("teacher", ""))},
            provenance=provenance,
        )
        write_json(folder / MANIFEST, weight.to_manifest())
    return checkpoints / model / tag
