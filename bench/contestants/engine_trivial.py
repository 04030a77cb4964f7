"""The least a model can do: give back what came."""

from modelport import Service

service = Service("trivial")


@service.model("trivial")
def trivial(id: str) -> str:
    return id
