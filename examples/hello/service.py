"""Hello as a typed function: batches, limits, metrics and documentation come with it."""

from modelport import Service

service = Service("hello")


@service.model(example={"name": "Ann"})
def hello(name: str) -> dict[str, str]:
    return {"message": f"Hello! {name}"}
