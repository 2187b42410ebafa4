#!/usr/bin/env bash
# Installs a release of ocirm for the next steps of a job. Wants VERSION (v1.2.3) and REPOSITORY
# (owner/name) and what the runner sets. Does nothing where that release is installed already.
set -euo pipefail

if installed=$(ocirm --version 2>/dev/null) && [ "$installed" = "ocirm ${VERSION#v}" ]; then
    echo "$installed"
    exit 0
fi
case $VERSION in
    v[0-9]*) ;;
    *)
        echo "::error::'$VERSION' is no release; name one with the input version, such as v0.1.0"
        exit 1
        ;;
esac
case $(uname -s)-$(uname -m) in
    Linux-x86_64) target=x86_64-unknown-linux-musl ;;
    Linux-aarch64) target=aarch64-unknown-linux-musl ;;
    Darwin-x86_64) target=x86_64-apple-darwin ;;
    Darwin-arm64) target=aarch64-apple-darwin ;;
    *)
        echo "::error::there is no release of ocirm for $(uname -s) on $(uname -m)"
        exit 1
        ;;
esac
name=ocirm-$VERSION-$target
cd "$RUNNER_TEMP"
releases=$GITHUB_SERVER_URL/$REPOSITORY/releases
for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    answer=$(curl --fail --location --silent --show-error --retry 3 --write-out '%{http_code}' --output "$file" \
        "$releases/download/$VERSION/$file") || {
        if [ "$answer" = 404 ]; then
            echo "::error::there is no release $VERSION with $file at $releases; name a whole version with the" \
                "input version, such as v0.1.0"
        fi
        exit 1
    }
done
if command -v sha256sum >/dev/null; then
    sha256sum --check "$name.tar.gz.sha256"
else
    # macOS has this one.
    shasum --algorithm 256 --check "$name.tar.gz.sha256"
fi
tar -xzf "$name.tar.gz"
echo "$RUNNER_TEMP/$name" >>"$GITHUB_PATH"
"./$name/ocirm" --version
