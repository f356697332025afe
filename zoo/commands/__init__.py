"""The larger of the zoo's commands, one a file; `zoo.__main__` registers them."""
