"""PyTorch programs, TorchScript and exported, from the file to the answer of the ASGI app."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, SignatureError
from tests.artifacts.zoo import ROWS, numbers
from tests.serving import same, serving

if TYPE_CHECKING:
    import torch
else:
    torch = pytest.importorskip("torch")
pandas = pytest.importorskip("pandas")

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # still what most files are

TEST = numbers(ROWS)


class Net(torch.nn.Module):  # type: ignore[misc]  # torch is Any where it is absent
    """Three scores of a row of four numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 3)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return torch.softmax(self.dropout(self.layer(x)) * scale, -1)


class Named(torch.nn.Module):  # type: ignore[misc]
    """Two inputs, and outputs with names."""

    def forward(self, image: torch.Tensor, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        weighted = image * weight[:, None]
        return {"weighted": weighted, "top": weighted.argmax(1)}


class Words(torch.nn.Module):  # type: ignore[misc]
    """A sequence of any length, and a tuple of outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(50, 3)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vectors = self.embedding(ids)
        return vectors, vectors.mean(1)


class Lonely(torch.nn.Module):  # type: ignore[misc]
    """Written for one record: it flattens whatever it gets."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, -1)[:, :4].cumsum(1)


class Mixing(torch.nn.Module):  # type: ignore[misc]
    """An output over the whole batch."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 2, x.sum()


def scripted(module: Any, folder: Path, toml: str = "") -> Path:
    """A TorchScript file, with a TOML file beside it."""
    path = folder / "model.pt"
    torch.jit.script(module).save(str(path))
    path.with_suffix(".toml").write_text(toml, encoding="utf-8")
    return path


def traced(module: Any, folder: Path, *example: Any) -> Path:
    """A traced TorchScript file."""
    path = folder / "model.pt"
    torch.jit.trace(module, example).save(str(path))
    return path


def exported(module: Any, folder: Path, *example: Any, free: Any = None) -> Path:
    """A file of `torch.export`. `free` are the dynamic shapes."""
    path = folder / "model.pt2"
    torch.export.save(torch.export.export(module.eval(), example, dynamic_shapes=free), path)
    return path


def batch(low: int = 1, high: int = 1024) -> Any:
    """A free first axis."""
    return {0: torch.export.Dim("batch", min=low, max=high)}


def check(path: Path, records: list[dict[str, Any]], wanted: list[dict[str, Any]], **options: Any) -> None:
    """A list, each record alone and the example are answered as wanted and as the documentation says."""
    with serving(path, **options) as service:
        answers = service.predict(records)
        assert all(same(a, w) for a, w in zip(answers, wanted, strict=True)), (answers[0], wanted[0])
        for record, answer in zip(records[:5], wanted, strict=False):
            assert same(service.predict(record), answer)
            service.check(answer)
        service.check(service.predict(service.signature["example"]))


def rows_of(table: Any = TEST) -> tuple[list[dict[str, Any]], Any]:
    """Records with a tensor called x, and the tensor of all of them."""
    values = table.to_numpy(dtype=np.float32, copy=True)
    return [{"x": row} for row in values.tolist()], torch.from_numpy(values)


def own(module: Any, tensor: Any) -> list[dict[str, Any]]:
    """The module's own answers, in evaluation mode."""
    with torch.inference_mode():
        return [{"output": row} for row in module.eval()(tensor).tolist()]


# -- torch.export --------------------------------------------------------------------------------------------------


def test_an_exported_program_with_a_free_batch_is_served(tmp_path: Path) -> None:
    records, tensor = rows_of()
    check(exported(Net(), tmp_path, torch.zeros(2, 4), free={"x": batch()}), records, own(Net(), tensor))


def test_an_exported_program_with_a_fixed_batch_of_one_is_served(tmp_path: Path) -> None:
    records, tensor = rows_of()
    check(exported(Net(), tmp_path, torch.zeros(1, 4)), records, own(Net(), tensor))


def test_an_exported_program_gets_no_more_records_at_once_than_it_takes(tmp_path: Path) -> None:
    records, tensor = rows_of()
    check(exported(Net(), tmp_path, torch.zeros(5, 4), free={"x": batch(4, 16)}), records, own(Net(), tensor))


def test_an_exported_program_with_a_larger_fixed_batch_takes_all_of_it_as_one_record(tmp_path: Path) -> None:
    path = exported(Net(), tmp_path, torch.zeros(3, 4))
    _, tensor = rows_of()
    wanted = [{"output": Net().eval()(tensor[i : i + 3]).tolist()} for i in (0, 3)]
    check(path, [{"x": tensor[i : i + 3].tolist()} for i in (0, 3)], wanted)


def test_exported_inputs_and_outputs_keep_names_types_and_shapes(tmp_path: Path) -> None:
    path = exported(Named(), tmp_path, torch.zeros(3, 4), torch.zeros(3), free=({0: torch.export.Dim.AUTO},) * 2)
    images = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    records = [{"weight": float(i), "image": image} for i, image in enumerate(images.tolist())]
    wanted = [{"weighted": (i * im).tolist(), "top": int((i * im).argmax())} for i, im in enumerate(images)]
    check(path, records, wanted)
    with serving(path) as service:
        signature = service.signature
        shapes = {f["name"]: (f.get("shape", []), f["dtype"]) for f in signature["inputs"]}
        assert shapes == {"image": ([4], "float32"), "weight": ([], "float32")}
        assert [(o["name"], o["dtype"]) for o in signature["outputs"]] == [("weighted", "float32"), ("top", "int64")]


def test_an_exported_sequence_may_have_any_length(tmp_path: Path) -> None:
    free = {"ids": {**batch(), 1: torch.export.Dim("length", min=1, max=64)}}
    path = exported(Words(), tmp_path, torch.zeros(2, 5, dtype=torch.long), free=free)
    vectors = Words().embedding.weight.tolist()
    with serving(path) as service:
        assert service.field("ids")["shape"] == [None]
        answers = service.predict([{"ids": [3]}, {"ids": [7]}])
        assert same(answers, [{"output_0": [vectors[i]], "output_1": vectors[i]} for i in (3, 7)])
        assert len(service.predict({"ids": [1, 2, 3, 4]})["output_0"]) == 4
        failed = service.post([{"ids": [1]}, {"ids": [50]}])
        assert [("error" in answer) for answer in failed.json()] == [False, True]
        assert service.post({"ids": [1.5]}).status_code == 422


def test_an_output_over_the_whole_batch_never_mixes_records(tmp_path: Path) -> None:
    path = exported(Mixing(), tmp_path, torch.zeros(2, 2), free={"x": batch()})
    with serving(path) as service:
        answers = service.predict([{"x": [1, 2]}, {"x": [10, 20]}])
        assert answers == [{"output_0": [2, 4], "output_1": 3}, {"output_0": [20, 40], "output_1": 30}]


# -- TorchScript ---------------------------------------------------------------------------------------------------


def test_a_scripted_module_takes_its_shape_from_the_toml_file(tmp_path: Path) -> None:
    records, tensor = rows_of()
    check(scripted(Net().train(), tmp_path, "[fields.x]\nshape = [4]"), records, own(Net(), tensor))


def test_a_scripted_module_without_shape_says_how_to_give_it(tmp_path: Path) -> None:
    path = scripted(Net(), tmp_path)
    with pytest.raises(SignatureError, match=r"in model\.toml:  \[fields\.x\]  shape = \[3, 224, 224\]  dtype = "):
        load_artifact(path, resolve({}))


def test_a_wrong_shape_is_told_at_once_with_what_the_model_said(tmp_path: Path) -> None:
    path = scripted(Net(), tmp_path, "[fields.x]\nshape = [5]")
    with pytest.raises(SignatureError, match=r"fails on an example \(x \[5\] float32\).*mat1 and mat2.*in model\.toml"):
        load_artifact(path, resolve({}))


def test_a_traced_module_knows_its_shape(tmp_path: Path) -> None:
    records, tensor = rows_of()
    check(traced(Net().eval(), tmp_path, torch.zeros(2, 4)), records, own(Net(), tensor))


def test_a_traced_shape_may_be_widened_in_the_toml_file(tmp_path: Path) -> None:
    path = traced(Words(), tmp_path, torch.zeros(2, 5, dtype=torch.long))
    path.with_suffix(".toml").write_text("[fields.ids]\nshape = [-1]", encoding="utf-8")
    with serving(path) as service:
        assert service.field("ids") == {**service.field("ids"), "shape": [None], "dtype": "int64"}
        assert len(service.predict({"ids": [1, 2]})["output_0"]) == 2


def test_a_scripted_module_takes_a_dtype_and_names_its_outputs(tmp_path: Path) -> None:
    path = scripted(Named(), tmp_path, '[fields.image]\nshape = [2]\ndtype = "float64"\n[fields.weight]\nshape = []')
    with serving(path) as service:
        answers = service.predict([{"image": [1, 2], "weight": 3}, {"image": [2, 1], "weight": 1}])
        assert answers == [{"weighted": [3, 6], "top": 1}, {"weighted": [2, 1], "top": 0}]


def test_a_module_for_one_record_at_a_time_never_gets_two(tmp_path: Path) -> None:
    with serving(scripted(Lonely(), tmp_path, "[fields.x]\nshape = [2]")) as service:
        assert service.predict([{"x": [1, 2]}, {"x": [3, 4]}]) == [{"output": [1, 3]}, {"output": [3, 7]}]


def test_columns_named_by_the_user_make_a_table_of_a_lone_row(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    TEST.to_csv(data, index=False)
    _, tensor = rows_of()
    wanted = own(Net(), tensor)
    named = TEST.astype(np.float32).astype(float).to_dict("records")
    for path in (exported(Net(), tmp_path, torch.zeros(2, 4), free={"x": batch()}), scripted(Net(), tmp_path)):
        check(path, named, wanted, data=data)
        check(path, named, wanted, features=tuple("abcd"))


def test_gaps_in_the_data_do_not_make_a_tensor_program_take_null(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    TEST.mask(TEST > 1).to_csv(data, index=False)
    with serving(scripted(Net(), tmp_path), data=data) as service:
        assert service.post({"a": None, "b": 0, "c": 0, "d": 0}).status_code == 422


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("what", ["state_dict", "module"])
def test_weights_without_code_are_refused_with_what_to_save(what: str, legacy: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(Net().state_dict() if what == "state_dict" else Net(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ArtifactError, match=r"torch\.export\.save.* or torch\.jit\.script"):
        load_artifact(path, resolve({}))


@pytest.mark.parametrize("name", ["model.pt", "model.pt2"])
def test_a_truncated_program_is_called_damaged(name: str, tmp_path: Path) -> None:
    path = scripted(Net(), tmp_path) if name == "model.pt" else exported(Net(), tmp_path, torch.zeros(1, 4))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ArtifactError, match="is damaged"):
        load_artifact(path, resolve({}))


def test_an_archive_with_damaged_parts_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/code/nothing.py", "")
    with pytest.raises(ArtifactError, match="cannot be read by PyTorch") as refused:
        load_artifact(path, resolve({}))
    assert "\n" not in str(refused.value)


def test_inputs_that_are_no_tensors_are_refused(tmp_path: Path) -> None:
    class Counted(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: torch.Tensor, times: int) -> torch.Tensor:
            return x * times

    with pytest.raises(ArtifactError, match="the input 'times' is a int; only tensors are served"):
        load_artifact(scripted(Counted(), tmp_path), resolve({}))


def test_a_program_computes_in_one_thread(tmp_path: Path) -> None:
    torch.set_num_threads(2)
    model, _ = load_artifact(exported(Net(), tmp_path, torch.zeros(1, 4)), resolve({}))
    assert torch.get_num_threads() == 1
    assert (model.cost.releases_gil, model.cost.compiled) == (True, False)
