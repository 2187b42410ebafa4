
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
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print the version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the version')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List images')
            [CompletionResult]::new('df', 'df', [CompletionResultType]::ParameterValue, 'Show where the disk went')
            [CompletionResult]::new('rmi', 'rmi', [CompletionResultType]::ParameterValue, 'Remove images, or parts of them')
            [CompletionResult]::new('untag', 'untag', [CompletionResultType]::ParameterValue, 'Take names away and keep the images')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove dangling images and unreferenced blobs')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring back what --trash removed')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Explain what keeps an image or a blob')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Work with policy files')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check whether a layout is sound')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;ls' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Only images that pass')
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Only images that pass')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory')
            [CompletionResult]::new('--sort', '--sort', [CompletionResultType]::ParameterName, 'What comes first: created, size, unique, name, none')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Mark what these containers use')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'table (default), json, or a template')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Also list what belongs to other images')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Also list what belongs to other images')
            [CompletionResult]::new('--reverse', '--reverse', [CompletionResultType]::ParameterName, 'The other way round, whatever the order')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print IDs only, each once, in the order of --sort')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print IDs only, each once, in the order of --sort')
            [CompletionResult]::new('--tree', '--tree', [CompletionResultType]::ParameterName, 'Show what belongs to each image below it')
            [CompletionResult]::new('--digests', '--digests', [CompletionResultType]::ParameterName, 'Add a column with digests to the table')
            [CompletionResult]::new('--no-trunc', '--no-trunc', [CompletionResultType]::ParameterName, 'Do not shorten IDs')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;df' {
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;rmi' {
            [CompletionResult]::new('--platform', '--platform', [CompletionResultType]::ParameterName, 'Only this platform; repeatable')
            [CompletionResult]::new('--keep-platform', '--keep-platform', [CompletionResultType]::ParameterName, 'All platforms but this; repeatable')
            [CompletionResult]::new('--manifest', '--manifest', [CompletionResultType]::ParameterName, 'Only this manifest of an index')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Keep what these containers use')
            [CompletionResult]::new('--also-root', '--also-root', [CompletionResultType]::ParameterName, 'Another layout that shares this one''s blobs')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--attestations', '--attestations', [CompletionResultType]::ParameterName, 'Only the attestations of the image')
            [CompletionResult]::new('--rewrite-index', '--rewrite-index', [CompletionResultType]::ParameterName, 'Give the name an index without these parts')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'All names of an image given by ID')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'All names of an image given by ID')
            [CompletionResult]::new('--referrers', '--referrers', [CompletionResultType]::ParameterName, 'Remove signatures and the like that have a name of their own, too, when nothing else leads to what they are about any more')
            [CompletionResult]::new('--no-prune', '--no-prune', [CompletionResultType]::ParameterName, 'Keep dangling images that the removed one was built from')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would go, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would go, and change nothing')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'A missing image is no failure')
            [CompletionResult]::new('--trash', '--trash', [CompletionResultType]::ParameterName, 'Move what goes into the layout''s trash')
            [CompletionResult]::new('--no-trash', '--no-trash', [CompletionResultType]::ParameterName, 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default')
            [CompletionResult]::new('--ignore-writers', '--ignore-writers', [CompletionResultType]::ParameterName, 'Delete blobs although another program is writing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;untag' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would be done, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would be done, and change nothing')
            [CompletionResult]::new('--ignore', '--ignore', [CompletionResultType]::ParameterName, 'A missing name is no failure')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;prune' {
            [CompletionResult]::new('--filter', '--filter', [CompletionResultType]::ParameterName, 'Only images that pass; repeatable')
            [CompletionResult]::new('--unlisted-referrers', '--unlisted-referrers', [CompletionResultType]::ParameterName, 'What to do with signatures that no entry leads to')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Images whose name, tag or digest matches')
            [CompletionResult]::new('--keep-last', '--keep-last', [CompletionResultType]::ParameterName, 'The newest N images of each repository')
            [CompletionResult]::new('--keep-within', '--keep-within', [CompletionResultType]::ParameterName, 'With --all: keep what was created within this time, such as 36h, 30d or 2w')
            [CompletionResult]::new('--keep-daily', '--keep-daily', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N days (UTC) that have any')
            [CompletionResult]::new('--keep-weekly', '--keep-weekly', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N weeks (Monday to Sunday) that have any')
            [CompletionResult]::new('--keep-monthly', '--keep-monthly', [CompletionResultType]::ParameterName, 'With --all: keep the newest image of each of the last N months that have any')
            [CompletionResult]::new('--keep-newest-per', '--keep-newest-per', [CompletionResultType]::ParameterName, 'With --all: keep the highest version of each major version, or of each major and minor one; of tags that are semantic versions, with or without a v')
            [CompletionResult]::new('--newest-by', '--newest-by', [CompletionResultType]::ParameterName, 'What --keep-last calls the newest: what was created last, or the highest semantic version')
            [CompletionResult]::new('--max-size', '--max-size', [CompletionResultType]::ParameterName, 'The newest that fit into SIZE')
            [CompletionResult]::new('--policy', '--policy', [CompletionResultType]::ParameterName, 'What the rules of this file keep')
            [CompletionResult]::new('--containers', '--containers', [CompletionResultType]::ParameterName, 'Keep what these containers use')
            [CompletionResult]::new('--also-root', '--also-root', [CompletionResultType]::ParameterName, 'Another layout that shares this one''s blobs')
            [CompletionResult]::new('--grace', '--grace', [CompletionResultType]::ParameterName, 'Leave unreferenced blobs alone that are younger')
            [CompletionResult]::new('--trash-keep', '--trash-keep', [CompletionResultType]::ParameterName, 'Delete what has been in the trash for longer, such as 12h, 7d or 4w')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('-a', '-a', [CompletionResultType]::ParameterName, 'Every image, not only dangling ones')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Every image, not only dangling ones')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Remove every image, if nothing is to be kept')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would go, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would go, and change nothing')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Do not ask')
            [CompletionResult]::new('--trash', '--trash', [CompletionResultType]::ParameterName, 'Move what goes into the layout''s trash')
            [CompletionResult]::new('--no-trash', '--no-trash', [CompletionResultType]::ParameterName, 'Delete what goes, also where OCIRM_TRASH=1 makes --trash the default')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;restore' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--list', '--list', [CompletionResultType]::ParameterName, 'List what is in the trash, and change nothing')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Show what would come back, and change nothing')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Show what would come back, and change nothing')
            [CompletionResult]::new('--incomplete', '--incomplete', [CompletionResultType]::ParameterName, 'Also images that lack something, without it')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing but errors')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;why' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;policy' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Say in words what a policy file does')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;policy;check' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
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
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every layout below this directory')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'How the result is printed')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--digests', '--digests', [CompletionResultType]::ParameterName, 'Read every blob and compare its digest')
            [CompletionResult]::new('--complete', '--complete', [CompletionResultType]::ParameterName, 'Exit with status 12 unless every image is complete')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;man' {
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'The layout [default: $OCIRM_LAYOUT, else .]')
            [CompletionResult]::new('--lock-timeout', '--lock-timeout', [CompletionResultType]::ParameterName, 'How long to wait for a lock that somebody else holds, such as 30s or 5m')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour in messages')
            [CompletionResult]::new('--no-lock', '--no-lock', [CompletionResultType]::ParameterName, 'Take no lock at all; only when nothing else uses the layout')
            [CompletionResult]::new('--unsafe-mount', '--unsafe-mount', [CompletionResultType]::ParameterName, 'Change a layout also on a mounted bucket that may lose what was written')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: each blob, what was kept and why')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help; --help has everything')
            break
        }
        'ocirm;help' {
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List images')
            [CompletionResult]::new('df', 'df', [CompletionResultType]::ParameterValue, 'Show where the disk went')
            [CompletionResult]::new('rmi', 'rmi', [CompletionResultType]::ParameterValue, 'Remove images, or parts of them')
            [CompletionResult]::new('untag', 'untag', [CompletionResultType]::ParameterValue, 'Take names away and keep the images')
            [CompletionResult]::new('prune', 'prune', [CompletionResultType]::ParameterValue, 'Remove dangling images and unreferenced blobs')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring back what --trash removed')
            [CompletionResult]::new('why', 'why', [CompletionResultType]::ParameterValue, 'Explain what keeps an image or a blob')
            [CompletionResult]::new('policy', 'policy', [CompletionResultType]::ParameterValue, 'Work with policy files')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check whether a layout is sound')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'ocirm;help;ls' {
            break
        }
        'ocirm;help;df' {
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
        'ocirm;help;man' {
            break
        }
        'ocirm;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
