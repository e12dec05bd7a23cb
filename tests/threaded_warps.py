"""A plugin of pytest: the warp coder's launchers are those of the module WARP_THREADS."""

import importlib.util
import os

import warp_pictures

_SPEC = importlib.util.spec_from_file_location("warp_threads", os.environ["WARP_THREADS"])
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
warp_pictures.launchers = lambda: _MODULE
