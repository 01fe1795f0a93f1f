"""Small pieces of music from a seed: composed, rendered and described, with labels that are right by construction."""
