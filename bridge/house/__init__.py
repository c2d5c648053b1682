"""The rooms of one running house, joined by `app.py`: who serves what, what leaves it, and how it changes."""
