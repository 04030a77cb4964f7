"""Options, declared once: command-line flags, environment variables, `modelport.toml` keys and keyword arguments.

Each field of `ServeOptions` is `--its-name`, `MODELPORT_ITS_NAME` and `its_name = …`. What is said nearest to the call wins:
flag or keyword, then environment, then file, then the default. An unknown key is refused and the nearest known one named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from modelport.errors import ArtifactError, ConfigError
from modelport.kernel.names import RULE, is_name, suggest_name

FILE_NAME = "modelport.toml"
ENV_PREFIX = "MODELPORT_"
_KUBERNETES = ("MODELPORT_SERVICE_", "MODELPORT_PORT_")

Parse = Callable[[Any], Any]


def _int(low: int, high: int) -> Parse:
    def parse(value: Any) -> int:
        try:
            number = int(value) if not isinstance(value, (bool, float)) else None
        except (TypeError, ValueError):
            number = None
        if number is None or not low <= number <= high:
            raise ValueError(f"a whole number from {low:,} to {high:,}")
        return number

    return parse


def _workers(value: Any) -> int | None:
    if value in ("auto", None):
        return None
    try:
        return int(_int(1, 256)(value))
    except ValueError:
        raise ValueError("auto, or a whole number from 1 to 256") from None


_UNITS = {
    "": 1,
    "b": 1,
    "k": 2**10,
    "kib": 2**10,
    "kb": 1000,
    "m": 2**20,
    "mib": 2**20,
    "mb": 10**6,
    "g": 2**30,
    "gib": 2**30,
    "gb": 10**9,
}


def _size(value: Any) -> int:
    text = str(value).strip().lower().replace("_", "")
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(digits) :].strip()
    try:
        size = int(float(digits) * _UNITS[unit])
    except (ValueError, OverflowError, KeyError):
        size = 0
    if size < 1 or isinstance(value, bool):
        raise ValueError("a size such as 16MiB, 500kB or 1048576")
    return size


def _seconds(value: Any) -> float:
    text = str(value).strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    try:
        seconds = float(digits) * {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0}[text[len(digits) :].strip()]
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds <= 86_400 or isinstance(value, bool):
        raise ValueError("a duration such as 30s, 50ms or 2.5")
    return seconds


def _some_seconds(value: Any) -> float:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("a duration above 0, such as 30s, 50ms or 2.5")
    return seconds


def _path(value: Any) -> Path:
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise ValueError("a path")
    return Path(value)


def _paths(value: Any) -> tuple[Path, ...]:
    parts = value.split(",") if isinstance(value, str) else [value] if isinstance(value, os.PathLike) else value
    if not isinstance(parts, (list, tuple)) or not all(
        isinstance(p, (str, os.PathLike)) and str(p).strip() for p in parts
    ):
        raise ValueError("a path, or a list of paths")
    return tuple(Path(part.strip() if isinstance(part, str) else part) for part in parts)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError(RULE)
    return value


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not parts or not all(isinstance(p, str) and p.strip() for p in parts):
        raise ValueError("names separated by commas")
    return tuple(part.strip() for part in parts)


def _switch(value: Any) -> bool:
    known = {"on": True, "off": False, "true": True, "false": False}
    word = str(value).lower()
    if word not in known:
        raise ValueError("on or off")
    return known[word]


def _one_of(*words: str) -> Parse:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{', '.join(words[:-1])} or {words[-1]}")
        return str(value)

    return parse


def option(default: Any, parse: Parse, help_text: str, metavar: str) -> Any:
    """A field of an option group, with how it is read and how it is shown. One without a metavar is a flag alone."""
    return field(default=default, metadata={"parse": parse, "help": help_text, "metavar": metavar})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Everything that `modelport serve` can be told."""

    host: str = option("127.0.0.1", _text, "Address to listen on; 0.0.0.0 for every interface.", "ADDRESS")
    port: int = option(8000, _int(0, 65535), "Port to listen on; 0 takes a free one.", "PORT")
    workers: int | None = option(None, _workers, "HTTP worker processes; auto takes one per core.", "N|auto")
    allow_pickle: bool = option(
        False, _switch, "Let a pickled model file run its code. Only for local files that you trust.", ""
    )
    allow_code: bool = option(
        False, _switch, "Let a bundle run the Python source in it. Only for bundles of people that you trust.", ""
    )
    trust_version: bool = option(
        False, _switch, "Serve a model that another version saved, though nothing shows that it answers alike.", ""
    )
    name: str | None = option(None, _name, "Name of the model in paths and headers; default: the file's stem.", "NAME")
    with_: tuple[Path, ...] | None = option(
        None, _paths, "Another file of the model: scaler, encoder, vectorizer, column list; repeatable.", "FILE"
    )
    data: Path | None = option(None, _path, "Training sample (CSV or Parquet), for a better signature.", "FILE")
    target: str | None = option(None, _text, "Column of the data that is the label.", "COLUMN")
    features: tuple[str, ...] | None = option(None, _names, "Names of the inputs, in training order.", "A,B,…")
    no_compile: bool = option(
        False, _switch, "Serve the model by the library it was trained with, not as compiled code.", ""
    )
    require_compiled: bool = option(
        False, _switch, "Refuse to start unless the compiled form is there and proven equal.", ""
    )
    cache_dir: Path | None = option(
        None, _path, "Where compiled models are kept; default: modelport in the user's cache folder.", "FOLDER"
    )
    require_signature: bool = option(
        False, _switch, "Refuse a bundle that is not signed by whom --public-key or --certificate-chain belongs to.", ""
    )
    public_key: Path | None = option(
        None, _path, "Public key (PEM) that the signature of a bundle is held against.", "FILE"
    )
    certificate_chain: Path | None = option(
        None, _path, "Certificates (PEM) of the issuers whose holders may sign bundles.", "FILE"
    )
    max_body: int = option(16 * 2**20, _size, "Largest request body.", "SIZE")
    tls_cert: Path | None = option(
        None, _path, "Certificate chain (PEM); serves HTTPS together with --tls-key.", "FILE"
    )
    tls_key: Path | None = option(None, _path, "Private key (PEM) of the certificate.", "FILE")
    default_deadline: float = option(
        30.0, _some_seconds, "Time a call may take, queue and run together, unless it says.", "DURATION"
    )
    heartbeat: float = option(
        15.0, _some_seconds, "How often a stream that has nothing to say gives a sign of life.", "DURATION"
    )
    executor: str = option(
        "auto",
        _one_of("auto", "inline", "thread", "process"),
        "Where a saved model runs; auto decides by rule and says why.",
        "KIND",
    )
    latency_target: float | None = option(
        None, _some_seconds, "Keep answers within this: it bounds batches and the queue.", "DURATION"
    )
    queue_rows: int = option(
        2048, _int(1, 10_000_000), "Rows that may wait for one model before calls are refused.", "N"
    )
    queue_bytes: int = option(
        256 * 2**20, _size, "Bytes of the bodies that may wait for one model before calls are refused.", "SIZE"
    )
    kill_grace: float = option(
        0.5,
        _seconds,
        "How long past its deadline, and the default one, a call may run before its process is ended.",
        "DURATION",
    )
    drain_delay: float = option(1.0, _seconds, "On SIGTERM: time to go on accepting while not ready.", "DURATION")
    stop_timeout: float = option(
        25.0, _some_seconds, "On SIGTERM: time until everything has ended, --drain-delay included.", "DURATION"
    )
    standby: bool = option(
        True, _switch, "Keep a second, loaded process for each model that has one of its own.", "on|off"
    )
    web_threads: int = option(8, _int(1, 1000), "Threads of each worker for each mounted WSGI application.", "N")
    web_queue: int = option(
        128, _int(0, 100_000), "Requests that may wait for one of these threads before they are refused.", "N"
    )
    reload: bool = option(
        False,
        _switch,
        "For development: when a file of the service is saved, read anew what it concerns, and keep all other models loaded.",
        "",
    )
    log_format: str = option("text", _one_of("text", "json"), "Log lines for people or for machines.", "text|json")

    @property
    def graceful_s(self) -> float:
        """How long a worker whose successor serves finishes what is in flight: every call that keeps to the default deadline."""
        return self.default_deadline + self.kill_grace

    @property
    def must_be_signed(self) -> bool:
        """Whether a bundle is only taken with a signature. Who names a key means that."""
        return self.require_signature or self.public_key is not None or self.certificate_chain is not None


