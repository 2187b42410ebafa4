
use builtin;
use str;

set edit:completion:arg-completer[ocirm] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'ocirm'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'ocirm'= {
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
            cand -V 'Print the version'
            cand --version 'Print the version'
            cand ls 'List images'
            cand df 'Show where the disk went'
            cand rmi 'Remove images, or parts of them'
            cand untag 'Take names away and keep the images'
            cand prune 'Remove dangling images and unreferenced blobs'
            cand restore 'Bring back what --trash removed'
            cand why 'Explain what keeps an image or a blob'
            cand policy 'Work with policy files'
            cand check 'Check whether a layout is sound'
            cand man 'Write the manual pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;ls'= {
            cand -f 'Only images that pass'
            cand --filter 'Only images that pass'
            cand --recursive 'Every layout below this directory'
            cand --sort 'What comes first: created, size, unique, name, none'
            cand --containers 'Mark what these containers use'
            cand --format 'table (default), json, or a template'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -a 'Also list what belongs to other images'
            cand --all 'Also list what belongs to other images'
            cand --reverse 'The other way round, whatever the order'
            cand -q 'Print IDs only, each once, in the order of --sort'
            cand --quiet 'Print IDs only, each once, in the order of --sort'
            cand --tree 'Show what belongs to each image below it'
            cand --digests 'Add a column with digests to the table'
            cand --no-trunc 'Do not shorten IDs'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;df'= {
            cand --recursive 'Every layout below this directory'
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;rmi'= {
            cand --platform 'Only this platform; repeatable'
            cand --keep-platform 'All platforms but this; repeatable'
            cand --manifest 'Only this manifest of an index'
            cand --containers 'Keep what these containers use'
            cand --also-root 'Another layout that shares this one''s blobs'
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --attestations 'Only the attestations of the image'
            cand --rewrite-index 'Give the name an index without these parts'
            cand -f 'All names of an image given by ID'
            cand --force 'All names of an image given by ID'
            cand --referrers 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more'
            cand --no-prune 'Keep dangling images that the removed one was built from'
            cand -n 'Show what would go, and change nothing'
            cand --dry-run 'Show what would go, and change nothing'
            cand --ignore 'A missing image is no failure'
            cand --trash 'Move what goes into the layout''s trash'
            cand --no-trash 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
            cand --ignore-writers 'Delete blobs although another program is writing'
            cand -q 'Print nothing but errors'
            cand --quiet 'Print nothing but errors'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;untag'= {
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -n 'Show what would be done, and change nothing'
            cand --dry-run 'Show what would be done, and change nothing'
            cand --ignore 'A missing name is no failure'
            cand -q 'Print nothing but errors'
            cand --quiet 'Print nothing but errors'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;prune'= {
            cand --filter 'Only images that pass; repeatable'
            cand --unlisted-referrers 'What to do with signatures that no entry leads to'
            cand --recursive 'Every layout below this directory'
            cand --keep 'Images whose name, tag or digest matches'
            cand --keep-last 'The newest N images of each repository'
            cand --keep-within 'With --all: keep what was created within this time, such as 36h, 30d or 2w'
            cand --keep-daily 'With --all: keep the newest image of each of the last N days (UTC) that have any'
            cand --keep-weekly 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any'
            cand --keep-monthly 'With --all: keep the newest image of each of the last N months that have any'
            cand --keep-newest-per 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v'
            cand --newest-by 'What --keep-last calls the newest: what was created last, or the highest semantic version'
            cand --max-size 'The newest that fit into SIZE'
            cand --policy 'What the rules of this file keep'
            cand --containers 'Keep what these containers use'
            cand --also-root 'Another layout that shares this one''s blobs'
            cand --grace 'Leave unreferenced blobs alone that are younger'
            cand --trash-keep 'Delete what has been in the trash for longer, such as 12h, 7d or 4w'
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -a 'Every image, not only dangling ones'
            cand --all 'Every image, not only dangling ones'
            cand --allow-empty 'Remove every image, if nothing is to be kept'
            cand -n 'Show what would go, and change nothing'
            cand --dry-run 'Show what would go, and change nothing'
            cand -f 'Do not ask'
            cand --force 'Do not ask'
            cand --trash 'Move what goes into the layout''s trash'
            cand --no-trash 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
            cand -q 'Print nothing but errors'
            cand --quiet 'Print nothing but errors'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;restore'= {
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --list 'List what is in the trash, and change nothing'
            cand -n 'Show what would come back, and change nothing'
            cand --dry-run 'Show what would come back, and change nothing'
            cand --incomplete 'Also images that lack something, without it'
            cand -q 'Print nothing but errors'
            cand --quiet 'Print nothing but errors'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;why'= {
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;policy'= {
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
            cand check 'Say in words what a policy file does'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;policy;check'= {
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;policy;help'= {
            cand check 'Say in words what a policy file does'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;policy;help;check'= {
        }
        &'ocirm;policy;help;help'= {
        }
        &'ocirm;check'= {
            cand --recursive 'Every layout below this directory'
            cand --format 'How the result is printed'
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --digests 'Read every blob and compare its digest'
            cand --complete 'Exit with status 12 unless every image is complete'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;man'= {
            cand -l 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --layout 'The layout [default: $OCIRM_LAYOUT, else .]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help; --help has everything'
            cand --help 'Print help; --help has everything'
        }
        &'ocirm;help'= {
            cand ls 'List images'
            cand df 'Show where the disk went'
            cand rmi 'Remove images, or parts of them'
            cand untag 'Take names away and keep the images'
            cand prune 'Remove dangling images and unreferenced blobs'
            cand restore 'Bring back what --trash removed'
            cand why 'Explain what keeps an image or a blob'
            cand policy 'Work with policy files'
            cand check 'Check whether a layout is sound'
            cand man 'Write the manual pages into a directory'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;help;ls'= {
        }
        &'ocirm;help;df'= {
        }
        &'ocirm;help;rmi'= {
        }
        &'ocirm;help;untag'= {
        }
        &'ocirm;help;prune'= {
        }
        &'ocirm;help;restore'= {
        }
        &'ocirm;help;why'= {
        }
        &'ocirm;help;policy'= {
            cand check 'Say in words what a policy file does'
        }
        &'ocirm;help;policy;check'= {
        }
        &'ocirm;help;check'= {
        }
        &'ocirm;help;man'= {
        }
        &'ocirm;help;help'= {
        }
    ]
    $completions[$command]
}
