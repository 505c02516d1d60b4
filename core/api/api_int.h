/*
 * Inside the API server. A map of the folder:
 *   api.c          creation, dispatch, life of a request
 *   url.c          path and query
 *   auth.c         who asks, and may they; token.c: service-account tokens
 *   body.c         request bodies; patch.c: an object from the current one
 *   status.c       error answers; field.c: validation errors
 *   reply.c        objects in the form asked for
 *   object.c       stored form and back, companions; convert.c: kinds of two versions
 *   selection.c    label and field selectors
 *   write.c        create, update, patch; meta.c: metadata; delete.c
 *   list.c, watch.c
 *   subresource.c  binding, eviction, scale; connect.c: what ends at a kubelet; reviews.c
 *   discovery.c    what there is; health.c; metrics.c
 *   expire.c       old events go
 *   aggregate/     other API servers
 *   audit/         who asked for what
 *   crd/           resources that clients defined
 *   bootstrap.c    first objects
 *   flow/          priority and fairness: who goes first, who waits; the default levels
 *   local.c        the in-process client
 *   kinds/         one file a kind
 *   admission/     what changes or refuses writes from outside the kind
 *
 * Stored form: the object's JSON without apiVersion, kind and resourceVersion, and with metadata
 * first, so that every stored value begins with OBJECT_PREFIX and output is a copy with the three
 * spliced in at a known place. Keys: /GROUP/RESOURCE/NAMESPACE/NAME, "core" for the core group and
 * no NAMESPACE for cluster scope.
 *
 * Life of a request: api_handle counts as an entry, and so does each callback (store, timer,
 * client). request_leave frees a request that has ended once the last entry is left, so no function
 * on the stack ever sees a freed one. A request that waits for the store holds in_store and is
 * freed by the store's answer.
 */
#ifndef API_API_INT_H
#define API_API_INT_H

#include "api/api.h"
#include "api/auth/rules.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/prng.h"
#include "codec/selector.h"
#include "schema/schema.h"

#define OBJECT_PREFIX "{\"metadata\":{"

enum {
    OBJECT_PREFIX_SIZE = sizeof(OBJECT_PREFIX) - 1,
    URL_PARAMS = 64,
    WRITE_RETRIES = 8,
    WARNINGS_MOST = 16,
};

/* ---- url.c ---- */
struct url_param {
    struct str name, value; /* decoded */
};

struct url {
    struct str path;  /* undecoded, without query */
    struct str query; /* undecoded */
    bool is_resource; /* below /api/VERSION or /apis/GROUP/VERSION, with a resource */
    const char *verb; /* "get", "list" ... or the lower-case method */
    struct str group, version, ns, resource, name, subresource; /* decoded; n == 0: none */
    struct str rest; /* behind a proxy subresource, undecoded, with its leading slash */
    struct url_param *params;
    size_t param_count;
};

/* -E_BAD_REQUEST: an encoded slash, a dot segment or a NUL in what names an object; -E_LIMIT. */
int url_parse(struct arena *a, const char *method, struct str target, struct url *ret,
              struct err *err) MUST_CHECK;
struct str url_param(const struct url *u, const char *name); /* first one, or {NULL, 0} */
bool url_flag(const struct url *u, const char *name);        /* "1", "true" ... */

/* ---- auth/ ---- */
enum { USER_GROUPS = 128, ACCOUNT_KEYS = 8 };
struct user {
    const char *name, *uid;
    const char **groups; /* in the arena that they were added with */
    size_t group_count, group_room;
    struct json *extra; /* key: list of texts; or NULL */
};
struct account_key { /* that service-account tokens are verified with; the first one signs */
    struct crypto_key *key;
    char id[48]; /* "kid" */
};

/* ---- reply.c ---- */
enum media { MEDIA_JSON, MEDIA_YAML, MEDIA_PROTOBUF };
enum form { FORM_OBJECT, FORM_TABLE, FORM_PARTIAL, FORM_DISCOVERY };
struct accept {
    enum media media;
    enum form form;
    bool pretty;
    struct str group, version; /* of a Table or partial object */
};

