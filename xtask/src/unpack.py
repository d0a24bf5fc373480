"""Lay out a tree from its pinned wheels.

Usage: python3 unpack.py TREE WHEELS DESTINATION VERSION
TREE is libtorch (CPU only) or mujoco (with the models of Gymnasium and DeepMind Control).
Deletes WHEELS once unpacked. `xtask` runs this inside a staging folder and moves
DESTINATION into the cache afterwards, so nothing here needs to be undone.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile

# Per wheel: what is taken from it, and the folder that the group goes to. Each pattern
# must match something, so that a wheel of another layout does not pass unnoticed.
LAYOUTS = {
    "libtorch": {
        "torch": [
            (r"torch/include/(.+)", "include"),
            (r".+/lib/(libtorch_cpu\.so)", "lib"),
            (r".+/lib/(libc10\.so)", "lib"),
            (r".+/lib/(libgomp\.so\.1)", "lib"),
        ],
        "nvidia_cuda_runtime": [(r".+/lib/(libcudart\.so\.13)", "lib")],
        "nvidia_cuda_cupti": [(r".+/lib/(libcupti\.so\.13)", "lib")],
    },
    "mujoco": {
        "mujoco": [
            (r"mujoco/(libmujoco\.so\.[0-9.]+)", "lib"),
            (r"mujoco/include/mujoco/([^/]+\.h)", "include/mujoco"),
            (r"[^/]+\.dist-info/licenses/(LICENSE.*)", "licenses/mujoco"),
        ],
        "gymnasium": [
            (r"gymnasium/envs/mujoco/assets/([^/]+\.xml)", "gymnasium"),
            (r"[^/]+\.dist-info/licenses/(LICENSE.*)", "licenses/gymnasium"),
        ],
        "dm_control": [
            (r"dm_control/suite/([^/]+\.xml)", "dm_control"),
            (r"dm_control/suite/(common/[^/]+\.xml)", "dm_control"),
            (r"dm_control/suite/(dog_assets/.+)", "dm_control"),
            (r"[^/]+\.dist-info/licenses/(LICENSE.*)", "licenses/dm_control"),
        ],
    },
}


def unpack(wheel, rules, destination):
    unmatched = [pattern for pattern, _ in rules]
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):
                continue
            for pattern, folder in rules:
                match = re.fullmatch(pattern, member.filename)
                if match:
                    break
            else:
                continue
            path = os.path.join(destination, folder, match.group(1))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(member) as source, open(path, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            if pattern in unmatched:
                unmatched.remove(pattern)
    if unmatched:
        sys.exit("%s lacks %s" % (os.path.basename(wheel), ", ".join(unmatched)))


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


def finish_libtorch(destination, version):
    # The wheel's own libtorch.so pulls in the CUDA libraries; to the linker this
    # script is the same name without them.
    write(os.path.join(destination, "lib", "libtorch.so"), "INPUT(libtorch_cpu.so)\n")
    # torch-sys compares this with the version it binds.
    write(os.path.join(destination, "build-version"), version + "+cpu\n")
    strip(os.path.join(destination, "lib", "libtorch_cpu.so"))


def finish_mujoco(destination, version):
    # The linker looks for the name without a version, the loader for the one with it.
    target = "libmujoco.so." + version
    link = os.path.join(destination, "lib", "libmujoco.so")
    os.symlink(target, link)
    if not os.path.exists(link):
        sys.exit("the wheel mujoco lacks " + target)


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
    tree, wheels, destination, version = sys.argv[1:]
    for package, rules in LAYOUTS[tree].items():
        names = [name for name in os.listdir(wheels) if name.startswith(package + "-")]
        if len(names) != 1:
            sys.exit("expected one wheel of %s, found %d" % (package, len(names)))
        unpack(os.path.join(wheels, names[0]), rules, destination)
    # Before stripping, which needs room for a second copy of the library.
    shutil.rmtree(wheels)
    {"libtorch": finish_libtorch, "mujoco": finish_mujoco}[tree](destination, version)
    write_manifest(destination)
    # One sync instead of nine thousand: the rename that follows must not reach
    # the disk before the files.
    os.sync()


if __name__ == "__main__":
    main()
