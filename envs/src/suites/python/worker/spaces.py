# Spaces: what goes in and out as flat numbers.


def flat_dtype(space):
    """Bytes where an observation is all bytes, as pixels are; else f32."""
    if isinstance(space, spaces.Dict):
        parts = list(space.spaces.values())
    elif isinstance(space, spaces.Tuple):
        parts = list(space.spaces)
    else:
        return np.uint8 if isinstance(space, spaces.Box) and space.dtype == np.uint8 else np.float32
    bytes_only = parts and all(flat_dtype(part) == np.uint8 for part in parts)
    return np.uint8 if bytes_only else np.float32


def shown(value):
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def writer(space, target, name="observation"):
    """A function that writes an element of `space` into `target`, flat, as
    `gymnasium.spaces.flatten` would."""
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return array_writer(space, target, name)
    if isinstance(space, spaces.Discrete):
        return one_hot_writer(space, [int(space.n)], int(space.start), target, name)
    if isinstance(space, spaces.MultiDiscrete):
        start = np.asarray(getattr(space, "start", 0))
        return one_hot_writer(space, space.nvec.ravel(), start, target, name)
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return composite_writer(space, target, name)

    def write(value):
        flat = spaces.flatten(space, value)
        if flat.shape != target.shape:
            raise Mistake(f"the {name} {shown(value)} does not fit its space {space}")
        target[...] = flat

    return write


def array_writer(space, target, name):
    shape, target = space.shape, target.reshape(space.shape)
    into_bytes = target.dtype == np.uint8
    accepted = space.dtype if into_bytes else target.dtype
    ndarray = np.ndarray

    def write(value):
        nonlocal accepted
        if type(value) is not ndarray:
            value = np.asarray(value)
        if value.shape != shape:
            raise Mistake(
                f"the {name} has shape {list(value.shape)} where its space has {list(shape)}; "
                "make them agree"
            )
        if value.dtype is not accepted:
            if into_bytes and value.dtype != np.uint8 or value.dtype.kind not in "biuf":
                raise Mistake(
                    f"the {name} has dtype {value.dtype} where its space has {space.dtype}; "
                    "return it in the dtype of the space, or correct the space"
                )
            accepted = value.dtype
        target[...] = value

    return write


def one_hot_writer(space, counts, start, target, name):
    counts = np.asarray(counts)
    offsets = np.concatenate([[0], np.cumsum(counts)[:-1]])

    def write(value):
        choices = np.asarray(value)
        if choices.shape != space.shape or choices.dtype.kind not in "biu":
            raise Mistake(f"the {name} {shown(value)} is not of the space {space}; make them agree")
        choices = (choices - start).ravel()
        if (choices < 0).any() or (choices >= counts).any():
            raise Mistake(f"the {name} {shown(value)} is outside its space {space}")
        target[:] = 0
        target[offsets + choices] = 1

    return write


def composite_writer(space, target, name):
    named = isinstance(space, spaces.Dict)
    parts = list(space.spaces.items()) if named else list(enumerate(space.spaces))
    writers, at = [], 0
    for key, part in parts:
        size = spaces.flatdim(part)
        writers.append((key, writer(part, target[at : at + size], f"{name}[{key!r}]")))
        at += size

    def write(value):
        if len(value) != len(writers):
            raise Mistake(f"the {name} has {len(value)} parts where its space has {len(writers)}")
        for key, write_part in writers:
            try:
                part = value[key]
            except KeyError:
                raise Mistake(f"the {name} has no part {key!r}, which is in its space") from None
            write_part(part)

    return write


def reader(space, numbers, choice):
    """A function that returns the action in the input `numbers` or `choice`."""
    if isinstance(space, spaces.Box):
        shape, dtype, low, high = space.shape, space.dtype, space.low.ravel(), space.high.ravel()
        if dtype.kind in "iub":
            return lambda: np.rint(numbers).astype(dtype).reshape(shape)
        if dtype == np.float32:
            return lambda: numbers.reshape(shape).copy()
        # A bound rounded to f32 may lie outside.
        return lambda: np.clip(numbers.astype(dtype), low, high).reshape(shape)
    if isinstance(space, spaces.Discrete):
        kind, start, n = space.dtype.type, int(space.start), int(space.n)
        if n > MOST_CHOICES:
            return lambda: kind(start + choice[0])
        choices = [kind(start + i) for i in range(n)]
        return lambda: choices[choice[0]]
    counts, start = choice_counts(space)
    table = np.stack(np.unravel_index(np.arange(math.prod(counts)), counts), axis=-1) + start
    table = table.reshape(-1, *space.shape).astype(space.dtype)
    return lambda: table[choice[0]].copy()


