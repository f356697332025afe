"""The C files of an int8 net: header, net, weights, and a small program that uses them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.c.plan import Place, Plan, plan
from export.c.text import array, comment, fill, literal
from export.integer.fixed import Factor
from export.integer.net import OFFSET, Convolution, IntegerNet, MaxPool, Mean
from export.integer.run import table
from zoo import Preprocessing


@dataclass(frozen=True)
class _Picture:
    """What the files say of pictures: the argument's name, their bytes, and the files that `main.c` reads."""

    name: str
    pixel: str
    kind: str
    digit: str = ""

    @property
    def header(self) -> str:
        """The template of what reads the header of these files."""
        return "pnm.c" if self.digit else "pam.c"


_PICTURES = {
    1: _Picture("grey", "a byte each", "PGM", "5"),
    3: _Picture("rgb", "red, green and blue of a pixel together", "PPM", "6"),
    4: _Picture("rgba", "red, green, blue and opacity of a pixel together", "PAM"),
}
"""By channels; `zoo.preprocessing` allows no others."""


@dataclass(frozen=True)
class Origin:
    """What the files say of a net beside its numbers.

    Args:
        name: of its structure, which also begins every name in the files.
        weights: of its weights.
        digest: the sha256 of the file that it comes from.
        licence: of the weights, if it is known.
        labels: the names of the classes, or none.
    """

    name: str
    weights: str
    digest: str
    licence: str | None
    labels: Sequence[str]

    @property
    def title(self) -> str:
        """Name and weights, as comments have them."""
        return comment(f"{self.name}:{self.weights}")

    @property
    def text(self) -> str:
        """Where the files come from, for a comment."""
        licence = f"\n * Licence of the weights: {comment(self.licence)}." if self.licence else ""
        return f"Made from the folded net with the sha256 {self.digest}.{licence}"


def file_names(name: str) -> tuple[str, str, str, str]:
    """Return the names of the files of a net: header, net, weights, program."""
    return f"{name}.h", f"{name}.c", f"{name}_weights.c", "main.c"


def picture_kind(channels: int) -> str:
    """Return the kind of files that `main.c` reads, of the Netpbm family.

    Example:
        >>> picture_kind(3)
        'PPM'
    """
    return _PICTURES[channels].kind


def write_c(net: IntegerNet, origin: Origin, preprocessing: Preprocessing) -> dict[str, str]:
    """Return the C files of a net: names and texts, in the order of `file_names`.

    Example:
        >>> origin = Origin("diracnet16_cifar", "cifar10", "unknown", None, ())
        >>> write_c(lower(folded, record, CIFAR), origin, CIFAR).keys()
        dict_keys(['diracnet16_cifar.h', 'diracnet16_cifar.c', 'diracnet16_cifar_weights.c', 'main.c'])
    """
    channels = len(net.normalization.bias)
    picture = _PICTURES[channels]
    planned = plan(net)
    numbers = f"{_labels(net, origin)}\n\n{_weights(net, origin, planned)}"
    names = {
        "name": origin.name,
        "NAME": origin.name.upper(),
        "title": origin.title,
        "id": hashlib.sha256(numbers.encode()).hexdigest()[:16],
    }
    kind = {"kind": picture.kind, "digit": picture.digit}
    doubled = any(step.doubled for step in net.convolutions)
    pools = any(isinstance(step, MaxPool) for step in net.steps)
    texts = (
        fill(
            "net.h",
            **names,
            origin=origin.text,
            size=net.size,
            channels=channels,
            bytes=picture.pixel,
            pixels=net.size * net.size * channels,
            classes=net.classes,
            scratch=planned.scratch,
            resize=preprocessing.resize,
            logits_scale=repr(net.output.scale),
            logits_zero=net.output.zero_point,
            picture=picture.name,
            layers=len(net.convolutions),
        ),
        fill(
            "net.c",
            **names,
            picture=picture.name,
            ncrelu=fill("ncrelu.c") if doubled else "",
            double=fill("double.c") if doubled else "",
            max_pool=fill("max_pool.c") if pools else "",
            calls="\n".join(_calls(origin.name, net, planned, picture.name)),
        ),
        fill("weights.c", **names, numbers=numbers),
        fill("main.c", **names, **kind, suffix=picture.kind.lower(), header=fill(picture.header, **names, **kind)),
    )
    return dict(zip(file_names(origin.name), texts, strict=True))


