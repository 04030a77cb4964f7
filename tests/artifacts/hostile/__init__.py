"""Files made to harm whoever loads them, written from scratch for the tests."""