OPTION_NAMES = tuple(f.name for f in fields(ServeOptions))
_KEYWORDS = {"with": "with_"}
"""Options whose names are words of Python, which keyword arguments may not be."""
FLAGS = frozenset(f.name for f in fields(ServeOptions) if not f.metadata["metavar"])
"""Options that take no value on the command line."""
REPEATED = frozenset({"with_"})
"""Options that may be given several times on the command line."""
NOT_IN_FILE = frozenset({"allow_pickle", "allow_code", "trust_version", "public_key", "certificate_chain"})
"""What a file may not say, because it may have come in one folder with the model."""


def resolve(
    given: Mapping[str, Any], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> ServeOptions:
    """Options from keyword arguments or flags, the environment and the file. Raises ConfigError naming the culprit."""
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    values: dict[str, Any] = {}
    for source, read in (
        (FILE_NAME, _read_file(folder / FILE_NAME)),
        ("environment", _read_environment(environ)),
        ("option", dict(given)),
    ):
        values |= _parse_all(read, source)
    options = ServeOptions(**values)
    _check_together(options)
    return options


def from_plain(values: Mapping[str, Any]) -> ServeOptions:
    """Options as `to_plain` wrote them, nothing else consulted."""
    return ServeOptions(**_parse_all(values, "option"))


def for_model(options: ServeOptions, said: Mapping[str, Any], name: str) -> ServeOptions:
    """The service's options with what was said of one saved model. Raises ConfigError naming the culprit."""
    given = replace(options, name=name, **_parse_all(said, "keyword"))
    _check_together(given)
    return given


def to_plain(options: ServeOptions) -> dict[str, Any]:
    """Options as JSON can carry them to another process."""
    values = {name: getattr(options, name) for name in OPTION_NAMES}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def key_of(name: str) -> str:
    """How an option is called where it need be no word of Python: `with` for `with_`."""
    return name.rstrip("_")


def flag_of(name: str) -> str:
    """How an option is called on the command line."""
    return "--" + key_of(name).replace("_", "-")


def saved_alone(target: str, options: ServeOptions) -> dict[str, Any]:
    """What another process must know of the target on the command line."""
    return {"target": target, "options": to_plain(options), "folder": os.getcwd()}


def _parse_all(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    values = {_KEYWORDS.get(name, name): value for name, value in values.items()}
    _refuse_unknown(values, source)
    _refuse_misplaced(values, source)
    return {name: _parse(name, value, source) for name, value in values.items() if value is not None}


def model_name(artifact: Path, options: ServeOptions) -> str:
    """What a saved model is called: as the user says, as its bundle says, or as its file. Raises ConfigError where that is none."""
    bundled = "" if options.name else _bundled_name(artifact)
    name = options.name or bundled or artifact.stem
    if not is_name(name):
        raise ConfigError(
            f"{artifact} gives the model the name {name!r}, but a model wants {RULE}: "
            f"{'build it again with' if bundled else 'choose one, for example'}  --name {suggest_name(name)}"
        )
    return name


def _bundled_name(artifact: Path) -> str:
    """What a bundle was built as. Nothing else is looked at: that it is damaged is told by who reads it whole."""
    try:
        name = json.loads((artifact / "manifest.json").read_bytes())["name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


OF_ONE_MODEL = ("name", "with_", "data", "target", "features")


def refuse_for_service(target: str, options: ServeOptions) -> None:
    """Raise ConfigError for what is said of one saved model where a Python file declares the models."""
    for name in OF_ONE_MODEL:
        if getattr(options, name) is not None:
            raise ConfigError(
                f"{_spell(name, 'option')} is for one saved model, and {target} declares its models itself: say it there, "
                f'as in  service.model("genre", "genre.joblib", {name}=…)'
            )
    if options.must_be_signed:
        raise ConfigError(f"{target} is Python code, which bears no signature: signatures are for bundles")
    if options.executor not in ("auto", "process"):
        raise ConfigError(
            f"--executor {options.executor} is for one saved model, and {target} declares its models itself: say it there, "
            f'as in  service.model("genre", "genre.onnx", executor="{options.executor}"); a model in Python runs in a process of '
            "its own, so that probes answer whatever its code does"
        )


def refuse_remote(target: str, options: ServeOptions) -> None:
    """Raise ConfigError where a pickle that may run code would not be a file on this machine."""
    if options.allow_pickle and "://" in target:
        raise ConfigError(
            f"--allow-pickle is for local files only, and {target:.80} is none: fetch it, look at it, serve it"
        )


def check_file(what: str, path: Path | None) -> None:
    """Raise ArtifactError where a file that was named is not there, or cannot be read."""
    if path is None:
        return
    if not path.exists():
        raise ArtifactError(f"the {what} file {path} does not exist")
    try:
        if path.is_file():
            path.open("rb").close()
    except OSError as error:
        raise ArtifactError(f"the {what} file {path} cannot be read: {error.strerror}") from None


def is_python(target: str) -> bool:
    """Whether a target names Python code (`app.py`, `app.py:service`, `package.module:service`) rather than an artifact."""
    return target.partition(":")[0].endswith(".py") or (
        ":" in target and "://" not in target and not Path(target).exists()
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}") from None
    import tomllib  # most services have no such file

    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from None


def _read_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Kubernetes sets MODELPORT_PORT=tcp://… and the like in every pod beside a Service called modelport: not ours."""
    ours = {
        key: value
        for key, value in environ.items()
        if key.startswith(ENV_PREFIX) and not key.startswith(_KUBERNETES) and "://" not in value
    }
    return {key.removeprefix(ENV_PREFIX).lower(): value for key, value in ours.items()}


def _refuse_unknown(values: Mapping[str, Any], source: str) -> None:
    for name in values:
        if name not in OPTION_NAMES:
            from difflib import get_close_matches

            near = get_close_matches(name, OPTION_NAMES, 1)
            hint = (
                f"; did you mean {_spell(near[0], source)}?"
                if near
                else f"; known are {', '.join(map(key_of, OPTION_NAMES))}"
            )
            raise ConfigError(f"{_place(source)}{_spell(name, source)} is not an option{hint}")


def _refuse_misplaced(values: Mapping[str, Any], source: str) -> None:
    for name in NOT_IN_FILE & values.keys() if source == FILE_NAME else ():
        raise ConfigError(
            f"{source}: {name} may not be said in a file, which may have come with the model; "
            f"say {_spell(name, 'option')} or {_spell(name, 'environment')}={'on' if name in FLAGS else '…'}"
        )


def _place(source: str) -> str:
    return f"{source}: " if source == FILE_NAME else ""


def _spell(name: str, source: str) -> str:
    return {"environment": ENV_PREFIX + key_of(name).upper(), "option": flag_of(name)}.get(source, key_of(name))


def _parse(name: str, value: Any, source: str) -> Any:
    parse = next(f.metadata["parse"] for f in fields(ServeOptions) if f.name == name)
    try:
        return parse(value)
    except ValueError as error:
        raise ConfigError(f"{_place(source)}{_spell(name, source)} wants {error}, not {str(value)[:80]!r}") from None


def _check_together(options: ServeOptions) -> None:
    if (options.tls_cert is None) != (options.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together: give both or neither")
    if options.no_compile and options.require_compiled:
        raise ConfigError("--no-compile and --require-compiled say the opposite of each other: give one of them")
    if options.drain_delay >= options.stop_timeout:
        raise ConfigError(
            f"--drain-delay ({options.drain_delay:g} s) leaves nothing of --stop-timeout ({options.stop_timeout:g} s) "
            "to answer in: make the first shorter or the second longer"
        )
    if options.public_key is not None and options.certificate_chain is not None:
        raise ConfigError("--public-key and --certificate-chain are two ways to check a signature: give one of them")
    if options.require_signature and options.public_key is None and options.certificate_chain is None:
        raise ConfigError(
            "--require-signature needs --public-key or --certificate-chain, to hold the signature against"
        )
    for path in (options.tls_cert, options.tls_key, options.public_key, options.certificate_chain):
        if path is not None and not path.is_file():
            raise ConfigError(f"the file {path} does not exist")
