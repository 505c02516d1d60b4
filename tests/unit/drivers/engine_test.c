/* The container engine: pods and containers really made, as root. */
#include "engine_fixture.h"

#include <signal.h>
#include <stdio.h>
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
