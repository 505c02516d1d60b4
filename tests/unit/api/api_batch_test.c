/* What Jobs and CronJobs refuse and set. */
#include "cases.h"

#define JOBS  "/apis/batch/v1/namespaces/default/jobs"
#define CRONS "/apis/batch/v1/namespaces/default/cronjobs"

#define POD                                                                                        \
    "template" : {"spec" : {"restartPolicy" : "Never",                                             \
                            "containers" : [ {"name" : "c", "image" : "i"} ]}}
#define JOB(...)  J({"metadata" : {"name" : "j"}, "spec" : {POD __VA_OPT__(, ) __VA_ARGS__}})
#define CRON(...) J({"metadata" : {"name" : "c"}, "spec" : {"jobTemplate" : {"spec" : {POD}}       \
                                                            __VA_OPT__(, ) __VA_ARGS__}})

static const struct invalid_case jobs_created[] = {
    {JOB(), ""},
    {JOB("completionMode" : "Indexed", "completions" : 5, "parallelism" : 5,
         "backoffLimitPerIndex" : 1, "maxFailedIndexes" : 2, "managedBy" : "acme.io/foo",
         "successPolicy" : {"rules" : [ {"succeededIndexes" : "0,2-4", "succeededCount" : 2} ]}),
     ""},
    {J({"metadata" : {"name" : "j"}, "spec" : {
            "parallelism" : -1, "backoffLimit" : -1, "activeDeadlineSeconds" : -1,
            "ttlSecondsAfterFinished" : -1, "maxFailedIndexes" : 1, "completionMode" : "Any",
            "template" : {"spec" : {"containers" : [ {"name" : "c", "image" : "i"} ]}}}}),
     "Invalid spec.parallelism: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid spec.activeDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid spec.ttlSecondsAfterFinished: Invalid value: -1: must be greater than or equal to 0\n"
     "Required spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified\n"
     "NotSupported spec.completionMode: Unsupported value: \"Any\": supported values: "
     "\"NonIndexed\", \"Indexed\"\n"
     "Required spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
     "\"Never\""},
    {JOB("completionMode" : "Indexed", "parallelism" : 100001, "managedBy" : "me"),
     "Invalid spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as "
     "\"acme.io/foo\")\n"
     "Required spec.completions: Required value: when completion mode is Indexed\n"
     "Invalid spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when "
     "completion mode is Indexed"},
    {JOB("backoffLimitPerIndex" : 1, "podReplacementPolicy" : "Never"),
     "Invalid spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode\n"
     "NotSupported spec.podReplacementPolicy: Unsupported value: \"Never\": supported values: "
     "\"Failed\", \"TerminatingOrFailed\""},
    {JOB("podFailurePolicy" : {"rules" : [
             {"action" : "FailIndex", "onExitCodes" : {"operator" : "In", "values" : [ 2, 0, 2 ],
                                                       "containerName" : "x"}},
             {"onPodConditions" : [ {"type" : "Ready"} ], "onExitCodes" : {
                  "operator" : "Any", "values" : []}},
             {"action" : "Ignore"} ]}),
     "Invalid spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the "
     "backoffLimitPerIndex to be set\n"
     "Invalid spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"x\": must "
     "be one of the container or initContainer names in the pod template\n"
     "Invalid spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be "
     "0 for the In operator\n"
     "Duplicate spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 2\n"
     "Invalid spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0,2]: must be "
     "ordered\n"
     "Required spec.podFailurePolicy.rules[1].action: Required value: valid values: [\"Count\" "
     "\"FailIndex\" \"FailJob\" \"Ignore\"]\n"
     "NotSupported spec.podFailurePolicy.rules[1].onExitCodes.operator: Unsupported value: "
     "\"Any\": supported values: \"In\", \"NotIn\"\n"
     "Invalid spec.podFailurePolicy.rules[1].onExitCodes.values: Invalid value: []: at least one "
     "value is required\n"
     "Invalid spec.podFailurePolicy.rules[1]: Invalid value: specifying both OnExitCodes and "
     "OnPodConditions is not supported\n"
     "Invalid spec.podFailurePolicy.rules[2]: Invalid value: specifying one of OnExitCodes and "
     "OnPodConditions is required"},
    {JOB("successPolicy" : {"rules" : []}),
     "Invalid spec.successPolicy: Invalid value: {\"rules\":[]}: requires indexed completion mode"},
    {JOB("completionMode" : "Indexed", "completions" : 3, "successPolicy" : {"rules" : [
             {}, {"succeededIndexes" : "0,0"}, {"succeededIndexes" : "1-3"},
             {"succeededIndexes" : "0-1", "succeededCount" : 4} ]}),
     "Required spec.successPolicy.rules[0]: Required value: at least one of succeededCount or "
     "succeededIndexes must be specified\n"
     "Invalid spec.successPolicy.rules[1].succeededIndexes: Invalid value: \"0,0\": error parsing "
     "succeededIndexes: non-increasing order, previous: 0, current: 0\n"
     "Invalid spec.successPolicy.rules[2].succeededIndexes: Invalid value: \"1-3\": error parsing "
     "succeededIndexes: too large index: \"3\"\n"
     "Invalid spec.successPolicy.rules[3].succeededCount: Invalid value: 4: must be less than or "
     "equal to 3 (the number of specified completions)\n"
     "Invalid spec.successPolicy.rules[3].succeededCount: Invalid value: 4: must be less than or "
     "equal to 2 (the number of indexes in the specified succeededIndexes field)"},
    {NULL, NULL},
};

