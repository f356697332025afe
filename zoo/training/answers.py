"""A teacher's answers to the versions of the training pictures: computed once, and kept for other runs and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch
from huggingface_hub import cached_assets_path, constants
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from zoo.files import replace_file
from zoo.training.job import Job

_NAME, _BATCH = "answers", 256
_TOLERANCE = 0.05
"""How far kept answers may lie from new ones, in standard deviations: bf16 differs so much between machines."""


def kept_answers(job: Job, on_note: Callable[[str], None] = lambda note: None) -> list[Tensor]:
    """Return the teacher's logits for each version of the training pictures; nothing unless the recipe has versions.

    They lie in huggingface_hub's cache of assets and serve every run with the same teacher, pictures, augmentation and
    precision, whatever its net and seed. Several processes divide the versions. Source: Shen and Xing, "A fast
    knowledge distillation framework for visual recognition", arXiv 2112.01528, who keep the answers to all crops of a
    training. Example: `kept_answers(plan_job(recipe, data, ...))[0].shape` is (pictures, classes).

    Args:
        job: the run.
        on_note: called with a sentence before each version that the teacher has yet to answer.

    Returns:
        For each version a tensor (pictures, classes) in the run's dtype, in memory.
    """
    answer, versions = job.answering(), job.recipe.versions
    if answer is None or not versions:
        return []
    share = range(job.accelerator.process_index, versions, job.accelerator.num_processes)
    mine = {number: _answers(job, answer, number, on_note) for number in share}
    job.accelerator.wait_for_everyone()
    return [mine[number] if number in mine else _answers(job, answer, number, on_note) for number in range(versions)]


def _answers(job: Job, answer: Callable[[Tensor], Tensor], number: int, on_note: Callable[[str], None]) -> Tensor:
    """Return the answers to a version: the kept ones, if they are complete and the teacher still answers so."""

    def answered() -> Iterator[Tensor]:
        for images in job.pictures.version(job.data.preprocessing, job.recipe, number, _BATCH):
            yield answer(images.to(job.accelerator.device, job.dtype)).to("cpu", job.dtype)

    with suppress(OSError, ValueError, KeyError, SafetensorError):
        kept, first = load_file(_file(job, number))[_NAME], next(answered())
        complete = kept.shape == (len(job.pictures), len(job.pictures.classes)) and kept.dtype == job.dtype
        if complete and bool(((kept[: len(first)] - first).abs() <= _TOLERANCE * first.std()).all()):
            return kept
    on_note(f"the teacher answers version {number + 1} of {job.recipe.versions}")
    answers = torch.cat(list(answered()))
    with suppress(OSError, ValueError), replace_file(_file(job, number)) as temporary:  # a cache may be read-only
        save_file({_NAME: answers}, temporary)
    return answers


def _file(job: Job, number: int) -> Path:
    """Return the file of a version's answers, named by what decides them. Makes its folder."""
    what = {
        "teacher": None if job.teacher is None else job.teacher.identity(),
        "preprocessing": job.data.preprocessing.to_dict(),
        "pictures": job.pictures.sha256(),
        "augmentation": {name: getattr(job.recipe, name) for name in ("crop", "crop_padding", "flip", "cutout")},
        "precision": job.recipe.precision,
        "version": number,
    }
    name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
    folder = cached_assets_path("diracnet-zoo", "teachers", "answers", assets_dir=constants.HF_ASSETS_CACHE)
    return folder / f"{name}.safetensors"
