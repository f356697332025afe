"""Sharing nets of one's own: `save_pretrained`, `push_to_hub` and `from_pretrained` of a `DiracNet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import huggingface_hub

if TYPE_CHECKING:
    from zoo.nets.network import DiracNet
    from zoo.nets.spec import Spec


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

    def save_pretrained(  # type: ignore[override]  # the rest goes through `options`
        self, save_directory: str | Path, *, config: dict[str, Any] | None = None, **options: Any
    ) -> str | None:
        """Write the net to a folder; with `push_to_hub=True` to a repository too.

        Args:
            save_directory: the folder; made if there is none.
            config: what config.json is to say beside the net's structure: `id2label`, a dict from "0", "1", … to the
                classes' names, and `preprocessing`, the fields of `zoo.Preprocessing`, are read by `from_pretrained`.
            options: see `huggingface_hub.ModelHubMixin.save_pretrained`.
        """
        own = {
            "architectures": ["DiracNet"],
            "model_type": "diracnet",
            "form": "dirac",
            "spec": self.spec.to_dict(),
            "num_classes": self.spec.num_classes,
        }
        url: str | None = super().save_pretrained(save_directory, config={**(config or {}), **own}, **options)
        return url

    def _save_pretrained(self, save_directory: Path) -> None:
        from zoo.weights.checkpoint import SAVED, Checkpoint

        state = cast("DiracNet", self).state_dict()
        Checkpoint(form="dirac", spec=self.spec, weights=SAVED, state=state).save(save_directory / "model.safetensors")

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, *, revision: str | None = None, **options: Any
    ) -> DiracNet:
        """Return the training form in a repository or folder, loaded strictly, in eval mode; see `zoo.from_pretrained`.

        Args:
            pretrained_model_name_or_path: `ORG/NAME` or a folder.
            revision: a branch, tag or commit.
            options: cache_dir, force_download, local_files_only and token, as in `huggingface_hub.hf_hub_download`.
        """
        from zoo.weights.repository import load_repository

        if unknown := options.keys() - {"cache_dir", "force_download", "local_files_only", "token"}:
            raise TypeError(
                f"from_pretrained takes no {', '.join(sorted(unknown))}: a net is loaded as it was saved, strictly and "
                "on the CPU; for other classes call reset_classifier on what it returns"
            )
        net = load_repository(pretrained_model_name_or_path, "dirac", revision=revision, **options).model()
        return cast("DiracNet", net)