static const struct invalid_case job_changed[] = {
    {J({"spec" : {"parallelism" : 4, "suspend" : true, "activeDeadlineSeconds" : 3}}), ""},
    {J({"spec" : {"completions" : 2, "completionMode" : "Indexed"}}),
     "Invalid spec.completions: Invalid value: 2: can only be modified in tandem with "
     "spec.parallelism\n"
     "Invalid spec.completionMode: Invalid value: \"Indexed\": field is immutable"},
    {J({"spec" : {"managedBy" : "a.io/b"}}),
     "Invalid spec.managedBy: Invalid value: \"a.io/b\": field is immutable"},
    {NULL, NULL},
};

static const struct invalid_case job_status[] = {
    {J({"status" : {"active" : 1, "ready" : 1, "startTime" : "2026-11-23T10:00:00Z"}}), ""},
    {J({"status" : {"active" : -1, "ready" : 2, "uncountedTerminatedPods" : {
                        "succeeded" : [ "a", "" ], "failed" : ["a"]}}}),
     "Invalid status.active: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid status.uncountedTerminatedPods.succeeded[1]: Invalid value: \"\": must not be empty\n"
     "Duplicate status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\"\n"
     "Invalid status.ready: Invalid value: 2: cannot set more ready pods than active"},
    {J({"status" : {"active" : 1, "completedIndexes" : "1",
                    "conditions" : [ {"type" : "Complete", "status" : "True"} ]}}),
     "Invalid status.active: Invalid value: 1: active>0 is invalid for finished job\n"
     "Required status.startTime: Required value: startTime is required for finished job\n"
     "Invalid status.conditions: Invalid value: cannot set Complete=True condition without the "
     "SuccessCriteriaMet=true condition\n"
     "Required status.completionTime: Required value: completionTime is required for Complete "
     "jobs\n"
     "Invalid status.completedIndexes: Invalid value: \"1\": cannot set non-empty completedIndexes "
     "when non-indexed completion mode"},
    {J({"status" : {"completionTime" : "2026-11-23T10:00:00Z",
                    "startTime" : "2026-11-23T11:00:00Z"}}),
     "Invalid status.completionTime: Invalid value: \"2026-11-23T10:00:00Z\": cannot set "
     "completionTime when there is no Complete=True condition\n"
     "Invalid status.completionTime: Invalid value: \"2026-11-23T10:00:00Z\": completionTime "
     "cannot be set before startTime"},
    {NULL, NULL},
};

