
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
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand ls 'List images'
            cand rmi 'Remove images, or parts of them'
            cand untag 'Take names away and keep the images'
            cand prune 'Remove dangling images and unreferenced blobs'
            cand restore 'Bring back what --trash removed'
            cand why 'Explain what keeps an image or a blob'
            cand policy 'Work with policy files'
            cand check 'Check whether a layout is sound'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;ls'= {
            cand --recursive 'Every layout below this directory; symbolic links are not followed'
            cand --containers 'Mark what these containers use, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input'
            cand -f 'Only images that pass: broken, dangling, orphan, label, label!, reference, reference!, until, before, since'
            cand --filter 'Only images that pass: broken, dangling, orphan, label, label!, reference, reference!, until, before, since'
            cand --sort 'What comes first; `none`, the order of index.json, is the fastest for --quiet'
            cand --format '`table`, `json`, or a template such as ''{{.Repository}}:{{.Tag}}'''
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -a 'Also list what belongs to other images: manifests of an index, signatures'
            cand --all 'Also list what belongs to other images: manifests of an index, signatures'
            cand -q 'Print IDs only, each once, in the order of --sort'
            cand --quiet 'Print IDs only, each once, in the order of --sort'
            cand --tree 'Show below each image its platforms, attestations and referrers, and the layers of caches'
            cand --digests 'Add a column with digests to the table; JSON always has them, a template shows them with ''{{.Digest}}'', and --quiet prints IDs alone'
            cand --no-trunc 'Do not shorten IDs'
            cand --reverse 'The other way round, whatever the order'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;rmi'= {
            cand --platform 'Remove only this platform: os, arch, os/arch, os/arch/variant, or os(version+feature)/arch; repeatable, or a list'
            cand --keep-platform 'Keep only this platform, and remove all others; repeatable, or a list'
            cand --manifest 'Remove only what the image''s index lists under this digest, or under the only one that begins so, and what belongs to it; repeatable'
            cand --containers 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input'
            cand --also-root 'Another layout that shares this one''s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do'
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -f 'Remove all names of an image given by ID; a missing image is no failure'
            cand --force 'Remove all names of an image given by ID; a missing image is no failure'
            cand --ignore 'A missing image is no failure'
            cand --referrers 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more'
            cand --no-prune 'Keep dangling images that the removed one was built from'
            cand --attestations 'Remove only the attestation manifests of the image'
            cand --rewrite-index 'With one of the options above: make a new index without what goes for this name, so that every tool sees a complete image; other names keep the old one'
            cand --trash 'Move what goes into the layout''s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]'
            cand --no-trash 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
            cand --ignore-writers 'Delete blobs although a young temporary file in the layout shows that another program is writing; otherwise they are left to the next prune then'
            cand -n 'Show what would be removed, and change nothing'
            cand --dry-run 'Show what would be removed, and change nothing'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;untag'= {
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --ignore 'A missing name is no failure'
            cand -n 'Show what would be done, and change nothing'
            cand --dry-run 'Show what would be done, and change nothing'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;prune'= {
            cand --filter 'Only images that pass; see above'
            cand --keep 'Keep images whose name, tag or digest matches; wins over everything; repeatable'
            cand --keep-last 'With --all: keep the newest N images of each repository, or N of those with a name that matches; repeatable, like all that follow'
            cand --keep-within 'With --all: keep what was created within this time, such as 36h, 30d or 2w'
            cand --keep-daily 'With --all: keep the newest image of each of the last N days (UTC) that have any'
            cand --keep-weekly 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any'
            cand --keep-monthly 'With --all: keep the newest image of each of the last N months that have any'
            cand --keep-newest-per 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v'
            cand --newest-by 'What --keep-last calls the newest: what was created last, or the highest semantic version'
            cand --max-size 'With --all: keep the newest images, and all that other options keep, as long as the blobs of the layout have no more bytes together, such as 20GB or 500MiB'
            cand --policy 'Keep what the rules of this file keep; implies --all'
            cand --containers 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input'
            cand --recursive 'Every layout below this directory; symbolic links are not followed'
            cand --also-root 'Another layout that shares this one''s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do'
            cand --unlisted-referrers 'What to do with signatures and the like that no entry of index.json leads to and that are about something that stays'
            cand --grace 'Leave unreferenced blobs alone that are younger, such as 30m, 2h or 7d, and all of them if a temporary file of another program is younger; 0s when nothing else writes'
            cand --trash-keep 'Delete what has been in the trash for longer, such as 12h, 7d or 4w'
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand -a 'Remove every image, not only dangling ones'
            cand --all 'Remove every image, not only dangling ones'
            cand -f 'Do not ask'
            cand --force 'Do not ask'
            cand -n 'Show what would be removed, and change nothing'
            cand --dry-run 'Show what would be removed, and change nothing'
            cand --allow-empty 'With what keeps images: remove every image of a layout all the same, if nothing in it is to be kept'
            cand --trash 'Move what goes into the layout''s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]'
            cand --no-trash 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;restore'= {
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --incomplete 'Bring back images that lack something, too, without it'
            cand -n 'Show what would come back, and change nothing'
            cand --dry-run 'Show what would come back, and change nothing'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;why'= {
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;policy'= {
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand check 'Say in words what a policy file does'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;policy;check'= {
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
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
            cand --recursive 'Every layout below this directory; symbolic links are not followed'
            cand --format 'How to print the result'
            cand -l 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --layout 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]'
            cand --lock-timeout 'How long to wait for a lock that somebody else holds, such as 30s or 5m'
            cand --color 'When to use colour in messages'
            cand --digests 'Read every blob and compare its digest'
            cand --complete 'Exit with status 12 unless every image is complete'
            cand --no-lock 'Take no lock at all; only when nothing else uses the layout'
            cand --unsafe-mount 'Change a layout also on a mounted bucket that may lose what was written'
            cand -v 'Say more: each blob, what was kept and why'
            cand --verbose 'Say more: each blob, what was kept and why'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'ocirm;help'= {
            cand ls 'List images'
            cand rmi 'Remove images, or parts of them'
            cand untag 'Take names away and keep the images'
            cand prune 'Remove dangling images and unreferenced blobs'
            cand restore 'Bring back what --trash removed'
            cand why 'Explain what keeps an image or a blob'
            cand policy 'Work with policy files'
            cand check 'Check whether a layout is sound'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'ocirm;help;ls'= {
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
        &'ocirm;help;help'= {
        }
    ]
    $completions[$command]
}
