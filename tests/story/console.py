"""Runs the commands of a document, in order, in one shell, and compares what they print.

A block of code (indented by four) counts if a comment stands before it:

    <!-- run -->            lines that begin with `$ ` are commands, those below what they print; `…` is
                            anything within a line, and alone on a line any number of lines
    <!-- file PATH -->      the block is the content of the file
    <!-- append PATH -->    the same at its end

A command must succeed, unless it ends in `# fails`. As a program: console.py DOCUMENT...; what it does
goes to standard output, and the exit code is 1 at the first difference.
"""
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

_MARK = re.compile(r"<!-- (run|file|append)(?: (\S+))? -->")
_END = "\x1e"  # after what a command has printed
PATIENCE_S = 120  # for one command


def blocks(text):
    """[(number of its first line, mark, path or None, its lines)] of the blocks that count."""
    found = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        mark = _MARK.fullmatch(lines[at].strip())
        at += 1
        if mark is None:
            continue
        while at < len(lines) and not lines[at].strip():
            at += 1
        first, block = at, []
        while at < len(lines) and (lines[at].startswith("    ") or not lines[at].strip()):
            block.append(lines[at][4:])
            at += 1
        while block and not block[-1]:
            block.pop()
        if not block:
            raise ValueError(f"line {first}: there is no block below its mark")
        found.append((first + 1, mark.group(1), mark.group(2), block))
    return found


def commands(block):
    """[(offset in the block, command, lines that it has to print)]"""
    found = []
    for offset, line in enumerate(block):
        if line.startswith("$ "):
            found.append((offset, line[2:], []))
        elif found and found[-1][1].endswith("\\"):
            found[-1] = (found[-1][0], found[-1][1] + "\n" + line, [])
        elif found:
            found[-1][2].append(line)
        else:
            raise ValueError(f"what prints this? {line}")
    return found


def pattern(lines):
    """What matches these lines, with or without white space at the ends of lines."""
    parts = [r"(?:.*\n)*?" if line.strip() == "…"
             else "".join(r".*?" if part == "…" else re.escape(part)
                          for part in re.split("(…)", line.rstrip())) + r"[ \t]*\n"
             for line in lines]
    return re.compile("".join(parts))


class Console:
    def __init__(self):
        self._shell = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shell.stdin.close()
        self._shell.wait()
        self._shell.stdout.close()

    def run(self, command, patience_s=PATIENCE_S):
        """What it printed and its exit code; None for that if the shell is gone: the command ended it,
        or took too long. What it leaves running must print elsewhere."""
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null\n"
                                f"printf '{_END}%s\\n' $?\n")
        self._shell.stdin.flush()
        watchdog = threading.Timer(patience_s, os.killpg, (self._shell.pid, signal.SIGKILL))
        watchdog.start()
        printed, end = "", ""
        while not end and (line := self._shell.stdout.readline()):
            before, end, status = line.partition(_END)
            printed += before
        watchdog.cancel()
        return printed, int(status) if end else None


def write_file(mark, path, block):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w" if mark == "file" else "a") as file:
        file.write("\n".join(block) + "\n")
    print(f"({mark} {path})", flush=True)


def run_command(console, command, expected):
    """What is wrong with it, or None."""
    print(f"$ {command}", flush=True)
    printed, status = console.run(command)
    print(printed, end="", flush=True)
    if status is None:
        return f"it ended the shell, or took too long: {command}"
    if (status != 0) != command.endswith("# fails"):
        return f"exit code {status}: {command}"
    if printed and not printed.endswith("\n"):
        printed += "\n"
    if not pattern(expected).fullmatch(printed):
        return f"{command}\nhad to print:\n" + "\n".join(expected)
    return None


def run_document(path):
    """Where it went another way than the document says, and how; None if it did not."""
    with Console() as console:
        for first, mark, target, block in blocks(path.read_text()):
            if mark != "run":
                write_file(mark, Path(target), block)
                continue
            for offset, command, expected in commands(block):
                problem = run_command(console, command, expected)
                if problem is not None:
                    return f"{path.name}:{first + offset}: {problem}"
    return None


if __name__ == "__main__":
    for document in sys.argv[1:]:
        difference = run_document(Path(document))
        if difference is not None:
            sys.exit(difference)
    print("console: all of it")
