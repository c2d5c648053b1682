"""`outlets:` in a site file: what is taken, and the words for what is not."""

from pathlib import Path

import pytest

from bridge.site.loader import SiteLoad, load_site
from bridge.site.outlets import AuditOutlet

FILE = "expected a file whose name ends in .jsonl or .log"
SIZE = "expected bytes or a size such as 512 KiB, 10 MiB or 1 GiB"
RANGE = "expected 4 KiB to 1 GiB"


def load(tmp_path: Path, outlets: str) -> SiteLoad:
    path = tmp_path / "site.yaml"
    path.write_text(f"outlets: {outlets}\n")
    return load_site(path, {"HOME": "/home/skipper"}, {}, lambda state, device: None)


@pytest.mark.parametrize(
    ("written", "outlet"),
    [
        ("{audit: }", AuditOutlet()),
        ("{audit: {}}", AuditOutlet(file="audit.jsonl", size=10 << 20, keep=5)),
        ("{audit: {file: /var/log/writes.log}}", AuditOutlet(file="/var/log/writes.log")),
        ("{audit: {size: 4096}}", AuditOutlet(size=4096)),
        ("{audit: {size: 4 KiB, keep: 1}}", AuditOutlet(size=4096, keep=1)),
        ("{audit: {size: 1GiB, keep: 1000}}", AuditOutlet(size=1 << 30, keep=1000)),
        ("{}", None),
        ("", None),
    ],
)
def test_taken(tmp_path: Path, written: str, outlet: AuditOutlet | None) -> None:
    found = load(tmp_path, written)
    assert found.problems == ()
    assert found.site is not None
    assert found.site.outlets.audit == outlet


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[audit]", ["1:10: found a list, expected a mapping"]),
        ("{audit: true}", ["1:18: found the boolean true, expected a mapping"]),
        ("{audti: {}}", ["1:11: found the unknown key 'audti', expected one of audit, history, metrics, mqtt, notify, web, did you mean 'audit'?"]),
        ("{web: {listen: x}}", ['1:25: found the text \'x\', expected host:port such as "0.0.0.0:502" or "[::]:502"']),
        ("{web: {key: k.pem}}", ["1:16: found a mapping, expected 'certificate' and 'key' together, or neither"]),
        ("{web: {allow: [router]}}", ["1:25: found the text 'router', expected a network such as 192.168.1.0/24, or an address"]),
        ("{audit: {file: audit.db}}", [f"1:25: found the text 'audit.db', {FILE}"]),
        ("{audit: {file: ''}}", [f"1:25: found the text '', {FILE}"]),
        ('{audit: {file: "a\\0.log"}}', [f"1:25: found the text 'a\x00.log', {FILE}"]),
        ("{audit: {file: ~nobody-here/a.log}}", [
            f"1:25: found the text '~nobody-here/a.log', {FILE}, in the home directory of somebody who has one"
        ]),
        ("{audit: {size: 10 MB}}", [f"1:25: found the text '10 MB', {SIZE}"]),
        ("{audit: {size: 1.5}}", [f"1:25: found the number 1.5, {SIZE}"]),
        ("{audit: {size: 4095}}", [f"1:25: found the number 4095, {RANGE}"]),
        ("{audit: {size: 2 GiB}}", [f"1:25: found the text '2 GiB', {RANGE}"]),
        ("{audit: {keep: 0}}", ["1:25: found the number 0, expected 1 to 1000"]),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, written: str, said: list[str]) -> None:
    found = [
        f"{problem.line}:{problem.column}: {problem.message}" + (f", {problem.hint}" if problem.hint else "")
        for problem in load(tmp_path, written).problems
    ]
    assert found == said


def test_a_relative_file_lies_in_the_state() -> None:
    assert AuditOutlet().path(Path("/var/lib/bridge")) == Path("/var/lib/bridge/audit.jsonl")
    assert AuditOutlet(file="/var/log/a.log").path(Path("/var/lib/bridge")) == Path("/var/log/a.log")
