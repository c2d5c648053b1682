"""What others say, and whom it shows."""

import pytest

from bridge.discovery.strangers import described, named

SAID = [
    (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", "a GPS or another NMEA"),
    (b"junk\r\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\r\n", "a GPS or another NMEA"),
    (b"start\r\necho:Marlin 2.0.9\r\n", "a 3D printer"),
    (b"\nok T:21.5 /0.0 B:20.9 /0.0 @:0\n", "a 3D printer"),
    (b"\r\nGrbl 1.1h ['$' for help]\r\n", "a milling machine"),
    (b"1-0:1.8.1(000123.456*kWh)\r\n", "a smart meter's P1 port"),
    (b"\r\nRING\r\n", "a mobile modem"),
    (b"\x1a\xc1\x02\x0b\x0a\x52\x7e", "a zigbee stick with Silicon Labs"),
    (b"raspberrypi login: ", "a computer's console"),
]


@pytest.mark.parametrize(("said", "who"), SAID)
def test_who_speaks(said: bytes, who: str) -> None:
    assert str(named([b"", said])).startswith(who)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        bytes(range(256)),
        b"\r\nPID\t0xA053\r\nV\t12800\r\nChecksum\t\x0b",
        b":7F0ED0096004E\n",
        bytes.fromhex("07ff5648db1100000000"),
        b"t35180000000000000000\r",
        bytes.fromhex("2a03020001cc0a"),
    ],
)
def test_nobody_is_named_for_what_is_ours_or_noise(said: bytes) -> None:
    assert named([said]) is None


@pytest.mark.parametrize(
    ("heard", "shown"),
    [
        ([], ""),
        ([b"\x00\x01hello world\x02"], 'text such as "hello world"'),
        ([b"\xff\xfe\x80"], "3 bytes that begin with FF FE 80"),
        ([b"x" * 60], 'text such as "' + "x" * 40 + '.."'),
    ],
)
def test_what_was_heard_can_be_known_again(heard: list[bytes], shown: str) -> None:
    assert described(heard) == shown
