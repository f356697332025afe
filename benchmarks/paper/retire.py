"""What becomes of the logs of a shipped net when other weights take its tag."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from benchmarks.paper.evidence import shipped
from zoo.files import write_json


def retire(docs: Path, key: str, old: str) -> None:
    """Keep a shipped net's log in `docs/paper`, and rename those of its comparators and seeds, as those of TAG_OLD.

    To be called while the net is still shipped: later its log is gone.

    Args:
        docs: folder of `paper/`.
        key: the net, NAME:TAG.
        old: what tells it from its successor, such as "24epochs".

    Raises:
        ValueError: no such net is shipped, or there are such logs already.
    """
    checkpoints, folder, name = shipped(), docs / "paper", key.replace(":", "-")
    if key not in checkpoints:
        raise ValueError(f"{key}: no shipped net; there are {', '.join(checkpoints)}")
    own = folder / f"dirac-beside-{name}_{old}.json"
    if own.exists():
        raise ValueError(f"{own} exists already; name another than {old!r}")
    weight, run = checkpoints[key]
    write_json(
        own,
        {
            "net": run.net,
            "spec": run.spec.to_dict(),
            "preprocessing": None if weight.preprocessing is None else weight.preprocessing.to_dict(),
            "recipe": dict(run.recipe),
            "history": list(run.history),
            "metrics": dict(run.metrics),
            "layers": [asdict(layer) for layer in run.layers],
            "environment": dict(run.environment),
            "cpu_hours": run.cpu_hours,
            "data": weight.provenance["data_sha256"],
            "seed": weight.provenance["seed"],
            "teacher": weight.provenance.get("teacher"),
            "measured_on": "test pictures",
        },
    )
    for link in ("beside", "of"):
        for path in folder.glob(f"*-{link}-{name}.json"):
            path.rename(path.with_name(f"{path.stem}_{old}.json"))
