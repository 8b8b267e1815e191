"""Where we are: home, paths, variables, endpoints. Nothing is read at import; every environment variable is here.

| variable | meaning |
|---|---|
| `AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE` | the two files, with `~` and `$VAR` expanded as botocore does |
| `AWS_ENDPOINT_URL_SSO`, `AWS_ENDPOINT_URL_SSO_OIDC` | other endpoints: loopback hosts, or hosts that settings trust |
| `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL_SIGNIN` | the same for chained profiles and for console sign-in |
| `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL_IAM` | the same for `migrate` |
| `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` | all of the above are ignored |
| `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` | the endpoint family |
| `AWS_CA_BUNDLE`, `REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` | certificate authorities, the first that is set |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | proxies; loopback hosts never use one |
| `BROWSER`, `DISPLAY`, `WAYLAND_DISPLAY` | which browser there is |
| `NO_COLOR`, `TERM`, `SSH_CONNECTION`, `SSH_TTY`, `SSH_CLIENT`, `WSL_DISTRO_NAME` | how to talk to the person |
| `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`, `XDG_STATE_HOME`, `XDG_DATA_HOME`, `XDG_RUNTIME_DIR` | where our own files are |
| `ZDOTDIR` | where zsh reads its start files |
| `AWSSSO_CONFIG` | another settings file |
| `AWSSSO_SESSION` | the SSO session when no `-S` is given |
| `AWSSSO_PROFILE`, `AWSSSO_REGION` | from `exec`, `env`, `use`: the profile that is in force, and its region |
| `AWSSSO_OWN_REGION`, `AWSSSO_OWN_DEFAULT_REGION` | from the same: the user's own, until `use --clear` puts it back |
| `AWSSSO_SHELL_FUNCTION`, `AWSSSO_PREVIOUS` | from the shell function to `use`: which shell, and the profile before |
| `AWS_PROFILE` | the profile when `exec`, `env` or `console` name none |
| `SHELL`, `COMSPEC` | the shell that `exec` starts |
| `AWSSSO_BEGAN` | from our launcher to the full command: when an SDK began to wait, on the monotonic clock, and the \
descriptor that others wait for |
| `PYTHON_KEYRING_BACKEND` | the keyring backend (read in `store`); null and plain-text ones are refused |
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awssso_helper.endpoints import (
    Endpoints,
    aws_endpoints,
    host_of,
    is_loopback,
    serves_dual_stack,
    split_url,
)
from awssso_helper.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_APP = "awssso"
_IS_LINUX = sys.platform == "linux"
# The XDG base directory specification's defaults, below the home directory.
_XDG = {"config": ".config", "state": ".local/state", "cache": ".cache", "data": ".local/share"}


class Environment:
    """The variables of this process and what follows from them. Takes them when it is made, at the edge."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables: dict[str, str] = dict(os.environ if variables is None else variables)

    # Files

    @property
    def home(self) -> Path:
        """The home directory.

        Raises:
            UsageError: there is none, or it is not absolute.
        """
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where this answers
        if not home.is_absolute():
            raise UsageError("this process has no home directory", hint="set HOME")
        return home

    @property
    def aws_config_file(self) -> Path:
        """`~/.aws/config`, or what `AWS_CONFIG_FILE` names."""
        return self._aws_file("AWS_CONFIG_FILE", "config")

    @property
    def aws_credentials_file(self) -> Path:
        """`~/.aws/credentials`, or what `AWS_SHARED_CREDENTIALS_FILE` names."""
        return self._aws_file("AWS_SHARED_CREDENTIALS_FILE", "credentials")

    def _aws_file(self, variable: str, name: str) -> Path:
        configured = self.variables.get(variable)
        if configured:
            return Path(os.path.expanduser(os.path.expandvars(configured))).absolute()  # noqa: PTH111 - as botocore
        return self.home / ".aws" / name

    @property
    def settings_file(self) -> Path:
        """Our own settings."""
        configured = self.variables.get("AWSSSO_CONFIG")
        return Path(configured).absolute() if configured else self._own_dir("config") / "config"

    @property
    def state_dir(self) -> Path:
        """What we remember and cannot find again: names handed out, history."""
        return self._own_dir("state")

    @property
    def cache_dir(self) -> Path:
        """What we remember and could find again: accounts and roles."""
        return self._own_dir("cache")

    @property
    def data_dir(self) -> Path:
        """What we install for ourselves."""
        return self._own_dir("data")

    def _own_dir(self, kind: str) -> Path:
        """Give our directory of a kind, as platformdirs does; a test holds both equal."""
        if _IS_LINUX:
            # Every call of an SDK without an agent would pay 7 ms for the import.
            named = self.variables.get(f"XDG_{kind.upper()}_HOME", "").strip()
            return (Path(named) if os.path.isabs(named) else self.home / _XDG[kind]) / _APP  # noqa: PTH117 - a string
        import platformdirs  # noqa: PLC0415 - as above

        return Path(getattr(platformdirs, f"user_{kind}_dir")(_APP))

    @property
    def lock_dir(self) -> Path:
        """Where lock files live. One place for all processes of the user, so it does not follow `TMPDIR`."""
        return self.state_dir / "locks"

    @property
    def config_home(self) -> Path:
        """Where other programs (fish, PowerShell) look for what users configure."""
        return Path(self.variables.get("XDG_CONFIG_HOME") or self.home / ".config")

    @property
    def backup_dir(self) -> Path:
        """The AWS config file as it was before our changes."""
        return self.state_dir / "backups"

    @property
    def ledger_file(self) -> Path:
        """Every profile name that was ever handed out, with its role."""
        return self.state_dir / "profiles.json"

    @property
    def news_file(self) -> Path:
        """What the next command is to say."""
        return self.state_dir / "news.json"

    @property
    def recent_file(self) -> Path:
        """Favourites, and what was used last."""
        return self.state_dir / "recent.json"

    @property
    def migrations_file(self) -> Path:
        """The journal of `migrate`: which static key is how far; no secret."""
        return self.state_dir / "migrations.json"

    @property
    def audit_file(self) -> Path:
        """Who asked the agent for what, one JSON object a line; only where settings ask for it."""
        return self.state_dir / "audit.jsonl"

    def written_dirs(self) -> set[Path]:
        """Give every directory in which we replace files: where a kill may leave a temporary one.

        Raises:
            UsageError: as for `home`.
        """
        state, data, config = self.state_dir, self.data_dir, self.config_home
        shells = (self.home / ".bashrc", Path(self.variables.get("ZDOTDIR") or self.home) / ".zshrc")
        files = (self.aws_config_file, self.aws_credentials_file, self.settings_file, *shells)
        states = (state, state / "credentials", self.backup_dir, self.cache_dir, self.cache_dir / "inventory")
        installed = (data / "bin", data / "secrets", data / "completions")
        theirs = (config / "fish" / "completions", config / "powershell")
        return {*(Path(os.path.realpath(path)).parent for path in files), *states, *installed, *theirs}

    def shown(self, path: Path) -> str:
        """Write a path as people know it, with `~` for the home directory."""
        if path == self.home:
            return "~"
        try:
            return f"~/{path.relative_to(self.home).as_posix()}"
        except ValueError:
            return str(path)

    # Variables

    def as_bytes(self) -> dict[bytes, bytes]:
        """Give the variables as the kernel has them, which is how the warm lane reads them."""
        return {os.fsencode(name): os.fsencode(value) for name, value in self.variables.items()}

    def flag(self, name: str) -> bool:
        """Say whether a variable is `true`, as botocore reads booleans."""
        return self.variables.get(name, "").strip().lower() == "true"

    @property
    def ca_bundle(self) -> str | None:
        """The certificate bundle that variables name, or None for the system's."""
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            if self.variables.get(name):
                return self.variables[name]
        return None

    def proxy_for(self, url: str) -> str | None:
        """Give the proxy that a URL goes through, or None. Loopback hosts never use one (SECURITY A6)."""
        host = host_of(url)
        parts = split_url(url)
        if parts is None or is_loopback(host):
            return None
        from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - 50 ms that a cached answer never needs

        proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
        # "proxy.corp:3128" is what many have there, and what curl and the AWS CLI take for http.
        return f"http://{proxy}" if proxy and "://" not in proxy else proxy

    @property
    def no_browser_because(self) -> str | None:
        """Why a browser could not reach a callback server here ("over SSH", "under WSL"), or None."""
        if any(self.variables.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")):
            return "over SSH"
        return "under WSL" if self.variables.get("WSL_DISTRO_NAME") else None

    def can_color(self) -> bool:
        """Say whether `NO_COLOR` and `TERM` leave room for color (no-color.org)."""
        return not self.variables.get("NO_COLOR") and self.variables.get("TERM") != "dumb"

    # Endpoints

    def endpoints(self, region: str, start_url: str, *, trusted_hosts: Collection[str] = ()) -> Endpoints:
        """Give the endpoints for a session, after the standard variables.

        `AWS_ENDPOINT_URL`, which redirects everything (LocalStack set-ups), is ignored: a token would follow it.

        Raises:
            UsageError: `region` is no region.
            RefusedError: a variable names a host that may not receive tokens.
        """
        own = aws_endpoints(
            region,
            dual_stack=serves_dual_stack(start_url) or self.flag("AWS_USE_DUALSTACK_ENDPOINT"),
            fips=self.flag("AWS_USE_FIPS_ENDPOINT"),
        )
        return Endpoints(
            oidc=self._override("AWS_ENDPOINT_URL_SSO_OIDC", trusted_hosts) or own.oidc,
            portal=self._override("AWS_ENDPOINT_URL_SSO", trusted_hosts) or own.portal,
        )

    def endpoint_override(self, variable: str, trusted_hosts: Collection[str] = ()) -> str | None:
        """Give the endpoint that a variable such as `AWS_ENDPOINT_URL_STS` names, or None.

        Raises:
            RefusedError: it names a host that may not receive credentials.
        """
        return self._override(variable, trusted_hosts)

    def _override(self, variable: str, trusted_hosts: Collection[str]) -> str | None:
        url = self.variables.get(variable, "").strip()
        if not url or self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
            return None
        parts = split_url(url)
        host = host_of(url)
        if parts and is_loopback(host) and parts.scheme in ("http", "https") and "@" not in parts.netloc:
            return url.rstrip("/")
        if parts and parts.scheme == "https" and host in trusted_hosts and "@" not in parts.netloc:
            return url.rstrip("/")
        raise RefusedError(
            f"{variable} names {host or 'no host'}, which may not receive your tokens",
            hint=f"unset {variable}, or add the host to trusted_endpoint_hosts in {self.settings_file}",
        )


def is_windows() -> bool:
    """Say whether this is Windows, where there is no flock, no unix mode and no exec."""
    return sys.platform == "win32"
