/* The life of pods: from binding to deletion, restarts, failures, recovery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>

#include "fake_world.h"

static struct world w;
static struct arena a;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    arena_init(&a, 1 << 26);
    world_start_node(&w);
    world_run(&w, 2000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    arena_done(&a);
    return mem_live_count() == 0 ? 0 : -1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define STATUS(pod, path) api_text(&w, &a, "pods", "default", pod, "status." path)

static const char one[] = "\"containers\":[{\"name\":\"app\",\"image\":\"reg/img:1\"}]";

static void registers_the_node_and_renews_its_lease(void **state)
{
    (void)state;
    assert_string_equal(api_text(&w, &a, "nodes", "", "n1", "status.conditions.3.type"), "Ready");
    assert_string_equal(api_text(&w, &a, "nodes", "", "n1", "status.conditions.3.status"), "True");
    assert_string_equal(api_text(&w, &a, "nodes", "", "n1", "status.capacity.cpu"), "4");
    assert_string_equal(api_text(&w, &a, "nodes", "", "n1", "status.capacity.memory"), "8Gi");
    assert_string_equal(api_text(&w, &a, "leases", "kube-node-lease", "n1", "spec.leaseDurationSeconds"), "40");
    assert_string_equal(api_text(&w, &a, "nodes", "", "n1", "status.images"), "[{\"names\":[\"reg/img:1\"],\"sizeBytes\":4096}]");
    assert_true(api_has_event(&w, "NodeReady", "n1"));
    unsigned before = api_count(&w, "PATCH", "/leases/");
    world_run(&w, 60 * 1000);
    unsigned renewals = api_count(&w, "PATCH", "/leases/") - before;
    assert_in_range(renewals, 5, 7);
    struct node_counts counts;
    node_count(w.node, &counts);
    assert_true(counts.registered);
}

static void a_deleted_node_object_is_made_again(void **state)
{
    (void)state;
    api_remove(&w, "nodes", "", "n1");
    world_run(&w, 6 * 60 * 1000);
    assert_non_null(api_get(&w, "nodes", "", "n1"));
}

static void a_bound_pod_is_run_and_reported(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_string_equal(STATUS("p1", "podIP"), "10.244.0.2");
    assert_string_equal(STATUS("p1", "hostIP"), "192.168.1.5");
    assert_string_equal(STATUS("p1", "qosClass"), "BestEffort");
    assert_string_equal(STATUS("p1", "conditions.2.type"), "Ready");
    assert_string_equal(STATUS("p1", "conditions.2.status"), "True");
    assert_string_equal(STATUS("p1", "containerStatuses.0.ready"), "true");
    assert_string_equal(STATUS("p1", "containerStatuses.0.imageID"), "reg/img@sha256:beef");
    assert_memory_equal(STATUS("p1", "containerStatuses.0.containerID"), "keelson://", 10);
    assert_in_range(api_count(&w, "PATCH", "/pods/p1/status"), 2, 3);
    assert_true(api_has_event(&w, "Pulled", "already present"));
    assert_true(api_has_event(&w, "Created", "app"));
    assert_true(api_has_event(&w, "Started", "spec.containers{app}"));
    assert_int_equal(rt_count(&w, "pod_create uid-p1 cgroup=besteffort/poduid-p1 hostname=p1"), 1);
    assert_non_null(strstr(buf_cstr(&w.rt.log), "nameserver 10.96.0.10"));
    assert_non_null(strstr(buf_cstr(&w.rt.log), "10.244.0.2\tp1"));
}

static void a_deleted_pod_is_stopped_cleared_up_and_deleted(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_delete_pod(&w, "p1", 30);
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "container_kill app 15"), 1);
    assert_int_equal(rt_count(&w, "container_kill app 9"), 0);
    assert_int_equal(rt_count(&w, "pod_remove uid-p1"), 1);
    assert_null(api_get(&w, "pods", "default", "p1"));
    assert_true(api_has_event(&w, "Killing", "Stopping container app"));
    struct node_counts counts;
    node_count(w.node, &counts);
    assert_int_equal(counts.pods, 0);
}

static void what_does_not_die_is_killed_again_now_and_then(void **state)
{
    (void)state;
    api_put_pod(&w, "p", one);
    world_run(&w, 2000);
    w.rt.ignore_kill = true;
    api_delete_pod(&w, "p", 0);
    for (int i = 0; i < 50; i++)
        world_run(&w, 100);
    unsigned kills = rt_count(&w, "container_kill app 9");
    if (kills < 1 || kills > 4)
        fail_msg("%u kills in 5 s", kills);
    w.rt.ignore_kill = false;
    world_run(&w, 20000);
    assert_null(api_get(&w, "pods", "default", "p"));
}

static void what_ignores_its_signal_is_killed_after_the_grace(void **state)
{
    (void)state;
    w.rt.ignore_term = true;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_delete_pod(&w, "p1", 5);
    world_run(&w, 4500);
    assert_int_equal(rt_count(&w, "container_kill app 9"), 0);
    world_run(&w, 1500);
    assert_int_equal(rt_count(&w, "container_kill app 9"), 1);
    assert_null(api_get(&w, "pods", "default", "p1"));
}

static void a_shorter_grace_overtakes_the_first(void **state)
{
    (void)state;
    w.rt.ignore_term = true;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_delete_pod(&w, "p1", 30);
    world_run(&w, 1000);
    api_delete_pod(&w, "p1", 0);
    world_run(&w, 1000);
    assert_null(api_get(&w, "pods", "default", "p1"));
}

static void a_pod_that_vanishes_from_the_api_is_stopped_and_forgotten(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_remove(&w, "pods", "default", "p1");
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "pod_remove uid-p1"), 1);
    assert_int_equal(api_count(&w, "DELETE", "/pods/p1"), 0);
}

static void a_crash_is_restarted_at_once_and_then_with_doubling_back_off(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    rt_exit(&w, "app", 3);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start app"), 2);
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
    assert_string_equal(STATUS("p1", "containerStatuses.0.lastState.terminated.exitCode"), "3");
    assert_string_equal(STATUS("p1", "containerStatuses.0.lastState.terminated.reason"), "Error");
    rt_exit(&w, "app", 3);
    world_run(&w, 5000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "CrashLoopBackOff");
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_string_equal(STATUS("p1", "conditions.2.status"), "False");
    assert_true(api_has_event(&w, "BackOff", "Back-off restarting failed container app"));
    assert_int_equal(rt_count(&w, "container_start app"), 2);
    world_run(&w, 6000);
    assert_int_equal(rt_count(&w, "container_start app"), 3);
    rt_exit(&w, "app", 3);
    world_run(&w, 19000);
    assert_int_equal(rt_count(&w, "container_start app"), 3);
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "container_start app"), 4);
    assert_int_equal(rt_count(&w, "container_remove app attempt=0"), 1);
    world_run(&w, 601 * 1000); /* it ran long enough: the back-off is forgotten */
    rt_exit(&w, "app", 3);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start app"), 5);
}

