"""ncnn, for phones: pnnx converts the bundle's float32 graph."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from export.layout import GRAPH
from export.runtime import Classifier
from runtimes.runner import Reader

DEFAULT = "ncnn, as it comes"
"""The name of ncnn with the precision that pnnx and ncnn choose, float16 where the processor has it."""


def _version() -> str:
    return f"{version('ncnn')}, pnnx {version('pnnx')}"


def _run(*, half: bool) -> Callable[[Path, NDArray[np.uint8]], NDArray[np.float32]]:
    def run(bundle: Path, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        import ncnn
        import pnnx
        from PIL import Image

        classifier = Classifier(bundle / GRAPH)
        net = ncnn.Net()
        net.opt.num_threads = 1
        if not half:
            net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        logits = []
        with TemporaryDirectory() as temporary:
            copyfile(bundle / GRAPH, Path(temporary, "model.onnx"))
            size, channels = pictures.shape[1], pictures.shape[3]
            shape = f"inputshape=[1,{channels},{size},{size}]"
            command = [pnnx.EXEC_PATH, "model.onnx", shape, f"fp16={int(half)}"]
            subprocess.run(command, cwd=temporary, capture_output=True, check=True)  # noqa: S603
            net.load_param(str(Path(temporary, "model.ncnn.param")))
            net.load_model(str(Path(temporary, "model.ncnn.bin")))
            for picture in pictures:
                extractor = net.create_extractor()
                given = classifier.preprocess(Image.fromarray(picture.squeeze()))
                extractor.input("in0", ncnn.Mat(given).clone())
                logits.append(np.array(extractor.extract("out0")[1]))
        return np.stack(logits)

    return run


READERS = tuple(
    Reader(name, "ncnn pnnx", _version, GRAPH, _run(half=half))
    for name, half in (("ncnn, float32", False), (DEFAULT, True))
)
