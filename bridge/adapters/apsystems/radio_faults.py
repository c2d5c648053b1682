"""What can be wrong with a coordinator, each said so that its reader knows what to do.

RadioFault
    RadioSilent     nothing answers on the port
    WrongFirmware   a coordinator, but not with the firmware that inverters answer to
    RadioRefused    it refuses a step of its start
    NotStarted      it never comes up as coordinator
    ResetFault      the reset wire cannot be moved
    RadioDown       there is no radio now: no line, or it is being started
"""

from bridge.adapters.apsystems.messages import Firmware


class RadioFault(Exception):
    """A coordinator that cannot be used; the text says why and what to do. `word` names the kind in logs."""

    word = "radio_fault"


class RadioSilent(RadioFault):
    """Nothing answers on the port."""

    word = "radio_silent"

    def __init__(self, port: str, *, wired: bool) -> None:
        cure = "" if wired else "; without `reset_gpio` only its power switch brings a frozen one back"
        super().__init__(
            f"port {port}: found no coordinator, expected an answer at 115200 Bd: is it the right port, is "
            f"the module powered, are TX and RX crossed{cure}"
        )


class WrongFirmware(RadioFault):
    """A coordinator whose firmware takes every command, and whose questions no inverter ever answers."""

    word = "wrong_firmware"

    def __init__(self, port: str, firmware: Firmware) -> None:
        super().__init__(
            f"port {port}: found a coordinator with firmware {firmware}, expected product 2, release 2.7.2: "
            "with this one no inverter answers; flash the community's coordinator firmware for APsystems "
            "inverters (kadzsol) onto the module"
        )
        self.firmware = firmware


class RadioRefused(RadioFault):
    """It refused a step of its start."""

    word = "radio_refused"

    def __init__(self, port: str, step: str, status: int) -> None:
        super().__init__(
            f"port {port}: found status {status:02X} for {step}, expected 00: it is reset and started again; "
            "where that does not help, switch its power off and on, or flash it anew"
        )
        self.status = status


class NotStarted(RadioFault):
    """It never came up as coordinator."""

    word = "radio_not_started"

    def __init__(self, port: str, state: int | None, within_s: float) -> None:
        found = "no state" if state is None else f"state {state:02X}"
        super().__init__(
            f"port {port}: found {found} for {within_s:.0f} s after its start, expected 09 (coordinator up): "
            "it is reset and started again; where that does not help, switch its power off and on"
        )


class ResetFault(RadioFault):
    """The reset wire cannot be moved."""

    word = "reset_fault"


class RadioDown(RadioFault):
    """There is no radio to talk through now."""

    word = "radio_down"
