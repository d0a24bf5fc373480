"""Makes PyTorch run on the CPU without the CUDA libraries that its wheel links to.

    python stand_ins.py

Run it with the Python whose PyTorch is meant; it needs `cc`, `nm` and `readelf`. PyPI's wheel for x86-64 Linux is built
with CUDA, and does not load without 2 GB of NVIDIA's libraries, none of which a computation on the CPU calls. This puts
an empty library in the place of each: it defines the symbols that PyTorch looks up when it is loaded, as functions that
return 1, an error in all of these interfaces. PyTorch's own files, its CPU kernels among them, stay as they are.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LIBRARY = re.compile(r"lib(cu|nccl|nv)\w*\.so\.\d+")
SYMBOL = re.compile(r"(cu|nccl|nv)\w*")
# The driver's own: PyTorch opens it only where there is a GPU, and must not find one.
DRIVER = "libcuda.so.1"


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dynamic_symbols(library, which):
    """(name, version) of the symbols that a library defines or looks up; the version can be empty."""
    words = (line.split()[-1] for line in run("nm", "-D", which, "--with-symbol-versions", library).splitlines())
    return [re.fullmatch(r"([^@]*)@{0,2}(.*)", word).groups() for word in words]


def version_owners(library):
    """The file that each version of a looked-up symbol has to come from."""
    owners, file = {}, None
    for line in run("readelf", "-W", "-V", library).splitlines():
        if found := re.search(r"File: (\S+)", line):
            file = found[1]
        elif found := re.search(r"Name: (\S+) +Flags", line):
            owners[found[1]] = file
    return owners


def make(path, versions, unversioned):
    """Writes a library with the symbols of {version: symbols} and those without one."""
    symbols = set().union(unversioned, *versions.values())
    lines = ["static int unavailable(void) { return 1; }", "void *stand_in(void) { return unavailable; }"]
    lines += [f'__asm__(".globl {symbol}\\n.set {symbol}, unavailable");' for symbol in sorted(symbols)]
    options = [f"-Wl,-soname,{path.name}"]
    with tempfile.TemporaryDirectory() as scratch:
        code, script = Path(scratch) / "code.c", Path(scratch) / "versions"
        code.write_text("\n".join(lines))
        if versions:
            nodes = (f"{version} {{ {'; '.join(sorted(names))}; }};\n" for version, names in versions.items())
            script.write_text("".join(nodes))
            options.append(f"-Wl,--version-script={script}")
        run("cc", "-shared", "-fPIC", code, *options, "-o", path)


def main():
    torch = Path(importlib.util.find_spec("torch").origin).parent / "lib"
    nvidia = torch.parent.parent / "nvidia"
    folder = nvidia / "cu13" / "lib"  # where PyTorch's libraries look, by their own paths
    folder.mkdir(parents=True, exist_ok=True)
    present = {path.name: path for path in nvidia.rglob("*.so*")}
    defined = {name for path in present.values() for name, _ in dynamic_symbols(path, "--defined-only")}

    needed, owners, wanted = set(), {}, {}
    for library in torch.glob("*.so"):
        needed |= set(re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-W", "-d", library)))
        owners |= version_owners(library)
        for name, version in dynamic_symbols(library, "--undefined-only"):
            if SYMBOL.fullmatch(name) and name not in defined:
                wanted.setdefault(version, set()).add(name)
    missing = sorted(name for name in needed - {*present, DRIVER} if LIBRARY.fullmatch(name))
    unversioned = wanted.pop("", set())
    for name in missing:
        versions = {version: names for version, names in wanted.items() if owners[version] == name}
        # The loader takes a symbol without a version from any library, so one has them all.
        make(folder / name, versions, unversioned if name == missing[0] else set())
    print(f"made {len(missing)} stand-ins for CUDA libraries in {folder}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"`{error.cmd[0]}` failed: {error.stderr.strip()}")
    except FileNotFoundError as error:
        sys.exit(f"`{error.filename}` is missing; install binutils and a C compiler")
