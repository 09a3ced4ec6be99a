"""Packaging of mfrec."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="mfrec",
    version="0.1.0",
    description="Recommending by matrix factorization in TensorFlow: fast, extensible, measured",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["mfrec", "mfrec.*"]),
    package_data={"mfrec": ["py.typed"]},
    entry_points={"console_scripts": ["mfrec = mfrec.cli.main:main"]},
    python_requires=">=3.10,<3.14",
    install_requires=[
        "absl-py>=2.1",
        "numpy>=1.26",
        "tensorboard>=2.20,<2.22",
        "tensorflow>=2.21,<2.22",
    ],
    extras_require={
        "ann": ["faiss-cpu>=1.9"],
        "arrow": ["pyarrow>=17"],
        "dev": [
            "faiss-cpu>=1.9",
            "hypothesis>=6.100",
            "ir-measures>=0.4.3",
            "mypy>=1.18",
            "pandas>=2.2",
            "polars>=1.0",
            "pyarrow>=17",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.14",
            "scipy>=1.13",
        ],
        "benchmarks": ["cornac>=3.0", "implicit>=0.7.3", "libmf>=0.9.2", "scikit-surprise>=1.1.5"],
    },
)
