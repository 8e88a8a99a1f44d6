"""A config file, as the doors that take ``--config`` read it."""

import importlib.util
import inspect
import pathlib

from ml_collections import ConfigDict


def read(text: str) -> ConfigDict:
    """The config of ``FILE`` or ``FILE:ARGUMENT``.

    Raises:
      ValueError: no such file, no config, or an argument that it does not take.
    """
    path, colon, argument = text.partition(":")
    if not pathlib.Path(path).is_file():
        raise ValueError(f"--config={path}: there is no such file.")
    spec = importlib.util.spec_from_file_location("config_of_door", path)
    module = importlib.util.module_from_spec(spec) if spec else None
    if module:
        spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ValueError(f"--config={path} is no config: it has no get_config.")
    arguments = [argument] if colon else []
    try:
        inspect.signature(module.get_config).bind(*arguments)
    except TypeError as error:
        wants = "takes no argument" if colon else "wants an argument after a colon"
        raise ValueError(f"--config={text}: this config {wants}.") from error
    try:
        return module.get_config(*arguments)
    except ValueError as error:
        raise ValueError(f"--config={text}: {error}") from error
