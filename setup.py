"""What pyproject.toml cannot say: every package of src, and conf, which is installed as src/conf."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["src", "src.*"]), "src.conf"],
    package_dir={"src.conf": "conf"},
    package_data={"src.conf": ["*.yaml", "**/*.yaml"], "src.view": ["*.html", "*.js"]},
    exclude_package_data={"src.conf": ["local/*"]},  # this machine's own
    py_modules=["lightning_hydra_experiments"],
)
