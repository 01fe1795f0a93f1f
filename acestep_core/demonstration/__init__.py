"""What `demo` shows: prompts, what is measured of clips before and after a training, and their pictures."""
