"""One file for a whole training: what to train on, how, and where to; and Kohya's files for the same."""
