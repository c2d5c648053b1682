"""The table of what is fuzzed. A target's module is imported when the target is asked for.

So that a process that fuzzes one codec loads, and counts the coverage of, that codec alone.
"""

import importlib
from collections.abc import Iterator, Mapping

from tests.fuzz.target import Target

#: Module -> the names of its targets.
_MODULES: Mapping[str, tuple[str, ...]] = {
    "vedirect": ("vedirect",),
    "vebus": ("vebus",),
    "znp_frames": ("znp_frames",),
    "masters": ("modbus_rtu_replies", "modbus_tcp_replies"),
    "can_frames": ("can_frames",),
    "can_lines": ("slcan_lines", "can_devices"),
    "inverters": ("apsystems_payloads",),
    "messages": ("exchange",),
    "texts": ("site_text", "site_slips", "map_text", "map_slips"),
    "packing": ("packing",),
    "broker": ("mqtt_commands", "mqtt_far_bridge"),
    "doorway": ("local_door",),
    "browser": ("web",),
    "files": ("trace_file", "password_file", "state_file", "history_file", "backup_file"),
    "served": ("server_tcp", "server_udp"),
    "served_lines": ("server_rtu", "server_rtu_tcp"),
}


class _Table(Mapping[str, Target]):
    def __init__(self) -> None:
        self._modules = {name: module for module, names in _MODULES.items() for name in names}

    def __getitem__(self, name: str) -> Target:
        module = importlib.import_module(f"{__name__}.{self._modules[name]}")
        found: Mapping[str, Target] = {target.name: target for target in module.TARGETS}
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


TARGETS: Mapping[str, Target] = _Table()
