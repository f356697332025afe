"""The zoo's commands. Nothing here imports PyTorch until a command has checked its arguments and does its work."""
