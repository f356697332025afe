"""Labelled pictures in memory, and their augmentation, whole batches at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.preprocessing import Preprocessing
from zoo.training.classes import split_classes
from zoo.training.recipes import Recipe
from zoo.weights.checkpoint import tensor_bytes

_NO_EPOCH = 2**31
"""Takes the place of an epoch in the key of random numbers that are drawn once per run."""
_VERSION = 1
"""Ends the key of random numbers that belong to a version of the pictures, not to an epoch."""


@dataclass(frozen=True)
class Place:
    """A position in a run's sequence of batches.

    Args:
        seed: the run's seed.
        epoch: counted from 0.
        first_step: the first batch of the epoch to make.
        share: (i, n) for the i-th of n equal parts of each batch, one for each process.
    """

    seed: int
    epoch: int
    first_step: int = 0
    share: tuple[int, int] = (0, 1)

    def batches(self, order: Tensor, batch_size: int) -> list[Tensor]:
        """Return this process's share of each batch that is left of an epoch, as indices of pictures.

        Args:
            order: the epoch's order of all pictures, (n,).
            batch_size: pictures per step, over all processes; an incomplete last batch is dropped.
        """
        part, parts = self.share
        starts = range(self.first_step * batch_size, len(order) - batch_size + 1, batch_size)
        return [order[start : start + batch_size].chunk(parts)[part] for start in starts]


class Batch(NamedTuple):
    """What a net is trained on in a step.

    Args:
        images: the net's input, (batch, channels, height, width).
        targets: index of each picture's class, int64, (batch,).
        indices: position of each picture among the training pictures, int64, (batch,).
    """

    images: Tensor
    targets: Tensor
    indices: Tensor


class Measurable(Protocol):
    """Labelled pictures that a net can be measured on."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Label of each class."""

    def __len__(self) -> int: ...

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield uint8 pictures (batch, channels, size, size), resized and cropped, with targets (batch,)."""

    def sha256(self) -> str:
        """Return the data's fingerprint."""

    def check(self) -> None:
        """Raise ValueError if some cannot be read; all of them are named."""


class Trainable(Measurable, Protocol):
    """Labelled pictures that a net can be trained on."""

    crop: ClassVar[str]
    """The kind of random crops it makes: a choice of `Recipe.crop`."""

    @property
    def targets(self) -> Tensor:
        """Index of each picture's class, int64, (n,)."""

    def split(self, share: float, seed: int) -> tuple[Trainable, Trainable]:
        """Return (rest, held out) where the second has this share of each class, drawn by the seed."""

    def batches(self, preprocessing: Preprocessing, recipe: Recipe, place: Place) -> Iterator[Batch]:
        """Yield an epoch's batches in a fresh order, augmented as the recipe says.

        Order and augmentation depend on the place's seed and epoch alone (with versions the augmentation on the epoch
        alone), so that a run resumed within an epoch sees what an uninterrupted one saw. The input is float32,
        batch_size / processes pictures in channels_last order.
        """

    def version(
        self, preprocessing: Preprocessing, recipe: Recipe, number: int, indices: Tensor, batch_size: int
    ) -> Iterator[Tensor]:
        """Yield the input of the pictures with these indices, in one of the recipe's versions: as its epochs show them.

        It is float32, `batch_size` pictures at a time in channels_last order; the last batch may be shorter.
        """


