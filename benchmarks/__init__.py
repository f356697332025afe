"""Timings: two things are always timed in alternation, and the result is their ratio, round by round."""
