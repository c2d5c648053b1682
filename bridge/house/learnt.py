"""What the saved state tells of a device before it is heard again."""

from pathlib import Path

from bridge.datastore.state import read_saved


def learnt_product(state: Path, device: str) -> str | None:
    """Return the product class a device was found to be, None where it was never seen. Needs no lock."""
    saved = read_saved(state, device, "identity")
    product = saved.get("product") if isinstance(saved, dict) else None
    return product if isinstance(product, str) and product else None
