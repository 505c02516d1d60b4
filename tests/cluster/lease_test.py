#!/usr/bin/env python3
# timeout: 60
"""The lease role and init's address step, as processes of the binary, on a veth pair between two
network namespaces. Debian's dnsmasq leases; a time server of our own answers. The role's control
socket is this program's: what it tells is put into the kernel by the address step, as init does it.
Every frame that leaves the card is seen. Needs root.
By hand: tests/cluster/lease_test.py (with build/keelson made)."""
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEELSON = os.path.abspath(os.environ.get("KEELSON", os.path.join(os.environ.get("BUILD", TOP + "/build"), "keelson")))
NEWNET, NEWNS = 0x40000000, 0x20000
START, STOP, LEASE, CLOCK, DONE = 1, 5, 10, 11, 13
VALUE, NODE_NAME, DATA_DIR, ENDPOINT, LISTEN, API, FLAGS, RESTARTS, REGISTRIES, OIDC, AUDIT = range(4, 15)
SEARCH, INTERFACE, ADDRESS, GATEWAY, NTP, DOMAINS = 17, 70, 71, 72, 74, 75
libc = ctypes.CDLL(None, use_errno=True)
children = []
results = []


def check(what, good, detail=""):
    results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(results)} - {what}{'' if good else f': {detail}'}", flush=True)


# ---- messages between roles (core/wire/imsg.h) ----

def message(kind, fields):
    return struct.pack("<BBHI", 1, 0, kind, 0) + b"".join(struct.pack("<BI", t, len(b)) + b for t, b in fields)


def parse(data):
    fields, at = [], 8
    while at < len(data):
        tag, n = struct.unpack_from("<BI", data, at)
        fields.append((tag, data[at + 5:at + 5 + n]))
        at += 5 + n
    return struct.unpack_from("<H", data, 2)[0], fields


def address(text, port=0):
    return struct.pack("<BHI", 4, port, 0) + socket.inet_aton(text)


def start_message(network):
    u64 = lambda v: struct.pack("<Q", v)
    return message(START, [
        (NODE_NAME, b"near"), (DATA_DIR, b"/"), (ENDPOINT, b""), (LISTEN, address("127.0.0.1", 6443)),
        (API, address("127.0.0.1", 6443)), (FLAGS, u64(3)), (RESTARTS, u64(0)), (REGISTRIES, b"[]"), (OIDC, b""), (AUDIT, b""),
        (SEARCH, b""), (INTERFACE, b"near0"), (DOMAINS, b"")] + network)


# ---- the two sides of the wire ----

def namespace():
    if libc.unshare(NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/self/ns/net", os.O_RDONLY)


def enter(fd):
    if libc.setns(fd, NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "setns")


def sh(command):
    return subprocess.run(command, shell=True, check=True, text=True, capture_output=True).stdout


def spawn(argv, title=None, control=None, out=None):
    """A child; its descriptor 3 is the control socket."""
    pid = os.fork()
    if pid == 0:
        try:
            libc.prctl(1, signal.SIGKILL)
            if out is not None:
                os.dup2(out, 1)
                os.dup2(out, 2)
            if control is not None:
                os.dup2(control.fileno(), 3)
                os.set_inheritable(3, True)
            os.execv(argv[0], [title or argv[0]] + argv[1:])
        finally:
            os._exit(127)
    children.append(pid)
    return pid


def stop(pid):
    children.remove(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)


def role(name, argv, log):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = spawn([KEELSON] + argv, f"keelson: {name}", theirs, log)
    theirs.close()
    return ours, pid


def await_message(control, kind, seconds):
    """The fields of the next message of this kind, or None."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        control.settimeout(left)
        try:
            data = control.recv(65536)
        except (socket.timeout, ConnectionResetError):
            return None
        if not data:
            return None
        got, fields = parse(data)
        if got == kind:
            return fields
    return None


def addresses(fields):
    return [f"{socket.inet_ntoa(b[7:11])}/{struct.unpack_from('<H', b, 1)[0]}" for t, b in fields or [] if t == ADDRESS]


def gateways(fields):
    return [socket.inet_ntoa(b[7:11]) for t, b in fields or [] if t == GATEWAY]


def address_step(*words):
    """As init has it done; the result's code."""
    control, pid = role("setup", ["address", "near0", *words], None)
    fields = await_message(control, DONE, 5)
    control.close()
    stop(pid)
    return struct.unpack("<Q", dict(fields)[VALUE])[0] if fields else -1


def in_kernel():
    lines = sh("ip -4 -o addr show dev near0 scope global").splitlines()
    route = sh("ip -4 route show default").split()
    return [l.split()[3] for l in lines], route[2] if len(route) > 2 else None


def serve_time():
    """SNTP: always the first second of 2030."""
    pid = os.fork()
    if pid:
        children.append(pid)
        return
    libc.prctl(1, signal.SIGKILL)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("192.168.7.1", 123))
    now = struct.pack("!II", 2208988800 + 1893456000, 0)
    while True:
        m, who = s.recvfrom(512)
        if len(m) >= 48:
            s.sendto(b"\x24\x01" + bytes(22) + m[40:48] + now + now, who)


