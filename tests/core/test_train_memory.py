"""A forecast where it cannot be made: backends that say nothing, adapters that break without values."""

from pathlib import Path

import pytest

from acestep_core import Backend, UserError
from acestep_core.api import Adapter
from acestep_core.jobs import SongSize, TrainDemand, TrainWork
from acestep_core.planning import RESERVE
from acestep_core.train_memory import Forecast, forecast
from acestep_core.train_settings import TrainSettings


class Silent(Backend):
    name = "silent"

    def load(self, part, folder):
        raise NotImplementedError


class Broken(Silent):
    name = "broken"
    error = NotImplementedError("no values\nat all")

    def train_demand(self, folder, work):
        raise self.error


class Some(Adapter):
    name = "some"

    def attach(self, decoder):
        raise NotImplementedError

    recognises = from_files = attach


def work():
    return TrainWork(TrainSettings(), Some(), [SongSize(1500, 400)])


def test_a_backend_that_says_nothing_is_told():
    found = forecast(Silent(), Path(), work(), 10)
    assert (found.demand, found.needed, found.fits) == (None, None, None)
    assert list(found.sentences()) == ["memory: not known beforehand (the backend 'silent' does not say it)"]


def test_an_adapter_that_cannot_be_rehearsed_stops_nothing():
    found = forecast(Broken(), Path(), work(), 10)
    assert "some could not be rehearsed: NotImplementedError: no values" in next(found.sentences())


def test_what_the_user_did_wrong_is_an_error():
    class Refusing(Broken):
        error = UserError("No layer is chosen", "choose one")

    with pytest.raises(UserError, match="No layer is chosen"):
        forecast(Refusing(), Path(), work(), 10)


def test_the_largest_part_is_told_first():
    demand = TrainDemand(2 * 10**9, 10**8, 0, 2 * 10**8, 10**8, 3 * 10**9, "training", 5)
    found = Forecast(demand, 24 * 10**9)
    assert found.needed == 54 * 10**8 + RESERVE and found.fits is True
    assert list(found.sentences()) == [
        "memory: about 5.9 GB of 24.0 GB free: activations 3.0, weights 2.0, driver and gaps 0.5, optimizer 0.2, "
        "gradients 0.1, adapter 0.1"
    ]
