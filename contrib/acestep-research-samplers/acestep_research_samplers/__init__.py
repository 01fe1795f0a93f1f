"""Timestep samplers of the flow matching literature; one module each."""
