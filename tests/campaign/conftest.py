"""One server for every sample of the campaign: most of a sample's time is what it takes to load the libraries."""

from collections.abc import Iterator

import pytest

from campaign.command import Strop


@pytest.fixture(scope="session")
def strop() -> Iterator[Strop]:
    with Strop() as started:
        yield started
