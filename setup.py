"""The part that is compiled, where a compiler is there; all else is in pyproject.toml."""

from setuptools import Extension, setup

CUTTING = Extension(
    "rli_agent.parsers._cutting",
    ["parsers/_cutting.c"],
    extra_compile_args=["-O3"],
    py_limited_api=True,
    optional=True,  # Python does the same, more slowly (parsers/cutting.py)
)

setup(ext_modules=[CUTTING], options={"bdist_wheel": {"py_limited_api": "cp310"}})
