_ocirm() {
    COMPREPLY=()
    if [[ "$2" == [~\$]* ]]; then
        compopt -o default -o bashdefault 2>/dev/null
        return
    fi
    local word
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(COMPLETE=bash ocirm -- "${COMP_LINE:0:COMP_POINT}" "${COMP_LINE:COMP_POINT}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[/=:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -o nosort -F _ocirm ocirm 2>/dev/null || complete -F _ocirm ocirm
