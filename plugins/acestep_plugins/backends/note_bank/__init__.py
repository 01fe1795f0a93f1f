"""The note bank: a codec without learned weights, whose 64 latent channels are 60 semitones and four bands of noise."""