/* ---- kinds ---- */
struct write;

struct crd;
struct crds;
struct crd_cleanup;
struct kind_field {              /* selectable, besides metadata.name and metadata.namespace */
    const char *selector, *path; /* dotted path in the stored form */
    const char *absent;          /* value where there is none: booleans and numbers; NULL: "" */
    const char *other;           /* path whose value it has instead of an empty one, or NULL */
};
#define SELECTABLE(path_) .selector = path_, .path = path_

enum kind_flag {
    KIND_STATUS = 1 << 0,     /* has a status subresource: create and update leave status alone */
    KIND_GENERATION = 1 << 1, /* metadata.generation counts changes of spec */
    KIND_GRACEFUL = 1 << 2,   /* DELETE waits for a grace period */
    KIND_CREATE_ON_UPDATE = 1 << 3,
    KIND_RETURN_DELETED = 1 << 4, /* DELETE answers with the object */
    KIND_ORPHANS = 1 << 5,        /* dependents are orphaned unless asked otherwise */
    KIND_STATUS_ONLY = 1 << 6,    /* status updates leave labels and annotations alone, too */
    KIND_KEEP_STATUS = 1 << 7,    /* create takes the client's status */
    KIND_CONDITIONAL = 1 << 8,    /* an update must name the revision that it changes */
};

struct kind {
    const char *group, *resource;
    unsigned flags;
    const char *(*name_rule)(struct str name); /* NULL: names_dns1123_subdomain */
    const struct kind_field *fields;           /* ends with {.selector = NULL}; or NULL */
    /* Each gets the write with object (and old, on update); problems go to w->errors. */
    void (*set_defaults)(struct write *w);
    void (*prepare_create)(struct write *w);
    void (*prepare_update)(struct write *w);
    void (*validate)(struct write *w);        /* create and update */
    void (*validate_update)(struct write *w); /* against old */
    /* Refusals and store operations that belong to the same command; nonzero: answered. */
    int (*commit)(struct write *w);
    /* Before the last copy is deleted: further operations for the command. */
    void (*deleted)(struct write *w);
    /* DELETE, before it is decided what becomes of object; nonzero: answered. */
    int (*before_delete)(struct write *w);
    uint64_t form; /* of the fields; 0: they never change */
};

/* Never NULL: resources without a file of their own get the generic kind. */
const struct kind *kind_find(const struct schema_resource *r);

/* ---- requests ---- */
struct list_state;
struct watch_state;
struct delete_state;
struct conversion_wait;

struct api_request {
    struct list link; /* of api->requests */
    struct api *api;  /* NULL: the api is gone */
    const struct api_reply_ops *ops;
    void *ctx;
    unsigned entered;
    bool ended, in_store, head_sent;
    struct arena arena; /* for the request's life */
    struct arena work;  /* of one attempt */
    const char *method;
    struct url url;
    struct user user;
    struct accept accept;
    struct str body, content_type;
    struct str if_none_match, accept_header, user_agent, audit_header;
    struct user *as; /* whom the Impersonate- headers name; NULL: there are none */
    bool as_too_many;
    const struct schema_resource *resource; /* of the path; NULL for non-resource requests */
    struct crd *crd;                        /* that made the resource, or NULL */
    const struct kind *kind;
    const char *warnings[WARNINGS_MOST];
    size_t warning_count;
    unsigned attempts;
    bool dry_run;
    struct flow_entry *flow; /* waits, or holds seats; flow/flow.h */
    const char *flow_schema_uid, *flow_level_uid; /* what it was counted to; NULL: nothing */
    int retry_after; /* seconds, of a refusal; 0: none */
    struct audit_request *audit; /* in arena; NULL: nothing is told of it */
    int64_t began_us;
    int64_t timeout_ms; /* after which it is answered 504; 0: never (watches, streams) */
    struct loop_timer deadline; /* armed once it has to wait for something */
    int status;        /* of the answer; 0: none yet */
    size_t sent_bytes; /* of an answer in one piece */
    struct write *write; /* in work */
    void (*on_stored)(struct api_request *r, const struct store_result *result);
    struct list_state *list;
    struct watch_state *watch;
    struct delete_state *batch;
    struct forward *forward;
    struct conversion_wait *conversion; /* crd/conversion.h */
    void (*on_cancel)(struct api_request *r); /* frees what the verb holds */
    void (*on_drained)(struct api_request *r);
};

