"""A Victron AC charger on a VE.Direct line, for demonstrations and tests."""

import random

from bridge.adapters.vedirect.simulated_charger import ChargerDevice, checked_range
from bridge.adapters.vedirect.simulated_device import Nameplate
from bridge.adapters.vedirect.simulated_faults import Mischief
from bridge.adapters.vedirect.simulated_line import BEAT_S, REBOOT_S, REPLY_DELAY_S, LineSimulator
from bridge.adapters.vedirect.simulated_models import model_of
from bridge.datastore.clock import Clock, SystemClock

__all__ = ["BEAT_S", "REBOOT_S", "REPLY_DELAY_S", "ChargerSimulator"]

_HIGHEST_A = 60.0
_FIRMWARE = 0x0342


class ChargerSimulator(LineSimulator):
    """A simulated AC charger: a Blue Smart IP22 unless another product id is given.

    product_id: one of `simulated_models`. serial, name: what it calls itself. minimum_current,
    maximum_current: range of the current limit in A, up to 60; left out, the model's own. flood:
    asynchronous frames; outputs: 1 or 3; both left out, as the model has them. persistent_mode: the device
    mode is kept in flash. link_control: takes a current limit over 0x200E and 0x2015; link_obeyed: and
    follows it. seed: of everything random. charge_speed: battery seconds in a second. Raises ValueError
    for an unknown product or an impossible value.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        product_id: int = 0xA334,
        serial: str | None = None,
        name: str | None = None,
        minimum_current: float | None = None,
        maximum_current: float | None = None,
        flood: bool | None = None,
        outputs: int | None = None,
        persistent_mode: bool = False,
        link_control: bool = False,
        link_obeyed: bool = True,
        seed: int = 0,
        charge_speed: float = 1.0,
    ) -> None:
        clock = SystemClock() if clock is None else clock
        model = model_of(product_id)
        highest = model.maximum_current if maximum_current is None else maximum_current
        lowest = min(model.minimum_current, highest) if minimum_current is None else minimum_current
        dice = random.Random(seed)
        nameplate = Nameplate(
            product_id,
            f"SIMULATED {model.name}" if name is None else name,
            f"SIM2230{product_id:X}" if serial is None else serial,
            _FIRMWARE,
        )
        self.device = ChargerDevice(
            clock,
            model,
            nameplate,
            checked_range(lowest, highest, _HIGHEST_A),
            dice,
            flood=model.flood if flood is None else flood,
            outputs=model.outputs if outputs is None else outputs,
            persistent_mode=persistent_mode,
            link_control=link_control,
            link_obeyed=link_obeyed,
        )
        super().__init__(clock, self.device, Mischief(_dice=dice), charge_speed)
