"""The 5 Hz language model: what it can be asked, what it may say, and the loop in which it says it.

A backend's part `lm` runs the network and nothing else (`acestep_core.lm.speaking.LmPart`).
"""
