"""Plain C: the int8 net as source code, for what has no runtime at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from export.c.run import lacking, run_c
from export.c.source import Origin, file_names, picture_kind, write_c
from export.cards.note import FormatNote
from export.formats.format import GOLDEN_INT8, Bundle, Format, Run, Source
from export.integer.net import lower
from export.integer.run import evaluate
from export.layout import OUTPUT, PICTURES
from export.proof.check import Check
from export.proof.error import relative_error
from export.proof.inputs import picture_inputs
from zoo import Preprocessing

FOLDER = "c"
LARGEST = 3_000_000
"""How many weights are compiled to check a bundle; more take a compiler minutes."""
FAULTS = "faults found by the C compiler"


class C(Format):
    """Header, net, weights and a small program, in C99; the arithmetic is that of `litert-int8`."""

    name = "c"

    def files(self, name: str) -> tuple[str, ...]:
        return tuple(f"{FOLDER}/{file}" for file in file_names(name))

    def note(self, description: Mapping[str, Any], repository: str) -> FormatNote:  # noqa: ARG002 (no snippet)
        name = description["name"]
        header, net, weights, program = self.files(name)
        suffix = picture_kind(description["spec"]["in_channels"]).lower()
        return FormatNote(
            files={
                header: f"C header: sizes, labels, and `{name}_logits`, from uint8 pixels to int8 logits",
                net: "the net in C99: int8 throughout, no floating point, no allocation, no library",
                weights: "its weights",
                program: "a small program that names what is in a picture",
            },
            accuracy="that of `litert-int8` in LiteRT's reference kernels, bit for bit",
            usage=(
                "C, where there is no runtime; the net needs the two files named after it and their header alone:",
                "",
                "```sh",
                f"cc {FOLDER}/*.c && ./a.out PICTURE.{suffix}",
                "```",
                "",
            ),
        )

    def derive(self, source: Source) -> Iterator[tuple[str, bytes]]:
        for file, text in self.sources(source).items():
            yield f"{FOLDER}/{file}", text.encode("ascii")

    def sources(self, source: Source) -> dict[str, str]:
        """Return names and texts of the files."""
        checkpoint = source.folded.checkpoint
        licence = source.description.get("licence")
        origin = Origin(checkpoint.spec.name, checkpoint.tag, source.digest, licence, checkpoint.labels)
        return write_c(source.integer_net, origin, source.preprocessing)

    def check(self, bundle: Bundle) -> Iterator[Check]:
        """Yield checks of the code that follows from the bundle's net and record.

        The code is made again and that is compiled, because no code from a folder should run before somebody trusts it.
        The audit compares the folder's files with what is made again.
        """
        checkpoint, preprocessing = bundle.folded.checkpoint, bundle.folded.checkpoint.known_preprocessing()
        net = lower(bundle.folded.net, bundle.quantization, preprocessing)
        golden = bundle.golden[PICTURES].numpy()
        figure = relative_error([bundle.golden[OUTPUT].numpy()], [net.dequantized(evaluate(net, golden))])
        size = "×".join(map(str, golden.shape[:3]))
        yield Check(f"{self.name}: golden outputs / integer arithmetic", figure, GOLDEN_INT8, "", size)
        count = sum(step.weight.size for step in net.convolutions)
        why = lacking() or (f"with {count:,} weights, which takes minutes" if count > LARGEST else None)
        if why:
            yield Check(f"{self.name}: not compiled", 0, 0, f"{why}; that the files follow from the record is checked")
            return
        pictures = [drawn for _, _, drawn in picture_inputs(preprocessing)]
        batch = np.concatenate([golden, *pictures])
        origin = Origin(checkpoint.spec.name, checkpoint.tag, "", None, ())
        expected = evaluate(net, batch)
        try:
            found = run_c(write_c(net, origin, preprocessing), checkpoint.spec.name, batch)
            if found.shape != expected.shape:
                raise RuntimeError(f"the program gave {found.shape[1]} logits a picture, not {expected.shape[1]}")
        except (RuntimeError, OSError) as error:
            yield Check(f"{self.name}: {FAULTS}", 1, 0, str(error))
            return
        yield Check(f"{self.name}: {FAULTS}", 0, 0)
        wrong = int((found != expected).sum())
        size = "×".join(map(str, batch.shape[:3]))
        yield Check(f"{self.name}: logits that differ from integer arithmetic", wrong, 0, "", size)

    def runs(self, folder: Path, preprocessing: Preprocessing) -> Iterator[tuple[str, Run]]:  # noqa: ARG002
        yield from ()  # its answers are those of litert-int8
