"""Every field of every reply from its own bytes, every length that is not its own, every frame that is sent."""

import pytest

from bridge.adapters.vebus_mk3 import codec, messages

#: No two bytes alike, so that a field taken from the wrong place is seen.
COUNTED = bytes(range(0x51, 0x65))


def info(kind: int, length: int = 15) -> bytes:
    """An info frame whose bytes all differ, of this KIND."""
    return b"\x20" + COUNTED[1:5] + bytes((kind,)) + COUNTED[6:length]


def ac(kind: int, phase: int, phases: int) -> messages.Ac:
    return messages.Ac(
        phase=phase,
        phases=phases,
        state=0x55,
        mains_factor=0x52,
        inverter_factor=0x53,
        mains_voltage=b"\x57\x58",
        mains_current=b"\x59\x5a",
        inverter_voltage=b"\x5b\x5c",
        inverter_current=b"\x5d\x5e",
        period=0x5F,
    )


REPLIES: list[tuple[bytes, messages.Message]] = [
    (b"\xffV\x01\x02\x03\x84\x05", messages.Version(0x84030201, 5)),
    (b"\xffA\x01\x07", messages.AddressSet(7)),
    (b"\xffH\x05", messages.Lines(5)),
    (b"\xffL\x01\x02\x03\x04", messages.Leds(1, 2, 3, 4)),
    (b"\xffL\x01\x02\x03\x04\x05\x06", messages.Leds(1, 2, 3, 4)),
    (b"\xffS", messages.StateTaken()),
    (b"\xffS\x01", messages.StateTaken()),
    *(
        (bytes((0xFF, ord(slot), 0x85)) + data, messages.SlotReply(slot, 0x85, data))
        for slot in "WXYZ"
        for data in (b"", b"\x01", b"\x01\x02\x03\x04\x05\x06")
    ),
    (info(0x0C), messages.Dc(b"\x57\x58", b"\x59\x5a\x5b", b"\x5c\x5d\x5e", 0x5F)),
    *(
        (info(kind), ac(kind, phase, phases))
        for kind, phase, phases in (
            *((5, 4, 0), (6, 3, 0), (7, 2, 0)),
            *((8, 1, 1), (9, 1, 2), (10, 1, 3), (11, 1, 4)),
        )
    ),
    *(
        (info(kind), messages.UnitInfo(b"\x52\x53\x54\x55", kind, 0x5C5B5A59))
        for kind in (2, 3, 4, 0x20, 0x26, 0x2F)
    ),
    (info(0x0C, 20), messages.Dc(b"\x57\x58", b"\x59\x5a\x5b", b"\x5c\x5d\x5e", 0x5F)),
    (
        b"\x41" + COUNTED[1:5] + b"\x81" + COUNTED[6:13],
        messages.Config(1, False, False, 0, True, 0x5857, 0x5A59, 0x5C5B, 0x5D),
    ),
    (b"\x00", messages.Boot()),
    (b"\x00\x01", messages.Boot()),
]


@pytest.mark.parametrize(("data", "message"), REPLIES, ids=[data.hex() for data, _ in REPLIES])
def test_each_field_has_its_own_bytes(data: bytes, message: messages.Message) -> None:
    assert codec.parse(data) == message


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        *(b"\xffV" + bytes(n) for n in (0, 4, 6)),
        *(b"\xffA" + bytes(n) for n in (0, 1, 3)),
        *(b"\xffH" + bytes(n) for n in (0, 2)),
        *(b"\xffL" + bytes(n) for n in (0, 3, 5, 7)),
        *(b"\xff" + slot for slot in (b"W", b"X", b"Y", b"Z")),
        *(b"\xff" + letter + bytes(3) for letter in (b"B", b"F", b"U", b"[", b"\x00", b"\xff")),
        *(info(kind, 14) for kind in (0x02, 0x08, 0x0C)),
        *(info(kind) for kind in (0x00, 0x01, 0x0D, 0x1F, 0x30, 0xFF)),
        *(b"\x41" + bytes(n) for n in (11, 13)),
        b"\x40" + bytes(12),
        b"\x21" + bytes(14),
        b"\x01",
    ],
    ids=bytes.hex,
)
def test_what_is_not_of_the_right_length_or_kind_brings_no_value(data: bytes) -> None:
    assert codec.parse(data) == messages.Unknown(data)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (0x00, (0, False, False, 0, False)),
        (0x01, (1, False, False, 0, False)),
        (0x02, (2, False, False, 0, False)),
        (0x03, (3, False, False, 0, False)),
        (0x04, (0, True, False, 0, False)),
        (0x08, (0, False, True, 0, False)),
        (0x10, (0, False, False, 1, False)),
        (0x20, (0, False, False, 2, False)),
        (0x40, (0, False, False, 4, False)),
        (0x80, (0, False, False, 0, True)),
        (0xFF, (3, True, True, 7, True)),
    ],
)
def test_the_flags_of_a_config(flags: int, told: tuple[int, bool, bool, int, bool]) -> None:
    found = codec.parse(b"\x41" + bytes(4) + bytes((flags,)) + bytes(7))
    assert isinstance(found, messages.Config)
    assert (
        found.active_input,
        found.limit_settable,
        found.multi_control,
        found.inputs,
        found.panel_detected,
    ) == told


