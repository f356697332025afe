"""Checkpoint files: a net's weights in safetensors, along with everything needed to build and use the net."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.description import CHECKPOINT
from zoo.labels import check_labels
from zoo.layout import FORMS, KEY
from zoo.layout import SAVED as SAVED
from zoo.layout import TRAINED as TRAINED
from zoo.layout import UNTRAINED as UNTRAINED
from zoo.layout import UPSTREAM as UPSTREAM
from zoo.nets.conv import allocate
from zoo.nets.network import Network
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.schema import reading
from zoo.weights.described import load_described, save_described
from zoo.weights.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint file holds.

    Args:
        form: "dirac" or "folded".
        spec: the net's structure.
        tag: where the weights come from: a tag of the registry, "untrained", or a word of the user's choice. Files and
            descriptions call it "weights".
        labels: name of each class, or empty if unknown.
        preprocessing: how pictures become the net's input, or None if unknown.
        state: the state dict.
        facts: what else is known: data set, accuracy, licence, training.
        origin: where it was loaded from, if it has a name: `NAME:TAG` or `ORG/NAME`. Files do not hold it.
    """

    form: str
    spec: Spec
    tag: str
    labels: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    state: Mapping[str, Tensor]
    facts: Facts = field(default_factory=Facts)
    origin: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form={self.form!r}: allowed are {', '.join(FORMS)}")
        check_labels(self.labels)
        self.spec.check_fit(self.labels, self.preprocessing)

    @classmethod
    def from_model(
        cls,
        net: Network,
        *,
        labels: Sequence[str] | None = None,
        preprocessing: Preprocessing | None = None,
        facts: Facts | None = None,
    ) -> Checkpoint:
        """Return a net in memory as a checkpoint, which can be saved and exported.

        Args:
            net: a net in its training form; its weights are copied.
            labels: name of each class; by default those that the net knows.
            preprocessing: how pictures become the net's input; by default what the net knows.
            facts: what a card is to say of it; by default only the weights that the net was loaded with, if any.

        Raises:
            TypeError: it is not a DiracNet, so its structure is unknown.
            ValueError: the net's layers are no longer those of its spec, the number of labels is not that of the
                classes, or the preprocessing gives another number of channels.

        Example:
            >>> import zoo
            >>> net = zoo.get_model("diracnet10_cifar", num_classes=2)
            >>> zoo.Checkpoint.from_model(net, labels=("cat", "dog")).spec.name
            'diracnet10_cifar'
        """
        if not isinstance(net, Network):
            raise TypeError(f"expected a zoo.DiracNet, got {type(net).__name__}; fold and emit others with export.fold")
        state = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        with torch.device("meta"):
            if faults := misfits(Network(net.spec).state_dict(), state):
                raise ValueError(
                    f"this net is no {net.spec.name} with {net.spec.num_classes} classes any more: {faults}. Change "
                    "the last layer with net.reset_classifier(num_classes); make pruning permanent, and merge adapters"
                )
        return cls(
            form="dirac",
            spec=net.spec,
            tag=SAVED,
            labels=tuple(getattr(net, "labels", ()) if labels is None else labels),
            preprocessing=getattr(net, "preprocessing", None) if preprocessing is None else preprocessing,
            state=state,
            facts=Facts(base=getattr(net, "base", None)) if facts is None else facts,
        )

    def describe(self) -> dict[str, Any]:
        """Return all but the state, in a form that JSON can hold."""
        return {
            "form": self.form,
            "spec": self.spec.to_dict(),
            "weights": self.tag,
            "labels": list(self.labels),
            "preprocessing": self.preprocessing and self.preprocessing.to_dict(),
            **({"facts": facts} if (facts := self.facts.to_dict()) else {}),
        }

    def known_preprocessing(self) -> Preprocessing:
        """Return how pictures become the net's input; ValueError if that is unknown."""
        if self.preprocessing is None:
            raise ValueError(
                f"the weights {self.spec.name}:{self.tag} do not say how pictures become their input: the "
                "metadata of their file lack 'preprocessing'; save them again with it, by net.preprocessing = "
                "zoo.Preprocessing(…) before save_pretrained or push_to_hub"
            )
        return self.preprocessing

    def digest(self) -> str:
        """Return the sha256 of the net: description and tensors, however a file stores them, without its facts."""
        described = replace(self, facts=Facts()).describe()
        return state_digest(self.state, json.dumps(described, sort_keys=True).encode())

    def save(self, path: str | Path) -> None:
        """Write the file; equal checkpoints give equal bytes."""
        # Copied to the CPU in row-major order: safetensors refuses other strides.
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state.items()}
        save_described(Path(path), tensors, self.describe(), save_file)

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Read a file written by `save`.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is damaged or was not written by this package.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no checkpoint file {path}")
        try:
            state, value = load_described(path, "pt")
        except SafetensorError as error:
            raise ValueError(
                f"{path} is not a safetensors file, or is damaged: {error}. Files of the original code are converted "
                "by `diracnet import-upstream`"
            ) from error
        if value is None:
            raise ValueError(
                f"{path} does not say which net it belongs to: its metadata lack {KEY!r}. Files of the original code "
                "are read by zoo.load_upstream"
            )
        with reading(f"the description inside {path}"):
            return cls.from_description(value, state)

    @classmethod
    def from_description(cls, value: Mapping[str, Any], state: Mapping[str, Tensor]) -> Checkpoint:
        """Return the checkpoint with what `describe` returned and a state; ValueError if that is not allowed."""
        CHECKPOINT.check(value)
        preprocessing = value.get("preprocessing")
        return cls(
            form=value["form"],
            spec=Spec.from_dict(value["spec"]),
            tag=value["weights"],
            labels=tuple(value["labels"]),
            preprocessing=preprocessing and Preprocessing.from_dict(preprocessing),
            state=state,
            facts=Facts.from_dict(value.get("facts", {})),
        )


def state_digest(state: Mapping[str, Tensor], before: bytes = b"") -> str:
    """Return the sha256 of some bytes and of each tensor's name, shape and values, sorted by name."""
    digest = hashlib.sha256(before)
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor_bytes(tensor))
    return digest.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Return a tensor's shape and values as fingerprints of data and weights take them."""
    # Through uint8, because numpy knows neither bfloat16 nor float8.
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return str(tuple(tensor.shape)).encode() + raw.numpy().tobytes()


def misfits(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Return in a phrase how the names and shapes of a state dict differ from those of another; "" if they do not."""
    faults = [f"{name} is missing" for name in expected if name not in state]
    faults += [f"{name} is unexpected" for name in state if name not in expected]
    faults += [
        f"{name} has shape {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in state and state[name].shape != expected[name].shape
    ]
    return "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict whose names and shapes must fit; ValueError names those that do not.

    A model on the meta device moves to the CPU unless the state is on meta too. It gets memory only if everything fits,
    because a hostile file may describe a net of any size.
    """
    expected = model.state_dict()
    if faults := misfits(expected, state):
        raise ValueError(f"these weights do not fit {what}: {faults}")
    if any(expected[name].is_meta and not state[name].is_meta for name in expected):
        allocate(model)
    model.load_state_dict(dict(state))
