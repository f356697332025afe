"""The paper's layers and nets, and the table of their names."""
