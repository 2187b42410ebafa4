#!/usr/bin/env bash
# Prunes the layouts in LAYOUTS, on each line a layout or a directory above some, with ARGUMENTS.
# Nothing else writes there in a job, so there is nothing to wait for: --grace 0s, unless ARGUMENTS
# have another.
set -euo pipefail

report=$RUNNER_TEMP/ocirm-prune.json
echo "report=$report" >>"$GITHUB_OUTPUT"
# shellcheck disable=SC2153
read -r -a arguments <<<"${ARGUMENTS//[[:space:]]/ }"
# The text and not the array: in the bash of macOS an array that is empty counts as unset.
case " ${ARGUMENTS//[[:space:]]/ }" in
    *' --grace'*) ;;
    *) arguments+=(--grace 0s) ;;
esac
status=0
: >"$report"
while read -r path || [ -n "$path" ]; do
    [ -n "$path" ] || continue
    # As actions/cache has it, to which the same lines are given. No shell expands what comes out of a variable.
    # shellcheck disable=SC2088
    case $path in
        '~' | '~/'*) path=$HOME${path#'~'} ;;
    esac
    ended=0
    ocirm prune --force --recursive="$path" --format json "${arguments[@]}" </dev/null >>"$report" || ended=$?
    # As the program itself does with several: the others are done, and the highest counts.
    [ "$ended" -le "$status" ] || status=$ended
done <<<"$LAYOUTS"
cat "$report"
exit "$status"
