"""The remote panel that an MK3 is to a unit: whether the unit sees one, and what that does to it.

A freshly powered MK3 pulls the panel-detect line. A unit that starts with a panel detected does not follow
its front switch, it waits for the panel's mode. So a bridge that only listens takes the panel away where
the unit is meant to run, and a bridge that has been given a mode keeps the panel and says the mode again.
Where the unit's remote mode is off somebody wanted it off: there the panel stays, for without it the unit
would start.
"""

import logging

from bridge.adapters.vebus_mk3.messages import Config, Line, Lines, Switch
from bridge.adapters.vebus_mk3.options import VeBusOptions
from bridge.adapters.vebus_mk3.points import HAND_BACK, MODE, STANDBY
from bridge.adapters.vebus_mk3.readings import (
    CHARGER_ONLY,
    INVERTER_ONLY,
    OFF,
    allowed_mode,
    effective_mode,
    remote_mode,
)
from bridge.datastore.device import Device

_log = logging.getLogger(__name__)

_CONTROLLED = Line.PANEL_DETECT | Line.STANDBY
#: Switches that start a unit by hand.
_STARTERS = Switch.FRONT_UP | Switch.FRONT_DOWN
_HALVES = {CHARGER_ONLY: "charger only", INVERTER_ONLY: "inverter only"}
#: Config frames, two seconds apart, after which a unit that is still dark hears its mode again.
_TOLD_AGAIN = 20


class Panel:
    """What is known of a system's lines and switches, and what the lines should be."""

    def __init__(self, device: Device, options: VeBusOptions) -> None:
        self.flags: int | None = None
        self.config: Config | None = None
        #: A mode is in force that the datastore does not hold, since the site leases it.
        self.leased = False
        self._commands = 0
        self._device = device
        self._options = options
        self._released = False
        self._told = False
        #: Config frames in a row in which the unit was dark without a reason that they would tell.
        self._dark = 0

    @property
    def commanded(self) -> bool:
        """True once the bridge has been given a mode, until it is handed back."""
        return self.leased or self._device.held(MODE) is not None

    @property
    def standby(self) -> bool:
        """Whether the standby line is to be pulled while the bridge commands."""
        wish = self._device.held(STANDBY)
        return self._options.standby if wish is None else bool(wish)

    @property
    def allow_sleep(self) -> bool:
        """Whether the unit may be switched off so that it falls asleep."""
        return self._options.allow_sleep

    def powered(self) -> None:
        """Begin anew with an interface that has just been powered or opened."""
        self.flags = self.config = None
        self._released = self._told = False

    def lines_seen(self, reply: Lines) -> None:
        """Take the lines as the interface tells them."""
        self.flags = reply.flags

    def config_seen(self, config: Config) -> bool:
        """Take the switches as the unit tells them; True when it waits to be told its mode again.

        That is so when it has just been switched on by hand, and when it is dark though its switches and its
        remote mode would let it run: it was switched on while nobody listened.
        """
        before, self.config = self.config, config
        dark = effective_mode(config) == OFF != allowed_mode(config)
        self._dark = self._dark + 1 if dark else 0
        if self._dark % _TOLD_AGAIN == 1:
            return True
        if before is None:
            return False
        by_front = not before.switches & _STARTERS and bool(config.switches & _STARTERS)
        by_terminals = ~before.switches & config.switches & Switch.ONBOARD_REMOTE
        return by_front or bool(by_terminals)

    def commanded_flags(self, *, standby: bool) -> int:
        """Return the lines of a bridge in command; the undocumented bits stay as they are."""
        kept = (self.flags or 0) & ~_CONTROLLED
        return kept | Line.PANEL_DETECT | (Line.STANDBY if standby else 0)

    def released_flags(self) -> int:
        """Return the lines without a panel."""
        return (self.flags or 0) & ~_CONTROLLED

    def wanted_flags(self) -> int | None:
        """Return the lines to pull now; None to leave them and only ask.

        They are volatile, so those of a bridge in command are sent again and again.
        """
        if self._commands:
            return None
        if self.commanded:
            return self.commanded_flags(standby=self.standby)
        if self._released or self.flags is None or not self.flags & Line.PANEL_DETECT:
            return None
        if self._may_release():
            self._released = True
            self._tell_release()
            return self.released_flags()
        return None

    def begin(self) -> None:
        """Take note of a command: from now on the panel is no more taken away unasked."""
        self._commands += 1
        self._released = True

    def end(self) -> None:
        """Take note of a command's end."""
        self._commands -= 1

    def present_mode(self) -> int:
        """Return the mode that changes nothing: the remote one, or what runs while no panel is detected."""
        if self.config is None:
            return OFF
        mode = remote_mode(self.config)
        return mode if mode != OFF else effective_mode(self.config)

    def _tell_release(self) -> None:
        """Say what follows: a mode of one half ends with the panel, and the switch may allow the other."""
        half = None if self.config is None else _HALVES.get(remote_mode(self.config))
        if half is None:
            _log.info(
                "device=%s panel-detect released: the unit follows its own switches until a mode is written",
                self._device.name,
            )
        else:
            _log.warning(
                "device=%s panel-detect released: the unit was %s by remote mode and now follows its own "
                "switches; to keep it so write %s, or set `panel_detect: leave` in the site file",
                self._device.name, half, MODE,
            )  # fmt: skip

    def _may_release(self) -> bool:
        policy = self._options.panel_detect
        if policy != "auto":
            return policy == "release"
        if self.config is None:
            return False
        if remote_mode(self.config) != OFF:
            return True
        if not self._told:
            self._told = True
            _log.warning(
                "device=%s panel-detect is left on: the unit's remote mode is off, so it stays off until a "
                "mode is written to %s; to give it back to its own switches write 1 to %s",
                self._device.name, MODE, HAND_BACK,
            )  # fmt: skip
        return False
