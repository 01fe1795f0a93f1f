"""What came of a training, on one page that needs nothing else: facts, what is wrong with it, and the page."""
