"""The registry of weights: the tags of each net, with everything known about each tag."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.description import MANIFEST as MANIFEST_RULE
from zoo.files import read_json, sha256
from zoo.labels import check_labels, imagenet_classes
from zoo.nets.registry import get_spec
from zoo.nets.spec import Spec
from zoo.preprocessing import IMAGENET, Preprocessing, check_temperature
from zoo.schema import reading
from zoo.weights.imagenet import FORMER_TAGS, SOURCES, TAG
from zoo.weights.published import Source

_BESIDE = Path(__file__).resolve().parent.parent.parent / "checkpoints"  # in a clone
_INSIDE = Path(__file__).resolve().parent.parent / "checkpoints"  # in an installed wheel: manifests only
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Args:
        path: relative to the record's folder; for files of others, the name that the first of them gave it.
        sha256: in hexadecimal; for files that upstream published, only the first eight digits are known.
        size: in bytes, if known.
        sources: addresses of files of others, with the same weights, in the order in which they are tried.
    """

    path: str
    sha256: str
    size: int | None = None
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        # Hashes are compared as prefixes, and the empty string is a prefix of every hash.
        if not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"sha256={self.sha256!r} of {self.path}: it must be 8 to 64 lower-case hexadecimal digits")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in a form that JSON can hold; `sources` only if there are some."""
        values = asdict(self)
        values.pop("sources")
        sources = [{"url": source.url, "digest": source.digest} for source in self.sources]
        return {**values, **({"sources": sources} if sources else {})}

    def matches(self, path: Path) -> bool:
        """Tell whether the bytes at a path are this file's."""
        return sha256(path).startswith(self.sha256)


@dataclass(frozen=True, kw_only=True)
class Weight:
    """One set of weights for one net.

    Args:
        model: the net's name.
        tag: the weights' name among those of the net.
        spec: the net's structure with these weights' channels and classes.
        labels: name of each class.
        preprocessing: how pictures become the net's input.
        dataset: what it was trained and measured on.
        metrics: "top1" and "top5" in percent, "loss" in nats, on the test pictures after the last epoch.
        licence: the licence of the weights.
        files: by form, "dirac" or "folded", and "int8": the record of the net's quantization (`export.int8.record`).
        folder: where the files are in a clone, or None if they are fetched from a URL.
        repository: `ORG/NAME` on the Hub, where the files have the same paths; None if they were never published.
        revision: the repository's commit that has these files; None for the newest.
        recipe: how it was trained, as fields of `zoo.training.recipes.Recipe`.
        provenance: everything else that was recorded: seed, versions, hardware, hours, where the figures come from.
        temperature: what logits are divided by before they become probabilities; see `zoo.training.calibration`.
        figures: for the zoo's card: calibration errors and the accuracy on corrupted pictures, in fp32 and int8.
    """

    model: str
    tag: str
    spec: Spec
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    dataset: str
    metrics: Mapping[str, float]
    licence: str
    files: Mapping[str, WeightFile]
    folder: Path | None = None
    repository: str | None = None
    revision: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if self.revision is not None and self.repository is None:
            raise ValueError(f"revision={self.revision!r} belongs to no repository; name one, or leave it out")
        check_labels(self.labels)
        self.spec.check_fit(self.labels, self.preprocessing)

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each form's file; for files that upstream published, only the first eight digits are known."""
        return {form: file.sha256 for form, file in self.files.items()}

    def transforms(self) -> Preprocessing:
        """Return the callable that maps a PIL picture to the net's input, (channels, size, size)."""
        return self.preprocessing

    def to_manifest(self) -> dict[str, Any]:
        """Return the contents of a manifest, in a form that JSON can hold."""
        return {
            "model": self.model,
            "tag": self.tag,
            "spec": self.spec.to_dict(),
            "dataset": self.dataset,
            "metrics": dict(self.metrics),
            "labels": list(self.labels),
            "preprocessing": self.preprocessing.to_dict(),
            "licence": self.licence,
            "recipe": dict(self.recipe),
            "provenance": dict(self.provenance),
            "files": {form: file.to_dict() for form, file in self.files.items()},
            **({"temperature": self.temperature} if self.temperature != 1 else {}),
            **({"figures": dict(self.figures)} if self.figures else {}),
            **({"repository": self.repository, "revision": self.revision} if self.repository else {}),
        }

    @classmethod
    def from_manifest(cls, path: Path) -> Weight:
        """Read the record in a manifest; ValueError if the file is damaged."""
        value = read_json(path)
        with reading(f"the manifest {path}"):
            MANIFEST_RULE.check(value)
            if (value["model"], value["tag"]) != path.parts[-3:-1]:
                raise ValueError(f"it is that of {value['model']}:{value['tag']}")
            return cls(
                model=value["model"],
                tag=value["tag"],
                spec=Spec.from_dict(value["spec"]),
                labels=tuple(value["labels"]),
                preprocessing=Preprocessing.from_dict(value["preprocessing"]),
                dataset=value["dataset"],
                metrics=value["metrics"],
                licence=value["licence"],
                files={
                    form: WeightFile(file["path"], file["sha256"], file["size"])
                    for form, file in value["files"].items()
                },
                folder=path.parent,
                repository=value.get("repository"),
                revision=value.get("revision"),
                recipe=value["recipe"],
                provenance=value["provenance"],
                temperature=value.get("temperature", 1.0),
                figures=value.get("figures", {}),
            )


