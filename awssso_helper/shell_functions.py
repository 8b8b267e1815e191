"""The functions by which `awssso use` and `awssso pick` change the shell that they are typed in.

Each lets every other command through untouched, with its status. It works under `set -u` and `set -e`, beside aliases,
and with the completions of the same name. All that it evaluates is what `awssso use` printed, when that succeeded.
"""

from __future__ import annotations

# `function NAME {` and the backslashes keep aliases out: they are expanded when a function is read.
_SH = r"""# awssso in @SHELL@: `awssso use PROFILE` and `awssso pick` change this shell.
\unalias awssso 2>/dev/null || \true
function awssso {
  \local __awssso_word __awssso_lines __awssso_plain=
  for __awssso_word in "$@"; do
    case "$__awssso_word" in
    -h | --help | --print | --version) __awssso_plain=1 ;;
    esac
  done
  case "${1-}" in
  use) ;;
  pick | "") [ -t 1 ] || __awssso_plain=1 ;;
  *) __awssso_plain=1 ;;
  esac
  if [ -n "$__awssso_plain" ]; then
    \command awssso "$@"
    \return
  fi
  if [ "${1-}" != use ]; then
    if [ "$#" -gt 0 ]; then \shift; fi
    __awssso_word=$(\command awssso pick --print "$@") || \return
    if [ -z "$__awssso_word" ]; then \return 0; fi
    \set -- use "--profile=$__awssso_word"
  fi
  __awssso_lines=$(
    AWSSSO_SHELL_FUNCTION=@SHELL@ AWSSSO_PREVIOUS="${__awssso_previous-}" \command awssso "$@"
  ) || \return
  \eval "$__awssso_lines"
}
"""

_FISH = r"""# awssso in fish: `awssso use PROFILE` and `awssso pick` change this shell.
function awssso --description 'AWS SSO credentials; use and pick change this shell'
    set -l words $argv
    set -l plain 0
    for word in $argv
        if contains -- $word -h --help --print --version
            set plain 1
        end
    end
    switch "$argv[1]"
        case use
        case pick ''
            test -t 1; or set plain 1
        case '*'
            set plain 1
    end
    if test $plain = 1
        command awssso $argv
        return
    end
    if test "$argv[1]" != use
        set -l picked (command awssso pick --print $argv[2..-1])
        or return
        test -n "$picked"; or return 0
        set words use --profile=$picked
    end
    set -l lines (AWSSSO_SHELL_FUNCTION=fish AWSSSO_PREVIOUS="$__awssso_previous" command awssso $words)
    or return
    printf '%s\n' $lines | source
end
"""

# PowerShell takes `--` out of a function's arguments; `awssso exec` does without it.
_POWERSHELL = r"""# awssso in PowerShell: `awssso use PROFILE` and `awssso pick` change this shell.
function global:awssso {
    $program = (Get-Command -Name awssso -CommandType Application -TotalCount 1 -ErrorAction Stop).Source
    $words = @($args | ForEach-Object { "$_" })
    $first = if ($words.Count -gt 0) { $words[0] } else { '' }
    $plain = @($words | Where-Object { @('-h', '--help', '--print', '--version') -ccontains $_ }).Count -gt 0
    if (@('use', 'pick', '') -cnotcontains $first) { $plain = $true }
    if ($first -cne 'use' -and $MyInvocation.PipelineLength -gt 1) { $plain = $true }
    if ($plain) {
        if ($MyInvocation.ExpectingInput) { $input | & $program @words } else { & $program @words }
        return
    }
    if ($first -cne 'use') {
        $rest = @($words | Select-Object -Skip 1)
        $picked = & $program pick --print @rest
        if ($LASTEXITCODE -ne 0 -or -not $picked) { return }
        $words = @('use', "--profile=$picked")
    }
    $Env:AWSSSO_SHELL_FUNCTION = 'powershell'
    $previous = Get-Variable -Scope Global -Name __awssso_previous -ValueOnly -ErrorAction SilentlyContinue
    $Env:AWSSSO_PREVIOUS = "$previous"
    try {
        $lines = & $program @words
    } finally {
        Remove-Item -ErrorAction SilentlyContinue -LiteralPath 'Env:AWSSSO_SHELL_FUNCTION', 'Env:AWSSSO_PREVIOUS'
    }
    if ($LASTEXITCODE -eq 0) { Invoke-Expression -Command ($lines -join "`n") }
}
"""

# Where each shell reads its function from at every start, and the line that stands there.
_PLACES = {
    "bash": ("~/.bashrc", 'eval "$(awssso shell-init bash)"'),
    "zsh": ("~/.zshrc", 'eval "$(awssso shell-init zsh)"'),
    "fish": ("~/.config/fish/config.fish", "awssso shell-init fish | source"),
    "powershell": ("$PROFILE", "Invoke-Expression (& awssso shell-init powershell | Out-String)"),
}


def text(shell: str) -> str:
    """Give the function of a shell."""
    return {"fish": _FISH, "powershell": _POWERSHELL}.get(shell) or _SH.replace("@SHELL@", shell)


def advice(shell: str) -> str:
    """Say where which line belongs, so that a shell has the function at every start."""
    place, line = _PLACES[shell]
    return f"add to {place}: {line}"
