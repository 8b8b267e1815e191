# fish completion for awssso, made from its parser by `make completions`.

# Whether an option takes a value, by `COMMAND OPTION`.
function __awssso_takes_value
    switch $argv[1]
    case 'configure -S' 'configure --sso-session'
        return 0
    case 'configure --start-url'
        return 0
    case 'configure --region'
        return 0
    case 'configure --default-region'
        return 0
    case 'login -S' 'login --sso-session'
        return 0
    case 'login --port'
        return 0
    case 'logout -S' 'logout --sso-session'
        return 0
    case 'status -S' 'status --sso-session'
        return 0
    case 'sync -S' 'sync --sso-session'
        return 0
    case 'list -S' 'list --sso-session'
        return 0
    case 'pick -S' 'pick --sso-session'
        return 0
    case 'use -p' 'use --profile'
        return 0
    case 'use -A' 'use --account'
        return 0
    case 'use -R' 'use --role'
        return 0
    case 'use -S' 'use --sso-session'
        return 0
    case 'exec -p' 'exec --profile'
        return 0
    case 'exec -A' 'exec --account'
        return 0
    case 'exec -R' 'exec --role'
        return 0
    case 'exec -S' 'exec --sso-session'
        return 0
    case 'env -p' 'env --profile'
        return 0
    case 'env -A' 'env --account'
        return 0
    case 'env -R' 'env --role'
        return 0
    case 'env -S' 'env --sso-session'
        return 0
    case 'env --shell'
        return 0
    case 'console -p' 'console --profile'
        return 0
    case 'console -A' 'console --account'
        return 0
    case 'console -R' 'console --role'
        return 0
    case 'console -S' 'console --sso-session'
        return 0
    case 'console -d' 'console --destination'
        return 0
    case 'console --region'
        return 0
    case 'migrate --undo'
        return 0
    case 'migrate -S' 'migrate --sso-session'
        return 0
    case 'migrate --map'
        return 0
    case 'migrate --scan'
        return 0
    case 'credential-process -p' 'credential-process --profile'
        return 0
    case 'demo --port'
        return 0
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
complete -c awssso -n '__awssso_at "" 1' -a configure -d 'name your access portal'
complete -c awssso -n '__awssso_at "" 1' -a login -d 'sign in and write the profiles'
complete -c awssso -n '__awssso_at "" 1' -a logout -d 'end the session, remove its secrets'
complete -c awssso -n '__awssso_at "" 1' -a status -d 'show who is signed in, until when'
complete -c awssso -n '__awssso_at "" 1' -a sync -d 'find all accounts and roles, write the profiles'
complete -c awssso -n '__awssso_at "" 1' -a list -d 'list accounts, roles, profiles'
complete -c awssso -n '__awssso_at "" 1' -a pick -d 'pick a role, full screen'
complete -c awssso -n '__awssso_at "" 1' -a use -d 'switch this shell to a profile'
complete -c awssso -n '__awssso_at "" 1' -a exec -d 'run a program, or a shell, with a role\'s credentials'
complete -c awssso -n '__awssso_at "" 1' -a env -d 'print a role\'s variables for a shell to evaluate'
complete -c awssso -n '__awssso_at "" 1' -a console -d 'open the AWS console as a role'
complete -c awssso -n '__awssso_at "" 1' -a migrate -d 'retire static keys: the names become SSO, undo included'
complete -c awssso -n '__awssso_at "" 1' -a doctor -d 'check this machine, say what to type'
complete -c awssso -n '__awssso_at "" 1' -a credential-process -d 'print credentials for an SDK'
complete -c awssso -n '__awssso_at "" 1' -a agent -d 'start, stop or show the agent'
complete -c awssso -n '__awssso_at "" 1' -a shell-init -d 'print the function that lets `use` and `pick` change your shell'
complete -c awssso -n '__awssso_at "" 1' -a completions -d 'print or install the completions of a shell'
complete -c awssso -n '__awssso_at "" 1' -a demo -d 'try everything against a sandbox organisation'
complete -c awssso -n '__awssso_in ""' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in ""' -l version -d 'show program\'s version number and exit'
complete -c awssso -n '__awssso_in ""' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in ""' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "configure"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "configure"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "configure"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "configure"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the name of the session'
complete -c awssso -n '__awssso_in "configure"' -l start-url -x -d 'the address of your AWS access portal'
complete -c awssso -n '__awssso_in "configure"' -l region -x -a '(command awssso complete region 2>/dev/null)' -d 'the region of your IAM Identity Center (sso_region)'
complete -c awssso -n '__awssso_in "configure"' -l default-region -x -a '(command awssso complete region 2>/dev/null)' -d 'the region of the profiles; none unless you say one'
complete -c awssso -n '__awssso_in "login"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "login"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "login"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "login"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "login"' -l all -d 'every SSO session'
complete -c awssso -n '__awssso_in "login"' -l use-device-code -d 'sign in with a code instead of a callback'
complete -c awssso -n '__awssso_in "login"' -l no-browser -d 'print the URL, open nothing'
complete -c awssso -n '__awssso_in "login"' -l port -x -d 'the port of the callback on 127.0.0.1'
complete -c awssso -n '__awssso_in "login"' -l force -d 'sign in although the session is still good'
complete -c awssso -n '__awssso_in "login"' -l no-sync -d 'leave the profiles as they are'
complete -c awssso -n '__awssso_in "login"' -l wait -d 'wait for the profiles in a large organisation too'
complete -c awssso -n '__awssso_in "logout"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "logout"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "logout"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "logout"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "logout"' -l all -d 'every SSO session'
complete -c awssso -n '__awssso_in "status"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "status"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "status"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "status"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "status"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_in "sync"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "sync"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "sync"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "sync"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "sync"' -l all -d 'every SSO session'
complete -c awssso -n '__awssso_in "sync"' -l dry-run -d 'print a unified diff, write nothing'
complete -c awssso -n '__awssso_in "sync"' -l full -d 'ask every account, also those asked not long ago'
complete -c awssso -n '__awssso_in "sync"' -l no-prune -d 'keep profiles whose role is gone'
complete -c awssso -n '__awssso_in "sync"' -l yes -d 'answer the question about removals with yes'
complete -c awssso -n '__awssso_in "sync"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_in "list"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "list"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "list"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "list"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "list"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_in "list"' -l csv -d 'CSV on stdout'
complete -c awssso -n '__awssso_in "list"' -l names -d 'profile names only, one a line'
complete -c awssso -n '__awssso_in "pick"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "pick"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "pick"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "pick"' -s S -l sso-session -x -d 'only the roles of this SSO session'
complete -c awssso -n '__awssso_in "pick"' -l print -d 'print the profile name, do nothing else'
complete -c awssso -n '__awssso_in "pick"' -l first -d 'take the best match, show no screen'
complete -c awssso -n '__awssso_in "pick"' -l no-tui -d 'a numbered list instead of the full screen'
complete -c awssso -n '__awssso_in "use"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "use"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "use"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "use"' -s p -l profile -x -a '(command awssso complete profile 2>/dev/null)' -d 'the profile, in place of the first argument'
complete -c awssso -n '__awssso_in "use"' -s A -l account -x -a '(command awssso complete account 2>/dev/null)' -d 'an account, by id or name; goes with -R'
complete -c awssso -n '__awssso_in "use"' -s R -l role -x -a '(command awssso complete role 2>/dev/null)' -d 'a role, by name; goes with -A'
complete -c awssso -n '__awssso_in "use"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "use"' -l clear -d 'remove what was set, and any other AWS credentials'
complete -c awssso -n '__awssso_at "use" 1 +' -a '(command awssso complete profile 2>/dev/null)'
complete -c awssso -n '__awssso_in "exec"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "exec"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "exec"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "exec"' -s p -l profile -x -a '(command awssso complete profile 2>/dev/null)' -d 'the profile, in place of the first argument'
complete -c awssso -n '__awssso_in "exec"' -s A -l account -x -a '(command awssso complete account 2>/dev/null)' -d 'an account, by id or name; goes with -R'
complete -c awssso -n '__awssso_in "exec"' -s R -l role -x -a '(command awssso complete role 2>/dev/null)' -d 'a role, by name; goes with -A'
complete -c awssso -n '__awssso_in "exec"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "exec"' -l profile-only -d 'hand over AWS_PROFILE, not the keys'
complete -c awssso -n '__awssso_at "exec" 1 +; and not __awssso_behind "exec"' -a '(command awssso complete profile 2>/dev/null)'
complete -c awssso -n '__awssso_behind "exec"' -a '(__awssso_other)'
complete -c awssso -n '__awssso_in "env"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "env"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "env"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "env"' -s p -l profile -x -a '(command awssso complete profile 2>/dev/null)' -d 'the profile, in place of the first argument'
complete -c awssso -n '__awssso_in "env"' -s A -l account -x -a '(command awssso complete account 2>/dev/null)' -d 'an account, by id or name; goes with -R'
complete -c awssso -n '__awssso_in "env"' -s R -l role -x -a '(command awssso complete role 2>/dev/null)' -d 'a role, by name; goes with -A'
complete -c awssso -n '__awssso_in "env"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "env"' -l shell -x -a 'bash zsh fish powershell json' -d 'the language of the lines; else that of the shell that runs awssso'
complete -c awssso -n '__awssso_in "env"' -l json -d 'JSON on stdout, as --shell json'
complete -c awssso -n '__awssso_in "env"' -l keys -d 'the keys instead of AWS_PROFILE'
complete -c awssso -n '__awssso_in "env"' -l unset -d 'remove the variables'
complete -c awssso -n '__awssso_at "env" 1 +' -a '(command awssso complete profile 2>/dev/null)'
complete -c awssso -n '__awssso_in "console"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "console"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "console"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "console"' -s p -l profile -x -a '(command awssso complete profile 2>/dev/null)' -d 'the profile, in place of the first argument'
complete -c awssso -n '__awssso_in "console"' -s A -l account -x -a '(command awssso complete account 2>/dev/null)' -d 'an account, by id or name; goes with -R'
complete -c awssso -n '__awssso_in "console"' -s R -l role -x -a '(command awssso complete role 2>/dev/null)' -d 'a role, by name; goes with -A'
complete -c awssso -n '__awssso_in "console"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'the SSO session; never needed when there is one'
complete -c awssso -n '__awssso_in "console"' -s d -l destination -x -a '(command awssso complete service 2>/dev/null)' -d 'a service, a path or a console URL'
complete -c awssso -n '__awssso_in "console"' -l region -x -a '(command awssso complete region 2>/dev/null)' -d 'the region; else that of the profile'
complete -c awssso -n '__awssso_in "console"' -l url -d 'print the link, open nothing'
complete -c awssso -n '__awssso_in "console"' -l federate -d 'a sign-in link instead of the portal\'s'
complete -c awssso -n '__awssso_at "console" 1 +' -a '(command awssso complete profile 2>/dev/null)'
complete -c awssso -n '__awssso_in "migrate"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "migrate"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "migrate"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "migrate"' -l dry-run -d 'show the plan, write nothing, change nothing in IAM'
complete -c awssso -n '__awssso_in "migrate"' -l status -d 'show where each key stands'
complete -c awssso -n '__awssso_in "migrate"' -l undo -x -a '(command awssso complete profile 2>/dev/null)' -d 'take it back, of one profile or of all'
complete -c awssso -n '__awssso_in "migrate"' -l delete-keys -d 'delete keys that are Inactive and whose grace is over'
complete -c awssso -n '__awssso_in "migrate"' -s S -l sso-session -x -a '(command awssso complete session 2>/dev/null)' -d 'look for roles in this SSO session only'
complete -c awssso -n '__awssso_in "migrate"' -l map -x -d 'the role that takes the place of the key of PROFILE; with --undo and --delete-keys the one that may change keys. Can be repeated'
complete -c awssso -n '__awssso_in "migrate"' -l keep-keys -d 'leave the keys Active in IAM'
complete -c awssso -n '__awssso_in "migrate"' -l now -d 'with --delete-keys: do not wait for the end of the grace'
complete -c awssso -n '__awssso_in "migrate"' -l scan -x -d 'look for keys in other files too: of this home, and below PATH'
complete -c awssso -n '__awssso_in "migrate"' -l yes -d 'do not ask; what is ambiguous is left alone'
complete -c awssso -n '__awssso_in "migrate"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_in "doctor"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "doctor"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "doctor"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "doctor"' -l fix -d 'repair what is ours; ask before other tools\' files go'
complete -c awssso -n '__awssso_in "doctor"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_in "credential-process"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "credential-process"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "credential-process"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "credential-process"' -s p -l profile -x -a '(command awssso complete profile 2>/dev/null)' -d 'a generated profile instead'
complete -c awssso -n '__awssso_at "credential-process" 1' -a '(command awssso complete word 2>/dev/null)'
complete -c awssso -n '__awssso_in "agent"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "agent"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "agent"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "agent"' -l json -d 'JSON on stdout'
complete -c awssso -n '__awssso_at "agent" 1' -a 'start stop status'
complete -c awssso -n '__awssso_in "shell-init"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "shell-init"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "shell-init"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_at "shell-init" 1' -a 'bash zsh fish powershell'
complete -c awssso -n '__awssso_in "completions"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "completions"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "completions"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "completions"' -l install -d 'write the script, and a line to read it at every start'
complete -c awssso -n '__awssso_in "completions"' -l uninstall -d 'remove the script and the line'
complete -c awssso -n '__awssso_at "completions" 1' -a 'bash zsh fish powershell'
complete -c awssso -n '__awssso_in "demo"' -s h -l help -d 'show this help message and exit'
complete -c awssso -n '__awssso_in "demo"' -s v -l verbose -d 'say more about what is done'
complete -c awssso -n '__awssso_in "demo"' -l debug -d 'say each call to AWS too; secrets are never shown'
complete -c awssso -n '__awssso_in "demo"' -l run -d 'do the main job without a person, exit'
complete -c awssso -n '__awssso_in "demo"' -l serve -d 'only the server; prints the variables to export'
complete -c awssso -n '__awssso_in "demo"' -l port -x -d 'the server\'s port (with --serve)'
