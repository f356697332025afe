"""Packaging of diracnet-runtime: inference without PyTorch. Its modules lie in the packages of the repository."""

import sys
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from parts import CLASSIFIERS, URLS, VERSION, Runtime  # noqa: E402 (parts.py is not installed)

setup(
    name="diracnet-runtime",
    version=VERSION,
    description="Picture classification with exported DiracNets: ONNX Runtime, numpy and Pillow, without PyTorch",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    project_urls=URLS,
    python_requires=">=3.10",
    package_dir={"": "../.."},
    packages=find_packages("../..", include=["pixels", "zoo", "zoo.*", "export", "export.*"]),
    package_data={package: ["py.typed"] for package in ("pixels", "zoo", "export")},
    cmdclass={"build_py": Runtime},
    options={"egg_info": {"egg_base": "."}},  # and not in the repository's root, where it would count as installed
    install_requires=["numpy>=1.26,<3", "onnxruntime>=1.20,<2", "pillow>=10.3"],
    extras_require={"hub": ["huggingface-hub>=1.0,<3"]},
    entry_points={"console_scripts": ["diracnet=export.__main__:main"]},
    classifiers=CLASSIFIERS,
)
