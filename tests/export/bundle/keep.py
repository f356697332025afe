"""Exports the bundle that is kept in `kept/` again, in the format that this version writes: `kept/formatN`.

    PYTHONPATH=. .venv/bin/python tests/export/bundle/keep.py

Run it whenever a card's word or a derived file changes before the first release of a format's number. After a release
raise `BUNDLE_FORMAT` first; a new folder is then written beside the old ones, which are never touched again.

The net is that of the newest kept bundle: depth 10, width 0.25, CIFAR family, three classes, every one-dimensional
parameter and statistic drawn at random. It is written in all formats, with the feature group1, its int8 form calibrated
on noise. Where nothing changed, the same files come out byte for byte, apart from the rounding errors and versions in
report.json, and its line in SHA256SUMS.
"""

import shutil
import tempfile
from pathlib import Path

import torch

from export.bundle.contents import BUNDLE_FORMAT
from export.bundle.writer import export_bundle
from export.int8.source import quantize_on_noise
from export.layout import TRAINING_FORM
from zoo import Checkpoint

KEPT = Path(__file__).parent / "kept"


def keep(out: Path = KEPT / f"format{BUNDLE_FORMAT}") -> Path:
    """Write the bundle, in place of one that stands there, and return its folder."""
    newest = max(KEPT.glob("format*"), key=lambda folder: int(folder.name.removeprefix("format")))
    source = Checkpoint.load(newest / TRAINING_FORM)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        bundle = Path(temporary) / "bundle"
        export_bundle(source, bundle, formats=["all"], features=["group1"], quantization=quantize_on_noise(source))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(bundle, out)
    return out


if __name__ == "__main__":
    print(f"{keep()} written")
