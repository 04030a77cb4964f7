"""An `async def` model that waits 50 ms for somebody else, and answers what it was asked."""

import asyncio

from modelport import Service

service = Service("upstream")


@service.model("upstream")
async def upstream(id: str) -> str:
    await asyncio.sleep(0.05)
    return id
