"""Labelled picture files that are read again in each epoch, for data sets that do not fit in memory."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import InterpolationMode, v2

from pixels import open_picture
from zoo.preprocessing import Preprocessing
from zoo.training.classes import split_classes
from zoo.training.data import Batch, Place, cut_out, drawn_from, mirror, of_version, random_stream
from zoo.training.reading import DamagedPicturesError, undamaged
from zoo.training.recipes import Recipe


@dataclass(frozen=True)
class PictureFiles:
    """Labelled picture files; `Trainable`. A picture may be of any size and mode.

    Args:
        paths: the files.
        targets: int64, (n,), indices into `classes`.
        classes: label of each class.
        preprocessing: gives size, channels and interpolation.
        workers: processes that read ahead; 0 to read in this process.
        damaged: files that were left out because they could not be read.
    """

    paths: tuple[Path, ...]
    targets: Tensor
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    workers: int = 2
    damaged: tuple[Path, ...] = ()

    crop: ClassVar[str] = "resized"

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, indices: Tensor) -> PictureFiles:
        """Return the pictures at these positions."""
        return replace(self, paths=tuple(self.paths[i] for i in indices.tolist()), targets=self.targets[indices])

    def undamaged(self) -> PictureFiles:
        """Return the pictures that can be read, with the files of all others listed as damaged; each is read."""
        kept = self.subset(torch.tensor(undamaged(self.paths, self.open, skip=True), dtype=torch.long))
        return replace(kept, damaged=tuple(sorted(set(self.paths) - set(kept.paths))))

    def split(self, share: float, seed: int) -> tuple[PictureFiles, PictureFiles]:
        rest, held = split_classes(self.targets, share, seed)
        return self.subset(rest), self.subset(held)

    def sha256(self) -> str:
        """Fingerprint of the files' names, sizes and labels: reading every byte of a large set would take an hour."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for path, target in zip(self.paths, self.targets.tolist(), strict=True):
            line = f"{path.parent.name}/{path.name} {path.stat().st_size} {target}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))  # a name may be no UTF-8
        return digest.hexdigest()

    def open(self, index: int) -> Image.Image:
        """Return a picture at its own size, with the channels of the net's input.

        Raises:
            ValueError: it cannot be read; the text names it.
        """
        return open_picture(self.paths[index], channels=len(self.preprocessing.mean))

    def check(self) -> None:
        undamaged(self.paths, self.open, skip=False)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        yield from self._read([(index, None) for index in range(len(self))], batch_size)

    def batches(self, preprocessing: Preprocessing, recipe: Recipe, place: Place) -> Iterator[Batch]:
        generator = random_stream(place.seed, place.epoch)
        order = torch.randperm(len(self), generator=generator)
        batches = place.batches(order, recipe.batch_size)
        shown = self._augmented(preprocessing, recipe, batches, *drawn_from(recipe, place, generator))
        for chosen, (images, targets) in zip(batches, shown, strict=True):
            yield Batch(images, targets, chosen)

    def version(
        self, preprocessing: Preprocessing, recipe: Recipe, number: int, indices: Tensor, batch_size: int
    ) -> Iterator[Tensor]:
        batches = list(indices.split(batch_size))
        for images, _ in self._augmented(preprocessing, recipe, batches, *of_version(number)):
            yield images

    def _augmented(
        self,
        preprocessing: Preprocessing,
        recipe: Recipe,
        batches: Sequence[Tensor],
        place: Place,
        generator: torch.Generator,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw an augmentation for each picture, and yield input and targets of the chosen ones, batch by batch."""
        keys = torch.randint(2**62, (len(self),), generator=generator).tolist()
        mirrored = mirror(recipe, len(self), generator, place).tolist()
        centres = torch.randint(preprocessing.size, (len(self), 2), generator=generator)
        wanted = [(index, (keys[index], mirrored[index])) for batch in batches for index in batch.tolist()]
        # All batches are of one size but for a last one, which the loader makes as short.
        read = self._read(wanted, len(batches[0])) if batches else ()
        for chosen, (images, targets) in zip(batches, read, strict=True):
            yield cut_out(preprocessing.normalize(images), centres[chosen], recipe.cutout), targets

    def _read(
        self, wanted: Sequence[tuple[int, _Augmentation | None]], batch_size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            _Crops(self, wanted),
            batch_size,
            num_workers=self.workers,
            worker_init_fn=_leave_signals,
            collate_fn=_collate,
            generator=torch.Generator(),  # otherwise each loader would advance the caller's random numbers
        )
        for batch in loader:
            if isinstance(batch, _Damaged):
                anew = any(augmentation is not None for _, augmentation in wanted)
                then = ". A run with other files is another one: start it anew with --force" if anew else ""
                raise DamagedPicturesError(batch.reasons, then)
            yield batch


def _leave_signals(_: int) -> None:
    """Let a worker ignore Ctrl-C and SIGTERM, which it may get too: the process that it serves decides when it ends.

    A terminal signals all processes of its job, and so do `timeout`, systemd and the schedulers of clusters.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


_Augmentation = tuple[int, bool]
"""Seed of a picture's random crop, and whether it is mirrored."""


class _Damaged(NamedTuple):
    """What is wrong with the pictures of a batch."""

    reasons: tuple[str, ...]


def _collate(samples: list[tuple[Tensor, int] | str]) -> Any:
    """Return a batch, or what is wrong with its pictures: an error raised here would add a worker's traceback."""
    wrong = tuple(sample for sample in samples if isinstance(sample, str))
    return _Damaged(wrong) if wrong else default_collate(samples)


class _Crops(torch.utils.data.Dataset[tuple[Tensor, int] | str]):
    """The requested pictures in order: uint8, (channels, size, size), with targets; a message for a damaged one."""

    def __init__(self, files: PictureFiles, wanted: Sequence[tuple[int, _Augmentation | None]]) -> None:
        self._files, self._wanted = files, wanted

    def __len__(self) -> int:
        return len(self._wanted)

    def __getitem__(self, place: int) -> tuple[Tensor, int] | str:
        try:
            return self._read(place)
        except (ValueError, FileNotFoundError) as error:
            return str(error)

    def _read(self, place: int) -> tuple[Tensor, int]:
        index, augmentation = self._wanted[place]
        files, how = self._files, self._files.preprocessing
        picture, target = files.open(index), int(files.targets[index])
        if augmentation is None:
            return how.crop(picture), target
        key, mirrored = augmentation
        augment = v2.Compose(
            [
                v2.RandomResizedCrop(how.size, interpolation=InterpolationMode(how.interpolation), antialias=True),
                v2.RandomHorizontalFlip(float(mirrored)),
                v2.PILToTensor(),
            ]
        )
        # The transforms draw from the global stream only; it is restored, because the reader may be the caller's own
        # process.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key)
            return augment(picture), target
