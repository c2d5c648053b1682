"""The AC chargers a simulator can be, and what distinguishes them on the line."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ChargerModel:
    """One product. flood: sends asynchronous frames unasked. temperature: has the text label T.

    outputs: how many have a voltage and a current of their own.
    """

    product_id: int
    name: str
    nominal_v: float
    maximum_current: float
    flood: bool = True
    temperature: bool = True
    outputs: int = 1

    @property
    def minimum_current(self) -> float:
        """The least it charges with: a quarter of its nominal current, by three independent reports."""
        return self.maximum_current / 4


#: By product id; numbers seen in captures and reports of users.
MODELS: Mapping[int, ChargerModel] = MappingProxyType(
    {
        model.product_id: model
        for model in (
            ChargerModel(0xA30A, "Blue Smart IP65 12|25", 12.0, 25.0, flood=False, temperature=False),
            ChargerModel(0xA332, "Blue Smart IP22 24|8", 24.0, 8.0),
            ChargerModel(0xA334, "Blue Smart IP22 24|12", 24.0, 12.0),
            ChargerModel(0xA336, "Blue Smart IP22 24|16", 24.0, 16.0),
            ChargerModel(0xA341, "Phoenix IP43 12|50 (3)", 12.0, 50.0, flood=False, outputs=3),
            ChargerModel(0xA343, "Phoenix IP43 24|25 (3)", 24.0, 25.0, flood=False, outputs=3),
        )
    }
)


def model_of(product_id: int) -> ChargerModel:
    """Return a model by product id; raises ValueError for one that cannot be simulated."""
    model = MODELS.get(product_id)
    if model is None:
        known = ", ".join(f"{number:#06x} ({entry.name})" for number, entry in MODELS.items())
        raise ValueError(f"product id: found {product_id:#06x}, expected one of {known}")
    return model
