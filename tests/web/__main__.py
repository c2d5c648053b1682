"""Makes the pictures of docs/page.md: `python -m tests.web`. It runs the demonstration's equipment and a browser."""

import asyncio
import os
import tempfile
from pathlib import Path

from bridge.app import House
from bridge.demo import LISTENER, simulators, site_text
from bridge.outlets.web.passwords import PasswordBook, Role
from bridge.site.families import InstalledFamilies
from bridge.site.loader import load_site
from tests.repo.checkout import ROOT

from .browsing import PASSWORDS
from .chromium import run

IMAGES = ROOT / "docs" / "images"
PATHS = ("/", "/devices/charger?span=hour", "/devices/bms", "/energy", "/events", "/site")
PHONE, DESK = {"width": 390, "scheme": "light"}, {"width": 1280, "scheme": "dark"}
#: Until every family has shown its first values, and the history has something to draw.
WARM_UP_S = 75.0
OUTLETS = 'outlets:\n  web: {listen: "127.0.0.1:0", price: 0.28, currency: EUR}\n  history: {sample: 1 s, write: 10 s}\n'


async def main() -> None:
    """Run the house, warm up, take the pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "boatyard"
        folder.mkdir()
        site = folder / "site.yaml"
        site.write_text(site_text(folder).replace(LISTENER, "127.0.0.1:0") + OUTLETS)
        PasswordBook(folder / "state").set(Role.OPERATOR, PASSWORDS[Role.OPERATOR])
        families = InstalledFamilies()
        load = load_site(site, os.environ, families, lambda state, device: None)
        assert load.site is not None, load.problems
        house = House(load, families, site_file=site)
        serving = asyncio.Event()
        async with simulators(folder):
            running = asyncio.create_task(house.run(serving.set))
            await serving.wait()
            await asyncio.sleep(WARM_UP_S)
            assert house._outside is not None
            assert house._outside.page is not None
            await run(
                "walk",
                folder,
                base=f"http://127.0.0.1:{house._outside.page.port}",
                role="operator",
                password=PASSWORDS[Role.OPERATOR],
                views=[PHONE, DESK],
                paths=PATHS,
                shots=str(IMAGES),
            )
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