def _labels(net: IntegerNet, origin: Origin) -> str:
    """Return the definition of the classes' names, which are their numbers if they have none."""
    labels = origin.labels or [str(index) for index in range(net.classes)]
    rows = ",\n".join(f"    {literal(label)}" for label in labels)
    name = origin.name.upper()
    return f"const char *const {name}_LABELS[{name}_CLASSES] = {{\n{rows}\n}};"


def _calls(name: str, net: IntegerNet, planned: Plan, picture: str) -> Iterator[str]:
    """Yield a line or two for each step."""
    layers = {id(step): index for index, step in enumerate(net.convolutions)}
    for place in planned.places:
        step = place.step
        yield f"\n    /* {comment(step.name)}: {_shapes(place, net)} */"
        start = place.input.start if place.input is not None else 0
        given = f"memory + {place.output.start}" if place.output is not None else "codes"
        match step:
            case Convolution():
                ring = f"memory + {place.ring}" if place.ring is not None else "NULL"
                layer = f"&{name}_layers[{layers[id(step)]}]"
                if place.input is None:
                    yield f"    convolve_picture({layer}, {picture}, {given}, memory + {place.patch});"
                else:
                    yield f"    convolve({layer}, memory + {start}, {given}, memory + {place.patch}, {ring});"
            case MaxPool():
                channels = place.input.channels if place.input is not None else 0
                sizes = f"{place.size}, {channels}, {step.size}, {step.stride}, {step.padding}"
                yield f"    max_pool(memory + {start}, {given}, {sizes});"
            case Mean():
                channels = place.input.channels if place.input is not None else 0
                factor = f"{step.factor.multiplier}, {step.factor.shift}"
                numbers = f"{step.count}, {channels}, {step.input.zero_point + OFFSET}, {factor}"
                zero = step.output.zero_point + OFFSET
                yield f"    mean(memory + {start}, {given}, {numbers}, {zero});"


def _shapes(place: Place, net: IntegerNet) -> str:
    """Return the shapes of what a step takes and gives, as height, width and channels."""
    channels = place.input.channels if place.input is not None else len(net.normalization.bias)
    after = (place.output.size, place.output.channels) if place.output is not None else (1, net.classes)
    return f"{place.size} x {place.size} x {channels} -> {after[0]} x {after[0]} x {after[1]}"


def _weights(net: IntegerNet, origin: Origin, planned: Plan) -> str:
    """Return the definitions of all numbers."""
    name, parts = origin.name, []
    rows: list[str] = []
    for place in planned.places:
        step = place.step
        if not isinstance(step, Convolution):
            continue
        index, filters = len(rows), _filters(step)
        sums = step.weight.reshape(len(step.bias), -1).astype(np.int64).sum(1)
        arrays = {
            "weight": ("int8_t", filters),
            "bias": ("int32_t", step.bias - (step.input.zero_point + OFFSET) * sums),
            "multiplier": ("int32_t", _part(step.factors, "multiplier")),
            "shift": ("int32_t", _part(step.factors, "shift")),
        }
        parts.append(f"/* {comment(step.name)} */")
        parts += [
            f"static const {kind} {part}_{index}[{values.size}] = {array(values)};"
            for part, (kind, values) in arrays.items()
        ]
        inputs = step.weight.shape[3] // (2 if step.doubled else 1)
        numbers = (
            place.size,
            inputs,
            len(step.bias),
            step.weight.shape[1],
            step.stride,
            step.padding,
            filters.shape[1],
            step.input.zero_point + OFFSET,
            step.output.zero_point + OFFSET,
            step.lowest + OFFSET,
        )
        pointers = ", ".join(f"{part}_{index}" for part in arrays)
        rows.append(f"    {{{pointers}, {', '.join(map(str, numbers))}}}")
    NAME = name.upper()  # noqa: N806 (as in the templates)
    parts.append(f"const {name}_layer {name}_layers[{NAME}_LAYERS] = {{\n" + ",\n".join(rows) + "\n};")
    codes = ",\n".join(array(row.astype(np.int64) + OFFSET) for row in table(net.normalization))
    parts.append(f"const uint8_t {name}_codes[{NAME}_CHANNELS][256] = {{\n{codes}\n}};")
    return "\n\n".join(parts)


def _filters(step: Convolution) -> NDArray[np.int8]:
    """Return the filters as rows in the order of a patch: the positive halves of an NCReLU behind all of x."""
    count = len(step.bias)
    halves = np.split(step.weight, 2, axis=3) if step.doubled else [step.weight]
    return np.concatenate([half.reshape(count, -1) for half in halves], axis=1)


def _part(factors: Sequence[Factor], part: str) -> NDArray[Any]:
    return np.array([getattr(factor, part) for factor in factors])
