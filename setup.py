"""The list of Cython extensions, and how they are built. Everything else about the distribution is in setup.cfg.

Every `*.pyx` below the import packages is an extension of the same dotted name. The raw `.pyx` stays in the sources
(so the sdist carries it); it becomes C inside `build_extensions`, under a folder named after the Cython version,
because cythonize compares times only and would keep the C of an older Cython.

The folders keep their generic names (`server`, `metrics`...) in the clone. A wheel puts all of them below one folder of
our name, which is on the path of our own processes alone: installed, only `remus_server` is there for others to import.

Environment:
    REMUS_NATIVE=1            adds -march=native (the default is portable)
    REMUS_SANITIZE=LIST       `address,undefined` or `thread`: -fsanitize=LIST -g -O1, in a build folder of its own;
                              use `setup.py build`, which leaves a whole importable tree in build/sanitize-LIST/lib
    REMUS_PREBUILT=1          nothing is compiled: a wheel of the modules that are built in place, as they are
    REMUS_BUILD_KEEP_GOING=1  a module that does not compile leaves the others built; the exit code still says so
"""

import fcntl
import filecmp
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.install_lib import install_lib

PACKAGES = ("server", "iothreads", "scripting", "metrics", "perf")
INSTALLED_BELOW = "remus_server_home"  # remus_server.HOME
INSTALLED_FILES = ("redis.conf",)
# What `# distutils:` comments in a .pyx may have added, and cythonize therefore hands back.
EXTENSION_FIELDS = (
    "sources", "depends", "language", "libraries", "library_dirs", "include_dirs", "define_macros",
    "extra_compile_args", "extra_link_args",
)  # fmt: skip
PROCESSORS = os.cpu_count() or 1

os.chdir(Path(__file__).resolve().parent)
native = os.environ.get("REMUS_NATIVE") == "1"
sanitize = os.environ.get("REMUS_SANITIZE", "")
prebuilt = os.environ.get("REMUS_PREBUILT") == "1"
keep_going = os.environ.get("REMUS_BUILD_KEEP_GOING") == "1"
variant = "-".join(["native"] * native + ["sanitize", *sanitize.split(",")] * bool(sanitize)) or "plain"


def compile_args() -> list[str]:
    """Flags behind those that Python itself was built with; the last one of a kind wins."""
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"] if sanitize else ["-O2", "-g0"]
    newer = ["-Werror=incompatible-pointer-types", "-Werror=int-conversion"]    # as GCC 14 has it without being asked
    return [*flags, "-Wno-unused-function", *newer, *["-march=native"] * native]


def extensions() -> list[Extension]:
    """One extension for each `.pyx`, named by its path."""
    found = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))
    return [
        Extension(
            ".".join(path.with_suffix("").parts),
            [path.as_posix()],
            extra_compile_args=compile_args(),
            extra_link_args=[f"-fsanitize={sanitize}"] if sanitize else [],
        )
        for path in found
    ]


@contextmanager
def one_build_at_a_time() -> Iterator[None]:
    """Two builds in one tree would write each other's half-finished files; the second waits and finds all done."""
    Path("build").mkdir(exist_ok=True)
    with open("build/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Build(build):
    """`setup.py build`: instrumented code never lands among the plain one."""

    def finalize_options(self) -> None:
        if sanitize and self.build_base == "build":
            self.build_base = f"build/{variant}"
            self.build_lib = self.build_lib or f"build/{variant}/lib"
        super().finalize_options()


class BuildExt(build_ext):
    """Cythonize what changed (a `.pxd` counts for all that cimport it), then compile in parallel."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.failed: list[str] = []
        if self.inplace:
            # An editable install would build in a new temporary folder, all of it, every time.
            if sanitize:
                raise SystemExit("REMUS_SANITIZE: use `setup.py build`; in place it would overwrite the plain build.")
            self.build_temp = f"build/{variant}/temp"
            self.build_lib = f"build/{variant}/inplace"

    def run(self) -> None:
        with one_build_at_a_time():
            super().run()
        if self.failed:
            raise SystemExit("not built: " + ", ".join(self.failed))

    def build_extensions(self) -> None:
        if prebuilt and not self.inplace:
            for ext in self.extensions:
                built = Path(self.build_lib, self.get_ext_filename(ext.name))
                built.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.get_ext_filename(ext.name), built)
            return
        declared = [(ext, {field: getattr(ext, field) for field in EXTENSION_FIELDS}) for ext in self.extensions]
        self.check_extensions_list(self.extensions)
        self.cythonize()
        with ThreadPoolExecutor(PROCESSORS) as pool:
            waiting = [(ext, pool.submit(self.build_extension, ext)) for ext in self.extensions]
        for ext, future in waiting:
            if error := future.exception():
                self.give_up(ext, error)
        for ext, fields in declared:
            vars(ext).update(fields)  # so that whoever lists the sources afterwards sees the .pyx

    def cythonize(self) -> None:
        """Turn each extension's .pyx into C under build/, in as many processes as there are processors."""
        import Cython
        from Cython.Build import cythonize

        options = {"build_dir": f"build/cython-{Cython.__version__}", "language_level": 3, "quiet": True}
        groups = [[ext] for ext in self.extensions] if keep_going else [list(self.extensions)]
        for group in groups:
            try:
                threads = 0 if len(group) == 1 else PROCESSORS
                for ext, done in zip(group, cythonize(group, nthreads=threads, **options), strict=True):
                    vars(ext).update({field: getattr(done, field) for field in EXTENSION_FIELDS})
            except Exception as error:
                if not keep_going:
                    raise SystemExit(f"cythonize: {error}") from None
                self.give_up(group[0], error)

    def give_up(self, ext: Extension, error: BaseException) -> None:
        if not keep_going:
            raise SystemExit(f"{ext.name}: {error}") from None
        print(f"{ext.name}: {error}")
        self.failed.append(ext.name)
        self.extensions.remove(ext)

    def copy_extensions_to_source(self) -> None:
        """Replace each changed module in one step: a running server keeps the file that it mapped."""
        for ext in self.extensions:
            built = Path(self.build_lib, self.get_ext_filename(ext.name))
            target = Path(self.get_ext_filename(ext.name))
            if target.exists() and filecmp.cmp(built, target, shallow=False):
                continue
            new = target.with_name(f"{target.name}.new")
            shutil.copy2(built, new)
            new.replace(target)


class InstallLib(install_lib):
    """What a wheel holds: the modules of setup.cfg's py_modules, and all packages below one folder."""

    def install(self) -> list[str]:
        home = Path(self.install_dir, INSTALLED_BELOW)
        for name in sorted(os.listdir(self.build_dir)):
            source = Path(self.build_dir, name)
            if source.is_dir():
                self.copy_tree(str(source), str(home / name))
            else:
                self.copy_file(str(source), str(Path(self.install_dir, name)))
        for name in INSTALLED_FILES:
            self.copy_file(name, str(home / name))
        return [str(path) for path in Path(self.install_dir).rglob("*") if path.is_file()]


class BdistWheel(bdist_wheel):
    """A wheel whose metadata lay claim to our own name only."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        super().egg2dist(egginfo_path, distinfo_path)
        Path(distinfo_path, "top_level.txt").write_text("".join(f"{name}\n" for name in self.distribution.py_modules))


setup(
    ext_modules=extensions(),
    cmdclass={"build": Build, "build_ext": BuildExt, "install_lib": InstallLib, "bdist_wheel": BdistWheel},
)
