"""A training run that is stopped, killed, starved of disk space or led astray, and then continued."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoo.files import sha256
from zoo.training.data import Dataset
from zoo.training.loop import InterruptedRunError, Progress, train
from zoo.training.recipes import RECIPES, Recipe
from zoo.training.sources import load_dataset

DIGITS = dataclasses.replace(RECIPES["digits"], epochs=3, batch_size=16)
FEW = dataclasses.replace(RECIPES["digits"], epochs=3, holdout=0.75)  # what COMMAND trains


@pytest.fixture
def digits(few_digits: Dataset) -> Dataset:
    return few_digits


LIMITED = (
    "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
    "sys.argv = sys.argv[:1] + sys.argv[2:]; runpy.run_module('zoo', run_name='__main__')"
)
"""The command in a process that can write no file above 100 kB, as if the disk were full."""
COMMAND = ("train", "--recipe", "digits", "--data", "digits", "--image-size", "8", "--epochs", "3", "--holdout", "0.75")


def test_a_resumed_run_ends_with_the_same_bytes(digits: Dataset, tmp_path: Path, cut: Callable[..., None]) -> None:
    train(DIGITS, digits, tmp_path / "whole", seed=3)
    for place in ((0, 3), (1, 22), (2, 1)):  # steps of 22
        # Saved after every step, or at the ends of epochs only.
        cut(DIGITS, digits, tmp_path / "parts", *place, seed=3, save_every=0 if place[0] != 2 else 1e9)
        assert not (tmp_path / "parts" / "model.safetensors").exists()
    train(DIGITS, digits, tmp_path / "parts", seed=3)
    for name in ("model.safetensors", "metrics.jsonl", "run.json"):
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name)
    train(DIGITS, digits, tmp_path / "other", seed=4)
    assert sha256(tmp_path / "other" / "model.safetensors") != sha256(tmp_path / "whole" / "model.safetensors")


def test_a_finished_run_is_not_trained_again(digits: Dataset, tmp_path: Path) -> None:
    first = train(DIGITS, digits, tmp_path)
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    assert train(DIGITS, digits, tmp_path) == first
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before


def test_another_run_s_folder_is_refused(digits: Dataset, tmp_path: Path, cut: Callable[..., None]) -> None:
    cut(DIGITS, digits, tmp_path / "run", 1, 1)
    with pytest.raises(ValueError, match=r"recipe\.lr=0\.1, not 0\.3"):
        train(dataclasses.replace(DIGITS, lr=0.3), digits, tmp_path / "run")
    with pytest.raises(ValueError, match="seed=0, not 1"):
        train(DIGITS, digits, tmp_path / "run", seed=1)
    (tmp_path / "run" / "state.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"state\.pt is damaged"):
        train(DIGITS, digits, tmp_path / "run")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").touch()
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        train(DIGITS, digits, tmp_path / "foreign")


def test_a_loss_that_explodes_keeps_the_last_good_state(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: Callable[..., None]
) -> None:
    with pytest.raises(FloatingPointError, match=r"no state was saved yet\. Lower lr=1e\+30"):
        train(dataclasses.replace(DIGITS, lr=1e30, momentum=0.0), digits, tmp_path / "early")

    cut(DIGITS, digits, tmp_path / "late", 1, 2)
    good = sha256(tmp_path / "late" / "state.pt")
    monkeypatch.setattr(Recipe, "rate", lambda self, step, steps: 1e31 if step >= 24 else 0.1)
    with pytest.raises(FloatingPointError, match="the last good state is kept"):
        train(DIGITS, digits, tmp_path / "late")
    assert sha256(tmp_path / "late" / "state.pt") == good and not (tmp_path / "late" / "model.safetensors").exists()


@pytest.mark.parametrize("holdout", [0.0, 0.5])
def test_weights_that_are_not_finite_are_never_saved(
    holdout: float, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last step of the epoch ruins the weights, when its loss was still finite.
    monkeypatch.setattr(Recipe, "rate", lambda self, step, steps: float("inf") if step == steps - 1 else 0.1)
    with pytest.raises(FloatingPointError, match="a weight is not finite"):
        train(dataclasses.replace(DIGITS, holdout=holdout), digits, tmp_path)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.slow
def test_a_stop_at_the_last_step_of_an_epoch_is_continued(digits: Dataset, tmp_path: Path) -> None:
    def terminate(progress: Progress) -> None:
        if progress.step == progress.steps_per_epoch:
            signal.raise_signal(signal.SIGTERM)

    for _ in range(DIGITS.epochs):
        with pytest.raises(InterruptedRunError):
            train(DIGITS, digits, tmp_path / "parts", on_step=terminate)
    train(DIGITS, digits, tmp_path / "parts")
    train(DIGITS, digits, tmp_path / "whole")
    for name in ("model.safetensors", "metrics.jsonl"):
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name)


def test_a_folder_of_something_else_is_left_as_it_is(digits: Dataset, tmp_path: Path) -> None:
    names = {".bashrc", ".state.pt.mine", "thesis.txt"}
    for name in names:
        (tmp_path / name).write_text(name)
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        train(DIGITS, digits, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_run_json_of_another_program_is_left_as_it_is(digits: Dataset, tmp_path: Path) -> None:
    foreign = {"run.json": '{"name": "experiment 7"}', "model.safetensors": "theirs"}
    for name, text in foreign.items():
        (tmp_path / name).write_text(text)
    for anew in (False, True):
        with pytest.raises(ValueError, match=r"run\.json is another program's; name a new folder"):
            train(DIGITS, digits, tmp_path, anew=anew)
    assert {name: (tmp_path / name).read_text() for name in foreign} == foreign


def test_what_file_managers_leave_in_a_new_folder_is_nobody_s_run(
    digits: Dataset, tmp_path: Path, cut: Callable[..., None]
) -> None:
    for name in (".DS_Store", "desktop.ini"):
        (tmp_path / name).touch()
    cut(DIGITS, digits, tmp_path, 0, 1)
    assert (tmp_path / ".DS_Store").exists() and (tmp_path / "run.json").exists()


def test_a_run_of_more_processes_is_another_one(digits: Dataset, tmp_path: Path, cut: Callable[..., None]) -> None:
    cut(DIGITS, digits, tmp_path, 0, 1)
    request = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**request, "processes": 2}))
    with pytest.raises(ValueError, match="holds a run with processes=2, not 1"):
        train(DIGITS, digits, tmp_path)
    del request["processes"]  # as older versions wrote it
    (tmp_path / "run.json").write_text(json.dumps(request))
    cut(DIGITS, digits, tmp_path, 0, 2)


def test_starting_anew_removes_the_events_of_the_old_run(
    digits: Dataset, tmp_path: Path, cut: Callable[..., None]
) -> None:
    cut(DIGITS, digits, tmp_path, 0, 1)
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "events.old").touch()
    cut(DIGITS, digits, tmp_path, 0, 1, anew=True)
    assert not (tmp_path / "tensorboard").exists()


def test_a_log_that_lacks_the_last_epoch_is_completed(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed after it wrote its last state, and before the log."""
    once = dataclasses.replace(DIGITS, epochs=1)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr("zoo.training.run_folder.RunFolder.log", lambda *_: 1 / 0)
        train(once, digits, tmp_path)
    assert (tmp_path / "state.pt").exists() and not (tmp_path / "metrics.jsonl").exists()
    train(once, digits, tmp_path)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["epoch"] == 0