static void back_off_ends_at_five_minutes(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    for (int i = 0; i < 9; i++) {
        rt_exit(&w, "app", 1);
        world_run(&w, 302 * 1000);
        assert_true(rt_container(&w, "app")->running);
    }
}

static void restart_policy_never_ends_the_pod(void **state)
{
    (void)state;
    api_put_pod(&w, "good", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"g\",\"image\":\"i\"}]");
    api_put_pod(&w, "bad", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"b\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    w.rt.termination = "it is over";
    rt_exit(&w, "g", 0);
    rt_exit(&w, "b", 2);
    world_run(&w, 1000);
    assert_string_equal(STATUS("good", "phase"), "Succeeded");
    assert_string_equal(STATUS("good", "containerStatuses.0.state.terminated.reason"), "Completed");
    assert_string_equal(STATUS("good", "containerStatuses.0.state.terminated.message"), "it is over");
    assert_string_equal(STATUS("good", "conditions.2.reason"), "PodCompleted");
    assert_string_equal(STATUS("bad", "phase"), "Failed");
    assert_string_equal(STATUS("bad", "containerStatuses.0.state.terminated.exitCode"), "2");
    assert_int_equal(rt_count(&w, "pod_remove"), 0); /* logs stay until the pod is deleted */
}

static void on_failure_restarts_only_failures(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"OnFailure\",\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    rt_exit(&w, "app", 1);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start app"), 2);
    rt_exit(&w, "app", 0);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Succeeded");
}

