# PowerShell completion for awssso, made from its parser by `make completions`.

$script:AwsssoCommands = @(
    'configure|name your access portal'
    'login|sign in and write the profiles'
    'logout|end the session, remove its secrets'
    'status|show who is signed in, until when'
    'sync|find all accounts and roles, write the profiles'
    'list|list accounts, roles, profiles'
    'pick|pick a role, full screen'
    'use|switch this shell to a profile'
    'exec|run a program, or a shell, with a role''s credentials'
    'env|print a role''s variables for a shell to evaluate'
    'console|open the AWS console as a role'
    'migrate|retire static keys: the names become SSO, undo included'
    'doctor|check this machine, say what to type'
    'credential-process|print credentials for an SDK'
    'agent|start, stop or show the agent'
    'shell-init|print the function that lets `use` and `pick` change your shell'
    'completions|print or install the completions of a shell'
    'demo|try everything against a sandbox organisation'
)

# COMMAND|PLACE|VALUES|HELP: a place is an option, the number of a word, or + for all that follow; values are a kind
# of name, "=" and fixed values, "-" for what cannot be offered, nothing for an option that takes none.
$script:AwsssoTable = @(
    '|-h||show this help message and exit'
    '|--help||show this help message and exit'
    '|--version||show program''s version number and exit'
    '|-v||say more about what is done'
    '|--verbose||say more about what is done'
    '|--debug||say each call to AWS too; secrets are never shown'
    'configure|-h||show this help message and exit'
    'configure|--help||show this help message and exit'
    'configure|-v||say more about what is done'
    'configure|--verbose||say more about what is done'
    'configure|--debug||say each call to AWS too; secrets are never shown'
    'configure|-S|session|the name of the session'
    'configure|--sso-session|session|the name of the session'
    'configure|--start-url|-|the address of your AWS access portal'
    'configure|--region|region|the region of your IAM Identity Center (sso_region)'
    'configure|--default-region|region|the region of the profiles; none unless you say one'
    'login|-h||show this help message and exit'
    'login|--help||show this help message and exit'
    'login|-v||say more about what is done'
    'login|--verbose||say more about what is done'
    'login|--debug||say each call to AWS too; secrets are never shown'
    'login|-S|session|the SSO session; never needed when there is one'
    'login|--sso-session|session|the SSO session; never needed when there is one'
    'login|--all||every SSO session'
    'login|--use-device-code||sign in with a code instead of a callback'
    'login|--no-browser||print the URL, open nothing'
    'login|--port|-|the port of the callback on 127.0.0.1'
    'login|--force||sign in although the session is still good'
    'login|--no-sync||leave the profiles as they are'
    'login|--wait||wait for the profiles in a large organisation too'
    'logout|-h||show this help message and exit'
    'logout|--help||show this help message and exit'
    'logout|-v||say more about what is done'
    'logout|--verbose||say more about what is done'
    'logout|--debug||say each call to AWS too; secrets are never shown'
    'logout|-S|session|the SSO session; never needed when there is one'
    'logout|--sso-session|session|the SSO session; never needed when there is one'
    'logout|--all||every SSO session'
    'status|-h||show this help message and exit'
    'status|--help||show this help message and exit'
    'status|-v||say more about what is done'
    'status|--verbose||say more about what is done'
    'status|--debug||say each call to AWS too; secrets are never shown'
    'status|-S|session|the SSO session; never needed when there is one'
    'status|--sso-session|session|the SSO session; never needed when there is one'
    'status|--json||JSON on stdout'
    'sync|-h||show this help message and exit'
    'sync|--help||show this help message and exit'
    'sync|-v||say more about what is done'
    'sync|--verbose||say more about what is done'
    'sync|--debug||say each call to AWS too; secrets are never shown'
    'sync|-S|session|the SSO session; never needed when there is one'
    'sync|--sso-session|session|the SSO session; never needed when there is one'
    'sync|--all||every SSO session'
    'sync|--dry-run||print a unified diff, write nothing'
    'sync|--full||ask every account, also those asked not long ago'
    'sync|--no-prune||keep profiles whose role is gone'
    'sync|--yes||answer the question about removals with yes'
    'sync|--json||JSON on stdout'
    'list|-h||show this help message and exit'
    'list|--help||show this help message and exit'
    'list|-v||say more about what is done'
    'list|--verbose||say more about what is done'
    'list|--debug||say each call to AWS too; secrets are never shown'
    'list|-S|session|the SSO session; never needed when there is one'
    'list|--sso-session|session|the SSO session; never needed when there is one'
    'list|--json||JSON on stdout'
    'list|--csv||CSV on stdout'
    'list|--names||profile names only, one a line'
    'pick|-h||show this help message and exit'
    'pick|--help||show this help message and exit'
    'pick|-v||say more about what is done'
    'pick|--verbose||say more about what is done'
    'pick|--debug||say each call to AWS too; secrets are never shown'
    'pick|-S|-|only the roles of this SSO session'
    'pick|--sso-session|-|only the roles of this SSO session'
    'pick|--print||print the profile name, do nothing else'
    'pick|--first||take the best match, show no screen'
    'pick|--no-tui||a numbered list instead of the full screen'
    'use|-h||show this help message and exit'
    'use|--help||show this help message and exit'
    'use|-v||say more about what is done'
    'use|--verbose||say more about what is done'
    'use|--debug||say each call to AWS too; secrets are never shown'
    'use|-p|profile|the profile, in place of the first argument'
    'use|--profile|profile|the profile, in place of the first argument'
    'use|-A|account|an account, by id or name; goes with -R'
    'use|--account|account|an account, by id or name; goes with -R'
    'use|-R|role|a role, by name; goes with -A'
    'use|--role|role|a role, by name; goes with -A'
    'use|-S|session|the SSO session; never needed when there is one'
    'use|--sso-session|session|the SSO session; never needed when there is one'
    'use|--clear||remove what was set, and any other AWS credentials'
    'exec|-h||show this help message and exit'
    'exec|--help||show this help message and exit'
    'exec|-v||say more about what is done'
    'exec|--verbose||say more about what is done'
    'exec|--debug||say each call to AWS too; secrets are never shown'
    'exec|-p|profile|the profile, in place of the first argument'
    'exec|--profile|profile|the profile, in place of the first argument'
    'exec|-A|account|an account, by id or name; goes with -R'
    'exec|--account|account|an account, by id or name; goes with -R'
    'exec|-R|role|a role, by name; goes with -A'
    'exec|--role|role|a role, by name; goes with -A'
    'exec|-S|session|the SSO session; never needed when there is one'
    'exec|--sso-session|session|the SSO session; never needed when there is one'
    'exec|--profile-only||hand over AWS_PROFILE, not the keys'
    'env|-h||show this help message and exit'
    'env|--help||show this help message and exit'
    'env|-v||say more about what is done'
    'env|--verbose||say more about what is done'
    'env|--debug||say each call to AWS too; secrets are never shown'
    'env|-p|profile|the profile, in place of the first argument'
    'env|--profile|profile|the profile, in place of the first argument'
    'env|-A|account|an account, by id or name; goes with -R'
    'env|--account|account|an account, by id or name; goes with -R'
    'env|-R|role|a role, by name; goes with -A'
    'env|--role|role|a role, by name; goes with -A'
    'env|-S|session|the SSO session; never needed when there is one'
    'env|--sso-session|session|the SSO session; never needed when there is one'
    'env|--shell|=bash zsh fish powershell json|the language of the lines; else that of the shell that runs awssso'
    'env|--json||JSON on stdout, as --shell json'
    'env|--keys||the keys instead of AWS_PROFILE'
    'env|--unset||remove the variables'
    'console|-h||show this help message and exit'
    'console|--help||show this help message and exit'
    'console|-v||say more about what is done'
    'console|--verbose||say more about what is done'
    'console|--debug||say each call to AWS too; secrets are never shown'
    'console|-p|profile|the profile, in place of the first argument'
    'console|--profile|profile|the profile, in place of the first argument'
    'console|-A|account|an account, by id or name; goes with -R'
    'console|--account|account|an account, by id or name; goes with -R'
    'console|-R|role|a role, by name; goes with -A'
    'console|--role|role|a role, by name; goes with -A'
    'console|-S|session|the SSO session; never needed when there is one'
    'console|--sso-session|session|the SSO session; never needed when there is one'
    'console|-d|service|a service, a path or a console URL'
    'console|--destination|service|a service, a path or a console URL'
    'console|--region|region|the region; else that of the profile'
    'console|--url||print the link, open nothing'
    'console|--federate||a sign-in link instead of the portal''s'
    'migrate|-h||show this help message and exit'
    'migrate|--help||show this help message and exit'
    'migrate|-v||say more about what is done'
    'migrate|--verbose||say more about what is done'
    'migrate|--debug||say each call to AWS too; secrets are never shown'
    'migrate|--dry-run||show the plan, write nothing, change nothing in IAM'
    'migrate|--status||show where each key stands'
    'migrate|--undo|profile|take it back, of one profile or of all'
    'migrate|--delete-keys||delete keys that are Inactive and whose grace is over'
    'migrate|-S|session|look for roles in this SSO session only'
    'migrate|--sso-session|session|look for roles in this SSO session only'
    'migrate|--map|-|the role that takes the place of the key of PROFILE; with --undo and --delete-keys the one that may change keys. Can be repeated'
    'migrate|--keep-keys||leave the keys Active in IAM'
    'migrate|--now||with --delete-keys: do not wait for the end of the grace'
    'migrate|--scan|-|look for keys in other files too: of this home, and below PATH'
    'migrate|--yes||do not ask; what is ambiguous is left alone'
    'migrate|--json||JSON on stdout'
    'doctor|-h||show this help message and exit'
    'doctor|--help||show this help message and exit'
    'doctor|-v||say more about what is done'
    'doctor|--verbose||say more about what is done'
    'doctor|--debug||say each call to AWS too; secrets are never shown'
    'doctor|--fix||repair what is ours; ask before other tools'' files go'
    'doctor|--json||JSON on stdout'
    'credential-process|-h||show this help message and exit'
    'credential-process|--help||show this help message and exit'
    'credential-process|-v||say more about what is done'
    'credential-process|--verbose||say more about what is done'
    'credential-process|--debug||say each call to AWS too; secrets are never shown'
    'credential-process|-p|profile|a generated profile instead'
    'credential-process|--profile|profile|a generated profile instead'
    'agent|-h||show this help message and exit'
    'agent|--help||show this help message and exit'
    'agent|-v||say more about what is done'
    'agent|--verbose||say more about what is done'
    'agent|--debug||say each call to AWS too; secrets are never shown'
    'agent|--json||JSON on stdout'
    'shell-init|-h||show this help message and exit'
    'shell-init|--help||show this help message and exit'
    'shell-init|-v||say more about what is done'
    'shell-init|--verbose||say more about what is done'
    'shell-init|--debug||say each call to AWS too; secrets are never shown'
    'completions|-h||show this help message and exit'
    'completions|--help||show this help message and exit'
    'completions|-v||say more about what is done'
    'completions|--verbose||say more about what is done'
    'completions|--debug||say each call to AWS too; secrets are never shown'
    'completions|--install||write the script, and a line to read it at every start'
    'completions|--uninstall||remove the script and the line'
    'demo|-h||show this help message and exit'
    'demo|--help||show this help message and exit'
    'demo|-v||say more about what is done'
    'demo|--verbose||say more about what is done'
    'demo|--debug||say each call to AWS too; secrets are never shown'
    'demo|--run||do the main job without a person, exit'
    'demo|--serve||only the server; prints the variables to export'
    'demo|--port|-|the server''s port (with --serve)'
    'list|1|-|FILTER'
    'list|+|-|FILTER'
    'pick|1|-|FILTER'
    'pick|+|-|FILTER'
    'use|1|profile|PROFILE'
    'use|+|profile|PROFILE'
    'exec|1|profile|PROFILE'
    'exec|2|command|COMMAND'
    'exec|+|command|COMMAND'
    'env|1|profile|PROFILE'
    'env|+|profile|PROFILE'
    'console|1|profile|PROFILE'
    'console|+|profile|PROFILE'
    'credential-process|1|word|SESSION/ACCOUNT/ROLE'
    'agent|1|=start stop status|start | stop | status'
    'shell-init|1|=bash zsh fish powershell|SHELL'
    'completions|1|=bash zsh fish powershell|SHELL'
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
