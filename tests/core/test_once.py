"""Something expensive is made once, whoever asks, and let go of."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from acestep_core import FatalError, UserError
from acestep_core.once import Once


def test_many_threads_get_the_same_thing_made_once():
    made = []

    def make() -> object:
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    once = Once(make)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: once.get(), range(8)))
    assert found == set(made) and len(made) == 1


def test_a_failure_is_not_kept():
    answers = iter([ZeroDivisionError(), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    once = Once(make)
    with pytest.raises(ZeroDivisionError):
        once.get()
    assert once.get() == once.get() == 7


def test_what_the_user_can_mend_ends_the_work_on_a_folder():
    def make() -> int:
        raise UserError("there is no model", "give another folder")

    with pytest.raises(FatalError, match="there is no model") as caught:
        Once(make).get()
    assert caught.value.hint == "give another folder"


def test_after_dropping_it_a_new_one_is_made_and_dropping_twice_is_fine():
    numbers = iter(range(9))
    once = Once(lambda: next(numbers))
    assert once.get() == 0
    once.drop()
    once.drop()
    assert once.get() == 1


def test_alone_means_one_thread_at_a_time():
    once, inside, most = Once(lambda: "model"), [], []

    def use(_: int) -> None:
        with once.alone() as thing:
            inside.append(thing)
            most.append(len(inside))
            time.sleep(0.005)
            inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(8)))
    assert max(most) == 1
