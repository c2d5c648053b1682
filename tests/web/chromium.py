"""A real browser: Debian's Chromium without a window, steered by Playwright."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from tests.interop.tools import SET_UP_S, missing, tool
from tests.repo.checkout import ROOT

JS = ROOT / "tests" / "web" / "js"
#: What one walk may take on a loaded machine.
WALK_S = 240.0


def chromium() -> str:
    """Return where the browser is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("a browser", "install the Debian package chromium")
    return str(found)


async def scripts() -> Path:
    """Return the folder of the scripts, their libraries installed beside them once."""
    npm = tool("npm", "npm")
    tool("node", "nodejs")
    if not (JS / "node_modules" / "playwright-core" / "package.json").exists():
        options = ("--no-package-lock", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
        done = await asyncio.create_subprocess_exec(
            npm,
            "install",
            *options,
            cwd=JS,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(SET_UP_S):
            if await done.wait():
                missing("playwright-core", "could not be installed by npm, is there a network?")
    return JS


async def run(script: str, folder: Path, **job: Any) -> Any:
    """Run a script with a job; returns what it prints. It must end well."""
    browser = chromium()
    place = await scripts()
    file = folder / f"{script}.json"
    file.write_text(json.dumps({"chromium": browser, **job}))
    process = await asyncio.create_subprocess_exec(
        tool("node", "nodejs"), str(place / f"{script}.js"), str(file),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WALK_S):
            told, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complained.decode()
    return json.loads(told)
