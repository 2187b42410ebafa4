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

complete -c ocirm -n "__fish_ocirm_needs_command" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_needs_command" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_needs_command" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_needs_command" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_needs_command" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_needs_command" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_needs_command" -s V -l version -d 'Print version'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "ls" -d 'List images'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "rmi" -d 'Remove images, or parts of them'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "untag" -d 'Take names away and keep the images'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "prune" -d 'Remove dangling images and unreferenced blobs'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "restore" -d 'Bring back what --trash removed'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "why" -d 'Explain what keeps an image or a blob'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "policy" -d 'Work with policy files'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "check" -d 'Check whether a layout is sound'
complete -c ocirm -n "__fish_ocirm_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l recursive -d 'Every layout below this directory; symbolic links are not followed' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l containers -d 'Mark what these containers use, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s f -l filter -d 'Only images that pass: broken, dangling, orphan, label, label!, reference, reference!, until, before, since' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l sort -d 'What comes first; `none`, the order of index.json, is the fastest for --quiet' -r -f -a "created\t'The newest first, by CREATED; of equal ones what stands later in index.json'
size\t'The largest first, by SIZE; of equal ones the newest'
unique\t'What frees most first, by UNIQUE; of equal ones the newest'
name\t'By name: repository, then tag, and numbers by their values, so that 1.9 comes before 1.10; what has no name comes last'
none\t'As they stand in index.json'"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l format -d '`table`, `json`, or a template such as \'{{.Repository}}:{{.Tag}}\'' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s a -l all -d 'Also list what belongs to other images: manifests of an index, signatures'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s q -l quiet -d 'Print IDs only, each once, in the order of --sort'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l tree -d 'Show below each image its platforms, attestations and referrers, and the layers of caches'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l digests -d 'Add a column with digests to the table; JSON always has them, a template shows them with \'{{.Digest}}\', and --quiet prints IDs alone'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l no-trunc -d 'Do not shorten IDs'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l reverse -d 'The other way round, whatever the order'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l platform -d 'Remove only this platform: os, arch, os/arch, os/arch/variant, or os(version+feature)/arch; repeatable, or a list' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l keep-platform -d 'Keep only this platform, and remove all others; repeatable, or a list' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l manifest -d 'Remove only what the image\'s index lists under this digest, or under the only one that begins so, and what belongs to it; repeatable' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l containers -d 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l also-root -d 'Another layout that shares this one\'s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s f -l force -d 'Remove all names of an image given by ID; a missing image is no failure'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l ignore -d 'A missing image is no failure'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l referrers -d 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-prune -d 'Keep dangling images that the removed one was built from'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l attestations -d 'Remove only the attestation manifests of the image'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l rewrite-index -d 'With one of the options above: make a new index without what goes for this name, so that every tool sees a complete image; other names keep the old one'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l trash -d 'Move what goes into the layout\'s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-trash -d 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l ignore-writers -d 'Delete blobs although a young temporary file in the layout shows that another program is writing; otherwise they are left to the next prune then'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s n -l dry-run -d 'Show what would be removed, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand rmi" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l ignore -d 'A missing name is no failure'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s n -l dry-run -d 'Show what would be done, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand untag" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l filter -d 'Only images that pass; see above' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep -d 'Keep images whose name, tag or digest matches; wins over everything; repeatable' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-last -d 'With --all: keep the newest N images of each repository, or N of those with a name that matches; repeatable, like all that follow' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-within -d 'With --all: keep what was created within this time, such as 36h, 30d or 2w' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-daily -d 'With --all: keep the newest image of each of the last N days (UTC) that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-weekly -d 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-monthly -d 'With --all: keep the newest image of each of the last N months that have any' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l keep-newest-per -d 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l newest-by -d 'What --keep-last calls the newest: what was created last, or the highest semantic version' -r -f -a "created\t'It was created later'
version\t'It has a higher semantic version; what has none comes after all that have one'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l max-size -d 'With --all: keep the newest images, and all that other options keep, as long as the blobs of the layout have no more bytes together, such as 20GB or 500MiB' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l policy -d 'Keep what the rules of this file keep; implies --all' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l containers -d 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input' -r -F
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l recursive -d 'Every layout below this directory; symbolic links are not followed' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l also-root -d 'Another layout that shares this one\'s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l unlisted-referrers -d 'What to do with signatures and the like that no entry of index.json leads to and that are about something that stays' -r -f -a "keep\t'They stay with what they are about'
delete\t'They go like everything that is unreferenced'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l grace -d 'Leave unreferenced blobs alone that are younger, such as 30m, 2h or 7d, and all of them if a temporary file of another program is younger; 0s when nothing else writes' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l trash-keep -d 'Delete what has been in the trash for longer, such as 12h, 7d or 4w' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s a -l all -d 'Remove every image, not only dangling ones'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s f -l force -d 'Do not ask'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s n -l dry-run -d 'Show what would be removed, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l allow-empty -d 'With what keeps images: remove every image of a layout all the same, if nothing in it is to be kept'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l trash -d 'Move what goes into the layout\'s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l no-trash -d 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l incomplete -d 'Bring back images that lack something, too, without it'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s n -l dry-run -d 'Show what would come back, and change nothing'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand why" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Say in words what a policy file does'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say in words what a policy file does'
complete -c ocirm -n "__fish_ocirm_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l recursive -d 'Every layout below this directory; symbolic links are not followed' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l format -d 'How to print the result' -r -f -a "text\t'Lines for people'
json\t'One JSON object'"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s l -l layout -d 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]' -r -f -a "(__fish_complete_directories)"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l lock-timeout -d 'How long to wait for a lock that somebody else holds, such as 30s or 5m' -r
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l color -d 'When to use colour in messages' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l digests -d 'Read every blob and compare its digest'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l complete -d 'Exit with status 12 unless every image is complete'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l no-lock -d 'Take no lock at all; only when nothing else uses the layout'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -l unsafe-mount -d 'Change a layout also on a mounted bucket that may lose what was written'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s v -l verbose -d 'Say more: each blob, what was kept and why'
complete -c ocirm -n "__fish_ocirm_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "ls" -d 'List images'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "rmi" -d 'Remove images, or parts of them'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "untag" -d 'Take names away and keep the images'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "prune" -d 'Remove dangling images and unreferenced blobs'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "restore" -d 'Bring back what --trash removed'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "why" -d 'Explain what keeps an image or a blob'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "policy" -d 'Work with policy files'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "check" -d 'Check whether a layout is sound'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and not __fish_seen_subcommand_from ls rmi untag prune restore why policy check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c ocirm -n "__fish_ocirm_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Say in words what a policy file does'
