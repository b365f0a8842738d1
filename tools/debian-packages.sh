#!/usr/bin/env bash
# debian-packages.sh LIST...: installs the packages of these lists that are missing. Without root, or on another system, it says in one line what is
# missing and goes on: the planner needs python3-venv only; the laboratory needs the rest.
set -euo pipefail

mapfile -t wanted < <(cat "$@" |
    sed 's/#.*//' | tr -s ' \t' '\n' | sed '/^$/d' | sort -u)

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "Debian ではないため、パッケージを自動ではインストールしません（必要なもの：${wanted[*]}）" >&2
    exit 0
fi
missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "root でないため、次の Debian パッケージをインストールできません：${missing[*]}" >&2
    exit 0
fi
echo "Debian パッケージをインストールします：${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" >"$log" 2>&1; }
# The lists may be old or absent: fetch them only when a first try fails.
install || { apt-get update >"$log" 2>&1 && install; } || { cat "$log" >&2; exit 1; }
