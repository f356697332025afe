"""What a run trains, on which data and how: everything that is decided before its folder is opened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from zoo.models import DiracNet
from zoo.nets.registry import get_spec
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.training.data import Batch, Dataset, Measurable, Place, Trainable
from zoo.training.recipes import Recipe, check_seed
from zoo.training.start import fresh, trained_before
from zoo.training.teacher import Teacher, open_teacher
from zoo.weights.checkpoint import Checkpoint

_ARCHITECTURE = "DiracNet"
"""What `run.json` calls our own nets."""


@dataclass(frozen=True)
class Job:
    """A planned training run; `plan_job` makes one.

    Args:
        recipe: how the net is trained.
        data: the data set.
        seed: seed of the initial weights and of the randomness in the data.
        spec: the structure of the net, with the channels and classes of the data.
        build: makes the net from its spec.
        architecture: name by which the run's folder knows `build`.
        init: weights to start from, or None for a new net.
        teacher: classifier to learn from, or None.
        pictures: pictures to train on.
        measured: pictures to measure on.
        accelerator: device and processes.
    """

    recipe: Recipe
    data: Dataset
    seed: int
    spec: Spec
    build: Callable[[Spec], nn.Module]
    architecture: str
    init: Checkpoint | None
    teacher: Teacher | None
    pictures: Trainable
    measured: Measurable
    accelerator: Accelerator

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the training pictures."""
        return len(self.pictures) // self.recipe.batch_size

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of weights and input; bf16 is left to autocast."""
        return torch.float64 if self.recipe.precision == "float64" else torch.float32

    @property
    def sum_dtype(self) -> torch.dtype:
        """The dtype in which the device adds up figures: float64 where it has that."""
        return torch.float64 if has_float64(self.accelerator.device) else torch.float32

    def net(self) -> nn.Module:
        """Return the net that the run starts from."""
        with torch.random.fork_rng(devices=[]):  # the net is built on the processor
            torch.manual_seed(self.seed)
            if self.init is None:
                return fresh(self.build, self.spec, self.recipe)
            return trained_before(self.init, self.spec, self.recipe, self.pictures.classes)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield this process's share of an epoch's batches, with input and targets on the device."""
        device = self.accelerator.device
        batches = self.pictures.batches(
            self.data.preprocessing,
            self.recipe,
            Place(self.seed, epoch, first_step, (self.accelerator.process_index, self.accelerator.num_processes)),
        )
        for images, targets, indices in batches:
            yield Batch(images.to(device, self.dtype), targets.to(device), indices)

    def in_any_process(self, flag: bool) -> bool:
        """Return whether the flag is set in at least one of the processes."""
        if self.accelerator.num_processes == 1:
            return flag
        count = torch.tensor(int(flag), device=self.accelerator.device)
        return bool(self.accelerator.reduce(count, "sum").item())

    def autocast(self) -> torch.autocast:
        """Return the context in which the recipe's precision applies."""
        bf16 = self.recipe.precision == "bf16"
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=bf16)

    def answering(self) -> Callable[[Tensor], Tensor] | None:
        """Return the function that gives the teacher's logits for the net's input, on the device; None without one."""
        if self.teacher is None:
            return None
        module = self.teacher.module(self.data.preprocessing, self.accelerator.device, self.dtype)

        def answer(images: Tensor) -> Tensor:
            # Not inference_mode, whose tensors a backward pass must not keep.
            with torch.no_grad(), self.autocast():
                logits: Tensor = module(images)
            return logits

        return answer

    def request(self) -> dict[str, Any]:
        """Return what `run.json` keeps: everything that decides what the run computes."""
        init = self.init
        return {
            "recipe": self.recipe.to_dict(),
            "seed": self.seed,
            "net": self.architecture,
            "spec": self.spec.to_dict(),
            "init": None if init is None else {"weights": init.tag, "digest": init.digest()},
            "teacher": None if self.teacher is None else self.teacher.identity(self.data.preprocessing),
            "preprocessing": self.data.preprocessing.to_dict(),
            "labels": list(self.pictures.classes),
            "data": {"train": self.data.train.sha256(), "test": self.data.test.sha256()},
            "processes": self.accelerator.num_processes,  # BatchNorm sees one process's part of a batch
            **({"skipped": dict(self.data.skipped)} if self.data.skipped else {}),
        }


