"""A link in a site file, on a running bridge: the source is heard, the target follows and refuses others."""

from collections.abc import Callable
from typing import Any

from tests.house.test_first_light import LIMIT, ready

#: The battery's 24 to 30 V become 12.0 A.
LINK = (
    "links: [{from: 'charger:/Dc/0/Voltage', to: 'charger:/Settings/ChargeCurrentLimit', "
    "factor: 0.001, offset: 12}]\n"
)


async def test_a_link_feeds_its_target_which_refuses_others(boathouse: Callable[..., Any]) -> None:
    house = await boathouse(start=False)
    house.site.write_text(house.site.read_text() + LINK)
    await house.start()
    async with house.master() as master:
        await ready(house, master)
        await master.until(LIMIT, 120)
        assert (await master.write(LIMIT, 100)).exception == 0x02
        assert (await master.read(LIMIT)).words == [120]
