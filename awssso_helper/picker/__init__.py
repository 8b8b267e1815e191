"""The full-screen picker: entries of the catalog in, a choice out.

It shows what it was given at once; whatever takes time (the keyring, a refresh, a sign-in) is asked of its `Source` in
threads that post messages, and no key ever waits for one. No secret comes in here. It draws on the terminal, never on
stdout. Importing it brings Textual.
"""

from awssso_helper.picker.app import picked
from awssso_helper.picker.terms import Action, Choice, Look, SessionState

__all__ = ["Action", "Choice", "Look", "SessionState", "picked"]
