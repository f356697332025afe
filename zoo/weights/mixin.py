"""Sharing one's own nets: `save_pretrained`, `push_to_hub` and `from_pretrained` of a `DiracNet`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

import huggingface_hub
import torch
from torch import nn

from zoo.cards.names import repository_name
from zoo.cards.saved import saved_card
from zoo.cards.template import CODE
from zoo.files import json_bytes, replace_file
from zoo.layout import CONFIG, WEIGHTS
from zoo.nets.network import Network
from zoo.nets.spec import Spec
from zoo.preprocessing import Preprocessing
from zoo.weights.checkpoint import Checkpoint, load_strictly
from zoo.weights.facts import Facts
from zoo.weights.hub import plain_errors
from zoo.weights.repository import load_repository
from zoo.weights.timm_config import timm_config

Net = TypeVar("Net", bound="HubMixin")

_CARD = "README.md"
_FACTS = {**{each.name: each.name for each in fields(Facts)}, "license": "licence", "base_model": "base"}
"""Entry of config.json → the field of `Facts` that it sets; two have the Hub's names, too."""


class HubMixin(
    huggingface_hub.PyTorchModelHubMixin,
    library_name="diracnet-zoo",
    repo_url=CODE,
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
    base: str | None = None
    """The weights that the net was loaded with, if they have a name: `NAME:TAG` or `ORG/NAME`."""

    def save_pretrained(  # type: ignore[override]  # the rest goes through `options`
        self,
        save_directory: str | Path,
        *,
        config: dict[str, Any] | None = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> str | None:
        """Write the net to a folder; with `push_to_hub=True` to a repository too.

        The folder gets model.safetensors, config.json, which timm reads too, and a card, README.md, unless it has one.

        Args:
            save_directory: the folder; created if it does not exist.
            config: further entries of config.json. `id2label`, a dict from "0", "1", … to the classes' names, and
                `preprocessing`, the fields of `zoo.Preprocessing`, replace what the net knows about itself; `dataset`,
                `metrics`, `licence` and the other fields of `zoo.Facts` are what the card says.
            repo_id: with `push_to_hub`, the repository; by default the folder's name.
            push_to_hub: also push to the Hub.
            model_card_kwargs: `{"repository": "ORG/NAME"}`, for the card; nothing else.
            options: those of `push_to_hub`.

        Returns:
            The address of the commit, if the net was pushed.

        Raises:
            ValueError: there is not a name for each class, or something else in `config` is not allowed.
        """
        named = dict(model_card_kwargs or {})
        repository = named.pop("repository", None)
        if named:
            raise TypeError(
                f"model_card_kwargs={named}: they fill huggingface_hub's template, and the card here is another one; "
                "say what it lacks in config: dataset, metrics, licence"
            )
        config = dict(config or {})
        checkpoint = self._checkpoint(config)
        description = _describe(checkpoint)
        for_timm = timm_config(checkpoint.spec, checkpoint.preprocessing, checkpoint.labels)
        described = json_bytes({**config, **for_timm, **description})  # before anything is written: it may fail
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save(folder / WEIGHTS)
        with replace_file(folder / CONFIG) as temporary:
            temporary.write_bytes(described)
        if not (folder / _CARD).exists():
            with replace_file(folder / _CARD) as temporary:
                temporary.write_text(saved_card(description, repository), encoding="utf-8")
        return self.push_to_hub(repo_id or folder.name, config=config, **options) if push_to_hub else None

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Save the net in a repository of the Hub, `ORG/NAME`; return the address of the commit.

        Args:
            repo_id: `ORG/NAME`; created if it does not exist.
            options: config, as in `save_pretrained`, and those of `huggingface_hub.ModelHubMixin.push_to_hub`.

        Raises:
            HubError: the Hub refused or failed; the message says why and what to do.

        Example:
            >>> labels = {"0": "cat", "1": "dog", "2": "fox"}
            >>> net.push_to_hub("me/cats-dogs-foxes", config={"id2label": labels})  # doctest: +SKIP
        """
        self._checkpoint(options.get("config") or {})  # what is wrong with it is said before a repository is made
        kwargs = {**(options.pop("model_card_kwargs", None) or {}), "repository": repository_name(repo_id)}
        with plain_errors(repo_id, f"cannot push to {repo_id}", token=options.get("token")):
            url: str = super().push_to_hub(repo_id, model_card_kwargs=kwargs, **options)
            return url

    def _checkpoint(self, config: Mapping[str, Any]) -> Checkpoint:
        """Return the net as a checkpoint, with what a configuration says of it."""
        names, how = config.get("id2label"), config.get("preprocessing")
        facts = {"base": self.base, **{field: config[name] for name, field in _FACTS.items() if name in config}}
        return Checkpoint.from_model(
            cast(Network, self),
            labels=None if names is None else _labels(names),
            preprocessing=None if how is None else Preprocessing.from_dict(how),
            facts=Facts(**facts),
        )

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
        net.base = checkpoint.origin or checkpoint.facts.base
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


def _labels(names: Any) -> tuple[str, ...]:
    """Return the labels in an `id2label`, whose keys are "0", "1", … or those numbers."""
    wanted = 'id2label must be a dict from "0", "1", … to the name of each class'
    if not isinstance(names, Mapping):
        raise TypeError(f"{wanted}, not {names!r}")
    by_index = {str(index): name for index, name in names.items()}
    if by_index.keys() != {str(index) for index in range(len(by_index))}:
        raise ValueError(f"{wanted}; its keys are {', '.join(by_index)}")
    return tuple(by_index[str(index)] for index in range(len(by_index)))


def _describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what config.json says of a saved net."""
    described = checkpoint.describe()
    labels = described.pop("labels")
    described.pop("facts", None)
    return {
        "architectures": ["DiracNet"],
        "model_type": "diracnet",
        "name": checkpoint.spec.name,
        **described,
        "untrained": False,
        "num_classes": checkpoint.spec.num_classes,
        "id2label": {str(index): label for index, label in enumerate(labels)},
        "label2id": {label: index for index, label in enumerate(labels)},
        **checkpoint.facts.describe(),
    }
