"""The zoo's front door: from a name, a checkpoint, a repository or a file of the original code to a net."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.nets.folded import plain
from zoo.nets.network import Network
from zoo.nets.registry import get_spec
from zoo.nets.spec import Spec
from zoo.weights.checkpoint import Checkpoint, load_strictly
from zoo.weights.locate import load_weight
from zoo.weights.mixin import HubMixin
from zoo.weights.record import default_tag, get_weight
from zoo.weights.repository import load_repository
from zoo.weights.upstream import read_upstream


class DiracNet(Network, HubMixin):
    """The training form of a `Spec`, which can be shared through the Hugging Face Hub.

    `save_pretrained`, `push_to_hub` and `from_pretrained` share it. A net that was built from weights knows their
    `labels` and `preprocessing`, and saves them too.
    """

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one for `num_classes` classes; their names are then unknown."""
        super().reset_classifier(num_classes)
        self.labels = ()


def build(spec: Spec, form: str = "dirac") -> nn.Module:
    """Return a net with fresh weights, in train mode.

    Args:
        spec: its structure.
        form: "dirac" for the training form, a `DiracNet`, or "folded" for the plain `nn.Sequential`.

    Raises:
        ValueError: there is no such form.

    Example:
        >>> import zoo
        >>> type(zoo.build(zoo.Spec(depth=10, family="cifar"), "folded")).__name__
        'Sequential'
    """
    try:
        return {"dirac": DiracNet, "folded": plain}[form](spec)
    except KeyError:
        raise ValueError(f"form={form!r}: allowed are dirac and folded") from None


def build_from(checkpoint: Checkpoint) -> nn.Module:
    """Return a new `DiracNet` or plain `nn.Sequential` with a checkpoint's weights, in eval mode and float32.

    Raises:
        ValueError: names or shapes of the state do not fit the spec.

    Example:
        >>> import zoo
        >>> record = zoo.get_weight("diracnet16_cifar", "cifar10")
        >>> zoo.build_from(zoo.load_weight(record, "dirac")).labels[3]
        'cat'
    """
    if not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"expected a zoo.Checkpoint, got {type(checkpoint).__name__}; zoo.Checkpoint.load reads a file")
    if checkpoint.form == "dirac":
        return DiracNet.from_checkpoint(checkpoint)
    with torch.device("meta"):  # without drawing random numbers, which the state replaces
        net = plain(checkpoint.spec)
    load_strictly(net, checkpoint.state, f"a {checkpoint.spec.name} in folded form")
    return net.eval()


_REMEDIES = {
    "num_classes": ", or load them and call reset_classifier(num_classes)",
    "in_channels": ", and convert the pictures; timm.create_model(…, pretrained=True, in_chans=…), after import "
    "zoo.timm, adapts the first layer instead",
}
"""The remedy to suggest when the weights' value of a field is not the one asked for."""


def count_parameters(spec: Spec, form: str = "folded") -> int:
    """Return the number of parameters of a net; nothing is allocated.

    Example:
        >>> import zoo
        >>> zoo.count_parameters(zoo.get_spec("diracnet16_cifar"))
        172042
    """
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(spec, form).parameters())


