#!/usr/bin/env bash
# Packs a site and takes it live on several hosts: on all of them, or on none.
#   examples/deploy.sh [OPTIONS] SITE_DIR ARCHIVE HOST... [-- OPTIONS of cairn-pack add]
#   examples/deploy.sh dist ~/archives/site.cairn web1 web2.example.org:/srv/docs -- --spa
#
# HOST is a name that ssh knows, with :DIR behind it if its archive is not in /var/lib/cairn; or local:DIR.
# Nothing is live on any host before the new bytes are on all of them and were verified there. Then
# one host after the other is switched; if one refuses, those before it are taken back.
#
#   --check COMMAND  run here after each host was switched, with CAIRN_HOST set; its failure counts as
#                    the host's: --check 'curl -fsS -o /dev/null "http://$CAIRN_HOST/health"'
#   --socket PATH    control socket on the hosts (their CAIRN_CONTROL, or /run/cairn/control.sock)
#   --ctl WORDS      how cairn-ctl is started there (cairn-ctl); 'sudo -n -u cairn cairn-ctl'
#   --ssh WORDS      how ssh is started (ssh -o BatchMode=yes -o ConnectTimeout=10)
#   --jobs N         hosts that are copied to at the same time (8)
#   --no-verify      do not read the whole release on each host before it is switched
#   --no-load        copy, verify, and point NAME.idx at the release, for servers that are not started yet
#   --dry-run        change nothing; say what the hosts have and whether the site can be packed
#
# Exit codes: 0 live everywhere; 1 failed, and no host serves the release; 2 usage; 3 failed, and hosts
# that could not be taken back, which are named, may serve it.
set -euo pipefail
shopt -s extglob

say() { printf 'deploy: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}
usage() {
    [ $# = 0 ] || say "$*"
    echo "usage: deploy.sh [OPTIONS] SITE_DIR ARCHIVE HOST... [-- OPTIONS of cairn-pack add]" >&2
    exit 2
}

# ---- what was asked for ----

check='' socket='' ctl='cairn-ctl' jobs=8 verify=yes load=yes dry_run=no
ssh=(ssh -o BatchMode=yes -o ConnectTimeout=10)
words=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
    --check | --socket | --ctl | --ssh | --jobs)
        [ $# -gt 1 ] || usage "$1 needs a value"
        case $1 in
        --check) check=$2 ;;
        --socket) socket=$2 ;;
        --ctl) ctl=$2 ;;
        --ssh) read -ra ssh <<<"$2" ;;
        --jobs) jobs=$2 ;;
        esac
        shift
        ;;
    --no-verify) verify=no ;;
    --no-load) load=no ;;
    --dry-run) dry_run=yes ;;
    -h | --help)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
        exit 0
        ;;
    -*) usage "there is no option $1" ;;
    *) words+=("$1") ;;
    esac
    shift
