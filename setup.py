"""The package; its tools are configured in pyproject.toml, exact versions in constraints.txt."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (HERE / "pv_vae_jax" / "__init__.py").read_text(), re.MULTILINE
).group(1)

setup(
    name="pv_vae_jax",
    version=VERSION,
    description="PV-VAE: predictive video VAEs in JAX, from data to evaluation",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["pv_vae_jax", "pv_vae_jax.*"]),
    package_data={"pv_vae_jax.analysis": ["page/*"]},  # of the report
    python_requires=">=3.11",
    # Lower bounds are the oldest versions that the tests were run on.
    install_requires=[
        "absl-py>=2.4",
        "av>=18",
        "chex>=0.1.92",
        "etils>=1.15",
        "flax>=0.12.8",
        "fsspec>=2026.9",
        "grain>=0.2.18",
        "importlib_resources>=7",  # tensorflow-datasets imports it without asking for it
        "jax>=0.10.2",
        "ml-collections>=1.1",
        "numpy>=2.4",
        "opencv-python-headless>=5",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12.8",
        "pillow>=12",
        "safetensors>=0.8",
        "scikit-image>=0.26",
        "scipy>=1.17",
        "tensorboardX>=2.6.5",
        "tensorflow-datasets>=4.9.10",
        "tqdm>=4.67",
    ],
    extras_require={
        "dev": [
            "gcp-storage-emulator>=2026.7",  # the bucket of the tests
            "gcsfs>=2026.10",
            "jinja2>=3.1.6",
            "matplotlib>=3.11",
            "pytest>=9",
            "pytest-xdist>=3.8",
            "pyyaml>=6",
            "ruff>=0.17",
            "scenedetect-headless>=0.7.2",
        ],
        "plots": ["matplotlib>=3.11"],
        "report": ["jinja2>=3.1.6", "matplotlib>=3.11"],
        "prepare": ["scenedetect-headless>=0.7.2"],
        "beam": ["apache-beam>=2.77"],
        "gcs": ["gcsfs>=2026.10"],  # runs, caches and data at gs://
        "cuda": ["jax[cuda12]"],
        "tpu": ["jax[tpu]"],
    },
)
