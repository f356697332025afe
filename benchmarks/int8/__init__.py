"""What int8 costs and what it buys: writes docs/int8.json and docs/int8.md."""
