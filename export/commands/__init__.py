"""The parts of the command line that classify pictures and print results."""
