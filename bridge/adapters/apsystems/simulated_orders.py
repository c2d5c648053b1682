"""What each fault of the simulator does, and to whom."""

from collections.abc import Callable, Mapping

from bridge.adapters.apsystems.simulated_air import Air
from bridge.adapters.apsystems.simulated_coordinator import Flash, SimulatedCoordinator
from bridge.adapters.apsystems.simulated_faults import Mischief, choice, number
from bridge.adapters.apsystems.simulated_inverter import Quirks, SimulatedInverter

Order = Callable[[str], None]

_QUIRKS = ("zero_ac", "no_grid", "start_up", "repeats", "encrypted", "refuses_limit")


def flash(word: str) -> Flash:
    """Return the firmware of a name; raises ValueError."""
    names = {one.name.lower(): one for one in Flash}
    return names[choice("firmware", word, *names)]


def orders(module: SimulatedCoordinator, air: Air, mischief: Mischief) -> Mapping[str, Order]:
    """Return what begins each fault, by name; they raise ValueError for an argument that is none."""

    def put(owner: object, name: str, value: object) -> Order:
        return lambda _: setattr(owner, name, value)

    def count(name: str, default: int) -> Order:
        return lambda a: setattr(mischief, name, int(number(name, a, default)))

    def measure(owner: object, name: str, fault: str, default: float, highest: float) -> Order:
        return lambda a: setattr(owner, name, number(fault, a, default, highest))

    def each(fault: str, act: Callable[[SimulatedInverter], None]) -> Order:
        def begin(argument: str) -> None:
            for inverter in _named(air, fault, argument):
                inverter.advance()
                act(inverter)

        return begin

    def freeze(argument: str) -> None:
        module.soft_cures = choice("frozen", argument, "hard", "soft") == "soft"
        module.frozen = True

    def run_on(argument: str) -> None:
        serial, equals, seconds = argument.rpartition("=")
        for inverter in _named(air, "wrap", serial if equals else ""):
            inverter.advance()
            inverter.run_since(number("wrap", seconds, 65_500))

    def deafen(argument: str) -> None:
        for inverter in air.inverters:
            inverter.quirks.deaf_rounds = int(number("deaf_rounds", argument, 1))

    def well(_: str) -> None:
        mischief.end()
        module.frozen = module.never_up = module.usb = False
        module.boot_s = 0.0
        for inverter in air.inverters:
            inverter.darken(dark=False)
            inverter.quirks = Quirks()

    return {
        "frozen": freeze,
        "crashed": lambda _: module.crash(),
        "firmware": lambda a: setattr(module, "flash", flash(a or "stock")),
        "boot": measure(module, "boot_s", "boot", 120, 3600),
        "usb": put(module, "usb", value=True),
        "never_up": put(module, "never_up", value=True),
        "night": lambda a: setattr(mischief, "night", choice("night", a, "cd", "e9", "silence")),
        "marginal": count("marginal", 1),
        "weak": count("weak", 1),
        "late": measure(mischief, "late_s", "late", 3, 3600),
        "stranger": put(mischief, "stranger", value=True),
        "drop": measure(mischief, "drop", "drop", 0.01, 1),
        "flip": measure(mischief, "flip", "flip", 0.01, 1),
        "lose": count("lose", 1),
        "cut": count("cut", 60),
        "surplus": count("surplus", 1),
        "filler": put(mischief, "filler", value=True),
        "chunks": count("chunks", 7),
        "relays": count("relays", 1),
        "dark": each("dark", lambda one: one.darken(dark=True)),
        "restart": each("restart", SimulatedInverter.restart),
        "wrap": run_on,
        "deaf_rounds": deafen,
        "forget": each("forget", _forget),
        "well": well,
    } | {name: each(name, _quirk(name)) for name in _QUIRKS}


def _forget(inverter: SimulatedInverter) -> None:
    inverter.paired_to = None


def _quirk(name: str) -> Callable[[SimulatedInverter], None]:
    return lambda inverter: setattr(inverter.quirks, name, True)


def _named(air: Air, fault: str, argument: str) -> list[SimulatedInverter]:
    """Return the inverter of a serial number, or all; raises ValueError."""
    found = [one for one in air.inverters if argument in ("", "all", one.serial)]
    if not found:
        known = " ".join(one.serial for one in air.inverters)
        raise ValueError(f"fault {fault}: found {argument!r}, expected all or one of {known}")
    return found
