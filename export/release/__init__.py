"""What the zoo's maintainers run."""