static void init_containers_run_in_order_before_the_others(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"initContainers\":[{\"name\":\"i1\",\"image\":\"i\"},{\"name\":\"i2\",\"image\":\"i\"}],"
                          "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start i1"), 1);
    assert_int_equal(rt_count(&w, "container_start i2"), 0);
    assert_string_equal(STATUS("p1", "phase"), "Pending");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "PodInitializing");
    assert_string_equal(STATUS("p1", "conditions.1.reason"), "ContainersNotInitialized");
    rt_exit(&w, "i1", 1);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start i1"), 2);
    rt_exit(&w, "i1", 0);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start i2"), 1);
    assert_int_equal(rt_count(&w, "container_start app"), 0);
    rt_exit(&w, "i2", 0);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_start app"), 1);
    assert_string_equal(STATUS("p1", "conditions.1.status"), "True");
    assert_string_equal(STATUS("p1", "phase"), "Running");
}

static void a_failed_init_container_with_never_fails_the_pod(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"i1\",\"image\":\"i\"}],"
                          "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    rt_exit(&w, "i1", 1);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Failed");
    assert_int_equal(rt_count(&w, "container_start app"), 0);
}

static void sidecars_start_first_and_stop_last(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"Never\",\"initContainers\":[{\"name\":\"side\",\"image\":\"i\",\"restartPolicy\":\"Always\"}],"
                          "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_true(rt_container(&w, "side")->running);
    assert_true(rt_container(&w, "app")->running);
    rt_exit(&w, "side", 1);
    world_run(&w, 1000);
    assert_true(rt_container(&w, "side")->running);
    rt_exit(&w, "app", 0);
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "container_kill side 15"), 1);
    assert_string_equal(STATUS("p1", "phase"), "Succeeded");
}

#define APP "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]"

static void an_ephemeral_container_runs_once_and_keeps_no_pod(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"OnFailure\"," APP);
    world_run(&w, 1000);
    api_put_pod(&w, "p1", "\"restartPolicy\":\"OnFailure\"," APP ",\"ephemeralContainers\":[{\"name\":\"debug\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_true(rt_container(&w, "debug")->running);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    rt_exit(&w, "debug", 1);
    world_run(&w, 60 * 1000);
    assert_false(rt_container(&w, "debug")->running);
    assert_int_equal(rt_count(&w, "container_start debug"), 1);
    assert_true(rt_container(&w, "app")->running);
    rt_exit(&w, "app", 0);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Succeeded");
}

static void a_missing_image_is_reported_and_tried_again(void **state)
{
    (void)state;
    w.rt.image_missing = true;
    w.rt.pull_error = "manifest unknown";
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "ErrImagePull");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.message"), "manifest unknown");
    assert_true(api_has_event(&w, "Failed", "manifest unknown"));
    world_run(&w, 3000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "ImagePullBackOff");
    assert_string_equal(STATUS("p1", "phase"), "Pending");
    w.rt.pull_error = NULL;
    world_run(&w, 10000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_int_equal(rt_count(&w, "image_pull reg/img:1"), 2);
}

static void pull_policy_never_does_not_pull(void **state)
{
    (void)state;
    w.rt.image_missing = true;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"imagePullPolicy\":\"Never\"}]");
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.waiting.reason"), "ErrImageNeverPull");
    assert_int_equal(rt_count(&w, "image_pull"), 0);
}

static void pull_policy_always_pulls_what_is_there(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"imagePullPolicy\":\"Always\"}]");
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "image_pull i "), 1);
    assert_string_equal(STATUS("p1", "phase"), "Running");
}

static void deletion_during_a_pull_does_not_start_anything(void **state)
{
    (void)state;
    w.rt.image_missing = w.rt.hold_pulls = true;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_delete_pod(&w, "p1", 30);
    world_run(&w, 2000);
    assert_null(api_get(&w, "pods", "default", "p1"));
    w.rt.hold_pulls = false;
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "container_create"), 0);
}