static void jobs(void **state)
{
    struct fixture *f = *state;
    check_created(f, JOBS, jobs_created);
    expect(ask(f, "POST", JOBS, JOB("selector" : {"matchLabels" : {"a" : "b"}})), 422);
    struct answer *a = ask(f, "POST", JOBS, JOB());
    expect(a, 201);
    const char *uid = at(a, "metadata.uid");
    const struct json *labels = json_path(a->json, "spec.template.metadata.labels");
    assert_string_equal(json_path_cstr(labels, "job-name"), "j");
    assert_string_equal(json_path_cstr(labels, "controller-uid"), uid);
    assert_int_equal(json_count(json_path(a->json, "spec.selector.matchLabels")), 1);
    check_patched(f, JOBS "/j", job_changed);
    check_patched(f, JOBS "/j/status", job_status);
}

static void where_pods_of_a_suspended_job_run_may_change(void **state)
{
    struct fixture *f = *state;
    const char *place = J({"spec" : {"template" : {"spec" : {"nodeSelector" : {"a" : "b"}}}}});
    const char *start = J({"status" : {"startTime" : "2026-11-23T10:00:00Z"}});
    expect(ask(f, "POST", JOBS, JOB("suspend" : true)), 201);
    expect(ask(f, "PATCH", JOBS "/j", place), 200);
    expect(ask(f, "PATCH", JOBS "/j",
               J({"spec" : {"template" : {"spec" : {"hostname" : "h"}}}})),
           422);
    expect(ask(f, "PATCH", JOBS "/j/status", start), 200);
    expect(ask(f, "PATCH", JOBS "/j",
               J({"spec" : {"template" : {"spec" : {"nodeSelector" : {"a" : "c"}}}}})),
           422);
}

static const struct invalid_case crons_created[] = {
    {CRON("schedule" : "*/5 * * * *", "timeZone" : "Etc/UTC"), ""},
    {CRON("schedule" : "@daily", "timeZone" : "Europe/Berlin"), ""},
    {CRON(), "Required spec.schedule: Required value"},
    {CRON("schedule" : "x", "timeZone" : "Mars/Base", "concurrencyPolicy" : "Any",
          "startingDeadlineSeconds" : -1, "failedJobsHistoryLimit" : -1),
     "Invalid spec.schedule: Invalid value: \"x\": expected exactly 5 fields, found 1: [x]\n"
     "Invalid spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0\n"
     "Invalid spec.timeZone: Invalid value: \"Mars/Base\": unknown time zone Mars/Base\n"
     "NotSupported spec.concurrencyPolicy: Unsupported value: \"Any\": supported values: "
     "\"Allow\", \"Forbid\", \"Replace\"\n"
     "Invalid spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
    {CRON("schedule" : "CRON_TZ=UTC 0 0 * * *", "timeZone" : "local"),
     "Invalid spec.schedule: Invalid value: \"CRON_TZ=UTC 0 0 * * *\": cannot use TZ or CRON_TZ in "
     "schedule, use timeZone field instead\n"
     "Invalid spec.timeZone: Invalid value: \"local\": timeZone must be an explicit time zone as "
     "defined in https://www.iana.org/time-zones"},
    {J({"metadata" : {"name" : "a23456789-a23456789-a23456789-a23456789-a23456789-abc"},
        "spec" : {"schedule" : "@hourly", "jobTemplate" : {"spec" : {
                      "selector" : {}, "manualSelector" : true,
                      "template" : {"spec" : {"restartPolicy" : "OnFailure",
                                              "containers" : [ {"name" : "c", "image" : "i"} ]}}}}}}),
     "Invalid spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be "
     "auto-generated\n"
     "NotSupported spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported "
     "values: \"nil\", \"false\"\n"
     "Invalid metadata.name: Invalid value: "
     "\"a23456789-a23456789-a23456789-a23456789-a23456789-abc\": must be no more than 52 "
     "characters"},
    {NULL, NULL},
};

static void cron_jobs(void **state)
{
    struct fixture *f = *state;
    check_created(f, CRONS, crons_created);
    struct answer *a =
        ask(f, "POST", CRONS, CRON("schedule" : "@daily", "timeZone" : "Europe/Berlin"));
    expect(a, 201);
    assert_non_null(strstr(a->warning, "Europe/Berlin"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs, fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(where_pods_of_a_suspended_job_run_may_change,
                                        fixture_setup_boot, fixture_teardown),
        cmocka_unit_test_setup_teardown(cron_jobs, fixture_setup_boot, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
