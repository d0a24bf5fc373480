"""Lay out a CPU-only libtorch from the pinned wheels.

Usage: python3 libtorch.py WHEELS DESTINATION VERSION
Deletes WHEELS once unpacked. `xtask` runs this inside a staging folder and moves
DESTINATION into the cache afterwards, so nothing here needs to be undone.
"""

import os
import shutil
import subprocess
import sys
import zipfile

LIBRARIES = {
    "torch": {"libtorch_cpu.so", "libc10.so", "libgomp.so.1"},
    "nvidia_cuda_runtime": {"libcudart.so.13"},
    "nvidia_cuda_cupti": {"libcupti.so.13"},
}


def target_of(package, member):
    """Where a wheel's member goes below DESTINATION, or None to leave it out."""
    if package == "torch" and member.startswith("torch/include/"):
        return member[len("torch/") :]
    folder, _, name = member.rpartition("/")
    if folder.endswith("/lib") and name in LIBRARIES[package]:
        return "lib/" + name
    return None


def unpack(wheel, package, destination):
    found = set()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = target_of(package, member.filename)
            if target is None or member.filename.endswith("/"):
                continue
            path = os.path.join(destination, target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(member) as source, open(path, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            found.add(os.path.basename(path))
    missing = LIBRARIES[package] - found
    if missing:
        sys.exit("%s lacks %s" % (os.path.basename(wheel), ", ".join(sorted(missing))))


def strip(library):
    """Drop the symbols the loader does not need: a quarter of the size. Optional."""
    stripped = library + ".stripped"
    command = ["strip", "--strip-unneeded", "-o", stripped, library]
    try:
        done = subprocess.call(command, stderr=subprocess.DEVNULL) == 0
    except OSError:
        done = False
    if done:
        os.replace(stripped, library)
    elif os.path.exists(stripped):
        os.remove(stripped)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def write_manifest(destination):
    """Record each file's size: the mark of a complete tree, checked before use."""
    lines = []
    for folder, _, names in os.walk(destination):
        for name in names:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, destination)
            lines.append("%d %s\n" % (os.path.getsize(path), relative))
    write(os.path.join(destination, "supple-manifest"), "".join(sorted(lines)))


def main():
    wheels, destination, version = sys.argv[1:]
    for package in LIBRARIES:
        names = [name for name in os.listdir(wheels) if name.startswith(package + "-")]
        if len(names) != 1:
            sys.exit("expected one wheel of %s, found %d" % (package, len(names)))
        unpack(os.path.join(wheels, names[0]), package, destination)
    # Before stripping, which needs room for a second copy of the library.
    shutil.rmtree(wheels)
    # The wheel's own libtorch.so pulls in the CUDA libraries; to the linker this
    # script is the same name without them.
    write(os.path.join(destination, "lib", "libtorch.so"), "INPUT(libtorch_cpu.so)\n")
    # torch-sys compares this with the version it binds.
    write(os.path.join(destination, "build-version"), version + "\n")
    strip(os.path.join(destination, "lib", "libtorch_cpu.so"))
    write_manifest(destination)
    # One sync instead of nine thousand: the rename that follows must not reach
    # the disk before the files.
    os.sync()


if __name__ == "__main__":
    main()
