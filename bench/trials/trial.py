"""What the Python trials share: the request, the arrays, the fingerprint, the timing (see bench/protocol.ts)."""
import json
import os
import resource
import sys
import time
from array import array

REQUEST = json.loads(sys.argv[1])
# Read by OpenMP and BLAS when they load, so before numpy, torch or jax.
os.environ["OMP_NUM_THREADS"] = str(REQUEST["threads"])
for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[name] = str(REQUEST.get("blasThreads", REQUEST["threads"]))

PROBLEM = REQUEST["problem"]
TASKS, SUPPORT, QUERY, INPUTS = (PROBLEM[k] for k in ("tasks", "support", "query", "inputs"))
STEPS, ORDER, RATE, THREADS = (REQUEST[k] for k in ("steps", "order", "learningRate", "threads"))


def shapes():
    widths = [INPUTS, *PROBLEM["hidden"], 1]
    return [shape for i, o in zip(widths, widths[1:]) for shape in ((o, i), (o,))]


def read(convert):
    """Parameters and (support X, y, query X, y), each through convert(array('f'), shape); y is [tasks, rows, 1]."""
    everything = array("f")
    with open(REQUEST["data"], "rb") as file:
        everything.frombytes(file.read())
    at = 0

    def take(shape):
        nonlocal at
        size = 1
        for n in shape:
            size *= n
        part = everything[at : at + size]
        at += size
        return convert(part, shape)

    parameters = [take(shape) for shape in shapes()]
    data = [take((TASKS, rows, width)) for rows in (SUPPORT, QUERY) for width in (INPUTS, 1)]
    assert at == len(everything)
    return parameters, data


def fingerprint(loss, gradient):
    """gradient: float sequences, one a tensor."""
    tensors = []
    for data in gradient:
        norm = sum(x * x for x in data) ** 0.5
        tensors.append({"sum": sum(data), "norm": norm, "entries": [data[0], data[len(data) // 2], data[-1]]})
    return {"loss": loss, "gradient": tensors}


def run(check, call):
    """check() -> (loss, [flat floats by tensor]); call() computes it once and waits for the result."""
    print(json.dumps(fingerprint(*check())), flush=True)
    seconds = REQUEST["seconds"]
    if seconds <= 0:
        return

    def until(limit, minimum):
        calls, end = [], time.perf_counter() + limit
        while len(calls) < minimum or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            calls.append(time.perf_counter() - start)
        return calls

    def cpu():
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    until(seconds / 3, 2)
    before = cpu()
    calls = until(seconds, 3)
    print(json.dumps({"calls": calls, "cpu": cpu() - before}), flush=True)
