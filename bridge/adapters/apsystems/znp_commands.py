"""The MT commands that this family uses, over zigpy-znp's ZNP as it is, without its network.

This is the only module that imports zigpy-znp: half a second and 40 MB, so it is imported in a thread and
only when a radio opens. The library builds, reads and matches frames. Port, framing and time-outs are ours:
it reads without an inter-byte time-out, and opens ports in its own way.
"""

from collections.abc import Callable

import zigpy_znp.commands as c
import zigpy_znp.config as conf
import zigpy_znp.types as t
from zigpy_znp.api import ZNP
from zigpy_znp.exceptions import CommandNotRecognized
from zigpy_znp.uart import ZnpMtProtocol

from bridge.adapters.apsystems.coordinator_events import (
    Confirm,
    DeviceInfo,
    Event,
    ResetIndication,
    Route,
    StateChange,
)
from bridge.adapters.apsystems.frames import MtFrame
from bridge.adapters.apsystems.messages import Firmware, Heard
from bridge.datastore.clock import Clock

ENDPOINT = 0x14
PROFILE = 0x0F05
_DEVICE_ID = 0x0100
_INPUT_CLUSTERS = (0x0000, 0x0015)
_EVERYBODY = 0xFFFF
_RADIUS = 0x0F
#: The library's own time-outs lie beyond all of ours, which run on the injected clock.
_NEVER_S = 86_400
#: Checked once, while this module is imported in its thread: that takes 0.2 s. The path is never opened.
_CONFIGURATION = conf.CONFIG_SCHEMA(
    {
        "device": {"path": "an open line"},
        "znp_config": {"sync_request_timeout": _NEVER_S, "async_response_timeout": _NEVER_S},
    }
)
#: What the firmware says of a command that it does not have; no status of its own.
NOT_RECOGNISED = 0x100


_WRITE = c.SAPI.ZBWriteConfiguration
_HEADER = _WRITE.Req.header
_SCHEMA = (t.Param("ConfigId", t.uint8_t), t.Param("Value", t.ShortBytes))


class _WriteConfiguration(t.CommandBase, header=_HEADER, schema=_SCHEMA):  # type: ignore[call-arg, misc]
    """ZB_WRITE_CONFIGURATION as the firmware reads it; the library's own sends a status byte before it."""


_WriteConfiguration.Req = _WriteConfiguration
_WriteConfiguration.Rsp = _WRITE.Rsp


class _InterPan(t.AddrModeAddress):  # type: ignore[misc]
    """Everybody in every PAN: mode 0F and eight FF, where the library pads with zeros."""

    def serialize(self) -> bytes:
        return b"\x0f" + 8 * b"\xff"


class _RawZnp(ZNP):  # type: ignore[misc]
    """ZNP on a line of ours, deaf to frames it does not know."""

    def __init__(self, port: str, transport: "_Transport") -> None:
        super().__init__(_CONFIGURATION)
        protocol = ZnpMtProtocol(self, url=port)
        protocol.connection_made(transport)
        # What connect(test_port=False) does, on a port that is open already.
        self._uart = protocol
        self.feed: Callable[[bytes], None] = protocol.data_received
        self.unknown = 0

    def frame_received(self, frame: object) -> bool | None:
        """Hand a frame to who waits for it; one that cannot be read is counted, not logged as an error."""
        header = getattr(frame, "header", None)
        if header not in c.COMMANDS_BY_ID:
            self.unknown += 1
            return False
        try:
            matched: bool | None = super().frame_received(frame)
        except (ValueError, KeyError):
            self.unknown += 1
            return False
        return matched


