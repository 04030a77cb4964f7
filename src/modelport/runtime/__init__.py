"""The asyncio drivers of the kernel."""
