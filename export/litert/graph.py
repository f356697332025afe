"""Writes a chain of operators as a LiteRT (TensorFlow Lite) model, operator by operator.

No converter takes part, so the bytes depend on nothing but the arguments. Tensors are NHWC; the batch is 1, and the
interpreter can resize it. The ids of fields and operators are those of the public schema, version 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.layout import OUTPUT
from export.litert.flatbuffer import Scalar, Table, int32s, to_bytes

IDENTIFIER = b"TFL3"
LARGEST = 2**31 - 1
"""A flatbuffer's offsets are signed and have 32 bits, so a file ends there."""
_TYPES = {np.dtype(np.float32): 0, np.dtype(np.int32): 2, np.dtype(np.int8): 9}
_SAME, _VALID = 0, 1
_RELU = 1


@dataclass(frozen=True)
class Scales:
    """The quantization of a tensor: a value q stands for scale × (q - zero point).

    Args:
        scale: float32, one for the tensor or one for each index of an axis.
        zero_point: for all of them.
        axis: the axis, if there are several.
    """

    scale: NDArray[np.float32]
    zero_point: int = 0
    axis: int = 0

    def table(self) -> Table:
        """Return the table of the schema."""
        zero_points = np.full(len(self.scale), self.zero_point, np.int64)
        return {2: self.scale, 3: zero_points, 6: Scalar("Int32", self.axis) if len(self.scale) > 1 else None}


@dataclass(frozen=True)
class _Operator:
    code: int
    version: int
    options: int
    """The number of its table of options in the schema's union."""


_OPERATORS = {
    # For each the version that float32 needs, and the one that int8 needs.
    "Add": (_Operator(0, 1, 11), _Operator(0, 2, 11)),
    "Concatenation": (_Operator(2, 1, 10), _Operator(2, 2, 10)),
    "Conv2D": (_Operator(3, 1, 1), _Operator(3, 3, 1)),
    "DepthwiseConv2D": (_Operator(4, 1, 2), _Operator(4, 3, 2)),
    "MaxPool2D": (_Operator(17, 1, 5), _Operator(17, 2, 5)),
    "Mean": (_Operator(40, 1, 27), _Operator(40, 2, 27)),
    "Pad": (_Operator(34, 1, 22), _Operator(34, 2, 22)),
    "PadV2": (_Operator(60, 1, 43), _Operator(60, 2, 43)),
    "Relu": (_Operator(19, 1, 0), _Operator(19, 2, 0)),
    "Reshape": (_Operator(22, 1, 17), _Operator(22, 1, 17)),
}


