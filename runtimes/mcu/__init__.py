"""The shipped nets on microcontrollers: C on Cortex-M in QEMU, and what TensorFlow Lite Micro needs for the same."""
