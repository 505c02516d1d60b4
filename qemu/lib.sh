# What qemu/cluster and qemu/run share. Sourced; `top` is the checkout.
build=${BUILD:-$top/build}
case $build in /*) ;; *) build=$top/$build ;; esac
deps=${KEELSON_DEPS:-$top/build/deps}
KERNEL=${KERNEL:-$(cat "$build/kernel-choice" 2>/dev/null || echo debian)}
PATH=$PATH:/usr/sbin:/sbin:$top/build/tools
me=${0##*/}

die() { echo "qemu/$me: $*" >&2; exit 1; }
usage_error() { echo "qemu/$me: $* (see qemu/$me help)" >&2; exit 2; }
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

# Prints kvm or tcg. /dev/kvm that opens proves nothing: on some hosts a guest hangs in it. So a
# kernel without any root must get as far as missing it within seconds, in a guest like a node's.
# The answer is kept in build/accelerator.
accelerator() {
    answer=$top/build/accelerator
    [ -z "${ACCEL:-}" ] || { echo "$ACCEL"; return; }
    if [ ! -s "$answer" ]; then
        mkdir -p "$top/build"
        result=tcg
        kernel=$deps/kernel-$KERNEL/vmlinuz
        if [ -w /dev/kvm ] && [ -e "$kernel" ]; then
            # In braces: the shell itself would tell that QEMU was killed.
            last=$({ timeout -s KILL 6 qemu-system-x86_64 $(guest_like kvm) -m 512 -no-reboot -serial stdio \
                -kernel "$kernel" -append 'console=ttyS0 panic=-1' </dev/null |
                grep -a 'VFS: Unable to mount root' || true; } 2>/dev/null)
            [ -z "$last" ] || result=kvm
        fi
        echo $result >"$answer"
    fi
    cat "$answer"
}

# guest_like ACCEL: the options that decide whether an accelerator works
guest_like() {
    case $1 in kvm) cpu=host ;; *) cpu=max ;; esac
    echo "-accel $1 -cpu $cpu -M q35 -smp ${SMP:-2} -nodefaults -display none"
}

port_free() { ! (ss -Htln "sport = :$1" 2>/dev/null | grep -q .); }

# The first of a block of ports that are all free: base is the API's, the others are node ports.
free_base() {
    base=${PORT:-16443}
    while [ "$base" -lt 26443 ]; do
        ok=1
        for p in "$base" $((base + 1)); do port_free "$p" || ok=; done
        [ -z "$ok" ] || { echo "$base"; return; }
        base=$((base + 100))
    done
    die "no free port for the API between 16443 and 26443"
}

# forward PORT: hostfwd option for this host port and guest port
forward() { printf ',hostfwd=tcp:127.0.0.1:%s-:%s' "$1" "$2"; }

