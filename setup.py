"""The list of Cython extensions, and how they are built. Everything else about the distribution is in setup.cfg.

Every `*.pyx` below the import packages is an extension of the same dotted name. The raw `.pyx` stays in the sources
(so the sdist carries it); it becomes C inside `build_extensions`, under a folder named after the Cython version and
its directives, because cythonize compares times only and would keep the C of an older Cython.

What a server loads is also put together, for a start in a moment (server.loader): the objects of its native modules are
linked into `server.native`, and the code of its .py files goes into one file. A wheel has these instead of a shared
object for each module.

The folders keep their generic names (`server`, `metrics`...) in the clone. A wheel puts all of them below one folder of
our name, which is on the path of our own processes alone: installed, only `remus_server` is there for others to import.

Environment:
    REMUS_NATIVE=1            adds -march=native (the default is for every processor of the kind)
    REMUS_PORTABLE=1          what POSIX has, and nothing of Linux or kqueue (iothreads/system.pxd): poll(2), pipes
    REMUS_PORTABLE=kqueue     what macOS and the BSDs have; on Linux it takes libkqueue
    REMUS_SANITIZE=LIST       `address,undefined` or `thread`: -fsanitize=LIST -g -O1, in a build folder of its own;
                              use `setup.py build`, which leaves a whole importable tree in build/sanitize-LIST/lib
    REMUS_PREBUILT=1          nothing is compiled: a wheel of the modules that are built in place, as they are
    REMUS_REPOSITORY=URL      where the files of this version can be read, for links on the index's page
    REMUS_BUILD_KEEP_GOING=1  a module that does not compile leaves the others built; the exit code still says so
"""

import fcntl
import filecmp
import os
import re
import runpy
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.command.install_lib import install_lib

PACKAGES = ("server", "iothreads", "scripting", "metrics", "perf")
INSTALLED_BELOW = "remus_server_home"  # remus_server.HOME
INSTALLED_BESIDE = ("remus_embedded",)     # packages that others' processes import
INSTALLED_FILES = ("redis.conf",)
# What `# distutils:` comments in a .pyx may have added, and cythonize therefore hands back.
EXTENSION_FIELDS = (
    "sources", "depends", "language", "libraries", "library_dirs", "include_dirs", "define_macros",
    "extra_compile_args", "extra_link_args",
)  # fmt: skip
PROCESSORS = os.cpu_count() or 1
NATIVE = "server.native"                            # the module whose shared object has those of the others
TOGETHER = ("server", "iothreads", "scripting")     # packages whose native modules those are, but for ...
APART = ("*.selftest*", "*_probe")                  # ... what only tests load
OF_A_CLONE = (*APART, "perf.micro.*", "perf.forms.*")           # native modules that no installed program loads
LOADER = "server/loader.py"
LOADED = ("server", "iothreads", "scripting", "metrics")        # packages whose code goes into one file
# Less C for the same code: nobody pickles our objects, and functions need not be bound to a class afterwards.
DIRECTIVES = {"auto_pickle": False, "binding": False}
# Not run while a command is served: half the optimization takes a third less time.
COLD = (
    "perf/micro/*", "*/selftest.pyx", "*_probe.pyx", "*/crash_handler.pyx", "*/historic.pyx", "server/kernel.pyx",
    "scripting/dump.pyx", "scripting/library_api.pyx",
)  # fmt: skip
# Warnings about how Cython writes C, and guesses of GCC about values that it cannot know: they tear the progress line.
OF_GENERATED_CODE = (
    "unused-function", "sign-compare", "array-bounds", "stringop-overread", "alloc-size-larger-than",
    "maybe-uninitialized",
)  # fmt: skip
# How long a build takes, before anything is measured: so many seconds of one processor for a byte of .pyx, and an empty
# module costs as much as so many bytes.
SECONDS_PER_BYTE = 0.0001
MODULE_BYTES = 5000

os.chdir(Path(__file__).resolve().parent)
native = os.environ.get("REMUS_NATIVE") == "1"
sanitize = os.environ.get("REMUS_SANITIZE", "")
portable = os.environ.get("REMUS_PORTABLE", "")
prebuilt = os.environ.get("REMUS_PREBUILT") == "1"
keep_going = os.environ.get("REMUS_BUILD_KEEP_GOING") == "1"
variants = ["native"] * native + [f"portable{portable}"] * bool(portable)
variant = "-".join(variants + ["sanitize", *sanitize.split(",")] * bool(sanitize)) or "plain"


