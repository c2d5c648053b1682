"""Ready files for the tools that people read the bridge with, made from a map."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bridge.register_maps.format import RegisterMap
from bridge.register_maps.snippets_evcc import evcc
from bridge.register_maps.snippets_home_assistant import home_assistant
from bridge.register_maps.snippets_mbpoll import mbpoll
from bridge.register_maps.snippets_node_red import node_red
from bridge.register_maps.snippets_telegraf import telegraf
from bridge.register_maps.snippets_values import Target

#: What makes a tool's file of a map, by the tool's name on the command line.
TOOLS: Mapping[str, Callable[[RegisterMap, Target], str]] = MappingProxyType(
    {
        "mbpoll": mbpoll,
        "home-assistant": home_assistant,
        "evcc": evcc,
        "telegraf": telegraf,
        "node-red": node_red,
    }
)
