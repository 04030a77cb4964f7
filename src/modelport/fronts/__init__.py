"""Protocols' doors: how bytes on a socket become calls, and outcomes become answers."""
