"""Names of the files in a bundle, in a repository of the Hub and in a training run. Imports nothing."""

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
"""The folded net in a bundle; the training form in a training run and in what `DiracNet.save_pretrained` writes."""
TRAINING_CONFIG = "dirac/config.json"
TRAINING_FORM = "dirac/model.safetensors"
GRAPH = "onnx/model.onnx"
"""Where the Hub's tools look for an ONNX graph."""
FORMS = ("dirac", "folded")
"""The training form, `DiracNet`, and the folded one, `zoo.plain`."""
RUN = "run.json"
"""The request of a training run, by which its folder is recognised."""
RESULT = "result.json"
"""The figures of a finished training run."""
LEFT_BEHIND = (".ds_store", "thumbs.db", "desktop.ini")
"""Files that Finder and Explorer add to any folder that somebody looks at, in lower case."""
KEY = "diracnet"
"""The metadata key of our safetensors files, and only one: safetensors writes several keys in random order."""
UNTRAINED, TRAINED, SAVED, UPSTREAM = "untrained", "trained", "saved", "upstream"
"""What weights without a tag are called: fresh ones, a training run's, a user's own, those in a file of upstream's."""


def is_left_behind(name: str) -> bool:
    """Tell whether a file has a name that file managers give to files of their own, in any case.

    macOS also writes `._NAME` beside NAME where the file system cannot hold what it knows of a file.
    """
    return name.lower() in LEFT_BEHIND or name.startswith("._")


def check_form(form: str | None) -> None:
    """Raise ValueError unless a form of a net, or none, is named."""
    if form not in (None, *FORMS):
        raise ValueError(f"form={form!r}: allowed are {', '.join(FORMS)}")
