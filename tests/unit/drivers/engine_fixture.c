/* See engine_fixture.h. */
#include "engine_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/loop/epoll.h"
#include "drivers/runtime/engine.h"
#include "kernel-glue/abi/path.h"
#include "oci/spec.h"

enum { WAIT_MS = 20000 };

static int layers(void *self, const char *image_id, struct buf *out, struct err *err)
{
    struct fixture *f = self;
    if (strcmp(image_id, "sha256:busybox") != 0)
        return err_set(err, E_NOT_FOUND, "image %s: not found", image_id);
    buf_puts(out, f->layer);
    return 0;
}

static const struct engine_image_ops images = {.layers = layers};

static void on_exit_event(void *ctx, const char *uid, const char *id, const struct runtime_exit *e)
{
    struct fixture *f = ctx;
    assert_string_equal(uid, TEST_UID);
    f->exited = true;
    snprintf(f->exited_id, sizeof f->exited_id, "%s", id);
    f->exit = *e;
}

static void on_died(void *ctx, const char *uid)
{
    assert_string_equal(uid, TEST_UID);
    ((struct fixture *)ctx)->died = true;
}

static void on_exec(void *ctx, uint64_t session, const struct runtime_exit *e)
{
    struct fixture *f = ctx;
    assert_int_equal(session, f->streams.session);
    f->exec_ended = true;
    f->exec_exit = *e;
}

static void on_connected(void *ctx)
{
    (void)ctx;
}

static const struct runtime_events events = {on_exit_event, on_died, on_exec, on_connected};

static void open_engine(struct fixture *f)
{
    struct poll poll;
    struct err err = {0};
    assert_int_equal(poll_epoll_open(&poll), 0);
    assert_int_equal(loop_new(poll, &f->loop), 0);
    struct engine_options o = {.loop = f->loop, .data_dir = f->data, .run_dir = f->run, .decode = oci_spec_decode,
                               .decode_resources = oci_resources_decode, .images = &images, .images_self = f};
    if (engine_open(&o, &f->engine, &err) < 0)
        fail_msg("engine_open: %s", err.text);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(runtime_serve_new(f->loop, engine_runtime(f->engine), &f->serve), 0);
    assert_int_equal(runtime_serve_attach(f->serve, ends[0]), 0);
    assert_int_equal(runtime_link_new(f->loop, &f->link), 0);
    assert_int_equal(runtime_link_attach(f->link, ends[1]), 0);
    f->rt = runtime_link_runtime(f->link);
    f->rt.ops->listen(f->rt.self, &events, f);
}

static void copy_file(const char *from, const char *to)
{
    char piece[65536];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, piece, sizeof piece)) > 0)
        assert_int_equal(write(out, piece, (size_t)n), n);
    close(in);
    close(out);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void make_layer(struct fixture *f)
{
    static const char *const dirs[] = {"bin", "etc", "proc", "sys", "dev", "tmp", "data"};
    static const char *const tools[] = {"sh", "cat", "echo", "ls", "id", "sleep", "mount", "grep", "hostname", "ln",
                                        "touch", "true", "false", "mkdir", "readlink", "ip", "nc", "stty", "unshare",
                                        "pwd", "mknod", "kill", "tr", "head", "wc", "ps", "stat", "dd", "rm", "test"};
    char path[200];
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", f->layer, dirs[i]);
        assert_int_equal(mkdir(path, i == 5 ? 01777 : 0755), 0);
    }
    snprintf(path, sizeof path, "%s/tmp", f->layer);
    chmod(path, 01777);
    snprintf(path, sizeof path, "%s/bin/busybox", f->layer);
    copy_file("/bin/busybox", path);
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        snprintf(path, sizeof path, "%s/bin/%s", f->layer, tools[i]);
        assert_int_equal(symlink("busybox", path), 0);
    }
    put_file(f->layer, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:1001:1002:web:/data:/bin/sh\n");
    put_file(f->layer, "etc/group", "root:x:0:\nwebs:x:1002:\nextra:x:2000:web\n");
}

