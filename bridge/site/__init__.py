"""The site file: YAML with positions, checked models, and errors like a compiler's."""