class Graph:
    """A model that is being written; each method appends operators to the chain.

    Args:
        name: of the input.
        shape: of the input, (1, height, width, channels).
        dtype: of the input and of every activation, float32 or int8.
        scales: the input's quantization, for int8.
    """

    def __init__(self, name: str, shape: Sequence[int], dtype: Any, scales: Scales | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self._input = name
        self._buffers: list[Table] = [{}]  # the first is empty: that of tensors that are computed
        self._tensors: list[Table] = []
        self._operators: list[Table] = []
        self._codes: dict[_Operator, int] = {}
        self._bytes = 0
        self._shape: tuple[int, ...] = tuple(shape)
        self._scales = scales
        self._last = self._tensor(name, self.dtype, self._shape, scales)

    def normalization(self, name: str, weight: NDArray[Any], bias: NDArray[Any], scales: Sequence[Scales] = ()) -> None:
        """Append weight × x + bias, channel by channel, as a depthwise convolution with one pixel.

        Args:
            name: of the step.
            weight: (channels,).
            bias: (channels,).
            scales: for int8, those of the weight, of the bias and of the result.
        """
        of_weight, of_bias, of_result = scales or (None, None, None)
        kernel = self._constant(f"{name}.weight", weight.reshape(1, 1, 1, -1), of_weight)
        inputs = [kernel, self._constant(f"{name}.bias", bias, of_bias)]
        ones = {place: Scalar("Int32", 1) for place in (1, 2, 3, 5, 6)}
        self._append("DepthwiseConv2D", inputs, name, {0: Scalar("Int8", _VALID), **ones}, of_result)

    def convolution(
        self,
        name: str,
        weight: NDArray[Any],
        bias: NDArray[Any],
        *,
        stride: int = 1,
        padding: int = 0,
        relu: bool = False,
        scales: Sequence[Scales] = (),
    ) -> None:
        """Append a convolution, with a pad before it unless the schema's own padding says the same.

        Args:
            name: of the layer.
            weight: (out, height, width, in).
            bias: (out,).
            stride: in both directions.
            padding: rows and columns of zeros on each side.
            relu: whether a ReLU follows.
            scales: for int8, those of the weight, of the bias and of the result.
        """
        count, *kernel, _ = weight.shape
        same = stride == 1 and kernel == [2 * padding + 1] * 2
        if padding and not same:
            self._pad(name, padding, None)
        of_weight, of_bias, of_result = scales or (None, None, None)
        inputs = [self._constant(f"{name}.weight", weight, of_weight), self._constant(f"{name}.bias", bias, of_bias)]
        self._shape = (1, *self._sizes(kernel[0], stride, padding if same else 0), count)
        self._append(
            "Conv2D",
            inputs,
            name,
            {
                0: Scalar("Int8", _SAME if same else _VALID),
                1: Scalar("Int32", stride),
                2: Scalar("Int32", stride),
                3: Scalar("Int8", _RELU if relu else 0),
                4: Scalar("Int32", 1),
                5: Scalar("Int32", 1),
            },
            of_result,
        )

    def max_pool(self, name: str, size: int, stride: int, padding: int) -> None:
        """Append a max-pool, with a pad of the lowest value before it if it has one."""
        if padding:
            lowest = np.iinfo(np.int8).min if self.dtype == np.int8 else np.finfo(np.float32).min
            self._pad(name, padding, np.array([lowest], self.dtype))
        self._shape = (1, *self._sizes(size, stride, 0), self._shape[3])
        options = {
            0: Scalar("Int8", _VALID),
            **{place: Scalar("Int32", number) for place, number in enumerate((stride, stride, size, size), start=1)},
        }
        self._append("MaxPool2D", [], name, options, self._scales)

    def ncrelu(self, name: str) -> None:
        """Append the NCReLU of `export.int8.ncrelu`: (x, max(x, 0)), with twice the channels."""
        source = self._last
        self._append("Relu", [], f"{name}.positive", None, self._scales)
        positive, self._last = self._last, source
        self._shape = (*self._shape[:3], 2 * self._shape[3])
        self._append("Concatenation", [positive], name, {0: Scalar("Int32", 3)}, self._scales)

    def mean(self, name: str, scales: Scales | None = None) -> None:
        """Append the average over each channel's pixels, (1, 1, 1, channels)."""
        axes = self._constant(f"{name}.axes", int32s(1, 2))
        self._shape = (1, 1, 1, self._shape[3])
        self._append("Mean", [axes], name, {0: Scalar("Bool", True)}, scales)

    def flatten(self, name: str) -> None:
        """Append a reshape to (1, channels) of what has a single pixel."""
        sizes = int32s(-1, self._shape[3])
        shape = self._constant(f"{name}.shape", sizes)
        self._shape = (1, self._shape[3])
        self._append("Reshape", [shape], name, {0: sizes}, self._scales)

    def to_bytes(self, metadata: Sequence[tuple[str, bytes]] = ()) -> bytes:
        """Return the file.

        Args:
            metadata: names and contents of what to store beside the model.

        Raises:
            ValueError: it would be larger than a flatbuffer can be.
        """
        if self._bytes >= LARGEST:
            raise ValueError(f"the weights take {self._bytes / 1e9:.1f} GB, and a LiteRT file ends at 2.1 GB")
        buffers = [*self._buffers, *({0: content} for _, content in metadata)]
        ends = {0: int32s(0), 1: int32s(self._last)}
        maps = [(4, self._input, 0), (5, OUTPUT, self._last)]
        signature = {0: self._map(*maps[0][1:]), 1: self._map(*maps[1][1:]), 2: "serving_default"}
        codes = [
            {
                0: Scalar("Int8", operator.code),
                2: Scalar("Int32", operator.version),
                3: Scalar("Int32", operator.code),
            }
            for operator in self._codes
        ]
        model: Table = {
            0: Scalar("Uint32", 3),
            1: codes,
            2: [{0: self._tensors, 1: ends[0], 2: ends[1], 3: self._operators, 4: "main"}],
            3: "diracnet-zoo",
            4: buffers,
            6: [
                {0: name, 1: Scalar("Uint32", place)}
                for place, (name, _) in enumerate(metadata, start=len(self._buffers))
            ],
            7: [{**signature, 4: Scalar("Uint32", 0)}],
        }
        return to_bytes(model, IDENTIFIER)

    @staticmethod
    def _map(name: str, tensor: int) -> list[Table]:
        return [{0: name, 1: Scalar("Uint32", tensor)}]

    def _sizes(self, kernel: int, stride: int, padding: int) -> tuple[int, int]:
        height, width = ((size + 2 * padding - kernel) // stride + 1 for size in self._shape[1:3])
        return height, width

    def _pad(self, name: str, padding: int, value: NDArray[Any] | None) -> None:
        amounts = self._constant(f"{name}.padding", np.array([[0, 0], [padding] * 2, [padding] * 2, [0, 0]], np.int32))
        height, width = (size + 2 * padding for size in self._shape[1:3])
        self._shape = (1, height, width, self._shape[3])
        if value is None:
            self._append("Pad", [amounts], f"{name}.padded", {}, self._scales)
        else:
            lowest = self._constant(f"{name}.lowest", value, self._scales)
            self._append("PadV2", [amounts, lowest], f"{name}.padded", {}, self._scales)

    def _append(self, kind: str, inputs: list[int], result: str, options: Table | None, scales: Scales | None) -> None:
        operator = _OPERATORS[kind][self.dtype == np.int8]
        code = self._codes.setdefault(operator, len(self._codes))
        output = self._tensor(result, self.dtype, self._shape, scales)
        self._operators.append(
            {
                0: Scalar("Uint32", code),
                1: int32s(self._last, *inputs),
                2: int32s(output),
                3: Scalar("Uint8", operator.options) if options is not None else None,
                4: options,
            }
        )
        self._last, self._scales = output, scales

    def _constant(self, name: str, array: NDArray[Any], scales: Scales | None = None) -> int:
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        self._buffers.append({0: content})
        self._bytes += len(content)
        return self._tensor(name, array.dtype, array.shape, scales, len(self._buffers) - 1)

    def _tensor(
        self, name: str, dtype: Any, shape: Sequence[int], scales: Scales | None = None, buffer: int = 0
    ) -> int:
        self._tensors.append(
            {
                0: int32s(*shape),
                1: Scalar("Int8", _TYPES[np.dtype(dtype)]),
                2: Scalar("Uint32", buffer),
                3: name,
                4: scales.table() if scales is not None else None,
            }
        )
        return len(self._tensors) - 1
