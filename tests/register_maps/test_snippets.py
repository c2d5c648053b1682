"""The files for other tools, as far as all of them are alike, and the lines for mbpoll."""

import itertools
import re

import pytest

from bridge.cli import main
from bridge.register_maps.snippets import TOOLS
from bridge.register_maps.snippets_values import Target, blocks, readables, slug_of
from tests.register_maps.plant import loaded, registers
from tests.register_maps.tools import SHIPPED, every_type, made, shipped


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_map_has_a_file_for_every_tool(name: str, tool: str) -> None:
    text = made(tool, shipped(name))
    assert text == made(tool, shipped(name))
    assert text.endswith("\n")
    assert "SPDX-License-Identifier: 0BSD" in text
    if "no meter" not in text:
        assert "192.168.1.9" in text
        assert "1502" in text


@pytest.mark.parametrize("tool", TOOLS)
def test_ipv6_hosts_stand_in_brackets_where_a_port_follows(tool: str) -> None:
    text = TOOLS[tool](shipped("bluesmart_charger"), Target("fd00::7", 1502, 20))
    assert ("[fd00::7]:1502" in text) == (tool in ("evcc", "telegraf", "node-red"))
    assert "fd00::7" in text


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/Dc/0/Voltage", "dc_0_voltage"),
        ("/Settings/ChargeCurrentLimit", "settings_charge_current_limit"),
        ("/Ac/Out/L1/V", "ac_out_l1_v"),
        ("/Controls/WMaxLimPct_WinTms", "controls_wmax_lim_pct_win_tms"),
        ("/é", "value"),
    ],
)
def test_names_in_tools(path: str, slug: str) -> None:
    assert slug_of(path) == slug


def test_a_point_stands_once_by_its_first_register_and_names_are_its_own() -> None:
    items = readables(
        loaded(
            registers(
                "address: 1, type: u16, path: /Dc/0/Voltage",
                "address: 2, type: u16, scale: 10, path: /Dc/0/Voltage",
                "address: 3, type: u16, path: /Dc/0_Voltage",
                "address: 7, type: u16, value: 7",
            )
        )
    )
    assert [(item.slug, item.register.address) for item in items if not item.status] == [
        ("dc_0_voltage", 1),
        ("dc_0_voltage_2", 3),
    ]
    assert [item.register.address for item in items if item.status] == [
        0xFE00,
        0xFE01,
        0xFE03,
        0xFE06,
        0xFE0A,
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_blocks_are_reads_that_a_unit_answers(name: str) -> None:
    found = shipped(name)
    cut = list(blocks(readables(found), found.device.hole_max))
    assert sum(map(len, cut)) == len(readables(found))
    for block in cut:
        first, last = block[0].register, block[-1].register
        assert last.end - first.address <= 125
        gaps = [b.register.address - a.register.end for a, b in itertools.pairwise(block)]
        assert max(gaps, default=0) <= found.device.hole_max
        assert len({(item.register.table, item.status) for item in block}) == 1


LINE = re.compile(
    r"mbpoll -m tcp -p 1502 -a 20 -0 -r (0x[0-9A-F]{4}) -t (\S+(?: -B)?) -c (\d+) -1 192\.168\.1\.9  # (.+)"
)


def mbpoll_lines() -> dict[int, tuple[str, str, str]]:
    text = made("mbpoll", every_type())
    found = [LINE.fullmatch(line) for line in text.splitlines() if line.startswith("mbpoll")]
    return {int(line[1], 16): (line[2], line[3], line[4]) for line in found if line}


@pytest.mark.parametrize(
    ("address", "kind", "count", "told"),
    [
        (0x3000, "4", "1", "raw / 100 V; no value: 65535"),
        (0x3001, "4", "1", "below zero: the number in brackets; no value: 32767"),
        (0x3002, "4:int -B", "1", "raw / 1/3600 kWh; no value: -1"),
        (0x3004, "4:int", "1", "no value: -1"),
        (0x3006, "4:int -B", "1", "no value: 2147483647"),
        (0x300A, "4:hex", "4", "/Counts/U64b"),
        (0x3012, "4:float -B", "1", "/Ac/Power"),
        (0x3014, "4:float", "1", "raw / 1000 W"),
        (0x3016, "4", "1", "1 on, 4 off"),
        (0x301C, "4:hex", "4", "text, two characters a register"),
        (0x302B, "4", "1", "no value: 0, 7"),
        (0x3100, "3", "1", "/Soc"),
        (0xFE06, "4:int -B", "1", "/Link/Errors"),
    ],
)
def test_mbpoll_takes_each_type_as_it_stands(address: int, kind: str, count: str, told: str) -> None:
    found = mbpoll_lines()[address]
    assert found[:2] == (kind, count)
    assert told in found[2]


@pytest.mark.parametrize(
    "line",
    [
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x3016 -t 4 192.168.1.9 1  # on",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x3016 -t 4 192.168.1.9 4  # off",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x3026 -t 4 192.168.1.9 100  # 10 A",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x3008 -t 4:int 192.168.1.9 10  # 10",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x3029 -t 4:int -B 192.168.1.9 1000  # 10",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x0000 -t 0 192.168.1.9 1  # on",
        "#   mbpoll -m tcp -p 1502 -a 20 -0 -r 0x0000 -t 0 192.168.1.9 0  # off",
    ],
)
def test_mbpoll_writes_stand_in_comments(line: str) -> None:
    assert line in made("mbpoll", every_type()).splitlines()


def test_mbpoll_writes_only_what_is_written() -> None:
    text = made("mbpoll", every_type())
    written = set(re.findall(r"^#   mbpoll .*-r (0x\w{4}) ", text, re.MULTILINE))
    assert written == {"0x3008", "0x3016", "0x3026", "0x3027", "0x3028", "0x3029", "0x3080", "0x0000"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--for", "mbpol"], "did you mean 'mbpoll'?"),
        (["--for", "excel"], "expected one of mbpoll, home-assistant, evcc, telegraf, node-red"),
        (["--for", "mbpoll", "--host", "$(reboot)"], "expected a host name or an address without a port"),
        (["--for", "mbpoll", "--host", "10.0.0.1:502"], "expected a host name or an address without a port"),
        (["--for", "mbpoll", "--unit", "300"], "--unit"),
        ([], "--for"),
    ],
)
def test_wrong_wishes_are_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["maps", "snippets", "bluesmart_charger", *arguments]) == 2
    ended = capsys.readouterr()
    assert ended.out == ""
    assert said in ended.err


@pytest.mark.parametrize(("name", "unit"), [("bluesmart_charger", 20), ("bridge", 247)])
def test_left_out_the_unit_is_that_of_the_map(
    capsys: pytest.CaptureFixture[str], name: str, unit: int
) -> None:
    assert main(["maps", "snippets", name, "--for", "mbpoll"]) == 0
    assert f" -p 502 -a {unit} " in capsys.readouterr().out