def process(root: Path, out: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(root)}  # as many threads as here, for the same sums
    command = [sys.executable, "-m", "zoo", *COMMAND, "--out", str(out)]
    with (out.parent / "stderr").open("w") as errors:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def saved(out: Path) -> int:
    return (out / "state.pt").stat().st_mtime_ns if (out / "state.pt").exists() else 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_killed_process_and_one_that_was_asked_to_stop_are_continued(root: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    everything = load_dataset("digits", 8)
    train(FEW, everything, whole)
    for number, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        before, running = saved(parts), process(root, parts)
        while saved(parts) == before and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(number)
        assert running.wait() == status, (tmp_path / "stderr").read_text()
    errors = (tmp_path / "stderr").read_text()
    assert "was stopped and saved; the same command line continues it" in errors
    (parts / ".state.pt.abc").touch()  # as a process leaves it that is killed while it writes
    train(FEW, everything, parts)
    assert {path.name for path in parts.iterdir()} == {path.name for path in whole.iterdir()}
    for name in ("model.safetensors", "metrics.jsonl", "run.json"):
        assert sha256(parts / name) == sha256(whole / name)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"muon_lr": 0.05}, marks=pytest.mark.slow),
        {"muon_lr": 0.02, "fixed_norm": True, "stem": "principal", "ema": 0.9},
        pytest.param({"flip": "alternating", "precision": "bf16"}, marks=pytest.mark.slow),
    ],
)
def test_everything_that_affects_the_weights_is_resumed(
    changes: dict, digits: Dataset, tmp_path: Path, cut: Callable[..., None]
) -> None:
    recipe = dataclasses.replace(DIGITS, epochs=2, **changes)

    train(recipe, digits, tmp_path / "whole")
    cut(recipe, digits, tmp_path / "parts", 1, 3, save_every=0)
    train(recipe, digits, tmp_path / "parts")
    assert sha256(tmp_path / "parts" / "model.safetensors") == sha256(tmp_path / "whole" / "model.safetensors")
    train(DIGITS, digits, tmp_path / "other")
    assert sha256(tmp_path / "other" / "model.safetensors") != sha256(tmp_path / "whole" / "model.safetensors")