def lease_server(first, gateway, log):
    pid = spawn([shutil.which("dnsmasq", path=os.environ.get("PATH", "") + ":/usr/sbin"), "-k", "--port=0", "--interface=far0",
                 "--bind-interfaces", "--user=root", "--leasefile-ro", "--no-ping", "--conf-file=/dev/null", "--pid-file=",
                 f"--dhcp-range={first},{first},255.255.255.0,2m", f"--dhcp-option=3,{gateway}",
                 "--dhcp-option=42,192.168.7.1"], out=log)
    time.sleep(0.5)
    return pid


def frames(capture, mac):
    """What the card near0 sent until now, by kind; who asked for time, from which ports."""
    kinds = {}
    capture.setblocking(False)
    while True:
        try:
            f = capture.recv(2048)
        except BlockingIOError:
            return kinds
        if f[6:12] != mac:
            continue
        kind = "ethertype " + f[12:14].hex()
        if f[12:14] == b"\x08\x06":
            kind = "ARP"
        elif f[12:14] == b"\x08\x00":
            at = 14 + 4 * (f[14] & 15)
            ports = struct.unpack_from("!HH", f, at)
            kind = f"IP protocol {f[23]}"
            if f[23] == 17:
                kind = {67: "DHCP", 123: "SNTP"}.get(ports[1], f"UDP {ports[0]} to {ports[1]}")
            elif f[23] == 1:
                kind = f"ICMP type {f[at]} code {f[at + 1]}"
        kinds[kind] = kinds.get(kind, 0) + 1


