
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'ocirm' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'ocirm'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'ocirm' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List images')
            [CompletionResult]::new('rmi', 'rmi', [CompletionResultType]::ParameterValue, 'Remove images, or parts of them')
            [CompletionResult]::new('untag', 'untag', [CompletionResultType]::ParameterValue, 'Take names away and keep the images')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove dangling images and unreferenced blobs')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring back what --trash removed')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Explain what keeps an image or a blob')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Work with policy files')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check whether a layout is sound')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;ls' {
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory; symbolic links are not followed')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Mark what these containers use, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Only images that pass: broken, dangling, orphan, label, label!, reference, reference!, until, before, since')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Only images that pass: broken, dangling, orphan, label, label!, reference, reference!, until, before, since')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'What comes first; `none`, the order of index.json, is the fastest for --quiet')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, '`table`, `json`, or a template such as ''{{.Repository}}:{{.Tag}}''')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Also list what belongs to other images: manifests of an index, signatures')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Also list what belongs to other images: manifests of an index, signatures')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print IDs only, each once, in the order of --sort')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print IDs only, each once, in the order of --sort')
            [CompletionResult]::new('--tree', '--tree', [CompletionResultType]::ParameterName, 'Show below each image its platforms, attestations and referrers, and the layers of caches')
            [CompletionResult]::new('--digests', '--digests', [CompletionResultType]::ParameterName, 'Add a column with digests to the table; JSON always has them, a template shows them with ''{{.Digest}}'', and --quiet prints IDs alone')
            [CompletionResult]::new('--no-trunc', '--no-trunc', [CompletionResultType]::ParameterName, 'Do not shorten IDs')
            [CompletionResult]::new('--reverse', '--reverse', [CompletionResultType]::ParameterName, 'The other way round, whatever the order')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;rmi' {
            [CompletionResult]::new('--platform', '--platform', [CompletionResultType]::ParameterName, 'Remove only this platform: os, arch, os/arch, os/arch/variant, or os(version+feature)/arch; repeatable, or a list')
            [CompletionResult]::new('--keep-platform', '--keep-platform', [CompletionResultType]::ParameterName, 'Keep only this platform, and remove all others; repeatable, or a list')
            [CompletionResult]::new('--manifest', '--manifest', [CompletionResultType]::ParameterName, 'Remove only what the image''s index lists under this digest, or under the only one that begins so, and what belongs to it; repeatable')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input')
            [CompletionResult]::new('--also-root', '--also-root', [CompletionResultType]::ParameterName, 'Another layout that shares this one''s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Remove all names of an image given by ID; a missing image is no failure')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Remove all names of an image given by ID; a missing image is no failure')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'A missing image is no failure')
            [CompletionResult]::new('--referrers', '--referrers', [CompletionResultType]::ParameterName, 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more')
            [CompletionResult]::new('--no-prune', '--no-prune', [CompletionResultType]::ParameterName, 'Keep dangling images that the removed one was built from')
            [CompletionResult]::new('--attestations', '--attestations', [CompletionResultType]::ParameterName, 'Remove only the attestation manifests of the image')
            [CompletionResult]::new('--rewrite-index', '--rewrite-index', [CompletionResultType]::ParameterName, 'With one of the options above: make a new index without what goes for this name, so that every tool sees a complete image; other names keep the old one')
            [CompletionResult]::new('--trash', '--trash', [CompletionResultType]::ParameterName, 'Move what goes into the layout''s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]')
            [CompletionResult]::new('--no-trash', '--no-trash', [CompletionResultType]::ParameterName, 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default')
            [CompletionResult]::new('--ignore-writers', '--ignore-writers', [CompletionResultType]::ParameterName, 'Delete blobs although a young temporary file in the layout shows that another program is writing; otherwise they are left to the next prune then')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be removed, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be removed, and change nothing')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;untag' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'A missing name is no failure')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and change nothing')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;prune' {
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Only images that pass; see above')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Keep images whose name, tag or digest matches; wins over everything; repeatable')
            [CompletionResult]::new('--keep-last', '--keep-last', [CompletionResultType]::ParameterName, 'With --all: keep the newest N images of each repository, or N of those with a name that matches; repeatable, like all that follow')
            [CompletionResult]::new('--keep-within', '--keep-within', [CompletionResultType]::ParameterName, 'With --all: keep what was created within this time, such as 36h, 30d or 2w')
            [CompletionResult]::new('--keep-daily', '--keep-daily', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N days (UTC) that have any')
            [CompletionResult]::new('--keep-weekly', '--keep-weekly', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any')
            [CompletionResult]::new('--keep-monthly', '--keep-monthly', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N months that have any')
            [CompletionResult]::new('--keep-newest-per', '--keep-newest-per', [CompletionResultType]::ParameterName, 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v')
            [CompletionResult]::new('--newest-by', '--newest-by', [CompletionResultType]::ParameterName, 'What --keep-last calls the newest: what was created last, or the highest semantic version')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'With --all: keep the newest images, and all that other options keep, as long as the blobs of the layout have no more bytes together, such as 20GB or 500MiB')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'Keep what the rules of this file keep; implies --all')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Containers that use images, as docker, podman, nerdctl, crictl or kubectl print them in JSON; repeatable, `-` for standard input')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory; symbolic links are not followed')
            [CompletionResult]::new('--also-root', '--also-root', [CompletionResultType]::ParameterName, 'Another layout that shares this one''s blobs: what its index.json leads to stays, and what it has a stub of. With it, blobs of a directory that others may share are deleted; name all that do')
            [CompletionResult]::new('--unlisted-referrers', '--unlisted-referrers', [CompletionResultType]::ParameterName, 'What to do with signatures and the like that no entry of index.json leads to and that are about something that stays')
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'Leave unreferenced blobs alone that are younger, such as 30m, 2h or 7d, and all of them if a temporary file of another program is younger; 0s when nothing else writes')
            [CompletionResult]::new('--trash-keep', '--trash-keep', [CompletionResultType]::ParameterName, 'Delete what has been in the trash for longer, such as 12h, 7d or 4w')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Remove every image, not only dangling ones')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Remove every image, not only dangling ones')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be removed, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be removed, and change nothing')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'With what keeps images: remove every image of a layout all the same, if nothing in it is to be kept')
            [CompletionResult]::new('--trash', '--trash', [CompletionResultType]::ParameterName, 'Move what goes into the layout''s trash, `.ocirm-trash`, where `ocirm restore` finds it until a prune finds it older than --trash-keep [default with OCIRM_TRASH=1]')
            [CompletionResult]::new('--no-trash', '--no-trash', [CompletionResultType]::ParameterName, 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;restore' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--incomplete', '--incomplete', [CompletionResultType]::ParameterName, 'Bring back images that lack something, too, without it')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would come back, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would come back, and change nothing')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;why' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;policy' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Say in words what a policy file does')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;policy;check' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;policy;help' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Say in words what a policy file does')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;policy;help;check' {
            break
        }
        'ocirm;policy;help;help' {
            break
        }
        'ocirm;check' {
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory; symbolic links are not followed')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How to print the result')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout to work on [default: $OCIRM_LAYOUT, else the current directory]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--digests', '--digests', [CompletionResultType]::ParameterName, 'Read every blob and compare its digest')
            [CompletionResult]::new('--complete', '--complete', [CompletionResultType]::ParameterName, 'Exit with status 12 unless every image is complete')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'ocirm;help' {
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List images')
            [CompletionResult]::new('rmi', 'rmi', [CompletionResultType]::ParameterValue, 'Remove images, or parts of them')
            [CompletionResult]::new('untag', 'untag', [CompletionResultType]::ParameterValue, 'Take names away and keep the images')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove dangling images and unreferenced blobs')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring back what --trash removed')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Explain what keeps an image or a blob')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Work with policy files')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check whether a layout is sound')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;help;ls' {
            break
        }
        'ocirm;help;rmi' {
            break
        }
        'ocirm;help;untag' {
            break
        }
        'ocirm;help;prune' {
            break
        }
        'ocirm;help;restore' {
            break
        }
        'ocirm;help;why' {
            break
        }
        'ocirm;help;policy' {
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Say in words what a policy file does')
            break
        }
        'ocirm;help;policy;check' {
            break
        }
        'ocirm;help;check' {
            break
        }
        'ocirm;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
