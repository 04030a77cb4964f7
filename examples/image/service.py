"""Handwritten digits as a model: what comes is upright, grey, 8 by 8 and small enough before the function sees it."""

from pathlib import Path
from typing import Annotated

import joblib
import numpy as np

from modelport import Image, Service

Picture = Annotated[np.ndarray, Image(mode="L", size=(8, 8), max_pixels=4_000_000, formats=("PNG", "JPEG"))]

service = Service("digits")


@service.model("digit")
class DigitModel:
    def load(self) -> None:
        self.model = joblib.load(Path(__file__).parent / "digits.joblib")

    def predict(self, picture: Picture, top: int = 1) -> list[int]:
        """The most likely digits, the likeliest first."""
        ink = 1 - picture.reshape(1, 64) / 255
        likely = self.model.decision_function(ink)[0].argsort()[::-1]
        return [int(digit) for digit in likely[:top]]
