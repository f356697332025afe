"""A teacher's answers to the versions of the training pictures: computed once, and kept for other runs and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import cached_assets_path, constants
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.files import replace_file
from zoo.training.job import Job
from zoo.training.teacher import Teacher

_NAME, _BATCH = "answers", 256
_TOLERANCE = {"bf16": 0.05, "float32": 1e-3, "float64": 1e-3}
"""How far kept answers may lie from new ones, in standard deviations, by precision: machines differ by so much."""


def kept_answers(job: Job, on_note: Callable[[str], None] = lambda note: None) -> list[Tensor]:
    """Return the teacher's logits for each version of the training pictures; nothing unless the recipe has versions.

    They lie in huggingface_hub's cache of assets and serve every run with the same teacher, pictures, augmentation and
    precision, whatever its net and seed. What is found there must be complete, and its first batch must be what the
    teacher answers now. Several processes divide the pictures. Source: Shen and Xing, "A fast knowledge distillation
    framework for visual recognition", arXiv 2112.01528, who keep the answers to all crops of a training.

    Args:
        job: the run.
        on_note: called with a sentence before each version that the teacher has yet to answer, and if answers cannot be
            kept.

    Returns:
        For each version that the run comes to a tensor (pictures, classes) in the run's dtype, in memory.

    Example:
        >>> job = plan_job(recipe, load_dataset("digits"), seed=0, ...)  # doctest: +SKIP
        >>> kept_answers(job)[0].shape  # doctest: +SKIP
        torch.Size([1438, 10])
    """
    answer = job.answering() if job.recipe.versions else None
    if answer is None or job.teacher is None:
        return []
    asked = _Asked(job, job.teacher, answer, on_note)
    return [asked.answers(number) for number in range(job.recipe.shown_versions)]


class _Asked:
    """A job's teacher, and what it has answered."""

    def __init__(
        self, job: Job, teacher: Teacher, answer: Callable[[Tensor], Tensor], note: Callable[[str], None]
    ) -> None:
        self._job, self._answer, self._note = job, answer, note
        self._tolerance = _TOLERANCE[job.recipe.precision]
        self._decides: dict[str, Any] = {
            "teacher": teacher.identity(job.data.preprocessing),
            "preprocessing": job.data.preprocessing.to_dict(),
            "pictures": job.pictures.sha256(),
            "augmentation": {name: getattr(job.recipe, name) for name in ("crop", "crop_padding", "flip", "cutout")},
            "precision": job.recipe.precision,
        }

    def answers(self, number: int) -> Tensor:
        """Return the answers to a version: the kept ones, if all processes have them."""
        kept = self._kept(number)
        missing = self._job.in_any_process(kept is None)
        if kept is not None and not missing:
            return kept
        self._note(f"the teacher answers version {number + 1} of {self._job.recipe.shown_versions}")
        answers = self._divided(number)
        if self._job.accelerator.is_main_process:
            self._keep(number, answers)
        return answers

    def _kept(self, number: int) -> Tensor | None:
        """Return the kept answers to a version, if they are complete and the teacher still answers so."""
        job = self._job
        try:
            kept = load_file(self._file(number))[_NAME]
        except (OSError, ValueError, KeyError, SafetensorError):
            return None
        if kept.shape != (len(job.pictures), len(job.pictures.classes)) or kept.dtype != job.dtype:
            return None
        now = torch.cat(list(self._asked(number, torch.arange(min(_BATCH, len(kept)))))).cpu()
        near = (kept[: len(now)] - now).abs() <= self._tolerance * now.std()
        return kept if bool(near.all()) else None

    def _divided(self, number: int) -> Tensor:
        """Return the answers to a version, each process's share of the pictures being answered by it."""
        accelerator, count = self._job.accelerator, len(self._job.pictures)
        processes = accelerator.num_processes
        # Shares of one length: some of the last pictures are answered twice.
        share = torch.arange(-(-count // processes) * processes).clamp(max=count - 1)[
            accelerator.process_index :: processes
        ]
        found = []
        for answers in self._asked(number, share):  # a batch at a time, so that the device need not hold them all
            together = answers if processes == 1 else accelerator.gather(answers)
            found.append(together.unflatten(0, (processes, -1)).transpose(0, 1).flatten(0, 1).cpu())
        return torch.cat(found)[:count]

    def _asked(self, number: int, indices: Tensor) -> Iterator[Tensor]:
        job = self._job
        for images in job.pictures.version(job.data.preprocessing, job.recipe, number, indices, _BATCH):
            yield self._answer(images.to(job.accelerator.device, job.dtype)).to(job.dtype)

    def _keep(self, number: int, answers: Tensor) -> None:
        try:
            with replace_file(self._file(number)) as temporary:
                save_file({_NAME: answers.contiguous()}, temporary)
        except (OSError, ValueError, SafetensorError) as error:  # safetensors has its own error for a full disk
            self._note(
                f"the answers cannot be kept in {constants.HF_ASSETS_CACHE} ({error}): the next run asks again; "
                "HF_ASSETS_CACHE names another folder"
            )

    def _file(self, number: int) -> Path:
        """Return the file of a version's answers, named by what decides them. Makes its folder."""
        name = hashlib.sha256(json.dumps({**self._decides, "version": number}, sort_keys=True).encode()).hexdigest()
        folder = cached_assets_path("diracnet-zoo", "teachers", "answers", assets_dir=constants.HF_ASSETS_CACHE)
        return folder / f"{name}.safetensors"
