"""ExecuTorch and Core ML, for which the folded net goes through torch.export."""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.reader import OpenBundle
from export.layout import FOLDED
from runtimes.runner import Reader

APPLE = "Core ML"


def _exported(bundle: OpenBundle, picture: NDArray[np.uint8]) -> Any:
    return torch.export.export(bundle.folded.net, (_batch(bundle, picture[None]),))


def _batch(bundle: OpenBundle, pictures: NDArray[np.uint8]) -> torch.Tensor:
    batch: torch.Tensor = bundle.preprocessing.normalize(torch.from_numpy(pictures).permute(0, 3, 1, 2))
    return batch.contiguous()


def _executorch(folder: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.runtime import Runtime

    bundle = OpenBundle(folder)
    lowered = to_edge_transform_and_lower(_exported(bundle, pictures[0]), partitioner=[XnnpackPartitioner()])
    with TemporaryDirectory() as temporary:
        program = Path(temporary) / "model.pte"
        program.write_bytes(lowered.to_executorch().buffer)
        method = Runtime.get().load_program(program).load_method("forward")
        return np.concatenate([method.execute([_batch(bundle, one[None])])[0].numpy().copy() for one in pictures])


def _core_ml(folder: Path, pictures: NDArray[np.uint8]) -> str:
    with contextlib.redirect_stderr(io.StringIO()):  # its bars, and what it lacks beside Apple's own library
        import coremltools

        exported = _exported(OpenBundle(folder), pictures[0]).run_decompositions({})
        model = coremltools.convert(exported, convert_to="mlprogram", compute_precision=coremltools.precision.FLOAT32)
        with TemporaryDirectory() as temporary:
            package = Path(temporary) / "model.mlpackage"
            model.save(str(package))
            size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    return f"converted, {size / 1e6:.2f} MB; not run, which takes macOS"


READERS = (
    Reader("ExecuTorch, XNNPACK", "executorch", lambda: version("executorch"), FOLDED, _executorch),
    Reader(APPLE, "coremltools", lambda: version("coremltools"), FOLDED, _core_ml),
)
