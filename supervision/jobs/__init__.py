"""What is done to an instance now and then: `ray job submit … -- python -m supervision.jobs NAME`.

Each job can be tried (`--dry-run`), says how far it is, and may be run twice or be killed in the
middle: what was done stays done, and the next run does the rest.
"""
