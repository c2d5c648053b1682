"""`cerbo-check`: what a Victron GX makes of a running bridge, unit by unit, or what goes wrong."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath

import click

from bridge.cli.cerbo_play import Finding, Scanned, play, same_services, scan
from bridge.cli.cerbo_serial import judge_serial
from bridge.cli.cerbo_sunspec import play_sunspec
from bridge.cli.cerbo_types import DeviceType, class_type
from bridge.cli.cerbo_wire import reach, written_address
from bridge.cli.checked import explained, load_checked
from bridge.cli.errors import FAILED, BadFile, CommandFailed
from bridge.register_maps.catalogue import Catalogue
from bridge.register_maps.class_file import fingerprint, module_name, read_stamp
from bridge.register_maps.format import Kind, RegisterMap
from bridge.site.addresses import HostPort
from bridge.site.loader import SiteLoad
from bridge.site.models import AnyListener, RtuListener, ServedUnit, TcpListener

_SUNSPEC = "SunSpec"
_SCAN_PORT = 502
_HEADLINES = {
    "shown": "a GX shows it",
    "class_file": "a GX shows it once its class file is installed",
    "not_heard": "a GX would show nothing now",
    "unknown": "a GX knows nothing like it",
    "wrong": "goes wrong",
    "other": "not for a GX",
}


@dataclass(frozen=True, slots=True)
class ClassFile:
    """A class file as it was given: its map, and what is wrong with it."""

    file: str
    map: str | None
    problem: str | None


@click.command("cerbo-check")
@click.argument("site", type=click.Path(path_type=FilePath))
@click.option("--at", metavar="HOST:PORT", help="Ask there instead of at the site's own tcp listeners.")
@click.option(
    "--class-file", "files", multiple=True, type=click.Path(path_type=FilePath),
    help="A class file that is installed on the GX; may be given again.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.pass_context
def cerbo_check(
    ctx: click.Context, site: FilePath, at: str | None, files: tuple[FilePath, ...], as_json: bool
) -> None:
    """Say what a Victron GX makes of a running bridge.

    Plays the probes and the first reads of a GX (dbus-modbus-client v1.83, dbus-fronius v1.7.20) against
    every unit of SITE. Exit status 1 when something goes wrong. Nothing is written.
    """
    load = load_checked(site)
    if load.site is None:
        raise BadFile(f"{site} cannot be used:\n{explained(load.problems)}")
    address = None if at is None else written_address(at)
    report = asyncio.run(_Check(load, address, files).run())
    click.echo(json.dumps(report.as_json(), indent=2) if as_json else report.as_text())
    ctx.exit(FAILED if report.wrong else 0)


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    units: Sequence[Finding]
    scans: Sequence[Scanned]
    class_files: Sequence[ClassFile]

    @property
    def wrong(self) -> bool:
        """True when a GX would not show what the site means it to."""
        return any(unit.problems for unit in self.units) or any(file.problem for file in self.class_files)

    def as_json(self) -> dict[str, object]:
        """Return the report as `--json` prints it."""
        return {
            "units": [asdict(unit) for unit in self.units],
            "scans": [asdict(found) for found in self.scans],
            "class_files": [asdict(file) for file in self.class_files],
        }

    def as_text(self) -> str:
        """Return the report for a person."""
        parts = [
            *(_unit_text(unit) for unit in self.units),
            *(_scan_text(found) for found in self.scans),
            *(
                f"{file.file}: {file.problem or f'is of the map {file.map} as it is now'}"
                for file in self.class_files
            ),
        ]
        return "\n\n".join(parts) or "the site serves no unit"


class _Check:
    """One run over a site."""

    def __init__(self, load: SiteLoad, at: HostPort | None, files: Iterable[FilePath]) -> None:
        assert load.site is not None  # noqa: S101 - problems were told before
        self._site = load.site
        self._units = load.units
        self._at = at
        self._catalogue = Catalogue()
        self._maps: dict[str, RegisterMap] = {}
        self._files = [self._class_file(file) for file in files]
        given = {file.map for file in self._files if file.map is not None}
        self._installed = [kind for name in sorted(given) if (kind := self._class_type(name)) is not None]

    async def run(self) -> Report:
        listeners = {listener.url: listener for listener in self._site.listeners}
        findings = [await self._unit(unit, listeners[unit.listener]) for unit in self._units]
        same_services(findings)
        scans = [
            await scan(url, self._address(listener), self._installed)
            for url, listener in listeners.items()
            if isinstance(listener, TcpListener) and self._address(listener).port == _SCAN_PORT
        ]
        return Report(findings, scans, self._files)

    async def _unit(self, unit: ServedUnit, listener: AnyListener) -> Finding:
        finding = Finding(unit.listener, unit.unit, unit.device, unit.map)
        if unit.map is None:
            finding.verdict = "not_heard"
            finding.notes.append(
                "the bridge has not learnt yet what the device is, so there is no map to judge"
            )
            return finding
        loaded = self._map(unit.map)
        if isinstance(listener, RtuListener):
            judge_serial(finding, listener, loaded, self._installed)
        elif isinstance(listener, TcpListener):
            await self._ask(finding, self._address(listener), loaded)
        else:
            finding.verdict = "other"
            finding.notes.append("a GX asks by Modbus TCP or RTU; this listener is for other masters")
        if finding.verdict == "class_file":
            name = module_name(loaded)
            finding.notes.append(
                f"make it with `inverter-bridge maps class-file {loaded.name} --install-script"
                f" > install_{name}.sh` and run that on the GX, which needs root access there"
            )
        return finding

    async def _ask(self, finding: Finding, address: HostPort, loaded: RegisterMap) -> None:
        detect = loaded.detect
        if loaded.kind is Kind.PERSONA and detect is not None and _SUNSPEC in detect.values.values():
            await play_sunspec(finding, address)
            return
        installed = any(kind.map == loaded.name for kind in self._installed)
        missing = None if installed else self._class_type(loaded.name)
        classes = [*self._installed, *([] if missing is None else [missing])]
        await play(finding, address, classes, None if missing is None else loaded.name)
        if finding.verdict == "shown":
            port = address.port
            finding.notes.append(f"enter it on the GX as tcp:ADDRESS-OF-THE-BRIDGE:{port}:{finding.unit}")
        elif finding.verdict == "unknown" and loaded.kind in (Kind.NATIVE, Kind.CLIENT):
            finding.notes.append(
                "serve it by a persona as well, which a GX knows: see `serve:` and docs/cerbo.md"
            )

    def _address(self, listener: TcpListener) -> HostPort:
        return self._at or reach(listener.tcp)

    def _map(self, name: str) -> RegisterMap:
        if name not in self._maps:
            load = self._catalogue.load(name, self._site.directory)
            if load.map is None:
                raise BadFile(f"map {name} cannot be used:\n{explained(load.errors)}")
            self._maps[name] = load.map
        return self._maps[name]

    def _class_type(self, name: str) -> DeviceType | None:
        return class_type(self._map(name))

    def _class_file(self, file: FilePath) -> ClassFile:
        try:
            stamp = read_stamp(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as fault:
            raise CommandFailed(
                f"{file}: could not be read: {getattr(fault, 'strerror', None) or fault}"
            ) from None
        if stamp is None:
            return ClassFile(
                str(file), None, "found no MAP_NAME and MAP_FINGERPRINT, expected a class file of ours"
            )
        known = self._known(stamp.map)
        if known is None:
            return ClassFile(str(file), None, f"is of the map {stamp.map}, which this bridge does not have")
        if fingerprint(known) != stamp.fingerprint:
            problem = (
                f"is of the map {stamp.map} as it was (fingerprint {stamp.fingerprint}), which is now "
                f"{fingerprint(known)}: make and install it anew with `maps class-file {stamp.map}`"
            )
            return ClassFile(str(file), stamp.map, problem)
        return ClassFile(str(file), stamp.map, None)

    def _known(self, name: str) -> RegisterMap | None:
        """Return a shipped map, or one of the site's own, which a class file names without its folder."""
        own = {unit.map for unit in self._units if unit.map is not None}
        named = next((map_name for map_name in sorted(own) if FilePath(map_name).stem == name), name)
        load = self._catalogue.load(named, self._site.directory)
        if load.map is not None:
            self._maps[name] = load.map
        return load.map


def _unit_text(unit: Finding) -> str:
    by = unit.map or "no map yet"
    lines = [f"{unit.listener} unit {unit.unit}, {unit.device} by {by}: {_HEADLINES[unit.verdict]}"]
    if unit.shown_as is not None:
        lines.append(f"  as {unit.shown_as}" + (f" ({unit.service})" if unit.service else ""))
    lines += [f"  wrong: {problem}" for problem in unit.problems]
    lines += [f"  {note}" for note in unit.notes]
    if unit.slowest_s is not None:
        lines.append(f"  slowest answer {1000 * unit.slowest_s:.0f} ms")
    return "\n".join(lines)


def _scan_text(found: Scanned) -> str:
    if found.unit is None:
        return f"{found.listener}: the network scan of a GX finds nothing there: {found.note}"
    found_there = f"finds unit {found.unit} there, {found.model}, and that alone"
    return f"{found.listener}: the network scan of a GX {found_there}"