def told_time(control, what):
    fields = await_message(control, CLOCK, 25)
    check(what, fields and struct.unpack("<Q", dict(fields)[VALUE])[0] // 10**9 == 1893456000, fields)


def leased(near, far, mac, capture, log):
    enter(far)
    server = lease_server("192.168.7.100", "192.168.7.1", log)
    enter(near)
    began = time.monotonic()
    control, pid = role("lease", [], log)
    control.send(start_message([]))
    fields = await_message(control, LEASE, 10)
    took = time.monotonic() - began
    check("the role tells the address that dnsmasq leased", addresses(fields) == ["192.168.7.100/24"], fields)
    check("at once: it is not probed first", took < 3, f"{took:.1f} s")
    check("the address step succeeds", address_step("192.168.7.100/24", gateways(fields)[0] if gateways(fields) else "0.0.0.0") == 0)
    check("address and default route are in the kernel", in_kernel() == (["192.168.7.100/24"], "192.168.7.1"), in_kernel())
    told_time(control, "the time comes from the server of option 42, with the kernel owning the address")
    time.sleep(0.5)
    kinds = frames(capture, mac)
    check("DHCP, ARP and SNTP left the card", {"DHCP", "ARP", "SNTP"} <= set(kinds), kinds)
    check("and nothing else, neither from lwIP nor from the kernel", set(kinds) <= {"DHCP", "ARP", "SNTP"}, kinds)
    control.close()
    stop(pid)
    stop(server)


def leased_anew(near, far, log):
    """The lease was lost; the role comes again and gets another address and another gateway."""
    check("a lost lease leaves no address", address_step("none") == 0 and in_kernel() == ([], None), in_kernel())
    enter(far)
    server = lease_server("192.168.7.101", "192.168.7.2", log)
    enter(near)
    control, pid = role("lease", [], log)
    control.send(start_message([]))
    fields = await_message(control, LEASE, 10)
    check("another lease brings another address", addresses(fields) == ["192.168.7.101/24"], fields)
    check("its address step succeeds", address_step("192.168.7.101/24", "192.168.7.2") == 0)
    check("the new address and the new gateway are in the kernel, no others",
          in_kernel() == (["192.168.7.101/24"], "192.168.7.2"), in_kernel())
    check("an address of the same network takes its place", address_step("192.168.7.102/24", "192.168.7.1") == 0
          and in_kernel() == (["192.168.7.102/24"], "192.168.7.1"), in_kernel())
    control.send(message(STOP, []))
    check("a role that is told to stop does not call its lease lost", await_message(control, LEASE, 2) is None)
    control.close()
    stop(pid)
    stop(server)
    address_step("none")


def fixed(near, mac, capture, log):
    enter(near)
    frames(capture, mac)
    control, pid = role("lease", [], log)
    control.send(start_message([(ADDRESS, address("192.168.7.77", 24)), (GATEWAY, address("192.168.7.1")), (NTP, address("192.168.7.1"))]))
    fields = await_message(control, LEASE, 5)
    check("an address of keelson.yaml is told as it is",
          addresses(fields) == ["192.168.7.77/24"] and gateways(fields) == ["192.168.7.1"], fields)
    check("it goes into the kernel", address_step("192.168.7.77/24", "192.168.7.1") == 0
          and in_kernel() == (["192.168.7.77/24"], "192.168.7.1"), in_kernel())
    told_time(control, "its own time server is asked")
    time.sleep(0.5)
    kinds = frames(capture, mac)
    check("nobody is asked for a lease, nothing else leaves", set(kinds) <= {"ARP", "SNTP"} and "SNTP" in kinds, kinds)
    control.close()
    stop(pid)


def main():
    log_file = tempfile.TemporaryFile()
    log = log_file.fileno()
    far = namespace()
    near = namespace()
    if libc.unshare(NEWNS) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    sh("mount --make-rprivate / && mount -t sysfs sysfs /sys")  # whose cards are those of the namespace it is mounted in
    sh(f"sysctl -qw net.ipv6.conf.default.disable_ipv6=1; ip link set lo up; ip link add near0 type veth peer name far0 netns /proc/{os.getpid()}/fd/{far}")
    mac = bytes.fromhex(sh("ip -o link show near0").split("link/ether ")[1].split()[0].replace(":", ""))
    held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in (68, 5353)]
    for s, port in zip(held, (68, 5353)):  # as init holds them: the kernel answers nobody
        s.bind(("0.0.0.0", port))
    sh("ip link set near0 up")
    enter(far)
    sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set lo up; ip addr add 192.168.7.1/24 dev far0; ip link set far0 up")
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    capture.bind(("far0", 0))
    serve_time()
    done = False
    try:
        leased(near, far, mac, capture, log)
        leased_anew(near, far, log)
        fixed(near, mac, capture, log)
        done = True
    finally:
        for pid in list(children):
            stop(pid)
        if not done or not all(results):
            log_file.seek(0)
            sys.stderr.write(log_file.read().decode(errors="replace"))
    print(f"1..{len(results)}")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
