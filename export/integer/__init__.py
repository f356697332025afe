"""The integer arithmetic of an int8 net, which the LiteRT and C files share: its definition and its reference."""
