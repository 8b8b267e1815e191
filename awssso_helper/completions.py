"""The completion scripts of bash, zsh, fish and PowerShell, made from the parser: text in, text out.

A script knows commands, options and fixed values by itself, and asks `awssso complete KIND` for names. What
`completions/` ships is what this makes; a test compares them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from awssso_helper.candidates import KINDS
from awssso_helper.parser import command_parsers, kind_of, shown_choices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from awssso_helper.environment import Environment

FILES = {"bash": "awssso.bash", "zsh": "_awssso", "fish": "awssso.fish", "powershell": "awssso.ps1"}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value: of a `kind` (see `parser.kind_of`), or one of `choices`."""

    name: str
    kind: str = ""
    choices: tuple[str, ...] = ()
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """An option with all its spellings; `slot` is None for one that takes no value."""

    spellings: tuple[str, ...]
    help_line: str
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class Command:
    """A command; the top level is the one without a name."""

    name: str
    help_line: str
    options: tuple[Option, ...]
    slots: tuple[Slot, ...]


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """Give the completion script of a shell in `SHELLS`."""
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish, "powershell": _powershell}
    return makers[shell](commands(parser))


def installed_file(environment: Environment, shell: str) -> Path:
    """Give where `--install` writes the script of a shell: fish has a place of its own, others are told."""
    if shell == "fish":
        return environment.config_home / "fish" / "completions" / FILES[shell]
    return environment.data_dir / "completions" / FILES[shell]


def commands(parser: argparse.ArgumentParser) -> list[Command]:
    """Read the parser: the top level first, then every command in its order. What help hides is left out."""
    lines = _help_lines(parser)
    named = command_parsers(parser)
    return [
        _command("", "", parser),
        *(_command(name, lines[name], each) for name, each in named.items() if name in lines),
    ]


