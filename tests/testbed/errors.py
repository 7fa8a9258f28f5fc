"""The errors of the testbed itself."""


class TestbedError(Exception):
    """The testbed could not be made, or something in it did not happen in time."""

    __test__ = False