done
[ $# = 0 ] || shift
pack_options=("$@")
[ "${#words[@]}" -ge 3 ] || usage "a site, an archive and a host are needed"
[[ $jobs =~ ^[1-9][0-9]{0,3}$ ]] || usage "--jobs: not a number from 1: $jobs"
site=${words[0]} archive=${words[1]} hosts=("${words[@]:2}")
name=$(basename "$archive" .cairn)
[ "$name" != "$(basename "$archive")" ] || usage "an archive is called NAME.cairn: $archive"
for program in cairn-pack rsync flock "${ssh[0]}"; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done

# ---- hosts (each `return` has its number: in a trap, one without means something else) ----

machine_of() { printf '%s' "${1%%:*}"; }
folder_of() {
    local folder=/var/lib/cairn
    [ "${1#*:}" = "$1" ] || folder=${1#*:}
    printf '%s' "$folder"
}
[ "$(printf '%s\n' "${hosts[@]}" | sort | uniq -d)" = "" ] || usage "a host is named twice"
for host in "${hosts[@]}"; do
    [[ $(machine_of "$host") =~ ^[A-Za-z0-9_.@-]+$ && $host != -* ]] || usage "not a host: $host"
    [[ $(folder_of "$host") == /* && $host != *[[:cntrl:]]* ]] || usage "not an absolute folder: $host"
done

quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# Runs a script of sh on a host: $1 is the folder there, the arguments come after it.
on() { # host, script, argument...
    local host=$1 script=$2 word
    shift 2
    set -- "$(folder_of "$host")" "$@"
    if [ "$(machine_of "$host")" = local ]; then
        sh -c "$script" deploy "$@" </dev/null
        return $?
    fi
    local line='sh -c'
    for word in "$script" deploy "$@"; do
        line+=" $(quote "$word")"
    done
    "${ssh[@]}" "$(machine_of "$host")" "$line" </dev/null
}

control() { # host, command...
    local host=$1
    shift
    # shellcheck disable=SC2016
    on "$host" 'shift; ctl=$1 socket=$2; shift 2
        exec $ctl --socket "${socket:-${CAIRN_CONTROL:-/run/cairn/control.sock}}" "$@"' \
        "$ctl" "$socket" "$@"
}

# ---- copying ----

# The archive only ever grows, so what a host has must be the beginning of what is here; then the rest
# can be appended. Its length, its first 64 bytes, which are different for each archive, and its last
# ones, which are of the commit of its newest release, tell.
END_BYTES=4096
# shellcheck disable=SC2016
ARCHIVE_STATE='cd "$1" && [ ! -e "$2" ] && echo 0 || {
    cd "$1" && echo $(($(wc -c <"$2"))) $(head -c 64 "$2" | sha256sum) $(tail -c "$3" "$2" | sha256sum); }'

bytes_here() { # offset, count
    dd if="$archive" iflag=skip_bytes,count_bytes bs=64K skip="$1" count="$2" status=none | sha256sum
}

begins_like() { # length, sum of its first 64 bytes, sum of its end
    local length=$1 end=$END_BYTES
    [ "$length" -le "$(stat -c %s "$archive")" ] || return 1
    [ "$length" -ge "$end" ] || end=$length
    [ "$(bytes_here 0 64 | cut -d' ' -f1)" = "$2" ] &&
        [ "$(bytes_here "$((length - end))" "$end" | cut -d' ' -f1)" = "$3" ]
}

copy() { # host, rsync's options, file
    local host=$1 target
    target=$(folder_of "$host")/
    [ "$(machine_of "$host")" = local ] || target=$(machine_of "$host"):$target
    local options=("${@:2:$#-2}")
    rsync -s --rsh "${ssh[*]}" "${options[@]}" -- "${*: -1}" "$target"
}

stage() { # host
    local host=$1 state length first end
    state=$(on "$host" "$ARCHIVE_STATE" "$name.cairn" "$END_BYTES") || return 1
    read -r length first _ end _ <<<"$state"
    if [ "$length" != 0 ] && ! begins_like "$length" "$first" "$end"; then
        say "$host: its $name.cairn is not a beginning of $archive: it was packed elsewhere, or damaged." \
            "Pack where it was made, or deploy under another name"
        return 1
    fi
    copy "$host" --append "$archive" && copy "$host" "$index" || return 1
    if [ "$verify" = yes ]; then
        # shellcheck disable=SC2016
        on "$host" 'cd "$1" && cairn-pack verify "$2" >/dev/null' "$(basename "$index")" || return 1
    fi
    say "$host: has release $release ($(($(stat -c %s "$archive") - length)) bytes were new)"
}

# Calls a function for each host, some at a time. Fails if it failed for one.
for_all() { # function
    local first host number failed=no
    for ((first = 0; first < ${#hosts[@]}; first += jobs)); do
        local running=()
        for host in "${hosts[@]:first:jobs}"; do
            "$1" "$host" &
            running+=($!)
        done
        for number in "${running[@]}"; do
            wait "$number" || failed=yes
        done
    done
    [ "$failed" = no ]
}

# ---- switching ----

# The row of `list` for the release of this archive that is live there; nothing if there is none.
live_row() { # host
    local folder rows row
    # shellcheck disable=SC2016
    folder=$(on "$1" 'cd "$1" && pwd -P') || return 1
    rows=$(control "$1" list) || return 1
    while read -r row; do
        if [[ $row == site\ *\ state=live\ *" index=$folder/$name".+([0-9]).idx ]]; then
            printf '%s' "$row"
            return 0
        fi
    done <<<"$rows"
}

index_of() { printf '%s' "${1##* index=}"; }

point_link() { # host, index
    # shellcheck disable=SC2016
    on "$1" 'cd "$1" && ln -sfn "$2" "$3.idx.new" && mv -fT "$3.idx.new" "$3.idx"' "$2" "$name"
}

# Takes away a NAME.idx that points to this release.
drop_link() { # host
    # shellcheck disable=SC2016
    on "$1" 'cd "$1" && if [ "$(readlink "$2.idx")" = "$3" ]; then rm "$2.idx"; fi' "$name" \
        "$(basename "$index")"
}

link_target() { # host
    # shellcheck disable=SC2016
    on "$1" 'cd "$1" && if [ -L "$2.idx" ]; then readlink "$2.idx"; fi' "$name"
}

# Hosts that were told to load the release; the row of what was live there, and what their NAME.idx was.
touched=() rows_before=() links_before=()

switch() { # host
    local host=$1 row link
    row=$(live_row "$host") || return 1
    if [ "$(basename "$(index_of "$row")")" = "$(basename "$index")" ]; then
        say "$host: serves release $release already"
        return 0
    fi
    link=$(link_target "$host") || return 1
    touched+=("$host") rows_before+=("$row") links_before+=("$link")
    control "$host" load index "$(folder_of "$host")/$(basename "$index")" >/dev/null || return 1
    if [ -n "$check" ] && ! CAIRN_HOST=$(machine_of "$host") sh -c "$check"; then
        say "$host: the check failed"
        return 1
    fi
    point_link "$host" "$(basename "$index")" || return 1
    say "$host: serves release $release"
}

# `rollback` where the release answers leaves the files of open tabs. If the server has kept nothing
# below it (--retain 1), what was live before is loaded again; if nothing was, nothing is.
take_back() { # host, row of what was live, what its link was
    local row place='^site id=([0-9]+) [^/]* host=([^ ,]*)[^ ]* at=([^ ]*) '
    row=$(live_row "$1") || return 1
    if [ -n "$row" ] && [ "$(basename "$(index_of "$row")")" = "$(basename "$index")" ]; then
        [[ $row =~ $place ]] || return 1
        if [ -z "$2" ]; then
            control "$1" unload "${BASH_REMATCH[1]}" >/dev/null || return 1
        elif ! control "$1" rollback "host=${BASH_REMATCH[2]}" "at=${BASH_REMATCH[3]}" \
            "id=${BASH_REMATCH[1]}" >/dev/null; then
            control "$1" load index "$(index_of "$2")" >/dev/null || return 1
        fi
    fi
    if [ -n "$3" ]; then
        point_link "$1" "$3"
    else
        drop_link "$1"
    fi
}

# No signal ends it half-way, and none ends what it runs on the hosts.
take_all_back() {
    local number stuck=()
    trap '' INT TERM HUP
    for number in "${!touched[@]}"; do
        if take_back "${touched[number]}" "${rows_before[number]}" "${links_before[number]}"; then
            say "${touched[number]}: taken back"
        else
            stuck+=("${touched[number]}")
        fi
    done
    [ "${#stuck[@]}" -gt 0 ] || return 0
    say "could not be taken back, and may serve release $release: ${stuck[*]}"
    exit 3
}

# ---- the deploy ----

describe() { # host
    local state
    state=$(on "$1" "$ARCHIVE_STATE" "$name.cairn" "$END_BYTES") || return 1
    say "$1: $name.cairn has ${state%% *} bytes; $(control "$1" list | grep -c '^site ' || true) releases are loaded"
}

if [ "$dry_run" = yes ]; then
    cairn-pack check "${pack_options[@]}" "$site" >/dev/null || fail "the site cannot be packed"
    for_all describe || fail "a host cannot be reached"
    say "would pack $site into $archive and take it live on ${hosts[*]}"
    exit 0
fi

# One deploy of this folder at a time, and no other add while the archive is copied.
exec 8<"$(dirname "$archive")"
flock -n 8 || fail "another deploy from $(dirname "$archive") is going on"
line=$(cairn-pack add "${pack_options[@]}" "$site" "$archive") || fail "nothing was packed"
index=${line#load index }
[[ $line == "load index "* && -f $index ]] || fail "cairn-pack add printed something else: $line"
release=$((10#$(basename "${index%.idx}" | grep -o '[0-9]*$')))
exec 9<"$archive"
flock 9

for_all stage || fail "release $release is not on all hosts; none of them serves it"
exec 9<&-
if [ "$load" = no ]; then
    for host in "${hosts[@]}"; do
        point_link "$host" "$(basename "$index")"
    done
    exit 0
fi
trap 'take_all_back' EXIT
trap 'exit 1' INT TERM HUP
for host in "${hosts[@]}"; do
    switch "$host" || fail "$host: did not take release $release"
done
trap - EXIT
say "release $release is live on ${#hosts[@]} hosts"
