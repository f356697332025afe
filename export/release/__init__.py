"""Tools for the zoo's maintainers."""
