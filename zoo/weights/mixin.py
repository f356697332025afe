"""Sharing one's own nets: `save_pretrained`, `push_to_hub` and `from_pretrained` of a `DiracNet`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, cast

import huggingface_hub
import torch
from torch import nn

from zoo.layout import WEIGHTS
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.weights.checkpoint import SAVED, Checkpoint, load_strictly
from zoo.weights.hub import plain_errors
from zoo.weights.repository import load_repository

Net = TypeVar("Net", bound="HubMixin")


class HubMixin(
    huggingface_hub.PyTorchModelHubMixin,
    library_name="diracnet-zoo",
    paper_url="https://arxiv.org/abs/1706.00388",
    pipeline_tag="image-classification",
    tags=["diracnet"],
):
    """huggingface_hub's mixin with this package's files: they load strictly, and `diracnet export` reads them.

    `config.json` says that the net is in its training form ("form": "dirac"), where a published bundle says "folded".
    """

    spec: Spec
    labels: tuple[str, ...] = ()
    """Name of each class, if known."""
    preprocessing: Preprocessing | None = None
    """How pictures become the net's input, if known."""

    def save_pretrained(  # type: ignore[override]  # the rest goes through `options`
        self, save_directory: str | Path, *, config: dict[str, Any] | None = None, **options: Any
    ) -> str | None:
        """Write the net to a folder; with `push_to_hub=True` to a repository too.

        Args:
            save_directory: the folder; created if it does not exist.
            config: further entries of config.json. `id2label`, a dict from "0", "1", … to the classes' names, and
                `preprocessing`, the fields of `zoo.Preprocessing`, replace what the net knows about itself.
            options: see `huggingface_hub.ModelHubMixin.save_pretrained`.
        """
        own = {
            "architectures": ["DiracNet"],
            "model_type": "diracnet",
            "form": "dirac",
            "spec": self.spec.to_dict(),
            "num_classes": self.spec.num_classes,
        }
        known: dict[str, Any] = {}
        if self.labels:
            known["id2label"] = {str(index): label for index, label in enumerate(self.labels)}
        if self.preprocessing:
            known["preprocessing"] = self.preprocessing.to_dict()
        url: str | None = super().save_pretrained(save_directory, config={**known, **(config or {}), **own}, **options)
        return url

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Save the net in a repository of the Hub, `ORG/NAME`; return the address of the commit.

        Args:
            repo_id: `ORG/NAME`; created if it does not exist.
            options: config, as in `save_pretrained`, and those of `huggingface_hub.ModelHubMixin.push_to_hub`.

        Raises:
            HubError: the Hub refused or failed; the message says why and what to do.

        Example:
            >>> net.push_to_hub("me/cats-dogs-foxes", config={"id2label": {"0": "cat", "1": "dog", "2": "fox"}})
        """
        with plain_errors(repo_id, f"cannot push to {repo_id}"):
            url: str = super().push_to_hub(repo_id, **options)
            return url

    def _save_pretrained(self, save_directory: Path) -> None:
        state = cast(nn.Module, self).state_dict()
        Checkpoint(form="dirac", spec=self.spec, tag=SAVED, state=state).save(save_directory / WEIGHTS)

    @classmethod
    def from_checkpoint(cls: type[Net], checkpoint: Checkpoint) -> Net:
        """Return a new net with a checkpoint's weights, labels and preprocessing, in eval mode and float32.

        Raises:
            ValueError: the checkpoint is not in training form, or its state does not fit its spec.
        """
        if checkpoint.form != "dirac":
            raise ValueError(
                f"{checkpoint.spec.name}: a {cls.__name__} is the dirac form, not the {checkpoint.form} one"
            )
        with torch.device("meta"):  # without drawing random numbers, which the state replaces
            net = cls(checkpoint.spec)
        load_strictly(cast(nn.Module, net), checkpoint.state, f"a {checkpoint.spec.name} in dirac form")
        net.labels, net.preprocessing = checkpoint.labels, checkpoint.preprocessing
        return cast(Net, cast(nn.Module, net).eval())

    @classmethod
    def from_pretrained(
        cls: type[Net], pretrained_model_name_or_path: str | Path, *, revision: str | None = None, **options: Any
    ) -> Net:
        """Return the training form in a repository or folder, loaded strictly, in eval mode; see `zoo.from_pretrained`.

        Args:
            pretrained_model_name_or_path: `ORG/NAME`, a folder or a file, as `zoo.from_pretrained` takes them.
            revision: a branch, tag or commit.
            options: cache_dir, force_download, local_files_only and token, as in `huggingface_hub.hf_hub_download`.
        """
        if unknown := options.keys() - {"cache_dir", "force_download", "local_files_only", "token"}:
            raise TypeError(
                f"from_pretrained takes no {', '.join(sorted(unknown))}: a net is loaded as it was saved, strictly and "
                "on the CPU; for other classes call reset_classifier on what it returns"
            )
        checkpoint = load_repository(pretrained_model_name_or_path, "dirac", revision=revision, **options)
        return cls.from_checkpoint(checkpoint)
