"""Attacks on the command line from outside: broken inputs, kills, two at once, hostile text; verdicts are counted.

`python -m tests.campaign` runs it. A part is a module with `cases(strop, work, seed)`, a generator of `Case` that goes
on for as long as it is asked; it works below the folder `work` and runs commands with `strop`, a `command.Strop`.
"""
