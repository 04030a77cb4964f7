"""FastAPI as experts write it, asked for more than a prediction of a small row: a thread pool, numbers read and checked by
msgspec, arrays written by orjson.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import msgspec
import orjson
from fastapi import FastAPI, HTTPException, Request, Response
from pydantic import BaseModel

import tasks


class Asked(BaseModel):
    id: str


app = FastAPI()
pool = ThreadPoolExecutor(max_workers=4)
read_numbers = msgspec.json.Decoder(list[float]).decode


def in_pool(function, *values):
    return asyncio.get_running_loop().run_in_executor(pool, function, *values)


@app.post("/wait")
async def wait(asked: Asked) -> str:
    await asyncio.sleep(tasks.WAIT_S)
    return asked.id


@app.post("/hold-gil")
async def hold_gil(asked: Asked) -> str:
    await in_pool(tasks.hold_gil)
    return asked.id


@app.post("/release-gil")
async def release_gil(asked: Asked) -> str:
    await in_pool(tasks.release_gil)
    return asked.id


@app.post("/array-in")
async def array_in(request: Request) -> float:
    body = await request.body()
    try:
        return await in_pool(lambda: tasks.mean(read_numbers(body)))
    except msgspec.MsgspecError as error:
        raise HTTPException(422, str(error)) from None


@app.post("/vectors-out")
async def vectors_out(asked: Asked) -> Response:
    text = await in_pool(lambda: orjson.dumps(tasks.VECTORS, option=orjson.OPT_SERIALIZE_NUMPY))
    return Response(text, media_type="application/json")


@app.post("/image-in")
async def image_in(request: Request) -> int:
    return len(await request.body())
