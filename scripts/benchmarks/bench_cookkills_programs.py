"""The programs that `bench_cookkills` kills: a stand-in for the trainer, and the job with places to
stop at.
"""

from __future__ import annotations

# Stops where folder/phase says, until it is told to go on; says when a signal comes meanwhile.
PAUSING = r"""
import os, select, signal
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with open(os.path.join(HERE, "phase")) as stream:
    PHASE = stream.read()
def begin(name):
    global alive
    with open(os.path.join(HERE, name + ".pid"), "w") as stream:
        stream.write(str(os.getpid()))
    if PHASE:
        alive = os.open(os.path.join(HERE, "alive"), os.O_WRONLY)
def pause(phase):
    global PHASE
    if not phase or phase != PHASE:
        return
    PHASE = ""
    reached = os.open(os.path.join(HERE, "reached"), os.O_WRONLY)
    go = os.open(os.path.join(HERE, "go"), os.O_RDONLY)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake)
    os.write(reached, b"reached\n")
    while True:
        ready = select.select([go, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 100)
            os.write(reached, b"signalled\n")
        if go in ready:
            break
    signal.set_wakeup_fd(before)
"""

TRAINER = r"""
import json, os, secrets, signal, sys
from pausing import HERE, begin, pause
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
begin("trainer")
with open(sys.argv[sys.argv.index("--config") + 1], encoding="utf-8") as stream:
    config = json.load(stream)
out = os.path.join("out", config["out_dir"])
os.makedirs(out, exist_ok=True)
checkpoint = os.path.join(out, "checkpoint.pt")
def save(number):
    with open(checkpoint + ".part", "w") as stream:
        json.dump({"pass": number, "stamp": stamp}, stream)
    os.replace(checkpoint + ".part", checkpoint)
def stop(number):
    if asked:
        save(number)
        sys.exit(143)
def export(folder, middle=""):
    os.makedirs(os.path.join(out, folder), exist_ok=True)
    names = "mesh.obj mesh.mtl texture_kd.png texture_ks.png texture_n.png probe.hdr".split()
    for count, name in enumerate(names):
        with open(os.path.join(out, folder, name), "w") as stream:
            stream.write(name + " of " + stamp)
        if count == 2:
            pause(middle)
    print("Done exporting mesh", flush=True)
try:
    with open(checkpoint) as stream:
        saved = json.load(stream)
except FileNotFoundError:
    saved = {"pass": 1, "stamp": secrets.token_hex(8)}
    word = "anew"
else:
    word = "goes on"
    print("Resuming from iteration 10 of pass %d (5 s so far)" % saved["pass"])
with open(os.path.join(HERE, "starts"), "a") as stream:
    stream.write(word + "\n")
stamp = saved["stamp"]
line = "iter=   10, img_loss=0.1, reg_loss=0.1, lr=0.02, time=1.0 ms, rem=0.00 s"
if saved["pass"] == 1:
    print(line, flush=True)
    pause("pass 1")
    stop(1)
    export("dmtet_mesh")
    save(2)
print(line, flush=True)
pause("pass 2")
stop(2)
print("Running validation\nMSE,      PSNR\n0.00100000, 30.5", flush=True)
export("mesh", "export")
stop(2)
if os.environ.get("DIFFREC_KEEP_CHECKPOINT") != "1":
    os.unlink(checkpoint)
pause("ended")
"""

# The job process with places to stop at.
JOB = r"""
import os, sys
sys.path[:0] = [%(libraries)r, %(modules)r]
from pausing import begin, pause
from nvdiffrec_contract.files import Place
from nvdiffrec_tops.job import commandline, preflight, probe
from nvdiffrec_tops.job.outputs import placing, result, unfinished
begin("job")
preflight.findings = lambda *_: []  # takes seconds, and finds that this is no diffrec
def before(module, name, phase):
    function = getattr(module, name)
    def paused(*arguments, **options):
        pause(phase)
        return function(*arguments, **options)
    setattr(module, name, paused)
before(probe, "ask", "before")
before(result, "describe", "hash")
finish = unfinished.finish
def finishing(*arguments):
    pause("finish")
    finish(*arguments)
    pause("kept")
unfinished.finish = finishing
moved = [0]
move, unlink = Place.move, os.unlink
def moving(source, target):
    if os.path.join("out", "") in source.path and os.path.exists(journal()):
        pause("put %%d" %% moved[0])
        moved[0] += 1
    move(source, target)
def unlinking(path, **options):
    last = str(path) == journal()
    if last:
        pause("last")
    unlink(path, **options)
    if last:
        pause("placed")
def journal():
    return os.path.join(output, placing.JOURNAL)
output = sys.argv[sys.argv.index("--output") + 1]
Place.move, os.unlink = moving, unlinking
code = commandline.main()
pause("done")
sys.exit(code)
"""
