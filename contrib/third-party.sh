#!/bin/sh
# Prints the notices of all code that is in the program besides its own: the crates of Cargo.lock that are built into
# it, the standard library of Rust, and musl.
#
#     contrib/third-party.sh TARGET >target/THIRD-PARTY
#
# Wants cargo, and the sources of the crates where cargo has them: in its registry, or vendored. Texts that several
# crates have stand there once.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
target=${1:?which target, such as x86_64-unknown-linux-musl}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/texts"

# Procedural macros are not in the program, what they need is not either; cargo lists it with them.
cargo tree --locked --edges normal,no-proc-macro --target "$target" --prefix none --format '{p}|{l}' >"$work/tree"
# Of `serde v1.0.0 (*)|MIT`: the name, the version, the licence.
sed -n 's/^\([^ ]*\) v\([^ |]*\)[^|]*|\([^(]*.*\)$/\1 \2 \3/p' "$work/tree" | sed 's/ (\*)$//' | sort -u |
    grep -v '^ocirm ' >"$work/crates"
cargo metadata --locked --format-version 1 --filter-platform "$target" >"$work/metadata"
grep -o '"manifest_path":"[^"]*/Cargo.toml"' "$work/metadata" | sed 's/^"manifest_path":"//; s/\/Cargo.toml"$//' >"$work/folders"

while read -r name version licence; do
    # In the registry the folder has the version in its name, vendored it may not have.
    folder=$(awk -F / -v with="$name-$version" -v without="$name" \
        '$NF == with || $NF == without { print; exit }' "$work/folders")
    if [ -z "$folder" ]; then
        echo "third-party.sh: where are the sources of $name $version?" >&2
        exit 1
    fi
    found=
    for file in "$folder"/LICEN[CS]E* "$folder"/COPYING* "$folder"/COPYRIGHT* "$folder"/UNLICENSE* "$folder"/NOTICE* \
        "$folder"/license*; do
        [ -f "$file" ] || continue
        found=yes
        sum=$(cksum <"$file" | tr ' ' -)
        [ -e "$work/texts/$sum" ] || cp "$file" "$work/texts/$sum"
        echo "$name $version ($(basename "$file"))" >>"$work/texts/$sum.of"
    done
    if [ -z "$found" ]; then
        echo "$name $version: $licence" >>"$work/none"
    fi
done <"$work/crates"

cat <<'END'
This program has code of others in it. Each notice stands below the names of what it belongs to;
the texts of MIT and Apache-2.0 are among them.

  The standard library of Rust: MIT OR Apache-2.0, copyright The Rust Project contributors, with the notices in
  https://github.com/rust-lang/rust/blob/HEAD/COPYRIGHT
END
case $target in
    *-musl) echo '  musl, the C library: MIT, copyright 2005-2020 Rich Felker and others, https://musl.libc.org/COPYRIGHT' ;;
esac
while read -r name version licence; do
    echo "  $name $version: $licence"
done <"$work/crates"
if [ -e "$work/none" ]; then
    printf '\nThese have no text of their own; what their licences say is below, with others:\n\n'
    sed 's/^/  /' "$work/none"
fi
for names in "$work"/texts/*.of; do
    printf '\n%s\n' '================================================================================'
    sort -u "$names"
    printf '%s\n\n' '--------------------------------------------------------------------------------'
    cat "${names%.of}"
done
