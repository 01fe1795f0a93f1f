"""How acestep-nano is made: pieces become latents, and a small model of the original layout learns from them."""