def plan_job(
    recipe: Recipe,
    data: Dataset,
    *,
    seed: int,
    init: Checkpoint | None,
    build: Callable[[Spec], nn.Module],
    architecture: str | None,
    teacher: nn.Module | Teacher | None,
) -> Job:
    """Return the job that the arguments of `train` describe.

    Raises:
        ValueError: recipe, data, weights to start from, teacher and number of processes do not go together.
    """
    if architecture is None:
        if build is not DiracNet:
            raise ValueError("architecture=None: name the nets that `build` makes; the run's folder knows them by it")
        architecture = _ARCHITECTURE
    pictures, measured = data.train, data.test
    check_seed(seed)
    if recipe.holdout:
        pictures, measured = pictures.split(recipe.holdout, seed=0)
        if not len(measured):
            most = int(torch.bincount(data.train.targets).max())
            raise ValueError(
                f"holdout={recipe.holdout:g} holds out none of at most {most} pictures of a class; give at least "
                f"{(50 // most + 1) / 100:g}, or have more pictures"
            )
    channels = len(data.preprocessing.mean)
    spec = replace(get_spec(recipe.model), in_channels=channels, num_classes=len(pictures.classes))
    accelerator = Accelerator(mixed_precision="no")  # the recipe says where to compute in bf16
    if len(pictures) < recipe.batch_size:
        raise ValueError(f"batch_size={recipe.batch_size} exceeds the {len(pictures)} training pictures")
    if data.train.crop != recipe.crop:
        raise ValueError(f"crop={recipe.crop!r}: these pictures were loaded for crop={data.train.crop!r}")
    if recipe.precision == "float64" and not has_float64(accelerator.device):
        raise ValueError(
            f"precision='float64': {accelerator.device.type} computes no float64; give another precision, or set "
            "ACCELERATE_USE_CPU=true"
        )
    check_recipe(recipe, data.preprocessing, build=build, processes=accelerator.num_processes)
    if isinstance(teacher, nn.Module):
        teacher = Teacher(teacher, type(teacher).__qualname__)
    if teacher is not None and recipe.teacher not in ("", teacher.name):
        raise ValueError(f"teacher={recipe.teacher!r} in the recipe, and {teacher.name} was passed: give one of them")
    if teacher is None and recipe.teacher:
        teacher = open_teacher(recipe.teacher)
    check_teaching(recipe, teacher)
    if teacher is not None:
        teacher.check(data.preprocessing, pictures.classes, accelerator.device)
    return Job(recipe, data, seed, spec, build, architecture, init, teacher, pictures, measured, accelerator)


def has_float64(device: torch.device) -> bool:
    """Tell whether a device computes in float64; Apple's do not."""
    return device.type != "mps"


def check_teaching(recipe: Recipe, teacher: Teacher | None) -> None:
    """Raise ValueError if there is a teacher that nothing is learnt from, or none where something is to be."""
    if (teacher is None) != (recipe.teacher_weight == 0):
        missing = (
            "no teacher: name one, or pass one to train" if teacher is None else "nothing is learnt from a teacher"
        )
        raise ValueError(f"teacher_weight={recipe.teacher_weight}: {missing}")


def check_recipe(
    recipe: Recipe,
    preprocessing: Preprocessing,
    *,
    build: Callable[[Spec], nn.Module] = DiracNet,
    processes: int | None = None,
) -> None:
    """Raise ValueError if a recipe does not suit the size and channels of the pictures, or the number of processes.

    Needs no data, so that what cannot work is said before they are read.

    Args:
        recipe: the recipe.
        preprocessing: how the pictures become the net's input.
        build: makes the net from its spec.
        processes: how many share each batch; by default as many as the launcher has started.
    """
    size = preprocessing.size
    spec = replace(get_spec(recipe.model), in_channels=len(preprocessing.mean))
    processes = int(os.environ.get("WORLD_SIZE", "1")) if processes is None else processes
    if size < spec.min_size:
        raise ValueError(f"{recipe.model} takes no pictures of {size} pixels: it needs {spec.min_size}")
    if recipe.crop_padding >= size:
        raise ValueError(f"crop_padding={recipe.crop_padding}: must be below the size of the pictures, {size}")
    if recipe.cutout >= size:
        raise ValueError(f"cutout={recipe.cutout}: must be below the size of the pictures, {size}")
    if recipe.batch_size % (processes * recipe.accumulation):
        raise ValueError(
            f"batch_size={recipe.batch_size}: must be a multiple of {processes} processes times "
            f"accumulation={recipe.accumulation}"
        )
    if recipe.batch_size == processes * recipe.accumulation and not _normalizes_one(build, spec, size):
        raise ValueError(
            f"batch_size={recipe.batch_size}, accumulation={recipe.accumulation}, {processes} processes: one picture "
            f"at a time, of {size} pixels, which the net shrinks to one value per channel, and BatchNorm needs more "
            "than one; raise batch_size, lower accumulation or train on larger pictures (--image-size)"
        )


def _normalizes_one(build: Callable[[Spec], nn.Module], spec: Spec, size: int) -> bool:
    """Tell whether a net in train mode accepts a batch of one picture; its BatchNorms decide, on the meta device."""
    with torch.device("meta"):
        net, picture = build(spec).train(), torch.empty(1, spec.in_channels, size, size)
    try:
        net(picture)
    except ValueError as error:
        if "more than 1 value per channel" in str(error):
            return False
        raise
    return True
