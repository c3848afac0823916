# fish completion, of the program that this file is named after. Which flags there are and what their
# values may be it asks that program (--options), so it is always of that version.

set -l program (string replace -r '\.fish$' '' (path basename (status filename)))
set -l commands

complete -c $program -f
for row in ($program --options 2>/dev/null)
    set -l field (string split \t -- $row)
    string match -q '#*' -- $row; and continue
    set -l words -c $program -l $field[2] -d $field[11]
    test -n "$field[3]"; and set -a words -s $field[3]
    if set -l command (string replace -f 'cairn-pack ' '' -- $field[1])
        contains -- $command $commands; or set -a commands $command
        set -a words -n "__fish_seen_subcommand_from $command"
    end
    if test -n "$field[5]"
        set -a words -x -a (string replace -a '|' ' ' -- $field[5])
    else if string match -qr '^(PATH|DIR|KEY|PUBKEY|SOCKET|ADDRESS)$' -- $field[4]
        set -a words -r -F
    else if string match -qr '^USER' -- $field[4]
        set -a words -x -a '(__fish_complete_users)'
    else if string match -qr '^[^[]' -- $field[4]
        set -a words -x
    end
    complete $words
end

switch $program
    case cairn-pack
        complete -c $program -n "not __fish_seen_subcommand_from $commands" -a "$commands"
        complete -c $program -n '__fish_seen_subcommand_from add check dev' -a '(__fish_complete_directories)'
        complete -c $program -n '__fish_seen_subcommand_from add rebuild compact' -a '(__fish_complete_suffix .cairn)'
        complete -c $program -n '__fish_seen_subcommand_from list diff verify extract' -a '(__fish_complete_suffix .idx)'
    case cairn-serve
        complete -c $program -a '(__fish_complete_suffix .idx)'
    case cairn-ctl
        set -l control announce help indexes list load promote quit reopen rollback status unload
        complete -c $program -n "not __fish_seen_subcommand_from $control" -a "$control"
        complete -c $program -n '__fish_seen_subcommand_from load; and not __fish_seen_subcommand_from index' -a index
        complete -c $program -n '__fish_seen_subcommand_from reopen' -a logs
        complete -c $program -n '__fish_seen_subcommand_from announce; and not __fish_seen_subcommand_from error mended' -a 'error mended'
        complete -c $program -n '__fish_seen_subcommand_from index unload promote' -a '(__fish_complete_suffix .idx)'
        complete -c $program -n '__fish_seen_subcommand_from list indexes status' -l json
end