struct frame_slot;
struct discovery;
struct expiry;
struct hooks;
struct conversions;
struct api_metrics;
struct audit;
struct aggregates;
struct forward;
struct flow;
struct flow_entry;
struct audit_request;

struct api {
    struct loop *loop;
    struct store *store;
    char *node_name, *node_addr;
    uint16_t port;
    char *ca_pem, *issuer;
    struct account_key account_keys[ACCOUNT_KEYS];
    size_t account_key_count; /* 0: tokens are not accepted */
    struct seen *seen;        /* service-account tokens whose signature was good */
    struct rbac *rbac;
    struct node_graph *node_graph;
    struct oidc *oidc; /* NULL: none is configured */
    struct arena rules_arena;
    struct rules node_rules; /* of system:node */
    int (*sign)(void *ctx, struct str message,
                void (*done)(void *arg, int rc, const uint8_t sig[64]), void *arg);
    void *sign_ctx;
    struct list requests;
    struct list snapshots; /* kept for the next chunks of lists; newest last */
    size_t snapshot_count;
    struct frame_slot *frames; /* watch events as last written */
    struct discovery *discovery;
    struct crds *crds;
    struct crd_cleanup *crd_cleanup;
    struct hooks *hooks;
    struct map quota_flights; /* charges under way, by the quota's key */
    struct conversions *conversions;
    struct api_metrics *metrics;
    struct flow *flow;
    struct audit *audit; /* NULL: no policy */
    struct aggregates *aggregates;
    struct buf proxy_cert_pem, proxy_key_pem; /* of api_proxy_identity; empty: not yet */
    struct api_audit_sink audit_sink;
    struct net net;
    struct expiry *expiry;
    struct prng prng;
    struct bootstrap *bootstrap;
    struct flow_ensure *flow_ensure; /* of default flow schemas; NULL before bootstrap */
    struct flow_dangling *flow_dangling;
    bool ready;                    /* what clients take for granted is there */
    struct loop_timer watch_timer; /* bookmarks, timeouts, expiry of snapshots */
};