def _help_lines(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Give the line of each command that the help of the top level shows."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            shown = action._choices_actions  # noqa: SLF001 - as above
            return {each.dest: each.help or "" for each in shown if each.help != argparse.SUPPRESS}
    return {}


def _command(name: str, help_line: str, parser: argparse.ArgumentParser) -> Command:
    options, slots = [], []
    for action in parser._actions:  # noqa: SLF001 - as above
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            continue
        if action.option_strings:
            slot = _slot(action) if action.nargs != 0 else None
            told = parser._get_formatter()._expand_help(action) if action.help else ""  # noqa: SLF001 - as above
            options.append(Option(tuple(action.option_strings), told, slot))
        else:
            slots.append(_slot(action))
    return Command(name, help_line, tuple(options), tuple(slots))


def _slot(action: argparse.Action) -> Slot:
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    is_rest = action.nargs in (argparse.REMAINDER, "*", "+")
    return Slot(metavar or action.dest, kind_of(action), tuple(shown_choices(action)), is_rest)


# bash


def _bash(known: list[Command]) -> str:
    options = "\n".join(f"    {_bash_case([each.name])}) options={_sh(_spelled(each))} ;;" for each in known)
    slots = "\n".join(f"    {_bash_case(keys)}) found={_sh(_told(slot))} ;;" for keys, slot in _places(known))
    return (
        _BASH.replace("@COMMANDS@", " ".join(each.name for each in known[1:]))
        .replace("@OPTIONS@", options)
        .replace("@SLOTS@", slots)
    )


def _places(known: list[Command]) -> Iterator[tuple[list[str], Slot]]:
    """Give every place for a value: `COMMAND OPTION`, `COMMAND N`, or `COMMAND +` for all that follow.

    `COMMAND --` is where another program's command line begins.
    """
    for command in known:
        for option in command.options:
            if option.slot:
                yield [f"{command.name} {spelling}" for spelling in option.spellings], option.slot
        for number, slot in enumerate(command.slots, 1):
            is_last = number == len(command.slots)
            more = ["+"] * (slot.is_rest and is_last) + ["--"] * (slot.kind == "command")
            yield [f"{command.name} {each}" for each in (number, *more)], slot


def _spelled(command: Command) -> str:
    return " ".join(spelling for option in command.options for spelling in option.spellings)


def _told(slot: Slot) -> str:
    """Write a slot as one word: `=a b c` for fixed values, the kind, or `-` where nothing can be offered."""
    if slot.choices:
        return "=" + " ".join(slot.choices)
    return slot.kind or "-"


def _bash_case(keys: list[str]) -> str:
    return " | ".join(_sh(key) for key in keys)


def _sh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_BASH = r"""# bash completion for awssso, made from its parser by `make completions`.

# The words of the line up to the cursor, as the shell will read them, in `words`; what readline will replace of the
# last one begins behind `fixed`, in the quote `quote`.
_awssso_read_line() {
    local line=${COMP_LINE:0:COMP_POINT} index character word='' is_word=''
    words=() fixed='' quote=''
    for ((index = 0; index < ${#line}; index++)); do
        character=${line:index:1}
        if [[ $quote == "'" ]]; then
            if [[ $character == "'" ]]; then quote=''; else word+=$character; fi
        elif [[ $character == \\ ]]; then
            ((index++))
            if [[ $quote == '"' && ${line:index:1} != [\"\\\$\`] ]]; then word+=\\; fi
            word+=${line:index:1} is_word=1
        elif [[ $quote == '"' ]]; then
            if [[ $character == '"' ]]; then quote=''; else word+=$character; fi
        elif [[ $character == [\'\"] ]]; then
            quote=$character fixed=$word is_word=1
        elif [[ $character == [[:blank:]] ]]; then
            if [[ $is_word ]]; then words+=("$word"); fi
            word='' fixed='' is_word=''
        elif [[ $character == @ && $COMP_WORDBREAKS == *@* ]]; then
            # readline keeps this one in the word that it replaces.
            fixed=$word word+=$character is_word=1
        else
            word+=$character is_word=1
            if [[ $COMP_WORDBREAKS == *"$character"* ]]; then fixed=$word; fi
        fi
    done
    words+=("$word")
}

_awssso_options() {
    case $1 in
@OPTIONS@
    *) options='' ;;
    esac
}

# What belongs in a place: the kind of a name, "=" and fixed values, or nothing where there is no such place.
_awssso_place() {
    case $1 in
@SLOTS@
    *) found='' ;;
    esac
}

# Offer one candidate, in the spelling that the open quote needs, when it goes on from what is typed.
_awssso_offer() {
    if [[ $1 != "$typed"* ]]; then return; fi
    local rest=${1#"$fixed"}
    case $quote in
    "'") rest=${rest//"'"/"'\\''"} ;;
    '"')
        rest=${rest//\\/\\\\}
        rest=${rest//\"/\\\"}
        rest=${rest//\$/\\\$}
        rest=${rest//\`/\\\`}
        ;;
    *) if [[ $rest ]]; then printf -v rest %q "$rest"; fi ;;
    esac
    COMPREPLY+=("$rest")
}

_awssso_offer_place() {
    local each
    case $1 in
    =*) for each in ${1#=}; do _awssso_offer "$lead$each"; done ;;
    '' | -) ;;
    file) while IFS= read -r each; do _awssso_offer "$lead$each"; done < <(compgen -f -- "${typed#"$lead"}") ;;
    command) while IFS= read -r each; do _awssso_offer "$each"; done < <(compgen -c -- "$typed") ;;
    *)
        while IFS= read -r each; do
            _awssso_offer "$lead${each%%$'\t'*}"
        done < <(command awssso complete "$1" "${typed#"$lead"}" 2>/dev/null)
        ;;
    esac
}

_awssso() {
    local words fixed quote options found typed lead='' name='' option='' number=0 is_rest='' index each
    COMPREPLY=()
    _awssso_read_line
    typed=${words[${#words[@]} - 1]}
    for ((index = 1; index < ${#words[@]} - 1; index++)); do
        each=${words[index]}
        if [[ $option ]]; then
            option=''
        elif [[ $each == -- && ! $is_rest ]]; then
            is_rest=1
            _awssso_place "$name --"
            if [[ $found ]]; then
                _awssso_other "$((index + 1))"
                return
            fi
        elif [[ $each == -?* && ! $is_rest ]]; then
            if [[ $each != --*=* ]]; then
                _awssso_place "$name $each"
                if [[ $found ]]; then option=$each; fi
            fi
        elif [[ ! $name ]]; then
            name=$each
        else
            ((number++))
            _awssso_place "$name $number"
            # From the first word of another program's command line on, everything is that program's.
            if [[ $found == command && " ${words[*]} " != *" -- "* ]]; then
                _awssso_other "$index"
                return
            fi
        fi
    done
    if [[ $option ]]; then
        _awssso_place "$name $option"
        _awssso_offer_place "$found"
    elif [[ $typed == --*=* && ! $is_rest ]]; then
        _awssso_place "$name ${typed%%=*}"
        lead=${typed%%=*}=
        _awssso_offer_place "$found"
    elif [[ $typed == -* && ! $is_rest ]]; then
        _awssso_options "$name"
        for each in $options; do _awssso_offer "$each"; done
    elif [[ ! $name ]]; then
        for each in @COMMANDS@; do _awssso_offer "$each"; done
    else
        _awssso_place "$name $((number + 1))"
        if [[ ! $found ]]; then _awssso_place "$name +"; fi
        _awssso_offer_place "$found"
    fi
}

# Complete the command line of another program, whose name is word $1 of ours.
_awssso_other() {
    local each
    if (($1 == ${#words[@]} - 1)); then
        _awssso_offer_place command
        return
    fi
    if declare -F _command_offset >/dev/null; then
        # The shell's own splitting is finer than ours, so the word is there or further on.
        for ((index = $1; index < COMP_CWORD; index++)); do
            if [[ ${COMP_WORDS[index]} == "${words[$1]}" ]]; then
                _command_offset "$index"
                return
            fi
        done
    fi
    while IFS= read -r each; do _awssso_offer "$each"; done < <(compgen -f -- "$typed")
}

complete -F _awssso awssso
"""


# zsh


def _zsh(known: list[Command]) -> str:
    lines = "\n".join(f"        {_sh(_colons(each.name) + ':' + each.help_line)}" for each in known[1:])
    cases = "\n".join(_zsh_case(each) for each in known[1:])
    functions = "\n".join(f'_awssso_{kind}() {{ _awssso_known {kind} "$@" }}' for kind in KINDS)
    return (
        _ZSH.replace("@TOP@", _zsh_arguments(known[0], "        "))
        .replace("@COMMANDS@", lines)
        .replace("@CASES@", cases)
        .replace("@FUNCTIONS@", functions)
    )


def _zsh_case(command: Command) -> str:
    inner = "            "
    lines = [f"        {command.name})"]
    if any(slot.kind == "command" for slot in command.slots):
        lines += [f"{inner}if _awssso_other; then", f"{inner}    result=0", f"{inner}    return result", f"{inner}fi"]
    lines += [f"{inner}_arguments -s -S \\", f"{_zsh_arguments(command, inner)} && result=0", f"{inner};;"]
    return "\n".join(lines)


def _zsh_arguments(command: Command, indent: str) -> str:
    words = [word for option in command.options for word in _zsh_option(option)]
    for number, slot in enumerate(command.slots, 1):
        where = "*" if slot.is_rest and number == len(command.slots) else str(number)
        if slot.kind == "command":
            words.append(_sh(f"{where}::command:_normal"))
        else:
            words.append(_sh(f"{where}:{_colons(slot.name)}:{_zsh_action(slot)}"))
    return " \\\n".join(indent + word for word in words)


def _zsh_option(option: Option) -> Iterator[str]:
    """Write an option once for each spelling; any of them excludes all."""
    others = " ".join(option.spellings)
    told = _colons(option.help_line).replace("[", "\\[").replace("]", "\\]")
    for spelling in option.spellings:
        takes = ""
        if option.slot:
            takes = f":{_colons(option.slot.name)}:{_zsh_action(option.slot)}"
        # `+` or `=`: the value is the next word, or follows at once.
        join = ("=" if spelling.startswith("--") else "+") if option.slot else ""
        yield _sh(f"({others}){spelling}{join}[{told}]{takes}")


def _zsh_action(slot: Slot) -> str:
    if slot.choices:
        return f"({' '.join(slot.choices)})"
    if slot.kind == "file":
        return "_files"
    return f"_awssso_{slot.kind}" if slot.kind in KINDS else " "


def _colons(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


_ZSH = r"""#compdef awssso
# zsh completion for awssso, made from its parser by `make completions`.

# Offer the names of one kind; compadd quotes what a shell would take apart.
_awssso_known() {
    local kind=$1 line
    local -a values shown
    shift
    for line in "${(@f)$(command awssso complete $kind 2>/dev/null)}"; do
        if [[ -z $line ]]; then continue; fi
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    (( $#values )) && compadd "$@" -l -d shown -a values
}

@FUNCTIONS@

# Behind a -- the command line is another program's.
_awssso_other() {
    local at=${words[(i)--]}
    if (( at >= CURRENT )); then return 1; fi
    words=("${(@)words[at + 1,-1]}")
    (( CURRENT -= at ))
    _normal
}

_awssso() {
    local curcontext="$curcontext" state line result=1
    # Not `commands`, which is what zsh itself knows every program by.
    local -a known
    local -A opt_args
    _arguments -C \
@TOP@ \
        '1:command:->command' \
        '*::argument:->argument' && result=0
    case $state in
    command)
        known=(
@COMMANDS@
        )
        _describe -t commands command known && result=0
        ;;
    argument)
        curcontext="${curcontext%:*:*}:awssso-$words[1]:"
        case $words[1] in
@CASES@
        esac
        ;;
    esac
    return result
}

# As a file in fpath it is called; read by a start file it registers itself.
if [[ $funcstack[1] == _awssso ]]; then
    _awssso "$@"
else
    if (( ! $+functions[compdef] )); then
        autoload -Uz compinit
        compinit
    fi
    compdef _awssso awssso
fi
"""


# fish


def _fish(known: list[Command]) -> str:
    lines = [f"complete -c awssso -n '__awssso_at \"\" 1' -a {each.name} -d {_fish_word(each.help_line)}"
             for each in known[1:]]  # fmt: skip
    for command in known:
        lines += [_fish_option(command.name, option) for option in command.options]
        lines += [
            line
            for number, slot in enumerate(command.slots, 1)
            for line in _fish_slot(command, number, slot)
        ]  # fmt: skip
    valued = [
        f"    case {' '.join(_fish_word(key) for key in keys)}\n        return 0"
        for keys, slot in _places(known)
        if keys[0].split(" ")[-1].startswith("-")
    ]
    return _FISH.replace("@VALUED@", "\n".join(valued)).replace("@LINES@", "\n".join(lines))


def _fish_option(command: str, option: Option) -> str:
    names = "".join(
        f" -l {spelling[2:]}" if spelling.startswith("--") else f" -s {spelling[1:]}" for spelling in option.spellings
    )
    values = _fish_values(option.slot) if option.slot else ""
    takes = "" if option.slot is None else " -r -F" if option.slot.kind == "file" else " -x"
    takes += f" -a {_fish_word(values)}" if values else ""
    return f"complete -c awssso -n '__awssso_in \"{command}\"'{names}{takes} -d {_fish_word(option.help_line)}"


def _fish_slot(command: Command, number: int, slot: Slot) -> Iterator[str]:
    if slot.kind == "command":
        yield f"complete -c awssso -n '__awssso_behind \"{command.name}\"' -a '(__awssso_other)'"
        return
    values = _fish_values(slot)
    where = f"{number} +" if slot.is_rest else str(number)
    has_program = any(each.kind == "command" for each in command.slots)
    but = f'; and not __awssso_behind "{command.name}"' if has_program else ""
    if values or slot.kind == "file":
        offered = f" -a {_fish_word(values)}" if values else " -F"
        yield f"complete -c awssso -n '__awssso_at \"{command.name}\" {where}{but}'{offered}"


def _fish_values(slot: Slot) -> str:
    if slot.choices:
        return " ".join(slot.choices)
    return f"(command awssso complete {slot.kind} 2>/dev/null)" if slot.kind in KINDS else ""


def _fish_word(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH = r"""# fish completion for awssso, made from its parser by `make completions`.

# Whether an option takes a value, by `COMMAND OPTION`.
function __awssso_takes_value
    switch $argv[1]
@VALUED@
    end
    return 1
end

# The command, then every positional word before the cursor, a line each.
function __awssso_words
    set -l name ''
    set -l option ''
    set -l rest ''
    set -l tokens (commandline -opc)
    for token in $tokens[2..-1]
        if test -n "$option"
            set option ''
        else if test -z "$rest"; and string match -q -- -- $token
            set rest 1
        else if string match -qr '^-.' -- $token; and test -z "$rest"
            if __awssso_takes_value "$name $token"
                set option 1
            end
        else
            if test -z "$name"
                set name $token
            end
            printf '%s\n' $token
        end
    end
end

function __awssso_in
    set -l words (__awssso_words)
    test "$words[1]" = "$argv[1]"; and not contains -- -- (commandline -opc)
end

# Whether the cursor is at a positional word of a command; + takes all that follow too.
function __awssso_at
    set -l words (__awssso_words)
    set -l number (count $words)
    if test -z "$argv[1]"
        test $number -eq 0
    else if test "$words[1]" != "$argv[1]"
        return 1
    else if test "$argv[3]" = +
        test $number -ge $argv[2]
    else
        test $number -eq $argv[2]
    end
end

# Whether the cursor is behind the -- of a command that starts another program.
function __awssso_behind
    set -l words (__awssso_words)
    test "$words[1]" = "$argv[1]"; and contains -- -- (commandline -opc)
end

function __awssso_other
    set -l tokens (commandline -opc)
    set -l index (contains -i -- -- $tokens)
    set -l line (string escape -- $tokens[(math $index + 1)..-1]) (commandline -ct)
    complete -C (string join ' ' -- $line)
end

complete -c awssso -f
@LINES@
"""


# PowerShell


def _powershell(known: list[Command]) -> str:
    lines = "\n".join(f"    {_ps(f'{each.name}|{each.help_line}')}" for each in known[1:])
    rows = [
        f"{command.name}|{spelling}|{_told(option.slot) if option.slot else ''}|{option.help_line}"
        for command in known
        for option in command.options
        for spelling in option.spellings
    ]
    rows += [
        f"{key.replace(' ', '|')}|{_told(slot)}|{slot.name}"
        for keys, slot in _places(known)
        for key in keys
        if not key.split(" ")[1].startswith("-")
    ]
    table = "\n".join(f"    {_ps(row)}" for row in rows)
    return _POWERSHELL.replace("@COMMANDS@", lines).replace("@TABLE@", table)


def _ps(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_POWERSHELL = r"""# PowerShell completion for awssso, made from its parser by `make completions`.

$script:AwsssoCommands = @(
@COMMANDS@
)

# COMMAND|PLACE|VALUES|HELP: a place is an option, the number of a word, or + for all that follow; values are a kind
# of name, "=" and fixed values, "-" for what cannot be offered, nothing for an option that takes none.
$script:AwsssoTable = @(
@TABLE@
)

function script:Get-AwsssoValues($Name, $Place) {
    foreach ($row in $script:AwsssoTable) {
        $cells = $row.Split('|', 4)
        if ($cells[0] -ceq $Name -and $cells[1] -ceq $Place) { return $cells[2] }
    }
    return ''
}

function script:New-AwsssoResult($Value, $Help) {
    $text = $Value
    if ($text -notmatch '^[A-Za-z0-9_./:+=-][A-Za-z0-9_./:+=@-]*$') { $text = "'" + $text.Replace("'", "''") + "'" }
    if (-not $Help) { $Help = $Value }
    [System.Management.Automation.CompletionResult]::new($text, $Value, 'ParameterValue', $Help)
}

Register-ArgumentCompleter -Native -CommandName awssso -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $typed = "$wordToComplete".Trim("'", '"')
    $name = ''
    $option = ''
    $number = 0
    $isRest = $false
    foreach ($element in @($commandAst.CommandElements | Select-Object -Skip 1)) {
        if ($element.Extent.EndOffset -ge $cursorPosition) { break }
        $word = $element.Extent.Text.Trim("'", '"')
        if ($option) { $option = '' }
        elseif ($word -ceq '--' -and -not $isRest) { $isRest = $true }
        elseif ($word.StartsWith('-') -and -not $isRest) {
            if (Get-AwsssoValues $name $word) { $option = $word }
        }
        elseif (-not $name) { $name = $word }
        else { $number++ }
    }
    if ($option) { $values = Get-AwsssoValues $name $option }
    elseif ($typed.StartsWith('-') -and -not $isRest) {
        foreach ($row in $script:AwsssoTable) {
            $cells = $row.Split('|', 4)
            if ($cells[0] -ceq $name -and $cells[1].StartsWith('-') -and $cells[1].StartsWith($typed)) {
                New-AwsssoResult $cells[1] $cells[3]
            }
        }
        return
    }
    elseif (-not $name) {
        foreach ($row in $script:AwsssoCommands) {
            $cells = $row.Split('|', 2)
            if ($cells[0].StartsWith($typed)) { New-AwsssoResult $cells[0] $cells[1] }
        }
        return
    }
    else {
        $values = Get-AwsssoValues $name "$($number + 1)"
        if (-not $values) { $values = Get-AwsssoValues $name '+' }
    }
    if (-not $values -or $values -ceq '-' -or $values -ceq 'command' -or $values -ceq 'file') { return }
    if ($values.StartsWith('=')) {
        foreach ($each in $values.Substring(1).Split(' ')) {
            if ($each.StartsWith($typed)) { New-AwsssoResult $each '' }
        }
        return
    }
    foreach ($line in @(& awssso complete $values 2>$null)) {
        $cells = $line.Split("`t", 2)
        if ($cells[0].StartsWith($typed)) { New-AwsssoResult $cells[0] $cells[1] }
    }
}
"""
