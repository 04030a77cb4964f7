"""What the tests that look at pages share."""

from tests.browser.visits import browser, visit

__all__ = ["browser", "visit"]
