"""What a batch is told of the calls in it."""

from __future__ import annotations

from modelport.kernel.context import context_of_batch, pack_chain, unpack_chain


def test_a_batch_may_run_as_long_as_any_of_its_callers_waits_and_knows_the_way_of_all() -> None:
    calls = [(5.0, pack_chain(["a", "b"]), b"first"), (9.0, b"", b"second"), (7.0, pack_chain(["c", "b"]), b"")]
    context = context_of_batch("me", calls)
    assert context == (9.0, ("a", "b", "c", "me"), b"first")


def test_a_chain_crosses_as_it_is_whatever_the_names() -> None:
    for chain in ((), ("a",), ("ä b", "c,d")):
        assert unpack_chain(pack_chain(chain)) == chain
