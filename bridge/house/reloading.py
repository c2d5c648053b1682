"""What differs between the site that is served and the one that is to be served."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bridge.house.hosting import Plan
from bridge.site.models import Site


class ReloadFault(Exception):
    """A site that cannot be taken while running; the text says why. The house is as it was."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of devices that are new, are others by now, or are no more."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    control: bool = False

    @classmethod
    def between(cls, former: Site, plan: Plan) -> Self:
        """Compare. A device is another one too when the map that it polls by says something else."""
        before, after = former.devices, plan.site.devices
        return cls(
            new=tuple(name for name in after if name not in before),
            changed=tuple(
                name
                for name, options in after.items()
                if name in before and (before[name] != options or options.map in plan.changed)
            ),
            gone=tuple(name for name in before if name not in after),
            control=(former.links, former.automations) != (plan.site.links, plan.site.automations),
        )

    @property
    def any(self) -> bool:
        """True where a device begins or ends, so that whoever follows devices must look again."""
        return bool(self.new or self.changed or self.gone)

    def said(self, listeners: Sequence[str]) -> str:
        """Return it in words. listeners: urls of those that were opened or closed."""
        parts = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("new:", self.new),
                ("started anew:", self.changed),
                ("removed:", self.gone),
                ("listeners:", tuple(dict.fromkeys(listeners))),
            )
            if names
        ]
        if self.control:
            parts.append("links and automations")
        return "; ".join(parts) or "no device has changed"
