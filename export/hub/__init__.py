"""A bundle on the Hugging Face Hub."""
