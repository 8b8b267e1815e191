"""AWS SSO (IAM Identity Center) credential helper: every AWS tool signed in, no secret in a plain file."""

__version__ = "0.1.0.dev0"
