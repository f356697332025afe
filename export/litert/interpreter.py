"""Runs LiteRT models with ai-edge-litert, which the extra `litert` brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KERNELS = ("reference", "default")
"""LiteRT's kernels that define its arithmetic, and those that it chooses by itself, which are fast."""


class Interpreter:
    """A model that is ready to run.

    Args:
        model: its file, or the contents of it.
        kernels: one of `KERNELS`.
        threads: how many to use.

    Raises:
        ModuleNotFoundError: ai-edge-litert is not installed.
        ValueError: LiteRT cannot read the model.

    Example:
        >>> interpreter = Interpreter(Path("bundle/litert/model.tflite"))  # doctest: +SKIP
        >>> interpreter.run(np.zeros((1, 32, 32, 3), np.float32)).shape  # doctest: +SKIP
        (1, 10)
    """

    def __init__(self, model: Path | bytes, kernels: str = "default", threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
        from ai_edge_litert.interpreter import OpResolverType

        # The kernels as they are in the library, or those that it replaces by faster ones where it can.
        resolver = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
        content = model if isinstance(model, bytes) else model.read_bytes()
        self._model = LiteRT(model_content=content, experimental_op_resolver_type=resolver, num_threads=threads)
        (self._input,), (self._output,) = self._model.get_input_details(), self._model.get_output_details()

    @property
    def input(self) -> dict[str, Any]:
        """What LiteRT says about the input: its name, type, shape and quantization."""
        return dict(self._input)

    @property
    def output(self) -> dict[str, Any]:
        """What LiteRT says about the output."""
        return dict(self._output)

    @property
    def operators(self) -> set[str]:
        """The names of the operators in it."""
        return {details["op_name"] for details in self._model._get_ops_details()}

    def run(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Return the output for a batch of any size."""
        self._model.resize_tensor_input(self._input["index"], batch.shape)
        self._model.allocate_tensors()
        self._model.set_tensor(self._input["index"], np.ascontiguousarray(batch))
        self._model.invoke()
        output: NDArray[Any] = self._model.get_tensor(self._output["index"])
        return output
