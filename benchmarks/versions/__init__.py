"""`make floors` and `make pythons`: the suite with the lowest versions that setup.py allows, and on every Python."""
