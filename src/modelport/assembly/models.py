"""The models of a service as one process reaches them: run here, or asked of their holders. The supervisor says which and how."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic

from modelport.assembly.application import Application, load_locally
from modelport.assembly.forms import look_up
from modelport.assembly.packing import unpack_signature
from modelport.assembly.starts import remember
from modelport.config import from_plain
from modelport.errors import SetupError
from modelport.fronts.predict import LocalLane, PredictRoute
from modelport.kernel.admission import Admission
from modelport.kernel.cost import CostModel
from modelport.runtime.channel import Channel, Message
from modelport.runtime.forms import Form, Source
from modelport.runtime.lane import HolderLane, Waiting
from modelport.runtime.lifecycle import Loaded, Slot, State
from modelport.runtime.listeners import Meeting

MAX_BATCH_ROWS = 1024
IN_PYTHON = "written in Python: whatever its code does, probes and other models answer"


class ServedModels:
    """Carries out what the supervisor tells a process about models. `on_change` hears of every change of a slot.

    `late`: this process has a model of its own, and reaches others only when that calls them.
    """

    def __init__(
        self,
        application: Application,
        meeting: Meeting,
        channel: Channel,
        on_change: Callable[[Slot], None],
        late: bool = False,
    ) -> None:
        self.application = application
        self.meeting = meeting
        self.channel = channel
        self._late = late
        self._called: set[str] = set()
        self._unknown: list[tuple[str, float, Callable[[PredictRoute], None]]] = []
        self.sources: dict[str, Source] = {}
        self._forms: dict[str, Form] = {}
        self._on_change = on_change
        self._orders: dict[str, Callable[[Message], None]] = {
            "models": self._declared,
            "look": self._look,
            "compiling": self._compiling,
            "form": self._form_decided,
            "model": self._holder_serves,
            "died": self._holder_died,
            "refused": self._refused_now,
        }

    def take(self, message: Message) -> bool:
        """Carry out an order. False where it is about something else."""
        order = self._orders.get(message["do"])
        if order is not None:
            order(message)
        return order is not None

    def slot(self, name: str) -> Slot | None:
        """Of a model; None for one of a set that came with a reload, or left with it."""
        return next((slot for slot in self.application.slots if slot.name == name), None)

    @property
    def all_ready(self) -> bool:
        """Whether every model can answer."""
        return all(slot.state is State.READY for slot in self.application.slots)

    def add(self, name: str, index: int, only: bool, source: Source | None) -> None:
        """A model that is to be served."""
        if self.slot(name) is not None:
            return
        options = self.application.options if source is None else from_plain(source["options"])
        if source is not None:
            self.sources[name] = source
            if options.allow_pickle and source["folder"] not in sys.path:  # a pickle may need the user's own modules
                sys.path.append(source["folder"])
        self.application.add(name, index, only, options).on_change.append(self._on_change)

    def reach(self, model: str, deadline: float, then: Callable[[PredictRoute], None]) -> None:
        """For a process with a model of its own: the first call of another one waits until that is there."""
        slot, route = self.slot(model), self.application.endpoints.get(f"/models/{model}/predict")
        if slot is None or route is None:  # which models there are is not known yet
            self._unknown.append((model, deadline, then))
            return
        if slot.state is not State.LOADING or slot.lane is not None:
            then(route)
            return
        if model not in self._called:
            self._called.add(model)
            form, source = self._forms.get(model), self.sources.get(model)
            if form is not None and source is not None and form["executor"] != "process":
                load_locally(self.application, slot, Path(source["target"]), form)
        when_there(slot, deadline, partial(then, route))

    # -- orders --------------------------------------------------------------------------------------------------

    def _declared(self, message: Message) -> None:
        names, saved = message["models"], message["saved"]
        for name, index in names.items():
            self.add(name, index, len(names) == 1, saved.get(name))
        unknown, self._unknown = self._unknown, []
        for call in unknown:
            self.reach(*call)

    def _look(self, message: Message) -> None:
        """Tell the supervisor what is known of an artifact; digests take their time, so in a thread."""
        threading.Thread(target=self._look_up, args=(message["model"],), name="modelport-look", daemon=True).start()

    def _look_up(self, name: str) -> None:
        source = self.sources[name]
        artifact, options = Path(source["target"]), from_plain(source["options"])
        try:
            look = look_up(artifact, options)
        except SetupError as error:
            self.channel.tell(event="failed", error=str(error))
        else:
            self.channel.tell(event="form", model=name, **look.plain())
            remember(artifact, options, look)

    def _compiling(self, message: Message) -> None:
        slot = self.slot(message["model"])
        if slot is not None:
            slot.activity = "compiling"

    def _form_decided(self, message: Message) -> None:
        """The supervisor has decided, for all of us and once."""
        name = message["model"]
        slot, source = self.slot(name), self.sources.get(name)
        if slot is None or source is None or name in self._forms:
            return
        self._forms[name], slot.activity = message, "loading"
        if message["executor"] != "process" and (not self._late or name in self._called):
            load_locally(self.application, slot, Path(source["target"]), message)

    def _holder_serves(self, message: Message) -> None:
        name = message["name"]
        slot = self.slot(name)
        if slot is None or isinstance(slot.lane, LocalLane):
            return
        loaded = _loaded(message, self._forms[name]["reason"] if name in self._forms else IN_PYTHON)
        self._refuse(slot, message["refused"])
        if slot.state is State.READY:
            slot.become_ready(loaded, slot.lane)
            return
        lane = slot.lane or self._lane(slot, message.get("parallel", 1), message.get("max_rows", MAX_BATCH_ROWS))
        if self._late:  # it connects with the first call, which waits for that
            slot.become_ready(loaded, lane)
            return
        lane.connect()
        asyncio.get_running_loop().create_task(_ready_when_connected(slot, loaded, lane))

    def _refused_now(self, message: Message) -> None:
        slot = self.slot(message["model"])
        if slot is not None:
            self._refuse(slot, message["refused"])

    def _refuse(self, slot: Slot, digests: list[str]) -> None:
        for route in self.application.endpoints.values():
            if route.slot is slot:
                route.refused = {bytes.fromhex(text) for text in digests}

    def _holder_died(self, message: Message) -> None:
        slot = self.slot(message["model"])
        if slot is None or not isinstance(slot.lane, HolderLane):
            return
        self._refuse(slot, message["refused"])
        if not message["successor"] and slot.state is State.READY:
            slot.become_loading()
        running = message["running"]
        slot.lane.died(None if running is None else frozenset(map(bytes.fromhex, running)), message["pid"])

    def _lane(self, slot: Slot, parallel: int, max_rows: int) -> HolderLane:
        application, board = self.application, self.application.board
        options = application.options_of[slot.name]
        recorder = board.recorder(application.board_slot, slot.index)
        target_s = options.latency_target or inf
        admission = Admission(options.queue_rows, max_rows, CostModel(), target_s, parallel, options.queue_bytes)
        waiting = Waiting(partial(board.waiting_rows, slot.index), partial(board.waiting_bytes, slot.index))
        path = self.meeting.address(slot.index)
        return HolderLane(path, admission, waiting, recorder.waiting, retry_lost=slot.name in self.sources)


def when_there(slot: Slot, deadline: float, then: Callable[[], None]) -> None:
    """Call back once: when the model can be asked, cannot be loaded, or when it is too late for that."""
    waiting = [then]

    def go_on(_: object = None) -> None:
        if waiting and slot.state is not State.LOADING:
            waiting.pop()()

    def give_up() -> None:
        slot.on_change.remove(go_on)
        if waiting:
            waiting.pop()()

    slot.on_change.append(go_on)
    asyncio.get_running_loop().call_later(max(0.0, deadline - monotonic()), give_up)


async def _ready_when_connected(slot: Slot, loaded: Loaded, lane: HolderLane) -> None:
    await lane.connected.wait()
    slot.become_ready(loaded, lane)


def _loaded(message: Message, reason: str) -> Loaded:
    schemas = message.get("schemas", {})
    signature = message.get("signature")
    return Loaded(
        version=message["version"],
        executor="process",
        reason=reason,
        signature=unpack_signature(signature) if signature else None,
        body_schema=schemas.get("body"),
        answer_schema=schemas.get("answer"),
        form_schema=schemas.get("form"),
        example=message.get("example"),
        notes=tuple(message.get("notes", ())),
        threads=message["threads"],
        form=message.get("form", {}),
        reads=tuple(message.get("reads", ())),
        writes=tuple(message.get("writes", ())),
        list_depth=message.get("list_depth", 0),
        streams=message.get("streams", False),
    )
