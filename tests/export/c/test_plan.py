"""The plan of memory in C: a simulation that marks every byte, and the bound that the plan keeps."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

import zoo
from export.c.plan import Map, Place, Plan, plan
from export.int8.layers import layers
from export.int8.record import QParams, Quantization, QuantizedLayer
from export.integer.net import Convolution, IntegerNet, MaxPool, Mean, lower
from export.layout import INPUT
from zoo import Preprocessing, Spec
from zoo.preprocessing import CIFAR, IMAGENET
from zoo.weights.record import all_weights

SHIPPED = [record for record in all_weights().values() if record.folder]
PLANNED = {
    **{record.model: (record.spec, record.preprocessing) for record in SHIPPED},
    **{f"imagenet v{version}": (Spec(depth=18, width=0.5, version=version), IMAGENET) for version in (2, 1)},
}


REST = [(18, 1), (34, 2), (34, 1)]


def integer_net(spec: Spec, preprocessing: Preprocessing) -> IntegerNet:
    """Return a net of this structure, of which only the shapes matter."""
    with torch.random.fork_rng(devices=[]):
        folded = zoo.plain(spec)
    found, activations = {}, {INPUT: QParams(0.01, 100), "avg_pool": QParams(0.01, 0)}
    for layer in layers(folded):
        ones = np.ones(len(layer.bias), np.float32)
        weight = np.ones(layer.kernel.shape, np.int8)
        found[layer.name] = QuantizedLayer(weight, ones / 1000, np.zeros(len(ones), np.int32), ones)
        activations[layer.name] = QParams(0.01, 0)
    del activations["fc"]
    return lower(folded, Quantization(found, activations, {}), preprocessing)


class Memory:
    """The scratch of a net: for each byte which number of which step's output it holds, or -1."""

    def __init__(self, size: int) -> None:
        self.bytes = np.full(size, -1, np.int64)

    def spoil(self, start: int, count: int) -> None:
        assert start >= 0 and start + count <= len(self.bytes)
        self.bytes[start : start + count] = -1

    def put(self, start: int, values: np.ndarray) -> None:
        assert start >= 0 and start + len(values) <= len(self.bytes)
        self.bytes[start : start + len(values)] = values


def value(step: int, place: np.ndarray | int) -> np.ndarray | int:
    """Return what marks a number of a step's output."""
    return (step << 32) + place


def windows(size: int, kernel: int, stride: int, padding: int) -> Iterator[tuple[int, list[int]]]:
    """Yield the places along a side, and for each the rows or columns that lie inside."""
    for first in range(-padding, size + padding - kernel + 1, stride):
        yield first, [place for place in range(first, first + kernel) if 0 <= place < size]


def convolve(memory: Memory, place: Place, number: int) -> None:
    step, source = place.step, place.input
    assert isinstance(step, Convolution)
    kernel, outputs, pixel = step.weight.shape[1], len(step.bias), 0
    slots, across = step.padding + 1, list(windows(place.size, kernel, step.stride, step.padding))
    for first, rows in across:
        y = first + step.padding
        if place.ring is not None:
            at = source.start + y * source.row
            memory.put(place.ring + y % slots * source.row, memory.bytes[at : at + source.row].copy())
        for _, columns in across:
            if source is not None:
                for row in rows:
                    kept = place.ring is not None and row <= y
                    start = place.ring + row % slots * source.row if kept else source.start + row * source.row
                    span = slice(columns[0] * source.channels, (columns[-1] + 1) * source.channels)
                    expected = value(number - 1, row * source.row + np.arange(span.start, span.stop))
                    assert np.array_equal(memory.bytes[start + span.start : start + span.stop], expected), step.name
            memory.spoil(place.patch, step.weight[0].size)
            if place.output is not None:
                memory.put(place.output.start + pixel * outputs, value(number, pixel * outputs + np.arange(outputs)))
            pixel += 1


def max_pool(memory: Memory, place: Place, number: int) -> None:
    step, source, written = place.step, place.input, 0
    across = list(windows(place.size, step.size, step.stride, step.padding))
    for _, rows in across:
        for _, columns in across:
            read = [row * source.row + column * source.channels for row in rows for column in columns]
            for channel in range(source.channels):
                places = np.array(read) + channel
                assert np.array_equal(memory.bytes[source.start + places], value(number - 1, places)), step.name
                memory.put(place.output.start + written, np.array([value(number, written)]))
                written += 1


def mean(memory: Memory, place: Place, number: int) -> None:
    for channel in range(place.input.channels):
        places = np.arange(channel, place.input.bytes, place.input.channels)
        assert np.array_equal(memory.bytes[place.input.start + places], value(number - 1, places))
        memory.put(place.output.start + channel, np.array([value(number, channel)]))


def simulate(planned: Plan) -> None:
    """Run the net's loops as the C code has them; fail where a byte is read that holds something else."""
    memory = Memory(planned.scratch)
    kinds = {Convolution: convolve, MaxPool: max_pool, Mean: mean}
    for number, place in enumerate(planned.places):
        kinds[type(place.step)](memory, place, number)


@pytest.mark.parametrize(
    ("spec", "preprocessing"),
    [
        pytest.param(*planned, id=name, marks=pytest.mark.slow if name.startswith("imagenet") else ())
        for name, planned in PLANNED.items()
    ],
)
def test_no_byte_is_read_that_was_overwritten(spec: Spec, preprocessing: Preprocessing) -> None:
    planned = plan(integer_net(spec, preprocessing))
    largest = planned.largest_map
    assert planned.scratch <= largest.bytes + 4 * largest.row
    simulate(planned)


@pytest.mark.parametrize(("depth", "version"), [(18, 2), *(pytest.param(*n, marks=pytest.mark.slow) for n in REST)])
def test_the_imagenet_nets_keep_the_bound(depth: int, version: int) -> None:
    planned = plan(integer_net(Spec(depth=depth, version=version), IMAGENET))
    assert planned.scratch <= planned.largest_map.bytes + 4 * planned.largest_map.row
    assert planned.largest_map == Map(0, 112, 64)


@pytest.mark.parametrize("fault", ["one byte less", "ring", "patch"])
def test_the_simulation_notices_a_wrong_plan(fault: str) -> None:
    from dataclasses import replace

    planned = plan(integer_net(Spec(depth=10, width=0.25, family="cifar"), CIFAR))
    index = next(index for index, place in enumerate(planned.places) if place.ring is not None)
    changes = {"ring": {"ring": 0}, "patch": {"patch": 0}, "one byte less": {}}[fault]
    places = [replace(place, **changes) if number == index else place for number, place in enumerate(planned.places)]
    with pytest.raises(AssertionError):
        simulate(Plan(tuple(places), planned.scratch - (fault == "one byte less")))
