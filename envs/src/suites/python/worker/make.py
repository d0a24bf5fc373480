# Making an environment, and what to say if that cannot be done.


def make(request):
    """The environment of a request, wrapped, and its time limit, which is left to the parent."""
    env, time_limit = make_bare(request)
    for wrapper in request["wrappers"]:
        module, name = wrapper["module"], wrapper["class"]
        env = checked(find(module, name)(env, **wrapper["kwargs"]), module, name)
    return env, time_limit


def checked(env, module, name):
    for part in ["reset", "step", "observation_space", "action_space"]:
        if not hasattr(env, part):
            raise Mistake(f"{module}:{name} returned {shown(env)}, which has no `{part}`; have "
                          "it return a gymnasium.Env")
    return env


def make_bare(request):
    kwargs, options = request["kwargs"], dict.fromkeys(request["given"], "the Python bridge")
    options.update(dict.fromkeys(request["wrapping"], "every environment"))
    if request["family"] == "python":
        module, _, name = request["id"].partition(":")
        create = find(module, name)
        refuse_ambiguous(create, options)
        return checked(create(**kwargs), module, name), None

    name, atari = request["id"], request.get("atari")
    if name.startswith("ALE/"):
        require("ale_py", "ale-py")
    elif ":" in name:
        importlib.import_module(name.partition(":")[0])
    try:
        registered = gymnasium.registry.get(name.rpartition(":")[2])
        if registered is not None:
            # This one is gymnasium.make's own, which means the same by it.
            options.pop("max_episode_steps", None)
            refuse_ambiguous(registered.entry_point, options)
        if atari is not None:
            kwargs = {"frameskip": 1, **kwargs}
        env = gymnasium.make(name, max_episode_steps=-1, **kwargs)
        if atari is not None:
            env = gymnasium.wrappers.AtariPreprocessing(env, **atari)
        # By the name it turned out to have: a version may have been left out.
        return env, gymnasium.spec(env.spec.id).max_episode_steps
    except gymnasium.error.Error as error:
        # Names that do not exist, with suggestions, and packages that are missing.
        advice = ""
        unknown = isinstance(error, gymnasium.error.NameNotFound) and "Did you mean" not in str(error)
        if unknown and ":" not in name:
            advice = " If a package of its own registers it, name that too, as gymnasium:PACKAGE:ID"
        raise Mistake(f"{error}{advice}") from None


def find(module, name):
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise Mistake(
            f"there is no module `{error.name}` in the current folder, in `path`, or in "
            f"{sys.executable}; check its name, or add its folder to `path`"
        ) from None
    if not callable(getattr(found, name, None)):
        known = [key for key, value in vars(found).items() if callable(value) and key[0] != "_"]
        raise Mistake(
            f"module `{module}` ({found.__file__}) has nothing to call by the name `{name}`; it has "
            + (", ".join(known) or "nothing else either")
        )
    return getattr(found, name)


def refuse_ambiguous(create, options):
    """An option that is kept from the environment, although it also takes one of this name.

    `options` says whose they are."""
    if isinstance(create, str):
        create = gymnasium.envs.registration.load_env_creator(create)
    try:
        parameters = inspect.signature(create).parameters
    except (TypeError, ValueError):
        return
    for name, owner in options.items():
        if name in parameters:
            raise Mistake(
                f"`{name}` is an option of {owner}, but {create.__name__} also has a "
                f"parameter `{name}`, which cannot be given; wrap it in a callable of your own "
                "that names it otherwise, and use `python:MODULE:CALLABLE`"
            )


def require(module, package):
    """Imports a module that is a package of its own."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise Mistake(
            f"{sys.executable} has no package {package}; run `{sys.executable} -m pip install "
            f"{package}`, or name another interpreter with `python`"
        ) from None




def sources(env, request):
    """Files and checksums of the user's modules: those that the environment and its wrappers are of, and what
    else was loaded from their folders. Python's own and installed packages are left out."""
    paths = sysconfig.get_paths()
    installed = [os.path.realpath(paths[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    named = [wrapper["module"] for wrapper in request["wrappers"]]
    named.append(request["id"].partition(":")[0] if request["family"] == "python" else type(env.unwrapped).__module__)
    files = {}
    for name, module in list(sys.modules.items()):
        # Not getattr: a module that is loaded when it is first used would be loaded by it, or fail to be.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith(".py"):
            files[name] = os.path.realpath(file)

    def is_installed(file):
        folders = file.split(os.sep)
        return "site-packages" in folders or "dist-packages" in folders or any(
            file.startswith(folder + os.sep) for folder in installed
        )

    # The folder of a script, or of the outermost package.
    tops = {name.partition(".")[0] for name in named} - {"gymnasium"}
    roots = {os.path.dirname(files[name]) + os.sep for name in tops & files.keys() if not is_installed(files[name])}
    found = {}
    for name, file in sorted(files.items()):
        if file.startswith(tuple(roots)) and not is_installed(file):
            try:
                with open(file, "rb") as text:
                    found[name] = {"file": file, "sha256": hashlib.sha256(text.read()).hexdigest()}
            except OSError:
                pass  # inside an archive, or deleted since
    return found
