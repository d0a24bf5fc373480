# Running environments, command by command.


STEP_RETURNS = "step() returns observation, reward, terminated, truncated and a dictionary, in this order"


def task(info, returns):
    """Which task of a continual benchmark is on, if the environment says so."""
    if not isinstance(info, dict):
        raise Mistake(f"info is {shown(info)}, not a dictionary; {returns}")
    index = info.get("task", 0)
    whole = isinstance(index, (int, np.integer)) and 0 <= index < 2**63
    return int(index) if whole else 0


def flag(name, value):
    """Whether an episode ended: nothing is taken for true because it is not empty."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, np.ndarray) and value.shape == ():
        return flag(name, value[()])
    if isinstance(value, (int, np.integer)) and value in (0, 1):
        return bool(value)
    raise Mistake(f"{name} is {shown(value)}; it must be True or False (or 0 or 1). {STEP_RETURNS}")


def flags(reward, terminated, truncated):
    """Both, where they are not simply bools."""
    ends = flag("terminated", terminated), flag("truncated", truncated)
    if isinstance(reward, (bool, np.bool_)) and not isinstance(terminated, (bool, np.bool_)):
        raise Mistake(
            f"the reward is {shown(reward)} and terminated is {shown(terminated)}, which look "
            f"exchanged; {STEP_RETURNS}"
        )
    return ends


class Slot:
    """One environment and its place in the shared memory."""

    def __init__(self, env, memory, layout, index, keys):
        self.env = env
        self.memory = memory
        input_at = index * layout["input_stride"]
        self.choice = memoryview(memory)[input_at : input_at + 8].cast("q")
        space = env.action_space
        count = math.prod(space.shape) if isinstance(space, spaces.Box) else 0
        floats = np.frombuffer(memory, np.float32, count, input_at + ACTION_AT)
        self.action = reader(space, floats, self.choice)
        self.output_at = layout["outputs_at"] + index * layout["output_stride"]
        space, pick = observed(env.observation_space, keys)
        size, dtype = spaces.flatdim(space), flat_dtype(space)
        target = np.frombuffer(memory, dtype, size, self.output_at + OBS_AT)
        write = writer(space, target)
        self.write = write if pick is None else lambda value: write(pick(value))
        self.step = self.stepper()

    def reset(self):
        result = self.env.reset(seed=self.choice[0])
        if type(result) is not tuple or len(result) != 2:
            raise Mistake(
                f"reset() returned {shown(result)}; Gymnasium's reset() returns two values, the "
                "observation and a dictionary"
            )
        obs, info = result
        self.write(obs)
        index = task(info, "reset() returns the observation and a dictionary, in this order")
        HEAD.pack_into(self.memory, self.output_at, 0.0, index, False, False)

    def stepper(self):
        """The one function whose speed matters: everything it needs is at hand."""
        step, action, write, pack = self.env.step, self.action, self.write, HEAD.pack_into
        memory, output_at, struct_error = self.memory, self.output_at, struct.error

        def take():
            result = step(action())
            try:
                obs, reward, terminated, truncated, info = result
            except (TypeError, ValueError):
                raise Mistake(
                    f"step() returned {shown(result)}; Gymnasium's step() returns five values: "
                    "observation, reward, terminated, truncated and a dictionary"
                ) from None
            if type(terminated) is not bool or type(truncated) is not bool:
                terminated, truncated = flags(reward, terminated, truncated)
            index = 0 if type(info) is dict and not info else task(info, STEP_RETURNS)
            write(obs)
            try:
                pack(memory, output_at, reward, index, terminated, truncated)
            except struct_error:
                raise Mistake(f"the reward is {shown(reward)}; it must be one number") from None

        return take

    def render(self):
        if getattr(self.env, "render_mode", None) != "rgb_array":
            return b""
        frame = np.asarray(self.env.render())
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise Mistake(
                f"render() returned an array of shape {list(frame.shape)} and dtype {frame.dtype}; "
                "a picture is [height, width, 3] in uint8"
            )
        return struct.pack("=II", *frame.shape[:2]) + frame.tobytes()


class Worker:
    def __init__(self, request):
        self.request = request
        self.waiting = {}
        self.slots = {}
        self.memory = None

    def make(self, slot):
        env, time_limit = make(self.request)
        keys = self.request.get("obs_keys")
        spec = json.dumps(specification(env, time_limit, keys)).encode()
        if self.memory is None:
            self.waiting[slot] = env
        else:
            self.slots[slot] = Slot(env, self.memory, self.layout, slot, keys)
        return spec

    def map(self, layout):
        with open(layout["path"], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)
        self.layout = layout
        for slot, env in self.waiting.items():
            self.slots[slot] = Slot(env, self.memory, layout, slot, self.request.get("obs_keys"))
        self.waiting = {}

    def run(self, code, slot):
        if code == STEP:
            return self.slots[slot].step()
        if code == RESET:
            return self.slots[slot].reset()
        if code == MAKE:
            return self.make(slot)
        if code == RENDER:
            return self.slots[slot].render()
        return self.close()

    def close(self):
        envs = [slot.env for slot in self.slots.values()]
        self.slots = {}
        for env in envs:
            try:
                env.close()
            except BaseException:
                traceback.print_exc()


def explain(error, doing):
    if isinstance(error, Mistake):
        return str(error)
    # Our own frames are of no use to anybody but us.
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return f"{doing} raised {headline(error)}\n\n{''.join(lines).strip()}"


def headline(error):
    """What a reader wants first: the exception and the first line of its message."""
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = []  # its own __str__ fails, too
    return f"{name}: {lines[0]}" if lines else name


DOING = {MAKE: "making it", RESET: "its reset()", STEP: "its step()", RENDER: "its render()",
         CLOSE: "its close()"}


def answer(status, payload):
    return status + LENGTH.pack(len(payload)) + payload


def attempt(doing, run, *arguments):
    """What is sent for a command."""
    try:
        payload = run(*arguments)
    except BaseException as error:
        return answer(FAILED, explain(error, doing).encode(errors="replace"))
    return DONE if payload is None else answer(VALUE, payload)


def start(request):
    global np, gymnasium, spaces
    sys.path[:0] = request["path"]
    np = require("numpy", "gymnasium")  # which brings it
    gymnasium = require("gymnasium", "gymnasium")
    from gymnasium import spaces

    if int(gymnasium.__version__.split(".")[0]) < 1:
        raise Mistake(
            f"{sys.executable} has gymnasium {gymnasium.__version__}, and 1.0 or newer is needed; "
            f"run `{sys.executable} -m pip install --upgrade gymnasium`"
        )
    sys.path.append(os.getcwd())
    worker.request = request
    spec = worker.make(0)
    return json.dumps({"spec": json.loads(spec), "sources": sources(worker.waiting[0], request)}).encode()


worker = Worker(None)


def main():
    # What an environment prints goes to standard error.
    link = os.dup(1)
    os.dup2(2, 1)
    die_with_parent(link)
    faulthandler.enable()
    try:
        request = receive_json(link)
        send(link, attempt(DOING[MAKE], start, request))
        layout = receive_json(link)
        send(link, attempt("mapping the shared memory", worker.map, layout))
        run = worker.run
        os.set_blocking(link, False)
        for commands in messages(link):
            pairs = zip(commands[::2], commands[1::2])
            send(link, b"".join([attempt(DOING[code], run, code, slot) for code, slot in pairs]))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone
    worker.close()


main()
