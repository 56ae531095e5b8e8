"""Bundles that several tests read."""

import tarfile
from pathlib import Path

import pytest

STORED = Path(__file__).with_name("stored") / "before_the_house.tar.xz"


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Path:
    """Folder of an ensemble of a net and trees, written before the rooms became one package."""
    folder = tmp_path_factory.mktemp("stored")
    with tarfile.open(STORED) as archive:
        archive.extractall(folder, filter="data")
    return folder
