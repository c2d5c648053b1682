"""What a session asks again and again: the fast items in every round, the slow ones now and then."""

import math
from collections.abc import Callable
from functools import partial

from bridge.adapters.vebus_mk3 import requests
from bridge.adapters.vebus_mk3.messages import (
    Ac,
    Config,
    Dc,
    Leds,
    Lines,
    Message,
    SlotReply,
    Version,
    Winmon,
    WinmonReply,
)
from bridge.adapters.vebus_mk3.points import PHASES
from bridge.adapters.vebus_mk3.polling import RARE_S, SLOW_S, Item, Poller
from bridge.adapters.vebus_mk3.readers import RamReader
from bridge.adapters.vebus_mk3.requests import Request
from bridge.adapters.vebus_mk3.scales import POWERS, USEFUL
from bridge.adapters.vebus_mk3.settings import SettingsReader
from bridge.adapters.vebus_mk3.system import System

#: How often the interface itself is asked, which tells a restart of it.
_VERSION_S = 5.0
_SCALES_S = 0.25
#: How often something of the settings is asked at first, and once all have been read. Each answer is asked
#: for twice, so they are known after a minute and a half, and read anew every four.
_FIRST_SETTINGS_S, _SETTINGS_S = 2.0, 10.0
#: Earlier than any time, and later than the items of the first round, which are due since ever.
_AFTER_THE_FIRST_ROUND = -1e9


def add_items(poller: Poller, system: System, count_line: Callable[[], None]) -> None:
    """Hand the poller everything it is to ask of a system that has just been set up."""
    poller.add(Item("dc", requests.dc, lambda m: isinstance(m, Dc) and system.take_dc(m), essential=True))
    for phase in PHASES:
        poller.add(
            Item(
                f"ac {phase}",
                partial(_of_phase, system, phase, partial(requests.ac, phase)),
                lambda m: isinstance(m, Ac) and system.take_ac(m),
            )
        )
    poller.add(Item("leds", requests.leds, lambda m: isinstance(m, Leds) and system.take_leds(m)))
    for phase in PHASES:
        poller.add(_powers(system, phase))

    def take_config(message: Message) -> bool:
        count_line()
        return isinstance(message, Config) and system.take_config(message)

    def take_lines(message: Message) -> bool:
        return isinstance(message, Lines) and system.take_lines(message)

    def lines() -> Request:
        return requests.lines(system.panel.wanted_flags())

    poller.add(Item("config", requests.config, take_config, SLOW_S))
    poller.add(Item("lines", lines, take_lines, SLOW_S))
    _add_charge_state(poller, system)
    variables = RamReader(lambda: system.scales.supported(USEFUL), system.take_variables)
    poller.add(Item("variables", variables.request, variables.take, SLOW_S, address=0))
    for address in range(len(PHASES)):
        poller.add(_scales(system, address))
    _add_settings(poller, system)
    _add_version(poller, system)
    poller.add(Item("version", requests.version, _is_version, _VERSION_S, patient=True))


def _is_version(message: Message) -> bool:
    return isinstance(message, Version)


def _of_phase(system: System, phase: int, request: Callable[[], Request | None]) -> Request | None:
    return request() if phase <= system.phases else None


def _powers(system: System, phase: int) -> Item:
    reader = RamReader(
        lambda: system.scales.supported(POWERS, phase - 1) if system.tells_powers(phase) else (),
        partial(system.take_powers, phase),
        partial(system.scales.drop, POWERS, phase - 1),
    )
    return Item(
        f"power {phase}", partial(_of_phase, system, phase, reader.request), reader.take, address=phase - 1
    )


def _scales(system: System, address: int) -> Item:
    """Learn what was not needed for the first values: the scales of other units and of slow variables."""
    variables = USEFUL if address == 0 else POWERS
    asked: list[int] = []

    def request() -> Request | None:
        missing = system.scales.missing(variables, address)
        others = address == 0 and any(system.scales.missing(POWERS, a) for a in range(1, system.phases))
        if not missing or others or address >= system.phases:
            return None
        asked[:] = missing[:1]
        return requests.winmon(Winmon.RAM_INFO, (missing[0], 0))

    def take(message: Message) -> bool:
        if isinstance(message, SlotReply) and asked:
            system.scales.told(asked[0], address, message)
        return not system.scales.missing(variables, address)  # the next one at once

    def missed() -> None:
        if asked:
            system.scales.unanswered(asked[0], address)

    return Item(f"scales {address}", request, take, _SCALES_S, address, missed, due=_AFTER_THE_FIRST_ROUND)


def _add_charge_state(poller: Poller, system: System) -> None:
    def take(message: Message) -> bool:
        if not isinstance(message, SlotReply):
            return False
        if message.code == WinmonReply.UNKNOWN_COMMAND:
            if not system.take_charge_state(None):
                return False
            item.period_s = RARE_S
            return True
        if message.code != WinmonReply.CHARGE_STATE or len(message.data) != 2:
            return False
        return system.take_charge_state(message.data[1])

    item = Item("charge", lambda: requests.winmon(Winmon.CHARGE_STATE, (0,)), take, SLOW_S, address=0)
    poller.add(item)


def _add_settings(poller: Poller, system: System) -> None:
    """Read the settings of the master, once what belongs to the other values is known."""

    def slow_down() -> None:
        item.period_s = _SETTINGS_S

    reader = SettingsReader(system.take_setting, slow_down)

    def request() -> Request | None:
        return None if system.scales.missing(USEFUL) else reader.request()

    item = Item("settings", request, reader.take, _FIRST_SETTINGS_S, 0, reader.missed, patient=True)
    item.due = _AFTER_THE_FIRST_ROUND
    poller.add(item)


def _add_version(poller: Poller, system: System) -> None:
    """Read the unit's version once: low word, then high word, or both at once in the combined form."""
    low: list[bytes] = []

    def take(message: Message) -> bool:
        if not isinstance(message, SlotReply):
            return False
        if message.code == WinmonReply.VERSION_LOW and len(message.data) == 4:
            system.nameplate.learn(firmware=str(int.from_bytes(message.data, "little")))
        elif message.code == WinmonReply.VERSION_LOW and len(message.data) == 2 and not low:
            low.append(message.data)
            return False
        elif message.code == WinmonReply.VERSION_HIGH and len(message.data) == 2 and low:
            system.nameplate.learn(firmware=str(int.from_bytes(low.pop() + message.data, "little")))
        return True

    def request() -> Request:
        return requests.winmon(Winmon.VERSION_HIGH if low else Winmon.VERSION_LOW)

    poller.add(Item("unit version", request, take, math.inf, address=0))