def get_model(
    name: str,
    weights: str | None = None,
    folded: bool = False,
    *,
    pretrained: bool = False,
    mirror: str | Path | None = None,
    **overrides: Any,
) -> nn.Module:
    """Build a net of the registry, with trained weights if a tag is given.

    Args:
        name: as in `zoo.list_models()`.
        weights: a tag of `zoo.list_weights(name)`, or None for fresh weights.
        folded: the plain `nn.Sequential` (`zoo.plain`) in place of the `DiracNet`. Only the file of the chosen form is
            downloaded, if it is not here already.
        pretrained: take the first of the net's tags if no tag is given.
        mirror: a folder to take the weights from; see `zoo.load_weight`.
        overrides: fields of `zoo.Spec` to change, such as num_classes or in_channels. With weights they must agree
            with the weights' own; for other classes load the net and call its `reset_classifier`.

    Returns:
        The net, in eval mode with weights and in train mode without.

    Raises:
        ValueError: no such name, tag or override, or an override contradicts the weights.
        FileNotFoundError, RuntimeError: the weights are not here and cannot be fetched.

    Example:
        >>> import zoo
        >>> net = zoo.get_model("diracnet16_cifar", weights="cifar10", folded=True)
        >>> type(net).__name__, net.training
        ('Sequential', False)
    """
    form = "folded" if folded else "dirac"
    if pretrained and weights is None:
        weights = default_tag(name)
    if weights is None:
        spec = _override(get_spec(name), overrides)
        return build(spec, form)
    record = get_weight(name, weights)
    _override(record.spec, overrides)  # names unknown fields
    for field, wanted in overrides.items():
        fixed = getattr(record.spec, field)
        if wanted != fixed:
            raise ValueError(
                f"{field}={wanted!r} contradicts the weights {weights!r}, which have {field}={fixed!r}; leave it out"
                f"{_REMEDIES.get(field, '')}"
            )
    checkpoint = load_weight(record, form, None if mirror is None else Path(mirror))
    if checkpoint.spec != record.spec:
        raise ValueError(f"the weights {name}:{weights} hold a {checkpoint.spec}, the registry says {record.spec}")
    return build_from(checkpoint)


def diracnet(*, folded: bool = False, **fields: Any) -> nn.Module:
    """Build a net without a registered name from the fields of `zoo.Spec`: `diracnet(depth=52, family="cifar")`.

    Example:
        >>> import zoo
        >>> zoo.diracnet(depth=52, width=0.5, family="cifar").spec.name
        'diracnet52_x0_5_cifar'
    """
    spec = Spec.from_dict(fields)
    return build(spec, "folded" if folded else "dirac")


def _override(spec: Spec, overrides: dict[str, Any]) -> Spec:
    return Spec.from_dict({**spec.to_dict(), **overrides})


def from_pretrained(source: str | Path, *, revision: str | None = None, folded: bool = False) -> nn.Module:
    """Return a trained net.

    Args:
        source: `ORG/NAME` or `ORG/NAME@REVISION` on the Hub; the folder of a bundle, of a training run, or one that
            `DiracNet.save_pretrained` wrote; a checkpoint file; or `NAME:TAG` of the registry. What exists on this
            machine comes before the Hub; `hf-hub:ORG/NAME` always means the Hub.
        revision: a branch, tag or commit of a repository; by default the branch main. Name a commit to always get the
            same net.
        folded: the plain `nn.Sequential` in place of the `DiracNet`. Only the files of the chosen form are downloaded.

    Returns:
        In eval mode.

    Raises:
        ValueError: the source holds no DiracNet, or none in this form, or its files are damaged or contradict each
            other.
        FileNotFoundError, RuntimeError: there is no such file or folder, or it cannot be fetched.

    Example:
        >>> import zoo
        >>> net = zoo.from_pretrained("diracnet16_cifar:cifar10")
    """
    return build_from(load_repository(source, "folded" if folded else "dirac", revision=revision))


def load_upstream(source: str | Path | Mapping[str, Any], final_relu: bool | None = None) -> nn.Module:
    """Return the net in a file of the original code, or in the dict that such a file holds.

    Depth, width, family, version, channels and classes are inferred from names and shapes. Five formats are known:
    training checkpoints of version 2 (`{"params": …}`, older ones with a second dict `stats`) and of version 1
    (`params` and `stats`, scalar alpha and beta), folded files of version 2 (`features.conv.weight`, …), folded
    parameters of version 1 (the same without `features.`), and pytorchcv's diracnet18v2 and diracnet34v2
    (`features.init_block.conv.weight`, …).

    Args:
        source: a .pth or .safetensors file, or a dict. Pickles are read with `weights_only=True`.
        final_relu: whether a ReLU precedes the average pool, which no file records. None assumes what upstream's
            code did: none in training checkpoints of version 1, one elsewhere.

    Returns:
        The net, in eval mode: a `DiracNet` for a training checkpoint, the plain `nn.Sequential` for a folded file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or is none of these formats.

    Example:
        >>> import torch, zoo
        >>> folded = zoo.get_model("diracnet18", width=0.125, folded=True)
        >>> zoo.load_upstream(folded.state_dict())[0]
        Conv2d(3, 8, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3))
    """
    return build_from(read_upstream(source, final_relu))
