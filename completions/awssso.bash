# bash completion for awssso, made from its parser by `make completions`.

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
    '') options='-h --help --version -v --verbose --debug' ;;
    'configure') options='-h --help -v --verbose --debug -S --sso-session --start-url --region --default-region' ;;
    'login') options='-h --help -v --verbose --debug -S --sso-session --all --use-device-code --no-browser --port --force --no-sync --wait' ;;
    'logout') options='-h --help -v --verbose --debug -S --sso-session --all' ;;
    'status') options='-h --help -v --verbose --debug -S --sso-session --json' ;;
    'sync') options='-h --help -v --verbose --debug -S --sso-session --all --dry-run --full --no-prune --yes --json' ;;
    'list') options='-h --help -v --verbose --debug -S --sso-session --json --csv --names' ;;
    'pick') options='-h --help -v --verbose --debug -S --sso-session --print --first --no-tui' ;;
    'use') options='-h --help -v --verbose --debug -p --profile -A --account -R --role -S --sso-session --clear' ;;
    'exec') options='-h --help -v --verbose --debug -p --profile -A --account -R --role -S --sso-session --profile-only' ;;
    'env') options='-h --help -v --verbose --debug -p --profile -A --account -R --role -S --sso-session --shell --json --keys --unset' ;;
    'console') options='-h --help -v --verbose --debug -p --profile -A --account -R --role -S --sso-session -d --destination --region --url --federate' ;;
    'migrate') options='-h --help -v --verbose --debug --dry-run --status --undo --delete-keys -S --sso-session --map --keep-keys --now --scan --yes --json' ;;
    'doctor') options='-h --help -v --verbose --debug --fix --json' ;;
    'credential-process') options='-h --help -v --verbose --debug -p --profile' ;;
    'agent') options='-h --help -v --verbose --debug --json' ;;
    'shell-init') options='-h --help -v --verbose --debug' ;;
    'completions') options='-h --help -v --verbose --debug --install --uninstall' ;;
    'demo') options='-h --help -v --verbose --debug --run --serve --port' ;;
    *) options='' ;;
    esac
}

# What belongs in a place: the kind of a name, "=" and fixed values, or nothing where there is no such place.
_awssso_place() {
    case $1 in
    'configure -S' | 'configure --sso-session') found='session' ;;
    'configure --start-url') found='-' ;;
    'configure --region') found='region' ;;
    'configure --default-region') found='region' ;;
    'login -S' | 'login --sso-session') found='session' ;;
    'login --port') found='-' ;;
    'logout -S' | 'logout --sso-session') found='session' ;;
    'status -S' | 'status --sso-session') found='session' ;;
    'sync -S' | 'sync --sso-session') found='session' ;;
    'list -S' | 'list --sso-session') found='session' ;;
    'list 1' | 'list +') found='-' ;;
    'pick -S' | 'pick --sso-session') found='-' ;;
    'pick 1' | 'pick +') found='-' ;;
    'use -p' | 'use --profile') found='profile' ;;
    'use -A' | 'use --account') found='account' ;;
    'use -R' | 'use --role') found='role' ;;
    'use -S' | 'use --sso-session') found='session' ;;
    'use 1' | 'use +') found='profile' ;;
    'exec -p' | 'exec --profile') found='profile' ;;
    'exec -A' | 'exec --account') found='account' ;;
    'exec -R' | 'exec --role') found='role' ;;
    'exec -S' | 'exec --sso-session') found='session' ;;
    'exec 1') found='profile' ;;
    'exec 2' | 'exec +' | 'exec --') found='command' ;;
    'env -p' | 'env --profile') found='profile' ;;
    'env -A' | 'env --account') found='account' ;;
    'env -R' | 'env --role') found='role' ;;
    'env -S' | 'env --sso-session') found='session' ;;
    'env --shell') found='=bash zsh fish powershell json' ;;
    'env 1' | 'env +') found='profile' ;;
    'console -p' | 'console --profile') found='profile' ;;
    'console -A' | 'console --account') found='account' ;;
    'console -R' | 'console --role') found='role' ;;
    'console -S' | 'console --sso-session') found='session' ;;
    'console -d' | 'console --destination') found='service' ;;
    'console --region') found='region' ;;
    'console 1' | 'console +') found='profile' ;;
    'migrate --undo') found='profile' ;;
    'migrate -S' | 'migrate --sso-session') found='session' ;;
    'migrate --map') found='-' ;;
    'migrate --scan') found='-' ;;
    'credential-process -p' | 'credential-process --profile') found='profile' ;;
    'credential-process 1') found='word' ;;
    'agent 1') found='=start stop status' ;;
    'shell-init 1') found='=bash zsh fish powershell' ;;
    'completions 1') found='=bash zsh fish powershell' ;;
    'demo --port') found='-' ;;
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
        for each in configure login logout status sync list pick use exec env console migrate doctor credential-process agent shell-init completions demo; do _awssso_offer "$each"; done
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
