"""Survivors that were looked at and left, each with its reason."""

from dataclasses import dataclass
from pathlib import Path

from tests.mutation.operators import Mutant


@dataclass(frozen=True)
class Accepted:
    """The file `accepted.txt`: a module, then for each of its survivors `- was`, `+ becomes` and `= reason`.

    Spaces count once; equal changes of equal lines of one module share an entry.
    """

    reasons: dict[tuple[str, str, str], str]

    @classmethod
    def read(cls, path: Path) -> "Accepted":
        """Read the file; raises ValueError where an entry has no reason."""
        reasons: dict[tuple[str, str, str], str] = {}
        module = was = becomes = ""
        for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
            mark, text = line[:1], " ".join(line[1:].split())
            if mark == "-":
                was, becomes = text, ""
            elif mark == "+":
                becomes = text
            elif mark == "=":
                if not (module and was and becomes and text):
                    raise ValueError(
                        f"{path}:{number}: found a reason, expected module, - and + lines before it"
                    )
                reasons[module, was, becomes] = text
                becomes = ""
            elif line.strip() and not line.startswith("#"):
                module = line.strip()
        return cls(reasons)

    def reason(self, mutant: Mutant) -> str | None:
        """Why this survivor is left, or None."""
        return self.reasons.get((mutant.module, mutant.was, mutant.becomes))

    def without_a_mutant(self, everything: list[Mutant]) -> list[tuple[str, str, str]]:
        """Return the entries of the mutants' modules that no mutant has any more."""
        modules = {m.module for m in everything}
        tried = {(m.module, m.was, m.becomes) for m in everything}
        return sorted(entry for entry in self.reasons if entry[0] in modules and entry not in tried)
