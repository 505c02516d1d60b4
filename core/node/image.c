/*
 * The image of a container: present, pulled, or waited for (pkg/kubelet/images/image_manager.go).
 * After a failure the reason is ErrImagePull, soon ImagePullBackOff until the next try.
 */
#include <stdio.h>

#include "base/limits.h"
#include "node/events.h"
#include "node/node_int.h"
#include "node/register.h"
#include "node/sources.h"

enum {
    PULL_FIRST_MS = 10 * 1000,
    PULL_LONGEST_MS = 300 * 1000,
    SHOW_ERROR_MS = 2 * 1000, /* how long ErrImagePull is shown before ImagePullBackOff */
    SECRETS_WAIT_MS = 200,
};

struct pull {
    struct container *container;
    char *image;
    const char *policy;
    int64_t begun_ms;
};

static void pull_free(struct pull *u)
{
    struct pod *p = u->container->pod;
    mem_free(u->image);
    mem_free(u);
    pod_unref(p);
}

static const char *policy_of(const struct json *container, const char *image)
{
    const char *policy = json_path_cstr(container, "imagePullPolicy");
    if (cstr_eq(policy, "Always") || !policy[0])
        return policy[0] || str_ends(str_of(image), STR(":latest")) ? "Always" : "IfNotPresent";
    return cstr_eq(policy, "Never") ? "Never" : "IfNotPresent";
}

/* The pod may have been stopped meanwhile. */
static bool still_wanted(struct container *c)
{
    if (c->pod->state == POD_RUNNING && c->state == CONTAINER_PULLING)
        return true;
    if (c->state == CONTAINER_PULLING)
        c->state = CONTAINER_IDLE;
    return false;
}

static void fail(struct container *c, const char *reason, const char *text)
{
    int64_t delay = c->pull_delay_ms ? c->pull_delay_ms : PULL_FIRST_MS;
    c->pull_delay_ms = delay * 2 < PULL_LONGEST_MS ? delay * 2 : PULL_LONGEST_MS;
    c->kill_at_ms = loop_now_ms(c->pod->node->loop) + delay; /* the time of the next try */
    container_wait_reason(c, reason, "%s", text);
    container_wait_for(c, CONTAINER_PULL_FAILED, SHOW_ERROR_MS);
}

bool container_pull_backoff(struct container *c)
{
    int64_t left = c->kill_at_ms - loop_now_ms(c->pod->node->loop);
    if (left <= 0)
        return false;
    if (cstr_eq(c->waiting_reason, "ErrImagePull")) {
        char *error = c->waiting_message;
        c->waiting_message = NULL;
        container_wait_reason(c, "ImagePullBackOff", "Back-off pulling image \"%s\": ErrImagePull: %s",
                              c->image_name ? c->image_name : "", error ? error : "");
        events_pod(c->pod, c, "Normal", "BackOff", "Back-off pulling image \"%s\"",
                   c->image_name ? c->image_name : "");
        events_pod(c->pod, c, "Warning", "Failed", "Error: ImagePullBackOff");
        mem_free(error);
    }
    loop_timer_set(c->pod->node->loop, &c->timer, left);
    return true;
}

static void take_image(struct container *c, const struct runtime_image *image)
{
    node_text_set(&c->image_id, image->id);
    node_text_set(&c->repo_digest, image->repo_digest && image->repo_digest[0] ? image->repo_digest : NULL);
    mem_free(c->image_config);
    c->image_config = mem_strndup(image->config_json.p, image->config_json.n);
    c->pull_delay_ms = 0;
    container_create(c);
}

static void pulled(void *ctx, const struct runtime_result *r, const struct runtime_image *image)
{
    struct pull *u = ctx;
    struct container *c = u->container;
    if (!still_wanted(c)) {
        pull_free(u);
        return;
    }
    if (r->rc < 0) {
        events_pod(c->pod, c, "Warning", "Failed", "Failed to pull image \"%s\": %s", u->image, r->message);
        events_pod(c->pod, c, "Warning", "Failed", "Error: ErrImagePull");
        fail(c, "ErrImagePull", r->message);
    } else {
        int64_t took = loop_now_ms(c->pod->node->loop) - u->begun_ms;
        events_pod(c->pod, c, "Normal", "Pulled",
                   "Successfully pulled image \"%s\" in %lld.%03llds (%lld.%03llds including waiting). "
                   "Image size: %lld bytes.",
                   u->image, (long long)took / 1000, (long long)took % 1000, (long long)took / 1000,
                   (long long)took % 1000, (long long)image->size_bytes);
        take_image(c, image);
        node_images_refresh(c->pod->node->images);
    }
    pull_free(u);
}

static void begin_pull(struct pull *u)
{
    struct container *c = u->container;
    struct node *n = c->pod->node;
    struct arena a CLEANUP_ARENA = {0};
    struct str auth = {"", 0};
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *tree = pod_tree(c->pod, &a);
    if (sources_pull_auth(c->pod, &a, json_get(tree, "spec"), u->image, &auth) == -E_AGAIN) {
        container_wait_for(c, CONTAINER_PULL_FAILED, SECRETS_WAIT_MS);
        c->kill_at_ms = 0;
        pull_free(u);
        return;
    }
    struct runtime_pull pull = {.image = u->image, .auth_json = auth};
    events_pod(c->pod, c, "Normal", "Pulling", "Pulling image \"%s\"", u->image);
    u->begun_ms = loop_now_ms(n->loop);
    n->runtime->ops->image_pull(n->runtime->self, &pull, pulled, u);
}

static void looked_up(void *ctx, const struct runtime_result *r, const struct runtime_image *image)
{
    struct pull *u = ctx;
    struct container *c = u->container;
    if (!still_wanted(c)) {
        pull_free(u);
        return;
    }
    if (r->rc == 0 && !cstr_eq(u->policy, "Always")) {
        events_pod(c->pod, c, "Normal", "Pulled",
                   "Container image \"%s\" already present on machine", u->image);
        take_image(c, image);
        pull_free(u);
    } else if (r->rc < 0 && r->rc != -E_NOT_FOUND) {
        events_pod(c->pod, c, "Warning", "InspectFailed", "Failed to inspect image \"%s\": %s",
                   u->image, r->message);
        fail(c, "ImageInspectError", r->message);
        pull_free(u);
    } else if (cstr_eq(u->policy, "Never")) {
        char text[512];
        snprintf(text, sizeof text, "Container image \"%s\" is not present with pull policy of Never",
                 u->image);
        events_pod(c->pod, c, "Warning", "ErrImageNeverPull", "%s", text);
        fail(c, "ErrImageNeverPull", text);
        pull_free(u);
    } else {
        begin_pull(u);
    }
}

void container_pull(struct container *c)
{
    struct node *n = c->pod->node;
    struct arena a CLEANUP_ARENA = {0};
    arena_init(&a, LIMIT_REQUEST_ARENA);
    struct json *tree = pod_tree(c->pod, &a);
    const struct json *spec = container_spec(json_get(tree, "spec"), c);
    const char *image = json_path_cstr(spec, "image");
    struct pull *u = mem_zalloc(sizeof *u);
    if (u)
        u->image = mem_strdup(image);
    if (!tree || !u || !u->image) {
        mem_free(u);
        fail(c, "ErrImagePull", "out of memory");
        return;
    }
    u->container = c;
    u->policy = policy_of(spec, image);
    node_text_set(&c->image_name, image);
    pod_ref(c->pod);
    n->runtime->ops->image_get(n->runtime->self, image, looked_up, u);
}
