/* The container engine: pods and containers really made, as root. */
#include "engine_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int setup(void **state)
{
    static struct fixture f;
    fixture_open(&f);
    if (fixture_pod(&f) < 0)
        fail_msg("pod_create: %s", f.message);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (fixture_pod_remove(f) < 0)
        fail_msg("pod_remove: %s", f->message);
    fixture_close(f);
    return 0;
}

static void a_container_runs_and_its_output_and_code_come_back(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    int code = fixture_run(f, 'a', "echo hello $COLOUR; echo oops >&2; hostname; exit 7", out, sizeof out);
    if (code < 0)
        fail_msg("%s", f->message);
    assert_int_equal(code, 7);
    assert_string_equal(out, "hello green\noops\nweb-1\n");
    assert_true(f->exit.finished_ns >= f->exit.started_ns && f->exit.started_ns > 0);
}

static void what_cannot_be_run_is_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_create(f, 'b', "\"args\":[\"nonesuch\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'b'), -E_NOT_FOUND);
    assert_string_equal(f->message, "unable to start container process: exec: \"nonesuch\": executable file not found in $PATH");
    assert_int_equal(fixture_remove(f, 'b'), 0);
    assert_int_equal(fixture_create(f, 'b', "\"args\":[\"/etc/passwd\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'b'), -E_PERM);
    assert_non_null(strstr(f->message, "permission denied"));
}

static void a_signal_ends_a_container(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_create(f, 'c', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'c'), 0);
    f->answered = false;
    f->rt.ops->container_kill(f->rt.self, fixture_id('c'), SIGKILL, fixture_done, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(f->rc, 0);
    fixture_wait(f, &f->exited);
    assert_int_equal(f->exit.code, 137);
    assert_int_equal(f->exit.signal, SIGKILL);
    assert_int_equal(fixture_remove(f, 'c'), 0);
}

static void nothing_of_the_host_is_open_or_writable_inside(void **state)
{
    struct fixture *f = *state;
    char out[8192];
    int code = fixture_run(f, 'd',
        "ls /proc/self/fd | wc -l; echo x > /proc/sys/kernel/hostname && echo BAD; cat /proc/kcore && echo BAD;"
        "grep -E 'Cap(Inh|Amb)' /proc/self/status; mount -t tmpfs x /tmp && echo BAD; unshare -m true && echo BAD;"
        "ls -A /sys/firmware | wc -l; echo $$; cat /dev/null; head -c 4 /dev/zero | wc -c; ls /dev | wc -l;"
        "grep -c '^Seccomp:.2' /proc/self/status; echo end", out, sizeof out);
    if (code < 0)
        fail_msg("%s", f->message);
    assert_null(strstr(out, "BAD"));
    assert_non_null(strstr(out, "CapInh:\t0000000000000000"));
    assert_non_null(strstr(out, "CapAmb:\t0000000000000000"));
    assert_non_null(strstr(out, "end"));
    assert_int_equal(strncmp(out, "4\n", 2), 0); /* 0, 1, 2 and ls's own */
}

static void a_working_directory_outside_is_refused(void **state)
{
    struct fixture *f = *state;
    char process[128];
    for (int fd = 3; fd < 12; fd++) {
        snprintf(process, sizeof process, "\"args\":[\"pwd\"],\"cwd\":\"/proc/self/fd/%d\"", fd);
        assert_int_equal(fixture_create(f, 'e', process, "", "", false), 0);
        assert_true(fixture_start(f, 'e') < 0);
        assert_int_equal(fixture_remove(f, 'e'), 0);
    }
}

static void users_are_found_by_name_in_the_image(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    const char *process = "\"args\":[\"sh\",\"-c\",\"id; echo $HOME; pwd\"],\"cwd\":\"/data/new\","
                          "\"user\":{\"username\":\"web\",\"additionalGids\":[77]}";
    assert_int_equal(fixture_create(f, 'a', process, "", "", false), 0);
    if (fixture_start(f, 'a') < 0)
        fail_msg("%s", f->message);
    fixture_wait(f, &f->exited);
    fixture_log(f, 'a', out, sizeof out);
    assert_string_equal(out, "uid=1001(web) gid=1002(webs) groups=77,1002(webs),2000(extra)\n/data\n/data/new\n");
}

static struct runtime_state_fns state_fns;

static void see_pod(void *ctx, const char *uid, const char *ns, const char *name, const struct net_addr *addrs,
                    size_t count, bool alive)
{
    struct fixture *f = ctx;
    assert_string_equal(uid, TEST_UID);
    assert_string_equal(ns, "default");
    assert_string_equal(name, "web");
    assert_int_equal(count, 1);
    assert_int_equal(addrs[0].ip[3], 7);
    f->pods++;
    f->pod_alive = alive;
}

static void see_container(void *ctx, const char *uid, const char *id, const char *name, uint32_t attempt,
                          const char *image, enum runtime_container_state state, const struct runtime_exit *exit)
{
    struct fixture *f = ctx;
    (void)uid, (void)id, (void)attempt;
    assert_string_equal(name, "c");
    assert_string_equal(image, "sha256:busybox");
    f->containers++;
    f->container_state = state;
    if (exit)
        f->state_exit = *exit;
}

static void ask_state(struct fixture *f)
{
    f->pods = f->containers = 0;
    f->answered = false;
    state_fns = (struct runtime_state_fns){see_pod, see_container};
    f->rt.ops->state(f->rt.self, &state_fns, fixture_done, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(f->rc, 0);
}

static void a_new_engine_goes_on_with_running_containers(void **state)
{
    struct fixture *f = *state;
    const char *process = "\"args\":[\"sh\",\"-c\",\"while ! test -e /dev/shm/go; do sleep 0.1; done; exit 5\"],\"cwd\":\"/\"";
    assert_int_equal(fixture_create(f, 'f', process, "", "", false), 0);
    assert_int_equal(fixture_start(f, 'f'), 0);
    fixture_restart(f);
    ask_state(f);
    assert_int_equal(f->pods, 1);
    assert_true(f->pod_alive);
    assert_int_equal(f->containers, 1);
    assert_int_equal(f->container_state, RUNTIME_RUNNING);
    f->exited = false;
    assert_int_equal(fixture_run(f, 'a', "touch /dev/shm/go", NULL, 0) <= 5, 1);
    while (f->exited_id[0] != 'f' || !f->exited) {
        f->exited = false;
        fixture_wait(f, &f->exited);
    }
    assert_int_equal(f->exit.code, 5);
    fixture_restart(f);
    ask_state(f);
    assert_int_equal(f->container_state, RUNTIME_EXITED);
}

static void with_the_shim_its_containers_end(void **state)
{
    struct fixture *f = *state;
    char path[200], text[16];
    assert_int_equal(fixture_create(f, 'c', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'c'), 0);
    snprintf(path, sizeof path, "%s/pods/" TEST_UID "/pod.json", f->data);
    FILE *file = fopen(path, "r");
    char json[1024] = "";
    assert_true(fread(json, 1, sizeof json - 1, file) > 0);
    fclose(file);
    int pid = 0;
    assert_int_equal(sscanf(strstr(json, "shimPid"), "shimPid\":%d", &pid), 1);
    (void)text;
    f->died = false;
    assert_int_equal(kill(pid, SIGKILL), 0);
    fixture_wait(f, &f->died);
    ask_state(f);
    assert_false(f->pod_alive);
    assert_int_equal(f->container_state, RUNTIME_EXITED);
    assert_int_equal(f->state_exit.code, 137);
}

static void a_dead_pod_can_be_made_again_at_once(void **state)
{
    struct fixture *f = *state;
    char path[200];
    with_the_shim_its_containers_end(state);
    if (fixture_pod(f) < 0)
        fail_msg("pod_create: %s", f->message);
    ask_state(f);
    assert_true(f->pod_alive);
    assert_int_equal(f->containers, 1);
    assert_int_equal(f->container_state, RUNTIME_EXITED);
    assert_int_equal(fixture_remove(f, 'c'), 0);
    snprintf(path, sizeof path, "%s/pods/" TEST_UID "/containers/%s", f->data, fixture_id('c'));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(fixture_run(f, 'd', "exit 4", NULL, 0), 4);
}

static void a_pod_that_could_not_be_made_can_be_tried_again(void **state)
{
    struct fixture *f = *state;
    static const char *const reaching_out[] = {"kernel.panic=1", NULL};
    struct runtime_pod p = {.uid = TEST_UID, .namespace = "default", .name = "web", .hostname = "web-1",
                            .cgroup = fixture_cgroup(), .sysctls = reaching_out};
    assert_int_equal(fixture_pod_remove(f), 0);
    f->answered = false;
    f->rt.ops->pod_create(f->rt.self, &p, fixture_done, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(f->rc, -E_PERM);
    assert_string_equal(f->message, "sysctl kernel.panic=1 is not the pod's own");
    if (fixture_pod(f) < 0)
        fail_msg("pod_create: %s", f->message);
    assert_int_equal(fixture_run(f, 'd', "exit 4", NULL, 0), 4);
}

static void nothing_is_left_of_a_removed_pod(void **state)
{
    struct fixture *f = *state;
    char command[600];
    struct runtime_volume v = {.pod_uid = TEST_UID, .name = "m", .kind = RUNTIME_VOLUME_EMPTY_DIR_MEMORY, .fs_group = -1};
    f->answered = false;
    f->rt.ops->volume_set(f->rt.self, &v, fixture_done, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(fixture_create(f, 'c', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'c'), 0);
    assert_int_equal(fixture_pod_remove(f), 0);
    snprintf(command, sizeof command,
             "test -z \"$(ls %s/pods %s/pods | grep -v :)\" && ! grep -q %s /proc/self/mounts && "
             "! find /sys/fs/cgroup -path '*/%s' | grep -q . && ! ip link | grep -q ': kl'",
             f->data, f->run, f->dir, fixture_cgroup());
    assert_int_equal(system(command), 0);
}

static void exec_in(struct fixture *f, char digit, const char *script, bool tty)
{
    const char *args[] = {"sh", "-c", script, NULL};
    struct runtime_exec x = {.container_id = fixture_id(digit), .args = args, .tty = tty, .in = true, .out = true,
                             .error = !tty};
    f->answered = f->exec_ended = false;
    f->rt.ops->exec(f->rt.self, &x, fixture_streams, f);
    fixture_wait(f, &f->answered);
    if (f->rc < 0)
        fail_msg("exec: %s", f->message);
}

static void read_all(int fd, char *out, size_t size)
{
    size_t n = 0;
    ssize_t got;
    while (n < size - 1 && (got = read(fd, out + n, size - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = 0;
    close(fd);
}

static void exec_joins_the_container_with_its_own_streams(void **state)
{
    struct fixture *f = *state;
    char out[4096], error[4096];
    assert_int_equal(fixture_create(f, 'a', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'a'), 0);
    exec_in(f, 'a', "cat; hostname; echo bad >&2; ls /proc/self/fd | wc -l; cat /proc/1/comm;"
                    "grep -E 'CapInh|NoNew' /proc/self/status; exit 3", false);
    assert_int_equal(write(f->streams.in, "typed\n", 6), 6);
    close(f->streams.in);
    read_all(f->streams.out, out, sizeof out);
    read_all(f->streams.error, error, sizeof error);
    assert_string_equal(error, "bad\n");
    assert_string_equal(out, "typed\nweb-1\n4\nsleep\nCapInh:\t0000000000000000\nNoNewPrivs:\t0\n");
    fixture_wait(f, &f->exec_ended);
    assert_int_equal(f->exec_exit.code, 3);
}

static void a_terminal_has_the_size_it_is_given(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    assert_int_equal(fixture_create(f, 'a', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'a'), 0);
    exec_in(f, 'a', "read x; stty size; readlink /proc/self/fd/0", true);
    f->rt.ops->resize(f->rt.self, f->streams.session, 101, 37);
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_turn(f->loop, 20), 0);
    assert_int_equal(write(f->streams.in, "\n", 1), 1);
    close(f->streams.in);
    read_all(f->streams.out, out, sizeof out);
    assert_non_null(strstr(out, "37 101"));
    assert_non_null(strstr(out, "/dev/pts/0"));
    fixture_wait(f, &f->exec_ended);
    assert_int_equal(f->exec_exit.code, 0);
}

static void attach_types_and_reads_while_the_log_goes_on(void **state)
{
    struct fixture *f = *state;
    char out[4096] = "";
    size_t n = 0;
    const char *process = "\"args\":[\"sh\",\"-c\",\"read a; echo got $a; test -t 0 && echo terminal\"],\"cwd\":\"/\"";
    assert_int_equal(fixture_create(f, 'a', process, "", "", true), 0);
    assert_int_equal(fixture_start(f, 'a'), 0);
    f->answered = false;
    f->rt.ops->attach(f->rt.self, fixture_id('a'), fixture_streams, f);
    fixture_wait(f, &f->answered);
    assert_int_equal(f->rc, 0);
    assert_int_equal(write(f->streams.in, "word\n", 5), 5);
    close(f->streams.in);
    for (ssize_t got; n < sizeof out - 1 && (got = read(f->streams.out, out + n, sizeof out - 1 - n)) > 0;)
        n += (size_t)got;
    close(f->streams.out);
    assert_non_null(strstr(out, "got word"));
    assert_non_null(strstr(out, "terminal"));
    fixture_wait(f, &f->exited);
    fixture_log(f, 'a', out, sizeof out);
    assert_non_null(strstr(out, "got word"));
}

static void closing_a_session_ends_its_process(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_create(f, 'a', "\"args\":[\"sleep\",\"100\"],\"cwd\":\"/\"", "", "", false), 0);
    assert_int_equal(fixture_start(f, 'a'), 0);
    exec_in(f, 'a', "sleep 50", false);
    f->rt.ops->session_close(f->rt.self, f->streams.session);
    fixture_wait(f, &f->exec_ended);
    assert_int_equal(f->exec_exit.signal, SIGKILL);
    close(f->streams.in);
    close(f->streams.out);
    close(f->streams.error);
}

static void set_volume(struct fixture *f, const char *a, const char *b)
{
    struct runtime_file files[] = {{"a.txt", str_of(a), 0644}, {"sub/b.txt", str_of(b), 0400}};
    struct runtime_volume v = {.pod_uid = TEST_UID, .name = "cm", .kind = RUNTIME_VOLUME_FILES, .fs_group = -1,
                               .files = files, .file_count = 2};
    f->answered = false;
    f->rt.ops->volume_set(f->rt.self, &v, fixture_done, f);
    fixture_wait(f, &f->answered);
    if (f->rc < 0)
        fail_msg("volume_set: %s", f->message);
}

static int empty_dir(struct fixture *f, const char *name, enum runtime_volume_kind kind)
{
    struct runtime_volume v = {.pod_uid = TEST_UID, .name = name, .kind = kind, .fs_group = 3000, .size_limit_bytes = 1 << 20};
    f->answered = false;
    f->rt.ops->volume_set(f->rt.self, &v, fixture_done, f);
    fixture_wait(f, &f->answered);
    return f->rc;
}

#define BIND(where, what, how)                                                                                      \
    "{\"destination\":\"" where "\",\"type\":\"bind\",\"source\":\"" what "\",\"options\":[\"rbind\",\"" how "\"]}"

static void volumes_change_at_once_and_follow_no_link_out(void **state)
{
    struct fixture *f = *state;
    char out[4096];
    set_volume(f, "one", "two");
    assert_int_equal(empty_dir(f, "e", RUNTIME_VOLUME_EMPTY_DIR), 0);
    assert_int_equal(empty_dir(f, "m", RUNTIME_VOLUME_EMPTY_DIR_MEMORY), 0);
    const char *script = "\"args\":[\"sh\",\"-c\",\"cat /cm/a.txt /cm/sub/b.txt; touch /cm/x && echo BAD; "
                         "ln -s /etc /e/out; ln -s ../../../../../../../etc /e/up; dd if=/dev/zero of=/m/f bs=64k count=64; "
                         "stat -c %g:%a /e; sleep 100\"],\"cwd\":\"/\"";
    assert_int_equal(fixture_create(f, 'a', script, "", BIND("/cm", "volume:cm", "ro") "," BIND("/e", "volume:e", "rw") ","
                                    BIND("/m", "volume:m", "rw"), false), 0);
    if (fixture_start(f, 'a') < 0)
        fail_msg("%s", f->message);
    usleep(300000);
    fixture_log(f, 'a', out, sizeof out);
    assert_non_null(strstr(out, "onetwo"));
    assert_null(strstr(out, "BAD"));
    assert_non_null(strstr(out, "No space left"));
    assert_non_null(strstr(out, "3000:2777"));
    set_volume(f, "three", "four");
    exec_in(f, 'a', "cat /cm/a.txt /cm/sub/b.txt", false);
    close(f->streams.in);
    read_all(f->streams.out, out, sizeof out);
    close(f->streams.error);
    assert_string_equal(out, "threefour");
    /* subPath through the links that the first container planted: they end inside the volume. */
    assert_int_equal(fixture_create(f, 'b', "\"args\":[\"sh\",\"-c\",\"ls -A /o /u | grep -c passwd\"],\"cwd\":\"/\"", "",
                                    BIND("/o", "volume:e/out", "rw") "," BIND("/u", "volume:e/up", "rw"), false), 0);
    if (fixture_start(f, 'b') == 0) {
        fixture_wait(f, &f->exited);
        fixture_log(f, 'b', out, sizeof out);
        assert_string_equal(out, "0\n");
    }
}

static void a_flood_of_output_is_bounded_on_disk(void **state)
{
    struct fixture *f = *state;
    char command[200], text[64] = "";
    fixture_run(f, 'a', "dd if=/dev/zero bs=64k count=1600 2>/dev/null | tr '\\\\0' x; echo; echo last", NULL, 0);
    snprintf(command, sizeof command, "du -sk %s/logs | cut -f1", f->data);
    FILE *p = popen(command, "r");
    assert_non_null(fgets(text, sizeof text, p));
    pclose(p);
    long kib = strtol(text, NULL, 10);
    assert_in_range(kib, 1024, 5 * 10 * 1024 + 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_container_runs_and_its_output_and_code_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_run_is_refused_with_the_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(a_signal_ends_a_container, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_of_the_host_is_open_or_writable_inside, setup, teardown),
        cmocka_unit_test_setup_teardown(a_working_directory_outside_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(users_are_found_by_name_in_the_image, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_engine_goes_on_with_running_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(with_the_shim_its_containers_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dead_pod_can_be_made_again_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(exec_joins_the_container_with_its_own_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(a_terminal_has_the_size_it_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_a_session_ends_its_process, setup, teardown),
        cmocka_unit_test_setup_teardown(volumes_change_at_once_and_follow_no_link_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_output_is_bounded_on_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pod_that_could_not_be_made_can_be_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_a_removed_pod, setup, teardown),
        cmocka_unit_test_setup_teardown(attach_types_and_reads_while_the_log_goes_on, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