class _Transport:
    """What the library writes to."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write

    def close(self) -> None:
        """Leave the line to its owner."""


class Znp:
    """Requests to one coordinator over one open line; events go to `on_event`, in order.

    Requests raise TimeoutError after `within_s`, LineLost from `write`, and return the status of the answer
    where they say so. `feed` takes whole frames. Make a new one for a new line.
    """

    def __init__(
        self, port: str, write: Callable[[bytes], None], on_event: Callable[[Event], None], clock: Clock
    ) -> None:
        self._clock = clock
        self._on_event = on_event
        self._znp = _RawZnp(port, _Transport(write))
        self._znp.callback_for_responses(
            [
                c.SYS.ResetInd.Callback(partial=True),
                c.ZDO.StateChangeInd.Callback(partial=True),
                c.ZDO.SrcRtgInd.Callback(partial=True),
                c.AF.DataConfirm.Callback(partial=True),
                c.AF.IncomingMsg.Callback(partial=True),
            ],
            self._told,
        )

    @property
    def unknown(self) -> int:
        """Good frames that the library could not read."""
        return self._znp.unknown

    def feed(self, frame: MtFrame) -> None:
        """Take one whole frame from the coordinator."""
        self._znp.feed(frame.encode())

    def close(self) -> None:
        """End what still waits."""
        self._znp.close()

    async def ping(self, within_s: float) -> int:
        """Return the capabilities (0x0779 on the right firmware)."""
        return int((await self._request(c.SYS.Ping.Req(), within_s)).Capabilities)

    async def reset(self, *, soft: bool) -> None:
        """Restart the coordinator; a ResetIndication follows. A hard one lets a USB port vanish."""
        kind = t.ResetType.Soft if soft else t.ResetType.Hard
        await self._znp.request(c.SYS.ResetReq.Req(Type=kind))

    async def write_configuration(self, item: int, value: bytes, within_s: float) -> int:
        """Write a configuration item and return its status."""
        return await self._status(_WriteConfiguration(ConfigId=item, Value=value), within_s)

    async def register(self, within_s: float) -> int:
        """Register the endpoint that inverters talk to and return its status."""
        request = c.AF.Register.Req(
            Endpoint=ENDPOINT,
            ProfileId=PROFILE,
            DeviceId=_DEVICE_ID,
            DeviceVersion=1,
            LatencyReq=c.af.LatencyReq.NoLatencyReqs,
            InputClusters=list(_INPUT_CLUSTERS),
            OutputClusters=[],
        )
        return await self._status(request, within_s)

    async def start(self, within_s: float) -> None:
        """Let the coordinator come up; StateChange events follow."""
        await self._request(c.SAPI.ZBStartReq.Req(), within_s)

    async def device_info(self, within_s: float) -> DeviceInfo:
        """Ask who it is and whether it is up."""
        found = await self._request(c.UTIL.GetDeviceInfo.Req(), within_s)
        return DeviceInfo(
            ieee=found.IEEE.serialize()[::-1].hex(":").upper(),
            device_type=int(found.DeviceType),
            state=int(found.DeviceState),
        )

    async def send(self, short: int, cluster: int, tsn: int, data: bytes, within_s: float) -> int:
        """Send to one inverter or everybody (FFFF) and return the status; a Confirm follows."""
        request = c.AF.DataRequest.Req(
            DstAddr=short,
            DstEndpoint=ENDPOINT,
            SrcEndpoint=ENDPOINT,
            ClusterId=cluster,
            TSN=tsn,
            Options=c.af.TransmitOptions.NONE,
            Radius=_RADIUS,
            Data=data,
        )
        return await self._status(request, within_s)

    async def send_inter_pan(self, cluster: int, tsn: int, data: bytes, within_s: float) -> int:
        """Send to everybody in every PAN and return the status; what is heard follows as events."""
        request = c.AF.DataRequestExt.Req(
            DstAddrModeAddress=_InterPan(mode=t.AddrMode.Broadcast, address=_EVERYBODY),
            DstEndpoint=ENDPOINT,
            DstPanId=_EVERYBODY,
            SrcEndpoint=ENDPOINT,
            ClusterId=cluster,
            TSN=tsn,
            Options=c.af.TransmitOptions.NONE,
            Radius=_RADIUS,
            Data=data,
        )
        return await self._status(request, within_s)

    async def _status(self, request: t.CommandBase, within_s: float) -> int:
        try:
            return int((await self._request(request, within_s)).Status)
        except CommandNotRecognized:
            return NOT_RECOGNISED

    async def _request(self, request: t.CommandBase, within_s: float) -> t.CommandBase:
        async with self._clock.timeout(within_s):
            return await self._znp.request(request)

    def _told(self, said: t.CommandBase) -> None:
        event = _event(said)
        if event is not None:
            self._on_event(event)


def _event(said: t.CommandBase) -> Event | None:
    """Turn one of the library's messages into one of ours."""
    if isinstance(said, c.AF.IncomingMsg.Callback):
        return Heard(
            cluster=int(said.ClusterId),
            source=int(said.SrcAddr),
            broadcast=bool(said.WasBroadcast),
            lqi=int(said.LQI),
            data=bytes(said.Data),
            mac_source=int(said.MacSrcAddr),
            radius=int(said.MsgResultRadius),
        )
    if isinstance(said, c.AF.DataConfirm.Callback):
        return Confirm(int(said.Status), int(said.Endpoint), int(said.TSN))
    if isinstance(said, c.ZDO.SrcRtgInd.Callback):
        return Route(int(said.DstAddr), tuple(int(relay) for relay in said.Relays))
    if isinstance(said, c.ZDO.StateChangeInd.Callback):
        return StateChange(int(said.State))
    if isinstance(said, c.SYS.ResetInd.Callback):
        firmware = Firmware(
            int(said.TransportRev), int(said.ProductId), int(said.MajorRel), int(said.MinorRel),
            int(said.MaintRel),
        )  # fmt: skip
        return ResetIndication(int(said.Reason), firmware)
    return None


#: What this module leans on beyond the library's documented use.
_SEAMS = ("_uart", "frame_received", "_sync_request_lock", "callback_for_responses")


def missing_seams() -> list[str]:
    """Return what an installed zigpy-znp lacks of what this module leans on; empty where all is well."""
    znp = _RawZnp("none", _Transport(lambda _: None))
    return [name for name in _SEAMS if not hasattr(znp, name)]