@dataclass(frozen=True)
class Dataset:
    """Training and test pictures with the preprocessing that both get.

    Args:
        train: pictures to train on.
        test: pictures to measure on.
        preprocessing: how pictures become a net's input.
        skipped: "train" and "test" → names of the damaged pictures that were left out; empty if there were none.
        key: its key in `zoo.datasets`; None for a folder of pictures.
    """

    train: Trainable
    test: Measurable
    preprocessing: Preprocessing
    skipped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures in memory, resized and cropped already; `Trainable`.

    Args:
        images: uint8, (n, height, width, channels).
        targets: int64, (n,), indices into `classes`.
        classes: label of each class.
        paths: file of each picture; empty if they are not from files of their own.
        damaged: files that were left out because they could not be read.
    """

    images: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    paths: tuple[Path, ...] = ()
    damaged: tuple[Path, ...] = ()

    crop: ClassVar[str] = "padded"

    def __len__(self) -> int:
        return len(self.targets)

    def subset(self, indices: Tensor) -> Pictures:
        """Return the pictures at these positions."""
        paths = tuple(self.paths[index] for index in indices.tolist()) if self.paths else ()
        return replace(self, images=self.images[indices], targets=self.targets[indices], paths=paths)

    def without_damaged(self, good: Tensor) -> Pictures:
        """Return the pictures at these positions, with the files of all others listed as damaged."""
        left = set(good.tolist())
        others = tuple(path for index, path in enumerate(self.paths) if index not in left)
        return replace(self.subset(good), damaged=(*self.damaged, *others))

    def followed_by(self, other: Pictures) -> Pictures:
        """Return these pictures and others of the same classes."""
        return Pictures(
            torch.cat((self.images, other.images)),
            torch.cat((self.targets, other.targets)),
            self.classes,
            self.paths + other.paths,
            self.damaged + other.damaged,
        )

    def split(self, share: float, seed: int) -> tuple[Pictures, Pictures]:
        rest, held = split_classes(self.targets, share, seed)
        return self.subset(rest), self.subset(held)

    def sha256(self) -> str:
        """Fingerprint of pixels, targets and labels: the same data give the same one wherever they are stored."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for tensor in (self.images, self.targets):
            digest.update(tensor_bytes(tensor))
        return digest.hexdigest()

    def check(self) -> None:
        """Do nothing: they are in memory."""

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for images, targets in zip(self.images.split(batch_size), self.targets.split(batch_size), strict=True):
            yield images.permute(0, 3, 1, 2), targets

    def batches(self, preprocessing: Preprocessing, recipe: Recipe, place: Place) -> Iterator[Batch]:
        generator = random_stream(place.seed, place.epoch)
        order = torch.randperm(len(self), generator=generator)
        shown = self._augmented(recipe, *drawn_from(recipe, place, generator))
        for chosen in place.batches(order, recipe.batch_size):
            yield Batch(shown(preprocessing, chosen), self.targets[chosen], chosen)

    def version(
        self, preprocessing: Preprocessing, recipe: Recipe, number: int, indices: Tensor, batch_size: int
    ) -> Iterator[Tensor]:
        shown = self._augmented(recipe, *of_version(number))
        for chosen in indices.split(batch_size):
            yield shown(preprocessing, chosen)

    def _augmented(
        self, recipe: Recipe, place: Place, generator: torch.Generator
    ) -> Callable[[Preprocessing, Tensor], Tensor]:
        """Draw an augmentation for each picture, and return the function that gives the input of the chosen ones."""
        count, (height, width) = len(self), self.images.shape[1:3]
        pad = recipe.crop_padding
        tops, lefts = torch.randint(-pad, pad + 1, (2, count), generator=generator)
        mirrored = mirror(recipe, count, generator, place)
        centres = torch.randint(height, (count, 2), generator=generator)

        def show(preprocessing: Preprocessing, chosen: Tensor) -> Tensor:
            rows = _reflect(tops[chosen, None] + torch.arange(height), height)
            columns = _reflect(lefts[chosen, None] + torch.arange(width), width)
            columns = torch.where(mirrored[chosen, None], columns.flip(1), columns)
            crops = self.images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
            return cut_out(preprocessing.normalize(crops.permute(0, 3, 1, 2)), centres[chosen], recipe.cutout)

        return show


def drawn_from(recipe: Recipe, place: Place, generator: torch.Generator) -> tuple[Place, torch.Generator]:
    """Return what an epoch's augmentation is drawn from: with versions, what the one whose turn it is was drawn from.

    Args:
        recipe: tells how many versions there are.
        place: the epoch.
        generator: the epoch's own stream, which goes on where there are no versions.
    """
    return of_version(place.epoch % recipe.versions) if recipe.versions else (place, generator)


def of_version(number: int) -> tuple[Place, torch.Generator]:
    """Return what a version's augmentation is drawn from: its number alone, so that runs of any seed share it."""
    return Place(0, number), random_stream(0, number, _VERSION)


def mirror(recipe: Recipe, count: int, generator: torch.Generator, place: Place) -> Tensor:
    """Return for each of `count` pictures whether the recipe mirrors it in this epoch, bool (count,)."""
    if recipe.flip == "alternating":
        # Half of the pictures, drawn once per run, and the other half in the next epoch
        # (KellerJordan/cifar10-airbench).
        return (torch.rand(count, generator=random_stream(place.seed, _NO_EPOCH)) < 0.5) ^ bool(place.epoch % 2)
    return (torch.rand(count, generator=generator) < 0.5) & (recipe.flip == "random")


def cut_out(images: Tensor, centres: Tensor, side: int) -> Tensor:
    """Return pictures, in channels_last order, with a square set to zero in each: a net's input has that mean colour.

    A centre near the border leaves a part of the square outside. Source: DeVries and Taylor, "Improved regularization
    of convolutional neural networks with cutout", arXiv 1708.04552.

    Args:
        images: (batch, channels, height, width), normalized.
        centres: row and column of each square's centre, int64, (batch, 2).
        side: of the squares, in pixels; 0 for none.
    """
    if not side:
        return images.contiguous(memory_format=torch.channels_last)
    tops, lefts = (centres - side // 2).unsqueeze(-1).unbind(1)
    rows, columns = (torch.arange(length) for length in images.shape[2:])
    down = (tops <= rows) & (rows < tops + side)
    across = (lefts <= columns) & (columns < lefts + side)
    cut = images.masked_fill((down[:, :, None] & across[:, None, :])[:, None], 0.0)
    return cut.contiguous(memory_format=torch.channels_last)


def random_stream(*key: int) -> torch.Generator:
    """Return a separate stream for every key: SeedSequence mixes, whereas a sum would treat (1, 2) and (2, 1) alike."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1)


def _reflect(positions: Tensor, size: int) -> Tensor:
    """Map positions up to size - 1 beyond either border back inside, by reflection without repeating the border."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()