def choice_counts(space):
    """Choices per component of a product of discrete spaces, and where they begin."""
    if isinstance(space, spaces.MultiDiscrete):
        return [int(n) for n in space.nvec.ravel()], np.asarray(getattr(space, "start", 0)).ravel()
    return [2] * math.prod(space.shape), 0


def numbers(values):
    """A list for JSON, which has no infinities."""
    values = np.asarray(values, np.float32).ravel()
    return [x if math.isfinite(x) else str(x) for x in values.tolist()]


def not_numbers(space, name=""):
    """The first part, by name, that is no fixed number of numbers; None if all are."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        named = isinstance(space, spaces.Dict)
        parts = space.spaces.items() if named else enumerate(space.spaces)
        found = (not_numbers(part, f"{name}[{key!r}]") for key, part in parts)
        return next((part for part in found if part is not None), None)
    try:
        if isinstance(space, spaces.Space) and space.is_np_flattenable:
            spaces.flatdim(space)
            return None
    except NotImplementedError:
        pass  # a space of somebody's own, as MiniGrid's MissionSpace
    return name, space


def observed(space, keys):
    """The space of what is wanted of an observation, and a function that picks that. One key alone gives
    that part as it is, so that a picture keeps its shape."""
    if keys is None:
        return space, None
    if not isinstance(space, spaces.Dict):
        raise Mistake(
            f"`obs_keys` picks parts of a Dict, and its observation space is {shown(space)}; leave "
            "`obs_keys` out"
        )
    for key in keys:
        if key not in space.spaces:
            known = ", ".join(map(repr, space.spaces))
            raise Mistake(f"`obs_keys` names {key!r}, and its observation space has {known}")

    def pick(value):
        try:
            parts = {key: value[key] for key in keys}
        except (KeyError, TypeError, IndexError):
            raise Mistake(
                f"the observation {shown(value)} does not have the parts {', '.join(map(repr, keys))} "
                "that `obs_keys` names"
            ) from None
        return parts if len(keys) > 1 else parts[keys[0]]

    if len(keys) == 1:
        return space[keys[0]], pick
    return spaces.Dict({key: space[key] for key in keys}), pick


def advice(space):
    """How to do without what is no fixed number of numbers."""
    if isinstance(space, spaces.Dict):
        good = [key for key, part in space.spaces.items() if not_numbers(part) is None]
        if good and all(isinstance(key, str) for key in good):
            return f"leave it out with `obs_keys = {json.dumps(good)}`"
    return (
        "leave it out with a gymnasium.ObservationWrapper of yours, as in "
        '`wrappers = ["MODULE:CLASS"]`'
    )


def specification(env, time_limit, keys):
    space, _ = observed(env.observation_space, keys)
    part = not_numbers(space)
    if part is not None:
        name, bad = part
        where = f"part {name} of " if name else ""
        raise Mistake(
            f"{where}its observation space, {shown(bad)}, cannot be made one array; supported are Box, "
            "Discrete, MultiDiscrete, MultiBinary, Text, OneOf, and Dict and Tuple of them; "
            + advice(space)
        )
    flat = spaces.flatten_space(space)
    shape = list(space.shape) if isinstance(space, spaces.Box) else list(flat.shape)
    dtype = "u8" if flat_dtype(space) == np.uint8 else "f32"
    with np.errstate(over="ignore"):  # bounds beyond f32 are infinite
        low, high = numbers(flat.low), numbers(flat.high)
        obs = {"shape": shape or [1], "low": low, "high": high, "dtype": dtype}
        return {"obs": obs, "action": action(env.action_space), "time_limit": time_limit}


def action(space):
    if isinstance(space, spaces.Box):
        return {"box": {"low": numbers(space.low), "high": numbers(space.high)}}
    if isinstance(space, spaces.Discrete):
        return {"discrete": int(space.n)}
    if isinstance(space, (spaces.MultiDiscrete, spaces.MultiBinary)):
        choices = math.prod(choice_counts(space)[0])
        if choices <= MOST_CHOICES:
            return {"discrete": choices}
        raise Mistake(
            f"its action space {space} has {choices} combinations, and at most {MOST_CHOICES} are "
            "supported; wrap it so that it takes fewer"
        )
    raise Mistake(
        f"its action space {shown(space)} is not supported; supported are Box, Discrete, and "
        f"MultiDiscrete and MultiBinary of at most {MOST_CHOICES} combinations"
    )