def system() -> str:
    """What iothreads/system.pxd and others ask for: LINUX, KQUEUE, or "" where there is neither."""
    if portable:
        return "KQUEUE" if portable == "kqueue" else ""
    if sys.platform == "linux":
        return "LINUX"
    return "KQUEUE" if sys.platform == "darwin" or "bsd" in sys.platform or "dragonfly" in sys.platform else ""


SYSTEM = system()
LIBKQUEUE = SYSTEM == "KQUEUE" and sys.platform == "linux"


def compile_args(path: Path) -> list[str]:
    """Flags behind those that Python itself was built with; the last one of a kind wins."""
    level = "-O1" if any(path.match(pattern) for pattern in COLD) else "-O2"
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", f"-fsanitize={sanitize}"] if sanitize else [level, "-g0"]
    newer = ["-Werror=incompatible-pointer-types", "-Werror=int-conversion"]    # as GCC 14 has it without being asked
    flags += [f"-DREMUS_{SYSTEM}"] * bool(SYSTEM) + ["-I/usr/include/kqueue"] * LIBKQUEUE
    return [*flags, *(f"-Wno-{name}" for name in OF_GENERATED_CODE), *newer, *["-march=native"] * native]


def readme() -> str:
    """README.md for the index's page, where paths lead nowhere: REMUS_REPOSITORY is what they lead to. Without it there
    are no links and no pictures."""
    where = os.environ.get("REMUS_REPOSITORY", "")

    def link(found: re.Match[str]) -> str:
        picture, text, path = found.groups()
        if picture:
            return f"![{text}]({where}/{path}?raw=true)" if where else ""
        return f"[{text}]({where}/{path})" if where else text

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]*)\)", link, Path("README.md").read_text())


def extensions() -> list[Extension]:
    """One extension for each `.pyx`, named by its path."""
    found = sorted(path for package in PACKAGES for path in Path(package).rglob("*.pyx"))
    names = [path.stem for path in found if is_together(name_of(path))]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SystemExit(f"two native modules of one name cannot be linked together: {', '.join(twice)}")
    return [
        Extension(
            name_of(path),
            [path.as_posix()],
            extra_compile_args=compile_args(path),
            extra_link_args=[f"-fsanitize={sanitize}"] * bool(sanitize) + ["-lkqueue"] * LIBKQUEUE,
        )
        for path in found
        if not (sanitize and name_of(path) == NATIVE)
    ]


def name_of(path: Path) -> str:
    """Of the module, with dots."""
    return ".".join(path.with_suffix("").parts)


def is_for_a_clone(name: str) -> bool:
    """Whether a native module is left out of a wheel; setup.cfg leaves out the packages that are of a clone alone."""
    return any(fnmatchcase(name, pattern) for pattern in OF_A_CLONE)


def is_together(name: str) -> bool:
    """Whether a native module is one of those that are linked into NATIVE."""
    return (name.partition(".")[0] in TOGETHER and not any(fnmatchcase(name, pattern) for pattern in APART)
            and name != NATIVE)


def put_code_together(home: Path, *, installed: bool) -> None:
    """Of all modules below a folder."""
    if (home / LOADER).exists():
        sources = [path.relative_to(home).as_posix() for package in LOADED for path in (home / package).rglob("*.py")]
        runpy.run_path(LOADER)["write"](str(home), sources, installed=installed)


def work_of(ext: Extension) -> int:
    """What building a module takes, in bytes of source: its own, and what every module costs."""
    return os.path.getsize(ext.sources[0]) + MODULE_BYTES


