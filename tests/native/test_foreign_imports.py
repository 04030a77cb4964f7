"""What is put off is imported when it is used, and is then the thing itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelport.native import foreign_imports

BEGIN = """
import sys, types
from importlib.machinery import SourceFileLoader
late = types.ModuleType("late")
SourceFileLoader("late", sys.argv[1]).exec_module(late)
late.put_off()
"""


def run(script: str) -> str:
    """In an interpreter that has imported nothing of it."""
    command = [sys.executable, "-c", BEGIN + script, str(Path(foreign_imports.__file__))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_function_is_imported_when_it_is_called() -> None:
    said = run("""
from scipy.stats import rankdata
assert "scipy.stats" in sys.modules and not hasattr(sys.modules["scipy.stats"], "__file__"), "it was imported at once"
print(rankdata([30, 10, 20]).tolist(), sys.modules["scipy.stats"].__file__.endswith("__init__.py"))
""")
    assert said == "[3.0, 1.0, 2.0] True"


def test_nothing_is_of_a_class_that_was_not_imported_and_what_is_made_of_it_later_is() -> None:
    said = run("""
import pandas as pd
print(isinstance([], pd.DataFrame), "pandas.core.frame" in sys.modules)
print(isinstance(pd.DataFrame({"a": [1]}), pd.DataFrame), isinstance([], pd.DataFrame))
""")
    assert said == "False False\nTrue False"


def test_a_version_is_told_without_an_import() -> None:
    pandas = pytest.importorskip("pandas")
    assert (
        run("import pandas; print(pandas.__version__, 'pandas.core.frame' in sys.modules)")
        == f"{pandas.__version__} False"
    )


def test_what_one_of_them_imports_is_real_when_it_is() -> None:
    said = run("""
from scipy import optimize, stats
from scipy.interpolate import BSpline
late.import_real("scipy.interpolate")
print(isinstance(BSpline.late_real(), type), optimize.minimize(lambda x: (x[0] - 2.0) ** 2, [0.0]).x.round(3).tolist())
print(stats.rankdata([2, 1]).tolist())
""")
    assert said == "True [2.0]\n[2.0, 1.0]"


@pytest.mark.slow
def test_scikit_learn_predicts_without_any_of_it() -> None:
    said = run("""
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
X, y = [[0.0, 1.0], [1.0, 0.0], [0.5, 2.0]], [0, 1, 0]
print(RandomForestClassifier(n_estimators=3, random_state=0).fit(X, y).predict(X).tolist())
print(any(isinstance(held, late.LateModule) for held in sys.modules.values()))
""")
    assert said == "[0, 1, 0]\nTrue"


def test_only_what_is_named_waits() -> None:
    said = run("""
late.put_off(["pandas"])
import pandas, scipy.spatial
print(late.still_waiting(), hasattr(sys.modules["scipy.spatial"], "__file__"))
""")
    assert said == "['pandas'] True"


def test_what_was_touched_waits_no_longer() -> None:
    said = run("""
import scipy.spatial, pandas
before = late.still_waiting()[:3]
scipy.spatial.distance.cdist([[0.0]], [[1.0]])
print(before, late.still_waiting()[:2])
""")
    assert said == "['scipy.stats', 'scipy.spatial', 'pandas'] ['scipy.stats', 'pandas']"


def test_threads_that_touch_it_together_all_get_the_thing_itself() -> None:
    said = run("""
import threading
from scipy import spatial
from scipy.spatial.distance import cdist, squareform
found, begin = [], threading.Barrier(8)
def touch(number):
    begin.wait()
    ways = [lambda: cdist([[0.0]], [[3.0]])[0][0], lambda: spatial.distance.cdist([[0.0]], [[3.0]])[0][0]]
    found.append(ways[number % 2]())
threads = [threading.Thread(target=touch, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(found), set(map(float, found)), late.still_waiting()[:2])
""")
    assert said == "8 {3.0} ['scipy.stats', 'pandas']"


def test_an_import_that_began_before_another_thread_touched_it_ends_with_the_real_one() -> None:
    said = run("""
import importlib._bootstrap as bootstrap
import scipy
spec = late.FINDER.find_spec("scipy.spatial")
late.FINDER.waiting.clear()
print(hasattr(bootstrap._load(spec), "__file__"), isinstance(sys.modules["scipy.spatial"], late.LateModule))
""")
    assert said == "True False"
