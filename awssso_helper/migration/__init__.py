"""From static keys to SSO: plan, steps that can be undone, the journal, and the outside that they act on.

`planning` makes a `Plan` of jobs, one for each key; `steps` is the table that each job walks; `runner` walks it
forwards, backwards, or on to the deletion; `world` is everything outside: files, keyring, STS, IAM, clock.
"""
