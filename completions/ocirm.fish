# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ocirm_global_optspecs
    string join \n l/layout= lock-timeout= no-lock unsafe-mount v/verbose color= h/help V/version
end

function __fish_ocirm_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ocirm_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ocirm_using_subcommand
    set -l cmd (__fish_ocirm_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ocirm -n "__fish_ocirm_needs_command" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_needs_command" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_needs_command" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_needs_command" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_needs_command" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_needs_command" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_needs_command" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_needs_command" -s V -l version -d 'Print the version'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "ls" -d 'List images'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "df" -d 'Show where the disk went'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "rmi" -d 'Remove images, or parts of them'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "untag" -d 'Take names away and keep the images'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "prune" -d 'Remove dangling images and unreferenced blobs'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "restore" -d 'Bring back what --trash removed'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "why" -d 'Explain what keeps an image or a blob'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "policy" -d 'Work with policy files'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "check" -d 'Check whether a layout is sound'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "man" -d 'Write the manual pages into a directory'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s f -l filter -d 'Only images that pass' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l recursive -d 'Every layout below this directory' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l sort -d 'What comes first: created, size, unique, name, none' -r -f -a "created\t'The newest first, by CREATED; of equal ones what stands later in index.json'
size\t'The largest first, by SIZE; of equal ones the newest'
unique\t'What frees most first, by UNIQUE; of equal ones the newest'
name\t'By name: repository, then tag, and numbers by their values, so that 1.9 comes before 1.10; what has no name comes last'
none\t'As they stand in index.json'"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l containers -d 'Mark what these containers use' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l format -d 'table (default), json, or a template' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s a -l all -d 'Also list what belongs to other images'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l reverse -d 'The other way round, whatever the order'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s q -l quiet -d 'Print IDs only, each once, in the order of --sort'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l tree -d 'Show what belongs to each image below it'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l digests -d 'Add a column with digests to the table'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l no-trunc -d 'Do not shorten IDs'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l recursive -d 'Every layout below this directory' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand df" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l platform -d 'Only this platform; repeatable' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l keep-platform -d 'All platforms but this; repeatable' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l manifest -d 'Only this manifest of an index' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l containers -d 'Keep what these containers use' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l also-root -d 'Another layout that shares this one\'s blobs' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l attestations -d 'Only the attestations of the image'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l rewrite-index -d 'Give the name an index without these parts'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s f -l force -d 'All names of an image given by ID'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l referrers -d 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-prune -d 'Keep dangling images that the removed one was built from'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s n -l dry-run -d 'Show what would go, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l ignore -d 'A missing image is no failure'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l trash -d 'Move what goes into the layout\'s trash'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-trash -d 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l ignore-writers -d 'Delete blobs although another program is writing'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s q -l quiet -d 'Print nothing but errors'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s n -l dry-run -d 'Show what would be done, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l ignore -d 'A missing name is no failure'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s q -l quiet -d 'Print nothing but errors'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l filter -d 'Only images that pass; repeatable' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l unlisted-referrers -d 'What to do with signatures that no entry leads to' -r -f -a "keep\t'They stay with what they are about'
delete\t'They go like everything that is unreferenced'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l recursive -d 'Every layout below this directory' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep -d 'Images whose name, tag or digest matches' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-last -d 'The newest N images of each repository' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-within -d 'With --all: keep what was created within this time, such as 36h, 30d or 2w' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-daily -d 'With --all: keep the newest image of each of the last N days (UTC) that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-weekly -d 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-monthly -d 'With --all: keep the newest image of each of the last N months that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-newest-per -d 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l newest-by -d 'What --keep-last calls the newest: what was created last, or the highest semantic version' -r -f -a "created\t'It was created later'
version\t'It has a higher semantic version; what has none comes after all that have one'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l max-size -d 'The newest that fit into SIZE' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l policy -d 'What the rules of this file keep' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l containers -d 'Keep what these containers use' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l also-root -d 'Another layout that shares this one\'s blobs' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l grace -d 'Leave unreferenced blobs alone that are younger' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l trash-keep -d 'Delete what has been in the trash for longer, such as 12h, 7d or 4w' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s a -l all -d 'Every image, not only dangling ones'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l allow-empty -d 'Remove every image, if nothing is to be kept'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s n -l dry-run -d 'Show what would go, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s f -l force -d 'Do not ask'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l trash -d 'Move what goes into the layout\'s trash'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l no-trash -d 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s q -l quiet -d 'Print nothing but errors'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l list -d 'List what is in the trash, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s n -l dry-run -d 'Show what would come back, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l incomplete -d 'Also images that lack something, without it'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s q -l quiet -d 'Print nothing but errors'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Say in words what a policy file does'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say in words what a policy file does'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l recursive -d 'Every layout below this directory' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l format -d 'How the result is printed' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l digests -d 'Read every blob and compare its digest'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l complete -d 'Exit with status 12 unless every image is complete'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -s l -l layout -d 'The layout [default: $OCIRM_LAYOUT, else .]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand man" -s h -l help -d 'Print help; --help has everything'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "ls" -d 'List images'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "df" -d 'Show where the disk went'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "rmi" -d 'Remove images, or parts of them'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "untag" -d 'Take names away and keep the images'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "prune" -d 'Remove dangling images and unreferenced blobs'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "restore" -d 'Bring back what --trash removed'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "why" -d 'Explain what keeps an image or a blob'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "policy" -d 'Work with policy files'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "check" -d 'Check whether a layout is sound'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "man" -d 'Write the manual pages into a directory'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls df rmi untag prune restore why policy check man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Say in words what a policy file does'
