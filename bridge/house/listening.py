"""The listeners of a house: made of the site file, opened and closed while the others go on serving."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bridge.adapters.line import LineFault, SerialSettings, open_line
from bridge.adapters.reconnect import RETRY_CAP_S, RETRY_FIRST_S, Backoff
from bridge.datastore.clock import Clock
from bridge.house.hosting import Hosting
from bridge.outlets.metrics_figures import ListenerFigures
from bridge.server.access import Access, Rule
from bridge.server.counters import Counters
from bridge.server.listener import TcpListener
from bridge.server.listening import Listener, ListenError
from bridge.server.mdns import MODBUS, Service
from bridge.server.rtu_line import RtuListener, SerialPort
from bridge.server.terms import Terms, TurnedAway
from bridge.server.tls import TlsFiles
from bridge.server.udp import UdpListener
from bridge.site import models
from bridge.site.models import Site

Rules = tuple[Rule, ...] | None


def access_rules(site: Site) -> tuple[Rules, Rules]:
    """Return the rules for reading and for writing, None where the site says nothing. Raises AccessError."""
    access = site.access

    def of(key: str, listed: Sequence[models.AccessRule]) -> Rules:
        rules = (Rule(entry.who, entry.role, entry.units, entry.paths) for entry in listed)
        return tuple(rules) if key in access.model_fields_set else None

    return of("read", access.read), of("write", access.write)


class Listening:
    """The listeners. `listeners` stand in the order of the site file."""

    def __init__(
        self,
        hosting: Hosting,
        access: Access,
        clock: Clock,
        counters: Counters,
        turned_away: Callable[[TurnedAway], None],
    ) -> None:
        self.listeners: list[Listener] = []
        self._written: list[models.AnyListener] = []
        self._hosting = hosting
        self._access = access
        self._clock = clock
        self._counters = counters
        self._turned_away = turned_away

    @property
    def serving(self) -> bool:
        """True while all of them serve."""
        return all(listener.serving for listener in self.listeners)

    async def start(self, site: Site) -> None:
        """Open all. Raises ListenError."""
        for listen in site.listeners:
            self.listeners.append(self._made(listen, site))
            self._written.append(listen)
            await self.listeners[-1].start()

    async def stop(self) -> None:
        """Close all."""
        for listener in self.listeners:
            await listener.stop()

    async def change(self, site: Site) -> list[str]:
        """Close what a site has no more, and open what is new. Returns the urls of both.

        Raises ListenError for one that cannot be opened; then all are as they were.
        """
        open_ = list(zip(self._written, self.listeners, strict=True))
        gone = [(written, one) for written, one in open_ if written not in site.listeners]
        fresh = [
            (listen, self._made(listen, site)) for listen in site.listeners if listen not in self._written
        ]
        later = [pair for pair in fresh if any(_clash(pair[0], written) for written, _ in gone)]
        started: list[Listener] = []
        try:
            for pair in fresh:
                if pair not in later:
                    started.append(pair[1])
                    await pair[1].start()
            for _, listener in gone:
                await listener.stop()
            for _, listener in later:
                started.append(listener)
                await listener.start()
        except ListenError:
            for listener in started:
                await listener.stop()
            for _, listener in gone:
                if not listener.serving:
                    with contextlib.suppress(ListenError):
                        await listener.start()
            raise
        known = [pair for pair in open_ if pair not in gone] + fresh
        in_order = [next(pair for pair in known if pair[0] == listen) for listen in site.listeners]
        self._written[:] = [written for written, _ in in_order]
        self.listeners[:] = [listener for _, listener in in_order]
        return [written.url for written, _ in (*gone, *fresh)]

    def figures(self) -> Iterator[ListenerFigures]:
        """Yield what each listener has to tell: its peers, and the units it serves."""
        served = list(self._hosting.units())
        for listen, listener in zip(self._written, self.listeners, strict=True):
            units = tuple(one[1:] for one in served if one[0] == listen.url)
            yield ListenerFigures(listener.terms.name, listener.serving, listener.peers, units)

    def services(self, site: Site) -> Iterator[Service]:
        """Yield what is announced of the listeners, which are open by then."""
        for listen, listener in zip(self._written, self.listeners, strict=True):
            if isinstance(listen, models.TcpListener) and isinstance(listener, TcpListener):
                name = f"Inverter Bridge {site.name} {listen.name or listen.tcp.port}"
                yield Service(MODBUS, name, listen.tcp.host, listener.address[1])

    def _made(self, listen: models.AnyListener, site: Site) -> Listener:
        terms = Terms(
            name=listen.name or listen.url,
            units=self._hosting.units_of(listen.url),
            access=self._access,
            clock=self._clock,
            counters=self._counters,
            write=listen.write,
            reply_within_s=listen.reply_within,
        )
        terms.turned_away.connect(self._turned_away)
        match listen:
            case models.TcpListener(tcp=at, connections=cap):
                return TcpListener(at.host, at.port, terms, connections_max=cap)
            case models.RtuTcpListener(rtu_tcp=at, connections=cap):
                return TcpListener(at.host, at.port, terms, connections_max=cap, rtu=True)
            case models.TlsListener(tls=at, connections=cap):
                here = site.directory
                files = TlsFiles(here / listen.certificate, here / listen.key, here / listen.client_ca)
                return TcpListener(at.host, at.port, terms, connections_max=cap, tls=files)
            case models.UdpListener(udp=at):
                return UdpListener(at.host, at.port, terms)
            case models.RtuListener(rtu=port):
                settings = SerialSettings(listen.baudrate, listen.parity, listen.stop_bits)
                pauses = Backoff(RETRY_FIRST_S, RETRY_CAP_S)
                opener = partial(open_line, port, settings, self._clock)
                return RtuListener(SerialPort(port, listen.baudrate, opener, LineFault, pauses), terms)


def _clash(one: models.AnyListener, other: models.AnyListener) -> bool:
    """True where the system would not let both be open at once."""
    if isinstance(one, models.RtuListener) or isinstance(other, models.RtuListener):
        return one.kind == other.kind and one.where == other.where
    udp = {"udp"} & {one.kind} == {"udp"} & {other.kind}
    return udp and getattr(one, one.kind).clashes(getattr(other, other.kind))