FORKS = """
import dataclasses, os, random, signal, sys, time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoo.training.loop import train
from zoo.training.recipes import RECIPES
from zoo.training.sources import load_dataset

# A child is forked from a process that has imported everything and started no thread, so that ten are quick.
recipe = dataclasses.replace(RECIPES["digits"], epochs=4)
out, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
chance, places = random.Random(seed), []
while True:
    child = os.fork()
    if child == 0:
        train(recipe, load_dataset("digits"), out, save_every=0.05)
        os._exit(0)
    if len(places) < kills:
        delay = chance.uniform(0.05, 1.0)
        ended, status = 0, 0
        deadline = time.monotonic() + delay
        while not ended and time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if ended:
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        places.append(delay)
    else:
        status = os.waitpid(child, 0)[1]
        break
assert status == 0, status
print(len(places))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_ten_kills_at_random_moments_change_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(FORKS)
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    seed = random.randrange(10**6)  # noqa: S311 (named in the failure, so that it can be had again)
    for run, kills in (("whole", 0), ("parts", 10)):
        command = [sys.executable, "program.py", run, str(kills), str(seed)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (seed, done.stderr)
    assert int(done.stdout) >= 3, "the run was over before it was killed often"
    whole, parts = ({path.name for path in (tmp_path / run).iterdir()} for run in ("whole", "parts"))
    assert whole == parts, seed
    for name in whole - {"result.json", "state.pt"}:  # these two hold times
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name), (name, seed)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_keeps_the_last_good_state(root: Path, tmp_path: Path, cut: Callable[..., None]) -> None:
    """A limit on the size of files stands for the disk's: writing fails in the middle of the state."""
    everything, whole = load_dataset("digits", 8), dataclasses.replace(FEW, epochs=2)
    cut(whole, everything, tmp_path / "run", 1, 2)
    good = {path.name: sha256(path) for path in (tmp_path / "run").iterdir()}
    command = [sys.executable, "-c", LIMITED, "-", *COMMAND, "--epochs", "2", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 2
        and "the last good state is kept. Make room" in done.stderr
        and "Traceback" not in done.stderr
    ), done.stderr
    assert {path.name: sha256(path) for path in (tmp_path / "run").iterdir()} == good
    train(whole, everything, tmp_path / "run")
    train(whole, everything, tmp_path / "whole")
    assert sha256(tmp_path / "run" / "model.safetensors") == sha256(tmp_path / "whole" / "model.safetensors")


@contextmanager
def small_files_only() -> Iterator[None]:
    """Let this process write no file above 100 kB, as `LIMITED` does in one of its own."""
    import resource

    limits, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_full_disk_at_the_end_keeps_the_trained_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything, whole = load_dataset("digits", 8), dataclasses.replace(FEW, epochs=1)
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr("zoo.training.loop.finish", lambda *_: 1 / 0)
        train(whole, everything, tmp_path / "run")
    message = r"; the last good state is kept\. Make room, and give the same command line again: .*model\.safetensors"
    with small_files_only(), pytest.raises(OSError, match=message):
        train(whole, everything, tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()
    train(whole, everything, tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_run_json_holds_the_resolved_recipe(digits: Dataset, tmp_path: Path, cut: Callable[..., None]) -> None:
    cut(DIGITS, digits, tmp_path, 0, 1)
    request = json.loads((tmp_path / "run.json").read_text())
    assert request["recipe"] == DIGITS.to_dict() and request["data"]["train"] == digits.train.sha256()
