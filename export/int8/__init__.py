"""The int8 form: calibration, the record of it, its graph, its arithmetic."""
