import unittest

from greeter import greet


class Greeting(unittest.TestCase):
    def test_it_greets(self) -> None:
        assert greet("you") == "Hello, you"
