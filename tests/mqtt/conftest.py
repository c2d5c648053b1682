from collections.abc import Iterator

import pytest

from bridge.adapters.remote import adapter
from bridge.outlets import mqtt_commands

from .broker import Broker, running


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may begin late here: what a loaded machine makes of three seconds is not what is tested."""
    monkeypatch.setattr(adapter, "_BEGIN_WITHIN_S", 25.0)
    monkeypatch.setattr(adapter.RemoteAdapter, "command_deadline_s", 30.0)
    monkeypatch.setattr(mqtt_commands, "_OUTCOME_WITHIN_S", 25.0)
