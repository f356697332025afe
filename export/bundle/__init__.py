"""What a bundle is: its files, how they are written, how they are checked."""
