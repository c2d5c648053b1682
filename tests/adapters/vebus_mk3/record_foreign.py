"""Records what the independent victron-mk3 library says to the simulator, and how it understands the answers.

`python -m tests.adapters.vebus_mk3.record_foreign` where that library can be imported; the record is replayed by
`test_foreign_record.py` everywhere else.
"""

import asyncio
import json
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import Any

from bridge.adapters.vebus_mk3.frames import encode
from bridge.adapters.vebus_mk3.simulator import VeBusSimulator

RECORD = Path(__file__).parents[2] / "data" / "vebus" / "victron-mk3-exchanges.json"
#: A system that stands still, so that it says the same when it is asked again.
SYSTEM: dict[str, Any] = {"phases": 3, "latency": 0.0, "speed": 0.0}
_BOUND_S = 60.0


class Recorded(VeBusSimulator):
    """Keeps each frame that it hears, with the frames that it answers it by."""

    def __init__(self) -> None:
        super().__init__(**SYSTEM)
        self.exchanges: list[dict[str, Any]] = []
        answers = self.interface.answers

        def kept(data: bytes) -> list[bytes]:
            replies = answers(data)
            replied = [self.interface.wrap(reply).hex() for reply in replies]
            self.exchanges.append({"asked": encode(data).hex(), "replied": replied})
            return replies

        self.interface.answers = kept  # type: ignore[method-assign]


def plain(value: Any) -> Any:
    return int(value) if isinstance(value, Enum) else value


async def record() -> list[dict[str, Any]]:
    import victron_mk3 as foreign

    simulator = Recorded()
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "mk3"
        playing = asyncio.create_task(simulator.run(link))
        await simulator.playing.wait()
        reader = foreign.VictronMK3(str(link))
        await reader.start(foreign.Handler())

        async def step(name: str, ask: Any) -> None:
            """Ask until it is answered: before its handshake is done the library answers nothing."""
            begun = len(simulator.exchanges)
            while (answer := await ask()) is None:
                pass
            understood = {key: plain(value) for key, value in vars(answer).items()}
            exchanges = simulator.exchanges[begun:]
            steps.append({"step": name, "exchanges": exchanges, "understood": understood})

        try:
            await step("dc", reader.send_dc_request)
            for phase in (1, 2, 3):
                await step(f"ac {phase}", lambda phase=phase: reader.send_ac_request(phase))
            await step("power", reader.send_power_request)
            await step("leds", reader.send_led_request)
            await step("version", reader.send_version_request)
            await step("lines", lambda: reader.send_interface_request(None))
            for mode in (1, 2, 4, 3):
                switch = foreign.SwitchState(mode)
                await step(f"state {mode}", lambda switch=switch: reader.send_state_request(switch, 12.5))
                await step(f"config {mode}", reader.send_config_request)
            await step("state maximum", lambda: reader.send_state_request(foreign.SwitchState.ON, None))
            await step("config maximum", reader.send_config_request)
            await step("release", lambda: reader.send_interface_request(foreign.InterfaceFlags(4)))
            await step("config released", reader.send_config_request)
        finally:
            await reader.stop()
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
    return steps


def main() -> int:
    try:
        steps = asyncio.run(asyncio.wait_for(record(), _BOUND_S))
    except ImportError as missing:
        print(f"{missing}: put the victron-mk3 library where Python finds it", file=sys.stderr)
        return 1
    lines = ",\n ".join(json.dumps(step) for step in steps)
    RECORD.write_text(f"[{lines}]\n", encoding="ascii")
    print(f"{RECORD}: {len(steps)} steps, {sum(len(step['exchanges']) for step in steps)} exchanges")
    return 0


if __name__ == "__main__":
    sys.exit(main())