static void a_start_that_fails_counts_as_a_run_that_ended(void **state)
{
    (void)state;
    w.rt.start_error = "exec /bin/nothing: no such file or directory";
    api_put_pod(&w, "p1", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Failed");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.terminated.exitCode"), "128");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.terminated.reason"), "StartError");
    assert_true(api_has_event(&w, "Failed", "no such file"));
}

static void a_sandbox_that_fails_is_tried_again(void **state)
{
    (void)state;
    w.rt.pod_error = "no bridge";
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    assert_true(api_has_event(&w, "FailedCreatePodSandBox", "no bridge"));
    assert_true(rt_count(&w, "pod_remove uid-p1") > 0); /* nothing half-made stays */
    w.rt.pod_error = NULL;
    world_run(&w, 5000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
}

static void a_dead_sandbox_is_made_anew_with_all_its_containers(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    rt_kill_pod(&w, "uid-p1");
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "pod_create uid-p1"), 2);
    assert_int_equal(rt_count(&w, "container_start app"), 2);
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
    assert_string_equal(STATUS("p1", "podIP"), "10.244.0.2");
}

static void an_active_deadline_fails_the_pod(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"activeDeadlineSeconds\":20,\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 15000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    world_run(&w, 10000);
    assert_string_equal(STATUS("p1", "phase"), "Failed");
    assert_string_equal(STATUS("p1", "reason"), "DeadlineExceeded");
    assert_false(rt_container(&w, "app")->running);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]");
    world_run(&w, 1000);
    api_put_pod(&w, "p2", "\"containers\":[{\"name\":\"app2\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1500m\"}}}]");
    api_put_pod(&w, "p3", "\"nodeSelector\":{\"disk\":\"ssd\"},\"containers\":[{\"name\":\"app3\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_string_equal(STATUS("p2", "phase"), "Failed");
    assert_string_equal(STATUS("p2", "reason"), "OutOfcpu");
    assert_string_equal(STATUS("p3", "reason"), "NodeAffinity");
    assert_int_equal(rt_count(&w, "pod_create"), 1);
    api_delete_pod(&w, "p2", 30);
    world_run(&w, 1000);
    assert_null(api_get(&w, "pods", "default", "p2"));
}

static void a_restart_of_the_role_is_not_noticed_by_pods(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"initContainers\":[{\"name\":\"i1\",\"image\":\"i\"}],"
                          "\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    rt_exit(&w, "i1", 0);
    world_run(&w, 1000);
    unsigned starts = rt_count(&w, "container_start");
    const char *before = STATUS("p1", "containerStatuses");
    world_restart_node(&w);
    world_run(&w, 3000);
    assert_int_equal(rt_count(&w, "container_start"), starts);
    assert_int_equal(rt_count(&w, "pod_create"), 1);
    assert_string_equal(STATUS("p1", "containerStatuses"), before);
    rt_exit(&w, "app", 1);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
    assert_int_equal(rt_count(&w, "container_start i1"), 1);
    api_put_pod(&w, "p2", one); /* addresses in use are known */
    world_run(&w, 1000);
    assert_string_equal(STATUS("p2", "podIP"), "10.244.0.3");
}

static void an_exit_while_the_role_was_away_is_seen(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    struct fake_container *c = rt_container(&w, "app");
    c->running = false;
    c->exited = true;
    c->code = 7;
    world_restart_node(&w);
    world_run(&w, 3000);
    assert_string_equal(STATUS("p1", "phase"), "Failed");
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.terminated.exitCode"), "7");
}

