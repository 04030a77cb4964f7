"""Messages to a shop, each with its topic, told as soon as it is known: a model that is a generator.

Who asks with `Accept: text/event-stream` gets Server-Sent Events, anybody else JSON lines.
"""

from collections.abc import Iterator
from pathlib import Path

import joblib
from pydantic import BaseModel

from modelport import Service

service = Service("topics")


class Step(BaseModel):
    """One message that is done, and how far that is."""

    text: str
    topic: str
    done: int
    of: int


@service.model("topics")
class TopicModel:
    def load(self) -> None:
        self.model = joblib.load(Path(__file__).parent / "topics.joblib")

    def predict(self, messages: list[str]) -> Iterator[Step]:
        for done, text in enumerate(messages, 1):
            yield Step(text=text, topic=str(self.model.predict([text])[0]), done=done, of=len(messages))
