"""Several processes without starting any."""

from acestep_core.processes import Processes


class Pretended(Processes):
    """Does the work of all of them, one after the other."""

    def __init__(self, count):
        self.count = count

    def all(self, work):
        made = []
        for rank in range(self.count):
            self.rank = rank
            made.append(work())
        self.rank = 0
        return made
