"""One module per command, named like it, each with `run`: gather, call the room that knows, say what happened.

`run` takes the `Context` of this command line and gives the exit status. Errors pass through to the edge in `cli`.
"""