void fixture_open(struct fixture *f)
{
    static bool moved;
    memset(f, 0, sizeof *f);
    if (!moved) { /* bridges and rules of the tests are nobody else's */
        assert_int_equal(unshare(CLONE_NEWNET), 0);
        moved = true;
    }
    strcpy(f->dir, "/tmp/engine-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->data, sizeof f->data, "%s/data", f->dir);
    snprintf(f->run, sizeof f->run, "%s/run", f->dir);
    snprintf(f->layer, sizeof f->layer, "%s/layer", f->dir);
    assert_int_equal(mkdir(f->layer, 0755), 0);
    make_layer(f);
    open_engine(f);
}

static void close_engine(struct fixture *f)
{
    engine_close(f->engine);
    runtime_serve_free(f->serve);
    runtime_link_free(f->link);
    loop_free(f->loop);
}

void fixture_restart(struct fixture *f)
{
    close_engine(f);
    open_engine(f);
}

void fixture_close(struct fixture *f)
{
    close_engine(f);
    int tmp = open("/tmp", O_RDONLY | O_DIRECTORY);
    assert_int_equal(path_remove_tree(tmp, f->dir + strlen("/tmp/")), 0);
    close(tmp);
}

void fixture_wait(struct fixture *f, const bool *until)
{
    int64_t end = loop_now_ms(f->loop) + WAIT_MS;
    while (!*until && loop_now_ms(f->loop) < end)
        assert_int_equal(loop_turn(f->loop, 100), 0);
    if (!*until)
        fail_msg("nothing happened within %d ms", WAIT_MS);
}

void fixture_done(void *ctx, const struct runtime_result *r)
{
    struct fixture *f = ctx;
    f->answered = true;
    f->rc = r->rc;
    snprintf(f->message, sizeof f->message, "%s", r->message);
}

void fixture_streams(void *ctx, const struct runtime_result *r, const struct runtime_streams *s)
{
    struct fixture *f = ctx;
    fixture_done(f, r);
    f->streams = s ? *s : (struct runtime_streams){0, -1, -1, -1};
}

static int wait_rc(struct fixture *f)
{
    fixture_wait(f, &f->answered);
    return f->rc;
}

/* Tests run side by side on one tree of cgroups. */
const char *fixture_cgroup(void)
{
    static char path[128];
    snprintf(path, sizeof path, "besteffort/pod" TEST_UID "-%d", (int)getpid());
    return path;
}

int fixture_pod(struct fixture *f)
{
    struct net_addr cidr, dns;
    struct runtime_pod p = {.uid = TEST_UID, .namespace = "default", .name = "web", .hostname = "web-1",
                            .cgroup = fixture_cgroup(), .addr_count = 1};
    assert_int_equal(net_addr_parse(STR("10.244.0.0"), false, &cidr), 0);
    assert_int_equal(net_addr_parse(STR("10.96.0.10"), false, &dns), 0);
    assert_int_equal(net_addr_parse(STR("10.244.0.7"), false, &p.addrs[0]), 0);
    f->answered = false;
    f->rt.ops->network_setup(f->rt.self, &cidr, 24, &dns, fixture_done, f);
    if (wait_rc(f) < 0)
        fail_msg("network_setup: %s", f->message);
    f->answered = false;
    f->rt.ops->pod_create(f->rt.self, &p, fixture_done, f);
    return wait_rc(f);
}

int fixture_pod_remove(struct fixture *f)
{
    f->answered = false;
    f->rt.ops->pod_remove(f->rt.self, TEST_UID, fixture_done, f);
    return wait_rc(f);
}

const char *fixture_id(char digit)
{
    static char id[65];
    memset(id, digit, 64);
    return id;
}

#define CAPS "[\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_MKNOD\",\"CAP_SETUID\",\"CAP_SETGID\",\"CAP_NET_BIND_SERVICE\"]"
#define STANDARD_MOUNTS                                                                                            \
    "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\",\"options\":[\"nosuid\",\"noexec\",\"nodev\"]}," \
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":[\"nosuid\",\"strictatime\","     \
    "\"mode=755\",\"size=65536k\"]},"                                                                              \
    "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"nosuid\",\"noexec\","    \
    "\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"                                                 \
    "{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":[\"nosuid\"]},"          \
    "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"pod:shm\",\"options\":[\"rbind\",\"rw\"]},"        \
    "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"pod:hosts\",\"options\":[\"rbind\",\"rw\"]},"    \
    "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":[\"nosuid\",\"noexec\","          \
    "\"nodev\",\"ro\"]},"                                                                                          \
    "{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup2\",\"source\":\"cgroup\",\"options\":[\"ro\"]},"          \
    "{\"destination\":\"/dev/termination-log\",\"type\":\"bind\",\"source\":\"pod:termination/c\","                \
    "\"options\":[\"rbind\",\"rw\"]}"

int fixture_create(struct fixture *f, char digit, const char *process, const char *linux_more, const char *mounts, bool tty)
{
    static char spec[32768];
    char log[128];
    snprintf(spec, sizeof spec,
             "{\"ociVersion\":\"1.2.0\",\"process\":{%s,\"capabilities\":{\"bounding\":" CAPS ",\"effective\":" CAPS
             ",\"permitted\":" CAPS "},\"env\":[\"PATH=/bin\",\"COLOUR=green\"]},"
             "\"mounts\":[" STANDARD_MOUNTS "%s%s],"
             "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"cgroup\"},{\"type\":\"pid\"}]"
             ",\"maskedPaths\":[\"/proc/kcore\",\"/proc/keys\",\"/proc/acpi\",\"/sys/firmware\"]"
             ",\"readonlyPaths\":[\"/proc/sys\",\"/proc/sysrq-trigger\"]%s},"
             "\"annotations\":{\"dev.keelson.seccomp\":\"RuntimeDefault\"}}",
             process, mounts[0] ? "," : "", mounts, linux_more);
    snprintf(log, sizeof log, "default_web_%s/c/%c.log", TEST_UID, digit);
    struct runtime_container c = {.pod_uid = TEST_UID, .id = fixture_id(digit), .name = "c", .image_id = "sha256:busybox",
                                  .oci_spec_json = str_of(spec), .log_path = log, .tty = tty, .stdin_open = tty};
    f->answered = false;
    f->rt.ops->container_create(f->rt.self, &c, fixture_done, f);
    return wait_rc(f);
}

int fixture_start(struct fixture *f, char digit)
{
    f->answered = f->exited = false;
    f->rt.ops->container_start(f->rt.self, fixture_id(digit), fixture_done, f);
    return wait_rc(f);
}

void fixture_log(struct fixture *f, char digit, char *out, size_t size)
{
    static char text[262144];
    char path[128];
    size_t n = 0;
    ssize_t got;
    snprintf(path, sizeof path, "default_web_%s/c/%c.log", TEST_UID, digit);
    f->answered = false;
    f->rt.ops->log_open(f->rt.self, path, fixture_streams, f);
    assert_int_equal(wait_rc(f), 0);
    while (n < sizeof text - 1 && (got = read(f->streams.out, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    close(f->streams.out);
    text[n] = 0;
    out[0] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *rest = strstr(line, " F ");
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s\n", rest ? rest + 3 : line);
    }
}

int fixture_run(struct fixture *f, char digit, const char *script, char *out, size_t size)
{
    char process[4096];
    snprintf(process, sizeof process, "\"args\":[\"sh\",\"-c\",\"%s\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}", script);
    int rc = fixture_create(f, digit, process, "", "", false);
    if (rc == 0)
        rc = fixture_start(f, digit);
    if (rc < 0)
        return rc;
    fixture_wait(f, &f->exited);
    if (out)
        fixture_log(f, digit, out, size);
    return f->exit.code;
}

int fixture_remove(struct fixture *f, char digit)
{
    f->answered = false;
    f->rt.ops->container_remove(f->rt.self, fixture_id(digit), fixture_done, f);
    return wait_rc(f);
}
