// The engine's user interface is filled in here.
