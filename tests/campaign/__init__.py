"""The fault campaign: operations of the command line, hit at seeded random moments, and what must be true afterwards.

    python -m tests.campaign --seed 7 --rounds 20      as root; see --help

`schedule` says what happens in which round, `cage` where (namespaces of its own, so that nothing can reach, or be
left on, the machine), `engine` and `scene` are the private engine and the scratch project there, `operations` what is
run, `faults` what happens to it, `invariants` what is looked at afterwards, `report` tells of it.
"""