static void after_a_reboot_pods_run_again(void **state)
{
    (void)state;
    struct fake_pod *p;
    struct fake_container *c;
    api_put_pod(&w, "p1", one);
    api_put_pod(&w, "p2", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"once\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    LIST_EACH (p, &w.rt.pods, link)
        p->removed = true;
    LIST_EACH (c, &w.rt.containers, link)
        c->removed = true;
    world_restart_node(&w);
    world_run(&w, 3000);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
    assert_string_equal(STATUS("p2", "phase"), "Failed");
    assert_int_equal(rt_count(&w, "container_start once"), 1);
}

static void orphans_of_the_runtime_are_removed(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    api_remove(&w, "pods", "default", "p1");
    node_free(w.node);
    struct world *old = &w;
    (void)old;
    world_run(&w, 100);
    w.node = NULL;
    world_start_node(&w);
    world_run(&w, 3000);
    assert_int_equal(rt_count(&w, "pod_remove uid-p1"), 1);
}

static void an_api_outage_loses_neither_status_nor_events(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    w.api.down = true;
    rt_exit(&w, "app", 9);
    world_run(&w, 60000);
    w.api.down = false;
    world_run(&w, 61000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
    assert_string_equal(STATUS("p1", "containerStatuses.0.lastState.terminated.exitCode"), "9");
}

static void the_same_event_again_is_counted(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", one);
    world_run(&w, 1000);
    rt_exit(&w, "app", 1);
    world_run(&w, 20000);
    struct fake_object *o;
    bool found = false;
    LIST_EACH (o, &w.api.objects, link)
        found |= !strcmp(o->resource, "events") && strstr(o->json, "\"reason\":\"Started\"") && strstr(o->json, "\"count\":2");
    assert_true(found);
}

static void host_network_pods_have_the_node_s_address(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"hostNetwork\":true,\"containers\":[{\"name\":\"app\",\"image\":\"i\"}]");
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "podIP"), "192.168.1.5");
    assert_int_equal(rt_count(&w, "hostname=n1"), 1);
}

static void a_termination_message_may_come_from_the_log(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"app\",\"image\":\"i\","
                          "\"terminationMessagePolicy\":\"FallbackToLogsOnError\"}]");
    world_run(&w, 1000);
    rt_exit(&w, "app", 1);
    world_run(&w, 1000);
    assert_string_equal(STATUS("p1", "containerStatuses.0.state.terminated.message"), "first\nlast words\n");
}

static void hooks_run_after_the_start_and_before_the_stop(void **state)
{
    (void)state;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"lifecycle\":{"
                          "\"postStart\":{\"exec\":{\"command\":[\"/warm\"]}},\"preStop\":{\"sleep\":{\"seconds\":4}}}}]");
    world_run(&w, 1000);
    assert_int_equal(rt_count(&w, "exec /warm"), 1);
    assert_string_equal(STATUS("p1", "phase"), "Running");
    api_delete_pod(&w, "p1", 30);
    world_run(&w, 3000);
    assert_int_equal(rt_count(&w, "container_kill"), 0);
    assert_string_equal(STATUS("p1", "conditions.2.status"), "False");
    world_run(&w, 2000);
    assert_int_equal(rt_count(&w, "container_kill app 15"), 1);
    assert_null(api_get(&w, "pods", "default", "p1"));
}

static void a_failing_post_start_hook_stops_the_container(void **state)
{
    (void)state;
    w.rt.exec_code = 1;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"lifecycle\":{"
                          "\"postStart\":{\"exec\":{\"command\":[\"/warm\"]}}}}]");
    world_run(&w, 500);
    assert_true(api_has_event(&w, "FailedPostStartHook", "exited with 1"));
    assert_true(rt_count(&w, "container_kill app 15") >= 1);
}

static void liveness_failures_restart_the_container(void **state)
{
    (void)state;
    w.rt.exec_code = 1;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"livenessProbe\":{\"exec\":{\"command\":"
                          "[\"/check\"]},\"periodSeconds\":5,\"failureThreshold\":2}}]");
    world_run(&w, 4000);
    assert_int_equal(rt_count(&w, "container_kill"), 0);
    world_run(&w, 3000);
    assert_int_equal(rt_count(&w, "container_kill app 15"), 1);
    assert_true(api_has_event(&w, "Unhealthy", "Liveness probe failed"));
    assert_true(api_has_event(&w, "Killing", "failed liveness probe"));
    assert_string_equal(STATUS("p1", "containerStatuses.0.restartCount"), "1");
}

