"""Short pieces of music whose tempo, key and metre are known, made from a seed."""
