"""Knowledge distillation: a trained classifier whose answers on the training pictures a net learns to reproduce."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.cards.names import short_name
from zoo.models import build_from
from zoo.preprocessing import Preprocessing
from zoo.reference import open_model
from zoo.weights.checkpoint import UNTRAINED, state_digest


@dataclass(frozen=True)
class Teacher:
    """A trained classifier for the classes that a net learns to distinguish.

    The net and the teacher see the very same augmented batch, because a teacher's answers to other crops would be
    answers about other pictures (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent",
    arXiv 2106.05237). Example: `train(recipe, data, out, teacher=Teacher(net, "my resnet", mean, std))`.

    Args:
        model: maps (batch, channels, height, width) to logits (batch, classes). It is copied, not changed.
        name: what the run's folder and errors call it.
        mean: mean per channel that its input is normalized by, in units of the [0, 1] range; None for the net's own.
        std: standard deviation per channel, in the same units; None for the net's own.
        size: side of the pictures that it takes, in pixels; pictures of another size are resized for it. None for the
            net's own.
        labels: names of its classes in their order, if known.
    """

    model: nn.Module
    name: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    labels: tuple[str, ...] = ()

    def module(self, preprocessing: Preprocessing, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """Return a frozen copy in eval mode that takes the net's own input, of `preprocessing`."""
        with torch.no_grad():  # without, TorchScript's copies would be computed from the originals
            model = copy.deepcopy(self.model).eval()
        for parameter in model.parameters():  # TorchScript's modules have no requires_grad_
            parameter.requires_grad = False
        mean, std = self.mean or preprocessing.mean, self.std or preprocessing.std
        if (mean, std) != (preprocessing.mean, preprocessing.std):
            model = nn.Sequential(_Renormalize(preprocessing, mean, std), model)
        if self.resizes(preprocessing):
            model = nn.Sequential(_Resize(cast(int, self.size)), model)
        return model.to(device, dtype)

    def resizes(self, preprocessing: Preprocessing) -> bool:
        """Tell whether pictures of `preprocessing` are resized for the teacher."""
        return self.size not in (None, preprocessing.size)

    def digest(self) -> str:
        """Return the digest of the teacher's weights."""
        return state_digest(self.model.state_dict())

    def identity(self, preprocessing: Preprocessing) -> dict[str, Any]:
        """Return what decides the teacher's answers to pictures of `preprocessing`: its weights and its input."""
        normalization = {key: value and list(value) for key, value in (("mean", self.mean), ("std", self.std))}
        resized = {"size": self.size} if self.resizes(preprocessing) else {}
        return {"name": self.name, "digest": self.digest(), **normalization, **resized}

    def check(self, preprocessing: Preprocessing, classes: Sequence[str], device: torch.device) -> None:
        """Raise ValueError if the teacher cannot be named, cannot take the net's pictures, or has other classes."""
        if not short_name(self.name):
            raise ValueError(f"name={self.name!r}: cards have no name for such a teacher; pass Teacher(model, name)")
        channels, size = len(preprocessing.mean), preprocessing.size
        for what, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != channels:
                raise ValueError(
                    f"the teacher {self.name} takes pictures of {len(values)} channels ({what}={values}), the data "
                    f"have {channels}; with --channels {len(values)} (channels={len(values)}) they have as many"
                )
        pictures = torch.zeros(2, channels, size, size, device=device)
        try:
            with torch.no_grad():
                logits = self.module(preprocessing, device, torch.float32)(pictures)
        except Exception as error:  # a foreign network may raise anything
            side = self.size or size
            remedy = (
                "" if self.size else " If it takes another size, pass Teacher(model, name, size=…) or set --image-size."
            )
            raise ValueError(
                f"the teacher {self.name} takes no pictures of {channels}×{side}×{side}: {error}.{remedy}"
            ) from error
        if not isinstance(logits, Tensor):
            raise ValueError(
                f"the teacher {self.name} gives a {type(logits).__name__}; wrap it in a module that returns its logits "
                "alone, a tensor of (pictures, classes)"
            )
        if logits.shape != (2, len(classes)) or (self.labels and len(self.labels) != len(classes)):
            gives = tuple(logits.shape[1:]) if logits.shape != (2, len(classes)) else f"{len(self.labels)} labels"
            raise ValueError(
                f"the teacher {self.name} gives {gives} for a picture, the data have {len(classes)} classes; a teacher "
                "has to be trained on the same classes"
            )
        if not logits.isfinite().all():
            raise ValueError(
                f"the teacher {self.name} answers with numbers that are not finite: its weights are damaged, or std="
                f"{self.std} is wrong"
            )
        different = [pair for pair in zip(self.labels, classes, strict=False) if pair[0] != pair[1]]
        if different:
            own, other = different[0]
            raise ValueError(
                f"the teacher {self.name} has other classes, or the same in another order: {own!r} where the data have "
                f"{other!r}, the first of {len(different)} differences"
            )


