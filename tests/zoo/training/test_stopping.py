"""What a user meets who stops a run, goes on with it, prolongs it, or starts two in one folder."""

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from zoo.files import sha256
from zoo.training.data import Dataset
from zoo.training.lock import LockedError, locked
from zoo.training.loop import Progress, train
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.signals import InterruptedRunError
from zoo.training.sources import load_dataset

DIGITS = dataclasses.replace(RECIPES["digits"], epochs=2, batch_size=16)


@pytest.fixture
def digits(few_digits: Dataset) -> Dataset:
    return few_digits


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_so_and_the_run_goes_on(number: int, digits: Dataset, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (1, 7):
            signal.raise_signal(number)

    notes: list[str] = []
    tellers = []

    def tell(note: str) -> None:  # never within the handler, which may have interrupted a print
        notes.append(note)
        tellers.append(threading.current_thread())

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(InterruptedRunError, match="was stopped and saved; the same command line continues") as stopped:
        train(DIGITS, digits, tmp_path / "parts", on_step=interrupt, on_note=tell)
    assert threading.main_thread() not in tellers
    assert stopped.value.exit_status == 128 + number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    (note,) = notes
    assert note.startswith("stopping after this step")
    notes.clear()
    train(DIGITS, digits, tmp_path / "parts", on_note=notes.append)
    assert notes == [f"{tmp_path / 'parts'} continues at epoch 2 of 2, after step 7 of 22"]
    train(DIGITS, digits, tmp_path / "parts", on_note=notes.append)
    assert notes[1:] == [f"{tmp_path / 'parts'} holds the finished run already"]
    train(DIGITS, digits, tmp_path / "whole", on_note=notes.append)
    assert len(notes) == 2  # a fresh run has nothing to tell
    assert sha256(tmp_path / "parts" / "model.safetensors") == sha256(tmp_path / "whole" / "model.safetensors")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_signal_to_all_processes_of_a_streamed_run_saves_too(tmp_path: Path) -> None:
    """`timeout`, systemd and the schedulers of clusters signal the workers that read pictures as well."""
    for place in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / "data" / place).mkdir(parents=True)
        for index in range(20):
            Image.new("RGB", (40, 40), (12 * index, 0, 0)).save(tmp_path / "data" / place / f"{index}.png")
    data = load_dataset(str(tmp_path / "data"), 32, stream=True, workers=2)
    recipe = dataclasses.replace(RECIPES["digits"], crop="resized", batch_size=2, epochs=2)
    signalled: list[int] = []

    def terminate(progress: Progress) -> None:
        if progress.step == 1:
            signalled.extend(child.pid for child in multiprocessing.active_children())
            # By another process: PyTorch's workers leave quietly when it is their parent that ends them.
            kill = f"import os, signal; [os.kill(pid, signal.SIGTERM) for pid in {[*signalled, os.getpid()]}]"
            subprocess.run([sys.executable, "-c", kill], check=True)
            time.sleep(0.5)

    with pytest.raises(InterruptedRunError, match="was stopped and saved"):
        train(recipe, data, tmp_path / "run", on_step=terminate)
    assert len(signalled) == 2 and (tmp_path / "run" / "state.pt").exists()


def test_a_second_interrupt_aborts_at_once_and_keeps_what_was_saved(digits: Dataset, tmp_path: Path) -> None:
    def insist(progress: Progress) -> None:
        if progress.epoch == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(DIGITS, digits, tmp_path, on_step=insist)
    notes: list[str] = []
    train(DIGITS, digits, tmp_path, on_note=notes.append)
    assert notes == [f"{tmp_path} continues at epoch 2 of 2"]


def test_two_runs_in_one_folder_are_kept_apart(digits: Dataset, tmp_path: Path) -> None:
    refused = []

    def again(progress: Progress) -> None:
        if progress.step == 3 and progress.epoch == 0:
            with pytest.raises(ValueError, match=r"another process trains in .*; wait until it ends") as error:
                train(DIGITS, digits, tmp_path / "run")
            refused.append(error)

    train(DIGITS, digits, tmp_path / "run", on_step=again)
    train(DIGITS, digits, tmp_path / "alone")
    assert len(refused) == 1
    assert sha256(tmp_path / "run" / "model.safetensors") == sha256(tmp_path / "alone" / "model.safetensors")


HOLDER = """
import runpy, sys, time
from pathlib import Path
with runpy.run_path(sys.argv[1])["locked"](Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_killed_process_is_free(root: Path, tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLDER, str(root / "zoo" / "training" / "lock.py"), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="locked by another process"), locked(file):
            pass
        holder.kill()
        holder.wait()
    with locked(file), pytest.raises(LockedError, match="locked by this process"), locked(file):
        pass
    with locked(file):
        pass


def test_a_file_system_without_locks_is_told_of(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> None:
        raise OSError(38, "Function not implemented", handle)

    monkeypatch.setattr("zoo.training.lock._lock", fail)
    notes: list[str] = []
    train(dataclasses.replace(DIGITS, epochs=1), digits, tmp_path, on_note=notes.append)
    assert notes == [f"{tmp_path} cannot be locked (Function not implemented): start no second training there"]


def test_a_finished_run_is_prolonged_from_its_weights(digits: Dataset, tmp_path: Path) -> None:
    one = dataclasses.replace(DIGITS, epochs=1)
    train(one, digits, tmp_path)
    with pytest.raises(
        ValueError, match=r"epochs=1, not 2.* finished\..* --init .*model\.safetensors and another --out"
    ):
        train(DIGITS, digits, tmp_path)


def test_a_run_of_older_code_that_knew_fewer_fields_goes_on(digits: Dataset, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.epoch == 1:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(InterruptedRunError):
        train(DIGITS, digits, tmp_path / "old", on_step=interrupt)
    file = tmp_path / "old" / "run.json"
    request = json.loads(file.read_text())
    del request["teacher"]
    for field in ("teacher", "teacher_weight", "temperature", "milestones"):
        del request["recipe"][field]
    file.write_text(json.dumps(request))
    with pytest.raises(ValueError, match=r"recipe\.gamma=0\.2, not 0\.5"):
        train(dataclasses.replace(DIGITS, gamma=0.5), digits, tmp_path / "old")
    train(DIGITS, digits, tmp_path / "old")
    train(DIGITS, digits, tmp_path / "new")
    assert sha256(tmp_path / "old" / "model.safetensors") == sha256(tmp_path / "new" / "model.safetensors")


def test_a_recipe_is_completed_to_what_its_fields_meant() -> None:
    full = DIGITS.to_dict()
    assert Recipe.completed(full) == full and Recipe(**Recipe.completed({"epochs": 2, "lr": 0.1})) == Recipe(
        epochs=2, lr=0.1
    )
