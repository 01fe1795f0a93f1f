"""A training by a few questions: what is asked, what an answer must be, and the command and run file made of them."""