class Progress:
    """How many modules are built and how long the rest will take, on standard error: one line that is written over in a
    terminal, else a line for each tenth."""

    def __init__(self, count: int, work: int) -> None:
        self.count, self.work = count, work
        self.built, self.done = 0, 0
        self.since = time.monotonic()
        self.terminal = sys.stderr.isatty()
        if count:
            self.say()

    def add(self, work: int) -> None:
        """One more module, which was so much of the work."""
        self.done += work
        self.built += 1
        if self.terminal or self.built * 10 // self.count > (self.built - 1) * 10 // self.count:
            self.say()

    def seconds_left(self) -> float:
        """What was taken for granted at first; the more is done, the more what it took."""
        share = self.done / self.work
        measured = (time.monotonic() - self.since) / self.done if self.done else 0
        return (self.work - self.done) * (SECONDS_PER_BYTE / PROCESSORS * (1 - share) + measured * share)

    def say(self) -> None:
        minutes = round(self.seconds_left() / 60)
        left = f"about {minutes} minute{'s' * (minutes > 1)} left" if minutes else "less than a minute left"
        over = self.built == self.count
        line = f"native modules: {self.built} of {self.count}" + ("" if over else f", {left}")
        sys.stderr.write(f"\r{line:<60}" + "\n" * over if self.terminal else f"{line}\n")
        sys.stderr.flush()


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
        self.in_tree = bool(self.inplace)          # while it builds, setuptools says no
        if self.inplace:
            # An editable install would build in a new temporary folder, all of it, every time.
            if sanitize:
                raise SystemExit("REMUS_SANITIZE: use `setup.py build`; in place it would overwrite the plain build.")
            self.build_temp = f"build/{variant}/temp"
            self.build_lib = f"build/{variant}/inplace"
        elif not sanitize:
            self.extensions = [ext for ext in self.extensions if not is_for_a_clone(ext.name)]

    def run(self) -> None:
        with one_build_at_a_time():
            super().run()
            if self.inplace:
                put_code_together(Path.cwd(), installed=False)
        if self.failed:
            raise SystemExit("not built: " + ", ".join(self.failed))

    def build_extensions(self) -> None:
        if prebuilt and not self.inplace:
            self.copy_what_is_built()
            return
        import Cython

        declared = [(ext, {field: getattr(ext, field) for field in EXTENSION_FIELDS}) for ext in self.extensions]
        self.check_extensions_list(self.extensions)
        directives = f"{zlib.crc32(repr(DIRECTIVES).encode()):08x}"
        self.c_folder = f"build/cython-{Cython.__version__}-{directives}"
        together = [ext for ext in self.extensions if ext.name == NATIVE]
        stale = [ext for ext in self.extensions if ext not in together and self.is_stale(ext)]
        if stale:
            self.forget(together)           # should this build fail, nobody takes old modules for new ones
        self.build_stale(stale)
        for ext in together:
            self.build_together(ext)
        for ext, fields in declared:
            vars(ext).update(fields)  # so that whoever lists the sources afterwards sees the .pyx

    def forget(self, extensions: list[Extension]) -> None:
        for name in map(self.get_ext_filename, (ext.name for ext in extensions)):
            Path(self.build_lib, name).unlink(missing_ok=True)
            if self.in_tree:
                Path(name).unlink(missing_ok=True)

    def c_file(self, ext: Extension) -> Path:
        return Path(self.c_folder, *ext.name.split(".")).with_suffix(".c")

    def object_file(self, ext: Extension) -> Path:
        (name,) = self.compiler.object_filenames([str(self.c_file(ext))], output_dir=self.build_temp)
        return Path(name)

    def build_together(self, native: Extension) -> None:
        """Link the objects of all others into that one, which has a table of them."""
        from Cython.Build import cythonize

        held = [ext for ext in self.extensions if is_together(ext.name)]
        rows = [(ext.name, f"PyInit_{ext.name.rpartition('.')[2]}") for ext in held]
        text = "".join(f"PyMODINIT_FUNC {init}(void);\n" for _, init in rows)
        text += "typedef struct { const char *name; PyObject *(*init)(void); } NativeModule;\n"
        table = "".join(f'    {{"{name}", {init}}},\n' for name, init in rows)
        text += f"static const NativeModule native_modules[] = {{\n{table}    {{0, 0}}\n}};\n"
        header = Path(self.c_folder, "native_modules.h")
        if not (header.exists() and header.read_text() == text):
            header.write_text(text)
        objects = [str(self.object_file(ext)) for ext in held]
        native.include_dirs.append(self.c_folder)
        (done,) = cythonize([native], build_dir=self.c_folder, language_level=3, quiet=True,
                            compiler_directives=DIRECTIVES)
        vars(native).update({field: getattr(done, field) for field in EXTENSION_FIELDS})
        native.extra_objects = objects
        native.depends = [*native.depends, str(header), *objects]
        self.build_extension(native)

    def copy_what_is_built(self) -> None:
        for ext in self.extensions:
            built = Path(self.build_lib, self.get_ext_filename(ext.name))
            built.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.get_ext_filename(ext.name), built)

    def is_stale(self, ext: Extension) -> bool:
        """Whether the module is older than its .pyx, or a .pxd that it cimports, or was made with other directives."""
        from Cython.Build.Dependencies import create_dependency_tree

        (source,) = ext.sources
        built = Path(self.build_lib, self.get_ext_filename(ext.name))
        c_file = self.c_file(ext)
        if self.force or not (built.exists() and c_file.exists() and self.object_file(ext).exists()):
            return True
        newest, _ = create_dependency_tree(quiet=True).newest_dependency(source)
        return built.stat().st_mtime < max(newest, c_file.stat().st_mtime)

    def build_stale(self, stale: list[Extension]) -> None:
        """From .pyx to module, as many at a time as there are processors, the longest first."""
        work = {ext.name: work_of(ext) for ext in stale}
        stale.sort(key=lambda ext: -work[ext.name])
        progress = Progress(len(stale), sum(work.values()))
        # Forked, they have what the dependency tree has read; on macOS as well, where nothing is loaded yet that minds.
        # Threads would do for gcc alone: Cython keeps the lock.
        with (
            ProcessPoolExecutor(PROCESSORS, get_context("fork")) as translators,
            ThreadPoolExecutor(PROCESSORS) as compilers,
        ):
            translators.submit(int).result()  # the processes are there before the threads
            waiting = {compilers.submit(self.build_one, ext, translators): ext for ext in stale}
            for future in as_completed(waiting):
                if error := future.exception():
                    if not keep_going:
                        compilers.shutdown(cancel_futures=True)
                    self.give_up(waiting[future], error)
                progress.add(work[waiting[future].name])

    def build_one(self, ext: Extension, translators: ProcessPoolExecutor) -> None:
        from Cython.Build import cythonize

        options = {"build_dir": self.c_folder, "language_level": 3, "quiet": True, "compiler_directives": DIRECTIVES}
        (done,) = translators.submit(cythonize, [ext], **options).result()
        vars(ext).update({field: getattr(done, field) for field in EXTENSION_FIELDS})
        self.build_extension(ext)

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
            if source.is_dir() and name not in INSTALLED_BESIDE:
                self.copy_tree(str(source), str(home / name))
            elif source.is_dir():
                self.copy_tree(str(source), str(Path(self.install_dir, name)))
            else:
                self.copy_file(str(source), str(Path(self.install_dir, name)))
        for name in INSTALLED_FILES:
            self.copy_file(name, str(home / name))
        if native := [ext for ext in self.distribution.ext_modules if ext.name == NATIVE]:
            self.leave_out_what_is_in(native[0], home)
        put_code_together(home, installed=True)
        return [str(path) for path in Path(self.install_dir).rglob("*") if path.is_file()]


    def leave_out_what_is_in(self, native: Extension, home: Path) -> None:
        file_of = self.get_finalized_command("build_ext").get_ext_filename
        if (home / file_of(native.name)).exists():
            for ext in self.distribution.ext_modules:
                if is_together(ext.name):
                    (home / file_of(ext.name)).unlink(missing_ok=True)


class BdistWheel(bdist_wheel):
    """A wheel whose metadata lay claim to our own name only."""

    def egg2dist(self, egginfo_path: str, distinfo_path: str) -> None:
        super().egg2dist(egginfo_path, distinfo_path)
        ours = (*self.distribution.py_modules, *INSTALLED_BESIDE)
        Path(distinfo_path, "top_level.txt").write_text("".join(f"{name}\n" for name in ours))


setup(
    long_description=readme(),
    ext_modules=extensions(),
    cmdclass={"build": Build, "build_ext": BuildExt, "install_lib": InstallLib, "bdist_wheel": BdistWheel},
)
