"""`mqtt` and `remote` in a site file: what is taken, and the words for what is not."""

from pathlib import Path

import pytest

from bridge.site.families import InstalledFamilies
from bridge.site.loader import SiteLoad, load_site


def load(tmp_path: Path, text: str) -> SiteLoad:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return load_site(path, {"HOME": "/home/skipper"}, InstalledFamilies(), lambda state, device: None)


def outlet(fields: str) -> str:
    return f"outlets: {{mqtt: {{{fields}}}}}\n"


def remote(fields: str) -> str:
    return f"devices:\n  far: {{adapter: remote, {fields}}}\n"


FAR = "url: 'mqtt://hub', topic: a/b, device: charger"


@pytest.mark.parametrize(
    "text",
    [
        outlet("url: 'mqtt://localhost'"),
        outlet("url: 'mqtts://hub.example:8884', username: boat, password: x, topic: bridges/boat, interval: 1 s"),
        outlet("url: 'mqtt://[::1]:1884', points: false, bridges: false, write: false"),
        outlet("url: 'mqtt://hub', home_assistant: homeassistant"),
        remote(FAR + ", unit: 20"),
        remote(FAR + ", unit: 20, map: bluesmart_charger, stale_after: 10 s, serial: HQ1"),
    ],
)  # fmt: skip
def test_taken(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).problems == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (outlet(""), "url"),
        (outlet("url: 'http://hub'"), "expected an address such as mqtt://localhost or mqtts://broker.example:8883"),
        (outlet("url: 'mqtt://boat:secret@hub'"), "name and password go into `username` and `password_file`"),
        (outlet("url: 'mqtt://hub', ca: ca.pem"), "expected a url that begins with mqtts:// beside 'ca'"),
        (outlet("url: 'mqtts://hub', certificate: a.pem"), "expected 'certificate' and 'key' together"),
        (outlet("url: 'mqtts://hub', ca: nowhere.pem"), "found no file nowhere.pem, expected one in PEM"),
        (outlet("url: 'mqtt://hub', password: x"), "expected 'username' beside the password"),
        (outlet("url: 'mqtt://hub', topic: 'a/#'"), "expected a topic such as inverter-bridge/boathouse"),
        (outlet("url: 'mqtt://hub', topic: '/a'"), "expected a topic such as inverter-bridge/boathouse"),
        (outlet("url: 'mqtt://hub', points: false, home_assistant: ha"), "expected 'points: true'"),
        (outlet("url: 'mqtt://hub', rpi_ecu: [{device: roof, form: 3}]"), "expected a device of the family apsystems"),
        (outlet("url: 'mqtt://hub', rpi_ecu: [{device: roof, form: 1}]"), "expected 'idx' beside form 1"),
        (remote("url: 'mqtt://hub', topic: a"), "device"),
        (remote(FAR + ", ca: ca.pem"), "mqtts://"),
        (remote(FAR.replace("mqtt:", "mqtts:") + ", ca: ca.pem"), "expected the whole path of ca.pem"),
        (remote(FAR + ", stale_after: 0.1"), "expected 1 to 300"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str, said: str) -> None:
    found = load(tmp_path, text)
    assert len(found.problems) == 1, found.problems
    assert said in str(found.problems[0])
    assert found.problems[0].line in (1, 2)