def sent(*data: int) -> bytes:
    frame = bytes((len(data), *data))
    return frame + bytes((-sum(frame) & 0xFF,))


@pytest.mark.parametrize(
    ("made", "data"),
    [
        (codec.encode_version(), (0xFF, 0x56)),
        (codec.encode_address(3), (0xFF, 0x41, 1, 3)),
        (codec.encode_lines(), (0xFF, 0x48)),
        (codec.encode_lines(0), (0xFF, 0x48, 0)),
        (codec.encode_lines(3), (0xFF, 0x48, 3)),
        (codec.encode_leds(), (0xFF, 0x4C)),
        *((codec.encode_info(kind), (0xFF, 0x46, kind)) for kind in (0, 1, 2, 3, 4, 5, 7)),
        (codec.encode_info(7, 2), (0xFF, 0x46, 7, 2)),
        (codec.encode_state(1, 0), (0xFF, 0x53, 1, 0, 0, 1, 0x80)),
        (codec.encode_state(2, 0x1234), (0xFF, 0x53, 2, 0x34, 0x12, 1, 0x80)),
        (codec.encode_state(3, 0x7FFF), (0xFF, 0x53, 3, 0xFF, 0x7F, 1, 0x80)),
        (codec.encode_state(4, 0x8000), (0xFF, 0x53, 4, 0x00, 0x80, 1, 0x80)),
        (codec.encode_interface_setup(), (0xFF, 0x53, 0, 0, 0, 1, 0x90, 0, 1)),
        (codec.encode_winmon("X", 0x05), (0xFF, 0x58, 0x05)),
        (codec.encode_winmon("Z", 0x30, (14, 15, 16)), (0xFF, 0x5A, 0x30, 14, 15, 16)),
    ],
)
def test_each_request_byte_for_byte(made: bytes, data: tuple[int, ...]) -> None:
    assert made == sent(*data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ()),
        (b"\x01", ()),
        (b"\x01\x02", (b"\x01\x02",)),
        (b"\x01\x02\x03", (b"\x01\x02",)),
        (b"\x01\x02\x03\x04", (b"\x01\x02", b"\x03\x04")),
    ],
)
def test_words(data: bytes, words: tuple[bytes, ...]) -> None:
    assert messages.SlotReply("X", 0x85, data).words() == words


# -- codes -------------------------------------------------------------------------------------------


def test_codes_are_those_of_the_protocol() -> None:
    """As Victron's velib has them, and as captures of MK3 interfaces show them."""
    assert {code.name: code.value for code in messages.Winmon} == {
        "VERSION_LOW": 0x05,
        "VERSION_HIGH": 0x06,
        "CHARGE_STATE": 0x0E,
        "READ_RAM": 0x30,
        "READ_SETTING": 0x31,
        "SETTING_INFO": 0x35,
        "RAM_INFO": 0x36,
    }
    assert {code.name: code.value for code in messages.WinmonReply} == {
        "UNKNOWN_COMMAND": 0x80,
        "VERSION_LOW": 0x82,
        "VERSION_HIGH": 0x83,
        "RAM": 0x85,
        "SETTING": 0x86,
        "SETTING_SCALE": 0x89,
        "SETTING_OFFSET": 0x8A,
        "SETTING_DEFAULT": 0x8B,
        "SETTING_MINIMUM": 0x8C,
        "SETTING_MAXIMUM": 0x8D,
        "SCALE": 0x8E,
        "OFFSET": 0x8F,
        "NO_RAM": 0x90,
        "NO_SETTING": 0x91,
        "CHARGE_STATE": 0x94,
    }
    assert [state.name for state in sorted(messages.DeviceState)] == [
        *("DOWN", "STARTUP", "OFF", "SLAVE", "INVERTING", "HALF_WAVE", "SEARCHING", "POWER_ASSIST"),
        *("BYPASS", "CHARGE"),
    ]
    assert sorted(messages.DeviceState) == list(range(10))
    led, switch, line = messages.Led, messages.Switch, messages.Line
    assert [led.MAINS, led.ABSORPTION, led.BULK, led.FLOAT] == [1, 2, 4, 8]
    assert [led.INVERTER, led.OVERLOAD, led.LOW_BATTERY, led.TEMPERATURE] == [16, 32, 64, 128]
    assert [switch.REMOTE_CHARGE, switch.REMOTE_INVERT, switch.FRONT_UP, switch.FRONT_DOWN] == [1, 2, 4, 8]
    assert [switch.CHARGE, switch.INVERT, switch.ONBOARD_REMOTE, switch.GENERATOR] == [16, 32, 64, 128]
    assert [line.PANEL_DETECT, line.STANDBY, line.UNKNOWN_2] == [1, 2, 4]
    assert (codec.SLOTS, codec.LIMIT_MAXIMUM) == ("XYZ", 0x8000)
