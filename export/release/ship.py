"""From a finished training run to an entry of `checkpoints/`: both forms of the net, the manifest, the log."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from export.folding.folded import FoldedNet
from export.layout import FOLDED, TRAINING_FORM
from export.proof.check import require
from export.proof.fold import check_fold
from export.release.entry import check_entry
from zoo import Checkpoint, Weight
from zoo.datasets import get_dataset
from zoo.files import new_folder, read_json, sha256, write_json
from zoo.training.run_folder import RunFolder
from zoo.weights.record import MANIFEST, WeightFile

LOG, CURVES = "metrics.jsonl", "curves.png"


def ship(run_path: Path, checkpoints: Path, *, tag: str, dataset: str, licence: str) -> Path:
    """Write `checkpoints/MODEL/TAG` from a finished run.

    Args:
        run_path: the run's folder.
        checkpoints: the repository's folder of checkpoints.
        tag: the weights' name among those of the net; begins with the data set's, such as "cifar10".
        dataset: key in `zoo.datasets` of what the net was trained and measured on; the manifest gets its title.
        licence: the licence of the weights, as an SPDX identifier.

    Returns:
        The folder written.

    Raises:
        ValueError: no data set has this key, the run is not finished or measured held-out pictures, or the
            entry exists already.
        VerificationError: the folded file does not compute what the training form computes.
    """
    check_entry(run_path, tag=tag, dataset=dataset)
    title = get_dataset(dataset).title
    run = RunFolder(run_path)
    result, request = read_json(run.result), read_json(run.request)
    if request["recipe"]["holdout"]:
        raise ValueError(f"{run_path} held out {request['recipe']['holdout']:.0%} of its pictures; ship a run on all")
    source = replace(Checkpoint.load(run.model), tag=tag)
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
        provenance = {
            "measured": f"last epoch, no test-time augmentation, {result['pictures']} {result['measured_on']}",
            "resize_backend": "PIL",
            "seed": request["seed"],
            "data_sha256": request["data"],
            **{key: request[key] for key in ("init", "teacher") if request.get(key)},
            **{key: {"path": name, "sha256": sha256(folder / name)} for key, name in logs.items()},
            **{key: result[key] for key in ("wall_hours", "cpu_hours", "environment")},
        }
        weight = Weight(
            model=model,
            tag=tag,
            spec=source.spec,
            labels=source.labels,
            preprocessing=source.known_preprocessing(),
            dataset=title,
            metrics=result["metrics"],
            licence=licence,
            files=files,
            recipe=request["recipe"],
            provenance=provenance,
        )
        write_json(folder / MANIFEST, weight.to_manifest())
    return checkpoints / model / tag
