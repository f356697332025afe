"""The int8 net as plain C, and the plan of its memory."""
