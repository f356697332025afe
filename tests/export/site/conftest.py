"""A site of one small net, whose record holds what an attacker would write."""

import json
import shutil
from pathlib import Path

import pytest

import zoo
from export.bundle.contents import BUNDLE_FORMAT
from export.site.build import build_site
from zoo import Checkpoint, Weight
from zoo.files import sha256
from zoo.preprocessing import CIFAR
from zoo.weights.record import WeightFile

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "tests" / "export" / "bundle" / "kept" / f"format{BUNDLE_FORMAT}"
HOSTILE = """<script>alert("1")</script><img src=https://evil.example/x onerror='alert(2)'>"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Weight, Path]:
    """Give a record, and the folder in which its bundle lies."""
    bundles = tmp_path_factory.mktemp("bundles")
    spec = Checkpoint.load(KEPT / "model.safetensors").spec
    bundle = bundles / f"{spec.name}-mine"
    shutil.copytree(KEPT, bundle)
    shipped = zoo.get_weight("diracnet10_cifar", "cifar10")
    files = {"dirac": "dirac/model.safetensors", "folded": "model.safetensors"}
    folder = tmp_path_factory.mktemp("record")
    for name in files.values():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(KEPT / name, folder / name)
    log = [
        {"epoch": 0, "train_loss": 2.0, "train_top1": 30.0},
        {"epoch": 1, "train_loss": 1.0, "train_top1": 61.5, "top1": 59.0, "loss": 1.25},
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, log)) + "\n")
    record = Weight(
        model=spec.name,
        tag="mine",
        spec=spec,
        labels=("cat", "dog", HOSTILE),
        preprocessing=CIFAR,
        dataset=HOSTILE,
        metrics={"top1": 61.25, "top5": 99.0, "loss": 1.2},
        licence=HOSTILE,
        files={form: WeightFile(name, sha256(folder / name), 1) for form, name in files.items()},
        folder=folder,
        recipe=shipped.recipe,
        provenance={**shipped.provenance, "measured": HOSTILE},
    )
    return record, bundles


@pytest.fixture(scope="session")
def site(small: tuple[Weight, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    record, bundles = small
    out = tmp_path_factory.mktemp("site") / "built"
    assert build_site(ROOT, out, bundles=bundles, records=[record]) == 1
    return out