void request_enter(struct api_request *r);
void request_leave(struct api_request *r); /* may free it */
/* Ends the answer (unless the caller is gone) and lets go of what the verb held. */
void request_end(struct api_request *r);
void request_gone(struct api_request *r); /* the caller went away */
void request_warn(struct api_request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
int64_t api_now_us(struct api *api); /* wall clock */
/* store_txn whose answer goes to on_stored; nonzero: answered with an error. */
int request_txn(struct api_request *r, const struct store_compare *compares, size_t compare_count,
                const struct store_op *ops, size_t op_count,
                void (*on_stored)(struct api_request *r, const struct store_result *result));

/* ---- status.c: each answers the request with a Status, ends it, and returns -E_* ---- */
int fail_status(struct api_request *r, int http, const char *reason, struct json *details,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
int fail_code(struct api_request *r, int rc, const char *message); /* by the error table */
int fail_not_found(struct api_request *r, const struct schema_resource *res, struct str name);
int fail_exists(struct api_request *r, const struct schema_resource *res, struct str name);
int fail_conflict(struct api_request *r, const struct schema_resource *res, struct str name,
                  const char *why);
int fail_modified(struct api_request *r, const struct schema_resource *res, struct str name);
int fail_forbidden(struct api_request *r, const struct schema_resource *res, struct str name,
                   const char *why);
int fail_bad_request(struct api_request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
int fail_method(struct api_request *r);
int fail_no_route(struct api_request *r);
/* 422: an option of the request, or its body as a whole, is not acceptable. reason: of the cause
 * ("FieldValueInvalid"). */
int fail_part(struct api_request *r, const char *field, const char *reason, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
int fail_memory(struct api_request *r);
/* {"kind":"Status","status":"Success"} with details of what was deleted. */
void reply_success(struct api_request *r, const struct schema_resource *res, struct str name,
                   const char *uid);
/* "pods", "deployments.apps" */
const char *status_qualified(struct arena *a, const struct schema_resource *res);
/* A Status object as watch ERROR events and list answers carry it. */
struct json *status_object(struct arena *a, int http, const char *reason, const char *message);

/* ---- reply.c ---- */
/* Sets r->accept; false: nothing acceptable. */
bool accept_parse(struct api_request *r, bool is_resource);
bool reply_head(struct api_request *r, int status, const char *content_type, int64_t length);
void reply_bytes(struct api_request *r, int status, const char *content_type,
                 struct str bytes); /* and ends */
void reply_tree(struct api_request *r, int status,
                const struct json *tree); /* JSON, YAML or pretty; ends */
/* An object in stored form at a revision, as the client asked for it; ends. */
void reply_stored(struct api_request *r, int status, const struct schema_resource *res,
                  struct str stored, int64_t revision);
/* Appends the object in the form asked for. item: without kind and apiVersion where upstream leaves
 * them out (JSON lists). */
int form_write(struct api_request *r, struct buf *out, const struct schema_resource *res,
               struct str stored, int64_t revision, bool item);
const char *reply_content_type(const struct api_request *r);
/* The head of a list in the form asked for, up to and with the bracket that opens its items. */
int form_list_head(struct api_request *r, struct buf *out, const struct schema_resource *res,
                   int64_t revision, const char *next, int64_t remaining);
/* One item of it (without a comma). */
int form_list_item(struct api_request *r, struct buf *out, const struct schema_resource *res,
                   struct str stored, int64_t revision);
/* Text that names the form, for caching what was written: "json", "table/v1/None" ... */
const char *form_name(const struct api_request *r);

/* ---- reply_protobuf.c: -E_UNSUPPORTED for a kind that has no protobuf, -E_NOMEM ---- */
struct list_meta {
    int64_t revision;
    const char *next;  /* NULL: none */
    int64_t remaining; /* -1: not known */
};
int protobuf_put_tree(struct buf *out, const struct json *tree) MUST_CHECK;
int protobuf_put_stored(const struct api_request *r, struct buf *out,
                        const struct schema_resource *res, struct str stored,
                        int64_t revision) MUST_CHECK;
int protobuf_put_item(const struct api_request *r, struct buf *out,
                      const struct schema_resource *res, struct str stored,
                      int64_t revision) MUST_CHECK;
void protobuf_reply_list(struct api_request *r, const struct schema_resource *res,
                         const struct list_meta *meta, struct str items);
int protobuf_put_event(struct buf *out, const char *type, const struct json *tree) MUST_CHECK;
int protobuf_put_stored_event(const struct api_request *r, struct buf *out, const char *type,
                              const struct schema_resource *res, struct str stored,
                              int64_t revision) MUST_CHECK;

/* ---- object.c ---- */
struct companion { /* beside a stored value: what selectors ask for */
    uint64_t form; /* kind->form that the fields were taken for */
    uint32_t label_count, field_count;
    struct str pairs[]; /* labels: key, value ...; then fields' values, in the kind's order */
};
/* Made when missing; NULL: out of memory. */
const struct companion *companion_of(const struct kind *kind, struct store_value *v);
struct companion *companion_new(const struct kind *kind, const struct json *object);

/* Key of an object, or with an empty name the prefix of a namespace's, or of all. */
struct str object_key(struct arena *a, const struct schema_resource *res, struct str ns,
                      struct str name);
struct str object_key_of(struct arena *a, const char *group, const char *resource, struct str ns,
                         struct str name);
void object_key_split(struct str key, bool namespaced, struct str *ret_ns, struct str *ret_name);
/* Stored bytes as a tree of the resource's version, with apiVersion, kind and resourceVersion. */
int object_decode(struct arena *a, const struct schema_resource *res, struct str stored,
                  int64_t revision, struct json **ret) MUST_CHECK;
/* Its metadata alone, as a PartialObjectMetadata. */
int object_metadata(struct arena *a, struct str stored, int64_t revision,
                    struct json **ret) MUST_CHECK;
/* And back: changes the tree. */
int object_encode(struct arena *a, const struct schema_resource *res, struct json *object,
                  struct buf *out) MUST_CHECK;
/* Is the resource kept in another version's form than its own? */
bool object_converted(const struct schema_resource *res);
/* Name of a selectable field as the stored form has it; field itself where that is the same. */
struct str convert_field(struct arena *a, const struct schema_resource *res, struct str field);
/* Moves a tree between a resource's own form and the stored one. */
int convert_from_stored(struct arena *a, const struct schema_resource *res,
                        struct json *object) MUST_CHECK;
int convert_to_stored(struct arena *a, const struct schema_resource *res,
                      struct json *object) MUST_CHECK;
/* The stored object of a plain group and resource as a tree, or NULL. */
struct json *object_load(struct api *api, struct arena *a, const char *group, const char *resource,
                         struct str ns, struct str name, struct store_value **ret_value);
const char *storage_group(const char *group, const char *resource);

/* ---- selection of objects, for list, watch and deletecollection ---- */
struct selection {
    const struct kind *kind;
    bool namespaced;
    struct selector labels;
    struct selector_fields fields;
    int field_at[8];     /* index in the kind's fields; -1 name, -2 namespace */
    struct str key_name; /* metadata.name=x as an equality, or empty */
};
int selection_parse(struct api_request *r, struct selection *ret); /* nonzero: answered */
bool selection_any(const struct selection *s);
/* 1, 0, or -E_NOMEM */
int selection_matches(const struct selection *s, struct store_value *v);

/* ---- auth/, token.c ---- */
int auth_new(struct api *api, const struct api_options *o, struct err *err) MUST_CHECK;
void auth_free(struct api *api);
int auth_authenticate(struct api_request *r, const struct api_peer *peer); /* nonzero: answered */
void auth_read_impersonation(struct api_request *r, const struct api_header *h);
/* The user that the request's Impersonate- headers name takes the place of the one who asks.
 * nonzero: answered. */
int auth_impersonate(struct api_request *r);
int auth_authorize(struct api_request *r); /* nonzero: answered */
bool user_in(const struct user *u, const char *group);
/* Each group once. false: more than USER_GROUPS, or out of memory. */
bool user_add_group(struct arena *a, struct user *u, const char *group);
void token_request(struct api_request *r);

/* ---- the verbs ---- */
void rest_get(struct api_request *r);
void rest_list(struct api_request *r);
void rest_watch(struct api_request *r);
void rest_write(struct api_request *r); /* create, update, patch */
void rest_delete(struct api_request *r);
void rest_delete_collection(struct api_request *r);
void subresource_handle(
    struct api_request *r); /* all but status and those that update the object */
void connect_handle(struct api_request *r);
void connect_metrics(struct api_request *r);
void reviews_handle(struct api_request *r);
void component_status_handle(struct api_request *r);
bool reviews_owns(const struct schema_resource *res);
bool discovery_handle(struct api_request *r); /* false: not its path */
void health_handle(struct api_request *r);
void discovery_free(struct discovery *d);
void frames_free(struct api *api);
void snapshots_expire(struct api *api, bool all);
void watch_tick(struct api *api);
/* expire.c: old events */
void expiry_tick(struct api *api);
void expiry_free(struct expiry *e);
void bootstrap_free(struct bootstrap *b);

#endif