def _upstream(model: str, sources: tuple[Source, ...]) -> Weight:
    """Return the record of ImageNet weights of the original authors; the figures are the first source's."""
    first = sources[0]
    return Weight(
        model=model,
        tag=TAG,
        spec=get_spec(model),
        labels=tuple(imagenet_classes().values()),
        preprocessing=IMAGENET,
        dataset="ImageNet-1k",
        metrics=first.metrics,
        licence="not stated by its authors",
        files={"folded": WeightFile(first.name, first.digest.removeprefix("sha256:"), sources=sources)},
        provenance={
            "source": f"{first.publisher} (published figures, not measured by us)",
            "resize_backend": first.resize_backend,
            "published": [source.figures() for source in sources],
        },
    )


def clone() -> Path | None:
    """Return the folder `checkpoints/` of the clone that this package is run from; None if it is installed."""
    return _BESIDE if (_BESIDE.parent / "hubconf.py").is_file() else None


@functools.cache
def all_weights() -> Mapping[tuple[str, str], Weight]:
    """Return all records by (model, tag). Read once; the shipped ones are those in `checkpoints/`."""
    root = clone() or _INSIDE
    records = [
        *(Weight.from_manifest(path) for path in sorted(root.glob(f"*/*/{MANIFEST}"))),
        *(_upstream(model, sources) for model, sources in SOURCES.items()),
    ]
    by_key = {(record.model, record.tag): record for record in records}
    if len(by_key) < len(records):
        raise ValueError(f"two records have the same model and tag among {sorted((r.model, r.tag) for r in records)}")
    return MappingProxyType(by_key)


def list_weights(name: str) -> list[str]:
    """Return the tags of a net's weights; ValueError if there is no net of this name.

    Example:
        >>> import zoo
        >>> zoo.list_weights("diracnet16_cifar")
        ['cifar10']
    """
    get_spec(name)
    return [tag for model, tag in all_weights() if model == name]


def get_weight(name: str, tag: str) -> Weight:
    """Return the record of a net's weights; ValueError, listing the known tags, if there is none.

    Example:
        >>> import zoo
        >>> zoo.get_weight("diracnet16_cifar", "cifar10").labels[:3]
        ('airplane', 'automobile', 'bird')
    """
    tags = list_weights(name)
    tag = FORMER_TAGS.get(tag, tag) if tag not in tags else tag
    if tag not in tags:
        there = f"its tags are {', '.join(tags)}" if tags else "it has none; build it untrained, without weights"
        raise ValueError(f"{name} has no weights {tag!r}: {there}")
    return all_weights()[name, tag]


def default_tag(name: str) -> str:
    """Return the tag that `pretrained=True` means: the first; ValueError if the net has no weights."""
    tags = list_weights(name)
    if not tags:
        trained = sorted({model for model, _ in all_weights()})
        raise ValueError(f"{name} has no pretrained weights; these nets have some: {', '.join(trained)}")
    return tags[0]