static void readiness_follows_its_probe(void **state)
{
    (void)state;
    w.rt.exec_code = 1;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"readinessProbe\":{\"exec\":{\"command\":"
                          "[\"/check\"]},\"periodSeconds\":2,\"failureThreshold\":2}}]");
    world_run(&w, 3000);
    assert_string_equal(STATUS("p1", "conditions.2.status"), "False");
    assert_string_equal(STATUS("p1", "conditions.2.message"), "containers with unready status: [app]");
    w.rt.exec_code = 0;
    world_run(&w, 3000);
    assert_string_equal(STATUS("p1", "conditions.2.status"), "True");
    world_restart_node(&w); /* ready stays ready */
    world_run(&w, 500);
    assert_string_equal(STATUS("p1", "conditions.2.status"), "True");
    w.rt.exec_code = 1;
    world_run(&w, 6000);
    assert_string_equal(STATUS("p1", "conditions.2.status"), "False");
    assert_int_equal(rt_count(&w, "container_kill"), 0);
}

static void the_startup_probe_holds_the_others_back(void **state)
{
    (void)state;
    w.rt.exec_code = 1;
    api_put_pod(&w, "p1", "\"containers\":[{\"name\":\"app\",\"image\":\"i\",\"startupProbe\":{\"exec\":{\"command\":[\"/up\"]},"
                          "\"periodSeconds\":2,\"failureThreshold\":5},\"livenessProbe\":{\"exec\":{\"command\":[\"/live\"]},\"periodSeconds\":1}}]");
    world_run(&w, 5000);
    assert_int_equal(rt_count(&w, "exec /live"), 0);
    assert_string_equal(STATUS("p1", "containerStatuses.0.started"), "false");
    w.rt.exec_code = 0;
    world_run(&w, 4000);
    assert_true(rt_count(&w, "exec /live") > 0);
    assert_string_equal(STATUS("p1", "containerStatuses.0.started"), "true");
    assert_string_equal(STATUS("p1", "containerStatuses.0.ready"), "true");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(registers_the_node_and_renews_its_lease),
        T(a_deleted_node_object_is_made_again),
        T(a_bound_pod_is_run_and_reported),
        T(a_deleted_pod_is_stopped_cleared_up_and_deleted),
        T(what_does_not_die_is_killed_again_now_and_then),
        T(what_ignores_its_signal_is_killed_after_the_grace),
        T(a_shorter_grace_overtakes_the_first),
        T(a_pod_that_vanishes_from_the_api_is_stopped_and_forgotten),
        T(a_crash_is_restarted_at_once_and_then_with_doubling_back_off),
        T(back_off_ends_at_five_minutes),
        T(restart_policy_never_ends_the_pod),
        T(on_failure_restarts_only_failures),
        T(init_containers_run_in_order_before_the_others),
        T(a_failed_init_container_with_never_fails_the_pod),
        T(sidecars_start_first_and_stop_last),
        T(an_ephemeral_container_runs_once_and_keeps_no_pod),
        T(a_missing_image_is_reported_and_tried_again),
        T(pull_policy_never_does_not_pull),
        T(pull_policy_always_pulls_what_is_there),
        T(deletion_during_a_pull_does_not_start_anything),
        T(a_start_that_fails_counts_as_a_run_that_ended),
        T(a_sandbox_that_fails_is_tried_again),
        T(a_dead_sandbox_is_made_anew_with_all_its_containers),
        T(an_active_deadline_fails_the_pod),
        T(what_does_not_fit_is_refused),
        T(a_restart_of_the_role_is_not_noticed_by_pods),
        T(an_exit_while_the_role_was_away_is_seen),
        T(after_a_reboot_pods_run_again),
        T(orphans_of_the_runtime_are_removed),
        T(an_api_outage_loses_neither_status_nor_events),
        T(the_same_event_again_is_counted),
        T(host_network_pods_have_the_node_s_address),
        T(a_termination_message_may_come_from_the_log),
        T(hooks_run_after_the_start_and_before_the_stop),
        T(a_failing_post_start_hook_stops_the_container),
        T(liveness_failures_restart_the_container),
        T(readiness_follows_its_probe),
        T(the_startup_probe_holds_the_others_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