class _Renormalize(nn.Module):
    """Undoes one normalization of pictures and applies another, in a multiplication and an addition."""

    scale: Tensor
    shift: Tensor

    def __init__(self, old: Preprocessing, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        before, own = (
            [torch.tensor(v, dtype=torch.float64).reshape(-1, 1, 1) for v in pair]
            for pair in ((old.mean, old.std), (mean, std))
        )
        self.register_buffer("scale", before[1] / own[1])
        self.register_buffer("shift", (before[0] - own[0]) / own[1])

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = input * self.scale + self.shift
        return result


class _Resize(nn.Module):
    """Resizes pictures to squares, as `Preprocessing` does for a net's own input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, size=(self.size, self.size), mode="bilinear", antialias=True)


def divergence(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence KL(teacher ‖ net) at a temperature, times the temperature's square.

    The square keeps the size of the gradients as it is at temperature 1 (Hinton et al., "Distilling the knowledge in a
    neural network", arXiv 1503.02531).

    Args:
        logits: logits of the net, (batch, classes).
        teacher: logits of the teacher, of the same shape.
        temperature: divides both.

    Returns:
        The mean over the batch in nats, a scalar.
    """
    ours, theirs = (F.log_softmax(each / temperature, dim=1) for each in (logits, teacher))
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def open_teacher(reference: str) -> Teacher:
    """Return the teacher that a recipe names.

    Args:
        reference: `timm:NAME` or `torchvision:NAME`, with the library's default weights; or a net of this package as
            `zoo.reference.open_model` takes it: `NAME:TAG`, a checkpoint file, `ORG/NAME`.

    Raises:
        ValueError: no such net, or it is untrained.
        OSError, RuntimeError: its weights are not here and cannot be fetched.
    """
    library, _, name = reference.partition(":")
    if library == "timm":
        return _of_timm(reference, name)
    if library == "torchvision":
        return _of_torchvision(reference, name)
    checkpoint, _ = open_model(reference)
    if checkpoint.tag == UNTRAINED:
        raise ValueError(
            f"teacher={reference!r} is untrained: there is nothing to learn from it; name weights: NAME:TAG"
        )
    how = checkpoint.known_preprocessing()
    name = reference if short_name(reference) else str(Path(reference).resolve())  # as of ./
    return Teacher(build_from(checkpoint), name, how.mean, how.std, how.size, checkpoint.labels)


def _of_timm(reference: str, name: str) -> Teacher:
    try:
        timm = import_module("timm")
    except ModuleNotFoundError as error:
        raise ValueError(f"teacher={reference!r} needs the package timm: pip install timm") from error
    if not timm.is_model(name.split(".")[0]):
        raise ValueError(
            f"teacher={reference!r}: timm has no model {name!r}; timm.list_models(pretrained=True) has all"
        )
    model = timm.create_model(name, pretrained=True)
    cfg = model.pretrained_cfg
    return Teacher(model, reference, tuple(cfg["mean"]), tuple(cfg["std"]), cfg["input_size"][-1])


def _of_torchvision(reference: str, name: str) -> Teacher:
    from torchvision import models  # as slow to import as PyTorch

    if name not in models.list_models(module=models):
        raise ValueError(
            f"teacher={reference!r}: torchvision has no classifier {name!r}; its names are those of "
            "torchvision.models.list_models(module=torchvision.models)"
        )
    weights = models.get_model_weights(name).DEFAULT
    how = weights.transforms()
    return Teacher(
        models.get_model(name, weights=weights), reference, tuple(how.mean), tuple(how.std), how.crop_size[0]
    )
