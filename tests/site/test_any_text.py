"""Invariant: any text is a site, or errors that all carry a place inside the file; never an exception."""

from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.register_maps.positions import lines_of
from bridge.site.loader import load_site
from tests.site.conftest import FAMILIES, MAPS

WORDS = """
site timezone state log level devices listeners tcp udp name units reply_within access read write serve unit
map device role sources adapter port product serial wear per_day lease safe time include links password
password_file poll resume_within a b /Mode
"""
WRITTEN = """
vedirect bench modbus 0.0.0.0:502 [::]:502 127.0.0.1/8 /dev/ttyUSB0 socket://h:1 auto ac_charger 20 247 -1
1e999 .nan ~ true on 0x10 30s ${A} ${A:-x} ${ *x &x !!int lan bluesmart_charger ./no.yaml info
"""
KEYS = st.sampled_from(WORDS.split())
SCALARS = st.one_of(
    st.sampled_from(WRITTEN.split()),
    st.integers(-(10**30), 10**30).map(str),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(KEYS, inner, max_size=5).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=20,
)
SITES = st.lists(st.tuples(KEYS, VALUES), max_size=6).map(
    lambda pairs: "\n".join(f"{key}: {value}" for key, value in pairs)
)
#: A right site, of which a part is then overwritten.
RIGHT = """\
site: Boathouse
listeners: [{tcp: "0.0.0.0:502", name: lan, units: [20, 21, 247]}]
devices:
  charger: {adapter: vedirect, port: /dev/ttyUSB0, unit: 20, wear: {per_day: 5}, lease: {/Mode: 1 h}, safe: 4}
  meter: {adapter: bench, unit: 21, poll: 500 ms}
serve:
  - {unit: 22, map: personas/lan_meter, device: meter, listeners: [lan]}
"""
DAMAGED = st.builds(
    lambda start, length, text: RIGHT[:start] + text + RIGHT[start + length :],
    st.integers(0, len(RIGHT)),
    st.integers(0, 12),
    st.one_of(st.text(max_size=6), SCALARS),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(text=st.one_of(SITES, DAMAGED, st.text(max_size=80)))
@example("a: !!int {}")
@example("include: [[]]")
@example("devices: {a: {adapter: bench, unit: " + "9" * 5000 + "}}")
@example("? \n: \n")
@example("state: ~nobody/x")
@example("state: 'a\\0b'")
@example('state: "a\\0b"')
@example('timezone: "\\0"')
@example("listeners: [{tcp: '[::1%eth0]:502'}]")
@example("access: {read: ['::1%1/64', '1.2.3.4/33', '']}")
@example("devices: &a {x: {adapter: bench, lease: {? '' : 1}}}")
def test_any_text_is_a_site_or_errors_with_places(tmp_path: Path, text: str) -> None:
    path = tmp_path / "site.yaml"
    written = text.encode("utf-8", "replace")
    path.write_bytes(written)
    found = load_site(path, {"A": "20", "HOME": str(tmp_path)}, FAMILIES, lambda state, device: None, MAPS)
    assert (found.site is None) == bool(found.problems)
    lines = lines_of(written.decode())
    for problem in (*found.problems, *found.warnings):
        assert problem.file == str(path)
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert problem.message