# start_node DIR NAME [FOREGROUND]: boots the node whose disk is DIR/NAME/disk.img
start_node() {
    node=$1/$2
    . "$1/env"
    accel=$(accelerator)
    net="user,id=net0$(forward "$API_PORT" 6443)$(forward "$((API_PORT + 1))" 10250)"
    for p in $NODE_PORTS; do net="$net$(forward "${p%%:*}" "${p##*:}")"; done
    set -- $(guest_like "$accel") -name "keelson-$2" -m "$MEMORY" \
        -drive "id=disk0,file=$node/disk.img,format=raw,if=none,cache=writeback,discard=unmap" \
        -device virtio-blk-pci,drive=disk0 -netdev "$net" \
        -device virtio-net-pci,netdev=net0,romfile= -device virtio-rng-pci \
        -qmp "unix:$node/qmp,server=on,wait=off" -pidfile "$node/pid"
    [ "${WATCHDOG:-1}" = 0 ] || set -- "$@" -device i6300esb -action watchdog=reset
    [ -z "${NO_REBOOT:-}" ] || set -- "$@" -no-reboot
    if [ "$DIRECT" = 1 ]; then
        set -- "$@" -kernel "$deps/kernel-$KERNEL/vmlinuz" -initrd "$build/initramfs.cpio.zst" \
            -append "$(cat "$build/cmdline") ${APPEND:-}"
    else
        [ -e "$node/vars.fd" ] || cp /usr/share/OVMF/OVMF_VARS_4M.fd "$node/vars.fd"
        set -- "$@" -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
            -drive "if=pflash,format=raw,unit=1,file=$node/vars.fd"
    fi
    [ -z "${GDB:-}" ] || set -- "$@" -gdb "tcp:127.0.0.1:$GDB"
    serial="id=serial0,logfile=$node/console.log,logappend=on"
    if [ -n "${FOREGROUND:-}" ]; then
        qemu-system-x86_64 "$@" -chardev "stdio,mux=off,signal=off,$serial" -serial chardev:serial0
    else
        qemu-system-x86_64 "$@" -chardev "socket,path=$node/console,server=on,wait=off,$serial" \
            -serial chardev:serial0 -daemonize </dev/null || die "QEMU did not start"
    fi
}

# prepare DIR NAMES…: disks, ports and credentials, unless the cluster is there already
prepare() {
    dir=$1
    shift
    if [ -e "$dir/env" ]; then return; fi
    [ -e "$build/keelson.img" ] || die "$build/keelson.img is missing: make image"
    mkdir -p "$dir"
    port=$(free_base)
    node_ports=
    n=0
    for guest in ${GUEST_PORTS:-30080 30443 30000 30001 80 443}; do
        n=$((n + 1))
        host=$((port + 10 + n))
        ! port_free "$host" || node_ports="$node_ports $host:$guest"
    done
    rm -rf "$dir/config"
    "$build/keelson" config new --name "${CLUSTER_NAME:-node1}" --endpoint "127.0.0.1:$port" --out "$dir/config" \
        >"$dir/config.log" 2>&1 || { cat "$dir/config.log" >&2; die "keelson config new failed"; }
    [ -z "${EXTRA_CONFIG:-}" ] || cat "$EXTRA_CONFIG" >>"$dir/config/keelson.yaml"
    cp "$dir/config/admin.kubeconfig" "$dir/kubeconfig"
    chmod 600 "$dir/kubeconfig"
    for name; do
        mkdir -p "$dir/$name"
        cp --sparse=always "$build/keelson.img" "$dir/$name/disk.img"
        # The state partition is grown by the node itself on first boot.
        truncate -s "${DISK:-4G}" "$dir/$name/disk.img"
        mcopy -o -i "$dir/$name/disk.img@@1M" "$dir/config/keelson.yaml" ::/keelson.yaml
    done
    {
        echo "API_PORT=$port"
        echo "NODE_PORTS='${node_ports# }'"
        echo "MEMORY=$MEMORY"
        echo "DIRECT=$DIRECT"
        echo "NODES='$*'"
    } >"$dir/env.new"
    mv "$dir/env.new" "$dir/env"
}

kube() { kubectl --kubeconfig "$dir/kubeconfig" --request-timeout=5s "$@"; }

# wait_ready DIR SECONDS: until every node is Ready, or says why not
wait_ready() {
    dir=$1 limit=$2
    . "$dir/env"
    began=$(date +%s%N)
    want=$(echo $NODES | wc -w)
    while :; do
        ready=$(kube get nodes --no-headers 2>"$dir/kubectl.err" | awk '$2 ~ /^Ready/ { n++ } END { print n + 0 }')
        took=$((($(date +%s%N) - began) / 10000000))
        [ "$ready" -lt "$want" ] || { printf 'Ready after %d.%02d s\n' $((took / 100)) $((took % 100)); return; }
        for name in $NODES; do
            alive "$dir/$name/pid" || explain "node $name is not running any more"
        done
        [ $took -lt $((limit * 100)) ] || explain "not Ready after $limit s: $(tail -n 1 "$dir/kubectl.err")"
        sleep 0.2
    done
}

explain() {
    for name in $NODES; do
        echo "--- last lines of $dir/$name/console.log" >&2
        tail -n 30 "$dir/$name/console.log" 2>/dev/null | tr -d '\r' >&2
    done
    die "$*"
}

# quit_node DIR NAME: ends QEMU at once, as if the plug were pulled
quit_node() {
    pidfile=$1/$2/pid
    alive "$pidfile" || return 0
    pid=$(cat "$pidfile")
    kill -KILL "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    rm -f "$pidfile"
}
