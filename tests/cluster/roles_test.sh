#!/bin/sh
# timeout: 120
# Each role of a control plane on this host is killed: it is back within a second, the API answers
# again, what was written is still there, nobody else has restarted. Then everything ends in order.
# By hand: tests/cluster/roles_test.sh (with build/keelson made).
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
keelson=${KEELSON:-$top/build/keelson}
case $keelson in /*) ;; *) keelson=$top/$keelson ;; esac
PATH=$PATH:${BUILD:-$top/build}/tools
dir=$(mktemp -d)
port=$((20000 + $$ % 20000))
supervisor=

end() {
    if [ -n "$supervisor" ]; then kill -TERM "$supervisor" 2>/dev/null; wait "$supervisor" 2>/dev/null; fi
    rm -rf "$dir"
}
trap end EXIT
kube() { kubectl --kubeconfig "$dir/data/admin.kubeconfig" --request-timeout=3s "$@" 2>>"$dir/kubectl.log"; }
answers() { kube get --raw /readyz >/dev/null; }
# role_pid NAME: the child of our supervisor with that title
role_pid() {
    for stat in /proc/[0-9]*/stat; do
        pid=${stat#/proc/}
        pid=${pid%/stat}
        [ "$(awk '{ sub(/.*\) /, ""); print $2 }' "$stat" 2>/dev/null)" = "$supervisor" ] || continue
        [ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" = "keelson: $1 " ] && echo "$pid"
    done
}
# within SECONDS COMMAND...: until it succeeds
within() {
    limit=$(($(date +%s%N) + $1 * 1000000000))
    shift
    while ! "$@"; do
        [ "$(date +%s%N)" -lt $limit ] || return 1
        sleep 0.02
    done
}
another_pid() { now=$(role_pid "$1"); [ -n "$now" ] && [ "$now" != "$2" ]; }
fail() {
    echo "not ok $*"
    sed 's/^/# /' "$dir/log" | tail -n 20
    exit 1
}

"$keelson" run --data "$dir/data" --role control --listen 127.0.0.1:$port 2>"$dir/log" &
supervisor=$!
within 20 test -s "$dir/data/admin.kubeconfig" || fail "starts: no admin.kubeconfig after 20 s"
within 20 answers || fail "starts: the API does not answer after 20 s"
echo "ok starts"
kube create namespace kept >/dev/null || fail "writes: $(tail -n 1 "$dir/kubectl.log")"

for role in front control keys; do
    before=$(role_pid $role)
    others=$(for other in front control keys; do [ $other = $role ] || role_pid $other; done)
    [ -n "$before" ] || fail "$role killed: it has no process"
    kill -KILL "$before"
    within 1 another_pid $role "$before" || fail "$role killed: no new process within a second"
    within 10 answers || fail "$role killed: the API does not answer again: $(tail -n 1 "$dir/kubectl.log")"
    kube get namespace kept >/dev/null || fail "$role killed: what was written is gone"
    kube create namespace "after-$role" >/dev/null || fail "$role killed: no writes: $(tail -n 1 "$dir/kubectl.log")"
    [ "$others" = "$(for other in front control keys; do [ $other = $role ] || role_pid $other; done)" ] ||
        fail "$role killed: another role has restarted too"
    echo "ok $role killed: back within a second"
done

# A certificate of the cluster's CA still opens the door after keys has restarted: same CA.
kube get namespaces >/dev/null || fail "same CA"
children=$(for role in front control keys; do role_pid $role; done)
kill -TERM "$supervisor"
wait "$supervisor"
status=$?
supervisor=
[ $status = 0 ] || fail "ends in order: exit status $status"
for pid in $children; do [ ! -e "/proc/$pid" ] || fail "ends in order: process $pid is left"; done
echo "ok ends in order"

"$keelson" run --data "$dir/data" --role control --listen 127.0.0.1:$port 2>"$dir/log" &
supervisor=$!
within 20 answers || fail "starts again: the API does not answer after 20 s"
kube get namespace kept after-front after-control after-keys >/dev/null || fail "starts again: something is gone"
echo "ok starts again with all that was written"

# The supervisor dies: its roles go with it.
children=$(for role in front control keys; do role_pid $role; done)
kill -KILL "$supervisor"
wait "$supervisor" 2>/dev/null
supervisor=
gone() { for pid in $children; do [ ! -e "/proc/$pid" ] || return 1; done; }
within 3 gone || fail "supervisor killed: roles are left"
echo "ok supervisor killed: no role is left"

# Wrong words: one line, exit status 2.
for words in bogus "run" "run --bogus" "run --data $dir/x --role king" "config old" "run --data $dir/x --listen nonsense"; do
    lines=$("$keelson" $words 2>&1 >/dev/null)
    status=$?
    [ $status = 2 ] || fail "keelson $words: exit status $status"
    [ "$(echo "$lines" | wc -l)" = 1 ] || fail "keelson $words: more than one line: $lines"
done
echo "ok wrong words and options: one line, exit status 2"
