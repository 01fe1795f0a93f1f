"""Functions that stop at their questions, and items that share the passes through a model."""

import threading

import pytest

from acestep_core.errors import OutOfMemory, UserError
from acestep_core.parts import Look
from acestep_core.suspended import Suspended
from acestep_core.together import Together


class Doubling:
    """Answers with twice x; counts who came together. `room` is how many fit."""

    def __init__(self, room=99):
        self.passes, self.room = [], room

    def velocities(self, looks):
        if len(looks) > self.room:
            raise OutOfMemory("The device has no room", "take less")
        self.passes.append([look.x for look in looks])
        return [look.x * 2 for look in looks]


def walk(start, steps):
    def work(look):
        x = start
        for _ in range(steps):
            x = look(Look(x, 0.5, None, None))
        return x

    return work


def test_suspended_work_stops_at_each_question_and_ends_with_its_result():
    s = Suspended(lambda ask: ask("a") + ask("b"))
    s.start()
    assert (s.question, s.finished) == ("a", False)
    s.answer(1)
    assert s.question == "b"
    s.answer(2)
    assert s.finished and s.result == 3


def test_suspended_work_that_fails_says_so_and_one_that_is_closed_cleans_up():
    failing = Suspended(lambda ask: 1 / 0)
    failing.start()
    assert failing.finished and isinstance(failing.error, ZeroDivisionError)
    ended = []

    def work(ask):
        try:
            ask("anything")
        finally:
            ended.append(True)

    closed = Suspended(work)
    closed.start()
    closed.close()
    assert ended == [True] and closed.finished and closed.error is None


def test_items_share_passes_and_drop_out_when_they_are_done():
    dit = Doubling()
    together = Together(dit, [walk(1, 2), walk(10, 3), walk(100, 1)])
    assert len(list(together.rounds())) == 3
    assert together.results == [4, 80, 200] and together.errors == [None] * 3
    assert dit.passes == [[1, 10, 100], [2, 20], [40]]


def test_one_item_that_fails_leaves_the_others_alone():
    def bad(look):
        look(Look(0, 0.5, None, None))
        raise UserError("this one is odd")

    together = Together(Doubling(), [walk(1, 2), bad])
    list(together.rounds())
    assert together.results[0] == 4 and together.errors[1].problem == "this one is odd"


def test_short_memory_halves_what_goes_together_and_is_told():
    dit, asked = Doubling(room=2), []
    together = Together(dit, [walk(n, 2) for n in range(1, 6)], lambda e: asked.append(e) is not None)
    list(together.rounds())
    assert together.results == [4, 8, 12, 16, 20] and together.at_once == 2 and len(asked) == 1
    assert [len(p) for p in dit.passes] == [2, 2, 1] * 2
    assert together.notes == ["The device has no room: 2 at once instead of 5"]


def test_room_that_can_be_made_is_made_first():
    dit = Doubling(room=2)

    def make_room(short):
        dit.room = 5
        return True

    together = Together(dit, [walk(n, 2) for n in range(1, 6)], make_room)
    list(together.rounds())
    assert [len(p) for p in dit.passes] == [5, 5] and together.notes == []


def test_no_room_for_a_single_item_is_an_error():
    with pytest.raises(OutOfMemory):
        list(Together(Doubling(room=0), [walk(1, 1), walk(2, 1)]).rounds())


def test_stopping_in_the_middle_ends_all_threads():
    before = threading.active_count()
    rounds = Together(Doubling(), [walk(1, 5), walk(2, 5)]).rounds()
    next(rounds)
    assert threading.active_count() == before + 2
    rounds.close()
    assert threading.active_count() == before
