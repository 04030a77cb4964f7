"""Train a classifier of handwritten digits on the data that scikit-learn brings along:  python train.py

Writes `digits.joblib`, and `seven.png`, a digit that the model has not seen.
"""

import joblib
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

HELD_OUT = 200


def main() -> None:
    """Train, say how good it is, save the model and one picture."""
    digits = load_digits()
    pixels, labels = digits.data / 16, digits.target
    model = SVC(gamma=0.02).fit(pixels[:-HELD_OUT], labels[:-HELD_OUT])
    print(f"right for {model.score(pixels[-HELD_OUT:], labels[-HELD_OUT:]):.0%} of {HELD_OUT} digits it has not seen")
    joblib.dump(model, "digits.joblib")
    seven = next(n for n in range(len(labels) - HELD_OUT, len(labels)) if labels[n] == 7)
    grey = np.uint8(255 - digits.images[seven] / 16 * 255)
    Image.fromarray(grey).resize((64, 64), Image.Resampling.NEAREST).save("seven.png")


if __name__ == "__main__":
    main()
